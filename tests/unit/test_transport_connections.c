/*
 * transport against a scripted TLS server: whose certificate is taken, how long a connection serves, and that
 * nothing survives what ends it.
 */
#include "transport_fixture.h"

/* ---- certificates ---- */

static void assert_refused_as(enum error_code code, const char *pem, struct fake_pve *fake, const char *words,
                              const char *hint)
{
    struct world *world = begin_with(fake, pem, TRAFFIC_FENCE);
    const struct answer *answer = ask(world, power(API_STOP));
    assert_says(answer, API_UNSENT, code, words);
    assert_holds(answer->error.hint, hint);
    assert_int_equal(fake_count(fake, ""), 0);
    end(world);
}

static void assert_distrusted(const char *pem, struct fake_pve *fake, const char *words, const char *hint)
{
    assert_refused_as(ERROR_CERTIFICATE, pem, fake, words, hint);
}

static void test_a_certificate_that_does_not_fit_is_refused_with_its_cause(void **state)
{
    (void)state;
    unsigned before = system_certificates;
    assert_distrusted(other_ca->pem, fake_new(ca, "DNS:pve1", NULL), "unable to get local issuer", "ca-file");
    assert_distrusted(other_ca->pem, fake_new(ca, "DNS:pve1", NULL), "\"CN=", "drop `ca-file = `");
    assert_distrusted(ca->pem, fake_new(ca, "DNS:pve2,IP:127.0.0.1", NULL), "subject name",
                      "endpoint = pve1 as pve2");
    assert_distrusted(ca->pem, fake_new_dated(ca, "DNS:pve1", NULL, -2 * FAKE_DAY_S, -FAKE_DAY_S), "expired",
                      "pvecm updatecerts");
    assert_refused_as(ERROR_CLOCK_WRONG, ca->pem,
                      fake_new_dated(ca, "DNS:pve1", NULL, FAKE_DAY_S, 2 * FAKE_DAY_S), "not yet valid",
                      "timedatectl");
    assert_distrusted("no certificate at all", fake_new(ca, "DNS:pve1", NULL), "", "ca-file");
    /* a CA that was named is the only one: the system's are not even looked at */
    assert_int_equal(system_certificates, before);
}

/* A resumed handshake shows no certificate, and the name is checked all the same. */
static void test_a_wrong_name_is_said_in_the_same_words_each_time(void **state)
{
    (void)state;
    const char *names = "DNS:localhost,DNS:pve2,DNS:pve2.example.com,IP:127.0.0.1,IP:192.0.2.12";
    struct world *world = begin_with(fake_new(ca, names, NULL), ca->pem, TRAFFIC_FENCE);
    for (int i = 0; i < 4; i++) {
        const struct answer *answer = ask(world, power(API_STOP));
        assert_says(answer, API_UNSENT, ERROR_CERTIFICATE, "subject name");
        assert_holds(answer->error.hint, "pve2, pve2.example.com, 192.0.2.12;");
        assert_holds(answer->error.hint, "endpoint = pve1 as pve2");
    }
    end(world);
}

/* ---- fingerprints ---- */

static struct config_fingerprint fingerprint_of(const struct fake_pve *fake)
{
    struct config_fingerprint fingerprint;
    unsigned length = 0;
    assert_int_equal(
        X509_digest(SSL_CTX_get0_certificate(fake->context), EVP_sha256(), fingerprint.sha256, &length), 1);
    return fingerprint;
}

static void trust_these(struct world *world, const struct config_fingerprint *fingerprints, size_t count)
{
    struct trust_source source = {.fingerprints = fingerprints, .fingerprint_count = count};
    assert_int_equal(transport_set_trust(world->transport, &source), 0);
}

static void test_a_fingerprint_stands_for_chain_name_and_dates(void **state)
{
    (void)state;
    struct fake_pve *fakes[] = {
        fake_new(ca, "DNS:pve1", NULL),
        fake_new(other_ca, "DNS:elsewhere", NULL),
        fake_new_dated(ca, "DNS:pve1", NULL, -2 * FAKE_DAY_S, -FAKE_DAY_S),
    };
    unsigned before = system_certificates;
    for (size_t i = 0; i < sizeof(fakes) / sizeof(fakes[0]); i++) {
        struct config_fingerprint both[2] = {{{0}}, fingerprint_of(fakes[i])};
        struct world *world = begin_with(fakes[i], NULL, TRAFFIC_FENCE);
        trust_these(world, both, 2);
        assert_int_equal(ask(world, version())->outcome, API_OK);
        end(world);
    }
    assert_int_equal(system_certificates, before);
}

