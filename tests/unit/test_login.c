/*
 * Login as the session shows it, against three scripted hosts: who waits for whose login, what a 401 leads
 * to, when a ticket is renewed and when a login is not tried.
 */
#include "session_fixture.h"

#include "system/cleanup.h"
#include "system/jitter.h"

/* ---- login ---- */

static void test_a_call_waits_for_the_login_and_carries_its_ticket_encoded(void **state)
{
    (void)state;
    struct world *world = begin();
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    assert_string_equal(last_request(world, LOGIN)->body, "username=fence%40pve&password=p%2Bw%20d");
    assert_null(strstr(last_request(world, LOGIN)->raw, "Cookie"));
    const char *stop = last_request(world, STOP)->raw;
    assert_holds(stop, "\r\nCookie: PVEAuthCookie=PVE%3Afence%40pve%3A00000001%3A%3Aa%2B%2Fb%3D\r\n");
    assert_holds(stop, "\r\nCSRFPreventionToken: csrf1\r\n");
    ask(world, API_STATUS);
    assert_null(strstr(last_request(world, READ)->raw, "CSRF"));
    struct session_description description;
    session_describe(world->session, &description);
    assert_true(description.ready);
    assert_int_equal(description.logins, 1);
    end(world);
}

static void test_many_waiting_calls_share_one_login(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, hold_logins = true);
    for (int i = 0; i < 20; i++)
        send_call(world, API_STATUS);
    turn_until(world, LOGIN, 1);
    fake_release(world->hosts[0]);
    await(world, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(world->answers[i].outcome, API_OK);
    assert_int_equal(total(world, LOGIN), 1);
    end(world);
}

static void test_a_401_leads_to_one_new_login_and_every_call_again(void **state)
{
    (void)state;
    struct world *world = begin();
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    SET(world, oldest_valid = 2);
    for (int i = 0; i < 5; i++)
        send_call(world, i % 2 ? API_STOP : API_STATUS);
    await(world, 6);
    for (int i = 1; i < 6; i++)
        assert_int_equal(world->answers[i].outcome, API_OK);
    assert_int_equal(total(world, LOGIN), 2);
    assert_int_equal(total(world, STOP), 4); /* refused, and carried out */
    end(world);
}

static void test_a_call_that_all_refuse_after_a_new_login_ends(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, oldest_valid = 1000);
    const struct answer *answer = ask(world, API_STOP);
    assert_int_equal(answer->outcome, API_REFUSED);
    assert_int_equal(answer->status, 401);
    assert_int_equal(answer->error.code, ERROR_NO_SESSION);
    assert_int_equal(total(world, STOP), 1 + HOSTS);
    assert_int_equal(total(world, LOGIN), 2);
    end(world);
}

static void test_a_refused_token_is_said_with_the_way_out(void **state)
{
    (void)state;
    struct world *world = begin_as(token("bad"));
    SET(world, token = "fence@pve!t=good");
    const struct answer *answer = ask(world, API_STOP);
    assert_int_equal(answer->status, 401);
    assert_holds(answer->error.hint, "pveum user token list fence@pve`");
    assert_int_equal(total(world, STOP), HOSTS);
    end(world);
}

static void test_a_token_needs_no_login_and_sends_no_csrf_token(void **state)
{
    (void)state;
    struct world *world = begin_as(token("good"));
    SET(world, token = "fence@pve!t=good");
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    assert_holds(last_request(world, STOP)->raw, "\r\nAuthorization: PVEAPIToken=fence@pve!t=good\r\n");
    assert_null(strstr(last_request(world, STOP)->raw, "CSRF"));
    assert_int_equal(total(world, ""), 1);
    end(world);
}

static void test_a_call_refused_under_an_old_token_is_repeated_under_the_new_one(void **state)
{
    (void)state;
    struct world *world = begin_as(token("old"));
    struct session_credentials next = token("new");
    SET(world, token = "fence@pve!t=old");
    SET(world, calls = hold_calls);
    send_call(world, API_STOP);
    turn_until_held(world, 1);
    SET(world, token = "fence@pve!t=new");
    SET(world, calls = NULL);
    assert_true(session_set_credentials(world->session, &next));
    assert_null(next.secret);
    fake_release(world->hosts[0]);
    await(world, 1);
    assert_int_equal(world->answers[0].outcome, API_OK);
    end(world);
}

