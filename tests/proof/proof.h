/* The proof's messages. Include in one .c of each program: the tables are made here. */
#ifndef TESTS_PROOF_PROOF_H
#define TESTS_PROOF_PROOF_H

#include "schema/message.h"

#include "schema/message_struct.h"
#include "tests/proof/proof.def"
#include "schema/message_end.h"

#include "schema/message_table.h"
#include "tests/proof/proof.def"
#include "schema/message_end.h"

#endif
