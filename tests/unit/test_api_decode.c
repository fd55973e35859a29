/* What the answers of Proxmox, recorded ones and others, are taken for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxmox/api.h"
#include "proxmox/misfit.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRANSCRIPTS "tests/data/pve/transcripts.jsonl"

/* ---- the recordings ---- */

struct recording {
    const char *name, *method, *path, *reason;
    int64_t status;
    struct json_object *body; /* NULL: empty, or no JSON */
};

/* For each recording; the test's own state in `context`. */
static void each_recording(void (*visit)(const struct recording *, void *), void *context)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    unsigned count = 0;
    FILE *file = fopen(TRANSCRIPTS, "r");
    if (!file)
        fail_msg("%s cannot be read: the tests run in the root of the project", TRANSCRIPTS);
    while ((length = getline(&line, &size, file)) > 0) {
        _cleanup_(json_putp) struct json_object *entry = json_parse(line, (size_t)length - 1);
        struct json_object *request = NULL, *response = NULL;
        struct recording recording = {.reason = ""};
        const char *text = "";
        assert_non_null(entry);
        assert_true(json_get_object(entry, "request", &request) &&
                    json_get_object(entry, "response", &response));
        assert_true(json_get_string(entry, "case", &recording.name));
        assert_true(json_get_string(request, "method", &recording.method));
        assert_true(json_get_string(request, "path", &recording.path));
        json_get_string(response, "reason", &recording.reason);
        assert_true(json_get_int(response, "status", 100, 599, &recording.status));
        json_get_string(response, "body", &text);
        _cleanup_(json_putp) struct json_object *body = json_parse(text, strlen(text));
        recording.body = body;
        visit(&recording, context);
        count++;
    }
    free(line);
    fclose(file);
    assert_true(count > 100);
}

static struct json_object *data_of(const struct recording *recording)
{
    struct json_object *data = NULL;
    json_object_object_get_ex(recording->body, "data", &data);
    return data;
}

static struct json_object *parse(const char *text)
{
    struct json_object *object = json_parse(text, strlen(text));
    assert_non_null(object);
    return object;
}

/* ---- status ---- */

static void visit_status(const struct recording *recording, void *context)
{
    unsigned *seen = context;
    struct pve_status status;
    if (!strstr(recording->path, "/status/current") || recording->status != 200)
        return;
    assert_true(api_decode_status(data_of(recording), &status));
    ++*seen;
    assert_int_equal(status.vmid, atoi(strstr(recording->path, "/qemu/") + 6));
    assert_int_equal(status.running, strstr(recording->name, "running") != NULL);
    assert_int_equal(status.nics, strstr(recording->name, "tap device") != NULL);
    assert_int_equal(status.template, strstr(recording->name, "template") != NULL);
    assert_int_equal(status.ha_managed, strstr(recording->name, "HA") != NULL);
    assert_string_equal(status.lock, strstr(recording->name, "backup") ? "backup" : "");
    assert_false(status.traffic);
    assert_string_equal(status.ha_state, "");
    assert_true(status.name[0]);
}

static void test_every_recorded_status_is_decoded(void **state)
{
    unsigned seen = 0;
    (void)state;
    each_recording(visit_status, &seen);
    assert_true(seen >= 9);
}

static void test_a_status_in_full_is_decoded(void **state)
{
    struct pve_status status;
    _cleanup_(json_putp) struct json_object *data =
        parse("{\"vmid\":\"101\",\"status\":\"running\",\"uptime\":\"61\",\"name\":\"db1\",\"template\":\"\","
              "\"lock\":\"migrate\","
              "\"nics\":{\"tap101i0\":{\"netin\":1,\"netout\":2}},\"netin\":3,\"netout\":0,"
              "\"ha\":{\"managed\":1,\"state\":\"request_stop\"},\"unheard-of\":[]}");
    (void)state;
    assert_true(api_decode_status(data, &status));
    assert_int_equal(status.vmid, 101);
    assert_true(status.running && status.nics && status.traffic && status.ha_managed);
    assert_int_equal(status.uptime_s, 61);
    assert_string_equal(status.name, "db1");
    assert_string_equal(status.lock, "migrate");
    assert_string_equal(status.ha_state, "request_stop");
}

static bool decodes(const char *text)
{
    struct pve_status status;
    _cleanup_(json_putp) struct json_object *data = parse(text);
    return api_decode_status(data, &status);
}

