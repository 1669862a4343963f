/* How a name may be written. */
#ifndef SIM_SPELLING_H
#define SIM_SPELLING_H

#include <stddef.h>

/* `how`: "ascii" (without marks), "decomposed" (marks as combining characters), "upper" (capitals, of ASCII letters). */
void spelling_write(const char *name, const char *how, char *out, size_t size);
/* What names are joined on: ASCII in lower case, no punctuation, no Jr, II, III. */
void spelling_key(const char *name, char *out, size_t size);

#endif
