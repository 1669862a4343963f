/* http-poller - an edge: asks for a page ($PAGE_URL) about once a second, keeps it, and gives pages.page when it has changed. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tipoff/actor.h>
#include <tipoff/message_struct.h>
#include "pages.def"
#include <tipoff/message_end.h>
#include <tipoff/message_table.h>
#include "pages.def"
#include <tipoff/message_end.h>

static bool fetch(struct msg_page *out, char **body, size_t *size)
{
    CURL *curl = curl_easy_init();
    FILE *to = open_memstream(body, size);
    curl_easy_setopt(curl, CURLOPT_URL, out->url);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, to);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 1000L); /* far less than a lease */
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        tip_log_event(TIP_LOG_LEVEL_WARN, "not-fetched", "why=\"%s\"", curl_easy_strerror(code));
    return fclose(to) == 0 && code == CURLE_OK && *size <= 1 << 20;
}

static void work(void *self, struct tip_kit *kit, const struct pollfd *found, int count)
{
    static int64_t next_us; /* monotonic; a turn comes with every heartbeat at the latest */
    struct msg_page page = {.status = 0};
    struct tip_span old;
    char *body = NULL;
    size_t size;
    (void)self, (void)found, (void)count;
    if (tip_clock_mono_us() < next_us)
        return;
    next_us = tip_clock_mono_us() + 900000;
    const char *url = getenv("PAGE_URL");
    snprintf(page.url, sizeof page.url, "%s", url ? url : "http://localhost/");
    struct tip_step *step = fetch(&page, &body, &size) ? tip_kit_step(kit) : NULL;
    page.body = (struct tip_span){(const uint8_t *)body, (uint32_t)size};
    if (step &&
        (tip_store_get(tip_step_store(step), "last", TIP_STORE_UNDATED, "", 0, &old) != 0 ||
         old.size != size || memcmp(old.data, body, size) != 0) &&
        tip_store_put(tip_step_store(step), "last", TIP_STORE_UNDATED, "", 0, body, size) == 0)
        tip_step_emit(step, &msg_page_desc, &page);
    if (step)
        tip_kit_commit(kit, &step); /* undone: the next answer is as new */
    free(body);
}

int main(int argc, char **argv)
{
    static const struct tip_message_desc *const said[] = {&msg_page_desc, NULL};
    static const struct tip_actor poller = {"http-poller", "says when a page has changed",
                                            .edge = true, .work = work, .messages = said};
    return tip_actor_main(&poller, argc, argv);
}
