#include "actors/predictor/linear.h"

#include <math.h>
#include <string.h>

enum { PASSES = 12 };

struct normal {
    double m[LINEAR_MOST][LINEAR_MOST + 1];
};

/* Gauss with pivots; -1: singular. */
static int eliminate(struct normal *normal, size_t n, double *out)
{
    double(*m)[LINEAR_MOST + 1] = normal->m;
    for (size_t i = 0; i < n; i++) {
        size_t pivot = i;
        for (size_t r = i + 1; r < n; r++) {
            pivot = fabs(m[r][i]) > fabs(m[pivot][i]) ? r : pivot;
        }
        if (fabs(m[pivot][i]) < 1e-9) {
            return -1;
        }
        for (size_t c = 0; c <= n; c++) {
            double kept = m[i][c];
            m[i][c] = m[pivot][c];
            m[pivot][c] = kept;
        }
        for (size_t r = 0; r < n; r++) {
            double factor = r == i ? 0 : m[r][i] / m[i][i];
            for (size_t c = i; c <= n && factor != 0; c++) {
                m[r][c] -= factor * m[i][c];
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = m[i][n] / m[i][i];
    }
    return 0;
}

static void add_row(struct normal *normal, size_t n, const double *x, double label, double weight)
{
    for (size_t i = 0; i < n; i++) {
        double scaled = weight * x[i];
        for (size_t j = 0; j < n; j++) {
            normal->m[i][j] += scaled * x[j];
        }
        normal->m[i][n] += scaled * label;
    }
}

int linear_solve(const struct linear_fit *fit, size_t count, linear_row *row, void *context,
                 double *coefficients)
{
    const size_t n = fit->width;
    memcpy(coefficients, fit->prior, n * sizeof *coefficients);
    for (int pass = 0; pass < (fit->slope > 0 ? PASSES : 1); pass++) {
        struct normal normal;
        memset(&normal, 0, sizeof normal);
        for (size_t i = 0; i < n; i++) {
            normal.m[i][i] = fit->strength[i];
            normal.m[i][n] = fit->strength[i] * fit->prior[i];
        }
        for (size_t i = 0; i < count; i++) {
            double x[LINEAR_MOST], weight = 1;
            double label = row(i, x, context), left = label;
            if (isnan(label)) {
                continue;
            }
            for (size_t j = 0; j < n; j++) {
                left -= coefficients[j] * x[j];
            }
            if (fit->slope > 0 && pass > 0) {
                weight = 1 / sqrt(1 + left / fit->slope * (left / fit->slope));
            }
            add_row(&normal, n, x, label, weight);
        }
        if (eliminate(&normal, n, coefficients)) {
            return -1;
        }
    }
    return 0;
}
