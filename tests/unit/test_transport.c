/*
 * transport against a scripted TLS server: what is on the wire, what counts as sent, what as an answer.
 */
#include "transport_fixture.h"

#include <errno.h>

/* ---- the wire ---- */

static void assert_request(struct world *world, unsigned index, const char *format)
{
    char expected[1024];
    const struct fake_request *request = &world->fake->requests[index];
    snprintf(expected, sizeof(expected), "%s", format);
    char *port = strstr(expected, "8006"), digits[8];
    snprintf(digits, sizeof(digits), "%u", world->fake->port);
    if (port) {
        memmove(port + strlen(digits), port + 4, strlen(port + 4) + 1);
        memcpy(port, digits, strlen(digits));
    }
    assert_string_equal(request->raw, expected);
    assert_int_equal(request->records, 1);
}

static void test_a_power_call_leaves_head_and_body_in_one_record(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    struct transport_auth auth = {.ticket = "PVE%3Ax", .csrf = "CSRF1"};
    send_with(world, power(API_STOP), &auth, 4000);
    await(world, 1);
    assert_request(world, 0,
                   "POST /api2/json/nodes/pve1/qemu/101/status/stop HTTP/1.1\r\n"
                   "Host: pve1:8006\r\n"
                   "User-Agent: fence-broker/" FENCE_BROKER_VERSION "\r\n"
                   "Accept: */*\r\n"
                   "Cookie: PVEAuthCookie=PVE%3Ax\r\n"
                   "CSRFPreventionToken: CSRF1\r\n"
                   "Content-Length: 9\r\n"
                   "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
                   "timeout=3");
    end(world);
}

static void test_a_post_without_parameters_says_that_it_is_empty(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    struct transport_auth auth = {.authorization = "PVEAPIToken=u@pve!t=s"};
    send_with(world, power(API_START), &auth, 4000);
    await(world, 1);
    assert_request(world, 0,
                   "POST /api2/json/nodes/pve1/qemu/101/status/start HTTP/1.1\r\n"
                   "Host: pve1:8006\r\n"
                   "User-Agent: fence-broker/" FENCE_BROKER_VERSION "\r\n"
                   "Accept: */*\r\n"
                   "Authorization: PVEAPIToken=u@pve!t=s\r\n"
                   "Content-Length: 0\r\n"
                   "Content-Type: application/x-www-form-urlencoded\r\n\r\n");
    end(world);
}

static void test_a_read_carries_the_ticket_and_no_csrf_token(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    struct transport_auth auth = {.ticket = "PVE%3Ax", .csrf = "CSRF1"};
    send_with(world, version(), &auth, 4000);
    await(world, 1);
    assert_request(world, 0,
                   "GET /api2/json/version HTTP/1.1\r\n"
                   "Host: pve1:8006\r\n"
                   "User-Agent: fence-broker/" FENCE_BROKER_VERSION "\r\n"
                   "Accept: */*\r\n"
                   "Cookie: PVEAuthCookie=PVE%3Ax\r\n\r\n");
    end(world);
}

static void test_a_proxy_in_the_environment_is_not_used(void **state)
{
    (void)state;
    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    struct world *world = begin(NULL);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    end(world);
    unsetenv("https_proxy");
    unsetenv("ALL_PROXY");
}

static void test_a_call_that_cannot_be_built_is_not_begun(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    struct api_request request = power(API_STOP);
    request.node = "pve1/../..";
    assert_true(send_with(world, request, NULL, 4000) == 0);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(fake_count(world->fake, ""), 1);
    end(world);
}

static void test_a_libcurl_that_is_not_openssls_is_refused(void **state)
{
    (void)state;
    struct error error = {0};
    curl_claims_gnutls = true;
    assert_int_equal(transport_global_init(&error), -ENOTSUP);
    curl_claims_gnutls = false;
    assert_holds(error.message, "GnuTLS/3.7.9");
    assert_holds(error.hint, "OpenSSL flavour of libcurl");
    transport_global_cleanup(); /* it counts */
}

/* ---- certainly not sent ---- */

static void test_where_nobody_listens_nothing_was_sent(void **state)
{
    (void)state;
    struct world *world = begin_with(NULL, ca->pem, TRAFFIC_FENCE);
    int held = fake_bind(&world->endpoint.port); /* bound, not listening: refused, and nobody else's */
    assert_says(ask(world, power(API_STOP)), API_UNSENT, ERROR_NO_ENDPOINT, "stop at pve1");
    close(held);
    end(world);
}

static void test_a_connection_that_ends_before_the_handshake_sent_nothing(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    fake_set_greeting(world->fake, FAKE_SLAM);
    assert_says(ask(world, power(API_STOP)), API_UNSENT, ERROR_NO_ENDPOINT, "stop at pve1");
    end(world);
}