static void test_a_status_that_is_none_is_not_guessed_at(void **state) /* P3 */
{
    struct pve_status status;
    (void)state;
    assert_false(api_decode_status(NULL, &status));
    assert_false(decodes("[]"));
    assert_false(decodes("{}"));
    assert_false(decodes("{\"status\":\"stopped\"}"));
    assert_false(decodes("{\"vmid\":100}"));
    assert_false(decodes("{\"vmid\":100,\"status\":\"unknown\"}"));
    assert_false(decodes("{\"vmid\":100,\"status\":\"Stopped\"}"));
    assert_false(decodes("{\"vmid\":100,\"status\":\"\"}"));
    assert_false(decodes("{\"vmid\":100,\"status\":0}"));
    assert_false(decodes("{\"vmid\":100,\"status\":null}"));
    assert_false(decodes("{\"vmid\":\"100x\",\"status\":\"stopped\"}"));
    assert_false(decodes("{\"vmid\":0,\"status\":\"stopped\"}"));
    assert_false(
        decodes("{\"vmid\":100,\"status\":\"stopped\",\"lock\":\"a-lock-whose-name-is-longer-than-any\"}"));
    assert_false(decodes("{\"vmid\":100,\"status\":\"stopped\",\"ha\":{}}"));
    assert_true(decodes("{\"vmid\":100,\"status\":\"stopped\"}"));
}

static void test_what_could_hide_life_or_a_lock_is_not_passed_over(void **state) /* P1 */
{
    (void)state;
    assert_false(decodes("{\"vmid\":100,\"status\":\"stopped\",\"lock\":7}"));
    assert_false(decodes("{\"vmid\":100,\"status\":\"stopped\",\"lock\":[\"migrate\"]}"));
    assert_false(decodes("{\"vmid\":100,\"status\":\"stopped\",\"ha\":[]}"));
    assert_false(decodes("{\"vmid\":100,\"status\":\"stopped\",\"ha\":1}"));
    assert_false(decodes("{\"vmid\":100,\"status\":\"stopped\",\"netin\":\"many\"}"));
    assert_false(decodes("{\"vmid\":100,\"status\":\"stopped\",\"netout\":[]}"));
    assert_true(decodes("{\"vmid\":100,\"status\":\"stopped\",\"lock\":null,\"ha\":null,\"netin\":null}"));
}

static void test_a_stopped_guest_with_a_process_is_no_answer(void **state) /* P1 */
{
    static const char *const more[] = {"\"pid\":4711",
                                       "\"pid\":\"4711\"",
                                       "\"pid\":[]",
                                       "\"uptime\":1",
                                       "\"uptime\":\"7\"",
                                       "\"uptime\":0.5",
                                       "\"uptime\":-1",
                                       "\"uptime\":\"soon\"",
                                       "\"qmpstatus\":\"running\"",
                                       "\"qmpstatus\":\"paused\"",
                                       "\"qmpstatus\":1",
                                       "\"running-qemu\":\"9.0.2\"",
                                       "\"running-machine\":\"pc\""};
    char text[256];
    (void)state;
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        snprintf(text, sizeof(text), "{\"vmid\":100,\"status\":\"stopped\",%s}", more[i]);
        if (decodes(text))
            fail_msg("%s", text);
    }
    /* as Proxmox has it, new and old */
    assert_true(decodes("{\"vmid\":100,\"status\":\"stopped\",\"qmpstatus\":\"stopped\",\"uptime\":0}"));
    assert_true(decodes("{\"vmid\":\"100\",\"status\":\"stopped\",\"pid\":null,\"uptime\":\"0\"}"));
    assert_true(decodes("{\"vmid\":100,\"status\":\"stopped\",\"pid\":0,\"running-qemu\":null}"));
}

static void test_network_devices_of_an_unknown_form_count_as_there(void **state) /* P1 */
{
    static const struct {
        const char *text;
        bool nics;
    } cases[] = {{"{\"vmid\":100,\"status\":\"stopped\",\"nics\":{}}", false},
                 {"{\"vmid\":100,\"status\":\"stopped\",\"nics\":{\"tap100i0\":{}}}", true},
                 {"{\"vmid\":100,\"status\":\"stopped\",\"nics\":[\"tap100i0\"]}", true},
                 {"{\"vmid\":100,\"status\":\"stopped\",\"nics\":1}", true}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pve_status status;
        _cleanup_(json_putp) struct json_object *data = parse(cases[i].text);
        assert_true(api_decode_status(data, &status));
        assert_int_equal(status.nics, cases[i].nics);
    }
}

