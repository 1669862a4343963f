/* Include before a .def to make its structs; include <tipoff/message_end.h> after it. No guard: used many times. */
#define MSG(name, version, stream, writer, key, doc)                                               \
    extern const struct tip_message_desc msg_##name##_desc;                                        \
    struct msg_##name {
#define U64(name, presence, lo, hi, unit, doc) uint64_t name;
#define I64(name, presence, lo, hi, unit, doc) int64_t name;
#define F64(name, presence, lo, hi, unit, doc) double name;
#define BOOL(name, presence, doc) bool name;
#define TIME(name, presence, doc) int64_t name;
#define DATE(name, presence, doc) int32_t name;
#define STR(name, presence, most_bytes, doc) char name[(most_bytes) + 1];
#define BYTES(name, presence, most_bytes, doc) struct tip_span name;
#define MAP(name, presence, most_bytes, doc) struct tip_span name;
#define LIST(name, presence, most_bytes, doc) struct tip_span name;
#define END(name)                                                                                  \
    }                                                                                              \
    ;
