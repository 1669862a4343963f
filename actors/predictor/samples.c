#include "actors/predictor/samples.h"

#include <string.h>

size_t samples_column(const struct samples *samples, const char *name)
{
    size_t i = 0;
    while (i < samples->width && strcmp(samples->names[i], name) != 0) {
        i++;
    }
    return i;
}

size_t samples_before(const struct samples *samples, int32_t date)
{
    size_t low = 0, high = samples->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (samples->rows[middle].date < date) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
