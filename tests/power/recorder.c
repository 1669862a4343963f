/* The recorder of the power proof, preloaded into every process that writes below POWER_ROOT: whatever it asks of the files and
 * directories there goes into one journal (POWER_JOURNAL), in order over all processes, with contents. From its prefixes
 * tests/power/_disk.py builds what a disk may hold after a power cut.
 *
 * What makes the order sound: a write is noted before it is issued (from then on it may be on the disk), a sync when it begins
 * and when it has returned (what was written before its beginning is on the disk from its end on). So whatever anyone was told
 * after a sync stands behind the sync's end. Each note is one append of one write: the kernel orders them. The test
 * itself appends what it was told (POWER_NOTE) in the same way.
 *
 * Nobody may be killed while it is recorded: what was noted and then never issued would be in the journal for ever.
 * Stored through a map: `runs.mark` (looked at before every sync, noted like a write) and LMDB's lock (of no worth after a
 * cut). A writable map of any other file, and stdio, are noted as POWER_UNSEEN, which fails the test. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum power_kind {
    POWER_OPEN = 1, /* path; arg: 1 = made if missing, 2 = emptied, 4 = every write is a sync */
    POWER_CLOSE,
    POWER_WRITE, /* at offset; data */
    POWER_SYNC_BEGIN,
    POWER_SYNC_END, /* arg: 1 = it failed, 2 = of the write before it alone */
    POWER_SIZE,     /* offset: the new size; path if there is no fd */
    POWER_GROW,     /* offset: at least this size */
    POWER_RENAME,   /* path NUL path */
    POWER_UNLINK,
    POWER_MKDIR,
    POWER_RMDIR,
    POWER_UNSEEN, /* data: how */
    POWER_NOTE    /* of the test's own */
};

#define POWER_ALONE 2u

struct power_entry {
    uint32_t size; /* of what follows: path, then data */
    uint16_t kind, path_size;
    int32_t pid, fd;
    uint64_t offset, arg;
};

#define FDS_MAX 4096
#define MAPS_MAX 16

struct file {
    bool seen, always; /* always: O_SYNC or O_DSYNC */
    char name[32];     /* its last part */
};
static struct {
    int journal;
    char root[PATH_MAX];
    size_t root_size;
    struct file files[FDS_MAX];
    struct map {
        const uint8_t *at;
        uint8_t *last;
        size_t size;
        int fd; /* in the journal: beyond all others, for its descriptor is closed while it lives */
    } maps[MAPS_MAX];
    int map_count;
} power = {.journal = -1};

