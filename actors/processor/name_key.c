#include "actors/processor/name_key.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "schema/utf8.h"

/* U+00C0..U+017F to a letter each; '-' is none. The few that stand for two letters have special rows below. */
static const char LETTERS[] = "aaaaaaaceeeeiiiidnooooo-ouuuuytsaaaaaaaceeeeiiiidnooooo-ouuuuyty"
                              "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
                              "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

static const struct {
    uint32_t point;
    const char *letters;
} PAIRS[] = {
    {0xC6, "ae"},  {0xE6, "ae"},  {0xDE, "th"},  {0xFE, "th"},  {0xDF, "ss"}, {0x132, "ij"},
    {0x133, "ij"}, {0x152, "oe"}, {0x153, "oe"}, {0x218, "s"},  {0x219, "s"}, {0x21A, "t"},
    {0x21B, "t"},  {0x2010, " "}, {0x2011, " "}, {0x2013, " "}, {0xA0, " "},
};

/* Players known by two names of which neither begins with the other; the right one is how the league spells it. */
static const struct {
    const char *alias, *key;
} ALIASES[] = {
    {"bj boston", "brandon boston"},
    {"carlton carrington", "bub carrington"},
    {"james huff", "jay huff"},
    {"kj martin", "kenyon martin"},
    {"kenyon martin", "kj martin"},
    {"mo bamba", "mohamed bamba"},
    {"mohamed bamba", "mo bamba"},
    {"moe wagner", "moritz wagner"},
    {"svi mykhailiuk", "sviatoslav mykhailiuk"},
};

static uint32_t next_point(const unsigned char **text)
{
    const unsigned char *p = *text;
    uint32_t point = p[0];
    int more = point < 0x80 ? 0 : point < 0xE0 ? 1 : point < 0xF0 ? 2 : 3;
    if (more > 0) {
        point &= 0x3Fu >> more;
        for (int i = 1; i <= more; i++) {
            point = point << 6 | (p[i] & 0x3Fu);
        }
    }
    *text = p + 1 + more;
    return point;
}

static const char *fold(uint32_t point, char one[2])
{
    one[0] = one[1] = '\0';
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        if (PAIRS[i].point == point) {
            return PAIRS[i].letters;
        }
    }
    if (point < 0x80 && isalnum((int)point)) {
        one[0] = (char)tolower((int)point);
    } else if (point == ' ' || point == '-' || point == '\t' || point == '_') {
        one[0] = ' ';
    } else if (point >= 0xC0 && point < 0x180 && LETTERS[point - 0xC0] != '-') {
        one[0] = LETTERS[point - 0xC0];
    }
    return one;
}

static bool is_suffix(const char *word)
{
    static const char *const SUFFIXES[] = {"jr", "sr", "ii", "iii", "iv", "v"};
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof SUFFIXES[0]; i++) {
        if (strcmp(word, SUFFIXES[i]) == 0) {
            return true;
        }
    }
    return false;
}

void name_key(const char *name, char key[NAME_KEY_SIZE])
{
    size_t size = 0;
    const unsigned char *text = (const unsigned char *)name;
    const unsigned char *end = text + utf8_valid(name, strlen(name));
    while (text < end) {
        char one[2];
        for (const char *c = fold(next_point(&text), one); *c != '\0'; c++) {
            bool blank = *c == ' ' && (size == 0 || key[size - 1] == ' ');
            if (!blank && size + 1 < NAME_KEY_SIZE) {
                key[size++] = *c;
            }
        }
    }
    while (size > 0 && key[size - 1] == ' ') {
        size--;
    }
    key[size] = '\0';
    char *last = strrchr(key, ' ');
    while (last != NULL && is_suffix(last + 1)) {
        *last = '\0';
        last = strrchr(key, ' ');
    }
}

const char *name_key_alias(const char *key)
{
    for (size_t i = 0; i < sizeof ALIASES / sizeof ALIASES[0]; i++) {
        if (strcmp(ALIASES[i].alias, key) == 0) {
            return ALIASES[i].key;
        }
    }
    return NULL;
}

const char *name_key_family(const char *key)
{
    const char *blank = strchr(key, ' ');
    return blank != NULL ? blank + 1 : key;
}

bool name_key_alike(const char *a, const char *b)
{
    const char *a_family = name_key_family(a), *b_family = name_key_family(b);
    if (a_family == a || b_family == b || strcmp(a_family, b_family) != 0) {
        return false;
    }
    size_t a_size = (size_t)(a_family - a) - 1, b_size = (size_t)(b_family - b) - 1;
    size_t common = a_size < b_size ? a_size : b_size;
    return common >= 3 && strncmp(a, b, common) == 0;
}
