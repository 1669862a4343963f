/* Settings: what a process is told at birth, from one YAML file and the command line. config/settings.def lists every
 * key; a name that is not there does not compile here and is refused there, with file and line. */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "config/log.h" /* enum log_level */

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

#define SETTINGS_LIST_MAX 16
#define SETTINGS_ITEM_SIZE 200
#define SETTINGS_HASH_SIZE 17 /* 16 hex digits and NUL */
#define SETTINGS_SECRET_SIZE 4096

struct settings_list {
    int count;
    char item[SETTINGS_LIST_MAX][SETTINGS_ITEM_SIZE];
};
/* Where a secret is kept: "", "file:PATH" or "env:NAME"; never the secret itself. */
struct settings_secret {
    char where[512];
};

/* Members of type: durations int64_t with _us behind the key's name, sizes and counts int64_t, words int (the enum's
 * value). It owns nothing: copy it freely. */
#define SECTION(prefix, name, doc) struct settings_##name {
#define END(name)                                                                                  \
    }                                                                                              \
    name;
#define INT(prefix, name, unit, value, least, most, counts, doc) int64_t name;
#define FLOAT(prefix, name, unit, value, least, most, counts, doc) double name;
#define BOOL(prefix, name, value, counts, doc) bool name;
#define DURATION(prefix, name, value, least, most, counts, doc) int64_t name##_us;
#define BYTES(prefix, name, value, least, most, counts, doc) int64_t name;
#define TEXT(prefix, name, size, value, rule, counts, doc) char name[size];
#define WORD(prefix, name, words, value, counts, doc) int name;
#define LIST(prefix, name, value, rule, counts, doc) struct settings_list name;
#define SECRET(prefix, name, variable, doc) struct settings_secret name;
struct settings {
#include "config/settings.def"
};
#undef SECTION
#undef END
#undef INT
#undef FLOAT
#undef BOOL
#undef DURATION
#undef BYTES
#undef TEXT
#undef WORD
#undef LIST
#undef SECRET

/* Defaults, then the file (NULL: none), then each "key=value" of `sets`, then the secrets that the environment names,
 * then what derives (empty endpoints) and what must fit together. Every refusal is one line on `errors`:
 * "FILE:LINE: key: rule". 0, or -1 if anything was refused (then *self is not to be used). */
int settings_load(struct settings *self, const char *path, const char *const *sets,
                  size_t set_count, FILE *errors);

/* 16 hex digits over the effective values of all keys that can change results. */
void settings_hash(const struct settings *self, char hash[SETTINGS_HASH_SIZE]);
/* The effective settings as YAML that settings_load reads again to the same; secrets only by where they are kept. */
void settings_print(const struct settings *self, bool comments, FILE *out);
void settings_print_docs(FILE *out);   /* docs/SETTINGS.md */
void settings_print_sample(FILE *out); /* config/tipoff.yaml: every key at its default */

/* The secret itself, without its end of line. 1 = copied, 0 = none is set, -1 = it cannot be read, said on `errors`
 * (by name, never by value). Wipe the buffer when done. */
int settings_secret_read(const struct settings_secret *secret, char value[SETTINGS_SECRET_SIZE],
                         FILE *errors);

/* How many shards the actor has: setting shards.ACTOR, or 1 if there is none. */
uint16_t settings_shards(const struct settings *self, const char *actor);

/* DIR/NAME into `path`; -1 if it does not fit. */
int settings_path(const struct settings *self, char *path, size_t size, const char *name);

#endif
