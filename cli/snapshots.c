#include "cli/snapshots.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "store/snapshot.h"

static int read_whole(const char *path, struct snapshot_about *about)
{
    struct snapshot_reader *reader;
    int more = snapshot_open(&reader, path, about);
    if (more)
        return more;
    while ((more = snapshot_next(reader, NULL, NULL)) == 1)
        ;
    snapshot_close(&reader);
    return more;
}

static int folder_check(const char *folder, const char *shard, snapshots_bad *bad, void *context)
{
    uint64_t cursors[SNAPSHOT_MOST];
    char path[PATH_MAX], name[320];
    struct snapshot_about about;
    uint32_t count = snapshot_list(folder, cursors, SNAPSHOT_MOST);
    for (uint32_t i = 0; i < count; i++) {
        if (snapshot_path(path, sizeof path, folder, cursors[i]) != 0)
            continue;
        int error = read_whole(path, &about);
        if (!error && about.cursor == cursors[i])
            continue;
        snprintf(name, sizeof name, "%.255s/snap-%020" PRIu64, shard, cursors[i]);
        bad(context, name, error ? store_error_text(error) : "its name says another cursor");
    }
    return (int)count;
}

int snapshots_verify(const char *root, snapshots_bad *bad, void *context)
{
    char folder[PATH_MAX];
    int count = 0;
    DIR *open_root = opendir(root);
    for (const struct dirent *entry; open_root && (entry = readdir(open_root));)
        if (entry->d_name[0] != '.' &&
            snprintf(folder, sizeof folder, "%s/%s", root, entry->d_name) < (int)sizeof folder)
            count += folder_check(folder, entry->d_name, bad, context);
    if (open_root)
        closedir(open_root);
    return count;
}
