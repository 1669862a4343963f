/* msgpack and CRC-32C behind pack.h.
 *
 * Writing is msgpack-c's packer over our buffer. Reading is not msgpack-c's: its unpacker builds
 * an object tree from a zone, sized by the counts that the bytes declare, and reports a depth of
 * 33 as out of memory. A cursor that checks every head against the bytes left allocates nothing,
 * so nothing a peer declares can cost more than its bytes. */
#include "schema/pack.h"

#include <endian.h>
#include <isa-l/crc.h>
#include <limits.h>
#include <msgpack/pack.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/utf8.h"

enum { PACK_FIRST_CAPACITY = 256, PRESCAN_DEPTH_MOST = 64, FIXSTR = 0xa0, FIXSTR_MAX = 31 };
enum { KEY_SLOTS_MOST = 2048, KEY_SLOTS_LEAST = 16, FLOAT64 = 0xcb };

/* ---- writing ---- */

/* Out of line, so that appending where there is room is a few instructions, inlined. */
__attribute__((noinline)) static bool pack_grow(struct pack *self, size_t more)
{
    size_t capacity = self->capacity ? self->capacity : PACK_FIRST_CAPACITY;
    if (self->failed || self->fixed || more > SIZE_MAX / 2 - self->size) {
        self->failed = true;
        return false;
    }
    while (capacity < self->size + more) {
        capacity *= 2;
    }
    uint8_t *data = realloc(self->data, capacity);
    if (!data) {
        self->failed = true;
        return false;
    }
    self->data = data;
    self->capacity = capacity;
    return true;
}

/* Where the next `size` bytes go; NULL if there is no room for them. */
static inline uint8_t *pack_room(struct pack *self, size_t size)
{
    if ((self->failed || size > self->capacity - self->size) && !pack_grow(self, size)) {
        return NULL;
    }
    uint8_t *room = self->data + self->size;
    self->size += size;
    return room;
}

static inline bool pack_append(struct pack *self, const void *data, size_t size)
{
    uint8_t *room = size ? pack_room(self, size) : NULL;
    if (!room) {
        return !self->failed;
    }
    memcpy(room, data, size);
    return true;
}

static inline int pack_write(void *self, const char *data, size_t size)
{
    return pack_append(self, data, size) ? 0 : -1;
}

void pack_free(struct pack *self)
{
    if (!self->fixed) {
        free(self->data);
    }
    *self = (struct pack){0};
}

void pack_reset(struct pack *self)
{
    self->size = 0;
    self->failed = false;
}

static inline msgpack_packer pack_packer(struct pack *self)
{
    return (msgpack_packer){.data = self, .callback = pack_write};
}

void pack_array(struct pack *self, uint32_t count)
{
    msgpack_packer packer = pack_packer(self);
    msgpack_pack_array(&packer, count);
}

void pack_map(struct pack *self, uint32_t count)
{
    msgpack_packer packer = pack_packer(self);
    msgpack_pack_map(&packer, count);
}

void pack_u64(struct pack *self, uint64_t value)
{
    msgpack_packer packer = pack_packer(self);
    msgpack_pack_uint64(&packer, value);
}

void pack_i64(struct pack *self, int64_t value)
{
    msgpack_packer packer = pack_packer(self);
    msgpack_pack_int64(&packer, value);
}

void pack_f64(struct pack *self, double value)
{
    msgpack_packer packer = pack_packer(self);
    msgpack_pack_double(&packer, value);
}

void pack_bool(struct pack *self, bool value)
{
    msgpack_packer packer = pack_packer(self);
    if (value) {
        msgpack_pack_true(&packer);
    } else {
        msgpack_pack_false(&packer);
    }
}

void pack_nil(struct pack *self)
{
    msgpack_packer packer = pack_packer(self);
    msgpack_pack_nil(&packer);
}

