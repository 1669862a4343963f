/* libFuzzer: any bytes, as a message (the first byte says which) and as a batch. Whatever is
 * taken must be writable again and read back equal; JSON must have a form for it.
 * Build and run: see tests/fuzz/run.py. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "schema/json.h"
#include "schema/messages.h"
#include "schema/record.h"
#include "tests/unit/message_fill.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_seed(const char *folder, size_t index)
{
    char path[4096];
    uint8_t frame[8192];
    struct message_error error;
    const struct message_desc *desc = message_at(index);
    void *message = malloc(desc->struct_size);
    message_fill(desc, message);
    long size = message_encode(desc, message, frame, sizeof frame, &error);
    free(message);
    snprintf(path, sizeof path, "%s/%s", folder, desc->name);
    FILE *out = fopen(path, "w");
    if (!out || size < 0) {
        perror(path);
        exit(1);
    }
    fputc((int)index, out);
    fwrite(frame, 1, (size_t)size, out);
    fclose(out);
}

/* TIPOFF_FUZZ_SEEDS names a folder: one filled frame of each message is put there to start from. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    messages_register();
    const char *folder = getenv("TIPOFF_FUZZ_SEEDS");
    if (folder) {
        mkdir(folder, 0777);
        for (size_t i = 0; i < message_count(); i++) {
            write_seed(folder, i);
        }
    }
    return 0;
}

static void try_message(const struct message_desc *desc, const uint8_t *data, size_t size)
{
    struct message_error error = {.rule = ""};
    void *message = malloc(desc->struct_size), *again = malloc(desc->struct_size);
    if (message_decode(desc, data, size, message, &error)) {
        assert(error.message[0] && error.rule[0]);
    } else {
        size_t most = message_size_max(desc, message);
        uint8_t *frame = malloc(most);
        long written = message_encode(desc, message, frame, most, &error);
        assert(written > 0);
        assert(message_decode(desc, frame, (size_t)written, again, &error) == 0);
        assert(message_equal(desc, message, again, NULL));
        json_t *json = json_of_message(desc, message);
        char *text = json_text(json);
        assert(text);
        free(text);
        json_decref(json);
        free(frame);
    }
    free(message);
    free(again);
}

static void try_batch(const uint8_t *data, size_t size)
{
    struct batch_reader reader;
    struct record record;
    const char *rule;
    uint32_t count = size > 0 && data[0] > 0x92 && data[0] < 0xa0 ? data[0] - 0x92u : 1;
    if (batch_open(&reader, data, size, count, &rule)) {
        return;
    }
    while (batch_next(&reader, &record, &rule) == 1) {
        struct pack out = {0};
        assert(record_encode(&out, &record, &rule) == 0);
        json_t *json = json_of_msgpack(record.payload.data, record.payload.size);
        assert(json);
        json_decref(json);
        pack_free(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1) {
        try_message(message_at(data[0] % message_count()), data + 1, size - 1);
    }
    try_batch(data, size);
    return 0;
}
