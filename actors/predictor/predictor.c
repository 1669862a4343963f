#include "actors/predictor/predictor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/command.h"
#include "actors/predictor/kept.h"
#include "actors/predictor/model.h"
#include "actors/predictor/promoted.h"
#include "actors/predictor/score.h"
#include "config/log.h"
#include "schema/hash.h"
#include "schema/messages.h"
#include "schema/pack.h"

static const struct {
    const char *name;
    size_t size, offset; /* of the name; in the struct */
} INPUTS[] = {
#define MODEL_INPUT(name, needed) {#name, sizeof #name - 1, offsetof(struct model_input, name)},
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
    while (i < INPUT_COUNT && (INPUTS[i].size != size || memcmp(INPUTS[i].name, name, size) != 0)) {
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

enum { NAME_TEXT_SIZE = 1024 };

static size_t add_value(char *text, size_t size, double value)
{
    return (size_t)(isnan(value) ? snprintf(text, size, "|nil")
                                 : snprintf(text, size, "|%.6f", value));
}

/* Whom the prediction is of, and what was offered: the same for every system and stat. */
struct named {
    char who[48], offer[96];
};

static void name_of(const struct msg_feature_player *feature, struct named *named)
{
    snprintf(named->who, sizeof named->who, "%s|%" PRId64 "|", feature->game_id,
             feature->player_id);
    int size = snprintf(named->offer, sizeof named->offer, "|%" PRId64 "|%" PRId64,
                        feature->over_price, feature->under_price);
    (void)add_value(named->offer + size, sizeof named->offer - (size_t)size, feature->line);
}

/* The size; `text` has room for more. */
static size_t begin_name(const struct named *named, const char *system, const char *stat,
                         char text[NAME_TEXT_SIZE])
{
    char *at = stpcpy(stpcpy(stpcpy(text, named->who), system), "|");
    return (size_t)(stpcpy(stpcpy(at, stat), named->offer) - text);
}

/* The first 32 hex digits over all that went into it. */
static void end_name(const char *text, size_t size, char id[41])
{
    char print[HASH_HEX_SIZE];
    hash_sha256_hex(text, size, print);
    memcpy(id, print, 32);
    id[32] = 0;
}

static void name_blend(const struct named *named, const struct model_input *inputs, char id[41])
{
    char text[NAME_TEXT_SIZE];
    size_t size = begin_name(named, "blend", "points", text);
    for (size_t i = 0; i < INPUT_COUNT; i++) {
        size += add_value(text + size, sizeof text - size, input_get(inputs, i));
    }
    end_name(text, size, id);
}

/* `print`: of the model and all values, the same for every system and stat (print_inputs). */
static void name_trained(const struct named *named, const char *system, const char *stat,
                         const char print[HASH_HEX_SIZE], char id[41])
{
    char text[NAME_TEXT_SIZE];
    size_t size = begin_name(named, system, stat, text);
    memcpy(text + size, print, HASH_HEX_SIZE - 1);
    end_name(text, size + HASH_HEX_SIZE - 1, id);
}

static void print_inputs(const struct msg_feature_player *feature, const char *model,
                         char print[HASH_HEX_SIZE])
{
    struct hash *hash = hash_open();
    hash_add(hash, model, strlen(model));
    hash_add(hash, feature->values.data, feature->values.size);
    hash_close(&hash, print);
}

static void fill_head(const struct msg_feature_player *feature, const char *system,
                      const char *stat, int64_t made_at, struct msg_prediction_points *message)
{
    message_clear(&msg_prediction_points_desc, message);
    strcpy(message->game_id, feature->game_id);
    message->game_date = feature->game_date;
    message->player_id = feature->player_id;
    strcpy(message->player_name, feature->player_name);
    strcpy(message->team, feature->team);
    strcpy(message->opponent, feature->opponent);
    message->home = feature->home;
    message->tip_at = feature->tip_at;
    strcpy(message->system, system);
    strcpy(message->stat, stat);
    message->made_at = made_at;
    message->as_of = feature->as_of;
}

/* What to make of the line, where there is one. */
static void fill_bet(const struct msg_feature_player *feature, const struct settings *settings,
                     double over, double under, struct msg_prediction_points *message)
{
    struct model_bet bet = model_bet_of(over, under, message->line, feature->over_price,
                                        feature->under_price, settings->predictor.min_edge);
    message->prob_over = model_round(bet.prob_over);
    message->prob_under = isnan(message->line) ? NAN : model_round(under);
    message->edge = model_round(bet.edge);
    message->confidence = model_round(bet.confidence);
    strcpy(message->recommendation, model_side_text(bet.side));
    int64_t price = bet.side == MODEL_OVER    ? feature->over_price
                    : bet.side == MODEL_UNDER ? feature->under_price
                                              : MESSAGE_NONE;
    if (price != MESSAGE_NONE) {
        message->stake =
            model_round(settings->predictor.kelly * score_kelly(bet.confidence, price));
    }
}

/* What a prediction comes of: the features in hand, or those kept that a command has it made again from. */
struct made_of {
    const struct msg_feature_player *feature;
    uint64_t position;         /* of the features */
    int64_t time_us;           /* of their append */
    uint64_t command;          /* 0: none; else only what was never said is said */
    struct named named;        /* name_of it */
    char print[HASH_HEX_SIZE]; /* of what the model was asked with (print_inputs) */
};

static void fill_blend(const struct made_of *of, const struct settings *settings,
                       const struct model_input *input, struct msg_prediction_points *message)
{
    const struct msg_feature_player *feature = of->feature;
    struct model_points points = model_points(input);
    fill_head(feature, "blend", "points", of->time_us, message);
    name_blend(&of->named, input, message->prediction_id);
    message->predicted = model_round(points.mean);
    message->stddev = model_round(points.stddev);
    message->line = feature->line;
    strcpy(message->line_source, feature->line_source);
    fill_bet(feature, settings, model_over(&points, input->line), model_under(&points, input->line),
             message);
}

static void key_prediction(const struct msg_prediction_points *message, struct store_key *key)
{
    store_key_start(key);
    store_key_text(key, message->game_id);
    store_key_i64(key, message->player_id);
    store_key_text(key, message->system);
    store_key_text(key, message->stat);
}

/* `*same` if all but its times is what was said last, or, with `missing_only`, if there was one. */
static int said_before(struct store_txn *txn, const struct msg_prediction_points *message,
                       const struct store_key *key, bool missing_only, bool *same)
{
    static const char *const TIMES[] = {"made_at", "as_of", NULL};
    struct msg_prediction_points last;
    int error = store_get_message(txn, "prediction", message->game_date, key->data, key->size,
                                  &msg_prediction_points_desc, &last);
    *same = !error &&
            (missing_only || message_equal(&msg_prediction_points_desc, &last, message, TIMES));
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

enum { ENCODED_MOST = 4096 };

/* Says it unless it was said, and remembers it. It comes of the features, of the model if `model` is a position, and of who asked. */
static int say(struct step *step, const struct msg_prediction_points *message,
               const struct made_of *of, uint64_t model)
{
    uint64_t parents[3] = {of->position};
    struct emit how = {.parents = parents, .parent_count = 1, .due_us = MESSAGE_NONE};
    struct store_key key;
    struct message_error why;
    uint8_t bytes[ENCODED_MOST];
    bool same;
    if (model) {
        parents[how.parent_count++] = model;
    }
    if (of->command) {
        parents[how.parent_count++] = of->command;
    }
    key_prediction(message, &key);
    int error = said_before(step_store(step), message, &key, of->command != 0, &same);
    if (error || same) {
        return error;
    }
    long size = message_encode(&msg_prediction_points_desc, message, bytes, sizeof bytes, &why);
    if (size < 0) {
        return STORE_CORRUPT;
    }
    const struct span payload = {bytes, (uint32_t)size};
    error = store_put(step_store(step), "prediction", message->game_date, key.data, key.size, bytes,
                      (size_t)size);
    if (!error) {
        step_emit_encoded(step, &msg_prediction_points_desc, message, &payload, &how);
    }
    return error;
}

/* ---- with what was learned ---- */

static void fill_trained(const struct made_of *of, const struct settings *settings,
                         const struct trained *trained, enum system_id system, enum stat_id stat,
                         const struct outlook *outlook, struct msg_prediction_points *message)
{
    const struct msg_feature_player *feature = of->feature;
    const bool lined = stat == STAT_points && !isnan(feature->line);
    fill_head(feature, system_at(system)->name, stat_name(stat), of->time_us, message);
    memcpy(message->model, trained->sha256, TRAINED_NAME_SIZE - 1);
    name_trained(&of->named, message->system, message->stat, of->print, message->prediction_id);
    message->predicted = model_round(outlook_median(outlook));
    message->stddev = model_round(outlook_deviation(outlook));
    message->low = model_round(outlook_quantile(outlook, 0.1));
    message->high = model_round(outlook_quantile(outlook, 0.9));
    if (lined) {
        message->line = feature->line;
        strcpy(message->line_source, feature->line_source);
    }
    fill_bet(feature, settings, lined ? outlook_over(outlook, feature->line) : NAN,
             lined ? outlook_under(outlook, feature->line) : NAN, message);
}

static enum verdict say_stat(struct step *step, const struct made_of *of,
                             const struct promoted *promoted, const struct trained_ask *ask,
                             enum stat_id stat)
{
    struct msg_prediction_points message;
    struct trained_said said;
    char why[SYSTEM_WHY] = "";
    int error = 0;
    if (trained_say(promoted->trained, stat, ask, &said, why)) {
        return step_refuse(step, NEVER, "model %.16s, %s: %s", promoted->trained->sha256,
                           stat_name(stat), why);
    }
    for (int i = 0; i < SYSTEM_COUNT && !error; i++) {
        if (!isnan(said.centre[i])) {
            fill_trained(of, step_settings(step), promoted->trained, (enum system_id)i, stat,
                         &said.outlook[i], &message);
            error = say(step, &message, of, promoted->position);
        }
    }
    return store_verdict(step, error);
}

static enum verdict say_trained(struct step *step, struct made_of *of, struct promoted *promoted)
{
    const struct msg_feature_player *feature = of->feature;
    const struct settings_list *stats = &step_settings(step)->predictor.stats;
    struct trained_ask ask = {.values = promoted->values, .line = feature->line, .market = NAN};
    enum verdict verdict = DONE;
    if (!promoted_values(promoted, &feature->values, &ask.market)) {
        return step_refuse(step, NEVER, "feature_player.values: a name or number is malformed");
    }
    print_inputs(feature, promoted->trained->sha256, of->print);
    for (int i = 0; i < stats->count && verdict == DONE; i++) {
        enum stat_id stat = stat_named(stats->item[i]);
        if (stat != STAT_COUNT && promoted->trained->says[stat]) {
            ask.line = stat == STAT_points ? feature->line : NAN;
            verdict = say_stat(step, of, promoted, &ask, stat);
        }
    }
    return verdict;
}

/* ---- records ---- */

static enum verdict predict(struct step *step, struct made_of *of, struct promoted *promoted)
{
    const struct msg_feature_player *feature = of->feature;
    const struct settings *settings = step_settings(step);
    struct msg_prediction_points message;
    struct model_input inputs;
    char why[SYSTEM_WHY] = "";

    if (!read_inputs(feature, &inputs)) {
        return step_refuse(step, NEVER, "feature_player.values: a name or number is malformed");
    }
    int error = promoted_refresh(promoted, step_store(step), why);
    if (error) {
        return error == STORE_CORRUPT ? step_refuse(step, NEVER, "%s", why)
                                      : store_verdict(step, error);
    }
    bool blend = !model_missing(&inputs);
    if (feature->games < settings->predictor.min_games || (!blend && !promoted->trained)) {
        step_run_rows(step, 1,
                      1); /* too little is known of him: no prediction, and the run counts it */
        return DONE;
    }
    step_run_rows(step, 1, 0);
    name_of(feature, &of->named);
    if (blend) {
        fill_blend(of, settings, &inputs, &message);
        error = say(step, &message, of, 0);
    }
    return error || !promoted->trained ? store_verdict(step, error)
                                       : say_trained(step, of, promoted);
}

static enum verdict take_feature(struct step *step, const struct input *input, void *self)
{
    struct made_of of = {
        .feature = input->message, .position = input->position, .time_us = input->time_us};
    int error = kept_put(step_store(step), input);
    return error ? store_verdict(step, error) : predict(step, &of, self);
}

static int emit_again(const struct store_row *row, void *step)
{
    struct msg_prediction_points message;
    struct message_error error;
    if (message_decode(&msg_prediction_points_desc, row->value.data, row->value.size, &message,
                       &error) != 0) {
        return STORE_CORRUPT;
    }
    step_emit(step, &msg_prediction_points_desc, &message);
    return 0;
}

/* Asked to: what was said last of each of a game's players, word for word. Somebody has lost it. */
static enum verdict say_again(struct step *step, const struct input *input,
                              const struct command_kind *kind)
{
    const struct msg_ops_command *command = input->message;
    char game_id[COMMAND_GAME_SIZE];
    int32_t date = command_game(command->subject, game_id);
    if (!command_take(step, input, kind, game_id)) {
        return DONE;
    }
    uint32_t said = step_emitted(step);
    step_run_about(step, date, game_id);
    int error = date ? store_scan(step_store(step), "prediction", date, date, game_id,
                                  strlen(game_id) + 1, false, emit_again, step)
                     : STORE_NOT_FOUND;
    if (error && error != STORE_NOT_FOUND) {
        return store_verdict(step, error);
    }
    if (step_emitted(step) == said) {
        command_nothing(step, input, "nothing was said of such a game on that day");
    } else {
        command_done(step, input, said);
    }
    return DONE;
}

/* Asked to: from the newest features of each of the game's players, what was never said of them. */
static enum verdict take_command(struct step *step, const struct input *input, void *self)
{
    static const struct command_kind KIND = {"predictor", "predict", &msg_feature_player_desc,
                                             "PredictPoints", "say"};
    static const struct command_kind SAY = {"predictor", "say", &msg_feature_player_desc,
                                            "PredictPoints", NULL};
    const struct msg_ops_command *command = input->message;
    struct kept_game kept;
    enum verdict verdict = DONE;
    if (command_is(input, &SAY)) {
        return say_again(step, input, &SAY);
    }
    if (!command_take(step, input, &KIND, NULL)) {
        return DONE;
    }
    int error = kept_load(step_store(step), command->subject, step_now_us(step), &kept);
    uint32_t said = step_emitted(step);
    for (size_t i = 0; i < kept.count && !error && verdict == DONE; i++) {
        struct msg_feature_player feature;
        error = kept_read(&kept, i, &feature);
        if (!error) {
            struct made_of of = {.feature = &feature,
                                 .position = kept.rows[i].position,
                                 .time_us = kept.rows[i].time_us,
                                 .command = input->position};
            step_run_about(step, feature.game_date, feature.game_id);
            verdict = predict(step, &of, self);
        }
    }
    if (!error && verdict == DONE && kept.count == 0) {
        command_nothing(step, input, "no features of such a game are known");
    } else if (!error && verdict == DONE) {
        command_done(step, input, said);
    }
    kept_free(&kept);
    return error ? store_verdict(step, error) : verdict;
}

/* Read before it is kept: what cannot be read is set aside, and what was there stays. */
static enum verdict take_model(struct step *step, const struct input *input, void *self)
{
    const struct msg_model_promoted *row = input->message;
    char why[SYSTEM_WHY] = "its bytes have another SHA-256", sha256[HASH_HEX_SIZE];
    struct trained *trained = NULL;
    (void)self;
    hash_sha256_hex(row->body.data, row->body.size, sha256);
    if (strcmp(sha256, row->sha256) == 0) { /* only what was written whole is given to XGBoost */
        trained = trained_read(row->body.data, row->body.size, why);
    }
    if (!trained) {
        return step_refuse(step, NEVER, "model_promoted.body: %s", why);
    }
    trained_free(&trained);
    step_run_rows(step, row->rows, 0);
    return store_verdict(step, promoted_put(step_store(step), row, input->position));
}

static void *predictor_start(const struct settings *settings, bool *failed)
{
    const struct settings_list *stats = &settings->predictor.stats;
    for (int i = 0; i < stats->count; i++) {
        if (stat_named(stats->item[i]) == STAT_COUNT) {
            log_error("stat-unknown",
                      "predictor.stats: %s: none of points, rebounds, assists, threes, pra",
                      stats->item[i]);
            *failed = true;
            return NULL;
        }
    }
    struct promoted *self = calloc(1, sizeof *self);
    *failed = self == NULL;
    return self;
}

static void predictor_forget(void *self)
{
    promoted_drop(self);
}

static void predictor_stop(void *self)
{
    promoted_drop(self);
    free(self);
}

static const struct take TAKES[] = {
    {&msg_model_promoted_desc, take_model, RUN_PER_RECORD, "PromoteModel", true},
    {&msg_feature_player_desc, take_feature, RUN_PER_STEP, "PredictPoints", false},
    {&msg_ops_command_desc, take_command, RUN_NONE, NULL, true},
    {NULL, NULL, RUN_NONE, NULL, false},
};

/* What was said last of each: nothing is said of a game so long ago. */
static const struct aging AGES[] = {{"prediction", AGING_LOG, NULL, NULL}, {NULL, 0, NULL, NULL}};

const struct actor predictor_actor = {
    .name = "predictor",
    .does = "says what to expect of each player: mean, spread, and what to make of the line",
    .takes = TAKES,
    .ages = AGES,
    .start = predictor_start,
    .forget = predictor_forget,
    .stop = predictor_stop,
};