#define REAL(result, name, ...)                                                                    \
    static result (*real_##name)(__VA_ARGS__);                                                     \
    if (!real_##name)                                                                              \
    *(void **)&real_##name = dlsym(RTLD_NEXT, #name)

static void stop(const char *why)
{
    fprintf(stderr, "power recorder: %s: %s\n", why, strerror(errno));
    abort();
}

static void note(enum power_kind kind, int fd, const char *path, size_t path_size, uint64_t offset,
                 uint64_t arg, const struct iovec *data, int parts)
{
    REAL(ssize_t, writev, int, const struct iovec *, int);
    int saved = errno;
    struct power_entry entry = {.kind = (uint16_t)kind,
                                .path_size = (uint16_t)path_size,
                                .pid = getpid(),
                                .fd = fd,
                                .offset = offset,
                                .arg = arg};
    struct iovec out[IOV_MAX];
    if (parts + 2 > IOV_MAX)
        stop("too many parts");
    size_t size = path_size;
    out[0] = (struct iovec){&entry, sizeof entry};
    out[1] = (struct iovec){(void *)(uintptr_t)path, path_size};
    for (int i = 0; i < parts; i++) {
        out[2 + i] = data[i];
        size += data[i].iov_len;
    }
    entry.size = (uint32_t)size;
    if (real_writev(power.journal, out, 2 + parts) != (ssize_t)(sizeof entry + size))
        stop("the journal");
    errno = saved;
}

/* The path below the root that is meant, in `out`; false: none of ours. */
static bool ours(const char *path, char out[PATH_MAX])
{
    char here[PATH_MAX];
    if (power.journal < 0 || !path)
        return false;
    if (path[0] == '/') {
        if (snprintf(out, PATH_MAX, "%s", path) >= PATH_MAX)
            return false;
    } else if (!getcwd(here, sizeof here) ||
               snprintf(out, PATH_MAX, "%.2000s/%s", here, path) >= PATH_MAX) {
        return false;
    }
    return strncmp(out, power.root, power.root_size) == 0 &&
           (out[power.root_size] == '/' || out[power.root_size] == '\0');
}

static struct file *seen(int fd)
{
    return power.journal >= 0 && fd >= 0 && fd < FDS_MAX && power.files[fd].seen ? &power.files[fd]
                                                                                 : NULL;
}

static void unseen(const char *path, const char *how)
{
    struct iovec data = {(void *)(uintptr_t)how, strlen(how)};
    note(POWER_UNSEEN, -1, path, strlen(path), 0, 0, &data, 1);
}

__attribute__((constructor)) static void begin(void)
{
    const char *root = getenv("POWER_ROOT"), *journal = getenv("POWER_JOURNAL");
    if (!root || !journal)
        return;
    snprintf(power.root, sizeof power.root, "%s", root);
    power.root_size = strlen(power.root);
    int fd = open(journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FDS_MAX - 1);
    if (high < 0) /* a small limit of descriptors */
        high = fd;
    if (high < 0)
        stop(journal);
    if (high != fd)
        close(fd);
    power.journal = high;
}

/* ---- opening and closing ---- */

static void opened(int fd, const char *path, int flags)
{
    struct stat info;
    if (fd >= FDS_MAX)
        stop("too many descriptors");
    if (fstat(fd, &info) != 0 || (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)))
        return;
    struct file *file = &power.files[fd];
    const char *slash = strrchr(path, '/');
    file->seen = true;
    file->always = (flags & O_DSYNC) != 0; /* O_SYNC has its bit as well */
    snprintf(file->name, sizeof file->name, "%.31s", slash ? slash + 1 : path);
    uint64_t arg =
        ((flags & O_CREAT) ? 1u : 0u) | ((flags & O_TRUNC) ? 2u : 0u) | (file->always ? 4u : 0u);
    note(POWER_OPEN, fd, path, strlen(path), 0, arg, NULL, 0);
}

static int open_as(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX];
    int fd = real(path, flags, mode);
    if (fd >= 0 && ours(path, whole))
        opened(fd, whole, flags);
    return fd;
}

#define MODE_OF(flags, mode)                                                                       \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode = (mode_t)va_arg(args, int);                                                          \
        va_end(args);                                                                              \
    }

int open(const char *path, int flags, ...)
{
    REAL(int, open, const char *, int, ...);
    MODE_OF(flags, mode)
    return open_as(real_open, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    REAL(int, open64, const char *, int, ...);
    MODE_OF(flags, mode)
    return open_as(real_open64, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    REAL(int, openat, int, const char *, int, ...);
    MODE_OF(flags, mode)
    int fd = real_openat(at, path, flags, mode);
    char whole[PATH_MAX];
    if (fd >= 0 && (at == AT_FDCWD || path[0] == '/') && ours(path, whole))
        opened(fd, whole, flags);
    else if (fd >= 0 && seen(at) && (flags & (O_WRONLY | O_RDWR)))
        unseen(path, "openat");
    return fd;
}

FILE *fopen(const char *path, const char *mode)
{
    REAL(FILE *, fopen, const char *, const char *);
    char whole[PATH_MAX];
    if (strpbrk(mode, "wa+") && ours(path, whole))
        unseen(whole, "stdio");
    return real_fopen(path, mode);
}

int close(int fd)
{
    REAL(int, close, int);
    struct file *file = seen(fd);
    if (file) {
        file->seen = false;
        note(POWER_CLOSE, fd, NULL, 0, 0, 0, NULL, 0);
    }
    return real_close(fd);
}

/* ---- contents ---- */

static void wrote(struct file *file, int fd, ssize_t done, size_t asked)
{
    if (done != (ssize_t)asked)
        stop("a write was cut short: the journal is not what the disk is");
    if (file->always)
        note(POWER_SYNC_END, fd, NULL, 0, 0, POWER_ALONE, NULL, 0);
}

static void writing(const struct file *file, int fd, uint64_t offset, const struct iovec *data,
                    int parts)
{
    note(POWER_WRITE, fd, NULL, 0, offset, 0, data, parts);
    if (file->always)
        note(POWER_SYNC_BEGIN, fd, NULL, 0, 0, POWER_ALONE, NULL, 0);
}

static uint64_t place(int fd)
{
    struct stat info;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND) && fstat(fd, &info) == 0)
        return (uint64_t)info.st_size;
    return (uint64_t)lseek(fd, 0, SEEK_CUR);
}

