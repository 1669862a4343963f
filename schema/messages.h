/* The pipeline's messages as C: structs from schema/messages.def, and their registration. */
#ifndef SCHEMA_MESSAGES_H
#define SCHEMA_MESSAGES_H

#include "schema/message.h"

#include "schema/message_struct.h"
#include "schema/messages.def"
#include "schema/message_end.h"

/* Registers every pipeline message (message_register). Call once, first thing in main. */
void messages_register(void);
/* Only those that anyone may write: what the runtime itself says and hears (runs, dead letters and their verdicts), which every application's
 * actors need. */
void messages_register_shared(void);

#endif
