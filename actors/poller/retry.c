#include "actors/poller/retry.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 5))) static void
judge(struct judgement *out, enum run_outcome outcome, enum error_class error, const char *fmt, ...)
{
    out->outcome = outcome;
    out->error = error;
    va_list args;
    va_start(args, fmt);
    vsnprintf(out->message, sizeof out->message, fmt, args);
    va_end(args);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A body that is no JSON, or stops in the middle, is mostly gone a moment later: it is asked for again. The latter is a
 * body nonetheless, and what it says is for the processor to judge. */
static void judge_body(const struct answer *answer, const struct feed_desc *feed,
                       struct judgement *out)
{
    const char *body = answer->body;
    size_t first = 0, end = answer->body_size;
    while (first < end && blank(body[first])) {
        first++;
    }
    while (end > first && blank(body[end - 1])) {
        end--;
    }
    if (first == end) {
        judge(out, RUN_FAILED, ERROR_MALFORMED, "the body is empty");
    } else if (body[first] != '{' && body[first] != '[') {
        judge(out, RUN_FAILED, ERROR_MALFORMED, "the body is no JSON: it begins with 0x%02x%s",
              (unsigned)(unsigned char)body[first], body[first] == '<' ? ", as HTML does" : "");
    } else {
        judge(out, RUN_SUCCESS, ERROR_NONE, "%s", "");
        out->whole = body[first] == feed->opens && body[end - 1] == feed->closes;
    }
    out->retry = !out->whole;
}

static bool holds(const struct answer *answer, const char *word)
{
    return answer->body_size > 0 &&
           memmem(answer->body, answer->body_size, word, strlen(word)) != NULL;
}

#define CODE_SIZE 65

/* What The Odds API calls the error, ": INVALID_MARKET"; "" if the body names none. Capitals alone: nothing else of a body that may repeat what
 * was asked, key and all, gets into a message. */
static void read_code(const struct answer *answer, char code[CODE_SIZE + 2])
{
    static const char NAME[] = "\"error_code\"", CAPITALS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    const char *end = (const char *)answer->body + answer->body_size, *at = NULL;
    code[0] = '\0';
    if (answer->body_size > 0) {
        at = memmem(answer->body, answer->body_size, NAME, sizeof NAME - 1);
    }
    if (at == NULL) {
        return;
    }
    at += sizeof NAME - 1;
    while (at < end && (blank(*at) || *at == ':' || *at == '"')) {
        at++;
    }
    size_t size = 0;
    while (at + size < end && at[size] != '\0' && strchr(CAPITALS, at[size]) != NULL) {
        size++;
    }
    if (size > 0 && size < CODE_SIZE && at + size < end && at[size] == '"') {
        snprintf(code, CODE_SIZE + 2, ": %.*s", (int)size, at);
    }
}

static void judge_status(const struct answer *answer, struct judgement *out)
{
    long status = answer->status;
    char code[CODE_SIZE + 2];
    read_code(answer, code);
    out->of_request = status >= 400 && status < 500 && status != 408 && status != 429;
    if ((status == 401 || status == 403 || status == 429) &&
        holds(answer, "OUT_OF_USAGE_CREDITS")) {
        judge(out, RUN_FAILED, ERROR_RATE_LIMITED, "%ld: out of credits until the next day",
              status);
        out->stop_source = true;
    } else if (status == 404 && strcmp(code, ": EVENT_NOT_FOUND") == 0) {
        judge(out, RUN_EMPTY_OK, ERROR_NONE, "404: the event is over, or gone");
    } else if (status == 401 || status == 403) {
        judge(out, RUN_FAILED, ERROR_UNAUTHORIZED, "%ld: key or plan refused%s", status, code);
    } else if (status == 429) {
        judge(out, RUN_FAILED, ERROR_RATE_LIMITED, "429: too many requests");
        out->retry = out->hold_source = true;
    } else {
        judge(out, RUN_FAILED, ERROR_HTTP_STATUS, "status %ld%s", status, code);
        out->retry = status >= 500 || status == 408;
        out->hold_source = status == 503 && answer->retry_after_us > 0;
    }
}

void retry_judge(const struct answer *answer, const struct feed_desc *feed, struct judgement *out)
{
    memset(out, 0, sizeof *out);
    switch (answer->error) {
    case FETCH_OK:
        if (answer->status == 200) {
            judge_body(answer, feed, out);
        } else if (answer->status == 304 && answer->conditional) {
            judge(out, RUN_UNCHANGED, ERROR_NONE, "%s", "");
        } else {
            judge_status(answer, out);
        }
        break;
    case FETCH_NETWORK:
        judge(out, RUN_FAILED, ERROR_NETWORK, "%s", answer->error_text);
        out->retry = true;
        break;
    case FETCH_TIMEOUT:
        judge(out, RUN_TIMEOUT, ERROR_TIMEOUT, "%s", answer->error_text);
        out->retry = true;
        break;
    case FETCH_TOO_LARGE:
        judge(out, RUN_FAILED, ERROR_TOO_LARGE, "%s", answer->error_text);
        break;
    }
}

int64_t retry_wait_us(const struct settings *settings, int attempt, int64_t retry_after_us,
                      uint32_t random)
{
    int64_t cap = settings->poller.retry_cap_us, wait = settings->poller.retry_base_us;
    for (int i = 1; i < attempt && wait < cap; i++) {
        wait *= 2;
    }
    wait = wait < cap ? wait : cap;
    int64_t half = wait / 2;
    wait = half + (int64_t)((double)(wait - half) * ((double)random / 4294967296.0));
    if (retry_after_us > wait) {
        wait = retry_after_us;
    }
    return wait < cap ? wait : cap;
}
