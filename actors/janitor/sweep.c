/* What dead owners left in the state directory. */
#include "actors/janitor/sweep.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/log.h"
#include "store/compact.h"
#include "store/env_make.h"
#include "store/snapshot.h"

#define DEPTH_MAX 8

static bool is_new(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && !strcmp(name + size - 4, ".new");
}

pid_t sweep_owner(const char *name)
{
    const char *end = name + strlen(name);
    if (is_new(name))
        end -= 4;
    else if (!strchr(name, '-'))
        return 0;
    const char *at = end;
    while (at > name && isdigit((unsigned char)at[-1]))
        at--;
    if (at == end || at == name || (at[-1] != '.' && at[-1] != '-') || end - at > 9)
        return 0;
    return (pid_t)strtol(at, NULL, 10);
}

static bool lives(pid_t pid)
{
    return kill(pid, 0) == 0 || errno == EPERM;
}

static bool is_folder(int parent, const char *name)
{
    struct stat about;
    return fstatat(parent, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(about.st_mode);
}

/* Everything below, never across a symbolic link. 0 or -1 with errno. */
static int remove_tree(int parent, const char *name, int depth)
{
    if (!is_folder(parent, name))
        return unlinkat(parent, name, 0);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 || depth > DEPTH_MAX ? NULL : fdopendir(fd);
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_tree(dirfd(folder), entry->d_name, depth + 1);
    closedir(folder);
    return unlinkat(parent, name, AT_REMOVEDIR);
}

static void sweep_one(int parent, const char *name, struct swept *out)
{
    pid_t owner = sweep_owner(name);
    if (!owner)
        return;
    out->found++;
    if (lives(owner))
        return;
    if (remove_tree(parent, name, 0) == 0) {
        out->removed++;
    } else if (errno != ENOENT) {
        out->failed++;
        log_warn("sweep-failed", "name=%s why=\"%s\"", name, strerror(errno));
    }
}

/* `folders`: what is swept is folders, here only; else files, at any depth. */
static void sweep_folder(int parent, const char *name, bool folders, int depth, struct swept *out)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return; /* nothing there to sweep */
    }
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.' && (!entry->d_name[1] || !strcmp(entry->d_name, "..")))
            continue;
        bool inner = is_folder(dirfd(folder), entry->d_name);
        if (inner == folders && inner != is_new(entry->d_name))
            sweep_one(dirfd(folder), entry->d_name, out);
        else if (inner && depth < DEPTH_MAX)
            sweep_folder(dirfd(folder), entry->d_name, folders, depth + 1, out);
    }
    closedir(folder);
}

static void sweep_below(const char *dir, const char *name, bool folders, int depth,
                        struct swept *out)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    sweep_folder(fd, name, folders, depth, out);
    close(fd);
}

void sweep_exports(const char *dir, struct swept *out)
{
    sweep_below(dir, "exports", false, 0, out);
}

void sweep_scratch(const char *dir, struct swept *out)
{
    sweep_below(dir, "scratch", true, 0, out);
}

void sweep_state(const char *dir, struct swept *out)
{
    static const char *const leagues[] = {"league-new-", "league-old-"};
    DIR *folder = opendir(dir);
    sweep_below(dir, ".", false, DEPTH_MAX, out);
    sweep_below(dir, "registry.d", false, DEPTH_MAX, out);
    sweep_below(dir, "models", false, DEPTH_MAX, out);
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        for (size_t i = 0; i < sizeof leagues / sizeof *leagues; i++)
            if (strncmp(entry->d_name, leagues[i], strlen(leagues[i])) == 0)
                sweep_one(dirfd(folder), entry->d_name, out);
    if (folder)
        closedir(folder);
}

/* Who has a shard's environment open holds this lock; while we do, nobody opens it. */
static int shard_lock(int shard)
{
    int fd = openat(shard, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void sweep_shard(int shard, struct swept *out)
{
    static const char *const names[] = {COMPACT_FILE, ENV_FILE_NEW};
    struct stat about;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (fstatat(shard, names[i], &about, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        out->found++;
        int lock = shard_lock(shard);
        if (lock < 0)
            continue; /* its owner lives, and removes it itself when it starts */
        if (unlinkat(shard, names[i], 0) == 0)
            out->removed++;
        else if (errno != ENOENT)
            out->failed++;
        close(lock);
    }
}

void sweep_shards(const char *dir, struct swept *out)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/shards", dir) >= (int)sizeof path)
        return;
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        int fd =
            openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            continue;
        sweep_shard(fd, out);
        close(fd);
    }
    if (folder)
        closedir(folder);
}

void sweep_snapshots(const char *root, struct swept *out)
{
    char path[4096];
    DIR *folder = opendir(root);
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && is_folder(dirfd(folder), entry->d_name) &&
            snprintf(path, sizeof path, "%s/%s", root, entry->d_name) < (int)sizeof path)
            snapshot_sweep(path, &out->found, &out->removed);
    if (folder)
        closedir(folder);
}

int sweep_remove(const char *path)
{
    return remove_tree(AT_FDCWD, path, 0);
}
