/* http-poller - asks for a page ($PAGE_URL) about once a second, and says it when it has changed. An edge: it looks at the world.
 * gives pages.page   keeps the page as it was last said */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <tipoff/actor.h>

#include <tipoff/message_struct.h>
#include "pages.def"
#include <tipoff/message_end.h>

#include <tipoff/message_table.h>
#include "pages.def"
#include <tipoff/message_end.h>

static uint8_t body[1 << 20];
static size_t body_size;
static int64_t next_us; /* monotonic */

static size_t keep(char *data, size_t one, size_t size, void *context)
{
    (void)one, (void)context;
    if (size > sizeof body - body_size)
        return 0; /* too large: curl ends the exchange */
    memcpy(body + body_size, data, size);
    body_size += size;
    return size;
}

/* Waits a second at most, far less than a lease: a bigger poller would use curl's multi interface. */
static bool fetch(const char *url, struct msg_page *out)
{
    CURL *curl = curl_easy_init();
    body_size = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 1000L);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
    else
        tip_log_event(TIP_LOG_LEVEL_WARN, "not-fetched", "why=\"%s\"", curl_easy_strerror(code));
    curl_easy_cleanup(curl);
    out->body = (struct tip_span){body, (uint32_t)body_size};
    return code == CURLE_OK;
}

static void work(void *self, struct tip_kit *kit, const struct pollfd *found, int count)
{
    struct msg_page page;
    struct tip_span old;
    (void)self, (void)found,
        (void)count; /* it waits for nothing: a turn comes with every heartbeat */
    if (tip_clock_mono_us() < next_us)
        return;
    next_us = tip_clock_mono_us() + 900000;
    tip_message_clear(&msg_page_desc, &page);
    const char *url = getenv("PAGE_URL");
    strncpy(page.url, url ? url : "", sizeof page.url - 1);
    struct tip_step *step = fetch(page.url, &page) ? tip_kit_step(kit) : NULL;
    if (!step)
        return;
    bool known = tip_store_get(tip_step_store(step), "last", TIP_STORE_UNDATED, "", 0, &old) == 0;
    if ((known && old.size == body_size && memcmp(old.data, body, body_size) == 0) ||
        tip_store_put(tip_step_store(step), "last", TIP_STORE_UNDATED, "", 0, body, body_size)) {
        tip_kit_abort(kit, &step);
        return;
    }
    tip_step_emit(step, &msg_page_desc, &page);
    tip_kit_commit(kit, &step); /* undone: the next answer is as new */
}

int main(int argc, char **argv)
{
    static const struct tip_message_desc *const messages[] = {&msg_page_desc, NULL};
    static const struct tip_actor http_poller = {.name = "http-poller",
                                                 .does = "says when a page has changed",
                                                 .edge = true,
                                                 .work = work,
                                                 .messages = messages};
    return tip_actor_main(&http_poller, argc, argv);
}