static void test_either_direction_of_traffic_is_life(void **state)
{
    static const char *const texts[] = {"{\"vmid\":100,\"status\":\"stopped\",\"netin\":1,\"netout\":0}",
                                        "{\"vmid\":100,\"status\":\"stopped\",\"netin\":0,\"netout\":\"7\"}",
                                        "{\"vmid\":100,\"status\":\"stopped\",\"netin\":0.5}"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct pve_status status;
        _cleanup_(json_putp) struct json_object *data = parse(texts[i]);
        assert_true(!api_decode_status(data, &status) || status.traffic);
    }
}

/* ---- tasks ---- */

static void visit_task(const struct recording *recording, void *context)
{
    unsigned *seen = context;
    struct pve_task task;
    const char *exit = NULL;
    if (!strstr(recording->path, "/tasks/") || recording->status != 200)
        return;
    ++*seen;
    assert_true(api_decode_task(data_of(recording), &task));
    assert_true(task.ended);
    assert_true(json_get_string(data_of(recording), "exitstatus", &exit));
    assert_string_equal(task.exit, exit);
    assert_int_equal(task.ok, strcmp(exit, "OK") == 0);
}

static void test_every_recorded_task_is_decoded(void **state)
{
    unsigned seen = 0;
    (void)state;
    each_recording(visit_task, &seen);
    assert_true(seen >= 15);
}

static void test_a_task_is_ok_only_by_its_own_word(void **state)
{
    static const struct {
        const char *text;
        bool good, ended, ok;
    } cases[] = {
        {"{\"status\":\"running\"}", true, false, false},
        {"{\"status\":\"running\",\"exitstatus\":\"OK\"}", true, false, false},
        {"{\"status\":\"stopped\",\"exitstatus\":\"OK\"}", true, true, true},
        {"{\"status\":\"stopped\",\"exitstatus\":\"WARNINGS: 2\"}", true, true, true},
        {"{\"status\":\"stopped\"}", true, true, false},
        {"{\"status\":\"stopped\",\"exitstatus\":\"\"}", true, true, false},
        {"{\"status\":\"stopped\",\"exitstatus\":\"OK then\"}", true, true, false},
        {"{\"status\":\"stopped\",\"exitstatus\":\"unexpected status\"}", true, true, false},
        {"{\"status\":\"done\"}", false, false, false},
        {"{}", false, false, false},
        {"[]", false, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pve_task task;
        _cleanup_(json_putp) struct json_object *data = parse(cases[i].text);
        assert_int_equal(api_decode_task(data, &task), cases[i].good);
        assert_int_equal(task.ended, cases[i].ended);
        assert_int_equal(task.ok, cases[i].ok);
    }
}

static void visit_upid(const struct recording *recording, void *context)
{
    unsigned *seen = context;
    char upid[PVE_UPID_MAX];
    bool power_call = strcmp(recording->method, "POST") == 0 && strstr(recording->path, "/status/");
    if (!power_call || recording->status != 200)
        return;
    ++*seen;
    assert_true(api_decode_upid(data_of(recording), upid));
    assert_string_equal(upid, json_object_get_string(data_of(recording)));
    const struct api_request request = {
        .call = API_TASK, .node = "pve1", .type = PVE_QEMU, .vmid = 100, .stop_timeout_s = -1, .upid = upid};
    _cleanup_(freep) char *path = NULL;
    _cleanup_(freep) char *body = NULL;
    assert_true(api_build(&request, &path, &body));
}

static void test_every_recorded_upid_is_taken_and_can_be_asked_for(void **state)
{
    unsigned seen = 0;
    (void)state;
    each_recording(visit_upid, &seen);
    assert_true(seen >= 15);
}

static void test_what_is_no_upid_is_not_taken(void **state)
{
    static const char *const texts[] = {"[]",           "{}", "7", "\"\"", "\"OK\"", "\"UPID:a/../b:\"",
                                        "\"UPID:a b:\""};
    char upid[PVE_UPID_MAX], longer[PVE_UPID_MAX + 8];
    (void)state;
    assert_false(api_decode_upid(NULL, upid));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        _cleanup_(json_putp) struct json_object *data = parse(texts[i]);
        assert_false(api_decode_upid(data, upid));
    }
    memset(longer, 'a', sizeof(longer));
    memcpy(longer, "UPID:", 5);
    longer[PVE_UPID_MAX] = '\0';
    _cleanup_(json_putp) struct json_object *data = json_object_new_string(longer);
    assert_false(api_decode_upid(data, upid));
}

