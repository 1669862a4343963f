/* Outcomes of a run and classes of error, each once: enum, text and meaning derive from the list.
 * Run names are declared where the work is (an actor's `takes`, a poller feed): they are data. */
#ifndef SCHEMA_RUNS_H
#define SCHEMA_RUNS_H

#define RUN_OUTCOMES(X)                                                                            \
    X(SUCCESS, "success", "did its work; counts say how much")                                     \
    X(UNCHANGED, "unchanged", "the input is byte for byte what was last accepted")                 \
    X(NO_DATA_YET, "no_data_yet", "nothing there yet, and nothing due: it will be asked again")    \
    X(SKIPPED, "skipped", "a rule said no; names the rule or the run it duplicates")               \
    X(EMPTY_OK, "empty_ok", "an empty answer where empty is an answer")                            \
    X(PARTIAL, "partial", "some rows were set aside, the rest is in")                              \
    X(FAILED, "failed", "did not do its work; class and message say why")                          \
    X(TIMEOUT, "timeout", "cut short by its limit")                                                \
    X(CRASHED, "crashed", "its process ended before it did")

#define ERROR_CLASSES(X)                                                                           \
    X(NONE, "none", "no error")                                                                    \
    X(HTTP_STATUS, "http_status", "the upstream answered with an error status")                    \
    X(RATE_LIMITED, "rate_limited", "429, or out of credits")                                      \
    X(UNAUTHORIZED, "unauthorized", "401 or 403: key or plan")                                     \
    X(NETWORK, "network", "no answer: refused, reset, unresolved")                                 \
    X(TIMEOUT, "timeout", "no answer in time")                                                     \
    X(TOO_LARGE, "too_large", "more bytes than the limit, on the wire or decoded")                 \
    X(MALFORMED, "malformed", "not the format it should be")                                       \
    X(INVALID, "invalid", "well-formed, but a rule about its content is broken")                   \
    X(IDENTITY, "identity", "a team, game or player that no cross-walk knows")                     \
    X(NO_SPACE, "no_space", "the disk is full")                                                    \
    X(CRASH, "crash", "the process was killed or aborted")                                         \
    X(REFUSED, "refused", "the broker refused, by name")                                           \
    X(INTERNAL, "internal", "our own fault")

#define RUN_OUTCOME_ROW(id, text, doc) RUN_##id,
enum run_outcome { RUN_OUTCOMES(RUN_OUTCOME_ROW) RUN_OUTCOME_COUNT };
#undef RUN_OUTCOME_ROW
#define ERROR_CLASS_ROW(id, text, doc) ERROR_##id,
enum error_class { ERROR_CLASSES(ERROR_CLASS_ROW) ERROR_CLASS_COUNT };
#undef ERROR_CLASS_ROW

const char *run_outcome_text(enum run_outcome outcome);
const char *error_class_text(enum error_class error);

#endif
