#include "broker/log_guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

#include "broker/log.h"

static const int faults[] = {SIGSEGV, SIGBUS};
static struct sigaction before[sizeof faults / sizeof *faults];
static _Thread_local sigjmp_buf *back;

void log_guard_fail(void)
{
    if (back)
        siglongjmp(*back, 1);
}

static void fault_met(int signal)
{
    log_guard_fail();
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (faults[i] == signal) /* it meets the fault again, and with it whoever was here first */
            (void)sigaction(signal, &before[i], NULL);
}

static void faults_take(void)
{
    /* The handler never returns from a fault of ours: nothing would unblock the signal. */
    struct sigaction action = {.sa_handler = fault_met, .sa_flags = SA_NODEFER};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        (void)sigaction(faults[i], &action, &before[i]);
}

void log_guard_open(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, faults_take);
}

int log_guard(log_guarded *call, void *context)
{
    sigjmp_buf here, *outer = back;
    int result = LOG_CORRUPT;
    if (sigsetjmp(here, 0) == 0) {
        back = &here;
        result = call(context);
    }
    back = outer;
    return result;
}
