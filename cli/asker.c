/* Asks the broker's control socket from a thread of its own. */
#include "cli/asker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker/link.h"
#include "config/clock.h"

#define ANSWER_MS 1000
#define WORDS_SIZE 128

struct asker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    char *endpoint;
    int64_t interval_us;
    int news; /* eventfd */
    /* Under the mutex. */
    bool closing;
    bool said;              /* words came since the thread last looked */
    char words[WORDS_SIZE]; /* "" = nothing to say */
    char *status, *answer;
    int64_t heard_us;
};

static void put_news(struct asker *self, char **slot, char *text)
{
    free(*slot);
    *slot = text;
    self->heard_us = clock_mono_us();
    uint64_t one = 1;
    if (write(self->news, &one, sizeof one) < 0) {
        /* The counter is full, so the reader has news already. */
    }
}

/* One question, with the mutex released while it is on its way. True if it was answered. */
static bool ask(struct asker *self, const char *words, char **slot)
{
    pthread_mutex_unlock(&self->mutex);
    char *text = link_control(self->endpoint, words, ANSWER_MS);
    pthread_mutex_lock(&self->mutex);
    if (text)
        put_news(self, slot, text);
    return text != NULL;
}

static void wait_interval(struct asker *self)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t us = until.tv_nsec / 1000 + self->interval_us;
    until.tv_sec += us / 1000000;
    until.tv_nsec = us % 1000000 * 1000;
    while (!self->closing && !self->said &&
           pthread_cond_timedwait(&self->wake, &self->mutex, &until) != ETIMEDOUT)
        ;
}

static void *asker_run(void *argument)
{
    struct asker *self = argument;
    pthread_mutex_lock(&self->mutex);
    while (!self->closing) {
        char words[WORDS_SIZE];
        strcpy(words, self->words);
        self->said = false;
        if (words[0] && ask(self, words, &self->answer) && !strcmp(words, self->words))
            self->words[0] = '\0';
        if (!self->closing)
            ask(self, "STATUS", &self->status);
        wait_interval(self);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

struct asker *asker_open(const char *endpoint, int64_t interval_us)
{
    struct asker *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->interval_us = interval_us;
    self->endpoint = strdup(endpoint);
    self->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&self->mutex, NULL);
    /* Signals are the owner's: this thread takes none. */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = self->endpoint && self->news >= 0
                    ? pthread_create(&self->thread, NULL, asker_run, self)
                    : ENOMEM;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!error)
        return self;
    if (self->news >= 0)
        close(self->news);
    free(self->endpoint);
    free(self);
    errno = error;
    return NULL;
}

void asker_every(struct asker *self, int64_t interval_us)
{
    pthread_mutex_lock(&self->mutex);
    self->interval_us = interval_us;
    pthread_mutex_unlock(&self->mutex);
}

void asker_close(struct asker **self)
{
    if (!*self)
        return;
    pthread_mutex_lock(&(*self)->mutex);
    (*self)->closing = true;
    pthread_cond_signal(&(*self)->wake);
    pthread_mutex_unlock(&(*self)->mutex);
    pthread_join((*self)->thread, NULL);
    pthread_cond_destroy(&(*self)->wake);
    pthread_mutex_destroy(&(*self)->mutex);
    close((*self)->news);
    free((*self)->endpoint);
    free((*self)->status);
    free((*self)->answer);
    free(*self);
    *self = NULL;
}

int asker_fd(const struct asker *self)
{
    return self->news;
}

void asker_turn(struct asker *self)
{
    uint64_t count;
    if (read(self->news, &count, sizeof count) < 0) {
        /* Nothing new: the caller came for another reason. */
    }
}

static char *take(struct asker *self, char **slot)
{
    pthread_mutex_lock(&self->mutex);
    char *text = *slot;
    *slot = NULL;
    pthread_mutex_unlock(&self->mutex);
    return text;
}

char *asker_status(struct asker *self)
{
    return take(self, &self->status);
}

char *asker_answer(struct asker *self)
{
    return take(self, &self->answer);
}

int64_t asker_heard_us(struct asker *self)
{
    pthread_mutex_lock(&self->mutex);
    int64_t heard_us = self->heard_us;
    pthread_mutex_unlock(&self->mutex);
    return heard_us;
}

void asker_say(struct asker *self, const char *words)
{
    pthread_mutex_lock(&self->mutex);
    snprintf(self->words, sizeof self->words, "%s", words);
    self->said = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->mutex);
}