static void test_another_certificate_is_refused_in_the_handshake_with_the_line_to_add(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    struct config_fingerprint strange = fingerprint_of(world->fake), own = strange;
    char line[200] = "fingerprint = ";
    strange.sha256[31] ^= 1;
    trust_these(world, &strange, 1);
    const struct answer *answer = ask(world, power(API_STOP));
    assert_says(answer, API_UNSENT, ERROR_CERTIFICATE, "its fingerprint is ");
    for (size_t i = 0; i < CONFIG_SHA256_LENGTH; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), i ? ":%02X" : "%02X", own.sha256[i]);
    assert_holds(answer->error.hint, line);
    assert_int_equal(fake_count(world->fake, ""), 0);
    trust_these(world, &own, 1);
    assert_int_equal(ask(world, power(API_STOP))->outcome, API_OK);
    /* and back again: what was agreed on before does not count */
    trust_these(world, &strange, 1);
    assert_says(ask(world, power(API_STOP)), API_UNSENT, ERROR_CERTIFICATE, "its fingerprint is ");
    assert_int_equal(fake_count(world->fake, ""), 1);
    assert_int_equal(world->fake->resumed, 0);
    end(world);
}

static void test_a_ca_that_does_not_fit_is_said_with_the_fingerprint_to_add(void **state)
{
    (void)state;
    struct world *world = begin_with(fake_new(ca, "DNS:pve1", NULL), other_ca->pem, TRAFFIC_FENCE);
    struct config_fingerprint own = fingerprint_of(world->fake);
    char tail[9];
    const struct answer *answer = ask(world, version());
    assert_holds(answer->error.hint, "ca-file = ");
    assert_holds(answer->error.hint, "fingerprint = ");
    snprintf(tail, sizeof(tail), ":%02X:%02X`", own.sha256[30], own.sha256[31]);
    assert_string_equal(answer->error.hint + strlen(answer->error.hint) - 7, tail);
    end(world);
}

static void test_the_end_of_a_certificate_is_told_when_it_was_shown(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    int64_t expires_ms = ask(world, version())->certificate_expires_ms;
    int64_t expected_ms = clock_realtime_ms() + FAKE_YEAR_S * 1000;
    assert_true(expires_ms > expected_ms - 60000 && expires_ms <= expected_ms);
    assert_int_equal(ask(world, version())->certificate_expires_ms, 0); /* the same connection */
    end(world);
}

static void test_a_changed_ca_counts_for_the_next_request(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(transport_set_trust(world->transport, &(struct trust_source){.ca_pem = other_ca->pem}),
                     0);
    assert_says(ask(world, version()), API_UNSENT, ERROR_CERTIFICATE, "issuer");
    assert_int_equal(transport_set_trust(world->transport, &(struct trust_source){.ca_pem = ca->pem}), 0);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(fake_connections(world->fake), 3);
    assert_int_equal(world->fake->resumed, 0);
    end(world);
}

static void test_a_transfer_under_way_ends_well_under_the_old_ca(void **state)
{
    (void)state;
    struct world *world = begin(hold);
    send_with(world, power(API_STOP), NULL, 4000);
    while (fake_count(world->fake, "") == 0)
        event_base_loop(world->base, EVLOOP_NONBLOCK);
    transport_set_trust(world->transport, &(struct trust_source){.ca_pem = other_ca->pem});
    transport_set_trust(world->transport, &(struct trust_source){.ca_pem = other_ca->pem});
    fake_release(world->fake);
    await(world, 1);
    assert_int_equal(world->answers[0].outcome, API_OK);
    end(world);
}

/* ---- connections ---- */

static void test_connections_are_kept_and_tls_sessions_resumed(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(fake_connections(world->fake), 1);
    fake_drop_connections(world->fake); /* idle close */
    assert_int_equal(ask(world, power(API_STOP))->outcome, API_OK);
    assert_int_equal(fake_connections(world->fake), 2);
    assert_int_equal(transport_traffic(world->transport)->connections[TRAFFIC_FENCE], 2);
    assert_int_equal(transport_traffic(world->transport)->requests[TRAFFIC_FENCE], 4);
    assert_int_equal(fake_count(world->fake, "POST"), 1);
    assert_int_equal(world->fake->resumed, 1);
    end(world);
}

static void test_a_fence_has_its_own_connection_and_resumes_what_a_poll_began(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    world->purpose = TRAFFIC_POLL;
    assert_int_equal(ask(world, version())->outcome, API_OK);
    world->purpose = TRAFFIC_FENCE;
    assert_int_equal(ask(world, power(API_STOP))->outcome, API_OK);
    assert_int_equal(fake_connections(world->fake), 2);
    assert_int_equal(world->fake->resumed, 1);
    world->purpose = TRAFFIC_POLL;
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(fake_connections(world->fake), 2);
    end(world);
}

