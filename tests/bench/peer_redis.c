/* Redis Streams through hiredis: XADD, one consumer group, XREADGROUP and XACK, all of it pipelined. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "config/clock.h"
#include "tests/bench/peer.h"

#define STREAM "bench"
#define TAKE_MOST "512"
#define TAKE_MOST_NUMBER 512

static redisContext *connection_open(const struct peer *self)
{
    redisContext *redis = redisConnect("127.0.0.1", self->port);
    if (!redis || redis->err)
        peer_fail("connect", redis ? redis->errstr : "no memory");
    return redis;
}

static void ask(redisContext *redis, const char *words)
{
    redisReply *reply = redisCommand(redis, words);
    if (!reply || reply->type == REDIS_REPLY_ERROR)
        peer_fail(words, reply ? reply->str : redis->errstr);
    freeReplyObject(reply);
}

void peer_setup(const struct peer *self)
{
    redisContext *redis = connection_open(self);
    ask(redis, "DEL " STREAM);
    ask(redis, "XGROUP CREATE " STREAM " g 0 MKSTREAM");
    redisFree(redis);
}

/* Writes all that was appended; reads at most once, after waiting so long for it. */
static void exchange(redisContext *redis, int64_t wait_us)
{
    int done = 0;
    struct pollfd fd = {.fd = redis->fd, .events = POLLIN};
    struct timespec time = {wait_us / 1000000, wait_us % 1000000 * 1000};
    while (!done)
        if (redisBufferWrite(redis, &done) != REDIS_OK)
            peer_fail("write", redis->errstr);
    if (ppoll(&fd, 1, &time, NULL) > 0 && redisBufferRead(redis) != REDIS_OK)
        peer_fail("read", redis->errstr);
}

static redisReply *reply_next(redisContext *redis)
{
    void *reply = NULL;
    if (redisGetReplyFromReader(redis, &reply) != REDIS_OK)
        peer_fail("protocol", redis->errstr);
    if (reply && ((redisReply *)reply)->type == REDIS_REPLY_ERROR)
        peer_fail("refused", ((redisReply *)reply)->str);
    return reply;
}

void peer_produce(struct load *load, uint32_t number, void *context)
{
    const struct load_shape *shape = load_shape(load);
    redisContext *redis = connection_open(context);
    struct peer_times times;
    char *payload = malloc(shape->size), *command;
    (void)number;
    peer_times_open(&times, shape);
    memset(payload, 'x', shape->size);
    const char *words[] = {"XADD", STREAM, "*", "d", payload};
    const size_t sizes[] = {4, sizeof STREAM - 1, 1, 1, shape->size};
    int size = (int)redisFormatCommandArgv(&command, 5, words, sizes);
    uint8_t *stamp = (uint8_t *)command + size - 2 - LOAD_STAMP_BYTES;
    load_ready(load);
    for (bool over = false; !over || times.acked < times.sent;) {
        int64_t wait = -1, now = clock_mono_us();
        over = over || load_ended(load);
        uint32_t messages = over ? 0 : load_allows(load, times.sent, times.acked, &wait);
        load_stamp(stamp, now);
        for (uint32_t i = 0; i < messages; i++) {
            redisAppendFormattedCommand(redis, command, (size_t)size);
            peer_times_sent(&times, now);
        }
        exchange(redis, wait >= 0 ? wait : 100000);
        uint64_t acked = 0;
        for (redisReply *reply; (reply = reply_next(redis)) != NULL; acked++)
            freeReplyObject(reply);
        peer_times_acked(&times, load, acked);
    }
    load_sent(load, times.sent);
    redisFree(redis);
}

/* Acknowledges what the reply holds, and asks for more. */
static void take(redisContext *redis, struct load *load, const redisReply *reply, const char *name)
{
    const char *words[3 + TAKE_MOST_NUMBER] = {"XACK", STREAM, "g"};
    size_t sizes[3 + TAKE_MOST_NUMBER] = {4, sizeof STREAM - 1, 1};
    int count = 3;
    const redisReply *entries =
        reply->type == REDIS_REPLY_ARRAY && reply->elements ? reply->element[0]->element[1] : NULL;
    int64_t now = clock_mono_us();
    for (size_t i = 0; entries && i < entries->elements; i++) {
        const redisReply *entry = entries->element[i], *payload = entry->element[1]->element[1];
        words[count] = entry->element[0]->str;
        sizes[count++] = (size_t)entry->element[0]->len;
        load_delivery_took(
            load, now - load_stamped((uint8_t *)payload->str + payload->len - LOAD_STAMP_BYTES));
    }
    if (count > 3)
        redisAppendCommandArgv(redis, count, words, sizes);
    redisAppendCommand(
        redis, "XREADGROUP GROUP g %s COUNT " TAKE_MOST " BLOCK 100 STREAMS " STREAM " >", name);
}

void peer_consume(struct load *load, uint32_t number, void *context)
{
    redisContext *redis = connection_open(context);
    char name[16];
    snprintf(name, sizeof name, "c%u", number);
    load_ready(load);
    take(redis, load, &(redisReply){.type = REDIS_REPLY_NIL}, name);
    while (!load_all_taken(load)) {
        exchange(redis, 20000);
        for (redisReply *reply; (reply = reply_next(redis)) != NULL;) {
            if (reply->type == REDIS_REPLY_INTEGER)
                load_took(load, (uint64_t)reply->integer);
            else
                take(redis, load, reply, name);
            freeReplyObject(reply);
        }
    }
    redisFree(redis);
}