static void test_new_credentials_wake_those_who_wait_for_the_old_login(void **state)
{
    (void)state;
    struct world *world = begin();
    struct session_credentials next = password("other");
    SET(world, hold_logins = true);
    send_call(world, API_STATUS);
    turn_until_held(world, 1);
    SET(world, hold_logins = false);
    assert_true(session_set_credentials(world->session, &next));
    await(world, 1);
    assert_int_equal(world->answers[0].outcome, API_OK);
    assert_int_equal(total(world, LOGIN), 2);
    end(world);
}

static void test_a_refused_login_pauses_and_the_pauses_grow(void **state)
{
    (void)state;
    struct world *world = begin();
    world->purpose = TRAFFIC_POLL;
    SET(world, refuse_password = true);
    const struct answer *answer = ask(world, API_STATUS);
    assert_int_equal(answer->outcome, API_UNSENT);
    assert_int_equal(answer->error.code, ERROR_NO_SESSION);
    assert_holds(answer->error.hint, "pveum user list");
    answer = ask(world, API_STOP); /* during the pause: at once, and with the same cause */
    assert_int_equal(answer->outcome, API_UNSENT);
    assert_holds(answer->error.message, "authentication failure");
    assert_int_equal(total(world, LOGIN), HOSTS);
    monotonic_ahead_ms += LOGIN_REFUSED_PAUSE_MS + 1000;
    ask(world, API_STATUS);
    assert_int_equal(total(world, LOGIN), 2 * HOSTS);
    monotonic_ahead_ms += LOGIN_REFUSED_PAUSE_MS + 1000;
    ask(world, API_STATUS);
    assert_int_equal(total(world, LOGIN), 2 * HOSTS);
    monotonic_ahead_ms += LOGIN_REFUSED_PAUSE_MS;
    SET(world, refuse_password = false);
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    end(world);
}

static void test_a_fence_does_not_wait_as_long_as_the_pauses_have_grown(void **state)
{
    (void)state;
    struct world *world = begin();
    world->purpose = TRAFFIC_POLL;
    SET(world, refuse_password = true);
    for (unsigned logins = 1; logins <= 3; logins++) {
        ask(world, API_STATUS);
        assert_int_equal(total(world, LOGIN), logins * HOSTS);
        monotonic_ahead_ms += (LOGIN_REFUSED_PAUSE_MS << (logins - 1)) + (logins < 3 ? 1000 : -6000);
    }
    SET(world, refuse_password = false);
    assert_int_equal(ask(world, API_STATUS)->outcome, API_UNSENT); /* 20 s are not over */
    world->purpose = TRAFFIC_FENCE;
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    end(world);
}

static void test_many_brokers_do_not_log_in_again_at_the_same_time(void **state)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    unsigned early = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        jitter_begin(&ids[i], 1);
        struct world *world = begin();
        world->purpose = TRAFFIC_POLL;
        SET(world, refuse_password = true);
        ask(world, API_STATUS);
        SET(world, refuse_password = false);
        monotonic_ahead_ms += LOGIN_REFUSED_PAUSE_MS * 5 / 4;
        early += ask(world, API_STATUS)->outcome == API_OK;
        monotonic_ahead_ms += LOGIN_REFUSED_PAUSE_MS / 4;
        assert_int_equal(ask(world, API_STATUS)->outcome, API_OK); /* all by now */
        end(world);
    }
    jitter_begin(NULL, 0);
    assert_in_range(early, 1, ARRAY_LEN(ids) - 1);
}

static void test_who_reaches_nobody_tries_more_and_more_seldom_but_for_a_fence(void **state)
{
    (void)state;
    struct world *world = begin();
    world->purpose = TRAFFIC_POLL;
    for (int i = 0; i < HOSTS; i++)
        break_host(world, i);
    for (unsigned logins = 1; logins <= 3; logins++) {
        struct session_description description;
        ask(world, API_STATUS);
        session_describe(world->session, &description);
        assert_int_equal(description.login_failures, logins);
        monotonic_ahead_ms += 2 * LOGIN_UNREACHED_PAUSE_MS; /* the second pause; the third is twice as long */
    }
    for (int i = 0; i < HOSTS; i++)
        fake_set_greeting(world->hosts[i], FAKE_TLS);
    assert_int_equal(ask(world, API_STATUS)->outcome, API_UNSENT);
    world->purpose = TRAFFIC_FENCE;
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    end(world);
}

