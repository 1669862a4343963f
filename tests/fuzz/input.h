/* Bytes read one after the other, and a folder of seeds: what the fuzz targets share. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct input_bytes {
    const uint8_t *at, *end;
};

static inline uint32_t input_u8(struct input_bytes *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline uint32_t input_u16(struct input_bytes *in)
{
    uint32_t high = input_u8(in);
    return high << 8 | input_u8(in);
}

/* At most `size` bytes; how many there were. */
static inline size_t input_take(struct input_bytes *in, size_t size, const uint8_t **bytes)
{
    if (size > (size_t)(in->end - in->at))
        size = (size_t)(in->end - in->at);
    *bytes = in->at;
    in->at += size;
    return size;
}

/* TIPOFF_FUZZ_SEEDS names a folder: what is given is put there to start from. */
static inline void input_seed(const char *name, const void *bytes, size_t size)
{
    const char *folder = getenv("TIPOFF_FUZZ_SEEDS");
    char path[4096];
    if (!folder)
        return;
    (void)mkdir(folder, 0755);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    if (!out || fwrite(bytes, 1, size, out) != size || fclose(out) != 0) {
        perror(path);
        exit(1);
    }
}

#endif
