/* The broker's decisions against a model: random producers, repeats, gaps, conflicts, failed appends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "broker/core.h"

enum { LANES = 4, SEQS_MAX = 4000 };

/* What the log would hold: per lane, the CRC of the batch that begins at a sequence, its count; 0 = none begins there. */
struct model {
    uint32_t crc[LANES][SEQS_MAX], count[LANES][SEQS_MAX];
    uint64_t last[LANES];
};

static bool model_lookup(void *context, uint32_t producer, uint16_t stream, uint16_t partition,
                         uint64_t seq, uint64_t *first_seq, uint32_t *count, uint32_t *crc)
{
    const struct model *model = context;
    (void)producer;
    int lane = (stream - 1) * 2 + partition;
    for (uint64_t first = seq; first >= 1; first--)
        if (model->count[lane][first]) {
            *first_seq = first;
            *count = model->count[lane][first];
            *crc = model->crc[lane][first];
            return seq < first + *count;
        }
    return false;
}

static struct core *core_make(struct model *model)
{
    struct core_options options = {.lease_us = 1000,
                                   .sessions_max = 8,
                                   .max_batch_bytes = 1000,
                                   .later_max = 10,
                                   .lookup = model_lookup,
                                   .context = model};
    struct core *core = core_new(&options);
    for (int i = 0; i < 2; i++) {
        struct core_stream *stream = core_stream_add(core, i ? "two" : "one");
        stream->partitions = 2;
        stream->per_partition = calloc(2, sizeof *stream->per_partition);
        snprintf(stream->writer, sizeof stream->writer, "%s", i ? "*" : "a");
    }
    return core;
}

static struct core_session *session_make(struct core *core, const char *peer, const char *actor)
{
    struct core_session *session = core_session_get(core, (const uint8_t *)peer, strlen(peer), 0);
    assert_non_null(session);
    session->welcomed = true;
    snprintf(session->actor, sizeof session->actor, "%s", actor);
    return session;
}

static bool lease(struct core *core, struct core_session *session, const char *actor,
                  const char *env, int64_t now, struct core_session **old)
{
    struct msg_leas ask = {.shard = 0, .shards = 1};
    int64_t retry_us;
    char holder[160];
    snprintf(ask.actor, sizeof ask.actor, "%s", actor);
    snprintf(ask.env, sizeof ask.env, "%s", env);
    bool granted = core_lease(core, session, &ask, now, old, &retry_us, holder);
    if (granted)
        core_commit(core);
    return granted;
}

static void test_sequences_follow_the_model(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *session = session_make(core, "p", "a"), *old;
    assert_true(lease(core, session, "a", "env", 0, &old));
    srand(11);
    for (int round = 0; round < 20000; round++) {
        struct model before = *model;
        bool broken = false;
        int batches = rand() % 4 + 1, sent = 0;
        struct {
            int lane;
            uint64_t first;
            uint32_t count, crc;
        } staged[4];
        for (int i = 0; i < batches; i++) {
            int lane = rand() % LANES;
            uint64_t last = model->last[lane], first = last + 1;
            uint32_t count = (uint32_t)(rand() % 3 + 1), crc = (uint32_t)rand() | 1;
            int kind = rand() % 10;
            if (last + 8 >= SEQS_MAX)
                continue;
            if (kind == 0)
                first = last + 2 + (uint64_t)(rand() % 3);
            bool repeat = kind == 1 && before.last[lane] > 0,
                 conflict = kind == 2 && before.last[lane] > 0;
            if (repeat || conflict) {
                first = (uint64_t)(rand() % (int)before.last[lane]) + 1;
                while (!before.count[lane][first])
                    first--;
                count = before.count[lane][first];
                crc = before.crc[lane][first] + (conflict ? 2 : 0);
            }
            struct batch_desc desc = {.stream = (uint16_t)(lane / 2 + 1),
                                      .partition = (uint16_t)(lane % 2),
                                      .count = count,
                                      .first_seq = first,
                                      .crc = crc,
                                      .size = 10};
            bool duplicate;
            enum refusal refusal =
                core_publish(core, session, 1, session->producer->epoch, &desc, &duplicate);
            if (conflict)
                assert_int_equal(refusal, REFUSAL_SEQ_CONFLICT);
            else if (kind == 0)
                assert_int_equal(refusal, REFUSAL_SEQ_GAP);
            else {
                assert_int_equal(refusal, REFUSAL_NONE);
                assert_int_equal(duplicate, repeat);
                if (!repeat) {
                    model->last[lane] += count;
                    staged[sent].lane = lane;
                    staged[sent].first = first;
                    staged[sent].count = count;
                    staged[sent++].crc = crc;
                }
            }
        }
        broken = rand() % 7 == 0; /* the append fails: nothing of it happened */
        if (broken) {
            core_rollback(core);
            *model = before;
        } else {
            core_commit(core);
            for (int i = 0; i < sent; i++) {
                model->crc[staged[i].lane][staged[i].first] = staged[i].crc;
                model->count[staged[i].lane][staged[i].first] = staged[i].count;
            }
        }
        for (int lane = 0; lane < LANES; lane++) {
            struct core_lane *held = core_lane_get(core, session->producer,
                                                   (uint16_t)(lane / 2 + 1), (uint16_t)(lane % 2));
            assert_int_equal(held->last_seq, model->last[lane]);
        }
    }
    core_free(&core);
    free(model);
}