void pack_str(struct pack *self, const char *text, size_t size)
{
    msgpack_packer packer = pack_packer(self);
    if (size > UINT32_MAX) {
        self->failed = true;
        return;
    }
    if (size > FIXSTR_MAX) {
        msgpack_pack_str(&packer, size);
        pack_append(self, text, size);
        return;
    }
    uint8_t *room = pack_room(self, 1 + size); /* head and body at once: field names, mostly */
    if (room) {
        room[0] = (uint8_t)(FIXSTR | size);
        memcpy(room + 1, text, size);
    }
}

void pack_text(struct pack *self, const char *text)
{
    pack_str(self, text, strlen(text));
}

void pack_bin(struct pack *self, const void *data, size_t size)
{
    msgpack_packer packer = pack_packer(self);
    if (size > UINT32_MAX) {
        self->failed = true;
        return;
    }
    msgpack_pack_bin(&packer, size);
    pack_append(self, data, size);
}

void pack_raw(struct pack *self, const void *data, size_t size)
{
    pack_append(self, data, size);
}

/* ---- reading ---- */

/* What the first bytes of a value say. `size` counts the head alone: for STR, BIN and EXT the
 * body follows, for ARRAY and MAP the elements. An ext's type byte is part of its head. */
struct head {
    enum pack_kind kind;
    uint8_t size;
    bool negative;  /* of an int: `value` is then the two's complement of an int64 */
    uint64_t value; /* int, bool, length of a body, or count of elements (a map's pairs) */
    double number;  /* float */
};

/* Heads 0xc0..0xdf: kind, and how many bytes of value follow the first byte. */
static const struct {
    uint8_t kind;
    uint8_t width;
} HEADS[32] = {
    {PACK_NIL, 0}, {PACK_END, 0}, {PACK_BOOL, 0}, {PACK_BOOL, 0}, {PACK_BIN, 1},   {PACK_BIN, 2},
    {PACK_BIN, 4}, {PACK_EXT, 1}, {PACK_EXT, 2},  {PACK_EXT, 4},  {PACK_FLOAT, 4}, {PACK_FLOAT, 8},
    {PACK_INT, 1}, {PACK_INT, 2}, {PACK_INT, 4},  {PACK_INT, 8},  {PACK_INT, 1},   {PACK_INT, 2},
    {PACK_INT, 4}, {PACK_INT, 8}, {PACK_EXT, 0},  {PACK_EXT, 0},  {PACK_EXT, 0},   {PACK_EXT, 0},
    {PACK_EXT, 0}, {PACK_STR, 1}, {PACK_STR, 2},  {PACK_STR, 4},  {PACK_ARRAY, 2}, {PACK_ARRAY, 4},
    {PACK_MAP, 2}, {PACK_MAP, 4},
};

static uint64_t read_big_endian(const uint8_t *at, unsigned width)
{
    switch (width) {
    case 1:
        return at[0];
    case 2: {
        uint16_t value;
        memcpy(&value, at, sizeof value);
        return be16toh(value);
    }
    case 4: {
        uint32_t value;
        memcpy(&value, at, sizeof value);
        return be32toh(value);
    }
    default: {
        uint64_t value;
        memcpy(&value, at, sizeof value);
        return be64toh(value);
    }
    }
}

