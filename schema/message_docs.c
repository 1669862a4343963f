/* docs/MESSAGES.md, printed from what is registered and from schema/runs.h. */
#include "schema/message.h"

#include <string.h>

#include "schema/runs.h"

static const char INTRO[] =
    "# Messages\n\n"
    "Every message of the pipeline, as `schema/messages.def` lists it. This page is printed\n"
    "(`build/tests/print_docs messages`) and a test fails when it is stale: edit the list, not the "
    "page.\n\n"
    "On the wire a message is a msgpack map from field name to value, fields in the order below. A "
    "reader skips\n"
    "fields it does not know; an optional field that is missing or nil is absent; anything else "
    "wrong is refused\n"
    "by message, field and rule. In C a message is a struct whose absent values are `MESSAGE_NONE` "
    "(int, time),\n"
    "`UINT64_MAX` (uint), NaN (float), 0 (date), `\"\"` (str) and size 0 (bytes, map, list).\n\n"
    "| kind | in C | on the wire |\n"
    "|---|---|---|\n"
    "| int, uint | `int64_t`, `uint64_t` | integer, never a bool or float |\n"
    "| float | `double` | float64, or an integer; finite |\n"
    "| bool | `bool` | true or false |\n"
    "| str | `char[most + 1]` | str of at most so many bytes; valid UTF-8 without NUL |\n"
    "| time | `int64_t` | integer: microseconds since 1970-01-01T00:00:00Z |\n"
    "| date | `int32_t` | integer: yyyymmdd, a league day |\n"
    "| bytes | `struct span` | bin of at most so many bytes |\n"
    "| map | `struct span` | flat map from str to nil, bool, number or str; at most so many bytes "
    "|\n"
    "| list | `struct span` | array of anything, at most 15 levels deep and so many bytes |\n";

static void print_summary(FILE *out)
{
    fputs("\n## All of them\n\n"
          "| message | stream | writer | key | meaning |\n"
          "|---|---|---|---|---|\n",
          out);
    for (size_t i = 0; i < message_count(); i++) {
        const struct message_desc *desc = message_at(i);
        fprintf(out, "| [%s](#%s) | %s | %s | %s | %s |\n", desc->name, desc->name,
                desc->stream[0] ? desc->stream : "–",
                strcmp(desc->writer, "*") == 0 ? "any" : desc->writer,
                desc->key[0] ? desc->key : "–", desc->doc);
    }
}

static void print_member(FILE *out, const struct field_desc *field)
{
    static const char *const TYPES[] = {
        [FIELD_U64] = "uint64_t",     [FIELD_I64] = "int64_t",       [FIELD_F64] = "double",
        [FIELD_BOOL] = "bool",        [FIELD_STR] = "char",          [FIELD_TIME] = "int64_t",
        [FIELD_DATE] = "int32_t",     [FIELD_BYTES] = "struct span", [FIELD_MAP] = "struct span",
        [FIELD_LIST] = "struct span",
    };
    fprintf(out, "`%s %s", TYPES[field->kind], field->name);
    if (field->kind == FIELD_STR) {
        fprintf(out, "[%.0f]", field->hi + 1);
    }
    fputc('`', out);
}

static void print_limits(FILE *out, const struct field_desc *field)
{
    switch (field->kind) {
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_F64:
        fprintf(out, "%.15g to %.15g", field->lo, field->hi);
        break;
    case FIELD_STR:
    case FIELD_BYTES:
    case FIELD_MAP:
    case FIELD_LIST:
        fprintf(out, "%.15g bytes", field->hi);
        break;
    case FIELD_BOOL:
    case FIELD_TIME:
    case FIELD_DATE:
        break;
    }
}

static void print_message(FILE *out, const struct message_desc *desc)
{
    fprintf(out, "\n## %s\n\n%s\n\n`struct msg_%s`, version %u", desc->name, desc->doc, desc->name,
            desc->version);
    if (desc->stream[0]) {
        fprintf(out, "; stream `%s`", desc->stream);
    }
    fprintf(out, "; written by %s", strcmp(desc->writer, "*") == 0 ? "any actor" : desc->writer);
    if (desc->key[0]) {
        fprintf(out, "; key `%s`", desc->key);
    }
    fputs("\n\n| field | kind | required | limits | unit | meaning |\n|---|---|---|---|---|---|\n",
          out);
    for (uint32_t i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        fputs("| ", out);
        print_member(out, field);
        fprintf(out, " | %s | %s | ", field_kind_text(field->kind),
                field->presence == REQ ? "yes" : "");
        print_limits(out, field);
        fprintf(out, " | %s | %s |\n", field->unit, field->doc);
    }
}

static void print_runs(FILE *out)
{
#define PRINT_ROW(id, text, doc) fprintf(out, "| `%s` | %s |\n", text, doc);
    fputs(
        "\n## Outcomes of a run\n\nOne of these, once, and it never changes (`schema/runs.h`).\n\n"
        "| outcome | meaning |\n|---|---|\n",
        out);
    RUN_OUTCOMES(PRINT_ROW)
    fputs("\n## Classes of error\n\n| class | meaning |\n|---|---|\n", out);
    ERROR_CLASSES(PRINT_ROW)
#undef PRINT_ROW
}

void message_print_docs(FILE *out)
{
    fputs(INTRO, out);
    print_summary(out);
    for (size_t i = 0; i < message_count(); i++) {
        print_message(out, message_at(i));
    }
    print_runs(out);
}