static void test_leases(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *first = session_make(core, "1", "a"),
                        *second = session_make(core, "2", "a"), *old;
    struct batch_desc desc = {.stream = 1, .count = 1, .first_seq = 1, .size = 1};
    bool duplicate;
    assert_true(lease(core, first, "a", "env-1", 0, &old));
    first->producer->untold = false; /* told */
    uint64_t epoch = first->producer->epoch;
    assert_false(lease(core, second, "a", "env-2", 500, &old)); /* it runs until 1000 */
    struct msg_beat beat = {.state = "ready", .cursor = 7};
    core_beat(core, first, &beat, 900);
    assert_false(lease(core, second, "a", "env-2", 1500, &old)); /* it was renewed */
    assert_true(lease(core, second, "a", "env-2", 1901, &old));
    assert_ptr_equal(old, first);
    assert_true(second->producer->epoch > epoch);
    assert_string_equal(second->producer->last_env, "env-1");
    assert_int_equal(second->producer->cursor, 7);
    assert_int_equal(core_publish(core, first, 1, epoch, &desc, &duplicate), REFUSAL_STALE_EPOCH);
    assert_int_equal(core_publish(core, second, 1, second->producer->epoch, &desc, &duplicate),
                     REFUSAL_NONE);
    core_commit(core);
    /* the same environment proves that its holder is dead: at once */
    assert_true(lease(core, first, "a", "env-2", 1902, &old));
    assert_ptr_equal(old, second);
    core_session_drop(core, first, true); /* GBYE */
    assert_true(lease(core, second, "a", "env-3", 1903, &old));
    /* a lease whose commit failed was never given */
    struct core_session *third = session_make(core, "3", "b");
    struct msg_leas ask = {.actor = "b", .shards = 1, .env = "x"};
    int64_t retry_us;
    char holder[160];
    assert_true(core_lease(core, third, &ask, 1904, &old, &retry_us, holder));
    core_rollback(core);
    assert_null(third->producer);
    desc.stream = 2;
    assert_int_equal(core_publish(core, third, 2, 1, &desc, &duplicate), REFUSAL_NOT_LEASED);
    core_free(&core);
    free(model);
}

