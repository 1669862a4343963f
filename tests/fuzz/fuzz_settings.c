/* libFuzzer: any bytes as a settings file. Refused with words, or taken; what is taken prints as YAML that reads back to
 * the same. Build and run: see tests/fuzz/run.py. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/settings.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int load(struct settings *settings, const void *bytes, size_t size, FILE *errors)
{
    char path[64];
    int fd = memfd_create("settings", MFD_CLOEXEC);
    assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int result = settings_load(settings, path, NULL, 0, errors);
    close(fd);
    return result;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const seeds[] = {
        "dir: \"./data\"\ntimezone: \"America/New_York\"\nlog:\n  level: info\n  format: text\n",
        "broker:\n  partitions: 4\n  segment_bytes: 256MiB\n  lease: 10s\n  heartbeat: 500ms\n",
        "store:\n  map_bytes: 64GiB\nactor:\n  step_records: 512\n  retry_wait: 1m30s\n",
        "day:\n  rollover_hour: 6\nshards:\n  features: 4\n  grader: 2\n",
        "# nothing\nday: {rollover_hour: 25}\nlog: [1, 2]\n",
        "poller:\n  bdl:\n    key: env:BDL_KEY\n  odds:\n    key: file:/etc/key\n"};
    (void)argc;
    (void)argv;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char name[32];
        snprintf(name, sizeof name, "settings-%zu", i);
        input_seed(name, seeds[i], strlen(seeds[i]));
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings first, second;
    char *said = NULL, *yaml = NULL, hash[SETTINGS_HASH_SIZE], again[SETTINGS_HASH_SIZE];
    size_t said_size = 0, yaml_size = 0;
    FILE *errors = open_memstream(&said, &said_size);
    int result = load(&first, data, size, errors);
    fclose(errors);
    assert((result == 0) == (said_size == 0));
    if (result == 0) {
        FILE *out = open_memstream(&yaml, &yaml_size);
        settings_print(&first, (size & 1) != 0, out);
        fclose(out);
        result = load(&second, yaml, yaml_size, stderr);
        assert(result == 0);
        settings_hash(&first, hash);
        settings_hash(&second, again);
        assert(strcmp(hash, again) == 0 && strcmp(first.dir, second.dir) == 0);
        free(yaml);
    }
    free(said);
    return 0;
}
