/*
 * The session's calls against three scripted hosts: where a call goes next, what may never be sent twice,
 * whom a failure is counted against, and what ends a call.
 */
#include "session_fixture.h"

/* ---- where a call goes ---- */

static void test_the_host_of_the_guest_is_asked_first_and_the_avoided_last(void **state)
{
    (void)state;
    struct world *world = begin();
    for (size_t i = 0; i < HOSTS; i++)
        endpoints_answered(world->endpoints, i, NULL, 1);
    ask(world, API_STATUS);
    send_for(world, API_STATUS, "pve3", LONG_MS, 0);
    await(world, 2);
    assert_string_equal(world->answers[1].endpoint, "pve3");
    send_for(world, API_STATUS, "pve3", LONG_MS, UINT64_C(4) | UINT64_C(1));
    await(world, 3);
    assert_string_equal(world->answers[2].endpoint, "pve2");
    send_for(world, API_STATUS, "pve3", LONG_MS, UINT64_C(7));
    await(world, 4);
    assert_string_equal(world->answers[3].endpoint, "pve3");
    end(world);
}

static void misbehave_on_pve1(struct fake_exchange *exchange)
{
    if (!strstr(exchange->request->raw, "Host: pve1:"))
        fake_fitting(exchange);
    else if (strstr(exchange->request->raw, "nodes/cutter/"))
        fake_cut(exchange);
    else if (strstr(exchange->request->raw, "nodes/far/"))
        fake_answer(exchange, 595, "No route to host", "");
    else
        fake_answer(exchange, 500, "VM 101 not running", "");
}

static const struct answer *ask_node(struct world *world, enum api_call call, const char *node)
{
    for (size_t i = 0; i < HOSTS; i++)
        endpoints_answered(world->endpoints, i, NULL, 1); /* pve1 leads */
    send_for(world, call, node, LONG_MS, 0);
    await(world, world->answered + 1);
    return &world->answers[world->answered - 1];
}

static void test_a_read_goes_on_and_a_power_call_does_not(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, calls = misbehave_on_pve1);
    const struct answer *answer = ask_node(world, API_STATUS, "cutter");
    assert_int_equal(answer->outcome, API_OK);
    assert_string_equal(answer->endpoint, "pve2");
    assert_int_equal(ask_node(world, API_STOP, "cutter")->outcome, API_LOST);
    assert_int_equal(total(world, "POST /api2/json/nodes/cutter"), 1);
    assert_string_equal(ask_node(world, API_STATUS, "far")->endpoint, "pve2");
    assert_int_equal(ask_node(world, API_STOP, "far")->status, 595);
    assert_int_equal(total(world, "POST /api2/json/nodes/far"), 1);
    assert_int_equal(ask_node(world, API_STATUS, "pve9")->status, 500); /* Proxmox's word: final */
    end(world);
}

/* ---- endpoints that answer, and fail ---- */

static void probe(struct world *world, size_t index)
{
    assert_true(session_probe(world->session, index, &(struct api_request){.call = API_VERSION}, 4000,
                              on_result, world) != 0);
    await(world, world->answered + 1);
}

static const struct misbehaviour {
    int status;
    const char *reason;
} misbehaviours[] = {
    {500, "ipcc_send_rec[1] failed: Connection refused"},
    {404, "Not Found"},
    {401, "Authentication failed!"},
    {502, "Bad Gateway"},
};
static _Atomic size_t misbehaviour;

static void fail_on_pve1(struct fake_exchange *exchange)
{
    const struct misbehaviour *now = &misbehaviours[misbehaviour];
    if (strstr(exchange->request->raw, "Host: pve1:"))
        fake_answer(exchange, now->status, now->reason, "");
    else
        fake_fitting(exchange);
}

