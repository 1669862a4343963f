/* The broker behind its sockets, told nonsense and near-sense: a fixed slice of what tests/fuzz/fuzz_frames.c searches without end.
 * The promises are asserted in tests/fuzz/frames.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config/log.h"
#include "tests/fuzz/frames.h"
#include "broker/server.h"

enum { CONVERSATIONS = 100, BYTES = 1500 };

static uint32_t random_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* Two peers that are welcomed, leased and subscribed; then whatever comes, mostly publishes and turns, sometimes with a byte that
 * does not belong there. */
static size_t conversation_make(uint8_t *out, uint64_t *state)
{
    static const uint8_t begin[] = {0x01, 0x01, 0x02, 0x01, 0x11, 0x00, 0x12, 0x00, 0x10,
                                    0x03, 0x02, 0x04, 0x05, 0x01, 0xff, 0x00, 0xff};
    static const uint8_t kinds[] = {4, 4, 4, 4, 5, 5, 0, 0, 0, 6, 6, 3, 2, 1, 7};
    static const uint8_t sizes[] = {0, 1, 1, 6, 5, 5, 1, 9}; /* of what follows, by kind */
    size_t size = sizeof begin, most = 100 + random_next(state) % (BYTES - 120);
    memcpy(out, begin, size);
    while (size < most) {
        uint32_t kind = kinds[random_next(state) % sizeof kinds];
        uint32_t peer = random_next(state) % 16 ? random_next(state) % 2 : random_next(state) % 4;
        out[size++] = (uint8_t)(kind | peer << 4);
        for (int i = 0; i < sizes[kind]; i++) {
            uint32_t byte = random_next(state);
            /* small, mostly: few lanes, small counts, one batch, the peer's own producer */
            out[size++] =
                (uint8_t)(byte % 12 ? byte >> 8 & (i == 0 && kind == 4 ? 0 : 0x0d) : byte >> 8);
        }
        if (random_next(state) % 50 == 0)
            size--;
    }
    return size;
}

static void test_conversations(void **test)
{
    (void)test;
    static struct frames_run run;
    static uint8_t bytes[BYTES];
    uint64_t state = 20251117, answers = 0, acknowledged = 0, delivered = 0, head = 0,
             refused[REFUSAL_COUNT] = {0};
    for (int i = 0; i < CONVERSATIONS; i++) {
        size_t size = conversation_make(bytes, &state);
        frames_open(&run);
        frames_talk(&run, bytes, size);
        answers += run.answers;
        acknowledged += run.acknowledged;
        delivered += run.delivered;
        head += run.server.head - 1;
        for (int j = 0; j < REFUSAL_COUNT; j++)
            refused[j] += run.server.core->refused[j];
        frames_close(&run);
    }
    printf(
        "%d conversations: %llu answers, %llu lanes acknowledged, %llu records, %llu delivered\n",
        CONVERSATIONS, (unsigned long long)answers, (unsigned long long)acknowledged,
        (unsigned long long)head, (unsigned long long)delivered);
    /* The slice reaches what it is there for. */
    assert_true(answers > 1000 && acknowledged > 100 && head > 100 && delivered > 100);
    static const enum refusal reached[] = {
        REFUSAL_NO_SESSION,     REFUSAL_BAD_FRAME,     REFUSAL_NOT_LEASED,
        REFUSAL_UNKNOWN_STREAM, REFUSAL_NOT_WRITER,    REFUSAL_STALE_EPOCH,
        REFUSAL_BAD_PARTITION,  REFUSAL_AFTER_REFUSAL, REFUSAL_TOO_MANY};
    for (size_t i = 0; i < sizeof reached / sizeof *reached; i++)
        if (refused[reached[i]] == 0)
            fail_msg("no refusal %s", refusal_text(reached[i]));
}

int main(void)
{
    log_init("test", LOG_LEVEL_ERROR, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conversations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
