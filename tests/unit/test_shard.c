/* The engine, over the harness: outcomes, undoing, order, restarts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "actors/harness.h"
#include "schema/messages.h"
#include "store/shard_env.h"
#include "tests/proof/proof.h"

#define SECOND INT64_C(1000000)
#define T0 (INT64_C(1763337600) * SECOND) /* 2025-11-17 */

/* What the actor under test shall do with a number: told by its value. */
enum wish {
    WISH_COUNT,       /* count it and say so */
    WISH_NEVER,       /* refuse it, having written nothing */
    WISH_NEVER_WROTE, /* refuse it after writing and emitting */
    WISH_BROKEN,      /* emit something that fails its check */
    WISH_LATER,       /* LATER as long as memory.later says */
    WISH_LATER_WROTE,
    WISH_UNTIL, /* refuse it as long as memory.later says */
    WISH_UNTIL_WROTE,
    WISH_TIMER, /* a timer in a second */
    WISH_TWO    /* a count, a sum and a count: two streams in one partition */
};

static struct {
    int calls, forgets, later;
} memory;

static void count(struct step *step, const struct msg_proof_number *in)
{
    struct span value;
    struct msg_proof_counted out;
    uint64_t counted = 0;
    if (store_get(step_store(step), "counts", STORE_UNDATED, in->key, strlen(in->key), &value) == 0)
        memcpy(&counted, value.data, sizeof counted);
    counted++;
    assert_int_equal(store_put(step_store(step), "counts", STORE_UNDATED, in->key, strlen(in->key),
                               &counted, sizeof counted),
                     STORE_OK);
    message_clear(&msg_proof_counted_desc, &out);
    strcpy(out.key, in->key);
    out.number = in->number;
    out.count = counted;
    step_emit(step, &msg_proof_counted_desc, &out);
}

static enum verdict take_number(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_number *in = input->message;
    struct msg_proof_sum sum;
    struct msg_proof_timer timer = {.number = in->number, .turn = 1};
    (void)self;
    memory.calls++;
    message_clear(&msg_proof_sum_desc, &sum);
    strcpy(sum.key, in->key);
    strcpy(timer.key, in->key);
    sum.number = sum.terms = 1;
    switch ((enum wish)in->value) {
    case WISH_NEVER:
        return step_refuse(step, NEVER, "number %d is not wanted", (int)in->number);
    case WISH_NEVER_WROTE:
        count(step, in);
        return step_refuse(step, NEVER, "after the fact");
    case WISH_BROKEN:
        count(step, in);
        sum.terms = 0;
        step_emit(step, &msg_proof_sum_desc, &sum);
        return DONE;
    case WISH_UNTIL:
        if (memory.later-- > 0)
            return step_refuse(step, NEVER, "not so");
        break;
    case WISH_UNTIL_WROTE:
        count(step, in);
        if (memory.later-- > 0)
            return step_refuse(step, NEVER, "not so, after the fact");
        return DONE;
    case WISH_LATER_WROTE:
        count(step, in);
        if (memory.later-- > 0)
            return step_refuse(step, LATER, "not yet");
        return DONE;
    case WISH_LATER:
        if (memory.later-- > 0)
            return step_refuse(step, LATER, "not yet");
        break;
    case WISH_TIMER:
        step_later(step, &msg_proof_timer_desc, &timer, step_now_us(step) + SECOND);
        return DONE;
    case WISH_TWO:
        count(step, in);
        step_emit(step, &msg_proof_sum_desc, &sum);
        break;
    case WISH_COUNT:
        break;
    }
    count(step, in);
    return DONE;
}

static enum verdict take_timer(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_timer *in = input->message;
    struct msg_proof_joined out = {.number = in->number, .product = (uint64_t)input->time_us};
    (void)self;
    strcpy(out.key, in->key);
    step_run_name(step, "LateTimer");
    step_run_rows(step, 7, 2);
    step_emit(step, &msg_proof_joined_desc, &out);
    return DONE;
}

static void forget(void *self)
{
    (void)self;
    memory.forgets++;
}

static const struct take takes[] = {
    {&msg_proof_number_desc, take_number, RUN_PER_STEP, "ProofNumbers", false},
    {&msg_proof_timer_desc, take_timer, RUN_PER_RECORD, "ProofTimer", false},
    {NULL, NULL, RUN_NONE, NULL, false}};
static const struct actor actor = {
    .name = "proof-test", .does = "whatever it is told", .takes = takes, .forget = forget};