static void test_an_endpoint_that_fails_hides_no_healthy_one(void **state)
{
    (void)state;
    for (misbehaviour = 0; misbehaviour < sizeof(misbehaviours) / sizeof(misbehaviours[0]); misbehaviour++) {
        struct world *world = begin_as(token("good"));
        struct session_description description;
        SET(world, token = "fence@pve!t=good");
        SET(world, calls = fail_on_pve1);
        const struct answer *answer = ask(world, API_NODES);
        assert_int_equal(answer->outcome, API_OK);
        assert_string_equal(answer->endpoint, "pve2");
        const struct endpoint *bad = endpoints_get(world->endpoints, 0);
        assert_int_equal(bad->state, ENDPOINT_DOWN);
        assert_holds(bad->error.message, misbehaviours[misbehaviour].reason);
        assert_string_equal(ask(world, API_STATUS)->endpoint, "pve2"); /* asked last */
        assert_string_equal(ask(world, API_STOP)->endpoint, "pve2");
        probe(world, 0);
        session_describe(world->session, &description);
        assert_true(description.ready);
        assert_int_equal(total(world, STOP), 1);
        SET(world, calls = NULL);
        probe(world, 0); /* what it was asked last, and refused */
        assert_int_equal(bad->state, ENDPOINT_UP);
        end(world);
    }
}

static void test_a_power_call_that_fails_goes_nowhere_by_itself(void **state)
{
    (void)state;
    for (misbehaviour = 0; misbehaviour < sizeof(misbehaviours) / sizeof(misbehaviours[0]); misbehaviour++) {
        struct world *world = begin_as(token("good"));
        SET(world, token = "fence@pve!t=good");
        SET(world, calls = fail_on_pve1);
        const struct answer *answer = ask(world, API_STOP);
        bool looked_at = misbehaviours[misbehaviour].status != 401;
        assert_int_equal(answer->outcome, looked_at ? API_REFUSED : API_OK);
        assert_int_equal(total(world, STOP), looked_at ? 1 : 2);
        end(world);
    }
}

/* One host's clock is wrong, and its 401 comes back by whoever passes the call on to it. */
static void refuse_for_pve1(struct fake_exchange *exchange)
{
    if (strstr(exchange->request->raw, "/nodes/pve1/"))
        fake_answer(exchange, 401, "Authentication failed!", "");
    else
        fake_fitting(exchange);
}

static void test_a_hosts_own_401_ends_no_session(void **state)
{
    (void)state;
    struct session_description description;
    struct world *world = begin_as(token("good"));
    SET(world, token = "fence@pve!t=good");
    SET(world, calls = refuse_for_pve1);
    ask(world, API_NODES);
    assert_int_equal(ask(world, API_STATUS)->status, 401);
    session_describe(world->session, &description);
    assert_true(description.ready);
    assert_int_equal(endpoints_up(world->endpoints), HOSTS);
    for (size_t i = 0; i < HOSTS; i++)
        assert_int_equal(endpoints_get(world->endpoints, i)->error.code, ERROR_NONE);
    end(world);
}

static void test_a_power_call_that_was_not_sent_goes_on(void **state)
{
    (void)state;
    struct world *world = begin();
    ask(world, API_STATUS);
    break_host(world, 0);
    const struct answer *answer = ask(world, API_STOP);
    assert_int_equal(answer->outcome, API_OK);
    assert_string_equal(answer->endpoint, "pve2");
    assert_int_equal(endpoints_get(world->endpoints, 0)->state, ENDPOINT_DOWN);
    for (int i = 0; i < HOSTS; i++)
        break_host(world, i);
    answer = ask(world, API_STOP);
    assert_int_equal(answer->outcome, API_UNSENT);
    assert_int_equal(answer->error.code, ERROR_NO_ENDPOINT);
    end(world);
}

static void test_an_attempt_that_the_deadline_cut_short_blames_no_endpoint(void **state)
{
    (void)state;
    struct world *world = begin();
    ask(world, API_STATUS);
    SET(world, calls = hold_calls);
    send_for(world, API_STATUS, "pve1", 150, 0);
    await(world, 2);
    assert_int_equal(world->answers[1].outcome, API_LOST); /* not "unsent", which the last read was not */
    assert_int_equal(endpoints_get(world->endpoints, 0)->state, ENDPOINT_UP);
    assert_int_equal(total(world, READ), 2);
    end(world);
}

static void say_garbage(struct fake_exchange *exchange)
{
    fake_answer(exchange, 200, "OK", "<html>a portal</html>");
}

