/* Delivery by counting: what is new goes at once, what is old in slices that its readers share, and what is on its way to all of
 * them together is bounded, however many do not take it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/server.h"

enum {
    READERS = 8,
    BATCH_BYTES = 16384,
    BATCH_RECORDS = 256,
    OLD_BATCHES = 512,
    SLICE_MOST = 150 * 1024,
    SLICE_BATCHES = 8
};

struct deliver_run {
    struct server server; /* first: what the hook is given */
    struct settings settings;
    char dir[64];
    struct core_session *sessions[READERS];
    uint64_t bytes[READERS], batches[READERS];
    uint64_t next_seq;
};

static bool on_send(struct server *server, const struct core_session *session, zmq_msg_t *frames,
                    uint32_t count)
{
    struct deliver_run *run = (struct deliver_run *)server;
    for (int i = 0; i < READERS && count == 2; i++)
        if (run->sessions[i] == session) {
            run->bytes[i] += zmq_msg_size(&frames[1]);
            run->batches[i] += get_u32((const uint8_t *)zmq_msg_data(&frames[0]) + 4);
        }
    for (uint32_t i = 0; i < count; i++)
        zmq_msg_close(&frames[i]);
    return true;
}

static void append(struct deliver_run *run, uint32_t batches, uint32_t records, uint32_t bytes)
{
    static uint8_t body[BATCH_BYTES];
    struct core_producer *producer = core_producer_get(run->server.core, "writer", 0);
    assert_true(server_append_begin(&run->server));
    for (uint32_t i = 0; i < batches; i++) {
        const struct batch_desc desc = {.stream = 1,
                                        .count = records,
                                        .first_seq = run->next_seq,
                                        .crc = pack_crc32c(0, body, bytes),
                                        .size = bytes};
        assert_int_equal(server_append(&run->server, producer, &desc, body), LOG_OK);
        run->next_seq += records;
    }
    server_commit(&run->server);
}

static void read_from(struct deliver_run *run, int reader, uint64_t from)
{
    const uint8_t name[] = {0, 'r', (uint8_t)reader};
    struct core_session *session = core_session_get(run->server.core, name, sizeof name, 1);
    struct core_sub_lane lane = {.stream = 1, .next = CORE_NONE};
    uint64_t next;
    if (log_next(run->server.log, 1, 0, from, &next) == LOG_OK)
        lane.next = next;
    log_read_end(run->server.log);
    run->sessions[reader] = session;
    assert_int_equal(core_subscribe(session, &lane, 1, from, UINT32_MAX, UINT32_MAX), 0);
}

