/* The page of a backtest: one file, drawn in it as SVG, that needs no network. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/backtest.h"
#include "config/clock.h"

#define WIDE 640.0
#define HIGH 320.0
#define EDGE 46.0

static const char *const COLOURS[SYSTEM_COUNT] = {"#7a869a", "#c98b2b", "#5b9a8b", "#8d6cab",
                                                  "#c0392b"};

/* No marks on an axis: -1 of them. A drawing: x from x0 to x1, y from y0 to y1. */
struct plot {
    FILE *out;
    double x0, x1, y0, y1;
};

static double across(const struct plot *plot, double x)
{
    return EDGE + (x - plot->x0) / (plot->x1 - plot->x0) * (WIDE - EDGE - 10);
}

static double down(const struct plot *plot, double y)
{
    return HIGH - EDGE + 14 - (y - plot->y0) / (plot->y1 - plot->y0) * (HIGH - EDGE - 4);
}

static void plot_begin(const struct plot *plot, const char *title, int x_marks, int y_marks,
                       int x_digits, int y_digits)
{
    fprintf(plot->out,
            "<figure><figcaption>%s</figcaption><svg viewBox=\"0 0 %g %g\" role=\"img\" "
            "aria-label=\"%s\">\n",
            title, WIDE, HIGH, title);
    for (int i = 0; i <= y_marks; i++) {
        double y = plot->y0 + (plot->y1 - plot->y0) * i / y_marks;
        fprintf(plot->out,
                "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><text "
                "x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
                EDGE, WIDE - 10, down(plot, y), down(plot, y), EDGE - 6, down(plot, y) + 4);
        fprintf(plot->out, "%.*f</text>\n", y_digits, y);
    }
    for (int i = 0; i <= x_marks; i++) {
        double x = plot->x0 + (plot->x1 - plot->x0) * i / x_marks;
        fprintf(plot->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", across(plot, x),
                HIGH - 8);
        fprintf(plot->out, "%.*f</text>\n", x_digits, x);
    }
}

static void plot_end(const struct plot *plot)
{
    fprintf(plot->out, "</svg></figure>\n");
}

static void draw_calibration(FILE *out, const struct found *found)
{
    const struct plot plot = {out, 0, 1, 0, 1};
    const struct score *score = &found->total[SYSTEM_ensemble];
    if (score->sides == 0) {
        return;
    }
    plot_begin(&plot, "Calibration of the ensemble: P(over) said, and how often it was over", 10, 5,
               1, 1);
    fprintf(out, "<line class=\"even\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
            across(&plot, 0), down(&plot, 0), across(&plot, 1), down(&plot, 1));
    for (int i = 0; i < SCORE_BINS; i++) {
        const struct score_bin *bin = &score->bins[i];
        if (bin->n == 0) {
            continue;
        }
        double said = bin->probability / (double)bin->n, was = (double)bin->over / (double)bin->n;
        double noise = 2 * sqrt(was * (1 - was) / (double)bin->n);
        fprintf(out,
                "<line class=\"noise\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/><circle "
                "cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>said %.3f, was %.3f, n %" PRId64
                "</title></circle>\n",
                across(&plot, said), across(&plot, said), down(&plot, fmax(0, was - noise)),
                down(&plot, fmin(1, was + noise)), across(&plot, said), down(&plot, was),
                3 + 5 * sqrt((double)bin->n / (double)score->sides), said, was, bin->n);
    }
    plot_end(&plot);
}

static void draw_days(FILE *out, const struct found *found)
{
    double most = 1;
    for (int i = 0; i < found->days; i++) {
        const struct found_day *day = &found->days_found[i];
        if (day->n > 0) {
            most = fmax(most, day->absolute[SYSTEM_ensemble] / (double)day->n);
        }
    }
    const struct plot plot = {out, 0, found->days > 1 ? found->days - 1 : 1, 0, ceil(most)};
    plot_begin(&plot, "Mean absolute error by day: dots the ensemble, line its last seven days", -1,
               4, 0, 1);
    fprintf(out, "<polyline class=\"week\" points=\"");
    for (int i = 0; i < found->days; i++) {
        double sum = 0;
        int64_t n = 0;
        for (int j = i < 6 ? 0 : i - 6; j <= i; j++) {
            sum += found->days_found[j].absolute[SYSTEM_ensemble];
            n += found->days_found[j].n;
        }
        if (n > 0) {
            fprintf(out, "%.1f,%.1f ", across(&plot, i), down(&plot, sum / (double)n));
        }
    }
    fprintf(out, "\"/>\n");
    for (int i = 0; i < found->days; i++) {
        const struct found_day *day = &found->days_found[i];
        char date[CLOCK_DATE_SIZE];
        clock_format_date(day->date, date);
        if (day->n > 0) {
            double mae = day->absolute[SYSTEM_ensemble] / (double)day->n;
            fprintf(out,
                    "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"><title>%s: %.3f, n %" PRId64
                    "</title></circle>\n",
                    across(&plot, i), down(&plot, mae), date, mae, day->n);
        }
    }
    plot_end(&plot);
}