static void test_garbage_proves_neither_session_nor_endpoint(void **state)
{
    (void)state;
    struct world *world = begin_as(token("good"));
    struct session_description description;
    SET(world, token = "fence@pve!t=good");
    SET(world, calls = say_garbage);
    assert_int_equal(ask(world, API_STOP)->outcome, API_LOST);
    session_describe(world->session, &description);
    assert_false(description.ready);
    assert_int_equal(endpoints_get(world->endpoints, 0)->state, ENDPOINT_DOWN);
    end(world);
}

static void cannot_reach_the_host(struct fake_exchange *exchange)
{
    fake_answer(exchange, 596, "Connection timed out", "");
}

static void test_a_check_without_a_good_answer_is_lost_and_blames_only_who_was_not_reached(void **state)
{
    (void)state;
    struct world *world = begin();
    ask(world, API_STATUS);
    SET(world, calls = say_garbage);
    break_host(world, 1);
    break_host(world, 2);
    const struct api_request request = {.call = API_STATUS, .node = "pve1", .type = PVE_QEMU, .vmid = 101};
    const struct session_route route = {
        .purpose = TRAFFIC_CHECK, .deadline_ms = clock_now_ms() + LONG_MS, .answer_timeout_ms = 4000};
    assert_true(session_call(world->session, &request, &route, on_result, world) != 0);
    await(world, 2);
    assert_int_equal(world->answers[1].outcome, API_LOST);
    assert_int_equal(world->answers[1].error.code, ERROR_PROTOCOL);
    assert_int_equal(endpoints_get(world->endpoints, 0)->state, ENDPOINT_UP);
    assert_int_equal(endpoints_get(world->endpoints, 1)->state, ENDPOINT_DOWN);
    assert_int_equal(endpoints_get(world->endpoints, 2)->state, ENDPOINT_DOWN);
    /* what the one that was reached said of the guest's host is kept */
    SET(world, calls = cannot_reach_the_host);
    assert_true(session_call(world->session, &request, &route, on_result, world) != 0);
    await(world, 3);
    assert_int_equal(world->answers[2].outcome, API_REFUSED);
    assert_int_equal(world->answers[2].status, 596);
    end(world);
}

static void test_a_probe_asks_its_own_endpoint_and_no_other(void **state)
{
    (void)state;
    struct world *world = begin();
    probe(world, 1);
    assert_string_equal(world->answers[0].endpoint, "pve2");
    break_host(world, 1);
    probe(world, 1);
    assert_int_equal(world->answers[1].outcome, API_UNSENT);
    assert_int_equal(total(world, "GET /api2/json/version"), 1);
    end(world);
}

static void test_an_endpoint_that_is_down_is_looked_up_anew(void **state)
{
    (void)state;
    struct world *world = begin();
    struct config_endpoint named = world->configured[0];
    named.address = (char[]){"pve1.example"};
    endpoints_reconfigure(world->endpoints, &named, 1);
    resolved = 0;
    probe(world, 0);
    assert_int_equal(world->answers[0].outcome, API_OK);
    probe(world, 0);
    unsigned before = resolved;
    break_host(world, 0);
    probe(world, 0); /* the known address fails */
    assert_int_equal(resolved, before);
    probe(world, 0);
    assert_true(resolved > before); /* it may have moved */
    before = resolved;
    probe(world, 0);
    assert_int_equal(resolved, before); /* or the resolver is what is broken */
    end(world);
}

static void test_a_call_without_an_answer_tells_whom_it_waits_for(void **state)
{
    (void)state;
    struct world *world = begin();
    uint64_t id = send_call(world, API_STATUS);
    assert_int_equal(session_kept_waiting_by(world->session, id, 0), 0); /* it was not sent yet */
    SET(world, calls = hold_calls);
    turn_until_held(world, 1);
    assert_int_equal(session_kept_waiting_by(world->session, id, 5000), 0);
    monotonic_ahead_ms += 5000;
    assert_int_equal(session_kept_waiting_by(world->session, id, 5000), 1);
    fake_release(world->hosts[0]);
    SET(world, calls = NULL);
    await(world, 1);
    assert_int_equal(session_kept_waiting_by(world->session, id, 0), 0);
    end(world);
}

/* ---- ends, and changes meanwhile ---- */

