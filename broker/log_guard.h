/* Reading a map of a file that may be damaged: LMDB follows offsets that it finds in its pages, and a flipped bit leads it anywhere. */
#ifndef BROKER_LOG_GUARD_H
#define BROKER_LOG_GUARD_H

typedef int log_guarded(void *context);

/* `call`'s result, or LOG_CORRUPT if it met SIGSEGV or SIGBUS: then it ended where it was, so it must hold nothing that has to be given
 * back but what its caller can give up. One in another is fine; other faults of the process end it as always. */
int log_guard(log_guarded *call, void *context);
/* In a call: ends it as a fault does. Else nothing. */
void log_guard_fail(void);
/* Before the first. Takes both signals, and hands on what is not its own. */
void log_guard_open(void);

#endif
