/* The file system that a directory is on. */
#ifndef CONFIG_DISK_H
#define CONFIG_DISK_H

#include <stdint.h>

/* Bytes that are free for whoever is not root; -1 with errno: it cannot be told. */
int64_t disk_free_bytes(const char *dir);

#endif
