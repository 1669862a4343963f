/* Bodies that come out of a tap, a block at a time, for httpd_reply_stream: whatever their size, a few kilobytes are held. */
#ifndef SIM_POUR_H
#define SIM_POUR_H

#include <stddef.h>
#include <stdint.h>

struct pour;

/* A JSON list of `bytes` bytes (at least 16) that is sound to its end. */
struct pour *pour_huge(int64_t bytes);
/* A gzip stream, a thousandth of what it unpacks to: `bytes` (rounded up to whole MiB) of blanks. */
struct pour *pour_gzip_bomb(int64_t bytes);
/* The first half of `text` (copied), then the connection is cut. */
struct pour *pour_cut(const char *text, size_t size);

long pour_next(void *self, uint64_t offset, char *buffer, size_t size); /* an httpd_body */
void pour_free(void *self);

#endif