static void visit_tasks(const struct recording *recording, void *context)
{
    struct pve_task_count count;
    unsigned *seen = context;
    if (strcmp(recording->name, "task list of a guest, own") != 0)
        return;
    ++*seen;
    assert_true(api_decode_tasks(data_of(recording), "pve1", "qmstop", 0, "", &count));
    assert_int_equal(count.begun, 2);
    assert_int_equal(count.running, 0);
    assert_true(api_decode_tasks(data_of(recording), "pve1", "qmstop", 1795349884, "", &count));
    assert_int_equal(count.begun, 0);
    assert_true(api_decode_tasks(data_of(recording), "pve1", "qmstart", 0, "", &count));
    assert_int_equal(count.begun, 0);
    struct pve_task task;
    assert_true(api_decode_listed_task(
        data_of(recording), "UPID:pve1:0000073C:00062153:6B02DD7B:qmstop:100:fence@pve!tok:", &task));
    assert_true(task.ended && task.ok);
    assert_false(api_decode_listed_task(
        data_of(recording), "UPID:pve1:0000073C:00062154:6B02DD7B:qmstop:100:fence@pve!tok:", &task));
    assert_false(task.ended || task.ok);
}

static void test_a_task_in_a_list_has_ended_only_with_an_end_and_ok_only_with_its_word(void **state)
{
    _cleanup_(json_putp) struct json_object *data =
        parse("[{\"upid\":\"a\",\"starttime\":20},{\"upid\":\"b\",\"starttime\":20,\"status\":\"OK\"},"
              "{\"upid\":\"c\",\"endtime\":21},{\"upid\":\"d\",\"endtime\":21,\"status\":\"unexpected "
              "status\"},{\"upid\":\"e\",\"endtime\":\"21\",\"status\":\"WARNINGS: 1\"}]");
    static const struct {
        const char *upid;
        bool ended, ok;
        const char *exit;
    } cases[] = {{"a", false, false, ""},
                 {"b", false, false, ""},
                 {"c", true, false, "no exit status"},
                 {"d", true, false, "unexpected status"},
                 {"e", true, true, "WARNINGS: 1"}};
    struct pve_task task;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(api_decode_listed_task(data, cases[i].upid, &task));
        assert_int_equal(task.ended, cases[i].ended);
        assert_int_equal(task.ok, cases[i].ok);
        assert_string_equal(task.exit, cases[i].exit);
    }
    assert_false(api_decode_listed_task(data, "", &task));
    assert_false(api_decode_listed_task(NULL, "a", &task));
}

static void test_the_recorded_task_list_is_counted(void **state)
{
    unsigned seen = 0;
    (void)state;
    each_recording(visit_tasks, &seen);
    assert_int_equal(seen, 1);
}

#define LISTED(type, second, more) "{\"upid\":\"UPID:pve1:1:1:" second ":" type ":1:u@pve:\"" more "}"

static void test_a_task_without_an_end_counts_as_running(void **state)
{
    struct pve_task_count count;
    _cleanup_(json_putp) struct json_object *data =
        parse("[" LISTED("qmstop", "14", "") "," LISTED("qmstop", "a", ",\"endtime\":11") "," LISTED(
            "vzstop", "1e", "") "," LISTED("qmstop", "9", ",\"endtime\":12") "]");
    (void)state;
    assert_true(api_decode_tasks(data, "pve1", "qmstop", 10, "", &count));
    assert_int_equal(count.begun, 2);
    assert_int_equal(count.running, 1);
    assert_true(api_decode_tasks(data, "pve2", "qmstop", 10, "", &count)); /* it was called pve1 once */
    assert_int_equal(count.begun, 0);
}

static void test_tasks_that_failed_are_told_from_those_that_did_something(void **state)
{
    struct pve_task_count count;
    _cleanup_(json_putp) struct json_object *data = parse(
        "[" LISTED("qmstart", "14", ",\"endtime\":21,\"status\":\"OK\"") "," LISTED("qmstart", "14", ",\"endtime\":21,\"status\":\"WARNINGS: 1\"") "," LISTED(
            "qmstart", "14",
            ",\"endtime\":21,"
            "\"status\":\"VM 1 "
            "already running\"") "," LISTED("qmstart", "14",
                                            ",\"endtime\":21") "," LISTED("qmstart", "14",
                                                                          ",\"status\":\"RUNNING\"") "]");
    (void)state;
    assert_true(api_decode_tasks(data, "pve1", "qmstart", 0, "", &count));
    assert_int_equal(count.begun, 5);
    assert_int_equal(count.failed, 1);
    assert_int_equal(count.running, 1);
}