static int setup(void **state)
{
    struct settings settings;
    const char *const sets[] = {"actor.retry_wait=1ms", "actor.retry_max_age=10s"};
    memset(&memory, 0, sizeof memory);
    if (settings_load(&settings, NULL, sets, 2, stderr) != 0)
        return -1;
    *state = harness_open(&actor, &settings);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    harness_close((struct harness **)state);
    return 0;
}

static uint64_t put(struct harness *h, const char *key, uint64_t number, enum wish wish)
{
    struct msg_proof_number in = {.number = number, .value = (uint64_t)wish};
    strcpy(in.key, key);
    uint64_t position = harness_put(h, &msg_proof_number_desc, &in, T0);
    assert_true(position > 0);
    return position;
}

static void run(struct harness *h)
{
    int result;
    while ((result = harness_run(h)) == 1)
        ; /* a record that waits a millisecond */
    assert_int_equal(result, 0);
}

static uint64_t counted(struct harness *h, size_t index)
{
    const struct harness_record *record = harness_at(h, &msg_proof_counted_desc, index);
    assert_non_null(record);
    return ((const struct msg_proof_counted *)record->message)->count;
}

static const struct msg_ops_run *run_at(struct harness *h, size_t index)
{
    const struct harness_record *record = harness_at(h, &msg_ops_run_desc, index);
    assert_non_null(record);
    return record->message;
}

static void outcomes(struct harness *h, uint64_t done, uint64_t never)
{
    uint64_t was_done, was_never;
    harness_outcomes(h, &was_done, &was_never);
    assert_int_equal(was_done, done);
    assert_int_equal(was_never, never);
}

static void one_step_of_many(void **state)
{
    struct harness *h = *state;
    harness_group(h, true);
    for (uint64_t i = 1; i <= 300; i++)
        put(h, i % 3 ? "a" : "b", i, WISH_COUNT);
    run(h);
    assert_int_equal(harness_count(h, &msg_proof_counted_desc), 300);
    assert_int_equal(harness_count(h, &msg_ops_run_desc), 1); /* one step, one run */
    const struct msg_ops_run *said = run_at(h, 0);
    assert_string_equal(said->name, "ProofNumbers");
    assert_string_equal(said->outcome, "success");
    assert_int_equal(said->rows_in, 300);
    assert_int_equal(said->rows_out, 300);
    assert_string_equal(said->run_id, "proof-test.0-1-1");
    for (size_t i = 0; i < 300; i++) {
        const struct harness_record *record = harness_at(h, &msg_proof_counted_desc, i);
        assert_int_equal(record->parent_count, 1);
        assert_string_equal(record->run, "proof-test.0-1-1");
    }
    outcomes(h, 300, 0);
}

