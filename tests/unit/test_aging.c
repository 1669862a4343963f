/* How long an actor's tables are kept: by the league day of the records taken, some rows with each, the same whatever the steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "actors/harness.h"
#include "actors/shard.h"
#include "config/clock.h"
#include "schema/messages.h"

enum { FIRST_DAY = 20251020, KEPT_DAYS = 10, ROWS_A_RECORD = 16 };

static int64_t start_us;
static int removed_by_hook;

/* Each record is a row of every table: on the day that its score says, or today. */
static enum verdict take_game(struct step *step, const struct input *input, void *self)
{
    const struct msg_row_game *game = input->message;
    struct store_txn *txn = step_store(step);
    struct store_key key;
    (void)self;
    store_key_start(&key);
    store_key_text(&key, game->game_id);
    if (store_put(txn, "aged", game->game_date, key.data, key.size, "", 0) ||
        store_put(txn, "hooked", game->game_date, key.data, key.size, "", 0) ||
        store_put(txn, "written", game->game_date, key.data, key.size, &input->time_us,
                  sizeof input->time_us) ||
        store_put(txn, "kept", game->game_date, key.data, key.size, "", 0) ||
        store_put(txn, "aged", STORE_UNDATED, key.data, key.size, "", 0))
        return step_refuse(step, LATER, "store");
    return strcmp(game->status, "postponed") == 0 ? step_refuse(step, NEVER, "not that") : DONE;
}

static int hook(struct store_txn *txn, int32_t date, const struct span *key)
{
    removed_by_hook++;
    return store_del(txn, "hooked", date, key->data, key->size);
}

static int64_t written_us(const struct span *value)
{
    int64_t at_us;
    memcpy(&at_us, value->data, sizeof at_us);
    return at_us;
}

static const struct take takes[] = {
    {&msg_row_game_desc, take_game, RUN_NONE, NULL, false},
    {NULL, NULL, RUN_NONE, NULL, false},
};
static const struct aging ages[] = {
    {"aged", KEPT_DAYS, NULL, NULL},          {"hooked", KEPT_DAYS, hook, NULL},
    {"written", KEPT_DAYS, NULL, written_us}, {"log", AGING_LOG, NULL, NULL},
    {"kept", AGING_NEVER, NULL, NULL},        {NULL, 0, NULL, NULL},
};
static const struct actor actor = {
    .name = "proof-ager", .does = "ages", .takes = takes, .ages = ages};

static int group_start(void **state)
{
    (void)state;
    messages_register();
    if (clock_zone_set("America/New_York") != 0)
        return -1;
    start_us = clock_date_start_us(FIRST_DAY) + INT64_C(12) * 3600 * 1000000;
    return 0;
}

static int64_t day_us(int days)
{
    return start_us + days * INT64_C(86400000000);
}

static void give_as(struct harness *harness, int number, int32_t date, int64_t time_us,
                    const char *status)
{
    struct msg_row_game game;
    message_clear(&msg_row_game_desc, &game);
    snprintf(game.game_id, sizeof game.game_id, "%010d", number);
    game.game_date = date;
    strcpy(game.home, "CHI");
    strcpy(game.away, "DEN");
    strcpy(game.status, status);
    strcpy(game.feed, "x");
    assert_true(harness_put(harness, &msg_row_game_desc, &game, time_us) > 0);
}

static void give(struct harness *harness, int number, int32_t date, int64_t time_us)
{
    give_as(harness, number, date, time_us, "final");
}

struct seen {
    int rows;
    int32_t first;
};

static int see(const struct store_row *row, void *context)
{
    struct seen *seen = context;
    if (seen->rows++ == 0)
        seen->first = row->date;
    return 0;
}

static struct seen rows_of(struct harness *harness, const char *table)
{
    struct store_txn *txn;
    struct seen seen = {0};
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    int error = store_scan(txn, table, 1, 99991231, NULL, 0, false, see, &seen);
    assert_true(error == 0 || error == STORE_NOT_FOUND);
    store_abort(&txn);
    return seen;
}

static struct harness *open_with(const char *set)
{
    static struct settings settings;
    const char *const sets[] = {set};
    assert_int_equal(settings_load(&settings, NULL, sets, set ? 1 : 0, stderr), 0);
    struct harness *harness = harness_open(&actor, &settings);
    assert_non_null(harness);
    return harness;
}