static void test_newer_tasks_are_told_from_older_ones_of_the_same_second(void **state)
{
    struct pve_task_count count;
    _cleanup_(json_putp) struct json_object *data =
        parse("[{\"upid\":\"UPID:pve1:00000009:00000100:00000014:qmstop:1:u@pve:\"},"
              "{\"upid\":\"UPID:pve1:00000008:00000101:00000014:qmstop:1:u@pve:\"},"
              "{\"upid\":\"UPID:pve1:00000001:00000001:00000015:qmstop:1:u@pve:\"},"
              "{\"upid\":\"UPID:pve1:00000001:00000001:00000014:qmstop:1:u@pve:\"}]");
    (void)state;
    assert_true(api_decode_tasks(data, "pve1", "qmstop", 0,
                                 "UPID:pve1:00000009:00000100:00000014:qmstop:1:u@pve:", &count));
    assert_int_equal(count.begun, 4);
    assert_int_equal(count.newer, 2);
    assert_true(api_decode_tasks(data, "pve1", "qmstop", 0, "", &count));
    assert_int_equal(count.newer, 0);
}

static void test_a_task_list_that_is_none_says_nothing(void **state)
{
    static const char *const texts[] = {"{}", "[7]", "[{\"type\":\"qmstop\"}]", "[{\"upid\":7}]",
                                        "[{\"upid\":\"UPID:pve1:1:1:x:qmstop:1:u@pve:\"}]"};
    struct pve_task_count count;
    (void)state;
    assert_false(api_decode_tasks(NULL, "pve1", "qmstop", 0, "", &count));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        _cleanup_(json_putp) struct json_object *data = parse(texts[i]);
        assert_false(api_decode_tasks(data, "pve1", "qmstop", 0, "", &count));
    }
}

/* ---- what belongs to another call ---- */

#define TASK_OF(node, type, id) "\"UPID:" node ":0000073D:00062156:6B02DD7B:" type ":" id ":fence@pve!tok:\""

