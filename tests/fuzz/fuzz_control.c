/* libFuzzer: any bytes as words on the control socket, one question a line. Each gets one answer, which is JSON; and the broker goes on.
 * Build and run: see tests/fuzz/run.py. */
#include <assert.h>
#include <unistd.h>
#include <zmq.h>

#include "broker/server.h"
#include "config/log.h"
#include "schema/json.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/input.h"
#include "tests/simulate/net.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t answers;

static void answered(const void *bytes, size_t size)
{
    char error[JSON_ERROR_TEXT_LENGTH] = "";
    json_error_t where;
    json_t *json = json_loadb(bytes, size, JSON_DECODE_ANY, &where);
    (void)error;
    assert(json);
    json_decref(json);
    answers++;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const words[] = {
        "PING",
        "STATUS",
        "CLOCK",
        "CLOCK STAND 1763424000000000 60\nCLOCK START\nSTATUS",
        "CLOCK START 1763424000000000 1.5",
        "CLOCK START 1763424000000000 1.5\nCLOCK LEAP 1763434000000000",
        "TRIM 1",
        "TRIM 100 FORCE\nTRIM x"};
    (void)argc;
    (void)argv;
    log_init("fuzz", (enum log_level)(LOG_LEVEL_ERROR + 1), 0);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char name[32];
        snprintf(name, sizeof name, "words-%zu", i);
        input_seed(name, words[i], strlen(words[i]));
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frames_run run;
    /* a broker with something in it: two peers, leased, published */
    static const uint8_t talk[] = {0x01, 0x01, 0x02, 0x01, 0x11, 0x02, 0x12, 0x02, 0x10,
                                   0x13, 0x02, 0x00, 0x08, 0x01, 0x40, 0xff, 0xff, 0x04,
                                   0x00, 0x00, 0x02, 0x00, 0x03, 0x10, 0x04, 0x00};
    const struct net_hooks hooks = {.said = answered};
    if (size > 2048)
        return -1;
    net_open(&hooks);
    frames_open(&run);
    snprintf(run.server.clock_path, sizeof run.server.clock_path, "%s/clock", run.dir);
    frames_talk(&run, talk, sizeof talk);
    run.server.control.zmq = zmq_socket(zmq_ctx_new(), ZMQ_REP);
    uint32_t asked = 0;
    answers = 0;
    for (const uint8_t *at = data, *end = data + size; at < end; asked++) {
        const uint8_t *line = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((line ? line : end) - at);
        net_put(run.server.control.zmq, at, length);
        at += length + (line != NULL);
        server_control_turn(&run.server);
        frames_turn(&run, 1);
    }
    assert(answers == asked);
    zmq_close(run.server.control.zmq);
    frames_close(&run);
    net_close();
    return 0;
}
