/*
 * The rehearsal's call: what stands on the wire, byte for byte, and on which connection; what Proxmox's
 * recorded answers and broken ones mean; and that it is not sent when nobody wants it any more.
 */
#include "session_fixture.h"

#include "proxmox/probe.h"
#include "system/json.h"

#define TRANSCRIPTS "tests/data/pve/transcripts.jsonl"
#define REHEARSAL   "POST /api2/json/nodes/pve1/qemu/101/status/stop?timeout=probe"
#define REFUSAL     "{\"data\":null,\"errors\":{\"timeout\":\"type check ('integer') failed - got 'probe'\"}}"

static struct {
    struct world *world;
    struct probe *probe;
    unsigned answered;
    enum probe_result result;
    int http_status;
    struct error error;
    bool sent, unwanted;
    unsigned asked_whether_to_go;
} here;

static void refuse_the_parameter(struct fake_exchange *exchange)
{
    fake_answer(exchange, 400, "Parameter verification failed.", REFUSAL);
}

static void start(fake_script *calls)
{
    memset(&here, 0, sizeof(here));
    here.world = begin();
    here.world->cluster.calls = calls;
    here.probe = probe_new(here.world->session);
    assert_non_null(here.probe);
}

static void stop(void)
{
    probe_free(here.probe);
    end(here.world);
}

static bool may_go(void *context)
{
    (void)context;
    here.asked_whether_to_go++;
    return !here.unwanted;
}

static void on_answer(void *context, const struct probe_answer *answer)
{
    (void)context;
    here.answered++;
    here.result = answer->result;
    here.http_status = answer->http_status;
    here.error = answer->error;
    here.sent = answer->sent;
    event_base_loopbreak(here.world->base);
}

static bool send_probe(int64_t answer_timeout_ms)
{
    const struct probe_target target = {.node = "pve1", .type = PVE_QEMU, .vmid = 101};
    return probe_send(here.probe, &target, 0, clock_now_ms() + LONG_MS, answer_timeout_ms, may_go, on_answer,
                      NULL);
}

static enum probe_result rehearse(void)
{
    unsigned before = here.answered;
    assert_true(send_probe(4000));
    dispatch_with_patience(here.world->base);
    assert_int_equal(here.answered, before + 1);
    return here.result;
}

/* ---- on the wire ---- */

static void test_the_bytes_of_a_rehearsal(void **state)
{
    (void)state;
    start(refuse_the_parameter);
    assert_int_equal(rehearse(), PROBE_ACCEPTED);
    const struct fake_request *request = last_request(here.world, REHEARSAL);
    char host[40];
    snprintf(host, sizeof(host), "Host: pve1:%u\r\n", (unsigned)here.world->hosts[0]->port);
    assert_int_equal(strncmp(request->raw, REHEARSAL " HTTP/1.1\r\n", strlen(REHEARSAL " HTTP/1.1\r\n")), 0);
    assert_holds(request->raw, host);
    assert_holds(request->raw, "\r\nCSRFPreventionToken: csrf1\r\n");
    assert_holds(request->raw, "\r\nContent-Length: 0\r\n");
    assert_null(strcasestr(request->raw, "Transfer-Encoding"));
    /* the head is all there is, and names the parameter once */
    assert_int_equal(request->length, (size_t)(strstr(request->raw, "\r\n\r\n") + 4 - request->raw));
    assert_null(strstr(strstr(request->raw, "timeout") + 1, "timeout"));
    assert_int_equal(request->records, 1);
    assert_int_equal(total(here.world, "POST /api2/json/nodes/"), 1);
    stop();
}

static void test_each_rehearsal_has_a_connection_of_its_own(void **state)
{
    (void)state;
    start(NULL); /* 200 and keep-alive: the worst case, where all connections stay open */
    ask(here.world, API_STATUS);
    unsigned connections = fake_connections(here.world->hosts[0]);
    assert_int_equal(rehearse(), PROBE_CARRIED_OUT);
    assert_int_equal(rehearse(), PROBE_CARRIED_OUT);
    assert_int_equal(fake_connections(here.world->hosts[0]), connections + 2);
    ask(here.world, API_STATUS); /* on its own, which is open still */
    assert_int_equal(fake_connections(here.world->hosts[0]), connections + 2);
    stop();
}

static void nobody_answers(void *context, uint64_t id, const struct api_result *result, const char *address)
{
    (void)context;
    (void)id;
    (void)result;
    (void)address;
    fail_msg("%s", "a call that must not be sent was");
}