static void test_a_handshake_without_end_is_unsent_in_time(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    fake_set_greeting(world->fake, FAKE_MUTE);
    assert_says(ask_within(world, power(API_STOP), SOON_MS), API_UNSENT, ERROR_NO_ENDPOINT,
                "could not be reached within 150 ms");
    end(world);
}

static void test_a_name_that_is_unknown_is_unsent(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    free(world->endpoint.address);
    world->endpoint.address = strdup("pve1.example.invalid");
    assert_says(ask(world, power(API_STOP)), API_UNSENT, ERROR_NO_ENDPOINT, "Could not resolve");
    end(world);
}

static void test_a_hanging_resolver_blocks_neither_the_loop_nor_the_end(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    int64_t began_ms = clock_now_ms();
    free(world->endpoint.address);
    world->endpoint.address = strdup("pve1.example.invalid");
    hang_resolver(true);
    assert_says(ask_within(world, power(API_STOP), SOON_MS), API_UNSENT, ERROR_NO_ENDPOINT, "150 ms");
    send_with(world, version(), NULL, 60000);
    event_base_loop(world->base, EVLOOP_NONBLOCK);
    end(world);
    assert_true(clock_now_ms() - began_ms < 3000);
    hang_resolver(false);
}

static void test_an_address_that_answered_before_needs_no_resolver(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    await_quiet_resolver(); /* the threads of the test before */
    unsigned before = resolver_count();
    char last[] = "127.0.0.1";
    free(world->endpoint.address);
    world->endpoint.address = strdup("pve1.example.invalid");
    world->endpoint.last_address = last;
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_string_equal(world->answers[0].address, "127.0.0.1");
    assert_int_equal(resolver_count(), before);
    end(world);
}

/* ---- sent, and nothing known ---- */

static void cut(struct fake_exchange *exchange)
{
    fake_cut(exchange);
}

static void say_goodbye(struct fake_exchange *exchange)
{
    SSL_shutdown(exchange->ssl);
    exchange->open = false;
}

static void truncate_body(struct fake_exchange *exchange)
{
    fake_say(exchange, "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{\"data\":");
    fake_cut(exchange);
}

static void truncate_head(struct fake_exchange *exchange)
{
    fake_say(exchange, "HTTP/1.1 200 OK\r\nContent-Le");
    fake_cut(exchange);
}

static void test_an_answer_that_is_cut_off_is_lost(void **state)
{
    (void)state;
    fake_script *scripts[] = {cut, say_goodbye, truncate_body, truncate_head};
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct world *world = begin(scripts[i]);
        assert_says(ask(world, power(API_STOP)), API_LOST, ERROR_PROTOCOL, "stop at pve1");
        assert_int_equal(fake_count(world->fake, ""), 1);
        assert_int_equal(
            traffic_find(transport_traffic(world->transport), "pve1")->calls[API_STOP][TRAFFIC_LOST], 1);
        end(world);
    }
}

static void test_silence_is_lost_after_the_time_for_an_answer(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    assert_int_equal(ask(world, version())->outcome, API_OK); /* on a busy machine a handshake is not soon */
    fake_set_script(world->fake, hold);
    assert_says(ask_within(world, power(API_STOP), SOON_MS), API_LOST, ERROR_PROTOCOL,
                "did not answer within 150 ms");
    end(world);
}

static void slow(struct fake_exchange *exchange)
{
    fake_say(exchange, "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"data\"");
    fake_hold(exchange);
    fake_say(exchange, ":\"late\"}");
}

static void test_a_slow_answer_within_its_time_counts(void **state)
{
    (void)state;
    struct world *world = begin(slow);
    send_with(world, version(), NULL, 4000);
    while (fake_count(world->fake, "") == 0)
        event_base_loop(world->base, EVLOOP_NONBLOCK);
    fake_release(world->fake);
    await(world, 1);
    assert_int_equal(world->answers[0].outcome, API_OK);
    assert_string_equal(world->answers[0].data, "\"late\"");
    end(world);
}

static void say_state(struct fake_exchange *exchange)
{
    fake_say(exchange, exchange->fake->state);
    exchange->open = false;
}

static const struct answer *hear(struct world *world, const char *text)
{
    world->fake->state = (void *)(uintptr_t)text;
    return ask(world, version());
}

