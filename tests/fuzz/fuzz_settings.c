/* libFuzzer: any bytes as a settings file. Refused with words, or taken; what is taken prints as YAML that reads back to
 * the same. Build: see tests/fuzz/fuzz_decode.c. Seeds: config/tipoff.yaml. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/settings.h"

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