static const struct msg_ops_run *last_run(struct harness *harness)
{
    size_t count = harness_count(harness, &msg_ops_run_desc);
    return count ? harness_at(harness, &msg_ops_run_desc, count - 1)->message : NULL;
}

/* ---- */

static void rows_go_when_their_days_are_over(void **state)
{
    struct harness *harness = open_with(NULL);
    (void)state;
    for (int day = 0; day < 30; day++) {
        give(harness, day, clock_date_add(FIRST_DAY, day), day_us(day));
        assert_int_equal(harness_run(harness), 0);
        int kept = day < KEPT_DAYS ? day + 1 : KEPT_DAYS + 1;
        assert_int_equal(rows_of(harness, "aged").rows, kept);
        assert_int_equal(rows_of(harness, "aged").first, clock_date_add(FIRST_DAY, day + 1 - kept));
        assert_int_equal(rows_of(harness, "hooked").rows, kept);
        assert_int_equal(rows_of(harness, "kept").rows, day + 1);
        if (day > KEPT_DAYS) { /* a day's are one run */
            assert_string_equal(last_run(harness)->name, "StoreRetain");
            assert_int_equal(last_run(harness)->rows_in, 3);
            assert_string_equal(last_run(harness)->outcome, "success");
        }
    }
    assert_int_equal(harness_count(harness, &msg_ops_run_desc), 30 - KEPT_DAYS - 1);
    harness_close(&harness);
}

static int count_undated(const struct store_row *row, void *context)
{
    (void)row;
    ++*(int *)context;
    return 0;
}

static void undated_rows_stay(void **state)
{
    struct harness *harness = open_with(NULL);
    struct store_txn *txn;
    int rows = 0;
    (void)state;
    for (int day = 0; day < 20; day++)
        give(harness, day, clock_date_add(FIRST_DAY, day), day_us(day));
    assert_int_equal(harness_run(harness), 0);
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    assert_int_equal(store_scan(txn, "aged", 0, 0, NULL, 0, false, count_undated, &rows), 0);
    store_abort(&txn);
    assert_int_equal(rows, 20);
    harness_close(&harness);
}

static void no_record_pays_for_many(void **state)
{
    struct harness *harness = open_with(NULL);
    (void)state;
    for (int i = 0; i < 200; i++)
        give(harness, i, FIRST_DAY, day_us(0) + i);
    assert_int_equal(harness_run(harness), 0);
    int before = 3 * 200;
    for (int i = 0; before > 3; i++) { /* each brings three rows of today, and takes 16 old ones */
        give(harness, 1000 + i, clock_date_add(FIRST_DAY, 15), day_us(15) + i);
        assert_int_equal(harness_run(harness), 0);
        int rows = rows_of(harness, "aged").rows + rows_of(harness, "hooked").rows +
                   rows_of(harness, "written").rows - 3 * (i + 1);
        assert_in_range(before - rows, 1, ROWS_A_RECORD);
        before = rows;
        assert_in_range(i, 0, 60);
        if (rows == 0)
            break;
    }
    assert_int_equal(harness_count(harness, &msg_ops_run_desc), 1);
    assert_int_equal(last_run(harness)->rows_in, 600);
    harness_close(&harness);
}

/* What is written today of an old day is new, where the time of writing is told. */
static void what_is_written_again_is_new(void **state)
{
    struct harness *harness = open_with(NULL);
    (void)state;
    give(harness, 1, FIRST_DAY, day_us(0));
    give(harness, 2, FIRST_DAY, day_us(50));
    give(harness, 3, FIRST_DAY, day_us(51));
    give(harness, 4, FIRST_DAY, day_us(52));
    assert_int_equal(harness_run(harness), 0);
    assert_int_equal(rows_of(harness, "written").rows, 3);
    assert_true(rows_of(harness, "aged").rows < 3);
    give(harness, 5, clock_date_add(FIRST_DAY, 61), day_us(61));
    assert_int_equal(harness_run(harness), 0);
    assert_int_equal(rows_of(harness, "written").rows, 3); /* 3, 4 and 5 */
    give(harness, 6, clock_date_add(FIRST_DAY, 70), day_us(70));
    assert_int_equal(harness_run(harness), 0);
    assert_int_equal(rows_of(harness, "written").rows, 2);
    harness_close(&harness);
}

