/* UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef SCHEMA_UTF8_H
#define SCHEMA_UTF8_H

#include <stddef.h>

/* How many bytes from the start are whole, valid characters: `size` if all are. */
size_t utf8_valid(const char *text, size_t size);

#endif
