/* libFuzzer: any bytes as one of the small files that a process reads at its start (the first byte says which): the registry of
 * streams, the anchor of the league clock. Taken, or refused with words; what is taken can be written and reads back the same.
 * Build and run: see tests/fuzz/run.py. */
#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/clock.h"
#include "schema/registry.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *path_of(int fd)
{
    static char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

static int file_of(const void *bytes, size_t size)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    return fd;
}

static void try_registry(const uint8_t *data, size_t size)
{
    static struct registry first, second;
    static char path[128];
    char why[200] = "";
    int fd = file_of(data, size);
    memset(&first, 0, sizeof first);
    int result = registry_read(&first, path_of(fd), why, sizeof why);
    close(fd);
    assert((result == 0) == (why[0] == '\0'));
    if (result != 0)
        return;
    assert(first.count <= REGISTRY_STREAMS_MAX);
    snprintf(path, sizeof path, "/dev/shm/tipoff-fuzz-%d.json", (int)getpid());
    memset(&second, 0, sizeof second);
    result = registry_write(&first, path);
    assert(result == 0);
    result = registry_read(&second, path, why, sizeof why);
    unlink(path);
    assert(result == 0 && memcmp(&first, &second, sizeof first) == 0);
}

static void try_anchor(const uint8_t *data, size_t size)
{
    struct clock_anchor anchor;
    int fd = file_of(data, size);
    errno = 0;
    if (clock_anchor_load(path_of(fd), &anchor) == 0)
        assert(anchor.speed > 0);
    else
        assert(errno == EINVAL);
    close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char registry[] =
        "r{\"format\":1,\"streams\":[{\"name\":\"row.game\",\"writer\":\"processor\","
        "\"partitions\":4,\"retention_days\":null},{\"name\":\"ops.run\",\"writer\":\"*\","
        "\"partitions\":1,\"retention_days\":30}]}";
    static const char anchor[] = "aleague_us 1763424000000000\nreal_us 1763424000000001\n"
                                 "speed 60\nrunning 1\n";
    (void)argc;
    (void)argv;
    input_seed("registry", registry, sizeof registry - 1);
    input_seed("anchor", anchor, sizeof anchor - 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        try_anchor(data + 1, size - 1);
    else
        try_registry(data + 1, size - 1);
    return 0;
}
