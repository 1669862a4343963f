#include "actors/predictor/predictor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "actors/predictor/model.h"
#include "config/log.h"
#include "schema/hash.h"
#include "schema/messages.h"
#include "schema/pack.h"

static const struct {
    const char *name;
    size_t offset;
} INPUTS[] = {
#define MODEL_INPUT(name, needed) {#name, offsetof(struct model_input, name)},
    MODEL_INPUTS(MODEL_INPUT)
#undef MODEL_INPUT
};
#define INPUT_COUNT (sizeof INPUTS / sizeof INPUTS[0])

static enum verdict store_verdict(struct step *step, int error)
{
    return error == 0 ? DONE
                      : step_refuse(step, error == STORE_CORRUPT ? NEVER : LATER, "store: %s",
                                    store_error_text(error));
}

static void input_set(struct model_input *input, size_t i, double value)
{
    memcpy((char *)input + INPUTS[i].offset, &value, sizeof value);
}

static double input_get(const struct model_input *input, size_t i)
{
    double value;
    memcpy(&value, (const char *)input + INPUTS[i].offset, sizeof value);
    return value;
}

/* Its row, or how many rows there are if it is none of the model's. */
static size_t input_named(const char *name, uint32_t size)
{
    size_t i = 0;
    while (i < INPUT_COUNT &&
           (strlen(INPUTS[i].name) != size || memcmp(INPUTS[i].name, name, size) != 0)) {
        i++;
    }
    return i;
}

/* The model's inputs out of the feature's map. False if a value that is needed here is no number. */
static bool read_inputs(const struct msg_feature_player *feature, struct model_input *input)
{
    struct unpack in = {.data = feature->values.data, .size = feature->values.size};
    uint32_t count, size;
    const char *name;

    for (size_t i = 0; i < INPUT_COUNT; i++) {
        input_set(input, i, NAN);
    }
    input->line = feature->line;
    if (!unpack_map(&in, &count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!unpack_str(&in, &name, &size)) {
            return false;
        }
        double value;
        size_t at = input_named(name, size);
        if (at == INPUT_COUNT || unpack_peek(&in) == PACK_NIL) {
            if (!unpack_skip(&in)) {
                return false;
            }
            continue;
        }
        if (!unpack_f64(&in, &value)) {
            return false;
        }
        input_set(input, at, value);
    }
    return true;
}

static size_t add_value(char *text, size_t size, double value)
{
    return (size_t)(isnan(value) ? snprintf(text, size, "|nil")
                                 : snprintf(text, size, "|%.6f", value));
}

/* First 32 hex digits over what the prediction is of and all that went into it. */
static void name_prediction(const struct msg_feature_player *feature, const char *system,
                            const struct model_input *input, char id[41])
{
    char text[1024], print[HASH_HEX_SIZE];
    size_t at = (size_t)snprintf(text, sizeof text, "%s|%" PRId64 "|%s|points|%" PRId64 "|%" PRId64,
                                 feature->game_id, feature->player_id, system, feature->over_price,
                                 feature->under_price);
    at += add_value(text + at, sizeof text - at, input->line);
    for (size_t i = 0; i < INPUT_COUNT; i++) {
        at += add_value(text + at, sizeof text - at, input_get(input, i));
    }
    hash_sha256_hex(text, at, print);
    memcpy(id, print, 32);
    id[32] = 0;
}

static void fill(const struct msg_feature_player *feature, const struct settings *settings,
                 const struct model_input *input, int64_t made_at,
                 struct msg_prediction_points *message)
{
    struct model_points points = model_points(input);
    struct model_bet bet = model_bet(&points, input->line, feature->over_price,
                                     feature->under_price, settings->predictor.min_edge);
    message_clear(&msg_prediction_points_desc, message);
    name_prediction(feature, settings->predictor.system, input, message->prediction_id);
    strcpy(message->game_id, feature->game_id);
    message->game_date = feature->game_date;
    message->player_id = feature->player_id;
    strcpy(message->player_name, feature->player_name);
    strcpy(message->team, feature->team);
    strcpy(message->opponent, feature->opponent);
    message->home = feature->home;
    message->tip_at = feature->tip_at;
    strcpy(message->system, settings->predictor.system);
    strcpy(message->stat, "points");
    message->predicted = model_round(points.mean);
    message->stddev = model_round(points.stddev);
    message->line = feature->line;
    strcpy(message->line_source, feature->line_source);
    message->prob_over = model_round(bet.prob_over);
    message->edge = model_round(bet.edge);
    message->confidence = model_round(bet.confidence);
    strcpy(message->recommendation, model_side_text(bet.side));
    message->made_at = made_at;
    message->as_of = feature->as_of;
}

/* Remembers the prediction; `*same` if all but its times is what was said last. */
static int note(struct store_txn *txn, const struct msg_prediction_points *message, bool *same)
{
    static const char *const TIMES[] = {"made_at", "as_of", NULL};
    struct msg_prediction_points last;
    struct store_key key;
    store_key_start(&key);
    store_key_text(&key, message->game_id);
    store_key_i64(&key, message->player_id);
    store_key_text(&key, message->system);
    store_key_text(&key, message->stat);
    int error = store_get_message(txn, "prediction", message->game_date, key.data, key.size,
                                  &msg_prediction_points_desc, &last);
    if (error && error != STORE_NOT_FOUND) {
        return error;
    }
    *same = !error && message_equal(&msg_prediction_points_desc, &last, message, TIMES);
    return *same ? 0
                 : store_put_message(txn, "prediction", message->game_date, key.data, key.size,
                                     &msg_prediction_points_desc, message);
}

static enum verdict take_feature(struct step *step, const struct input *input, void *self)
{
    const struct msg_feature_player *feature = input->message;
    const struct settings *settings = step_settings(step);
    struct msg_prediction_points message;
    struct model_input inputs;
    bool same = false;
    (void)self;

    if (!read_inputs(feature, &inputs)) {
        return step_refuse(step, NEVER, "feature_player.values: a name or number is malformed");
    }
    if (feature->games < settings->predictor.min_games || model_missing(&inputs)) {
        step_run_rows(step, 1,
                      1); /* too little is known of him: no prediction, and the run counts it */
        return DONE;
    }
    fill(feature, settings, &inputs, input->time_us, &message);
    int error = note(step_store(step), &message, &same);
    if (!error && !same) {
        step_emit(step, &msg_prediction_points_desc, &message);
    }
    step_run_rows(step, 1, 0);
    return store_verdict(step, error);
}

static void *predictor_start(const struct settings *settings, bool *failed)
{
    *failed = strcmp(settings->predictor.system, "blend") != 0;
    if (*failed) {
        log_error("system-unknown", "predictor.system=%s: the only one is blend",
                  settings->predictor.system);
    }
    return NULL;
}

static const struct take TAKES[] = {
    {&msg_feature_player_desc, take_feature, RUN_PER_STEP, "PredictPoints", false},
    {NULL, NULL, RUN_NONE, NULL, false},
};

const struct actor predictor_actor = {
    .name = "predictor",
    .does = "says what to expect of each player: mean, spread, and what to make of the line",
    .takes = TAKES,
    .start = predictor_start,
};
