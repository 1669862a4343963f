#include "actors/predictor/model.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "schema/message.h"

/* From tests/models/fit_blend.py; model.h says what each is. */
static const double CONSTANT = 0.5609, LEVEL = 0.1102, EWMA = 0.4098, PACE_OF_PLAY = 0.2479,
                    LAST_GAME = 0.1835, OPPONENT = 0.4213, HOME = 0.0102, BACK_TO_BACK = 0.0184,
                    REST_WEEK = -0.0394, REST_FORTNIGHT = -0.0740;
static const double VARIANCE = 9.2977, VARIANCE_PER_POINT = 2.4787;
static const double LINE_WEIGHT = 0.9223;
static const double SHRINK_GAMES = 10, OPPONENT_MEAN = 113;
static const double ROOT_2 = 1.4142135623730951;
static const double POINTS_MOST = 200; /* as prediction.points allows */

double model_round(double value)
{
    return round(value * 1e6) / 1e6;
}

const char *model_missing(const struct model_input *input)
{
#define MODEL_INPUT(name, needed)                                                                  \
    if ((needed) && isnan(input->name)) {                                                          \
        return #name;                                                                              \
    }
    MODEL_INPUTS(MODEL_INPUT)
#undef MODEL_INPUT
    return NULL;
}

static double base_points(const struct model_input *input)
{
    double season_games = isnan(input->points_avg_season) ? 0 : input->games_season;
    double season_points = season_games > 0 ? input->points_avg_season * season_games : 0;
    double level =
        (season_points + SHRINK_GAMES * input->points_avg_last_20) / (season_games + SHRINK_GAMES);
    double sway = 0;
    if (!isnan(input->opponent_points_allowed_last_15)) {
        sway += OPPONENT * (input->opponent_points_allowed_last_15 - OPPONENT_MEAN) / 100;
    }
    sway += HOME * input->home;
    if (!isnan(input->rest_days)) {
        sway += input->rest_days == 1 ? BACK_TO_BACK : 0;
        sway += input->rest_days > 7 ? REST_WEEK : 0;
        sway += input->rest_days > 14 ? REST_FORTNIGHT : 0;
    }
    double base = CONSTANT;
    base += LEVEL * level;
    base += EWMA * input->points_ewma;
    base += PACE_OF_PLAY * (input->ppm_last_30 * input->minutes_ewma);
    base += LAST_GAME * (input->ppm_last_30 * input->minutes_last);
    base += level * sway;
    return base < 0 ? 0 : base;
}

struct model_points model_points(const struct model_input *input)
{
    double mean = base_points(input);
    if (!isnan(input->line)) {
        mean += LINE_WEIGHT * (input->line - mean);
    }
    mean = mean < 0 ? 0 : mean > POINTS_MOST ? POINTS_MOST : mean;
    return (struct model_points){mean, sqrt(VARIANCE + VARIANCE_PER_POINT * mean)};
}

double model_over(const struct model_points *points, double line)
{
    return 0.5 * erfc((floor(line) + 0.5 - points->mean) / (points->stddev * ROOT_2));
}

double model_under(const struct model_points *points, double line)
{
    return 0.5 * erfc((points->mean - (ceil(line) - 0.5)) / (points->stddev * ROOT_2));
}

static double price_probability(int64_t price)
{
    double size = (double)llabs(price);
    return price < 0 ? size / (size + 100) : 100 / (size + 100);
}

/* The price's probability of over, without the book's margin; even without both prices. */
static double fair_over(int64_t over_price, int64_t under_price)
{
    if (over_price == MESSAGE_NONE || under_price == MESSAGE_NONE) {
        return 0.5;
    }
    double over = price_probability(over_price), under = price_probability(under_price);
    return over / (over + under);
}

const char *model_side_text(enum model_side side)
{
    static const char *const TEXTS[] = {"NO_LINE", "PASS", "OVER", "UNDER"};
    return TEXTS[side];
}

struct model_bet model_bet(const struct model_points *points, double line, int64_t over_price,
                           int64_t under_price, double min_edge)
{
    return model_bet_of(model_over(points, line), model_under(points, line), line, over_price,
                        under_price, min_edge);
}

struct model_bet model_bet_of(double over, double under, double line, int64_t over_price,
                              int64_t under_price, double min_edge)
{
    if (isnan(line)) {
        return (struct model_bet){MODEL_NO_LINE, NAN, NAN, 0};
    }
    double settled = over + under; /* > 0: at most one whole number is in neither */
    double share = settled > 0 ? over / settled : 0.5;
    double edge_over = share - fair_over(over_price, under_price);
    bool over_better = edge_over >= 0;
    double edge = over_better ? edge_over : -edge_over;
    enum model_side side = over_better ? MODEL_OVER : MODEL_UNDER;
    return (struct model_bet){
        .side = edge >= min_edge ? side : MODEL_PASS,
        .prob_over = over,
        .edge = edge,
        .confidence = over_better ? share : 1 - share,
    };
}
