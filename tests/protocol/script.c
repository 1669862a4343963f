#include "tests/protocol/script.h"

#include <stdlib.h>
#include <string.h>

#define SCRIPT_ROW(id, name, args) name,
const char *const script_names[SCRIPT_VERB_COUNT] = {SCRIPT_VERBS(SCRIPT_ROW)};
#undef SCRIPT_ROW
#define SCRIPT_ROW(id, name, args) args,
static const char *const arg_names[SCRIPT_VERB_COUNT] = {SCRIPT_VERBS(SCRIPT_ROW)};
#undef SCRIPT_ROW

/* The `index`th word of a list; its length, 0 if there is none. */
static size_t word_at(const char *words, uint32_t index, const char **word)
{
    for (; index > 0 && *words; index--) {
        words += strcspn(words, " ");
        words += *words == ' ';
    }
    *word = words;
    return strcspn(words, " ");
}

uint32_t script_args(enum script_verb verb)
{
    const char *word;
    uint32_t count = 0;
    while (word_at(arg_names[verb], count, &word) > 0)
        count++;
    return count;
}

void script_add(struct script *self, const struct script_step *step)
{
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? self->capacity * 2 : 1024;
        self->steps = realloc(self->steps, self->capacity * sizeof *self->steps);
        if (!self->steps)
            abort();
    }
    self->steps[self->count++] = *step;
}

void script_free(struct script *self)
{
    free(self->steps);
    memset(self, 0, sizeof *self);
}

void script_print(const struct script_step *step, FILE *out)
{
    const char *word;
    size_t size;
    fputs(script_names[step->verb], out);
    for (uint32_t i = 0; (size = word_at(arg_names[step->verb], i, &word)) > 0; i++)
        if (step->args[i])
            fprintf(out, " %.*s=%d", (int)size, word, step->args[i]);
    fputc('\n', out);
}

static bool arg_read(struct script_step *step, const char *text)
{
    const char *word, *equals = strchr(text, '=');
    size_t size;
    if (!equals)
        return false;
    for (uint32_t i = 0; (size = word_at(arg_names[step->verb], i, &word)) > 0; i++)
        if (size == (size_t)(equals - text) && strncmp(word, text, size) == 0) {
            char *end;
            step->args[i] = (int32_t)strtol(equals + 1, &end, 10);
            return *end == '\0' && end != equals + 1;
        }
    return false;
}

int script_read(struct script *self, FILE *in)
{
    char line[1024];
    for (int number = 1; fgets(line, sizeof line, in); number++) {
        struct script_step step = {.verb = SCRIPT_VERB_COUNT};
        char *rest, *word = strtok_r(line, " \n", &rest);
        if (!word || word[0] == '#')
            continue;
        for (int verb = 0; verb < SCRIPT_VERB_COUNT; verb++)
            if (strcmp(script_names[verb], word) == 0)
                step.verb = (uint8_t)verb;
        bool good = step.verb != SCRIPT_VERB_COUNT;
        while (good && (word = strtok_r(NULL, " \n", &rest)) != NULL)
            good = arg_read(&step, word);
        if (!good) {
            fprintf(stderr, "line %d: not a step\n", number);
            return -1;
        }
        script_add(self, &step);
    }
    return 0;
}