static void test_what_is_no_answer_of_proxmox_is_lost(void **state)
{
    (void)state;
    struct world *world = begin(say_state);
    const char *garbage[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n[\"data\"]",
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"data\":1} x",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        const struct answer *answer = hear(world, garbage[i]);
        assert_int_equal(answer->outcome, API_LOST);
        assert_int_equal(answer->error.code, ERROR_PROTOCOL);
    }
    end(world);
}

static void flood(struct fake_exchange *exchange)
{
    static char block[1024 * 1024];
    memset(block, 'x', sizeof(block));
    fake_say(exchange, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"data\":\"");
    for (size_t i = 0; i <= TRANSPORT_BODY_MAX / sizeof(block) && exchange->open; i++)
        fake_write(exchange, block, sizeof(block));
    exchange->open = false;
}

static void test_an_answer_without_end_is_cut_at_a_bound_that_is_named(void **state)
{
    (void)state;
    struct world *world = begin(flood);
    assert_says(ask(world, version()), API_LOST, ERROR_PROTOCOL, "more than 32 MiB");
    end(world);
}

/* ---- answers ---- */

static void test_answers_of_all_forms_are_understood(void **state)
{
    (void)state;
    struct world *world = begin(say_state);
    const struct answer *answer = hear(world, "HTTP/1.0 200 OK\r\n\r\n{\"data\":[1]}");
    assert_int_equal(answer->outcome, API_OK);
    assert_string_equal(answer->data, "[1]");
    answer = hear(
        world,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dat\r\n7\r\na\":\"x\"}\r\n0\r\n\r\n");
    assert_int_equal(answer->outcome, API_OK);
    assert_string_equal(answer->data, "\"x\"");
    answer = hear(world, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"data\":null}");
    assert_int_equal(answer->outcome, API_OK);
    assert_string_equal(answer->data, "");
    end(world);
}

static void test_a_refusal_brings_proxmox_own_words(void **state)
{
    (void)state;
    struct world *world = begin(say_state);
    const struct answer *answer = hear(
        world, "HTTP/1.1 403 Permission check failed (/vms/101, VM.PowerMgmt)\r\nContent-Length: 0\r\n\r\n");
    assert_says(answer, API_REFUSED, ERROR_NO_POWER_RIGHT, "403 Permission check failed (/vms/101");
    assert_string_equal(answer->reason, "Permission check failed (/vms/101, VM.PowerMgmt)");
    answer = hear(world, "HTTP/1.1 401 No ticket\r\n\r\n");
    assert_says(answer, API_REFUSED, ERROR_NO_SESSION, "401 No ticket");
    answer = hear(world, "HTTP/1.1 400 Parameter verification failed.\r\nContent-Length: 39\r\n\r\n"
                         "{\"data\":null,\"errors\":{\"timeout\":\"no\"}}");
    assert_int_equal(answer->outcome, API_REFUSED);
    assert_string_equal(answer->errors, "{\"timeout\":\"no\"}");
    answer = hear(world, "HTTP/1.1 595 \r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(answer->status, 595);
    assert_string_equal(answer->reason, "");
    answer = hear(world, "HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(answer->outcome, API_REFUSED);
    end(world);
}

static void test_the_reason_of_an_interim_answer_is_not_taken(void **state)
{
    (void)state;
    struct world *world = begin(say_state);
    const struct answer *answer =
        hear(world, "HTTP/1.1 100 VM is locked (backup)\r\n\r\nHTTP/1.1 596\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(answer->status, 596);
    assert_string_equal(answer->reason, "");
    end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_power_call_leaves_head_and_body_in_one_record),
        cmocka_unit_test(test_a_post_without_parameters_says_that_it_is_empty),
        cmocka_unit_test(test_a_read_carries_the_ticket_and_no_csrf_token),
        cmocka_unit_test(test_a_proxy_in_the_environment_is_not_used),
        cmocka_unit_test(test_a_call_that_cannot_be_built_is_not_begun),
        cmocka_unit_test(test_a_libcurl_that_is_not_openssls_is_refused),
        cmocka_unit_test(test_where_nobody_listens_nothing_was_sent),
        cmocka_unit_test(test_a_connection_that_ends_before_the_handshake_sent_nothing),
        cmocka_unit_test(test_a_handshake_without_end_is_unsent_in_time),
        cmocka_unit_test(test_a_name_that_is_unknown_is_unsent),
        cmocka_unit_test(test_a_hanging_resolver_blocks_neither_the_loop_nor_the_end),
        cmocka_unit_test(test_an_address_that_answered_before_needs_no_resolver),
        cmocka_unit_test(test_an_answer_that_is_cut_off_is_lost),
        cmocka_unit_test(test_silence_is_lost_after_the_time_for_an_answer),
        cmocka_unit_test(test_a_slow_answer_within_its_time_counts),
        cmocka_unit_test(test_what_is_no_answer_of_proxmox_is_lost),
        cmocka_unit_test(test_an_answer_without_end_is_cut_at_a_bound_that_is_named),
        cmocka_unit_test(test_answers_of_all_forms_are_understood),
        cmocka_unit_test(test_a_refusal_brings_proxmox_own_words),
        cmocka_unit_test(test_the_reason_of_an_interim_answer_is_not_taken),
    };
    return cmocka_run_group_tests_name("transport", tests, set_up, tear_down);
}
