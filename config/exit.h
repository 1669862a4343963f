/* Exit codes, once. Supervisors read them: 64 and 78 are not worth a restart. */
#ifndef CONFIG_EXIT_H
#define CONFIG_EXIT_H

#define EXIT_CODES(X)                                                                              \
    X(OK, 0, "done, or asked to stop")                                                             \
    X(NO, 1, "the answer is no: unhealthy, differs, not found")                                    \
    X(USAGE, 64, "the command line is wrong")                                                      \
    X(DATA, 65, "the input is wrong")                                                              \
    X(UNREACHABLE, 69, "something needed is not reachable")                                        \
    X(BUG, 70, "our own fault")                                                                    \
    X(AGAIN, 75, "not now, try again")                                                             \
    X(CONFIG, 78, "the configuration is wrong")

#define EXIT_CODE_ROW(name, number, text) EXIT_##name = number,
enum exit_code { EXIT_CODES(EXIT_CODE_ROW) };
#undef EXIT_CODE_ROW

#endif
