/* The engine across its lives: runs left open, epochs taken by another, an outbox sent again, steps of an edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "actors/shard.h"
#include "config/clock.h"
#include "schema/messages.h"
#include "schema/record.h"
#include "tests/proof/proof.h"

static const struct actor edge = {.name = "proof-edge", .does = "opens steps itself", .edge = true};
static struct settings settings;
static char dir[64];
static struct store *store;

static uint16_t partitions(void *context, const char *stream)
{
    (void)context;
    return strcmp(stream, "unknown") == 0 ? 0 : 2;
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test-shard-life-XXXXXX");
    struct store_options options = {.map_bytes = (size_t)64 << 20, .scratch = true};
    return settings_load(&settings, NULL, NULL, 0, stderr) == 0 && mkdtemp(dir) &&
                   store_open(&store, dir, &options) == STORE_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "lock", "gate", "runs.mark"};
    char path[96];
    (void)state;
    store_close(&store);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
    return 0;
}

/* A new life, under the next epoch. */
static struct shard *begin_as(const struct actor *actor, uint64_t epoch)
{
    struct shard *shard;
    struct shard_options options = {.actor = actor,
                                    .settings = &settings,
                                    .host = "test",
                                    .shards = 1,
                                    .store = store,
                                    .partitions = partitions};
    assert_int_equal(shard_open(&shard, &options), STORE_OK);
    struct shard_start start = {.epoch = epoch, .cursor = 1};
    assert_int_equal(shard_start(shard, &start), STORE_OK);
    return shard;
}

static struct shard *begin(uint64_t epoch)
{
    return begin_as(&edge, epoch);
}

struct said {
    struct msg_ops_run runs[16];
    size_t count;
    uint64_t first_seq;
    uint8_t body[4096];
    uint32_t body_size;
};

/* What waits in the outbox: the runs in it, and its first batch's bytes. */
static void outbox_read(struct shard *shard, struct said *said)
{
    const struct shard_out *out;
    memset(said, 0, sizeof *said);
    for (uint32_t i = 0; (out = shard_unsent(shard, i)) != NULL; i++) {
        struct batch_reader reader;
        struct record record;
        struct message_error error;
        const char *rule;
        if (i == 0) {
            said->first_seq = out->first_seq;
            said->body_size = out->body.size;
            memcpy(said->body, out->body.data, out->body.size);
        }
        assert_int_equal(batch_open(&reader, out->body.data, out->body.size, out->count, &rule), 0);
        while (batch_next(&reader, &record, &rule) == 1)
            if (strcmp(out->stream, "ops.run") == 0)
                assert_int_equal(message_decode(&msg_ops_run_desc, record.payload.data,
                                                record.payload.size, &said->runs[said->count++],
                                                &error),
                                 0);
    }
}

static void emit(struct step *step, const char *key)
{
    struct msg_proof_counted out = {.number = 1, .count = 1};
    strcpy(out.key, key);
    step_emit(step, &msg_proof_counted_desc, &out);
}

static const struct run_close success = {
    .outcome = RUN_SUCCESS, .error = ERROR_NONE, .next_check = CLOCK_NONE};

static void commit(struct shard *shard)
{
    assert_int_equal(shard_step_finish(shard), 0);
    assert_int_equal(shard_commit(shard), STORE_OK);
}

static void an_open_run_crashes_once(void **state)
{
    struct said said;
    (void)state;
    struct shard *shard = begin(1);
    int closed = shard_run_open(shard, "Closed", "schedule", 1);
    int left = shard_run_open(shard, "Left", "schedule", 3);
    assert_true(closed >= 0 && left >= 0 && closed != left);
    struct step *step = shard_step_open(shard);
    assert_non_null(step);
    step_run_use(step, closed);
    emit(step, "a");
    emit(step, "a");
    step_run_close(step, closed, &success);
    commit(shard);
    outbox_read(shard, &said);
    assert_int_equal(said.count, 1);
    assert_string_equal(said.runs[0].name, "Closed");
    assert_string_equal(said.runs[0].outcome, "success");
    assert_int_equal(said.runs[0].rows_out, 2);
    shard_close(&shard); /* the process dies: one run is still open */
    for (uint64_t epoch = 2; epoch <= 4; epoch++) {
        shard = begin(epoch);
        enum shard_built built = shard_build(shard, clock_mono_us());
        assert_int_equal(built, epoch == 4 ? SHARD_NOTHING : SHARD_BUILT);
        if (epoch == 3) /* said now; in the second life it was not committed */
            assert_int_equal(shard_commit(shard), STORE_OK);
        shard_close(&shard);
    }
    shard = begin(5);
    outbox_read(shard, &said); /* unacknowledged through all lives */
    assert_int_equal(said.count, 2);
    assert_string_equal(said.runs[1].name, "Left");
    assert_string_equal(said.runs[1].outcome, "crashed");
    assert_string_equal(said.runs[1].error_class, "crash");
    assert_string_equal(said.runs[1].cause, "schedule");
    assert_int_equal(said.runs[1].attempt, 3);
    assert_int_equal(said.runs[1].epoch, 1);
    shard_close(&shard);
}