static double read_float(uint64_t bits, unsigned width)
{
    if (width == 4) {
        uint32_t narrow = (uint32_t)bits;
        float value;
        memcpy(&value, &narrow, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool head_long(const uint8_t *at, size_t left, struct head *head)
{
    uint8_t first = at[0];
    unsigned width = HEADS[first - 0xc0].width;
    head->kind = (enum pack_kind)HEADS[first - 0xc0].kind;
    head->size = (uint8_t)(1 + width);
    head->negative = false;
    if (head->kind == PACK_END || left < head->size) {
        return false;
    }
    head->value = width ? read_big_endian(at + 1, width) : 0;
    if (head->kind == PACK_BOOL) {
        head->value = first & 1;
    } else if (head->kind == PACK_FLOAT) {
        head->number = read_float(head->value, width);
    } else if (first >= 0xd0 && first <= 0xd3) { /* int8 .. int64: extend the sign */
        uint64_t sign = (uint64_t)1 << ((8u << (first - 0xd0)) - 1);
        head->value = (head->value ^ sign) - sign;
        head->negative = head->value >> 63;
    } else if (head->kind == PACK_EXT) {
        head->value =
            width ? head->value : (uint64_t)1 << (first - 0xd4); /* fixext 1, 2, 4, 8, 16 */
        head->size++;
        return left >= head->size;
    }
    return true;
}

/* False at the end or when the head itself is cut short. */
static inline bool head_read(const struct unpack *self, struct head *head)
{
    if (self->at >= self->size) {
        return false;
    }
    const uint8_t *at = self->data + self->at;
    uint8_t first = at[0];
    if (first >= 0xc0 && first < 0xe0) {
        return head_long(at, self->size - self->at, head);
    }
    head->size = 1;
    head->negative = first >= 0xe0;
    if (first < 0x80) {
        head->kind = PACK_INT;
        head->value = first;
    } else if (first < 0x90) {
        head->kind = PACK_MAP;
        head->value = first & 0x0f;
    } else if (first < 0xa0) {
        head->kind = PACK_ARRAY;
        head->value = first & 0x0f;
    } else if (first < 0xc0) {
        head->kind = PACK_STR;
        head->value = first & 0x1f;
    } else {
        head->kind = PACK_INT;
        head->value = (uint64_t)(int64_t)(int8_t)first;
    }
    return true;
}

static inline size_t bytes_after(const struct unpack *self, const struct head *head)
{
    return self->size - self->at - head->size;
}

enum pack_kind unpack_peek(const struct unpack *self)
{
    struct head head;
    return head_read(self, &head) ? head.kind : PACK_END;
}

bool unpack_array(struct unpack *self, uint32_t *count)
{
    struct head head;
    if (!head_read(self, &head) || head.kind != PACK_ARRAY ||
        head.value > bytes_after(self, &head)) {
        return false;
    }
    *count = (uint32_t)head.value;
    self->at += head.size;
    return true;
}

bool unpack_map(struct unpack *self, uint32_t *count)
{
    struct head head;
    if (!head_read(self, &head) || head.kind != PACK_MAP ||
        head.value > bytes_after(self, &head) / 2) {
        return false;
    }
    *count = (uint32_t)head.value;
    self->at += head.size;
    return true;
}

bool unpack_u64(struct unpack *self, uint64_t *value)
{
    struct head head;
    if (!head_read(self, &head) || head.kind != PACK_INT || head.negative) {
        return false;
    }
    *value = head.value;
    self->at += head.size;
    return true;
}

bool unpack_i64(struct unpack *self, int64_t *value)
{
    struct head head;
    if (!head_read(self, &head) || head.kind != PACK_INT ||
        (!head.negative && head.value > INT64_MAX)) {
        return false;
    }
    *value = (int64_t)head.value;
    self->at += head.size;
    return true;
}

bool unpack_f64(struct unpack *self, double *value)
{
    struct head head;
    if (!head_read(self, &head)) {
        return false;
    }
    if (head.kind == PACK_FLOAT) {
        *value = head.number;
    } else if (head.kind == PACK_INT) {
        *value = head.negative ? (double)(int64_t)head.value : (double)head.value;
    } else {
        return false;
    }
    self->at += head.size;
    return true;
}

bool unpack_bool(struct unpack *self, bool *value)
{
    struct head head;
    if (!head_read(self, &head) || head.kind != PACK_BOOL) {
        return false;
    }
    *value = head.value != 0;
    self->at += head.size;
    return true;
}

bool unpack_nil(struct unpack *self)
{
    struct head head;
    if (!head_read(self, &head) || head.kind != PACK_NIL) {
        return false;
    }
    self->at += head.size;
    return true;
}

static inline bool unpack_body(struct unpack *self, enum pack_kind kind, const uint8_t **data,
                               uint32_t *size)
{
    struct head head;
    if (!head_read(self, &head) || head.kind != kind || head.value > bytes_after(self, &head)) {
        return false;
    }
    *data = self->data + self->at + head.size;
    *size = (uint32_t)head.value;
    self->at += head.size + head.value;
    return true;
}

bool unpack_str(struct unpack *self, const char **text, uint32_t *size)
{
    const uint8_t *data;
    if (!unpack_body(self, PACK_STR, &data, size)) {
        return false;
    }
    *text = (const char *)data;
    return true;
}

bool unpack_bin(struct unpack *self, const uint8_t **data, uint32_t *size)
{
    return unpack_body(self, PACK_BIN, data, size);
}

/* Values a head is followed by, and the bytes of its own body. */
static inline uint64_t head_elements(const struct head *head)
{
    return head->kind == PACK_MAP ? 2 * head->value : head->kind == PACK_ARRAY ? head->value : 0;
}

static inline uint64_t head_body(const struct head *head)
{
    return head->kind == PACK_STR || head->kind == PACK_BIN || head->kind == PACK_EXT ? head->value
                                                                                      : 0;
}

bool unpack_skip(struct unpack *self)
{
    struct unpack in = *self;
    uint64_t pending = 1;
    while (pending > 0) {
        struct head head;
        if (!head_read(&in, &head)) {
            return false;
        }
        uint64_t left = bytes_after(&in, &head);
        uint64_t elements = head_elements(&head);
        if (elements > left || head_body(&head) > left) {
            return false;
        }
        in.at += head.size + head_body(&head);
        pending += elements - 1;
    }
    self->at = in.at;
    return true;
}

/* An open array or map of the prescan: values still to come; a map's keys come when it is even. */
struct level {
    uint64_t left;
    bool map;
};

/* The rule that `head` breaks where it stands, or NULL. */
static const char *prescan_rule(const struct unpack *in, const struct head *head,
                                const struct level *level)
{
    uint64_t left = bytes_after(in, head);
    if (head->kind == PACK_EXT) {
        return "ext type";
    }
    if (level->map && level->left % 2 == 0 && head->kind != PACK_STR) {
        return "map key not a str";
    }
    if (head_elements(head) > left) {
        return "declared count exceeds the bytes left";
    }
    if (head_body(head) > left) {
        return "declared size exceeds the bytes left";
    }
    return NULL;
}

/* Bytes of a value that its first byte alone tells; 0: it does not, or it has elements. */
static size_t plain_size(uint8_t first)
{
    if (first < 0x80 || first >= 0xe0 || first == 0xc0 || first == 0xc2 || first == 0xc3) {
        return 1;
    }
    if (first >= FIXSTR && first <= (FIXSTR | FIXSTR_MAX)) {
        return 1 + (size_t)(first & FIXSTR_MAX);
    }
    return first == FLOAT64 ? 9 : 0;
}

/* Values within the level that need no second look, up to the last but one: what follows is for who asks. How many there were. */
static uint32_t prescan_plain(struct unpack *in, struct level *level, uint32_t most)
{
    uint32_t count = 0;
    while (level->left > 1 && count < most && in->at < in->size) {
        uint8_t first = in->data[in->at];
        size_t size = plain_size(first);
        bool key = level->map && level->left % 2 == 0;
        if (size == 0 || size > in->size - in->at || (key && (first & 0xe0) != FIXSTR)) {
            break;
        }
        in->at += size;
        level->left--;
        count++;
    }
    return count;
}

long pack_prescan(const void *data, size_t size, uint32_t depth_max, uint32_t nodes_max,
                  const char **rule)
{
    struct unpack in = {.data = data, .size = size};
    struct level levels[PRESCAN_DEPTH_MOST + 1];
    uint32_t depth = 0, nodes = 0;
    levels[0] = (struct level){.left = 1, .map = false};
    if (depth_max > PRESCAN_DEPTH_MOST) {
        depth_max = PRESCAN_DEPTH_MOST;
    }
    for (;;) {
        struct head head;
        nodes += prescan_plain(&in, &levels[depth], nodes_max - nodes);
        if (!head_read(&in, &head)) {
            *rule = in.at < in.size && in.data[in.at] == 0xc1 ? "byte 0xc1" : "ends within a value";
            return -1;
        }
        const char *broken = prescan_rule(&in, &head, &levels[depth]);
        if (broken || ++nodes > nodes_max) {
            *rule = broken ? broken : "too many nodes";
            return -1;
        }
        bool container = head.kind == PACK_ARRAY || head.kind == PACK_MAP;
        if (container && depth == depth_max) {
            *rule = "nested too deep";
            return -1;
        }
        in.at += head.size + head_body(&head);
        levels[depth].left--;
        if (container) {
            levels[++depth] =
                (struct level){.left = head_elements(&head), .map = head.kind == PACK_MAP};
        }
        while (levels[depth].left == 0) {
            if (depth == 0) {
                return (long)in.at;
            }
            depth--;
        }
    }
}

/* ---- flat maps ---- */

/* Keys of a flat map so far: open addressing by a hash of the key, half full at most. Keys that find no room are compared with all that
 * came after the table was full. */
struct keys {
    uint32_t mask, room;
    size_t full_at; /* of the first key without a slot; 0: there is none */
    struct key_slot {
        uint32_t at, size; /* of the text; at 0: free (a map's head is before every key) */
    } slots[KEY_SLOTS_MOST];
};

static void keys_begin(struct keys *self, uint32_t pairs)
{
    uint32_t count = KEY_SLOTS_LEAST;
    while (count < KEY_SLOTS_MOST && count / 2 < pairs) {
        count *= 2;
    }
    self->mask = count - 1;
    self->room = count / 2;
    self->full_at = 0;
    memset(self->slots, 0, count * sizeof self->slots[0]);
}

/* The next bytes of a text as a number, the first one lowest. `behind` bytes may be read, the text is `size` of them. */
static inline uint64_t text_word(const uint8_t *text, uint32_t size, size_t behind)
{
    uint64_t word = 0;
    if (behind < sizeof word) {
        for (uint32_t i = 0; i < size && i < sizeof word; i++) {
            word |= (uint64_t)text[i] << (8 * i);
        }
        return word;
    }
    memcpy(&word, text, sizeof word);
    word = le64toh(word);
    return size < sizeof word ? word & ((UINT64_C(1) << (8 * size)) - 1) : word;
}

/* A hash of the text, and in `*high` whether some byte of it is above ASCII. */
static inline uint64_t text_hash(const uint8_t *text, uint32_t size, size_t behind, bool *high)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 over the golden ratio */
    uint64_t hash = size * odd, all = 0;
    for (uint32_t at = 0; at < size; at += (uint32_t)sizeof hash) {
        uint64_t word = text_word(text + at, size - at, behind - at);
        all |= word;
        hash = (hash ^ word) * odd;
        hash ^= hash >> 32;
    }
    *high = all & UINT64_C(0x8080808080808080);
    return hash;
}

/* Among the keys from where the table was full up to this one. */
static bool key_behind(const struct unpack *in, size_t from, size_t until, const uint8_t *key,
                       uint32_t size)
{
    struct unpack earlier = *in;
    const char *other;
    uint32_t other_size;
    earlier.at = from;
    while (earlier.at < until && unpack_str(&earlier, &other, &other_size)) {
        if (other_size == size && memcmp(other, key, size) == 0) {
            return true;
        }
        unpack_skip(&earlier);
    }
    return false;
}

/* True if the key, whose head is at `head_at`, was there before; remembered if not. */
static bool key_again(struct keys *self, const struct unpack *in, size_t head_at,
                      const uint8_t *key, uint32_t size, uint64_t hash)
{
    uint32_t slot = (uint32_t)hash & self->mask;
    for (; self->slots[slot].at; slot = (slot + 1) & self->mask) {
        const struct key_slot *other = &self->slots[slot];
        if (other->size == size && memcmp(in->data + other->at, key, size) == 0) {
            return true;
        }
    }
    if (self->room > 0) {
        self->slots[slot] = (struct key_slot){(uint32_t)(key - in->data), size};
        self->room--;
        return false;
    }
    if (self->full_at == 0) {
        self->full_at = head_at;
        return false;
    }
    return key_behind(in, self->full_at, head_at, key, size);
}

/* As unpack_str: most texts are short and have their size in the first byte. */
static inline bool text_take(struct unpack *in, const uint8_t **text, uint32_t *size)
{
    if (in->at < in->size && (in->data[in->at] & 0xe0) == FIXSTR) {
        *size = in->data[in->at] & FIXSTR_MAX;
        *text = in->data + in->at + 1;
        in->at += 1 + (size_t)*size;
        return in->at <= in->size;
    }
    return unpack_body(in, PACK_STR, text, size);
}

/* The rule that one value breaks, or NULL; `in` moves behind it. */
static const char *flat_value_rule(struct unpack *in)
{
    struct head head;
    const uint8_t *text;
    uint32_t size;
    bool high;
    if (in->size - in->at > sizeof head.value && in->data[in->at] == FLOAT64) { /* most are */
        head.value = read_big_endian(in->data + in->at + 1, sizeof head.value);
        in->at += 1 + sizeof head.value;
        return isfinite(read_float(head.value, sizeof head.value)) ? NULL : "a value not finite";
    }
    if (!head_read(in, &head)) {
        return "a value that is not nil, bool, number or str";
    }
    if (head.kind == PACK_STR) {
        if (!text_take(in, &text, &size)) {
            return "cut short";
        }
        (void)text_hash(text, size, (size_t)(in->data + in->size - text), &high);
        return !high || utf8_valid((const char *)text, size) == size ? NULL
                                                                     : "a value of invalid UTF-8";
    }
    if (head.kind != PACK_NIL && head.kind != PACK_BOOL && head.kind != PACK_INT &&
        head.kind != PACK_FLOAT) {
        return "a value that is not nil, bool, number or str";
    }
    in->at += head.size;
    return head.kind != PACK_FLOAT || isfinite(head.number) ? NULL : "a value not finite";
}

const char *pack_flat(const void *data, size_t size, size_t *used)
{
    struct unpack in = {.data = data, .size = size};
    struct keys keys; /* the slots in use are cleared below */
    uint32_t pairs;
    if (size > UINT32_MAX) {
        return "too large";
    }
    if (!unpack_map(&in, &pairs)) {
        return unpack_peek(&in) == PACK_MAP ? "declared count exceeds the bytes left" : "not a map";
    }
    keys_begin(&keys, pairs);
    for (uint32_t i = 0; i < pairs; i++) {
        const uint8_t *key;
        uint32_t key_size;
        bool high;
        size_t head_at = in.at;
        if (!text_take(&in, &key, &key_size)) {
            return "map key not a str, or cut short";
        }
        uint64_t hash = text_hash(key, key_size, (size_t)(in.data + in.size - key), &high);
        if (high && utf8_valid((const char *)key, key_size) != key_size) {
            return "a key of invalid UTF-8";
        }
        if (key_again(&keys, &in, head_at, key, key_size, hash)) {
            return "duplicate key";
        }
        const char *rule = flat_value_rule(&in);
        if (rule) {
            return rule;
        }
    }
    *used = in.at;
    return NULL;
}

/* ---- CRC-32C ---- */

/* ISA-L neither inverts the value it starts from nor the one it returns; the standard CRC does
 * both. */
uint32_t pack_crc32c(uint32_t seed, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint32_t crc = ~seed;
    while (size > 0) {
        int part = size > INT_MAX ? INT_MAX : (int)size;
        crc = crc32_iscsi((unsigned char *)(uintptr_t)at, part, crc);
        at += part;
        size -= (size_t)part;
    }
    return ~crc;
}
