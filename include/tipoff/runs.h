/* Outcomes of a run and classes of error, each once: enum, text and meaning derive from the list. Run names are the application's. */
#ifndef TIPOFF_RUNS_H
#define TIPOFF_RUNS_H

#include <tipoff/api.h>

#define TIP_RUN_OUTCOMES(X)                                                                        \
    X(SUCCESS, "success", "did its work; counts say how much")                                     \
    X(UNCHANGED, "unchanged", "the input is byte for byte what was last accepted")                 \
    X(NO_DATA_YET, "no_data_yet", "nothing there yet, and nothing due: it will be asked again")    \
    X(SKIPPED, "skipped", "a rule said no; names the rule or the run it duplicates")               \
    X(EMPTY_OK, "empty_ok", "an empty answer where empty is an answer")                            \
    X(PARTIAL, "partial", "some rows were set aside, the rest is in")                              \
    X(FAILED, "failed", "did not do its work; class and message say why")                          \
    X(TIMEOUT, "timeout", "cut short by its limit")                                                \
    X(CRASHED, "crashed", "its process ended before it did")

#define TIP_ERROR_CLASSES(X)                                                                       \
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

#define TIP_RUN_OUTCOME_ROW(id, text, doc) TIP_RUN_##id,
enum tip_run_outcome { TIP_RUN_OUTCOMES(TIP_RUN_OUTCOME_ROW) TIP_RUN_OUTCOME_COUNT };
#undef TIP_RUN_OUTCOME_ROW
#define TIP_ERROR_CLASS_ROW(id, text, doc) TIP_ERROR_##id,
enum tip_error_class { TIP_ERROR_CLASSES(TIP_ERROR_CLASS_ROW) TIP_ERROR_CLASS_COUNT };
#undef TIP_ERROR_CLASS_ROW

/* "success", "http_status" ...: static. */
TIP_API const char *tip_run_outcome_text(enum tip_run_outcome outcome);
TIP_API const char *tip_error_class_text(enum tip_error_class error);

#endif