static void draw_residuals(FILE *out, const struct found *found)
{
    const int64_t *errors = found->errors[SYSTEM_ensemble];
    int64_t most = 1;
    for (int i = 0; i < FOUND_ERRORS; i++) {
        most = errors[i] > most ? errors[i] : most;
    }
    const int half = FOUND_ERRORS / 2;
    const struct plot plot = {out, -half - 0.5, half + 0.5, 0, (double)most};
    plot_begin(&plot, "Residuals of the ensemble: said less actual, whole points", -1, 4, 0, 0);
    for (int i = 0; i < FOUND_ERRORS; i++) {
        double left = across(&plot, i - half - 0.5), right = across(&plot, i - half + 0.5);
        double top = down(&plot, (double)errors[i]);
        fprintf(out,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%+d: %" PRId64
                "</title></rect>\n",
                left + 0.5, top, right - left - 1, down(&plot, 0) - top, i - half, errors[i]);
        if ((i - half) % 10 == 0) {
            fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%+d</text>\n",
                    (left + right) / 2, HIGH - 8, i - half);
        }
    }
    plot_end(&plot);
}

static void cell(FILE *out, double value, int digits)
{
    if (isnan(value)) {
        fprintf(out, "<td>-</td>");
    } else {
        fprintf(out, "<td>%.*f</td>", digits, value);
    }
}

static double per(double sum, int64_t n)
{
    return n > 0 ? sum / (double)n : NAN;
}

static void table_rows(FILE *out, const struct found *found)
{
    for (int i = 0; i < SYSTEM_COUNT; i++) {
        const struct score *score = &found->total[i];
        if (score->n == 0) {
            continue;
        }
        fprintf(out, "<tr><th style=\"color:%s\">%s</th><td>%" PRId64 "</td>", COLOURS[i],
                system_at((enum system_id)i)->name, score->n);
        cell(out, score_mae(score), 4);
        cell(out, score_mae_error(score), 4);
        cell(out, score_rmse(score), 4);
        cell(out, score_bias(score), 3);
        cell(out, per((double)score->within_3, score->n), 4);
        cell(out, per((double)score->inside, score->n), 4);
        cell(out, per(score->own_absolute, score->lines), 4);
        cell(out, score_hit_rate(score), 4);
        cell(out, per(score->brier, score->sides), 4);
        cell(out, per(score->priced_log_loss, score->priced), 4);
        cell(out, per(score->market_log_loss, score->priced), 4);
        fprintf(out, "<td>%" PRId64 "</td>", score->bets);
        cell(out, score_return(score), 4);
        fprintf(out, "</tr>\n");
    }
}

static void table(FILE *out, const struct found *found)
{
    fprintf(out, "<table><thead><tr><th>system</th><th>n</th><th>mae</th><th>+-</th><th>rmse</th>"
                 "<th>bias</th><th>within 3</th><th>in 80 %%</th><th>mae on lines</th>"
                 "<th>hit rate</th><th>brier</th><th>log loss</th><th>market's</th><th>bets</th>"
                 "<th>return</th></tr></thead><tbody>\n");
    table_rows(out, found);
    fprintf(out, "</tbody></table>\n");
    if (found->mean_by_age.n > 0) {
        fprintf(out,
                "<p>On the same games: mean weighted by age (half-life 8 games) %.4f, season mean "
                "%.4f.",
                score_mae(&found->mean_by_age), score_mae(&found->season_mean));
    }
    if (found->total[SYSTEM_ensemble].lines > 0) {
        const struct score *score = &found->total[SYSTEM_ensemble];
        fprintf(out, " The line itself is off by %.4f on its %" PRId64 " games.",
                score->line_absolute / (double)score->lines, score->lines);
    }
    fprintf(out, "</p>\n");
}

int found_page(const struct found *found, const char *path)
{
    char from[CLOCK_DATE_SIZE], to[CLOCK_DATE_SIZE];
    FILE *out = fopen(path, "w");
    if (!out) {
        return -1;
    }
    clock_format_date(found->from, from);
    clock_format_date(found->to, to);
    fprintf(out,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Backtest of %s, "
            "%s to %s</title><style>body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;"
            "margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}table{border-collapse:"
            "collapse;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}th,td{"
            "padding:.25rem .6rem;text-align:right;border-bottom:1px solid #e3e7ed;white-space:"
            "nowrap}th:first-child{text-align:left}figure{margin:2rem 0}figcaption{font-weight:600}"
            "svg{width:100%%;max-width:%gpx}text{font-size:11px;fill:#5a6575}.grid{stroke:#e3e7ed}"
            ".even{stroke:#9aa5b5;stroke-dasharray:4 4}.noise{stroke:#c0392b;stroke-width:1.5}"
            "circle{fill:#c0392b;fill-opacity:.75}rect{fill:#8d6cab}.week{fill:none;stroke:#1c2430;"
            "stroke-width:1.5}</style></head><body>\n",
            stat_name(found->stat), from, to, WIDE);
    fprintf(out,
            "<h1>Backtest of %s</h1><p>%s to %s: %d days, %" PRId64 " games of players, trained "
            "every %d days on what was known before. Nothing here looks ahead.</p>\n",
            stat_name(found->stat), from, to, found->days, found->games, found->every);
    table(out, found);
    draw_calibration(out, found);
    draw_days(out, found);
    draw_residuals(out, found);
    fprintf(out, "</body></html>\n");
    int error = ferror(out);
    return fclose(out) || error ? -1 : 0;
}