static void test_a_cancelled_call_is_not_answered_in_any_state(void **state)
{
    (void)state;
    struct world *world = begin();
    session_cancel(world->session, send_call(world, API_STATUS)); /* not begun */
    SET(world, hold_logins = true);
    uint64_t id = send_call(world, API_STATUS);
    turn_until_held(world, 1);
    session_cancel(world->session, id); /* waiting */
    session_cancel(world->session, id);
    SET(world, hold_logins = false);
    fake_release(world->hosts[0]);
    SET(world, calls = hold_calls);
    id = send_call(world, API_STOP);
    turn_until_held(world, 2);
    session_cancel(world->session, id); /* under way */
    fake_release(world->hosts[0]);
    SET(world, calls = NULL);
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    assert_int_equal(world->answered, 1);
    end(world);
}

static void test_a_callback_may_cancel_others_that_wait_with_it(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, refuse_password = true);
    send_call(world, API_STATUS);
    world->victim = send_call(world, API_STATUS);
    send_call(world, API_STATUS);
    await(world, 2);
    event_base_loop(world->base, EVLOOP_NONBLOCK);
    assert_int_equal(world->answered, 2);
    end(world);
}

static void hold_then_cut(struct fake_exchange *exchange)
{
    fake_hold(exchange);
    fake_cut(exchange);
}

static void test_other_endpoints_after_a_reload_are_all_tried(void **state)
{
    (void)state;
    struct world *world = begin();
    ask(world, API_STATUS);
    SET(world, calls = hold_then_cut);
    send_call(world, API_STATUS);
    turn_until_held(world, 1); /* at pve1, index 0 */
    SET(world, calls = NULL);
    fake_set_greeting(world->hosts[0], FAKE_SLAM); /* curl may try once more */
    fake_set_greeting(world->hosts[1], FAKE_SLAM);
    struct config_endpoint swapped[] = {world->configured[2], world->configured[1]};
    assert_int_equal(endpoints_reconfigure(world->endpoints, swapped, 2), 0);
    fake_release(world->hosts[0]);
    await(world, 2);
    assert_int_equal(world->answers[1].outcome, API_OK);
    assert_string_equal(world->answers[1].endpoint, "pve3"); /* index 0 again, another host */
    end(world);
}

static void test_the_end_takes_calls_in_all_states_along(void **state)
{
    (void)state;
    struct world *world = begin();
    ask(world, API_STATUS);
    SET(world, calls = hold_calls);
    send_call(world, API_STOP);
    turn_until(world, STOP, 1);
    boottime_ahead_ms = 2 * HOUR_MS;
    SET(world, hold_logins = true);
    send_call(world, API_STATUS);
    turn_until(world, LOGIN, 2);
    send_call(world, API_STATUS);
    end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_host_of_the_guest_is_asked_first_and_the_avoided_last),
        cmocka_unit_test(test_a_read_goes_on_and_a_power_call_does_not),
        cmocka_unit_test(test_an_endpoint_that_fails_hides_no_healthy_one),
        cmocka_unit_test(test_a_power_call_that_fails_goes_nowhere_by_itself),
        cmocka_unit_test(test_a_hosts_own_401_ends_no_session),
        cmocka_unit_test(test_a_power_call_that_was_not_sent_goes_on),
        cmocka_unit_test(test_an_attempt_that_the_deadline_cut_short_blames_no_endpoint),
        cmocka_unit_test(test_garbage_proves_neither_session_nor_endpoint),
        cmocka_unit_test(test_a_check_without_a_good_answer_is_lost_and_blames_only_who_was_not_reached),
        cmocka_unit_test(test_a_probe_asks_its_own_endpoint_and_no_other),
        cmocka_unit_test(test_an_endpoint_that_is_down_is_looked_up_anew),
        cmocka_unit_test(test_a_call_without_an_answer_tells_whom_it_waits_for),
        cmocka_unit_test(test_a_cancelled_call_is_not_answered_in_any_state),
        cmocka_unit_test(test_a_callback_may_cancel_others_that_wait_with_it),
        cmocka_unit_test(test_other_endpoints_after_a_reload_are_all_tried),
        cmocka_unit_test(test_the_end_takes_calls_in_all_states_along),
    };
    return cmocka_run_group_tests_name("session", tests, set_up, tear_down);
}