static int run_open(void **state)
{
    struct deliver_run *run = calloc(1, sizeof *run);
    static struct registry registry = {.count = 1};
    snprintf(registry.streams[0].name, sizeof registry.streams[0].name, "one");
    snprintf(registry.streams[0].writer, sizeof registry.streams[0].writer, "*");
    registry.streams[0].partitions = 1;
    run->settings.broker.max_batch_bytes = 1 << 20;
    run->settings.broker.lease_us = 10000000;
    run->next_seq = 1;
    run->server = (struct server){.send = on_send, .settings = &run->settings, .turn_us = 1};
    snprintf(run->dir, sizeof run->dir, "%s/test-deliver-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(run->dir));
    assert_int_equal(
        log_open(&run->server.log, run->dir, &(struct log_options){.segment_bytes = 64 << 20}),
        LOG_OK);
    run->server.core = core_new(&(struct core_options){
        .lease_us = 10000000, .sessions_max = 64, .max_batch_bytes = 1 << 20});
    assert_int_equal(server_restore(&run->server, &registry), 0);
    assert_true(server_append_begin(&run->server));
    server_commit(&run->server);
    *state = run;
    return 0;
}

static int run_close(void **state)
{
    struct deliver_run *run = *state;
    char command[96];
    core_free(&run->server.core);
    log_close(&run->server.log);
    free(run->server.staged);
    free(run->server.old);
    snprintf(command, sizeof command, "rm -r %s", run->dir);
    assert_int_equal(system(command), 0);
    free(run);
    return 0;
}

static uint64_t sum(const uint64_t *values)
{
    uint64_t all = 0;
    for (int i = 0; i < READERS; i++)
        all += values[i];
    return all;
}

static void test_old_reads_share_a_slice(void **state)
{
    struct deliver_run *run = *state;
    append(run, OLD_BATCHES, BATCH_RECORDS, BATCH_BYTES);
    assert_true(server_deliver(&run->server) == false); /* nobody reads */
    for (int i = 0; i < 3; i++)
        read_from(run, i, 1);
    for (int turn = 1; turn <= 9; turn++) {
        uint64_t before = sum(run->bytes);
        assert_true(server_deliver(&run->server));
        assert_in_range(sum(run->bytes) - before, 1, SLICE_MOST);
        assert_in_range(run->batches[0], (unsigned)turn / 3 * SLICE_BATCHES,
                        (unsigned)(turn + 2) / 3 * 2 * SLICE_BATCHES);
    }
    for (int i = 1; i < 3; i++) /* each in its turn */
        assert_int_equal(run->bytes[i], run->bytes[0]);
}

/* While somebody publishes there is a pause after each slice; what is new does not wait for it. */
static void test_old_reads_are_paced(void **state)
{
    struct deliver_run *run = *state;
    append(run, OLD_BATCHES, BATCH_RECORDS, BATCH_BYTES);
    (void)server_deliver(&run->server);
    read_from(run, 0, 1);
    read_from(run, 1, run->server.head);
    for (int slice = 1; slice <= 3; slice++) {
        while (clock_mono_us() < run->server.old_due_us)
            ;
        run->server.turn_us = run->server.appended_us = clock_mono_us();
        assert_false(server_deliver(&run->server));
        uint64_t before = run->bytes[0];
        assert_in_range(before, 1, (unsigned)slice * SLICE_MOST);
        assert_in_range(server_deliver_wait_us(&run->server), 1, 100000);
        run->server.old_due_us = INT64_MAX; /* however long this takes */
        append(run, 1, 1, 256);
        assert_false(server_deliver(&run->server));
        assert_int_equal(run->batches[1], slice);
        assert_int_equal(run->bytes[0], before);
        run->server.old_due_us = 0;
    }
}

static void test_new_is_delivered_at_once(void **state)
{
    struct deliver_run *run = *state;
    append(run, OLD_BATCHES, BATCH_RECORDS, BATCH_BYTES);
    (void)server_deliver(&run->server);
    for (int i = 0; i < READERS - 1; i++)
        read_from(run, i, 1);
    read_from(run, READERS - 1, run->server.head);
    for (int turn = 1; turn <= 4; turn++) {
        append(run, 1000, 1, 256); /* small ones: more than one message holds */
        uint64_t before = sum(run->bytes) - run->bytes[READERS - 1];
        assert_true(server_deliver(&run->server));
        assert_int_equal(run->batches[READERS - 1], 1000 * turn);
        assert_in_range(sum(run->bytes) - run->bytes[READERS - 1] - before, 1,
                        SLICE_MOST + 2 * 1000 * 256 + BATCH_BYTES);
    }
}

static void test_everything_arrives(void **state)
{
    struct deliver_run *run = *state;
    append(run, OLD_BATCHES, BATCH_RECORDS, BATCH_BYTES);
    for (int i = 0; i < READERS; i++)
        read_from(run, i, 1 + (unsigned)i * 10000u);
    while (server_deliver(&run->server))
        ;
    for (int i = 0; i < READERS; i++)
        assert_int_equal(run->batches[i], OLD_BATCHES - (unsigned)i * 10000u / BATCH_RECORDS);
}

static void test_memory_is_bounded(void **state)
{
    struct deliver_run *run = *state;
    run->settings.broker.delivery_bytes = 1 << 20;
    append(run, OLD_BATCHES, BATCH_RECORDS, BATCH_BYTES);
    for (int i = 0; i < READERS; i++) /* none of them takes anything */
        read_from(run, i, 1);
    while (server_deliver(&run->server))
        ;
    assert_in_range(sum(run->bytes), (1 << 20) - READERS * BATCH_BYTES, 1 << 20);
    for (int i = 0; i < READERS; i++)
        assert_in_range(run->batches[i], 1, (1 << 20) / READERS / BATCH_BYTES);
    core_credit(run->sessions[3], UINT32_MAX, UINT32_MAX); /* who takes gets more */
    uint64_t before = run->batches[3];
    while (server_deliver(&run->server))
        ;
    assert_true(run->batches[3] > before);
    run->settings.broker.delivery_bytes = 1; /* one batch always may */
    core_credit(run->sessions[4], UINT32_MAX, UINT32_MAX);
    before = sum(run->batches);
    while (server_deliver(&run->server))
        ;
    assert_int_equal(sum(run->batches), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_old_reads_share_a_slice, run_open, run_close),
        cmocka_unit_test_setup_teardown(test_old_reads_are_paced, run_open, run_close),
        cmocka_unit_test_setup_teardown(test_new_is_delivered_at_once, run_open, run_close),
        cmocka_unit_test_setup_teardown(test_everything_arrives, run_open, run_close),
        cmocka_unit_test_setup_teardown(test_memory_is_bounded, run_open, run_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