static void a_close_that_was_undone_is_none(void **state)
{
    struct said said;
    (void)state;
    struct shard *shard = begin(1);
    int run = shard_run_open(shard, "Run", "schedule", 1);
    struct step *step = shard_step_open(shard);
    emit(step, "a");
    step_run_close(step, run, &success);
    assert_int_equal(shard_step_finish(shard), 0);
    shard_undo(shard);
    assert_int_equal(shard_runs_open(shard), 1); /* open as before */
    assert_null(shard_unsent(shard, 0));
    step = shard_step_open(shard);
    step_run_close(step, run, &success);
    commit(shard);
    outbox_read(shard, &said);
    assert_int_equal(said.count, 1);
    assert_int_equal(said.runs[0].rows_out, 0); /* what was undone is not counted */
    assert_int_equal(shard_runs_open(shard), 0);
    shard_close(&shard);
}

static void runs_are_bounded(void **state)
{
    (void)state;
    struct shard *shard = begin(1);
    for (int i = 0; i < RUN_MARKS_OPEN_MAX; i++)
        assert_true(shard_run_open(shard, "Run", "schedule", 1) >= 0);
    assert_int_equal(shard_run_open(shard, "Run", "schedule", 1), -1);
    struct step *step = shard_step_open(shard);
    assert_non_null(step);
    shard_runs_close(shard, &success);
    commit(shard);
    assert_true(shard_run_open(shard, "Run", "schedule", 1) >= 0);
    shard_close(&shard);
}

static void the_outbox_is_sent_again_byte_for_byte(void **state)
{
    struct said before, after;
    uint64_t records, bytes;
    (void)state;
    struct shard *shard = begin(1);
    struct step *step = shard_step_open(shard);
    emit(step, "a");
    emit(step, "a");
    commit(shard);
    outbox_read(shard, &before);
    shard_sent(shard, 1);
    assert_null(shard_unsent(shard, 0));
    shard_close(&shard);
    shard = begin(2);
    outbox_read(shard, &after);
    assert_int_equal(before.first_seq, 1);
    assert_int_equal(after.first_seq, 1);
    assert_int_equal(before.body_size, after.body_size);
    assert_memory_equal(before.body, after.body, before.body_size);
    const struct shard_out *out = shard_unsent(shard, 0);
    uint16_t partition = out->partition;
    shard_sent(shard, 1);
    assert_int_equal(shard_acked(shard, "proof.counted", partition, 1), 0); /* half of it */
    assert_int_equal(shard_outbox(shard, &records, &bytes), 1);
    assert_int_equal(shard_acked(shard, "proof.counted", partition, 2), 1);
    assert_int_equal(shard_acked(shard, "proof.counted", partition, 2), 0);
    assert_int_equal(shard_outbox(shard, &records, &bytes), 0);
    assert_true(records == 0 && bytes == 0 && shard_trim_due(shard));
    assert_int_equal(shard_trim(shard), STORE_OK);
    assert_false(shard_trim_due(shard));
    shard_close(&shard);
    shard = begin(3);
    assert_null(shard_unsent(shard, 0));
    step = shard_step_open(shard); /* the sequence goes on */
    emit(step, "a");
    commit(shard);
    assert_int_equal(shard_unsent(shard, 0)->first_seq, 3);
    shard_close(&shard);
}

