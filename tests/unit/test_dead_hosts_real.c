/*
 * The room of dead hosts, fed with the answers of a real cluster of three hosts as the broker reads them: one
 * loses its power, with and without the HA manager on it, comes back, and HA is disarmed and armed.
 */
#include "fence/host_watch_sample.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORDING  "tests/data/pve/transcripts-ha.jsonl"
#define CLAIMS_MAX 16
#define POLL_MS    5000
#define BEFORE_MS  40000 /* so long the host had been as the recording's first answers show it */

static struct {
    struct dead_hosts *room;
    char scenario[128];
    int64_t start_ms; /* of this case: the newest timestamp in its first answer; 0: not known yet */
    struct {
        char text[192];
    } claims[CLAIMS_MAX];
    size_t count;
    bool open;
    struct json_object *resources; /* its strings are borrowed */
} played;

static const char *string_of(struct json_object *object, const char *key)
{
    const char *text = NULL;
    return json_get_string(object, key, &text) ? text : NULL;
}

static int64_t newest_timestamp(const struct dead_hosts_sample *sample)
{
    int64_t newest_s = 0;

    for (size_t i = 0; i < sample->agent_count; i++)
        newest_s = sample->agents[i].timestamp_s > newest_s ? sample->agents[i].timestamp_s : newest_s;
    return newest_s;
}

static void take_ha(struct json_object *list, int64_t t_ms)
{
    struct dead_hosts_sample sample;
    struct json_object *hosts = NULL;

    assert_true(json_get_array(played.resources, "data", &hosts));
    assert_true(host_watch_sample(&sample, hosts, list, NULL, 0));
    assert_true(sample.ha_read);
    if (!played.start_ms)
        played.start_ms = newest_timestamp(&sample) * 1000;
    int64_t before_ms = t_ms == 0 && strncmp(played.scenario, "host without power", 18) == 0 ? BEFORE_MS : 0;
    for (; before_ms >= 0; before_ms -= POLL_MS) {
        sample.asked_ms = sample.came_ms = played.start_ms + t_ms - before_ms;
        dead_hosts_take(played.room, &sample);
    }
    host_watch_sample_clear(&sample);
}

/* Adds a line when a claim begins or ends. */
static void note_claims(int64_t t_ms)
{
    struct dead_hosts_answer answer = dead_hosts_ask(played.room, "pve2", played.start_ms + t_ms);
    bool fenced = answer.state == DEAD_HOSTS_FENCED;

    if (fenced == played.open)
        return;
    assert_true(played.count < CLAIMS_MAX);
    snprintf(played.claims[played.count++].text, sizeof(played.claims[0].text), "%s, %d s: %s",
             played.scenario, (int)(t_ms / 1000),
             !fenced                                 ? "not fenced any more"
             : answer.reason == DEAD_HOSTS_RECOVERED ? "fenced, recovered"
                                                     : "fenced, lock expired");
    played.open = fenced;
}

static void take_line(const char *text, size_t length)
{
    struct json_object *line = json_parse(text, length), *t = NULL, *request = NULL, *response = NULL,
                       *list = NULL;
    const char *body = NULL;

    assert_non_null(line);
    if (strcmp(played.scenario, string_of(line, "case")) != 0) {
        snprintf(played.scenario, sizeof(played.scenario), "%s", string_of(line, "case"));
        played.start_ms = 0;
    }
    assert_true(json_object_object_get_ex(line, "t", &t) && json_get_object(line, "request", &request) &&
                json_get_object(line, "response", &response) && json_get_string(response, "body", &body));
    int64_t t_ms = (int64_t)(json_object_get_double(t) * 1000);
    struct json_object *answer = json_parse(body, strlen(body));
    assert_true(json_get_array(answer, "data", &list));
    if (strstr(string_of(request, "path"), "/cluster/resources")) {
        json_putp(&played.resources);
        played.resources = answer;
    } else {
        take_ha(list, t_ms);
        note_claims(t_ms);
        json_putp(&answer);
    }
    json_putp(&line);
}

static void test_real_cluster(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "host without power, the HA manager on it, 150 s: fenced, lock expired",
        "the host is back, 0 s: not fenced any more",
        "host without power, the HA manager on another, 140 s: fenced, recovered",
    };
    char *text = NULL;
    size_t size = 0;
    ssize_t length;
    FILE *in = fopen(RECORDING, "r");
    assert_non_null(in);
    played.room = dead_hosts_new();
    while ((length = getline(&text, &size, in)) > 0)
        take_line(text, (size_t)length);
    free(text);
    fclose(in);
    json_putp(&played.resources);
    dead_hosts_free(played.room);
    assert_int_equal(played.count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < played.count; i++)
        assert_string_equal(played.claims[i].text, expected[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_real_cluster)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