static void test_new_credentials_end_the_pause(void **state)
{
    (void)state;
    struct world *world = begin();
    struct session_credentials next = password("right");
    SET(world, refuse_password = true);
    ask(world, API_STATUS);
    SET(world, refuse_password = false);
    session_set_credentials(world->session, &next);
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    end(world);
}

static void test_a_login_that_reaches_nobody_ends_those_who_wait_and_is_not_hammered(void **state)
{
    (void)state;
    struct world *world = begin();
    struct session_description description;
    for (int i = 0; i < HOSTS; i++)
        break_host(world, i);
    send_call(world, API_STATUS);
    send_call(world, API_STOP);
    await(world, 2);
    assert_int_equal(world->answers[1].outcome, API_UNSENT);
    assert_int_equal(world->answers[1].error.code, ERROR_NO_ENDPOINT);
    session_describe(world->session, &description);
    assert_int_equal(description.login_failures, 1);
    assert_false(description.ready);
    for (int i = 0; i < HOSTS; i++)
        assert_int_equal(fake_connections(world->hosts[i]), 1);
    end(world);
}

static void test_the_deadline_holds_while_a_login_is_awaited(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, hold_logins = true);
    send_for(world, API_STOP, "pve1", 150, 0);
    await(world, 1);
    assert_int_equal(world->answers[0].outcome, API_UNSENT);
    assert_int_equal(world->answers[0].error.code, ERROR_NO_SESSION);
    assert_int_equal(total(world, STOP), 0);
    end(world);
}

static void test_a_login_goes_on_to_the_next_host(void **state)
{
    (void)state;
    struct world *world = begin();
    break_host(world, 0);
    break_host(world, 1);
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    assert_string_equal(world->answers[0].endpoint, "pve3");
    end(world);
}

static void test_what_is_no_ticket_is_said_and_not_asked_for_again_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *data, *words;
    } cases[] = {
        {"{\"NeedTFA\":1,\"ticket\":\"PVE:!tfa!x\",\"CSRFPreventionToken\":\"c\"}", "second factor"},
        {"{\"ticket\":\"PVE:fence@pve:x\"}", "sent no ticket"},
        {"{\"ticket\":\"x\",\"CSRFPreventionToken\":\"c\"}", "sent no ticket"},
        {"null", "sent no ticket"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *world = begin();
        SET(world, ticket = cases[i].data);
        assert_int_equal(ask(world, API_STOP)->outcome, API_UNSENT);
        assert_holds(world->answers[0].error.message, cases[i].words);
        ask(world, API_STOP);
        assert_int_equal(total(world, ""), 1);
        end(world);
    }
}

/* ---- renewal ---- */

static void test_the_ticket_is_renewed_with_itself_at_half_its_life(void **state)
{
    (void)state;
    struct world *world = begin();
    ask(world, API_STATUS);
    boottime_ahead_ms = HOUR_MS - 60000;
    ask(world, API_STATUS);
    assert_int_equal(total(world, LOGIN), 1);
    boottime_ahead_ms = HOUR_MS;
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    turn_until(world, LOGIN, 2);
    assert_string_equal(last_request(world, LOGIN)->body,
                        "username=fence%40pve&password=PVE%3Afence%40pve%3A00000001%3A%3Aa%2B%2Fb%3D");
    struct session_description description = {0};
    while (description.logins < 2) {
        event_base_loop(world->base, EVLOOP_NONBLOCK);
        session_describe(world->session, &description);
    }
    ask(world, API_STATUS);
    assert_holds(last_request(world, READ)->raw, "%3A00000002%3A");
    assert_int_equal(total(world, LOGIN), 2);
    end(world);
}

static void test_a_refused_renewal_falls_back_to_the_password(void **state)
{
    (void)state;
    struct world *world = begin();
    ask(world, API_STATUS);
    SET(world, refuse_renewal = true);
    SET(world, oldest_valid = 2);
    boottime_ahead_ms = HOUR_MS;
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    unsigned passwords = 0;
    for (int i = 0; i < HOSTS; i++) {
        for (unsigned k = 0; k < world->hosts[i]->request_count; k++)
            passwords += strstr(world->hosts[i]->requests[k].body, "password=p%2Bw%20d") != NULL;
    }
    assert_int_equal(passwords, 2);
    end(world);
}