static void test_no_other_call_travels_as_a_rehearsal_and_none_of_it_otherwise(void **state)
{
    (void)state;
    start(NULL);
    struct transport *transport = here.world->transport;
    const struct endpoint *endpoint = endpoints_get(here.world->endpoints, 0);
    for (enum api_call call = 0; call < API_CALL_COUNT; call++) {
        const struct api_request request = {.call = call, .node = "pve1", .vmid = 101, .stop_timeout_s = -1};
        for (enum traffic_purpose purpose = 0; purpose < TRAFFIC_PURPOSE_COUNT; purpose++) {
            if ((call == API_REHEARSE) != (purpose == TRAFFIC_REHEARSAL))
                assert_int_equal(transport_send(transport, purpose, endpoint, 0, &request, NULL, 1000,
                                                nobody_answers, NULL),
                                 0);
        }
    }
    stop();
}

/* ---- what an answer means ---- */

static enum probe_result expected_of(const char *name)
{
    static const struct {
        const char *name;
        enum probe_result result;
    } expected[] = {
        {"rehearsal, rights present", PROBE_ACCEPTED},
        {"rehearsal, no rights", PROBE_REFUSED},
        {"rehearsal, foreign guest", PROBE_REFUSED},
        {"rehearsal, locked guest", PROBE_ACCEPTED},
        {"rehearsal, HA guest", PROBE_ACCEPTED},
        {"rehearsal at the wrong host", PROBE_ACCEPTED},
        {"rehearsal by the container path of a QEMU guest", PROBE_ACCEPTED},
        {"rehearsal, dead host", PROBE_UNANSWERED},
        {"rehearsal with a wrong CSRF token", PROBE_REFUSED},
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (strcmp(expected[i].name, name) == 0)
            return expected[i].result;
    }
    fail_msg("the recording \"%s\" is not expected", name);
    return PROBE_REFUSED;
}

/* A line of the recordings as transport would hand it over. */
static bool judge_recording(const char *line)
{
    struct json_object *record = json_parse(line, strlen(line)), *response, *body = NULL;
    const char *name = "", *reason = "", *text = "";
    int64_t status;
    struct api_result result = {.outcome = API_REFUSED, .endpoint_text = "pve1"};
    struct error error;
    assert_true(json_get_string(record, "case", &name));
    bool is_rehearsal = strncmp(name, "rehearsal", 9) == 0;
    if (is_rehearsal) {
        assert_true(json_get_object(record, "response", &response));
        assert_true(json_get_int(response, "status", 100, 599, &status));
        assert_true(json_get_string(response, "reason", &reason));
        assert_true(json_get_string(response, "body", &text));
        body = *text ? json_parse(text, strlen(text)) : NULL;
        json_get_object(body, "errors", &result.errors);
        result.http_status = (int)status;
        result.reason = reason;
        error_set(&result.error, ERROR_PROTOCOL, "%s", reason);
        enum probe_result judged = probe_judge(&result, &error);
        if (judged != expected_of(name))
            fail_msg("%s: %d", name, (int)judged);
        assert_int_equal(error.code == ERROR_NONE, judged == PROBE_ACCEPTED);
        json_object_put(body);
    }
    json_object_put(record);
    return is_rehearsal;
}

static void test_the_recorded_answers_are_understood(void **state)
{
    (void)state;
    FILE *file = fopen(TRANSCRIPTS, "r");
    char *line = NULL;
    size_t size = 0;
    unsigned seen = 0;
    assert_non_null(file);
    while (getline(&line, &size, file) > 0)
        seen += judge_recording(line);
    free(line);
    fclose(file);
    assert_int_equal(seen, 9);
}

static const char *said;

static void say(struct fake_exchange *exchange)
{
    fake_say(exchange, said);
    exchange->open = false;
}

static void test_only_a_400_for_the_parameter_alone_is_an_acceptance(void **state)
{
    (void)state;
    static const char *const others[] = {
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 400 x\r\nConnection: close\r\n\r\n{\"data\":null}",
        "HTTP/1.1 400 x\r\nConnection: close\r\n\r\n{\"data\":null,\"errors\":{}}",
        "HTTP/1.1 400 x\r\nConnection: close\r\n\r\n{\"data\":null,\"errors\":{\"node\":\"bad\"}}",
        "HTTP/1.1 400 x\r\nConnection: close\r\n\r\n{\"errors\":{\"timeout\":\"x\",\"vmid\":\"y\"}}",
        "HTTP/1.1 500 x\r\nConnection: close\r\n\r\n{\"data\":null,\"errors\":{\"timeout\":\"x\"}}",
        "HTTP/1.1 302 Found\r\nLocation: https://pve1/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Permission check failed (/vms/101, VM.PowerMgmt)\r\nContent-Length: 0\r\n\r\n",
    };
    start(say);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        said = others[i];
        if (rehearse() != PROBE_REFUSED)
            fail_msg("%s: %d", said, (int)here.result);
        assert_true(here.error.code != ERROR_NONE);
    }
    assert_int_equal(here.error.code, ERROR_NO_POWER_RIGHT);
    said = "HTTP/1.1 400 x\r\nConnection: close\r\n\r\n" REFUSAL;
    assert_int_equal(rehearse(), PROBE_ACCEPTED);
    stop();
}

