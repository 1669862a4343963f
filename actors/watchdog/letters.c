/* Dead letters that a remedy may have offered again. */
#include "actors/watchdog/letters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/watchdog/due.h"
#include "config/clock.h"

#define TABLE_LETTER "letter" /* date; about, actor, position of the letter -> dead_letter */
#define TABLE_NEWEST "newest" /* date; about, stream, entity -> position of the newest record */
#define LETTERS_MOST 64       /* offered again at once */

/* ---- what a record is about ---- */

struct about {
    char about[128], entity[96];
    int32_t date; /* 0: the game's, as it is known */
    int rollover_hour;
};

static union {
    struct msg_raw_exchange raw;
    struct msg_row_game game;
    struct msg_row_box_score box;
    struct msg_feature_player feature;
    struct msg_prediction_points prediction;
    struct msg_timer_features timer;
} record; /* of one letter at a time */

static bool about_raw(struct about *out)
{
    const struct msg_raw_exchange *raw = &record.raw;
    const char *arg = strchr(raw->subject, ':');
    snprintf(out->about, sizeof out->about, "%s", raw->subject);
    if (!arg || clock_parse_date(arg + 1, &out->date) != 0)
        out->date = clock_league_day(raw->fetched_at, out->rollover_hour);
    return true;
}

static bool about_game(struct about *out)
{
    snprintf(out->about, sizeof out->about, "%s", record.game.game_id);
    return true;
}

/* Lines of a game in play are replaced by the next poll's. */
static bool about_box(struct about *out)
{
    snprintf(out->about, sizeof out->about, "%s", record.box.game_id);
    snprintf(out->entity, sizeof out->entity, "%" PRId64, record.box.player_id);
    return record.box.final;
}

static bool about_feature(struct about *out)
{
    snprintf(out->about, sizeof out->about, "%s", record.feature.game_id);
    snprintf(out->entity, sizeof out->entity, "%" PRId64, record.feature.player_id);
    return true;
}

static bool about_prediction(struct about *out)
{
    const struct msg_prediction_points *message = &record.prediction;
    snprintf(out->about, sizeof out->about, "%s", message->game_id);
    snprintf(out->entity, sizeof out->entity, "%" PRId64 " %.32s %.16s", message->player_id,
             message->system, message->stat);
    return true;
}

static bool about_timer(struct about *out)
{
    snprintf(out->about, sizeof out->about, "%s", record.timer.game_id);
    return true;
}

static const struct {
    const struct message_desc *desc;
    bool (*about)(struct about *out);
} readable[] = {
    {&msg_raw_exchange_desc, about_raw},     {&msg_row_game_desc, about_game},
    {&msg_row_box_score_desc, about_box},    {&msg_feature_player_desc, about_feature},
    {&msg_timer_features_desc, about_timer}, {&msg_prediction_points_desc, about_prediction}};

/* False: of a message that nobody needs for a game, without a copy, or unreadable: that will not change. */
static bool about_of(const struct msg_dead_letter *letter, int rollover_hour, struct about *out)
{
    struct message_error error;
    *out = (struct about){.rollover_hour = rollover_hour};
    for (size_t i = 0; i < sizeof readable / sizeof *readable && letter->payload.size; i++)
        if (strcmp(readable[i].desc->stream, letter->stream) == 0)
            return letter->version != UINT64_MAX && letter->version <= readable[i].desc->version &&
                   message_decode(readable[i].desc, letter->payload.data, letter->payload.size,
                                  &record, &error) == 0 &&
                   readable[i].about(out);
    return false;
}

/* ---- the newest of everything ---- */

static void newest_key(struct store_key *key, const char *stream, const char *about,
                       const char *entity)
{
    store_key_start(key);
    store_key_text(key, about);
    store_key_text(key, stream);
    store_key_text(key, entity);
}

