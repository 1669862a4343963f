/* Times of many goes, told as two of their percentiles: `"NAME_p50_us": N, "NAME_p99_us": N` and what follows. Sorts them. */
#ifndef TESTS_PROGRAMS_TIMES_H
#define TESTS_PROGRAMS_TIMES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int times_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void times_tell(const char *name, int64_t *times, int count, const char *end)
{
    qsort(times, (size_t)count, sizeof *times, times_compare);
    printf("\"%s_p50_us\": %lld, \"%s_p99_us\": %lld%s", name, (long long)times[count / 2], name,
           (long long)times[count * 99 / 100], end);
}

#endif