static void test_a_renewal_that_reaches_nobody_leaves_the_ticket_in_use(void **state)
{
    (void)state;
    struct world *world = begin();
    struct session_description description;
    ask(world, API_STATUS);
    SET(world, cut_logins_at = "Host: pve");
    boottime_ahead_ms = HOUR_MS;
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    do {
        event_base_loop(world->base, EVLOOP_NONBLOCK);
        session_describe(world->session, &description);
    } while (description.login_failures == 0);
    assert_true(description.ready);
    unsigned logins = total(world, LOGIN);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    assert_int_equal(total(world, LOGIN), logins); /* paused, not with every call */
    end(world);
}

static void test_a_renewal_outlives_the_ticket_it_was_begun_with(void **state)
{
    (void)state;
    struct world *world = begin();
    ask(world, API_STATUS);
    SET(world, hold_logins = true);
    boottime_ahead_ms = HOUR_MS;
    ask(world, API_STATUS);
    turn_until_held(world, 1); /* the renewal hangs */
    SET(world, oldest_valid = 2);
    send_call(world, API_STOP);
    turn_until(world, LOGIN, 3); /* 401: the ticket is forgotten, and the password tried elsewhere */
    SET(world, hold_logins = false);
    SET(world, cut_logins_at = "Host: pve1:");
    fake_release(world->hosts[0]);
    fake_release(world->hosts[1]);
    await(world, 3);
    assert_int_equal(world->answers[2].outcome, API_OK);
    end(world);
}

static void test_an_expired_ticket_is_not_sent(void **state)
{
    (void)state;
    struct world *world = begin();
    ask(world, API_STATUS);
    boottime_ahead_ms = 2 * HOUR_MS; /* a guest that was suspended */
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    assert_holds(last_request(world, STOP)->raw, "%3A00000002%3A");
    assert_holds(last_request(world, LOGIN)->body, "password=p%2Bw%20d");
    end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_waits_for_the_login_and_carries_its_ticket_encoded),
        cmocka_unit_test(test_many_waiting_calls_share_one_login),
        cmocka_unit_test(test_a_401_leads_to_one_new_login_and_every_call_again),
        cmocka_unit_test(test_a_call_that_all_refuse_after_a_new_login_ends),
        cmocka_unit_test(test_a_refused_token_is_said_with_the_way_out),
        cmocka_unit_test(test_a_token_needs_no_login_and_sends_no_csrf_token),
        cmocka_unit_test(test_a_call_refused_under_an_old_token_is_repeated_under_the_new_one),
        cmocka_unit_test(test_new_credentials_wake_those_who_wait_for_the_old_login),
        cmocka_unit_test(test_a_refused_login_pauses_and_the_pauses_grow),
        cmocka_unit_test(test_a_fence_does_not_wait_as_long_as_the_pauses_have_grown),
        cmocka_unit_test(test_many_brokers_do_not_log_in_again_at_the_same_time),
        cmocka_unit_test(test_who_reaches_nobody_tries_more_and_more_seldom_but_for_a_fence),
        cmocka_unit_test(test_new_credentials_end_the_pause),
        cmocka_unit_test(test_a_login_that_reaches_nobody_ends_those_who_wait_and_is_not_hammered),
        cmocka_unit_test(test_the_deadline_holds_while_a_login_is_awaited),
        cmocka_unit_test(test_a_login_goes_on_to_the_next_host),
        cmocka_unit_test(test_what_is_no_ticket_is_said_and_not_asked_for_again_at_once),
        cmocka_unit_test(test_the_ticket_is_renewed_with_itself_at_half_its_life),
        cmocka_unit_test(test_a_refused_renewal_falls_back_to_the_password),
        cmocka_unit_test(test_a_renewal_that_reaches_nobody_leaves_the_ticket_in_use),
        cmocka_unit_test(test_a_renewal_outlives_the_ticket_it_was_begun_with),
        cmocka_unit_test(test_an_expired_ticket_is_not_sent),
    };
    return cmocka_run_group_tests_name("login", tests, set_up, tear_down);
}