static void test_only_the_answer_to_a_call_fits_it(void **state) /* P1 */
{
    static const struct {
        enum api_call call;
        enum pve_guest_type type;
        bool fits;
        const char *text;
    } cases[] = {
        {API_STATUS, PVE_QEMU, true, "{\"vmid\":100,\"status\":\"stopped\"}"},
        {API_STATUS, PVE_LXC, true, "{\"vmid\":\"100\",\"status\":\"stopped\"}"},
        {API_STATUS, PVE_QEMU, false, "{\"vmid\":101,\"status\":\"stopped\"}"},
        {API_STATUS, PVE_QEMU, false, "{\"status\":\"stopped\"}"},
        {API_STATUS, PVE_QEMU, false, "[]"},
        {API_STATUS, PVE_QEMU, false, "null"},
        {API_STOP, PVE_QEMU, true, TASK_OF("pve1", "qmstop", "100")},
        {API_STOP, PVE_QEMU, true, TASK_OF("pve1", "hastop", "100")},
        {API_STOP, PVE_LXC, true, TASK_OF("pve1", "vzstop", "100")},
        {API_STOP, PVE_LXC, true, TASK_OF("pve1", "hastop", "100")},
        {API_STOP, PVE_QEMU, false, TASK_OF("pve2", "qmstop", "100")},
        {API_STOP, PVE_QEMU, false, TASK_OF("pve1", "qmstop", "101")},
        {API_STOP, PVE_QEMU, false, TASK_OF("pve1", "qmstop", "1000")},
        {API_STOP, PVE_QEMU, false, TASK_OF("pve1", "qmstop", "0100")},
        {API_STOP, PVE_QEMU, false, TASK_OF("pve1", "qmstop", "")},
        {API_STOP, PVE_QEMU, false, TASK_OF("pve1", "vzstop", "100")},
        {API_STOP, PVE_QEMU, false, TASK_OF("pve1", "qmstart", "100")},
        {API_STOP, PVE_QEMU, false, TASK_OF("pve1", "qmshutdown", "100")},
        {API_STOP, PVE_QEMU, false, TASK_OF("pve1", "hastart", "100")},
        {API_STOP, PVE_LXC, false, TASK_OF("pve1", "qmstop", "100")},
        {API_STOP, PVE_QEMU, false, "null"},
        {API_STOP, PVE_QEMU, false, "\"OK\""},
        {API_START, PVE_QEMU, true, TASK_OF("pve1", "qmstart", "100")},
        {API_START, PVE_QEMU, true, TASK_OF("pve1", "hastart", "100")},
        {API_START, PVE_LXC, true, TASK_OF("pve1", "vzstart", "100")},
        {API_START, PVE_QEMU, false, TASK_OF("pve1", "qmstop", "100")},
        {API_START, PVE_QEMU, false, TASK_OF("pve1", "vzstart", "100")},
        {API_RESET, PVE_QEMU, true, TASK_OF("pve1", "qmreset", "100")},
        {API_RESET, PVE_QEMU, false, TASK_OF("pve1", "qmstart", "100")},
        {API_TASK, PVE_QEMU, true, "{\"upid\":" TASK_OF("pve1", "qmstop", "100") ",\"status\":\"running\"}"},
        {API_TASK, PVE_QEMU, false, "{\"upid\":" TASK_OF("pve1", "qmstop", "101") ",\"status\":\"running\"}"},
        {API_TASK, PVE_QEMU, false, "{\"status\":\"stopped\",\"exitstatus\":\"OK\"}"},
        {API_TASKS, PVE_QEMU, true, "[]"},
        {API_TASKS, PVE_QEMU, true,
         "[{\"upid\":" TASK_OF("pve1", "qmstop", "100") "},{\"upid\":" TASK_OF("old", "vzdump", "100") "}]"},
        {API_TASKS, PVE_QEMU, false,
         "[{\"upid\":" TASK_OF("pve1", "qmstop", "100") "},{\"upid\":" TASK_OF("pve1", "qmstop", "101") "}]"},
        {API_TASKS, PVE_QEMU, false, "[{\"upid\":" TASK_OF("pve2", "qmstop", "100") "}]"},
        {API_TASKS, PVE_QEMU, false, "[{\"type\":\"node\",\"node\":\"pve1\"}]"},
        {API_TASKS, PVE_QEMU, false, "{}"},
        {API_NODES, PVE_QEMU, true, "[{\"type\":\"node\",\"node\":\"pve1\",\"status\":\"online\"}]"},
        {API_HA_STATUS, PVE_QEMU, true, "[{\"type\":\"quorum\",\"node\":\"pve1\",\"quorate\":1}]"},
        {API_HA_STATUS, PVE_QEMU, false, "[{\"type\":\"node\",\"node\":\"pve1\",\"status\":\"online\"}]"},
        {API_HA_STATUS, PVE_QEMU, false, "[]"},
        {API_HA_STATUS, PVE_QEMU, false, "{}"},
        {API_NODES, PVE_QEMU, true, "[]"},
        {API_NODES, PVE_QEMU, false, "[{\"type\":\"qemu\",\"node\":\"pve1\",\"vmid\":100}]"},
        {API_NODES, PVE_QEMU, false, "{}"},
        {API_RESOURCES, PVE_QEMU, false, "[{\"type\":\"node\",\"node\":\"pve1\"}]"}, /* without a list */
        {API_PERMISSIONS, PVE_QEMU, true, "{\"/vms/100\":{\"VM.Audit\":1}}"},
        {API_PERMISSIONS, PVE_QEMU, true, "{}"},
        {API_PERMISSIONS, PVE_QEMU, false, "{\"vmid\":100,\"status\":\"stopped\"}"},
        {API_PERMISSIONS, PVE_QEMU, false, "[]"},
        {API_REHEARSE, PVE_QEMU, true, "null"}, /* whatever it is */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct api_request request = {
            .call = cases[i].call,
            .node = "pve1",
            .type = cases[i].type,
            .vmid = 100,
            .upid = "UPID:pve1:0000073D:00062156:6B02DD7B:qmstop:100:fence@pve!tok:"};
        _cleanup_(json_putp) struct json_object *data = json_tokener_parse(cases[i].text);
        const char *misfit = misfit_judge(&request, data, NULL);
        if ((misfit == NULL) != cases[i].fits)
            fail_msg("%s: %s: %s", api_row(cases[i].call)->name, cases[i].text, misfit ? misfit : "fits");
    }
}

