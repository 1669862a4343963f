/* docs/man/tipoff.1, printed from the table of subcommands: `tipoff --man`. */
#include "cli/man.h"

#include <string.h>

#include "cli/command.h"
#include "config/exit.h"
#include "config/version.h"

/* A dash is a hyphen to roff, a backslash an escape, a dot or quote at the start of a line a request. */
static void put(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else
            fputc(*text, out);
    }
}

static void print_options(FILE *out, const struct command_option *option)
{
    for (; option && option->name; option++) {
        fprintf(out, ".TP\n\\fB%s", option->name[1] ? "\\-\\-" : "\\-");
        put(out, option->name);
        fputs("\\fR", out);
        if (option->value) {
            fputs(" \\fI", out);
            put(out, option->value);
            fputs("\\fR", out);
        }
        fputc('\n', out);
        put(out, option->doc);
        fputc('\n', out);
    }
}

static void print_command(FILE *out, const struct command *command)
{
    fputs(".SS tipoff ", out);
    put(out, command->name);
    if (command->options)
        fputs(" [OPTIONS]", out);
    if (command->args[0]) {
        fputc(' ', out);
        put(out, command->args);
    }
    fputc('\n', out);
    put(out, command->summary);
    size_t size = strlen(command->summary);
    fputs(size && command->summary[size - 1] == '.' ? "\n" : ".\n", out);
    print_options(out, command->options);
}

void man_print(FILE *out)
{
    static const struct {
        int code;
        const char *text;
    } codes[] = {
#define EXIT_CODE_ROW(name, number, text) {number, text},
        EXIT_CODES(EXIT_CODE_ROW)
#undef EXIT_CODE_ROW
    };
    fprintf(out,
            ".\\\" Printed by `tipoff --man`.\n.TH TIPOFF 1 \"\" \"tipoff %s\" \"User Commands\"\n",
            version_project());
    fputs(".SH NAME\ntipoff \\- live data, predictions and grades that no crash can break\n"
          ".SH SYNOPSIS\n\\fBtipoff\\fR \\fICOMMAND\\fR [OPTIONS] [ARGUMENTS]\n"
          ".SH DESCRIPTION\n"
          "\\fBtipoff up\\fR starts a broker with its durable log, the actors that poll, process, "
          "predict and grade, and\n"
          "keeps them up. The other commands ask: they read the state directory, whether anything "
          "runs or not.\n"
          ".SH OPTIONS OF EVERY COMMAND\n",
          out);
    print_options(out, command_common());
    fputs(".SH COMMANDS\n", out);
    for (const struct command *const *at = command_list(); *at; at++)
        print_command(out, *at);
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        fprintf(out, ".TP\n\\fB%d\\fR\n", codes[i].code);
        put(out, codes[i].text);
        fputc('\n', out);
    }
    fputs(".SH FILES\n"
          ".TP\n\\fIDIR\\fR/log\nthe log, in segments\n"
          ".TP\n\\fIDIR\\fR/shards\nwhat each actor remembers\n"
          ".TP\n\\fIDIR\\fR/exports\nfiles for others: live, live\\-grading, status.json\n"
          ".TP\n\\fIDIR\\fR/logs\nlines of each process that \\fBtipoff up\\fR started\n"
          ".TP\n\\fIDIR\\fR/clock\nthe anchor of the league clock: a night goes on where it was\n"
          ".TP\n\\fIDIR\\fR/lock\nheld by the one \\fBtipoff up\\fR of the directory, and says who "
          "it is\n",
          out);
}