static void settings_say_otherwise(void **state)
{
    struct harness *harness = open_with("retention.tables=proof-ager.aged=3,proof-ager.hooked=0,"
                                        "proof-ager.kept=5,other.aged=1");
    (void)state;
    for (int day = 0; day < 20; day++)
        give(harness, day, clock_date_add(FIRST_DAY, day), day_us(day));
    assert_int_equal(harness_run(harness), 0);
    assert_int_equal(rows_of(harness, "aged").rows, 4);
    assert_int_equal(rows_of(harness, "hooked").rows, 20);
    assert_int_equal(rows_of(harness, "kept").rows, 6);
    harness_close(&harness);
    struct settings settings;
    const char *set = "retention.tables=proof-ager.aged=3,proof-ager.nothing=7,other.x=1";
    assert_int_equal(settings_load(&settings, NULL, &set, 1, stderr), 0);
    assert_string_equal(aging_unknown(&actor, &settings), "proof-ager.nothing=7");
    assert_int_equal(aging_days(&actor, &ages[0], &settings), 3);
    assert_int_equal(aging_days(&actor, &ages[1], &settings), KEPT_DAYS);
    assert_int_equal(aging_days(&actor, &ages[3], &settings), settings.retention.default_days);
}

/* ---- the same, whatever the steps ---- */

static int add_row(const char *table, const struct store_row *row, void *context)
{
    uint64_t *hash = context;
    if (table[0] == '_' && strcmp(table, "_aging") != 0) /* how many steps it took is the kit's */
        return 0;
    *hash = *hash * UINT64_C(0x100000001b3) ^ (uint64_t)row->date;
    for (const char *c = table; *c; c++)
        *hash = (*hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    for (uint32_t i = 0; i < row->key.size; i++)
        *hash = (*hash ^ row->key.data[i]) * UINT64_C(0x100000001b3);
    for (uint32_t i = 0; i < row->value.size; i++)
        *hash = (*hash ^ row->value.data[i]) * UINT64_C(0x100000001b3);
    return 0;
}

static uint64_t hash_of(struct harness *harness)
{
    struct store_txn *txn;
    uint64_t hash = 1;
    assert_int_equal(store_begin(harness_store(harness), false, &txn), 0);
    assert_int_equal(store_each(txn, add_row, &hash), 0);
    store_abort(&txn);
    return hash;
}

/* `group`: so many records wait and become steps together; `restart`: a new process after so many. Some are refused when they have
 * written, and so undo their step. */
static uint64_t play(int group, int restart, int records)
{
    struct harness *harness = open_with(NULL);
    uint32_t dice = 5;
    harness_group(harness, group > 1);
    for (int i = 0; i < records; i++) {
        dice = dice * 1664525u + 1013904223u;
        int day = i / 12;
        give_as(harness, i, clock_date_add(FIRST_DAY, day - (int)(dice >> 8) % 25), day_us(day) + i,
                dice >> 16 & 7 ? "final" : "postponed");
        if ((i + 1) % group == 0)
            assert_int_equal(harness_run(harness), 0);
        if (restart && (i + 1) % restart == 0) {
            assert_int_equal(harness_run(harness), 0);
            assert_int_equal(harness_restart(harness), 0);
        }
    }
    assert_int_equal(harness_run(harness), 0);
    uint64_t hash = hash_of(harness);
    harness_close(&harness);
    return hash;
}

static void the_same_whatever_the_steps_and_lives(void **state)
{
    (void)state;
    for (int records = 150; records < 500; records += 83) {
        uint64_t hash = play(1, 0, records);
        assert_true(play(7, 0, records) == hash);
        assert_true(play(100, 0, records) == hash);
        assert_true(play(1000, 0, records) == hash);
        assert_true(play(1, 3, records) == hash);
        assert_true(play(20, 40, records) == hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_when_their_days_are_over),
        cmocka_unit_test(undated_rows_stay),
        cmocka_unit_test(no_record_pays_for_many),
        cmocka_unit_test(what_is_written_again_is_new),
        cmocka_unit_test(settings_say_otherwise),
        cmocka_unit_test(the_same_whatever_the_steps_and_lives),
    };
    return cmocka_run_group_tests_name("aging", tests, group_start, NULL);
}