static void visit_fit(const struct recording *recording, void *context)
{
    unsigned *seen = context;
    struct api_request request = {.node = "pve1", .type = PVE_QEMU};
    char upid[PVE_UPID_MAX] = "", word[16] = "";
    if (recording->status != 200)
        return;
    if (sscanf(recording->path, "/api2/json/nodes/pve1/qemu/%d/status/%15s", &request.vmid, word) == 2) {
        static const struct {
            const char *word;
            enum api_call call;
        } words[] = {{"current", API_STATUS}, {"start", API_START}, {"stop", API_STOP}, {"reset", API_RESET}};
        size_t i = 0;
        while (i < sizeof(words) / sizeof(words[0]) && strcmp(words[i].word, word) != 0)
            i++;
        if (i == sizeof(words) / sizeof(words[0]))
            return;
        request.call = words[i].call;
    } else if (strstr(recording->path, "/tasks/UPID") && strstr(recording->path, "/status")) {
        const char *text = NULL;
        assert_true(json_get_string(data_of(recording), "upid", &text));
        snprintf(upid, sizeof(upid), "%s", text);
        request.call = API_TASK;
        request.upid = upid;
    } else {
        return;
    }
    ++*seen;
    const char *misfit = misfit_judge(&request, data_of(recording), NULL);
    if (misfit)
        fail_msg("%s: %s", recording->name, misfit);
}

static void test_every_recorded_answer_fits_its_call(void **state)
{
    unsigned seen = 0;
    (void)state;
    each_recording(visit_fit, &seen);
    assert_true(seen >= 40);
}

/* ---- Proxmox's words ---- */

static void test_proxmoxs_words_are_understood(void **state)
{
    static const struct {
        const char *text;
        enum pve_refusal refusal;
        const char *lock;
    } cases[] = {
        {"unable to find configuration file for VM 999 on node 'pve1'", PVE_REFUSAL_MOVED, ""},
        {"Configuration file 'nodes/pve1/qemu-server/120.conf' does not exist", PVE_REFUSAL_MOVED, ""},
        {"Configuration file 'nodes/pve1/lxc/100.conf' does not exist", PVE_REFUSAL_MOVED, ""},
        {"VM is locked (backup)", PVE_REFUSAL_LOCKED, "backup"},
        {"CT is locked (snapshot-delete)", PVE_REFUSAL_LOCKED, "snapshot-delete"},
        {"VM is locked", PVE_REFUSAL_LOCKED, ""},
        {"VM is locked (", PVE_REFUSAL_LOCKED, ""},
        {"VM is locked (a-name-that-is-longer-than-a-lock-has)", PVE_REFUSAL_LOCKED, ""},
        {"can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", PVE_REFUSAL_BUSY, ""},
        {"VM 100 not running", PVE_REFUSAL_NOT_RUNNING, ""},
        {"CT 100 not running", PVE_REFUSAL_NOT_RUNNING, ""},
        {"VM 100 already running", PVE_REFUSAL_RUNNING, ""},
        {"you can't start a vm if it's a template", PVE_REFUSAL_TEMPLATE, ""},
        {"cluster not ready - no quorum?", PVE_REFUSAL_NO_QUORUM, ""},
        {"Not applicable for HA resources.", PVE_REFUSAL_HA, ""},
        {"Permission check failed (/vms/200, VM.PowerMgmt)", PVE_REFUSAL_PERMISSION, ""},
        {"start failed: QEMU exited with code 1", PVE_REFUSAL_OTHER, ""},
        {"VM 100 qmp command 'system_reset' failed - got timeout", PVE_REFUSAL_OTHER, ""},
        {"unexpected status", PVE_REFUSAL_OTHER, ""},
        {"storage 'nfs1' does not exist", PVE_REFUSAL_OTHER, ""},
        {"volume 'local-zfs:vm-100-disk-0' does not exist", PVE_REFUSAL_OTHER, ""},
        {"pool 'nope' does not exist", PVE_REFUSAL_OTHER, ""},
        {"No route to host", PVE_REFUSAL_OTHER, ""},
        {"", PVE_REFUSAL_OTHER, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char lock[PVE_LOCK_MAX] = "old";
        if (api_classify(cases[i].text, lock) != cases[i].refusal || strcmp(lock, cases[i].lock) != 0)
            fail_msg("'%s' is taken for %d (%s)", cases[i].text, api_classify(cases[i].text, lock), lock);
    }
}

/* Each refusal that was recorded is told by its words, whether it stands in the answer or in the task. */
static void visit_words(const struct recording *recording, void *context)
{
    static const struct {
        const char *name;
        enum pve_refusal refusal;
    } expected[] = {
        {"status of a guest asked at the wrong node path", PVE_REFUSAL_MOVED},
        {"stop of a guest that does not exist: task status at its end", PVE_REFUSAL_MOVED},
        {"start of a running guest: task status at its end", PVE_REFUSAL_RUNNING},
        {"start of a template: task status at its end", PVE_REFUSAL_TEMPLATE},
        {"start that fails: task status at its end", PVE_REFUSAL_OTHER},
        {"start of a locked guest: task status at its end", PVE_REFUSAL_LOCKED},
        {"stop of a running guest with a backup lock: task status at its end", PVE_REFUSAL_LOCKED},
        {"stop without rights", PVE_REFUSAL_PERMISSION},
        {"status on an unknown node", PVE_REFUSAL_OTHER},
        {"status on a dead node", PVE_REFUSAL_OTHER},
    };
    unsigned *seen = context;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        char lock[PVE_LOCK_MAX];
        const char *words = recording->reason;
        if (strcmp(recording->name, expected[i].name) != 0)
            continue;
        json_get_string(data_of(recording), "exitstatus", &words);
        assert_int_equal(api_classify(words, lock), expected[i].refusal);
        *seen |= 1u << i;
    }
}