static void a_bad_record_undoes_only_itself(void **state)
{
    static const enum wish wishes[] = {WISH_NEVER, WISH_NEVER_WROTE, WISH_BROKEN};
    static const char *const rules[] = {"number 50 is not wanted", "after the fact",
                                        "proof_sum.terms: out of range"};
    for (size_t w = 0; w < 3; w++) {
        struct harness *h = *state;
        harness_group(h, true);
        uint64_t bad = 0;
        for (uint64_t i = 1; i <= 100; i++) {
            uint64_t position = put(h, "a", i, i == 50 ? wishes[w] : WISH_COUNT);
            bad = i == 50 ? position : bad;
        }
        run(h);
        outcomes(h, 99, 1);
        assert_int_equal(harness_count(h, &msg_proof_counted_desc), 99);
        assert_int_equal(counted(h, 98), 99); /* the bad one left nothing */
        assert_int_equal(harness_count(h, &msg_proof_sum_desc), 0);
        assert_int_equal(harness_count(h, &msg_dead_letter_desc), 1);
        const struct harness_record *dead = harness_at(h, &msg_dead_letter_desc, 0);
        const struct msg_dead_letter *letter = dead->message;
        assert_int_equal(letter->position, bad);
        assert_int_equal(dead->parents[0], bad);
        assert_string_equal(letter->stream, "proof.number");
        assert_string_equal(letter->reader, "proof-test.0");
        assert_string_equal(letter->key, "a");
        assert_non_null(strstr(letter->rule, rules[w]));
        assert_true(letter->payload.size > 0);
        assert_true(memory.forgets > 0);
        assert_string_equal(run_at(h, 0)->outcome, "partial");
        assert_int_equal(run_at(h, 0)->rows_refused, 1);
        assert_int_equal(run_at(h, 0)->rows_in, 100);
        for (size_t i = 0; i < 99; i++) /* no sequence is skipped */
            assert_int_equal(harness_at(h, &msg_proof_counted_desc, i)->sequence, i + 1);
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static void many_bad_records(void **state)
{
    struct harness *h = *state;
    harness_group(h, true);
    for (uint64_t i = 1; i <= 200; i++)
        put(h, "a", i, i % 2 ? WISH_NEVER_WROTE : WISH_COUNT);
    run(h);
    outcomes(h, 100, 100);
    assert_int_equal(counted(h, 99), 100);
    for (size_t i = 0; i < 100; i++) {
        const struct msg_dead_letter *letter = harness_at(h, &msg_dead_letter_desc, i)->message;
        assert_int_equal(letter->position, 2 * i + 1);
    }
}

static void what_fails_its_check_never_reaches_a_handler(void **state)
{
    struct harness *h = *state;
    static const uint8_t not_a_number[] = "\x83\xa3key\xa1"
                                          "a\xa6number\xa1x\xa5value\x01";
    uint64_t bad =
        harness_put_payload(h, "proof.number", "a", 1, not_a_number, sizeof not_a_number - 1, T0);
    uint64_t newer =
        harness_put_payload(h, "proof.number", "a", 2, not_a_number, sizeof not_a_number - 1, T0);
    assert_true(bad && newer);
    put(h, "a", 1, WISH_COUNT);
    run(h);
    assert_int_equal(memory.calls, 1);
    outcomes(h, 1, 2);
    const struct msg_dead_letter *letter = harness_at(h, &msg_dead_letter_desc, 0)->message;
    assert_int_equal(letter->position, bad);
    assert_string_equal(letter->rule, "proof_number.number: wrong kind: str, not uint");
    letter = harness_at(h, &msg_dead_letter_desc, 1)->message;
    assert_string_equal(letter->rule, "proof_number: version 2 is newer than 1");
}

static void later_waits_in_place(void **state)
{
    static const enum wish wishes[] = {WISH_LATER, WISH_LATER_WROTE};
    for (size_t w = 0; w < 2; w++) {
        struct harness *h = *state;
        memory.later = 3;
        harness_group(h, true);
        for (uint64_t i = 1; i <= 20; i++)
            put(h, "a", i, i == 10 ? wishes[w] : WISH_COUNT);
        assert_int_equal(harness_run(h), 1); /* waits at the tenth */
        outcomes(h, 9, 0);                   /* what came before it is committed */
        run(h);
        outcomes(h, 20, 0);
        assert_int_equal(harness_count(h, &msg_proof_counted_desc), 20);
        for (size_t i = 0; i < 20; i++)
            assert_int_equal(counted(h, i), i + 1); /* in order, each once */
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

static void later_becomes_never(void **state)
{
    (void)state;
    struct settings settings;
    const char *const sets[] = {"actor.retry_wait=1ms", "actor.retry_max_age=5ms"};
    assert_int_equal(settings_load(&settings, NULL, sets, 2, stderr), 0);
    struct harness *h = harness_open(&actor, &settings);
    assert_non_null(h);
    memory.later = 1 << 30;
    put(h, "a", 1, WISH_LATER);
    put(h, "a", 2, WISH_COUNT);
    run(h);
    outcomes(h, 1, 1);
    const struct msg_dead_letter *letter = harness_at(h, &msg_dead_letter_desc, 0)->message;
    assert_string_equal(letter->rule, "not yet");
    assert_true(letter->attempts > 1);
    harness_close(&h);
}

static void timers_come_back(void **state)
{
    struct harness *h = *state;
    put(h, "a", 1, WISH_TIMER);
    run(h);
    const struct harness_record *timer = harness_at(h, &msg_proof_timer_desc, 0);
    assert_int_equal(timer->due_us, T0 + SECOND);
    assert_int_equal(timer->position, 0); /* not yet */
    assert_int_equal(harness_count(h, &msg_proof_joined_desc), 0);
    assert_int_equal(harness_restart(h), 0);
    assert_int_equal(harness_advance(h, T0 + 5 * SECOND), 0);
    const struct harness_record *out = harness_at(h, &msg_proof_joined_desc, 0);
    assert_int_equal(((const struct msg_proof_joined *)out->message)->product, T0 + SECOND);
    assert_int_equal(out->parents[0], timer->position);
    const struct msg_ops_run *said = run_at(h, 1);
    assert_string_equal(said->name, "LateTimer"); /* renamed */
    assert_int_equal(said->rows_in, 7);
    assert_int_equal(said->rows_refused, 2);
    assert_int_equal(said->rows_out, 1);
}

static void one_key_keeps_its_order_over_streams(void **state)
{
    struct harness *h = *state;
    harness_group(h, true);
    for (uint64_t i = 1; i <= 10; i++)
        put(h, "a", i, WISH_TWO);
    run(h);
    size_t at = 0;
    for (size_t i = 0; i < harness_count(h, NULL); i++) {
        static const char *const order[] = {"proof_counted", "proof_sum", "proof_counted"};
        const struct harness_record *record = harness_at(h, NULL, i);
        if (record->desc == &msg_ops_run_desc)
            continue;
        assert_string_equal(record->desc->name, order[at++ % 3]);
    }
    assert_int_equal(at, 30);
}

static void sequences_do_not_depend_on_grouping(void **state)
{
    struct harness *grouped = *state, *single = harness_open(&actor, NULL);
    assert_non_null(single);
    harness_group(grouped, true);
    for (uint64_t i = 1; i <= 100; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", (int)(i % 7));
        put(grouped, key, i, i % 5 ? WISH_TWO : WISH_NEVER_WROTE);
        put(single, key, i, i % 5 ? WISH_TWO : WISH_NEVER_WROTE);
    }
    run(grouped);
    run(single);
    assert_int_equal(harness_count(grouped, &msg_proof_counted_desc), 160);
    assert_int_equal(harness_count(single, &msg_proof_counted_desc), 160);
    for (size_t i = 0; i < 160; i++) { /* the same in every lane */
        const struct harness_record *a = harness_at(grouped, &msg_proof_counted_desc, i), *b;
        size_t j = 0;
        while ((b = harness_at(single, &msg_proof_counted_desc, j++)) &&
               !(b->partition == a->partition && b->sequence == a->sequence))
            ;
        assert_non_null(b);
        assert_true(message_equal(a->desc, a->message, b->message, NULL));
    }
    harness_close(&single);
}

static void a_restart_goes_on(void **state)
{
    struct harness *h = *state;
    for (uint64_t i = 1; i <= 10; i++)
        put(h, "a", i, WISH_COUNT);
    run(h);
    harness_group(h, true);
    put(h, "a", 11, WISH_COUNT); /* waits */
    assert_int_equal(harness_restart(h), 0);
    run(h);
    outcomes(h, 11, 0);
    assert_int_equal(counted(h, 10), 11);
    assert_string_equal(run_at(h, 10)->run_id, "proof-test.0-2-1"); /* another epoch */
    assert_int_equal(harness_count(h, &msg_ops_run_desc), 11); /* nothing is said to have crashed */
}

static int state_of(struct harness *h, struct shard_state *out)
{
    struct store_txn *txn;
    int error = store_begin(harness_store(h), false, &txn);
    if (!error)
        error = shard_env_state(txn, out);
    store_abort(&txn);
    return error;
}

static int count_of(const struct shard_count *count, void *context)
{
    struct shard_count *out = context;
    *out = *count;
    return 0;
}

static void the_environment_tells_what_happened(void **state)
{
    struct harness *h = *state;
    struct shard_state shard;
    struct shard_count numbers = {.done = 0};
    struct store_txn *txn;
    harness_group(h, true);
    for (uint64_t i = 1; i <= 30; i++)
        put(h, "a", i, i % 10 ? WISH_COUNT : WISH_NEVER);
    run(h);
    assert_int_equal(state_of(h, &shard), 0);
    assert_int_equal(shard.cursor, 31);
    assert_int_equal(shard.step, 1);
    assert_int_equal(shard.counted_from, 1);
    assert_int_equal(store_begin(harness_store(h), false, &txn), 0);
    assert_int_equal(shard_env_each_count(txn, count_of, &numbers), 0);
    store_abort(&txn);
    assert_string_equal(numbers.stream, "proof.number");
    assert_int_equal(numbers.done, 27);
    assert_int_equal(numbers.never, 3);
    uint64_t step = shard.step;
    run(h); /* nothing waits: nothing is committed */
    assert_int_equal(state_of(h, &shard), 0);
    assert_int_equal(shard.step, step);
}

/* ---- verdicts ---- */

static const struct msg_dead_letter *letter_at(struct harness *h, size_t index, uint64_t *id)
{
    const struct harness_record *record = harness_at(h, &msg_dead_letter_desc, index);
    assert_non_null(record);
    *id = record->position;
    return record->message;
}

static const struct msg_ops_resolved *resolved_at(struct harness *h, size_t index)
{
    const struct harness_record *record = harness_at(h, &msg_ops_resolved_desc, index);
    assert_non_null(record);
    return record->message;
}

static uint64_t put_verdict(struct harness *h, uint64_t id, const struct msg_dead_letter *letter,
                            const char *what)
{
    struct msg_ops_verdict out;
    message_clear(&msg_ops_verdict_desc, &out);
    out.letter = id;
    snprintf(out.verdict, sizeof out.verdict, "%s", what);
    snprintf(out.reader, sizeof out.reader, "%s", letter->reader);
    snprintf(out.by, sizeof out.by, "somebody");
    out.position = letter->position;
    snprintf(out.stream, sizeof out.stream, "%s", letter->stream);
    snprintf(out.key, sizeof out.key, "%s", letter->key);
    out.version = letter->version;
    out.attempts = letter->attempts;
    out.payload = letter->payload;
    out.at = T0;
    uint64_t position = harness_put(h, &msg_ops_verdict_desc, &out, T0);
    assert_true(position > 0);
    return position;
}

/* Among others in one step, refused before and after it wrote: refused again, then taken, each verdict once. */
static void a_dead_letter_is_offered_again(void **state)
{
    static const enum wish wishes[] = {WISH_UNTIL, WISH_UNTIL_WROTE};
    for (size_t w = 0; w < 2; w++) {
        struct harness *h = *state;
        uint64_t id, second;
        /* one that wrote is offered twice each time: the first try of a step is undone, and not repeated */
        memory.later = 2;
        harness_group(h, true);
        uint64_t bad = put(h, "a", 1, wishes[w]);
        run(h);
        const struct msg_dead_letter *letter = letter_at(h, 0, &id);
        assert_int_equal(letter->position, bad);
        assert_int_equal(letter->version, 1);
        assert_int_equal(letter->attempts, 1);

        put(h, "a", 2, WISH_COUNT);
        uint64_t verdict = put_verdict(h, id, letter, "retry");
        put_verdict(h, id, letter, "retry");
        put(h, "a", 3, WISH_COUNT);
        run(h);
        assert_int_equal(harness_count(h, &msg_ops_resolved_desc), 1);
        assert_string_equal(resolved_at(h, 0)->outcome, "refused");
        assert_int_equal(resolved_at(h, 0)->letter, id);
        assert_string_equal(resolved_at(h, 0)->by, "somebody");
        const struct msg_dead_letter *again = letter_at(h, 1, &second);
        assert_int_equal(again->position, bad);
        assert_int_equal(again->attempts, 2);
        assert_int_equal(harness_at(h, &msg_dead_letter_desc, 1)->parents[0], verdict);
        assert_int_equal(counted(h, 1), 2); /* the others were taken, and only they */
        outcomes(h, 3, 2);

        verdict = put_verdict(h, second, again, "retry");
        put_verdict(h, second, again, "drop"); /* too late */
        put_verdict(h, id, letter, "retry");
        put(h, "a", 4, WISH_COUNT);
        run(h);
        assert_int_equal(harness_count(h, &msg_ops_resolved_desc), 2);
        assert_string_equal(resolved_at(h, 1)->outcome, "taken");
        assert_int_equal(harness_count(h, &msg_dead_letter_desc), 2);
        const struct harness_record *made = harness_at(h, &msg_proof_counted_desc, 2);
        assert_int_equal(((const struct msg_proof_counted *)made->message)->number, 1);
        assert_int_equal(made->parents[0], verdict);
        assert_int_equal(counted(h, 3), 4);
        outcomes(h, 7, 2);
        assert_int_equal(harness_restart(h), 0);
        put_verdict(h, second, again, "retry"); /* remembered by the environment */
        run(h);
        assert_int_equal(harness_count(h, &msg_proof_counted_desc), 4);
        assert_int_equal(harness_count(h, &msg_ops_resolved_desc), 2);
        teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

/* ---- going back ---- */

static uint64_t put_rewind(struct harness *h, const char *reader, uint64_t to)
{
    struct msg_ops_rewind out;
    message_clear(&msg_ops_rewind_desc, &out);
    snprintf(out.reader, sizeof out.reader, "%s", reader);
    out.position = to;
    snprintf(out.by, sizeof out.by, "somebody");
    out.at = T0;
    uint64_t position = harness_put(h, &msg_ops_rewind_desc, &out, T0);
    assert_true(position > 0);
    return position;
}

static struct shard_rewind rewind_of(struct harness *h)
{
    struct shard_rewind rewind;
    struct store_txn *txn;
    assert_int_equal(store_begin(harness_store(h), false, &txn), STORE_OK);
    assert_int_equal(shard_env_rewind(txn, &rewind), STORE_OK);
    store_abort(&txn);
    return rewind;
}

/* The record ends its step, durably; then it is the owner's turn. What is for others, ahead, or nonsense is one more record. */
static void a_rewind_ends_the_step(void **state)
{
    static const uint8_t nonsense[] = {0x81, 0xa1, 'x', 0x01};
    struct harness *h = *state;
    harness_group(h, true);
    put(h, "a", 1, WISH_COUNT);
    put_rewind(h, "proof-test.1", 1);
    put_rewind(h, "proof-test.0", 1000);
    assert_true(harness_put_payload(h, "ops.rewind", "x", 1, nonsense, sizeof nonsense, T0) > 0);
    put(h, "a", 2, WISH_COUNT);
    run(h);
    assert_int_equal(harness_count(h, &msg_proof_counted_desc), 2);
    assert_int_equal(rewind_of(h).asked, 0);

    put(h, "a", 3, WISH_COUNT);
    uint64_t asked = put_rewind(h, "proof-test.0", 2);
    put_rewind(h, "proof-test.0", 1);
    put(h, "a", 4, WISH_COUNT);
    run(h);
    struct shard_state shard;
    assert_int_equal(harness_count(h, &msg_proof_counted_desc), 3);
    assert_int_equal(state_of(h, &shard), STORE_OK);
    assert_int_equal(shard.cursor, asked + 1);
    struct shard_rewind rewind = rewind_of(h);
    assert_int_equal(rewind.asked, asked);
    assert_int_equal(rewind.to, 2);
    assert_int_equal(rewind.state, SHARD_REWIND_ASKED);
    assert_int_equal(harness_restart(h), 0);
    run(h); /* another life: still the owner's turn */
    assert_int_equal(harness_count(h, &msg_proof_counted_desc), 3);
}

static void a_dead_letter_waits_or_is_dropped(void **state)
{
    static const uint8_t nonsense[] = {0x81, 0xa1, 'x', 0x01};
    struct harness *h = *state;
    uint64_t id, other;
    memory.later = 1;
    put(h, "a", 1, WISH_UNTIL);
    put(h, "b", 2, WISH_NEVER);
    run(h);
    struct msg_dead_letter letter = *letter_at(h, 0, &id), never = *letter_at(h, 1, &other);
    put_verdict(h, other, &never, "drop");
    put_verdict(h, other, &never, "retry");
    run(h);
    assert_int_equal(harness_count(h, &msg_ops_resolved_desc), 1);
    assert_string_equal(resolved_at(h, 0)->outcome, "dropped");
    assert_int_equal(harness_count(h, &msg_dead_letter_desc), 2);

    struct msg_dead_letter elsewhere =
        letter; /* not ours; nonsense; of a stream that is not read */
    snprintf(elsewhere.reader, sizeof elsewhere.reader, "proof-test.1");
    put_verdict(h, id, &elsewhere, "retry");
    assert_true(harness_put_payload(h, "ops.verdict", "x", 1, nonsense, sizeof nonsense, T0) > 0);
    run(h);
    assert_int_equal(harness_count(h, &msg_ops_resolved_desc), 1);
    outcomes(h, 4, 2);

    put_verdict(h, id, &letter, "retry");
    run(h);
    assert_string_equal(resolved_at(h, 1)->outcome, "taken");
    assert_int_equal(counted(h, 0), 1);
    outcomes(h, 5, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_step_of_many, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_record_undoes_only_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(many_bad_records, setup, teardown),
        cmocka_unit_test_setup_teardown(what_fails_its_check_never_reaches_a_handler, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(later_waits_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(later_becomes_never, setup, teardown),
        cmocka_unit_test_setup_teardown(timers_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(one_key_keeps_its_order_over_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(sequences_do_not_depend_on_grouping, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(the_environment_tells_what_happened, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_letter_is_offered_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rewind_ends_the_step, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_letter_waits_or_is_dropped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