static void test_any_2xx_says_that_it_was_carried_out_even_one_that_cannot_be_read(void **state)
{
    (void)state;
    static const char *const carried_out[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"data\":\"UPID:pve1:1:2:3:qmstop:101:fence@pve:\"}",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{\"da", /* and no more */
        "HTTP/1.1 200 OK\r\n",
    };
    start(say);
    for (size_t i = 0; i < sizeof(carried_out) / sizeof(carried_out[0]); i++) {
        said = carried_out[i];
        assert_int_equal(rehearse(), PROBE_CARRIED_OUT);
        assert_int_equal(total(here.world, REHEARSAL), i + 1); /* and nobody else was asked */
    }
    assert_non_null(strstr(here.error.message, "real stop"));
    stop();
}

static void cut(struct fake_exchange *exchange)
{
    fake_cut(exchange);
}

static void test_a_lost_rehearsal_is_sent_once_and_changes_no_endpoint(void **state)
{
    (void)state;
    start(cut);
    ask(here.world, API_VERSION); /* a read that is lost does */
    assert_int_equal(endpoints_get(here.world->endpoints, 0)->state, ENDPOINT_DOWN);
    endpoints_answered(here.world->endpoints, 0, NULL, clock_now_ms());
    assert_int_equal(rehearse(), PROBE_UNANSWERED);
    assert_true(here.sent);
    assert_int_equal(total(here.world, REHEARSAL), 1);
    assert_int_equal(endpoints_get(here.world->endpoints, 0)->state, ENDPOINT_UP);
    stop();
}

/* ---- whether it is sent ---- */

static void test_it_is_not_sent_when_nobody_wants_it_any_more(void **state)
{
    (void)state;
    start(refuse_the_parameter);
    SET(here.world, hold_logins = true);
    assert_false(probe_can_go(here.probe));
    assert_true(send_probe(4000));
    assert_false(send_probe(4000)); /* one at a time */
    turn_until_held(here.world, 1); /* it waits for the login */
    here.unwanted = true;
    SET(here.world, hold_logins = false);
    for (int i = 0; i < HOSTS; i++)
        fake_release(here.world->hosts[i]);
    while (here.answered == 0)
        event_base_loop(here.world->base, EVLOOP_ONCE);
    assert_int_equal(here.result, PROBE_UNANSWERED);
    assert_false(here.sent);
    assert_int_equal(here.error.code, ERROR_ABANDONED);
    assert_int_equal(total(here.world, REHEARSAL), 0);
    here.unwanted = false;
    assert_true(probe_can_go(here.probe));
    assert_int_equal(rehearse(), PROBE_ACCEPTED);
    stop();
}

static void test_a_ticket_that_is_refused_is_renewed_and_it_is_asked_again_whether_to_go(void **state)
{
    (void)state;
    start(refuse_the_parameter);
    assert_int_equal(rehearse(), PROBE_ACCEPTED);
    SET(here.world, oldest_valid = here.world->cluster.tickets + 1);
    here.asked_whether_to_go = 0;
    assert_int_equal(rehearse(), PROBE_ACCEPTED);
    assert_true(here.asked_whether_to_go >= 2);
    assert_int_equal(total(here.world, REHEARSAL), 3);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bytes_of_a_rehearsal),
        cmocka_unit_test(test_each_rehearsal_has_a_connection_of_its_own),
        cmocka_unit_test(test_no_other_call_travels_as_a_rehearsal_and_none_of_it_otherwise),
        cmocka_unit_test(test_the_recorded_answers_are_understood),
        cmocka_unit_test(test_only_a_400_for_the_parameter_alone_is_an_acceptance),
        cmocka_unit_test(test_any_2xx_says_that_it_was_carried_out_even_one_that_cannot_be_read),
        cmocka_unit_test(test_a_lost_rehearsal_is_sent_once_and_changes_no_endpoint),
        cmocka_unit_test(test_it_is_not_sent_when_nobody_wants_it_any_more),
        cmocka_unit_test(test_a_ticket_that_is_refused_is_renewed_and_it_is_asked_again_whether_to_go),
    };
    return cmocka_run_group_tests_name("probe", tests, set_up, tear_down);
}
