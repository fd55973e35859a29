/*
 * The server: questions answered at once, askers that wait, the monitor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server_world.h"

/* ---- what Pacemaker believes ---- */

static void expect_evidence(const struct operation *operation, const char *evidence)
{
    fixture_operations = &operation;
    fixture_operation_count = 1;
    fixture_believed_ms[0] = 0;
    expect(ask(TEXT_REQUEST("POST /v1/guests/101/fenced?node=node1")), "HTTP/1.1 200 OK\r\n", evidence);
    fixture_operation_count = 0;
}

static void test_a_clock_that_was_set_makes_no_proof_older_than_it_is(void **state)
{
    int64_t hour_ms = 3600000, now_ms = clock_now_ms(), realtime_ms = clock_realtime_ms();
    struct operation off = {.id = "proof",
                            .action = FENCE_OFF,
                            .vmid = 101,
                            .requested_ms = now_ms,
                            .verified_ms = now_ms,
                            .requested_realtime_ms = realtime_ms - hour_ms};

    (void)state;
    expect_evidence(&off, "\r\n\r\nproof\n");
    /* of before this daemon only the wall clock tells */
    off.requested_ms = 1;
    off.verified_ms = 1 + hour_ms - 60000;
    expect_evidence(&off, "\r\n\r\nproof\n");
    off.verified_ms = 1;
    expect_evidence(&off, "\r\n\r\nno evidence\n");
    off.requested_realtime_ms = realtime_ms + 60000; /* set back since */
    expect_evidence(&off, "\r\n\r\nproof\n");
    off.verified_ms = 0;
    expect_evidence(&off, "\r\n\r\nno evidence\n");
    off.verified_ms = 1;
    off.action = FENCE_ON;
    expect_evidence(&off, "\r\n\r\nno evidence\n");
    off.action = FENCE_REBOOT;
    off.vmid = 102;
    expect_evidence(&off, "\r\n\r\nno evidence\n");
}

static void expect_proof(const char *id)
{
    char body[64];

    snprintf(body, sizeof(body), "\r\n\r\n%s\n", id);
    expect(ask(TEXT_REQUEST("POST /v1/guests/101/fenced?node=node1")), "HTTP/1.1 200 OK\r\n", body);
}

static void test_a_proof_is_the_evidence_of_one_fence(void **state)
{
    int64_t now_ms = clock_now_ms();
    struct operation second = {.id = "second",
                               .action = FENCE_OFF,
                               .vmid = 101,
                               .requested_ms =
                                   now_ms - 5000, /* before this daemon, which an agent asked again */
                               .verified_ms = now_ms,
                               .requested_realtime_ms = 1};
    struct operation first = second;
    const struct operation *const both[] = {&second, &first};

    (void)state;
    snprintf(first.id, sizeof(first.id), "first");
    first.verified_ms = now_ms - 1000;
    fixture_operations = both;
    fixture_operation_count = 2;
    memset(fixture_believed_ms, 0, sizeof(fixture_believed_ms));
    expect_proof("first");
    expect_proof("second"); /* in the same moment, but it has one of its own */
    expect_proof("second"); /* Pacemaker's duplicate */
    for (size_t i = 0; i < 2; i++)
        fixture_believed_ms[i] -= HISTORY_SAME_FENCE_MS + 1;
    expect_proof("no evidence");
    fixture_operation_count = 0;
}

/* ---- answers at once ---- */

