#include "store/env_make.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Without LMDB's lock file, which is a shared map: a full disk would end the process. */
static int new_write(const char *path)
{
    MDB_env *env;
    int rc = mdb_env_create(&env);
    if (rc)
        return rc;
    rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0640);
    if (!rc)
        rc = mdb_env_sync(env, 1);
    mdb_env_close(env);
    return rc;
}

int env_make(const char *dir)
{
    char path[PATH_MAX], beside[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" ENV_FILE, dir) >= (int)sizeof path ||
        snprintf(beside, sizeof beside, "%s/" ENV_FILE_NEW, dir) >= (int)sizeof beside)
        return ENAMETOOLONG;
    if (access(path, F_OK) == 0)
        return 0;
    if (errno != ENOENT || (unlink(beside) != 0 && errno != ENOENT))
        return errno;
    int rc = new_write(beside);
    if (!rc && rename(beside, path) != 0)
        rc = errno;
    if (rc)
        (void)unlink(beside);
    return rc;
}

int env_dir_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int rc = fsync(fd) != 0 ? errno : 0;
    close(fd);
    return rc;
}

int env_names_sync(const char *dir)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof copy, "%s", dir) >= (int)sizeof copy)
        return ENAMETOOLONG;
    int rc = env_dir_sync(dir);
    if (!rc)
        rc = env_dir_sync(dirname(copy));
    return rc == EACCES ? 0 : rc; /* one that may not be read is not one that we made a name in */
}
