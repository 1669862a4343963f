/* One line to stderr per event: `time level actor tag key=value ...`, or JSON lines (setting `log.format`).
 * Tags are stable and greppable ("fetch-failed"); the rest of the line may change. errno is kept. */
#ifndef CONFIG_LOG_H
#define CONFIG_LOG_H

#include <stdnoreturn.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* `name` (borrowed for ever) is what the lines are signed with: "poller.0". */
void log_init(const char *name, enum log_level least, int json);
/* `fmt` makes the `key=value` part: values with blanks are the caller's to quote ("why=\"%s\""). */
void log_event(enum log_level level, const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define log_debug(tag, ...) log_event(LOG_LEVEL_DEBUG, tag, __VA_ARGS__)
#define log_info(tag, ...) log_event(LOG_LEVEL_INFO, tag, __VA_ARGS__)
#define log_warn(tag, ...) log_event(LOG_LEVEL_WARN, tag, __VA_ARGS__)
#define log_error(tag, ...) log_event(LOG_LEVEL_ERROR, tag, __VA_ARGS__)
/* Says why and exits with `code` (config/exit.h). */
noreturn void log_fatal(int code, const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