static size_t sum_of(const struct iovec *data, int parts)
{
    size_t sum = 0;
    for (int i = 0; i < parts; i++)
        sum += data[i].iov_len;
    return sum;
}

ssize_t write(int fd, const void *from, size_t size)
{
    REAL(ssize_t, write, int, const void *, size_t);
    struct file *file = seen(fd);
    if (!file)
        return real_write(fd, from, size);
    struct iovec data = {(void *)(uintptr_t)from, size};
    writing(file, fd, place(fd), &data, 1);
    ssize_t done = real_write(fd, from, size);
    wrote(file, fd, done, size);
    return done;
}

ssize_t writev(int fd, const struct iovec *data, int parts)
{
    REAL(ssize_t, writev, int, const struct iovec *, int);
    struct file *file = seen(fd);
    if (!file)
        return real_writev(fd, data, parts);
    writing(file, fd, place(fd), data, parts);
    ssize_t done = real_writev(fd, data, parts);
    wrote(file, fd, done, sum_of(data, parts));
    return done;
}

#define PWRITE(name)                                                                               \
    ssize_t name(int fd, const void *from, size_t size, off_t offset)                              \
    {                                                                                              \
        REAL(ssize_t, name, int, const void *, size_t, off_t);                                     \
        struct file *file = seen(fd);                                                              \
        if (!file)                                                                                 \
            return real_##name(fd, from, size, offset);                                            \
        struct iovec data = {(void *)(uintptr_t)from, size};                                       \
        writing(file, fd, (uint64_t)offset, &data, 1);                                             \
        ssize_t done = real_##name(fd, from, size, offset);                                        \
        wrote(file, fd, done, size);                                                               \
        return done;                                                                               \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)                                                                              \
    ssize_t name(int fd, const struct iovec *data, int parts, off_t offset)                        \
    {                                                                                              \
        REAL(ssize_t, name, int, const struct iovec *, int, off_t);                                \
        struct file *file = seen(fd);                                                              \
        if (!file)                                                                                 \
            return real_##name(fd, data, parts, offset);                                           \
        writing(file, fd, (uint64_t)offset, data, parts);                                          \
        ssize_t done = real_##name(fd, data, parts, offset);                                       \
        wrote(file, fd, done, sum_of(data, parts));                                                \
        return done;                                                                               \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define SIZE(name)                                                                                 \
    int name(int fd, off_t size)                                                                   \
    {                                                                                              \
        REAL(int, name, int, off_t);                                                               \
        if (seen(fd))                                                                              \
            note(POWER_SIZE, fd, NULL, 0, (uint64_t)size, 0, NULL, 0);                             \
        return real_##name(fd, size);                                                              \
    }
SIZE(ftruncate)
SIZE(ftruncate64)

int truncate(const char *path, off_t size)
{
    REAL(int, truncate, const char *, off_t);
    char whole[PATH_MAX];
    if (ours(path, whole))
        note(POWER_SIZE, -1, whole, strlen(whole), (uint64_t)size, 0, NULL, 0);
    return real_truncate(path, size);
}

#define GROW(name)                                                                                 \
    int name(int fd, off_t offset, off_t size)                                                     \
    {                                                                                              \
        REAL(int, name, int, off_t, off_t);                                                        \
        if (seen(fd))                                                                              \
            note(POWER_GROW, fd, NULL, 0, (uint64_t)(offset + size), 0, NULL, 0);                  \
        return real_##name(fd, offset, size);                                                      \
    }
GROW(posix_fallocate)
GROW(posix_fallocate64)

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    REAL(int, fallocate, int, int, off_t, off_t);
    if (seen(fd) && mode != 0)
        unseen(power.files[fd].name, "fallocate with a mode");
    else if (seen(fd))
        note(POWER_GROW, fd, NULL, 0, (uint64_t)(offset + size), 0, NULL, 0);
    return real_fallocate(fd, mode, offset, size);
}

/* ---- maps ---- */