static int newest_get(struct store_txn *txn, const char *stream, int32_t date, const char *about,
                      const char *entity, uint64_t *position)
{
    struct store_key key;
    struct span value;
    int64_t number = 0;
    newest_key(&key, stream, about, entity);
    int error = store_get(txn, TABLE_NEWEST, date, key.data, key.size, &value);
    if (!error && store_key_read_i64(&value, &number) != 0)
        error = STORE_CORRUPT;
    *position = (uint64_t)number;
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

int letters_newest_put(struct store_txn *txn, const char *stream, int32_t date, const char *about,
                       const char *entity, uint64_t position)
{
    struct store_key key, value;
    uint64_t newest;
    int error = newest_get(txn, stream, date, about, entity, &newest);
    if (error || newest >= position)
        return error;
    newest_key(&key, stream, about, entity);
    store_key_start(&value);
    store_key_i64(&value, (int64_t)position);
    return store_put(txn, TABLE_NEWEST, date, key.data, key.size, value.data, value.size);
}

static int find_first(const struct store_row *row, void *context)
{
    uint64_t *first = context;
    struct span rest = row->value;
    int64_t position;
    if (store_key_read_i64(&rest, &position) != 0)
        return STORE_CORRUPT;
    if (*first == 0 || (uint64_t)position < *first)
        *first = (uint64_t)position;
    return 0;
}

int letters_first(struct store_txn *txn, const char *stream, int32_t date, const char *about,
                  uint64_t *position)
{
    struct store_key prefix;
    *position = 0;
    store_key_start(&prefix);
    store_key_text(&prefix, about);
    store_key_text(&prefix, stream);
    int error = store_scan(txn, TABLE_NEWEST, date, date, prefix.data, prefix.size, false,
                           find_first, position);
    return error == STORE_NOT_FOUND ? STORE_OK : error;
}

/* ---- letters ---- */

static void actor_of(const char *reader, char actor[48])
{
    snprintf(actor, 48, "%.*s", (int)strcspn(reader, "."), reader);
}

int letters_put(struct step *step, const struct input *input)
{
    const struct msg_dead_letter *letter = input->message;
    const struct span *payload = &input->record->payload;
    struct store_txn *txn = step_store(step);
    struct store_key key;
    struct about about;
    char actor[48];
    if (!about_of(letter, (int)step_settings(step)->day.rollover_hour, &about))
        return STORE_OK;
    int error = about.date ? STORE_OK : due_day(txn, about.about, &about.date);
    if (error || !about.date)
        return error; /* a game that owes nothing */
    error = letters_newest_put(txn, letter->stream, about.date, about.about, about.entity,
                               letter->position);
    if (error)
        return error;
    actor_of(letter->reader, actor);
    store_key_start(&key);
    store_key_text(&key, about.about);
    store_key_text(&key, actor);
    store_key_i64(&key, (int64_t)input->position);
    return store_put(txn, TABLE_LETTER, about.date, key.data, key.size, payload->data,
                     payload->size);
}

struct scan {
    struct step *step; /* NULL: only looks */
    struct store_txn *txn;
    int64_t count, letters[LETTERS_MOST]; /* positions of all that were seen */
    int64_t live;                         /* of which nothing newer is known */
    uint64_t first;
    int error;
};

static void offer(struct scan *scan, const struct msg_dead_letter *letter, uint64_t position)
{
    static struct msg_ops_verdict verdict;
    const struct emit how = {.parents = &position, .parent_count = 1, .due_us = CLOCK_NONE};
    message_clear(&msg_ops_verdict_desc, &verdict);
    verdict.letter = position;
    snprintf(verdict.verdict, sizeof verdict.verdict, "retry");
    snprintf(verdict.reader, sizeof verdict.reader, "%s", letter->reader);
    snprintf(verdict.by, sizeof verdict.by, "watchdog");
    verdict.position = letter->position;
    snprintf(verdict.stream, sizeof verdict.stream, "%s", letter->stream);
    snprintf(verdict.key, sizeof verdict.key, "%s", letter->key);
    verdict.version = letter->version;
    verdict.attempts = letter->attempts;
    verdict.payload = letter->payload;
    verdict.at = step_now_us(scan->step);
    step_emit_with(scan->step, &msg_ops_verdict_desc, &verdict, &how);
}

static int visit(const struct store_row *row, void *context)
{
    static struct msg_dead_letter letter;
    struct scan *scan = context;
    struct span rest = row->key;
    struct message_error broken;
    struct about about;
    const char *about_text, *actor;
    int64_t position;
    uint64_t newest;
    if (store_key_read_text(&rest, &about_text) != 0 || store_key_read_text(&rest, &actor) != 0 ||
        store_key_read_i64(&rest, &position) != 0 ||
        message_decode(&msg_dead_letter_desc, row->value.data, row->value.size, &letter, &broken) !=
            0)
        return STORE_CORRUPT;
    scan->letters[scan->count++] = position;
    if (about_of(&letter, 0, &about)) { /* its date is the row's */
        int error =
            newest_get(scan->txn, letter.stream, row->date, about.about, about.entity, &newest);
        if (error)
            return error;
        if (newest <= letter.position) {
            scan->first = scan->live++ ? scan->first : letter.position;
            if (scan->step)
                offer(scan, &letter, (uint64_t)position);
        }
    }
    return scan->count == LETTERS_MOST || (scan->live && !scan->step);
}

static int scan_letters(struct scan *scan, int32_t date, const char *about, const char *actor)
{
    struct store_key prefix;
    store_key_start(&prefix);
    store_key_text(&prefix, about);
    store_key_text(&prefix, actor);
    int error = store_scan(scan->txn, TABLE_LETTER, date, date, prefix.data, prefix.size, false,
                           visit, scan);
    return error == STORE_NOT_FOUND || error > 0 ? STORE_OK : error;
}

int letters_any(struct store_txn *txn, int32_t date, const char *about, const char *actor,
                bool *any)
{
    struct scan scan = {.txn = txn};
    int error = scan_letters(&scan, date, about, actor);
    *any = scan.live > 0;
    return error;
}

int letters_retry(struct step *step, int32_t date, const char *about, const char *actor,
                  uint64_t *first, int64_t *count)
{
    struct scan scan = {.step = step, .txn = step_store(step)};
    int error = scan_letters(&scan, date, about, actor);
    for (int64_t i = 0; i < scan.count && !error; i++) {
        struct store_key key;
        store_key_start(&key);
        store_key_text(&key, about);
        store_key_text(&key, actor);
        store_key_i64(&key, scan.letters[i]);
        error = store_del(scan.txn, TABLE_LETTER, date, key.data, key.size);
    }
    if (scan.live)
        *first = scan.first;
    *count = scan.live;
    return error;
}
