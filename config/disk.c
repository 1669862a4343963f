#include "config/disk.h"

#include <sys/statvfs.h>

int64_t disk_free_bytes(const char *dir)
{
    struct statvfs about;
    if (statvfs(dir, &about) != 0)
        return -1;
    uint64_t bytes = (uint64_t)about.f_bavail * about.f_frsize;
    return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}
