/* libFuzzer: any bytes as a table to import (plain; a gzip head makes it one). Every row has fields that end, or a rule that was
 * broken; and the file has an end. Build and run: see tests/fuzz/run.py. */
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/csv.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char plain[] = "a,b,c\n1,\"two, \"\"2\"\"\",3\r\n\"x\ny\",,\nlast,row,\"open";
    (void)argc;
    (void)argv;
    input_seed("plain", plain, sizeof plain - 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct csv_row row;
    enum csv_answer answer;
    int fd = memfd_create("csv", MFD_CLOEXEC);
    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct csv *csv = csv_open(path);
    assert(csv);
    uint64_t answers = 0, line = 0;
    while ((answer = csv_next(csv, &row)) != CSV_END && answer != CSV_BROKEN_FILE) {
        assert(row.line > line || answer != CSV_ROW);
        line = row.line;
        answers++;
        for (int i = 0; answer == CSV_ROW && i < row.count; i++)
            assert(strlen(row.field[i]) <= CSV_ROW_MAX);
        assert(answer == CSV_ROW || row.rule[0] != '\0');
        /* a gzip of nothing but line ends may be long: what counts is that it gets on */
        if (answers > 100000)
            break;
    }
    csv_close(&csv);
    close(fd);
    return 0;
}
