/* A network in memory, behind the wires of link and broker and the calls of libzmq that the broker makes (net.c defines them, and is linked in
 * front of both; frames themselves are the library's own). Messages of one connection keep their order and arrive when the hooks
 * say; a socket belongs to the process that made it, and goes with it. */
#ifndef TESTS_SIMULATE_NET_H
#define TESTS_SIMULATE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_hooks {                  /* all optional */
    uint32_t (*process)(void);      /* who calls; 0 */
    int64_t (*now_us)(void);        /* 0 */
    int64_t (*delay_us)(void);      /* of the message that is being sent; 0 */
    void (*call)(const char *what); /* before a message is sent or read: may not return */
    void (*said)(const void *bytes,
                 size_t size); /* a frame on a socket that is neither ROUTER nor DEALER */
};
void net_open(const struct net_hooks *hooks);
void net_close(void);           /* every socket that is left */
void net_end(uint32_t process); /* it died: its peers see their connections fall */
void net_cut(
    uint32_t process); /* its connections fall, with what is on its way; and are made again */
bool net_readable(uint32_t process); /* something has arrived at one of its sockets */
int64_t
net_next_us(uint32_t process); /* when the next thing does; INT64_MAX: nothing is on its way */
uint64_t net_sent(void);
void net_put(void *socket, const void *bytes, size_t size); /* a message of one frame has arrived */

#endif
