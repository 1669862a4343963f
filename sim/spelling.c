#include "sim/spelling.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Latin letters with a mark: what they are without it, and the mark as a combining character. */
static const struct {
    const char *letter, *plain, *mark;
} marked[] = {
    {"á", "a", "\u0301"}, {"é", "e", "\u0301"}, {"í", "i", "\u0301"}, {"ó", "o", "\u0301"},
    {"ú", "u", "\u0301"}, {"ý", "y", "\u0301"}, {"ć", "c", "\u0301"}, {"ń", "n", "\u0301"},
    {"č", "c", "\u030c"}, {"š", "s", "\u030c"}, {"ž", "z", "\u030c"}, {"ř", "r", "\u030c"},
    {"ě", "e", "\u030c"}, {"Č", "C", "\u030c"}, {"Š", "S", "\u030c"}, {"Ž", "Z", "\u030c"},
    {"ä", "a", "\u0308"}, {"ë", "e", "\u0308"}, {"ö", "o", "\u0308"}, {"ü", "u", "\u0308"},
    {"Ö", "O", "\u0308"}, {"â", "a", "\u0302"}, {"ê", "e", "\u0302"}, {"ô", "o", "\u0302"},
    {"ñ", "n", "\u0303"}, {"ã", "a", "\u0303"}, {"ç", "c", "\u0327"}, {"ģ", "g", "\u0327"},
    {"ņ", "n", "\u0327"}, {"ķ", "k", "\u0327"}, {"ū", "u", "\u0304"}, {"ā", "a", "\u0304"},
    {"ī", "i", "\u0304"}, {"ē", "e", "\u0304"}, {"å", "a", "\u030a"}, {"ė", "e", "\u0307"},
    {"ò", "o", "\u0300"}, {"è", "e", "\u0300"}, {"à", "a", "\u0300"}, {"đ", "d", ""},
    {"ø", "o", ""},       {"ł", "l", ""}};

void spelling_write(const char *name, const char *how, char *out, size_t size)
{
    size_t used = 0;
    while (*name != '\0' && used + 8 < size) {
        size_t row = 0, rows = sizeof marked / sizeof *marked;
        while (row < rows && strncmp(name, marked[row].letter, strlen(marked[row].letter)) != 0) {
            row++;
        }
        if (strcmp(how, "upper") == 0 || row == rows) {
            bool lower = strcmp(how, "upper") == 0 && *name >= 'a' && *name <= 'z';
            out[used++] = lower ? (char)(*name - 32) : *name;
            name++;
            continue;
        }
        bool split = strcmp(how, "decomposed") == 0 && marked[row].mark[0] != '\0';
        used += (size_t)snprintf(out + used, size - used, "%s%s",
                                 strcmp(how, "decomposed") == 0 && !split ? marked[row].letter
                                                                          : marked[row].plain,
                                 split ? marked[row].mark : "");
        name += strlen(marked[row].letter);
    }
    out[used] = '\0';
}

void spelling_key(const char *name, char *out, size_t size)
{
    static const char *const suffixes[] = {" jr", " sr", " ii", " iii", " iv"};
    char plain[256];
    size_t used = 0;
    spelling_write(name, "ascii", plain, sizeof plain);
    for (const char *c = plain; *c != '\0' && used + 1 < size; c++) {
        if (*c == '-' || *c == ' ') {
            out[used++] = ' ';
        } else if (*c >= 'A' && *c <= 'Z') {
            out[used++] = (char)(*c + 32);
        } else if ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9')) {
            out[used++] = *c;
        }
    }
    out[used] = '\0';
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t length = strlen(suffixes[i]);
        if (used > length && strcmp(out + used - length, suffixes[i]) == 0) {
            out[used - length] = '\0';
            return;
        }
    }
}
