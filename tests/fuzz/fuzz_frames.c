/* libFuzzer: any bytes as a conversation with the broker (frames.h says how they are read). Build and run: see tests/fuzz/run.py. */
#include "broker/server.h"
#include "config/log.h"
#include "tests/fuzz/frames.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Peers 0 and 1: welcomed, leased, publishing, subscribed, a turn now and then. */
static const uint8_t seed[] = {
    0x01, 0x01, 0x02, 0x01, 0x11, 0x02, 0x12, 0x02, 0x10, 0x13, 0x02, 0x00, 0x08, 0x01, 0x40, 0xff,
    0xff, 0x04, 0x01, 0x00, 0x02, 0x00, 0x03, 0x05, 0x01, 0x00, 0x02, 0x00, 0x04, 0x00, 0x80, 0x00,
    0x07, 0x01, 0x10, 0x06, 0x05, 0x16, 0x0a, 0x05, 0x00, 0x40, 0x07, 0x89, 0x03, 0x01, 0x02, 0x03};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    log_init("fuzz", LOG_LEVEL_ERROR, 0);
    const char *folder = getenv("TIPOFF_FUZZ_SEEDS");
    if (folder) {
        char path[4096];
        (void)mkdir(folder, 0755);
        snprintf(path, sizeof path, "%s/conversation", folder);
        FILE *out = fopen(path, "w");
        if (!out || fwrite(seed, sizeof seed, 1, out) != 1 || fclose(out) != 0) {
            perror(path);
            exit(1);
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct frames_run run;
    if (size > 4096)
        return -1;
    frames_open(&run);
    frames_talk(&run, data, size);
    frames_close(&run);
    return 0;
}