static void test_a_question_is_answered_in_text_and_json(void **state)
{
    (void)state;
    looks = 0;
    expect(ask(TEXT_REQUEST("GET /v1/guests?view=list")), "HTTP/1.1 200 OK\r\n",
           "\r\n\r\n101,web1\n101,node1\n");
    assert_int_equal(looks, 0); /* that one is for Pacemaker */
    expect(ask("GET /v1/guests HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\nContent-Type: application/json",
           "\"web1\"");
    expect(ask(TEXT_REQUEST("GET /v1/status")), "HTTP/1.1 200 OK\r\n", "Verdict: ");
    assert_int_equal(looks, 2);
    expect(ask(TEXT_REQUEST("GET /v1/operations")), "HTTP/1.1 200 OK\r\n", "No operation");
    expect(ask(TEXT_REQUEST("GET /metrics")), "HTTP/1.1 200 OK\r\n",
           "fence_broker_connections{socket=\"broker\"} 1\n");
    expect(ask(TEXT_REQUEST("POST /v1/guests/web1/off?dry-run=1")), "HTTP/1.1 200 OK\r\n",
           "web1 would be tried\n");
}

static void test_what_cannot_be_asked_is_refused_with_its_code(void **state)
{
    (void)state;
    expect(ask(TEXT_REQUEST("GET /v1/nothing")), "HTTP/1.1 404 ", "not-found: ");
    expect(ask(TEXT_REQUEST("GET /v1/guests/web1/off")), "HTTP/1.1 405 ", "\r\nAllow: POST\r\n");
    expect(ask(TEXT_REQUEST("GET /v1/guests?view=all")), "HTTP/1.1 400 ", "allowed: list, list-status");
    expect(ask(TEXT_REQUEST("POST /v1/guests/web1/off?method=hammer")), "HTTP/1.1 400 ",
           "allowed: onoff, cycle");
    expect(ask(TEXT_REQUEST("GET /v1/status?strict=1")), "HTTP/1.1 400 ", "view=monitor");
    expect(ask(TEXT_REQUEST("GET /v1/operations/none")), "HTTP/1.1 404 ", "not-found: ");
    expect(ask("GET /v1/operations/none HTTP/1.0\r\n\r\n"), "HTTP/1.1 404 ",
           "{\"error\":{\"code\":\"not-found\"");
    expect(ask("rubbish\n"), "HTTP/1.1 400 ", "bad-request: ");
    expect(ask(TEXT_REQUEST("GET /v1/status") "GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 400 ",
           "after the request");
    expect(ask("POST /v1/guests/1/off HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"), "HTTP/1.1 413 ",
           "body-too-large");
}

static void test_a_head_that_is_too_long_is_answered_although_more_comes(void **state)
{
    char big[3 * HTTP_HEAD_MAX];
    int fd = connect_to(world.path);

    (void)state;
    memset(big, 'x', sizeof(big));
    memcpy(big, "GET /", 5);
    assert_int_equal(send(fd, big, sizeof(big), MSG_NOSIGNAL), sizeof(big));
    expect(fd, "HTTP/1.1 431 ", "head-too-large: ");
}

static void test_a_head_may_come_byte_by_byte(void **state)
{
    static const char head[] = TEXT_REQUEST("GET /v1/guests?view=list");
    int fd = connect_to(world.path);

    (void)state;
    for (size_t i = 0; i < sizeof(head) - 1; i++) {
        assert_int_equal(send(fd, head + i, 1, MSG_NOSIGNAL), 1);
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    }
    expect(fd, "HTTP/1.1 200 OK\r\n", "101,web1\n");
}

static void test_a_request_that_ends_early_is_told_so(void **state)
{
    int fd = ask("GET /v1/status HTTP/1.1\r\n");

    (void)state;
    shutdown(fd, SHUT_WR);
    expect(fd, "HTTP/1.1 400 ", "ended before its empty line");
    close(connect_to(world.path)); /* one that says nothing costs nothing */
    run_until(nobody_is_there, NULL);
}

static void test_a_large_answer_reaches_a_slow_reader_whole(void **state)
{
    enum { MANY = 3000 };
    struct inventory_builder *builder = inventory_builder_new(NULL);

    (void)state;
    for (int i = 0; i < MANY; i++) {
        char name[32];
        const struct guest guest = FIXTURE_GUEST(1000 + i, name, "pve1", .lock = (char *)"a-lock");

        snprintf(name, sizeof(name), "a-guest-with-a-name-%d", i);
        assert_true(inventory_builder_guest(builder, &guest));
    }
    inventory_unref(rooms.inventory);
    rooms.inventory = inventory_builder_finish(builder, FIXTURE_TAKEN_MS);
    _cleanup_(text_clear) struct text got = hear(ask("GET /v1/guests HTTP/1.0\r\n\r\n"));
    const char *length = strstr(got.data, "Content-Length: "), *body = strstr(got.data, "\r\n\r\n");
    assert_true(length && body);
    assert_int_equal(strtoul(length + 16, NULL, 10), got.length - (size_t)(body + 4 - got.data));
    assert_true(got.length > 1000000);
}

static void test_a_status_is_written_once_for_all_that_ask_at_once(void **state)
{
    enum { MANY = 30 };
    int fds[MANY];

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        fds[i] = ask(TEXT_REQUEST("GET /v1/status"));
    for (size_t i = 0; i < MANY; i++)
        expect(fds[i], "HTTP/1.1 200 OK\r\n", "Verdict: ");
    assert_true(rooms.described >= 1 && rooms.described < MANY); /* again in the next millisecond */
}

static void test_a_status_shows_what_was_asked_just_before_it(void **state)
{
    int before = ask(TEXT_REQUEST("GET /v1/status")), json = ask("GET /v1/status HTTP/1.0\r\n\r\n"),
        off = ask(TEXT_REQUEST("POST /v1/guests/web1/off")), after = ask(TEXT_REQUEST("GET /v1/status"));

    (void)state;
    expect(before, "HTTP/1.1 200 OK\r\n", "Under way   0 operations");
    expect(json, "HTTP/1.1 200 OK\r\n", "\"operations_running\":0");
    expect(after, "HTTP/1.1 200 OK\r\n", "Under way   1 operations");
    close(off);
}

static void test_what_comes_behind_a_request_does_not_cost_the_answer(void **state)
{
    int fd = ask(TEXT_REQUEST("GET /v1/guests/web1?view=power"));
    struct pve_status status = {.vmid = 101};

    (void)state;
    run_until(somebody_asks, NULL);
    rooms.power(rooms.context, ENGINE_POWER_OFF, &status, "pve1", NULL);
    say(fd, "more");
    expect(fd, "HTTP/1.1 200 OK\r\n", "\r\n\r\noff\n");
}

/* ---- askers that wait ---- */

static void test_an_operation_is_answered_when_it_ends(void **state)
{
    const struct operation operation = {.id = "op1",
                                        .action = FENCE_REBOOT,
                                        .guest = (char *)"web1",
                                        .vmid = 101,
                                        .requested_ms = 1000,
                                        .verified_ms = 1800};
    int fd = ask("POST /v1/guests/web1/reboot?method=cycle HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n"
                 "Content-Length: 0\r\nRequest-Id: abc-1\r\n\r\n");

    (void)state;
    run_until(somebody_asks, NULL);
    assert_string_equal(rooms.plug, "web1");
    assert_string_equal(rooms.request_id, "abc-1");
    assert_int_equal(rooms.action, FENCE_REBOOT);
    assert_int_equal(rooms.method, FENCE_CYCLE);
    assert_int_equal(rooms.peer.uid, geteuid());
    assert_int_equal(rooms.peer.pid, getpid());
    rooms.answer(rooms.context, &operation, NULL);
    expect(fd, "HTTP/1.1 200 OK\r\n", "reboot of web1 (101) done in 800 ms, operation op1\n");
    assert_int_equal(rooms.left, 0);
}

/* When the engine takes it to have been asked for, with these header lines. */
static int64_t asked_with(const char *headers)
{
    char head[256];
    snprintf(head, sizeof(head), "POST /v1/guests/web1/off HTTP/1.1\r\nHost: x\r\n%s\r\n", headers);
    rooms.asker = 0;
    int fd = ask(head);
    run_until(somebody_asks, NULL);
    rooms.answer(rooms.context, NULL, NULL);
    expect(fd, "HTTP/1.1 200 OK\r\n", "{}\n");
    return rooms.asked_ms;
}

static void test_an_asker_is_believed_that_it_asked_earlier(void **state) /* P4 */
{
    (void)state;
    int64_t before_ms = clock_now_ms();
    char later[64];
    snprintf(later, sizeof(later), "Asked-At: %lld\r\n", (long long)before_ms + 3600000);
    assert_int_equal(asked_with("Asked-At: 1\r\n"), 1);
    const char *const not_earlier[] = {"", "Asked-At: 0\r\n", later};
    for (size_t i = 0; i < ARRAY_LEN(not_earlier); i++) {
        int64_t asked_ms = asked_with(not_earlier[i]); /* before the clock is read again */
        assert_in_range(asked_ms, before_ms, clock_now_ms());
    }
}

static void test_it_is_known_whether_an_asker_is_there_before_its_end_is_read(void **state) /* P4 */
{
    (void)state;
    int fd = ask("POST /v1/guests/web1/off HTTP/1.1\r\nHost: x\r\n\r\n");
    run_until(somebody_asks, NULL);
    assert_true(rooms.is_there(rooms.context));
    shutdown(fd, SHUT_WR); /* it still reads */
    assert_true(rooms.is_there(rooms.context));
    close(fd);
    assert_false(rooms.is_there(rooms.context));
}

static void test_an_operation_that_failed_says_why_and_which(void **state)
{
    const struct operation operation = {.id = "op7"};
    struct error error;
    int fd = ask("POST /v1/guests/web1/off HTTP/1.0\r\n\r\n");

    (void)state;
    run_until(somebody_asks, NULL);
    error_set(&error, ERROR_LOCKED, "guest 101 is locked (backup)");
    rooms.answer(rooms.context, &operation, &error);
    expect(fd, "HTTP/1.1 503 Service Unavailable\r\n", "\"operation\":\"op7\"");
}

static void test_what_the_engine_refuses_is_answered_at_once(void **state)
{
    (void)state;
    error_set(&rooms.refusal, ERROR_UNKNOWN_PLUG, "no guest is called x");
    expect(ask(TEXT_REQUEST("POST /v1/guests/x/off")), "HTTP/1.1 404 ",
           "unknown-plug: no guest is called x\nhint: ");
    expect(ask(TEXT_REQUEST("GET /v1/guests/x?view=power")), "HTTP/1.1 404 ", "unknown-plug: ");
}

static void test_a_rehearsal_is_answered_with_its_result(void **state)
{
    const struct rehearsal_report accepted = {
        .vmid = 101, .node = "pve1", .endpoint = "192.0.2.1", .result = PROBE_ACCEPTED, .took_ms = 12};
    struct rehearsal_report refused = accepted;
    struct error error;
    int fd = ask(TEXT_REQUEST("POST /v1/guests/web1/rehearse"));

    (void)state;
    run_until(somebody_asks, NULL);
    assert_string_equal(rooms.plug, "web1");
    rooms.rehearsed(rooms.context, &accepted, NULL);
    expect(fd, "HTTP/1.1 200 OK\r\n", "\r\n\r\naccepted: web1 (101) on pve1 in 12 ms, asked at 192.0.2.1\n");
    rooms.asker = 0;
    fd = ask("POST /v1/guests/web1/rehearse HTTP/1.0\r\n\r\n");
    run_until(somebody_asks, NULL);
    error_set(&error, ERROR_NO_POWER_RIGHT, "403 says Proxmox");
    refused.result = PROBE_REFUSED;
    refused.error = &error;
    rooms.rehearsed(rooms.context, &refused, NULL);
    expect(fd, "HTTP/1.1 200 OK\r\n",
           "{\"exit_status\":1,\"rehearsal\":{\"vmid\":101,\"name\":\"web1\",\"node\":\"pve1\",\"endpoint\":"
           "\"192.0.2.1\","
           "\"result\":\"refused\",\"took_ms\":12,\"error\":{\"code\":\"no-power-right\"");
    rooms.asker = 0;
    fd = ask(TEXT_REQUEST("POST /v1/guests/web1/rehearse"));
    run_until(somebody_asks, NULL);
    error_set(&error, ERROR_TOO_MANY, "an operation is under way");
    rooms.rehearsed(rooms.context, NULL, &error);
    expect(fd, "HTTP/1.1 503 ", "too-many: an operation is under way\nhint: ");
}

static void test_who_asked_for_a_rehearsal_may_leave(void **state)
{
    int fd = ask(TEXT_REQUEST("POST /v1/guests/web1/rehearse"));

    (void)state;
    run_until(somebody_asks, NULL);
    close(fd);
    run_until(the_asker_left, NULL);
    assert_int_equal(server_connections(world.server), 0);
    expect(ask(TEXT_REQUEST("GET /v1/guests?view=rehearse")), "HTTP/1.1 200 ", "\r\n\r\n101,web1\n");
}

#define MEMBER_UID 3001

static void test_the_engine_learns_that_an_asker_left(void **state)
{
    int fd = ask(TEXT_REQUEST("POST /v1/guests/web1/off"));

    (void)state;
    run_until(somebody_asks, NULL);
    close(fd);
    run_until(the_asker_left, NULL);
    assert_int_equal(server_connections(world.server), 0);
}

/* All of it came, and nobody reads the answer: least of all may a guest be stopped for it. */
static void test_a_request_whose_asker_has_gone_is_not_begun(void **state)
{
    struct access_gate gate = open_gate;
    int fd = -1;

    (void)state;
    gate.group = getegid();
    set_gate(&gate);
    if (!connect_as(MEMBER_UID, world.path, &fd))
        skip();
    say(fd, TEXT_REQUEST("POST /v1/guests/web1/off"));
    close(fd);
    connect_as(MEMBER_UID, world.path, &fd);
    say(fd, TEXT_REQUEST("GET /v1/doctor"));
    close(fd);
    expect(ask(TEXT_REQUEST("GET /v1/guests?view=list")), "HTTP/1.1 200 ", "101,web1\n");
    assert_int_equal(rooms.asker, 0);
    assert_int_equal(server_connections(world.server), 0);
}

/* Root's is recorded: the engine has it, and that nobody is there. */
static void test_a_request_of_roots_that_has_gone_is_known_to_the_engine(void **state)
{
    (void)state;
    close(ask(TEXT_REQUEST("POST /v1/guests/web1/off")));
    run_until(somebody_asks, NULL);
    assert_false(rooms.is_there(rooms.context));
    run_until(the_asker_left, NULL);
    assert_int_equal(server_connections(world.server), 0);
}

static void test_an_asker_that_closed_its_direction_still_waits(void **state)
{
    struct pve_status status = {.vmid = 101};
    int fd = ask(TEXT_REQUEST("GET /v1/guests/web1?view=power"));

    (void)state;
    shutdown(fd, SHUT_WR);
    run_until(somebody_asks, NULL);
    for (int i = 0; i < 5; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    assert_int_equal(rooms.left, 0);
    rooms.power(rooms.context, ENGINE_POWER_OFF, &status, "pve1", NULL);
    expect(fd, "HTTP/1.1 200 OK\r\n", "\r\n\r\noff\n");
}

static void test_an_asker_that_closed_its_direction_and_then_leaves_is_noticed(void **state)
{
    int fd = ask(TEXT_REQUEST("POST /v1/guests/web1/off"));

    (void)state;
    shutdown(fd, SHUT_WR);
    run_until(somebody_asks, NULL);
    close(fd);
    run_until(the_asker_left, NULL);
}

static void test_at_the_end_waiting_askers_get_no_answer_at_all(void **state)
{
    int waiting = ask(TEXT_REQUEST("POST /v1/guests/web1/off")), late;

    (void)state;
    run_until(somebody_asks, NULL);
    error_set(&rooms.refusal, ERROR_INTERRUPTED, "the broker is going down");
    late = ask(TEXT_REQUEST("POST /v1/guests/web1/off"));
    for (int i = 0; i < 5; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    assert_int_equal(server_connections(world.server), 2);
    server_drop_waiting(world.server);
    assert_int_equal(server_connections(world.server), 0);
    expect_nothing(waiting);
    expect_nothing(late);
}

/* ---- monitor ---- */

static void test_a_monitor_waits_for_the_first_knowledge(void **state)
{
    struct inventory *first = TAKE(rooms.inventory);
    int fd = ask(TEXT_REQUEST("GET /v1/status?view=monitor")),
        list = ask(TEXT_REQUEST("GET /v1/guests?view=list"));

    (void)state;
    for (int i = 0; i < 8; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    server_round_ended(world.server); /* a round that learnt nothing */
    for (int i = 0; i < 8; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    assert_int_equal(server_connections(world.server), 2);

    const struct guest guest = *inventory_get(first, 0);
    struct inventory_builder *builder = inventory_builder_new(first);
    assert_true(inventory_builder_guest(builder, &guest) && inventory_builder_node(builder, "pve1", true));
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    rooms.inventory = inventory_builder_finish(builder, (int64_t)now.tv_sec * 1000);
    inventory_unref(first);
    server_round_ended(world.server);
    expect(fd, "HTTP/1.1 503 ", "minority: "); /* one of three hosts: knowledge, if no good news */
    expect(list, "HTTP/1.1 200 ", "101,web1\n");
}

static void test_a_monitor_with_old_knowledge_asks_for_a_poll(void **state)
{
    int fd = ask(TEXT_REQUEST("GET /v1/status?view=monitor")); /* the inventory was taken long ago */

    (void)state;
    for (int i = 0; i < 8; i++)
        event_base_loop(world.base, EVLOOP_NONBLOCK);
    assert_int_equal(rooms.polls_asked, 1);
    error_set(&rooms.poll_error, ERROR_NO_ENDPOINT, "pve1: no route to host");
    server_round_ended(world.server);
    expect(fd, "HTTP/1.1 503 ", "pve1: no route to host");
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_a_question_is_answered_in_text_and_json),
        SERVER_TEST(test_a_clock_that_was_set_makes_no_proof_older_than_it_is),
        SERVER_TEST(test_a_proof_is_the_evidence_of_one_fence),
        SERVER_TEST(test_what_cannot_be_asked_is_refused_with_its_code),
        SERVER_TEST(test_a_head_that_is_too_long_is_answered_although_more_comes),
        SERVER_TEST(test_a_head_may_come_byte_by_byte),
        SERVER_TEST(test_a_request_that_ends_early_is_told_so),
        SERVER_TEST(test_a_large_answer_reaches_a_slow_reader_whole),
        SERVER_TEST(test_a_status_is_written_once_for_all_that_ask_at_once),
        SERVER_TEST(test_a_status_shows_what_was_asked_just_before_it),
        SERVER_TEST(test_what_comes_behind_a_request_does_not_cost_the_answer),
        SERVER_TEST(test_an_operation_is_answered_when_it_ends),
        SERVER_TEST(test_an_asker_is_believed_that_it_asked_earlier),
        SERVER_TEST(test_it_is_known_whether_an_asker_is_there_before_its_end_is_read),
        SERVER_TEST(test_an_operation_that_failed_says_why_and_which),
        SERVER_TEST(test_what_the_engine_refuses_is_answered_at_once),
        SERVER_TEST(test_a_rehearsal_is_answered_with_its_result),
        SERVER_TEST(test_who_asked_for_a_rehearsal_may_leave),
        SERVER_TEST(test_the_engine_learns_that_an_asker_left),
        SERVER_TEST(test_a_request_whose_asker_has_gone_is_not_begun),
        SERVER_TEST(test_a_request_of_roots_that_has_gone_is_known_to_the_engine),
        SERVER_TEST(test_an_asker_that_closed_its_direction_still_waits),
        SERVER_TEST(test_an_asker_that_closed_its_direction_and_then_leaves_is_noticed),
        SERVER_TEST(test_at_the_end_waiting_askers_get_no_answer_at_all),
        SERVER_TEST(test_a_monitor_waits_for_the_first_knowledge),
        SERVER_TEST(test_a_monitor_with_old_knowledge_asks_for_a_poll),
    };

    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
