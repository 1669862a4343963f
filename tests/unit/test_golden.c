/* Golden frames: for each (message, version) the bytes of one filled message, in
 * tests/golden/frames/NAME.vN.hex. Fails when the bytes of a version changed: bump the version
 * in the list, then `test_golden --bless` writes the frames that are missing. A frame that
 * exists is never overwritten: a wire that changes has a new version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <cmocka.h>

#include "schema/messages.h"
#include "tests/unit/message_fill.h"

enum { FRAME_MOST = 8192, LINE_BYTES = 40 };

static char frames[4096];

static void path_of(const struct message_desc *desc, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.v%u.hex", frames, desc->name, desc->version);
}

/* The frame as text: 40 bytes a line. */
static char *hex_of(const struct message_desc *desc)
{
    uint8_t frame[FRAME_MOST];
    struct message_error error;
    void *message = malloc(desc->struct_size);
    message_fill(desc, message);
    long size = message_encode(desc, message, frame, sizeof frame, &error);
    free(message);
    if (size < 0) {
        fail_msg("%s %s: %s", error.message, error.field, error.rule);
    }
    char *text = NULL;
    size_t text_size;
    FILE *out = open_memstream(&text, &text_size);
    for (long i = 0; i < size; i++) {
        fprintf(out, "%02x%s", frame[i], (i + 1) % LINE_BYTES == 0 || i + 1 == size ? "\n" : "");
    }
    fclose(out);
    return text;
}

/* NULL if there is no such file. */
static char *read_golden(const struct message_desc *desc)
{
    char path[sizeof frames + 128];
    path_of(desc, path, sizeof path);
    FILE *in = fopen(path, "r");
    if (!in) {
        return NULL;
    }
    char *text = calloc(1, 3 * FRAME_MOST);
    size_t size = fread(text, 1, 3 * FRAME_MOST - 1, in);
    assert_true(size > 0);
    fclose(in);
    return text;
}

static void every_version_has_its_bytes(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < message_count(); i++) {
        const struct message_desc *desc = message_at(i);
        char *golden = read_golden(desc), *now = hex_of(desc);
        if (!golden) {
            print_error("%s: no golden frame of version %u\n", desc->name, desc->version);
        } else if (strcmp(golden, now) != 0) {
            print_error("%s: the wire changed, the version is still %u\n", desc->name,
                        desc->version);
        }
        wrong += !golden || strcmp(golden, now) != 0;
        free(golden);
        free(now);
    }
    assert_int_equal(wrong, 0);
}

static void every_golden_frame_has_its_message(void **state)
{
    (void)state;
    DIR *folder = opendir(frames);
    size_t found = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char name[64];
        unsigned version;
        int end = 0;
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (sscanf(entry->d_name, "%63[a-z_].v%u.hex%n", name, &version, &end) != 2 ||
            entry->d_name[end] != '\0' || end == 0) {
            fail_msg("%s is not NAME.vN.hex", entry->d_name);
        }
        const struct message_desc *desc = message_of_name(name);
        if (!desc || version > desc->version) {
            fail_msg("%s: no message of that name or version", entry->d_name);
        }
        found++;
    }
    closedir(folder);
    assert_true(found >= message_count());
}

/* Writes what is missing; what is there stays. */
static int bless(void)
{
    int written = 0;
    for (size_t i = 0; i < message_count(); i++) {
        const struct message_desc *desc = message_at(i);
        char *golden = read_golden(desc), path[sizeof frames + 128];
        if (!golden) {
            path_of(desc, path, sizeof path);
            FILE *out = fopen(path, "wx");
            if (!out) {
                perror(path);
                return 1;
            }
            char *now = hex_of(desc);
            fputs(now, out);
            fclose(out);
            free(now);
            written++;
        }
        free(golden);
    }
    printf("%d golden frames written\n", written);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_has_its_bytes),
        cmocka_unit_test(every_golden_frame_has_its_message),
    };
    const char *source = getenv("TIPOFF_SOURCE");
    snprintf(frames, sizeof frames, "%s/tests/golden/frames", source ? source : ".");
    messages_register();
    if (argc == 2 && strcmp(argv[1], "--bless") == 0) {
        return bless();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