static void test_what_is_not_allowed(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *b = session_make(core, "b", "b"), *old;
    assert_true(lease(core, b, "b", "env", 0, &old));
    uint64_t epoch = b->producer->epoch;
    bool duplicate;
    struct {
        struct batch_desc desc;
        enum refusal refusal;
    } cases[] = {
        {{.stream = 1, .count = 1, .first_seq = 1}, REFUSAL_NOT_WRITER},
        {{.stream = 3, .count = 1, .first_seq = 1}, REFUSAL_UNKNOWN_STREAM},
        {{.stream = 0, .count = 1, .first_seq = 1}, REFUSAL_UNKNOWN_STREAM},
        {{.stream = 2, .partition = 2, .count = 1, .first_seq = 1}, REFUSAL_BAD_PARTITION},
        {{.stream = 2, .count = 0, .first_seq = 1}, REFUSAL_BAD_COUNT},
        {{.stream = 2, .count = 1, .first_seq = 1, .size = 1001}, REFUSAL_TOO_LARGE},
        {{.stream = 2, .count = 70000, .first_seq = 1, .size = 10}, REFUSAL_TOO_LARGE},
        {{.stream = 2, .count = 1, .first_seq = 0, .size = 10}, REFUSAL_SEQ_GAP},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(core_publish(core, b, 1, epoch, &cases[i].desc, &duplicate),
                         cases[i].refusal);
    for (uint64_t i = 1; i <= 11; i++) {
        struct batch_desc later = {.stream = 2, .count = 1, .first_seq = i, .size = 1, .due_us = 5};
        assert_int_equal(core_publish(core, b, 1, epoch, &later, &duplicate),
                         i <= 10 ? REFUSAL_NONE : REFUSAL_TOO_MANY);
    }
    core_free(&core);
    free(model);
}

static void test_credit_and_merge(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *reader = session_make(core, "r", "r");
    struct core_sub_lane lanes[] = {{.stream = 1, .next = 5},
                                    {.stream = 2, .next = 3},
                                    {.stream = 2, .partition = 1, .next = CORE_NONE}};
    assert_int_equal(core_subscribe(reader, lanes, 3, 1, 10, 100), 0);
    struct core_sub_lane *lane = core_sub_next(reader);
    assert_int_equal(lane->next, 3);
    core_sub_delivered(&reader->sub, lane, 20, 500,
                       9); /* larger than all credit: one is always allowed */
    assert_null(core_sub_next(reader));
    core_credit(reader, 20, 500);
    assert_int_equal(core_sub_next(reader)->next, 5);
    core_appended(core, 2, 1, 4, 1);
    assert_int_equal(core_sub_next(reader)->next, 4);
    core_sub_delivered(&reader->sub, core_sub_next(reader), 1, 1, CORE_NONE);
    core_sub_delivered(&reader->sub, core_sub_next(reader), 9, 9, CORE_NONE);
    assert_null(core_sub_next(reader)); /* 10 of 10 in flight */
    core_credit(reader, 1, 1);
    lane = core_sub_next(reader);
    assert_int_equal(lane->next, 9);
    assert_false(core_sub_admits(&reader->sub, 2, 1));
    core_credit(reader, 1000, 1000); /* more than is in flight: not more than all */
    assert_int_equal(reader->sub.flying_records, 0);
    core_free(&core);
    free(model);
}

/* However much credit there is: as many messages as a socket holds for a healthy reader, and it goes on as it takes them. */
static void test_messages_are_bounded(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *reader = session_make(core, "r", "r");
    struct core_sub_lane lane = {.stream = 1, .next = 1}, *next;
    assert_int_equal(core_subscribe(reader, &lane, 1, 1, 1000000, 1000000), 0);
    uint64_t sent = 0, flying = 0, most = 0;
    for (int i = 0; i < 300000; i++) {
        if ((next = core_sub_next(reader)) != NULL) {
            core_sub_delivered(&reader->sub, next, 1, 1, next->next + 1);
            core_sub_sent(&reader->sub);
            sent++;
            flying++;
        } else {
            assert_true(flying > 0);
        }
        if (i % 3 == 0 && flying > 0) {
            core_credit(reader, 1, 1);
            flying--;
        }
        if (flying > most)
            most = flying;
    }
    assert_in_range(most, 1000, 16384);
    assert_true(sent > 100000 / 2);
    core_credit(reader, (uint32_t)flying, (uint32_t)flying);
    assert_non_null(core_sub_next(reader));
    core_free(&core);
    free(model);
}

/* Who asks for the end of a batch gets all of it, and lags by what he asked for: no more, no less. */
static void test_lag_from_within_a_batch(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *reader = session_make(core, "r", "r");
    struct core_stream *stream = core_stream_by_id(core, 2);
    if (!stream->per_partition)
        stream->per_partition = calloc(2, sizeof *stream->per_partition);
    assert_non_null(stream->per_partition);
    stream->per_partition[0] = 10;
    /* positions 11 to 20 are one batch; from 16: five of the ten are wanted */
    struct core_sub_lane lane = {.stream = 2, .next = 11, .passed = 5};
    assert_int_equal(core_subscribe(reader, &lane, 1, 16, 100, 1000), 0);
    assert_int_equal(core_sub_lag(core, reader), 5);
    core_sub_delivered(&reader->sub, core_sub_next(reader), 10, 10, CORE_NONE);
    core_credit(reader, 10, 10);
    assert_int_equal(core_sub_lag(core, reader), 0);
    stream->per_partition[0] = 13; /* three more are appended */
    assert_int_equal(core_sub_lag(core, reader), 3);
    core_free(&core);
    free(model);
}

/* An append that fails takes back exactly what it did: environments, what waits for later, sequences. */
static void test_rollback_is_exact(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *first = session_make(core, "1", "a"),
                        *second = session_make(core, "2", "a"), *old;
    struct msg_leas ask = {.actor = "a", .shards = 1};
    int64_t retry_us;
    char holder[160];
    struct msg_beat beat = {.state = "ready"};
    assert_true(lease(core, first, "a", "A", 0, &old));
    first->producer->untold = false; /* told */
    core_beat(core, first, &beat, 1);
    core_commit(core);
    for (int i = 0; i < 2; i++) { /* two in one append, and it fails */
        snprintf(ask.env, sizeof ask.env, "%s", i ? "C" : "B");
        assert_true(core_lease(core, second, &ask, 5000 + i * 5000, &old, &retry_us, holder));
    }
    core_rollback(core);
    assert_true(lease(core, first, "a", "A", 20000, &old));
    assert_string_equal(first->producer->last_env, "A");
    first->producer->untold = false;
    bool duplicate;
    struct batch_desc later = {.stream = 2, .count = 1, .size = 1, .due_us = 5};
    uint64_t epoch = first->producer->epoch;
    for (uint64_t i = 1; i <= 7; i++) {
        later.first_seq = i;
        assert_int_equal(core_publish(core, first, 1, epoch, &later, &duplicate), REFUSAL_NONE);
    }
    core_rollback(core);
    assert_int_equal(core->later_count, 0);
    for (uint64_t i = 1; i <= 10; i++) {
        later.first_seq = i;
        assert_int_equal(core_publish(core, first, 1, epoch, &later, &duplicate), REFUSAL_NONE);
    }
    core_commit(core);
    later.first_seq = 11;
    assert_int_equal(core_publish(core, first, 1, epoch, &later, &duplicate), REFUSAL_TOO_MANY);
    core_rollback(core);
    assert_int_equal(core->later_count, 10);
    core_free(&core);
    free(model);
}

/* An environment that was leased but never worked on does not pass for the one that holds the state. */
static void test_last_environment(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *first = session_make(core, "1", "a"), *old;
    struct batch_desc desc = {.stream = 1, .count = 1, .first_seq = 1, .size = 1};
    bool duplicate;
    assert_true(lease(core, first, "a", "old", 0, &old));
    assert_string_equal(first->producer->last_env, "");
    assert_int_equal(core_publish(core, first, 1, first->producer->epoch, &desc, &duplicate),
                     REFUSAL_NONE);
    core_commit(core);
    for (int i = 0; i < 3; i++) { /* dies each time before it has rebuilt */
        struct core_session *next = session_make(core, i % 2 ? "2" : "3", "a");
        assert_true(lease(core, next, "a", "new", 5000 + i * 5000, &old));
        assert_string_equal(next->producer->last_env, "old");
        struct msg_beat beat = {.state = "recovering"};
        next->producer->untold = false;
        core_beat(core, next, &beat, 5000 + i * 5000);
    }
    struct core_session *next = session_make(core, "4", "a");
    assert_true(lease(core, next, "a", "new", 20000, &old));
    struct msg_beat beat = {.state = "ready"};
    core_beat(core, next, &beat, 20001); /* what it was before it knew of this lease */
    next->producer->untold = false;
    assert_string_equal(next->producer->used_env, "old");
    core_beat(core, next, &beat, 20002);
    assert_true(next->producer->dirty);
    core_commit(core);
    assert_true(lease(core, next, "a", "new", 20003, &old));
    assert_string_equal(next->producer->last_env, "new");
    core_free(&core);
    free(model);
}

static void test_sessions_are_bounded(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *old;
    char peer[] = "0";
    for (; peer[0] < '8'; peer[0]++)
        assert_non_null(core_session_get(core, (const uint8_t *)peer, 1, peer[0] - '0'));
    struct core_session *holder = session_make(core, "0", "a");
    assert_true(lease(core, holder, "a", "env", 0, &old));
    assert_null(
        core_session_get(core, (const uint8_t *)"x", 1, 1000)); /* nobody is silent for long */
    assert_non_null(core_session_get(core, (const uint8_t *)"1", 1, 1001));
    assert_non_null(core_session_get(core, (const uint8_t *)"x", 1, 1003)); /* "2" was */
    assert_null(core_session_get(core, (const uint8_t *)"2", 1, 1003));
    assert_int_equal(core->session_count, 8);
    assert_ptr_equal(holder->producer->holder, holder);
    holder->gone = true;
    core_sessions_sweep(core);
    assert_int_equal(core->session_count, 7);
    assert_null(core->producers[0]->holder);
    core_free(&core);
    free(model);
}

/* Asked from a position that is yet to come: what comes before it is not delivered. */
static void test_from_beyond_the_head(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct core *core = core_make(model);
    struct core_session *reader = session_make(core, "r", "r");
    struct core_sub_lane lanes[] = {{.stream = 1, .next = CORE_NONE}};
    assert_int_equal(core_subscribe(reader, lanes, 1, 10, 100, 100), 0);
    core->streams[1].per_partition[0] = 9;
    core_appended(core, 1, 0, 1, 9);
    assert_null(core_sub_next(reader));
    assert_int_equal(core_sub_lag(core, reader), 0);
    core->streams[1].per_partition[0] = 12;
    core_appended(core, 1, 0, 10, 3);
    assert_non_null(core_sub_next(reader));
    assert_int_equal(core_sub_lag(core, reader), 3);
    core_free(&core);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences_follow_the_model),
        cmocka_unit_test(test_leases),
        cmocka_unit_test(test_what_is_not_allowed),
        cmocka_unit_test(test_credit_and_merge),
        cmocka_unit_test(test_messages_are_bounded),
        cmocka_unit_test(test_lag_from_within_a_batch),
        cmocka_unit_test(test_rollback_is_exact),
        cmocka_unit_test(test_last_environment),
        cmocka_unit_test(test_sessions_are_bounded),
        cmocka_unit_test(test_from_beyond_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