static void test_recorded_refusals_are_told_by_their_words(void **state)
{
    unsigned seen = 0;
    (void)state;
    each_recording(visit_words, &seen);
    assert_int_equal(seen, (1u << 10) - 1);
}

static void test_a_configuration_tells_its_uuid_network_and_hookscript(void **state)
{
    static const struct {
        const char *text, *uuid;
        bool nic, hookscript;
    } cases[] = {
        {"{\"net0\":\"virtio=BC:24:11:00:00:01\",\"smbios1\":\"uuid=00112233-4455-6677-8899-aabbccddeeff\"}",
         "00112233-4455-6677-8899-aabbccddeeff", true, false},
        {"{\"smbios1\":\"base64=1,uuid=00112233-4455-6677-8899-aabbccddeeff,family=eA==\"}",
         "00112233-4455-6677-8899-aabbccddeeff", false, false},
        {"{\"net12\":\"x\",\"hookscript\":\"local:snippets/x.pl\",\"smbios1\":\"family=uuid\"}", "", true,
         true},
        {"{\"smbios1\":\"uuid=short\",\"netmask\":\"x\",\"net\":\"x\"}", "", false, false},
        {"{}", "", false, false},
    };
    struct pve_guest_config config;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_object *data = json_parse(cases[i].text, strlen(cases[i].text));
        assert_non_null(data);
        assert_true(api_decode_config(data, &config));
        assert_string_equal(config.uuid, cases[i].uuid);
        assert_int_equal(config.has_nic, cases[i].nic);
        assert_int_equal(config.has_hookscript, cases[i].hookscript);
        json_object_put(data);
    }
    assert_false(api_decode_config(NULL, &config));
    struct json_object *list = json_object_new_array();
    assert_false(api_decode_config(list, &config));
    json_object_put(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_configuration_tells_its_uuid_network_and_hookscript),
        cmocka_unit_test(test_every_recorded_status_is_decoded),
        cmocka_unit_test(test_a_status_in_full_is_decoded),
        cmocka_unit_test(test_a_status_that_is_none_is_not_guessed_at),
        cmocka_unit_test(test_what_could_hide_life_or_a_lock_is_not_passed_over),
        cmocka_unit_test(test_network_devices_of_an_unknown_form_count_as_there),
        cmocka_unit_test(test_either_direction_of_traffic_is_life),
        cmocka_unit_test(test_every_recorded_task_is_decoded),
        cmocka_unit_test(test_a_task_is_ok_only_by_its_own_word),
        cmocka_unit_test(test_every_recorded_upid_is_taken_and_can_be_asked_for),
        cmocka_unit_test(test_what_is_no_upid_is_not_taken),
        cmocka_unit_test(test_the_recorded_task_list_is_counted),
        cmocka_unit_test(test_a_task_without_an_end_counts_as_running),
        cmocka_unit_test(test_a_task_in_a_list_has_ended_only_with_an_end_and_ok_only_with_its_word),
        cmocka_unit_test(test_tasks_that_failed_are_told_from_those_that_did_something),
        cmocka_unit_test(test_newer_tasks_are_told_from_older_ones_of_the_same_second),
        cmocka_unit_test(test_a_task_list_that_is_none_says_nothing),
        cmocka_unit_test(test_only_the_answer_to_a_call_fits_it),
        cmocka_unit_test(test_every_recorded_answer_fits_its_call),
        cmocka_unit_test(test_a_stopped_guest_with_a_process_is_no_answer),
        cmocka_unit_test(test_proxmoxs_words_are_understood),
        cmocka_unit_test(test_recorded_refusals_are_told_by_their_words),
    };
    return cmocka_run_group_tests_name("api_decode", tests, NULL, NULL);
}
