/* The pipeline's descriptor tables, and the one list of them. */
#include "schema/messages.h"

#include <string.h>

#include "schema/message_table.h"
#include "schema/messages.def"
#include "schema/message_end.h"

#define MSG(name, version, stream, writer, key, doc) &msg_##name##_desc,
#define U64(name, presence, lo, hi, unit, doc)
#define I64(name, presence, lo, hi, unit, doc)
#define F64(name, presence, lo, hi, unit, doc)
#define BOOL(name, presence, doc)
#define TIME(name, presence, doc)
#define DATE(name, presence, doc)
#define STR(name, presence, most, doc)
#define BYTES(name, presence, most, doc)
#define MAP(name, presence, most, doc)
#define LIST(name, presence, most, doc)
#define END(name)
static const struct message_desc *const MESSAGES[] = {
#include "schema/messages.def"
};
#include "schema/message_end.h"

void messages_register(void)
{
    message_register(MESSAGES, sizeof MESSAGES / sizeof MESSAGES[0]);
}

void messages_register_shared(void)
{
    for (size_t i = 0; i < sizeof MESSAGES / sizeof MESSAGES[0]; i++)
        if (strcmp(MESSAGES[i]->writer, "*") == 0)
            message_register(&MESSAGES[i], 1);
}