static void an_older_epoch_commits_nothing(void **state)
{
    (void)state;
    struct shard *old = begin(1);
    struct step *step = shard_step_open(old);
    emit(step, "a");
    commit(old);
    struct shard *next = begin(2); /* the environment belongs to another lease now */
    assert_null(shard_step_open(old));
    assert_int_equal(shard_trim(old), STORE_BUSY);
    step = shard_step_open(next);
    assert_non_null(step);
    emit(step, "a");
    commit(next);
    shard_close(&old);
    shard_close(&next);
}

static void an_unknown_stream_undoes_the_step(void **state)
{
    static const struct field_desc fields[] = {
        {.name = "n", .kind = FIELD_BOOL, .presence = REQ, .name_size = 1, .hi = 1}};
    static const struct message_desc lost = {.name = "lost",
                                             .version = 1,
                                             .stream = "unknown",
                                             .writer = "*",
                                             .key = "",
                                             .doc = "",
                                             .struct_size = 1,
                                             .fields = fields,
                                             .field_count = 1};
    bool message = true;
    (void)state;
    struct shard *shard = begin(1);
    struct step *step = shard_step_open(shard);
    step_emit_with(step, &lost, &message, &(struct emit){.key = "k", .due_us = CLOCK_NONE});
    assert_int_equal(shard_step_finish(shard), -1);
    shard_undo(shard);
    assert_null(shard_unsent(shard, 0));
    shard_close(&shard);
}

static enum verdict take_number(struct step *step, const struct input *input, void *self)
{
    const struct msg_proof_number *in = input->message;
    struct msg_proof_counted out = {.number = in->number, .count = in->number};
    (void)self;
    strcpy(out.key, in->key);
    step_emit(step, &msg_proof_counted_desc, &out);
    return DONE;
}

static void offer(struct shard *shard, uint64_t position)
{
    struct msg_proof_number number = {.number = position, .value = 1, .key = "k"};
    uint8_t payload[256];
    struct message_error error;
    const char *rule;
    struct pack body = {0};
    long size = message_encode(&msg_proof_number_desc, &number, payload, sizeof payload, &error);
    assert_true(size > 0);
    struct record record = {
        .key = "k", .key_size = 1, .version = 1, .payload = {payload, (uint32_t)size}};
    batch_head(&body, 1, "test", "0000000000000000");
    assert_int_equal(record_encode(&body, &record, &rule), 0);
    struct shard_batch batch = {.base = position,
                                .count = 1,
                                .stream = msg_proof_number_desc.stream,
                                .time_us = 1,
                                .body = {body.data, (uint32_t)body.size}};
    assert_int_equal(shard_offer(shard, &batch), 0);
    pack_free(&body);
}

/* A step that waits for the broker's word hears the link: what arrives then belongs to the next one. */
static void what_comes_before_the_commit_is_not_lost(void **state)
{
    (void)state;
    static const struct take takes[] = {
        {&msg_proof_number_desc, take_number, RUN_NONE, NULL, false},
        {NULL, NULL, RUN_NONE, NULL, false}};
    static const struct actor taker = {.name = "proof-taker", .does = "takes", .takes = takes};
    struct shard *shard = begin_as(&taker, 1);
    struct shard_totals totals;
    uint32_t records;
    uint64_t bytes;
    offer(shard, 1);
    offer(shard, 2);
    assert_int_equal(shard_build(shard, 0), SHARD_BUILT);
    offer(shard, 3);
    offer(shard, 4);
    assert_int_equal(shard_commit(shard), STORE_OK);
    shard_taken(shard, &records, &bytes);
    assert_int_equal(records, 2);
    assert_int_equal(shard_state(shard)->cursor, 3);
    assert_int_equal(shard_queued(shard), 2);
    assert_int_equal(shard_build(shard, 0), SHARD_BUILT);
    assert_int_equal(shard_commit(shard), STORE_OK);
    shard_totals(shard, &totals);
    assert_int_equal(totals.done, 4);
    assert_int_equal(totals.emitted, 4);
    shard_close(&shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_open_run_crashes_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_close_that_was_undone_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(runs_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(the_outbox_is_sent_again_byte_for_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_epoch_commits_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_stream_undoes_the_step, setup, teardown),
        cmocka_unit_test_setup_teardown(what_comes_before_the_commit_is_not_lost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
