/* Include before a .def to make its descriptor tables, in exactly one .c, where its structs are visible; <tipoff/message_end.h> after it.
 * No guard: used many times. C17 and C++20. */
#define TIP_MESSAGE_FIELD(kind_, name_, presence_, lo_, hi_, unit_, doc_)                          \
    {.name = #name_,                                                                               \
     .kind = kind_,                                                                                \
     .presence = TIP_##presence_,                                                                  \
     .name_size = sizeof(#name_) - 1,                                                              \
     .offset = 0,                                                                                  \
     .lo = (double)(lo_),                                                                          \
     .hi = (double)(hi_),                                                                          \
     .unit = unit_,                                                                                \
     .doc = doc_},
#define MSG(name_, version_, stream_, writer_, key_, doc_)                                         \
    enum { msg_##name_##_version = (version_) };                                                   \
    static const char msg_##name_##_stream[] = stream_, msg_##name_##_writer[] = writer_,          \
                      msg_##name_##_key[] = key_, msg_##name_##_doc[] = doc_;                      \
    static struct tip_field_desc msg_##name_##_fields[] = {
#define U64(name, presence, lo, hi, unit, doc)                                                     \
    TIP_MESSAGE_FIELD(TIP_FIELD_U64, name, presence, lo, hi, unit, doc)
#define I64(name, presence, lo, hi, unit, doc)                                                     \
    TIP_MESSAGE_FIELD(TIP_FIELD_I64, name, presence, lo, hi, unit, doc)
#define F64(name, presence, lo, hi, unit, doc)                                                     \
    TIP_MESSAGE_FIELD(TIP_FIELD_F64, name, presence, lo, hi, unit, doc)
#define BOOL(name, presence, doc) TIP_MESSAGE_FIELD(TIP_FIELD_BOOL, name, presence, 0, 1, "", doc)
#define TIME(name, presence, doc)                                                                  \
    TIP_MESSAGE_FIELD(TIP_FIELD_TIME, name, presence, 0, 0, "us UTC", doc)
#define DATE(name, presence, doc)                                                                  \
    TIP_MESSAGE_FIELD(TIP_FIELD_DATE, name, presence, 0, 0, "yyyymmdd", doc)
#define STR(name, presence, most, doc)                                                             \
    TIP_MESSAGE_FIELD(TIP_FIELD_STR, name, presence, 0, most, "", doc)
#define BYTES(name, presence, most, doc)                                                           \
    TIP_MESSAGE_FIELD(TIP_FIELD_BYTES, name, presence, 0, most, "", doc)
#define MAP(name, presence, most, doc)                                                             \
    TIP_MESSAGE_FIELD(TIP_FIELD_MAP, name, presence, 0, most, "", doc)
#define LIST(name, presence, most, doc)                                                            \
    TIP_MESSAGE_FIELD(TIP_FIELD_LIST, name, presence, 0, most, "", doc)
#define END(name_)                                                                                 \
    }                                                                                              \
    ;                                                                                              \
    const struct tip_message_desc msg_##name_##_desc = {                                           \
        .name = #name_,                                                                            \
        .version = msg_##name_##_version,                                                          \
        .stream = msg_##name_##_stream,                                                            \
        .writer = msg_##name_##_writer,                                                            \
        .key = msg_##name_##_key,                                                                  \
        .doc = msg_##name_##_doc,                                                                  \
        .struct_size = sizeof(struct msg_##name_),                                                 \
        .fields = msg_##name_##_fields,                                                            \
        .field_count = sizeof msg_##name_##_fields / sizeof msg_##name_##_fields[0],               \
    };                                                                                             \
    __attribute__((constructor)) static void msg_##name_##_layout(void)                            \
    {                                                                                              \
        tip_message_layout(msg_##name_##_fields,                                                   \
                           sizeof msg_##name_##_fields / sizeof msg_##name_##_fields[0],           \
                           sizeof(struct msg_##name_));                                            \
    }