/* A connection that was kept dies with the next request. */
static void die_on_reuse(struct fake_exchange *exchange)
{
    bool reused = exchange->nth > 0 && exchange->request->connection == 0;
    if (reused)
        exchange->open = false;
    else
        fake_fitting(exchange);
}

static void test_a_kept_connection_that_dies_is_no_error(void **state)
{
    (void)state;
    struct world *world = begin(die_on_reuse);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(ask(world, power(API_STOP))->outcome, API_OK);
    end(world);
}

/* On the first connection each answer is the one to the request before it, and the first comes from nowhere.
 */
static void answer_one_behind(struct fake_exchange *exchange)
{
    static struct fake_request before;
    const struct fake_request *own = exchange->request;
    struct fake_request nobodys = {.target = "GET /api2/json/nodes/pve1/qemu/102/status/current"};
    if (own->connection == 0)
        exchange->request = exchange->nth == 0 ? &nobodys : &before;
    fake_fitting(exchange);
    before = *own;
    exchange->request = own;
}

static void test_an_answer_to_another_call_is_lost_and_the_connection_read_no_more(void **state) /* P1 */
{
    static const enum api_call calls[] = {API_STATUS, API_STOP};
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct world *world = begin(answer_one_behind);
        assert_says(ask(world, power(calls[i])), API_LOST, ERROR_PROTOCOL,
                    calls[i] == API_STOP ? "stop with something that is not a task"
                                         : "status with another guest's status");
        assert_int_equal(ask(world, power(API_STATUS))->outcome, API_OK);
        assert_int_equal(world->fake->requests[1].connection, 1);
        end(world);
    }
}

static void answer_202(struct fake_exchange *exchange)
{
    fake_answer(exchange, 202, "Accepted",
                "{\"data\":\"UPID:pve1:00000001:00000002:00000003:qmstop:101:fence@pve:\"}");
}

static void test_proxmox_says_200_or_it_is_not_proxmox(void **state) /* P1 */
{
    (void)state;
    struct world *world = begin(answer_202);
    assert_says(ask(world, power(API_STOP)), API_LOST, ERROR_PROTOCOL,
                "an HTTP status that Proxmox does not have");
    end(world);
}

static void answer_reads_only(struct fake_exchange *exchange)
{
    if (fake_is(exchange, "GET /api2/json/version"))
        fake_fitting(exchange);
    else
        exchange->open = false;
}

static void test_a_reset_is_written_once_on_a_connection_of_its_own(void **state)
{
    (void)state;
    struct world *world = begin(answer_reads_only);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(ask(world, power(API_RESET))->outcome, API_LOST);
    assert_int_equal(fake_count(world->fake, "POST"), 1);
    assert_int_equal(world->fake->requests[1].connection, 1);
    end(world);
}

/* As pveproxy: a hundred requests a connection. */
static void hundred_each(struct fake_exchange *exchange)
{
    struct fake_pve *fake = exchange->fake;
    unsigned before = 0;
    pthread_mutex_lock(&fake->lock);
    for (unsigned i = 0; i < exchange->nth; i++)
        before += fake->requests[i].connection == exchange->request->connection;
    pthread_mutex_unlock(&fake->lock);
    if (before % 100 == 99) {
        fake_say(exchange, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n{\"data\":1}");
        exchange->open = false;
    } else {
        fake_fitting(exchange);
    }
}

static void test_the_end_of_a_connection_after_a_hundred_requests_goes_unnoticed(void **state)
{
    (void)state;
    struct world *world = begin_with(fake_new(ca, "DNS:pve1", hundred_each), ca->pem, TRAFFIC_POLL);
    for (int i = 0; i < 250; i++)
        assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(fake_connections(world->fake), 3);
    end(world);
}

static void test_fences_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct world *world = begin(hold);
    for (int i = 0; i < 20; i++)
        send_with(world, power(API_STOP), NULL, PATIENCE_S * 1000);
    while (fake_count(world->fake, "POST") < 20)
        event_base_loop(world->base, EVLOOP_NONBLOCK);
    for (int i = 0; i < 20; i++)
        fake_release(world->fake);
    await(world, 20);
    end(world);
}

static void hold_statuses(struct fake_exchange *exchange)
{
    if (!fake_is(exchange, "GET /api2/json/version"))
        fake_hold(exchange);
    fake_fitting(exchange);
}

