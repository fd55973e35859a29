/*
 * What outlives a restart: that a host was fenced. That it was not online since is judged anew by the next
 * sample. Evidence that was still under way is not written down: it depends on each of the samples.
 */
#include "fence/dead_hosts_private.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RECORD_VERSION 1

static const char *const reason_words[] = {
    [DEAD_HOSTS_RECOVERED] = "recovered",
    [DEAD_HOSTS_LOCK_EXPIRED] = "lock-expired",
};

/* What stands in JSON as it is. */
static bool is_plain(const char *word)
{
    return word[0] &&
           word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0';
}

bool dead_hosts_write(const struct dead_hosts *room, const char *name, const char *boot,
                      char record[static DEAD_HOSTS_RECORD_MAX])
{
    const struct dead_host *host = dead_hosts_find(room, name);

    if (!host || host->state != DEAD_HOSTS_FENCED || host->timestamp_s <= 0 || !is_plain(name) ||
        !is_plain(boot))
        return false;
    int length = snprintf(record, DEAD_HOSTS_RECORD_MAX,
                          "{\"v\":%d,\"boot\":\"%s\",\"host\":\"%s\",\"reason\":\"%s\",\"left\":%" PRId64
                          ",\"fenced\":%" PRId64 ",\"seen\":%" PRId64 ",\"lrm\":%" PRId64 "}",
                          RECORD_VERSION, boot, name, reason_words[host->reason], host->left_ms,
                          host->fenced_ms, host->seen_ms, host->timestamp_s);
    return length > 0 && length < DEAD_HOSTS_RECORD_MAX;
}

static bool read_reason(struct json_object *record, enum dead_hosts_reason *reason)
{
    const char *word = NULL;

    if (!json_get_string(record, "reason", &word))
        return false;
    for (size_t i = 0; i < sizeof(reason_words) / sizeof(reason_words[0]); i++) {
        if (strcmp(word, reason_words[i]) == 0) {
            *reason = (enum dead_hosts_reason)i;
            return true;
        }
    }
    return false;
}

static bool read_times(struct json_object *record, struct dead_host *host)
{
    return json_get_int(record, "left", 1, INT64_MAX, &host->left_ms) &&
           json_get_int(record, "fenced", host->left_ms, INT64_MAX, &host->fenced_ms) &&
           json_get_int(record, "seen", host->fenced_ms, INT64_MAX, &host->seen_ms) &&
           json_get_int(record, "lrm", 1, INT64_MAX, &host->timestamp_s);
}

bool dead_hosts_read(struct dead_hosts *room, const char *boot, const char *text, size_t length)
{
    _cleanup_(json_putp) struct json_object *record = json_parse(text, length);
    struct dead_host host = {.state = DEAD_HOSTS_FENCED, .recalled = true};
    const char *name = NULL, *its_boot = NULL;
    int64_t version = 0;

    if (room->asked_ms || !json_get_int(record, "v", RECORD_VERSION, RECORD_VERSION, &version) ||
        !json_get_string(record, "boot", &its_boot) || strcmp(its_boot, boot) != 0 ||
        !json_get_string(record, "host", &name) || !read_reason(record, &host.reason) ||
        !read_times(record, &host))
        return false;
    struct dead_host *place = dead_hosts_find(room, name);
    if (!place)
        place = dead_hosts_add(room, name);
    if (!place)
        return false;
    strcpy(host.name, place->name);
    *place = host;
    return true;
}
