/*
 * What outlives a restart: that a host was fenced. That it was not online since is judged anew by the next
 * sample. Evidence that was still under way is not written down: it depends on each of the samples.
 */
#include "fence/dead_hosts_private.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RECORD_VERSION 2

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

static bool put(char record[static DEAD_HOSTS_RECORD_MAX], const char *where, const char *name,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

static bool put(char record[static DEAD_HOSTS_RECORD_MAX], const char *where, const char *name,
                const char *format, ...)
{
    char rest[DEAD_HOSTS_RECORD_MAX];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(rest, sizeof(rest), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(rest) || !is_plain(name) || !is_plain(where))
        return false;
    length = snprintf(record, DEAD_HOSTS_RECORD_MAX, "{\"v\":%d,\"where\":\"%s\",\"host\":\"%s\",%s}",
                      RECORD_VERSION, where, name, rest);
    return length > 0 && length < DEAD_HOSTS_RECORD_MAX;
}

/* Only a clock of the cluster that has gone on tells of a pause in which ours stood still; before the first
 * sample after a restart there is none. */
bool dead_hosts_write(const struct dead_hosts *room, const char *name, const char *where,
                      char record[static DEAD_HOSTS_RECORD_MAX])
{
    const struct dead_host *host = dead_hosts_find(room, name);

    if (!host || host->state != DEAD_HOSTS_FENCED || host->timestamp_s <= 0 ||
        room->newest_s <= host->timestamp_s)
        return false;
    return put(record, where, name,
               "\"reason\":\"%s\",\"left\":%" PRId64 ",\"fenced\":%" PRId64 ",\"seen\":%" PRId64
               ",\"lrm\":%" PRId64 ",\"newest\":%" PRId64,
               reason_words[host->reason], host->left_ms, host->fenced_ms, host->seen_ms, host->timestamp_s,
               room->newest_s);
}

bool dead_hosts_write_end(const char *name, const char *where, char record[static DEAD_HOSTS_RECORD_MAX])
{
    return put(record, where, name, "\"ended\":true");
}

const char *dead_hosts_reason_name(enum dead_hosts_reason reason)
{
    return reason_words[reason];
}

bool dead_hosts_reason_from_name(const char *name, enum dead_hosts_reason *reason)
{
    for (size_t i = 0; i < sizeof(reason_words) / sizeof(reason_words[0]); i++) {
        if (strcmp(name, reason_words[i]) == 0) {
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
           json_get_int(record, "lrm", 1, INT64_MAX, &host->timestamp_s) &&
           json_get_int(record, "newest", host->timestamp_s, INT64_MAX, &host->newest_s);
}

/* Of a host that is fenced no more. */
static bool read_end(struct dead_hosts *room, const char *name)
{
    struct dead_host *host = dead_hosts_find(room, name);

    if (host)
        host->name[0] = '\0';
    return true;
}

bool dead_hosts_read(struct dead_hosts *room, const char *where, const char *text, size_t length)
{
    _cleanup_(json_putp) struct json_object *record = json_parse(text, length);
    struct dead_host host = {.state = DEAD_HOSTS_FENCED, .recalled = true};
    const char *name = NULL, *its_where = NULL, *reason = NULL;
    int64_t version = 0;
    bool ended = false;

    if (room->asked_ms || !json_get_int(record, "v", RECORD_VERSION, RECORD_VERSION, &version) ||
        !json_get_string(record, "where", &its_where) || strcmp(its_where, where) != 0 ||
        !json_get_string(record, "host", &name) || !name[0])
        return false;
    if (json_get_flag(record, "ended", &ended) && ended)
        return read_end(room, name);
    if (!json_get_string(record, "reason", &reason) || !dead_hosts_reason_from_name(reason, &host.reason) ||
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
