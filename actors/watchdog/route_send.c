/* Sends one alert, in a process of its own. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "actors/watchdog/route.h"
#include "schema/hash.h"

#define TIMEOUT_MS 10000L

static size_t swallow(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

static int webhook_send(const char *url, const char *secret, const char *body)
{
    char signature[HASH_HEX_SIZE + 40], digest[HASH_HEX_SIZE];
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURL *curl = curl_easy_init();
    long status = 0;
    if (secret[0]) {
        hash_hmac_sha256_hex(secret, strlen(secret), body, strlen(body), digest);
        snprintf(signature, sizeof signature, "X-Tipoff-Signature: sha256=%s", digest);
        headers = curl_slist_append(headers, signature);
    }
    if (!curl || !headers)
        return 1;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, swallow);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        fprintf(stderr, "webhook: %s\n", curl_easy_strerror(code));
    else if (status / 100 != 2)
        fprintf(stderr, "webhook: status %ld\n", status);
    return code == CURLE_OK && status / 100 == 2 ? 0 : 1;
}

static int command_send(const char *command, const char *body)
{
    FILE *to = popen(command, "w");
    if (!to)
        return 1;
    fprintf(to, "%s\n", body);
    int status = pclose(to);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

int route_send_main(void)
{
    static char said[ROUTE_BODY_MAX + 4096];
    const char *parts[4] = {NULL};
    size_t size = fread(said, 1, sizeof said - 1, stdin), at = 0;
    for (int i = 0; i < 4 && at < size; i++) {
        parts[i] = said + at;
        at += strlen(said + at) + 1;
    }
    if (!parts[3])
        return 64;
    return strcmp(parts[0], "webhook") == 0 ? webhook_send(parts[1], parts[2], parts[3])
                                            : command_send(parts[1], parts[3]);
}