/* Checks and polls go by the same connections. */
static void test_checks_that_hang_keep_no_poll_waiting(void **state)
{
    (void)state;
    struct world *world = begin_with(fake_new(ca, "DNS:pve1", hold_statuses), ca->pem, TRAFFIC_POLL);
    for (int i = 0; i < 4; i++) /* as many as there are at once */
        send_with(world, power(API_STATUS), NULL, PATIENCE_S * 1000);
    while (fake_count(world->fake, "GET") < 4)
        event_base_loop(world->base, EVLOOP_NONBLOCK);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    for (int i = 0; i < 4; i++)
        fake_release(world->fake);
    await(world, 5);
    end(world);
}

/* ---- ends ---- */

static void test_what_is_forgotten_is_sent_but_not_answered(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    uint64_t id = send_with(world, power(API_STOP), NULL, 4000);
    transport_forget(world->transport, id);
    transport_forget(world->transport, id + 1000);
    while (fake_count(world->fake, "POST") == 0)
        event_base_loop(world->base, EVLOOP_NONBLOCK);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(world->answered, 1);
    end(world);
}

static void test_the_end_takes_transfers_of_all_ages_along(void **state)
{
    (void)state;
    struct world *world = begin(hold);
    send_with(world, power(API_STOP), NULL, 4000);
    send_with(world, version(), NULL, 4000);
    while (fake_count(world->fake, "") < 2)
        event_base_loop(world->base, EVLOOP_NONBLOCK);
    transport_set_trust(world->transport, &(struct trust_source){.ca_pem = ca->pem});
    send_with(world, version(), NULL, 4000); /* half through its handshake */
    event_base_loop(world->base, EVLOOP_NONBLOCK);
    send_with(world, version(), NULL, 4000); /* not begun */
    unsigned answered = world->answered;
    end(world);
    assert_int_equal(answered, 0);
}

static void send_more(struct world *world)
{
    if (world->answered == 1) {
        transport_set_trust(world->transport, &(struct trust_source){.ca_pem = ca->pem});
        transport_forget(world->transport, send_with(world, version(), NULL, 4000));
        send_with(world, version(), NULL, 4000);
    }
}

static void test_a_callback_may_do_everything_but_free(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    world->also = send_more;
    send_with(world, version(), NULL, 4000);
    await(world, 2);
    assert_int_equal(world->answers[1].outcome, API_OK);
    end(world);

    world = begin(hold);
    world->also = send_more; /* from a time-out */
    send_with(world, version(), NULL, SOON_MS);
    world->wanted = 1;
    await(world, 1);
    end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_certificate_that_does_not_fit_is_refused_with_its_cause),
        cmocka_unit_test(test_a_wrong_name_is_said_in_the_same_words_each_time),
        cmocka_unit_test(test_a_fingerprint_stands_for_chain_name_and_dates),
        cmocka_unit_test(test_another_certificate_is_refused_in_the_handshake_with_the_line_to_add),
        cmocka_unit_test(test_a_ca_that_does_not_fit_is_said_with_the_fingerprint_to_add),
        cmocka_unit_test(test_the_end_of_a_certificate_is_told_when_it_was_shown),
        cmocka_unit_test(test_a_changed_ca_counts_for_the_next_request),
        cmocka_unit_test(test_a_transfer_under_way_ends_well_under_the_old_ca),
        cmocka_unit_test(test_connections_are_kept_and_tls_sessions_resumed),
        cmocka_unit_test(test_a_fence_has_its_own_connection_and_resumes_what_a_poll_began),
        cmocka_unit_test(test_a_kept_connection_that_dies_is_no_error),
        cmocka_unit_test(test_an_answer_to_another_call_is_lost_and_the_connection_read_no_more),
        cmocka_unit_test(test_proxmox_says_200_or_it_is_not_proxmox),
        cmocka_unit_test(test_a_reset_is_written_once_on_a_connection_of_its_own),
        cmocka_unit_test(test_the_end_of_a_connection_after_a_hundred_requests_goes_unnoticed),
        cmocka_unit_test(test_fences_do_not_wait_for_each_other),
        cmocka_unit_test(test_checks_that_hang_keep_no_poll_waiting),
        cmocka_unit_test(test_what_is_forgotten_is_sent_but_not_answered),
        cmocka_unit_test(test_the_end_takes_transfers_of_all_ages_along),
        cmocka_unit_test(test_a_callback_may_do_everything_but_free),
    };
    return cmocka_run_group_tests_name("transport connections", tests, set_up, tear_down);
}