/* What changed in the mapped marks since they were last looked at, as a write of its own that no sync covers. */
static void maps_note(void)
{
    for (int i = 0; i < power.map_count; i++) {
        struct map *map = &power.maps[i];
        if (memcmp(map->last, map->at, map->size) == 0)
            continue;
        memcpy(map->last, map->at, map->size);
        struct iovec data = {map->last, map->size};
        note(POWER_WRITE, map->fd, NULL, 0, 0, 0, &data, 1);
    }
}

static void mapped(const void *at, size_t size, int protection, int flags, int fd)
{
    const struct file *file = seen(fd);
    if (!file || !(protection & PROT_WRITE) || !(flags & MAP_SHARED) ||
        strcmp(file->name, "lock.mdb") == 0)
        return;
    if (strcmp(file->name, "runs.mark") != 0 || power.map_count == MAPS_MAX) {
        unseen(file->name, "mapped for writing");
        return;
    }
    struct map *map = &power.maps[power.map_count];
    char path[PATH_MAX], link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t path_size = readlink(link, path, sizeof path);
    *map = (struct map){
        .at = at, .last = calloc(1, size), .size = size, .fd = FDS_MAX + power.map_count};
    if (path_size < 0 || !map->last)
        stop("a map");
    memcpy(map->last, at, size);
    power.map_count++;
    note(POWER_OPEN, map->fd, path, (size_t)path_size, 0, 0, NULL, 0);
}

#define MMAP(name)                                                                                 \
    void *name(void *where, size_t size, int protection, int flags, int fd, off_t offset)          \
    {                                                                                              \
        REAL(void *, name, void *, size_t, int, int, int, off_t);                                  \
        void *at = real_##name(where, size, protection, flags, fd, offset);                        \
        if (at != MAP_FAILED && power.journal >= 0)                                                \
            mapped(at, size, protection, flags, fd);                                               \
        return at;                                                                                 \
    }
MMAP(mmap)
MMAP(mmap64)

int munmap(void *at, size_t size)
{
    REAL(int, munmap, void *, size_t);
    for (int i = 0; i < power.map_count; i++)
        if (power.maps[i].at == at) {
            maps_note();
            power.maps[i].at = power.maps[i].last; /* as it stays */
        }
    return real_munmap(at, size);
}

/* ---- syncs ---- */

#define SYNC(name)                                                                                 \
    int name(int fd)                                                                               \
    {                                                                                              \
        REAL(int, name, int);                                                                      \
        if (!seen(fd))                                                                             \
            return real_##name(fd);                                                                \
        maps_note();                                                                               \
        note(POWER_SYNC_BEGIN, fd, NULL, 0, 0, 0, NULL, 0);                                        \
        int result = real_##name(fd);                                                              \
        note(POWER_SYNC_END, fd, NULL, 0, 0, result != 0, NULL, 0);                                \
        return result;                                                                             \
    }
SYNC(fsync)
SYNC(fdatasync)

/* ---- names ---- */

int rename(const char *from, const char *to)
{
    REAL(int, rename, const char *, const char *);
    char paths[2 * PATH_MAX], whole[PATH_MAX];
    if (ours(from, paths) && ours(to, whole)) {
        size_t size = strlen(paths) + 1;
        memcpy(paths + size, whole, strlen(whole));
        note(POWER_RENAME, -1, paths, size + strlen(whole), 0, 0, NULL, 0);
    }
    return real_rename(from, to);
}

#define NAME(name, kind)                                                                           \
    int name(const char *path)                                                                     \
    {                                                                                              \
        REAL(int, name, const char *);                                                             \
        char whole[PATH_MAX];                                                                      \
        if (ours(path, whole))                                                                     \
            note(kind, -1, whole, strlen(whole), 0, 0, NULL, 0);                                   \
        return real_##name(path);                                                                  \
    }
NAME(unlink, POWER_UNLINK)
NAME(remove, POWER_UNLINK)
NAME(rmdir, POWER_RMDIR)

int mkdir(const char *path, mode_t mode)
{
    REAL(int, mkdir, const char *, mode_t);
    char whole[PATH_MAX];
    if (ours(path, whole))
        note(POWER_MKDIR, -1, whole, strlen(whole), 0, 0, NULL, 0);
    return real_mkdir(path, mode);
}
