/*
 * transport against a scripted TLS server: what is on the wire, what counts as sent, whose certificate is
 * taken, and that nothing survives what ends it. The resolver is the test's own.
 */
#include "proxmox/transport.h"

#include "fake_pve.h"
#include "system/clock.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/stat.h>

#define PATIENCE_S  8
#define ANSWERS_MAX 300
#define SOON_MS     150

/* ---- what libcurl and OpenSSL find instead of libc's ---- */

static pthread_mutex_t resolver_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t resolver_go = PTHREAD_COND_INITIALIZER;
static bool resolver_hangs;
static unsigned resolver_asked;
static unsigned system_certificates; /* looked for in the file system */

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)result;
    pthread_mutex_lock(&resolver_lock);
    resolver_asked++;
    while (resolver_hangs)
        pthread_cond_wait(&resolver_go, &resolver_lock);
    pthread_mutex_unlock(&resolver_lock);
    return EAI_AGAIN;
}

static void note_path(const char *path)
{
    if (strncmp(path, "/etc/ssl/certs/", 15) == 0 || strncmp(path, "/usr/lib/ssl/certs/", 19) == 0)
        system_certificates++;
}

int stat(const char *restrict path, struct stat *restrict into)
{
    note_path(path);
    return fstatat(AT_FDCWD, path, into, 0);
}

int lstat(const char *restrict path, struct stat *restrict into)
{
    note_path(path);
    return fstatat(AT_FDCWD, path, into, AT_SYMLINK_NOFOLLOW);
}

static void hang_resolver(bool hangs)
{
    pthread_mutex_lock(&resolver_lock);
    resolver_hangs = hangs;
    pthread_cond_broadcast(&resolver_go);
    pthread_mutex_unlock(&resolver_lock);
}

static unsigned resolver_count(void)
{
    pthread_mutex_lock(&resolver_lock);
    unsigned count = resolver_asked;
    pthread_mutex_unlock(&resolver_lock);
    return count;
}

/* ---- the fixture ---- */

struct answer {
    uint64_t id;
    enum api_outcome outcome;
    int status;
    struct error error;
    char reason[600], data[200], errors[200], address[64];
};

static struct fake_ca *ca, *other_ca;

struct world {
    struct event_base *base;
    struct transport *transport;
    struct fake_pve *fake;
    struct endpoint endpoint;
    struct answer answers[ANSWERS_MAX];
    unsigned answered, wanted;
    void (*also)(struct world *world); /* in the callback */
};

static struct api_request version(void)
{
    return (struct api_request){.call = API_VERSION};
}

static struct api_request power(enum api_call call)
{
    return (struct api_request){
        .call = call, .node = "pve1", .type = PVE_QEMU, .vmid = 101, .stop_timeout_s = 3};
}

static void on_done(void *context, uint64_t id, const struct api_result *result, const char *address)
{
    struct world *world = context;
    struct answer *answer = &world->answers[world->answered++];
    *answer = (struct answer){
        .id = id, .outcome = result->outcome, .status = result->http_status, .error = result->error};
    snprintf(answer->reason, sizeof(answer->reason), "%s", result->reason);
    snprintf(answer->address, sizeof(answer->address), "%s", address);
    snprintf(answer->data, sizeof(answer->data), "%s",
             result->data ? json_object_to_json_string_ext(result->data, JSON_C_TO_STRING_PLAIN) : "");
    snprintf(answer->errors, sizeof(answer->errors), "%s",
             result->errors ? json_object_to_json_string_ext(result->errors, JSON_C_TO_STRING_PLAIN) : "");
    if (world->also)
        world->also(world);
    if (world->answered >= world->wanted)
        event_base_loopbreak(world->base);
}

static struct world *begin_with(struct fake_pve *fake, const char *ca_pem, long host_connections)
{
    struct world *world = calloc(1, sizeof(*world));
    world->base = event_base_new();
    world->fake = fake;
    world->transport = transport_new(world->base, ca_pem, host_connections);
    world->endpoint = (struct endpoint){.text = strdup("pve1"),
                                        .address = strdup("127.0.0.1"),
                                        .name = strdup("pve1"),
                                        .port = fake ? fake->port : 0};
    assert_non_null(world->transport);
    return world;
}

static struct world *begin(fake_script *script)
{
    return begin_with(fake_new(ca, "DNS:pve1", script), ca->pem, 0);
}

static void end(struct world *world)
{
    transport_free(world->transport);
    if (world->fake)
        fake_free(world->fake);
    event_base_free(world->base);
    free(world->endpoint.text);
    free(world->endpoint.address);
    free(world->endpoint.name);
    free(world);
}

static uint64_t send_with(struct world *world, struct api_request request, const struct transport_auth *auth,
                          int64_t timeout_ms)
{
    return transport_send(world->transport, &world->endpoint, 0, &request, auth, timeout_ms, on_done, world);
}

static void await(struct world *world, unsigned count)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    world->wanted = count;
    event_base_loopexit(world->base, &patience);
    if (world->answered < count)
        event_base_dispatch(world->base);
    assert_int_equal(world->answered, count);
}

static const struct answer *ask_within(struct world *world, struct api_request request, int64_t timeout_ms)
{
    uint64_t id = send_with(world, request, NULL, timeout_ms);
    assert_true(id != 0);
    await(world, world->answered + 1);
    assert_true(world->answers[world->answered - 1].id == id);
    return &world->answers[world->answered - 1];
}

static const struct answer *ask(struct world *world, struct api_request request)
{
    return ask_within(world, request, PATIENCE_S * 1000);
}

static void assert_says(const struct answer *answer, enum api_outcome outcome, enum error_code code,
                        const char *part)
{
    if (answer->outcome != outcome || answer->error.code != code || !strstr(answer->error.message, part))
        fail_msg("outcome %d, %s: %s", (int)answer->outcome, error_code_name(answer->error.code),
                 answer->error.message);
}

static void assert_holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

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

/* ---- certainly not sent ---- */

static void test_where_nobody_listens_nothing_was_sent(void **state)
{
    (void)state;
    struct world *world = begin_with(NULL, ca->pem, 0);
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
        assert_int_equal(transport_counters(world->transport)->lost[API_STOP], 1);
        end(world);
    }
}

static void hold(struct fake_exchange *exchange)
{
    fake_hold(exchange);
    if (exchange->open)
        fake_data(exchange, "\"late\"");
}

static void test_silence_is_lost_after_the_time_for_an_answer(void **state)
{
    (void)state;
    struct world *world = begin(hold);
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
    assert_says(ask(world, version()), API_LOST, ERROR_PROTOCOL, "more than the 32 MiB");
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
    answer = hear(world, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dat\r\n7\r\na\":\"x\"}\r\n0\r\n\r\n");
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
    const struct answer *answer =
        hear(world, "HTTP/1.1 403 Permission check failed (/vms/101, VM.PowerMgmt)\r\nContent-Length: 0\r\n\r\n");
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

/* ---- certificates ---- */

static void assert_distrusted(const char *pem, struct fake_pve *fake, const char *words, const char *hint)
{
    struct world *world = begin_with(fake, pem, 0);
    const struct answer *answer = ask(world, power(API_STOP));
    assert_says(answer, API_UNSENT, ERROR_CERTIFICATE, words);
    assert_holds(answer->error.hint, hint);
    assert_int_equal(fake_count(fake, ""), 0);
    end(world);
}

static void test_a_certificate_that_does_not_fit_is_refused_with_its_cause(void **state)
{
    (void)state;
    unsigned before = system_certificates;
    assert_distrusted(other_ca->pem, fake_new(ca, "DNS:pve1", NULL), "unable to get local issuer", "ca-file");
    assert_distrusted(ca->pem, fake_new(ca, "DNS:pve2,IP:127.0.0.1", NULL), "subject name", "ADDRESS as NAME");
    assert_distrusted(ca->pem, fake_new_dated(ca, "DNS:pve1", NULL, -2 * FAKE_DAY_S, -FAKE_DAY_S), "expired",
                      "pvecm updatecerts");
    assert_distrusted(ca->pem, fake_new_dated(ca, "DNS:pve1", NULL, FAKE_DAY_S, 2 * FAKE_DAY_S),
                      "not yet valid", "timedatectl");
    assert_distrusted("no certificate at all", fake_new(ca, "DNS:pve1", NULL), "", "ca-file");
    /* a CA that was named is the only one: the system's are not even looked at */
    assert_int_equal(system_certificates, before);
}

static void test_a_changed_ca_counts_for_the_next_request(void **state)
{
    (void)state;
    struct world *world = begin(NULL);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(transport_set_ca(world->transport, other_ca->pem), 0);
    assert_says(ask(world, version()), API_UNSENT, ERROR_CERTIFICATE, "issuer");
    assert_int_equal(transport_set_ca(world->transport, ca->pem), 0);
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
    transport_set_ca(world->transport, other_ca->pem);
    transport_set_ca(world->transport, other_ca->pem);
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
    assert_int_equal(transport_counters(world->transport)->connections, 2);
    assert_int_equal(fake_count(world->fake, "POST"), 1);
    assert_int_equal(world->fake->resumed, 1);
    end(world);
}

/* A connection that was kept dies with the next request. */
static void die_on_reuse(struct fake_exchange *exchange)
{
    bool reused = exchange->nth > 0 && exchange->request->connection == 0;
    if (reused)
        exchange->open = false;
    else
        fake_data(exchange, "1");
}

static void test_a_kept_connection_that_dies_is_no_error(void **state)
{
    (void)state;
    struct world *world = begin(die_on_reuse);
    assert_int_equal(ask(world, version())->outcome, API_OK);
    assert_int_equal(ask(world, power(API_STOP))->outcome, API_OK);
    end(world);
}

static void answer_reads_only(struct fake_exchange *exchange)
{
    if (fake_is(exchange, "GET /api2/json/version"))
        fake_data(exchange, "1");
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
        fake_data(exchange, "1");
    }
}

static void test_the_end_of_a_connection_after_a_hundred_requests_goes_unnoticed(void **state)
{
    (void)state;
    struct world *world = begin_with(fake_new(ca, "DNS:pve1", hundred_each), ca->pem, 1);
    for (int i = 0; i < 250; i++)
        assert_true(send_with(world, version(), NULL, PATIENCE_S * 1000) != 0);
    await(world, 250);
    for (int i = 0; i < 250; i++)
        assert_int_equal(world->answers[i].outcome, API_OK);
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

static void test_a_poll_that_hangs_keeps_the_next_one_only_for_its_own_time(void **state)
{
    (void)state;
    struct world *world = begin_with(fake_new(ca, "DNS:pve1", hold), ca->pem, 1);
    send_with(world, version(), NULL, SOON_MS);
    send_with(world, version(), NULL, PATIENCE_S * 1000);
    await(world, 1);
    assert_int_equal(world->answers[0].outcome, API_LOST);
    fake_await(world->fake, 1);
    fake_set_script(world->fake, fake_plain_script);
    await(world, 2);
    assert_int_equal(world->answers[1].outcome, API_OK);
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
    transport_set_ca(world->transport, ca->pem);
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
        transport_set_ca(world->transport, ca->pem);
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

static int set_up(void **state)
{
    (void)state;
    struct error error = {0};
    signal(SIGPIPE, SIG_IGN);
    alarm(60); /* a loop that blocks ends the test instead of the patience */
    ca = fake_ca_new("Proxmox Virtual Environment");
    other_ca = fake_ca_new("another one");
    return transport_global_init(&error);
}

static int tear_down(void **state)
{
    (void)state;
    fake_ca_free(ca);
    fake_ca_free(other_ca);
    transport_global_cleanup();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_power_call_leaves_head_and_body_in_one_record),
        cmocka_unit_test(test_a_post_without_parameters_says_that_it_is_empty),
        cmocka_unit_test(test_a_read_carries_the_ticket_and_no_csrf_token),
        cmocka_unit_test(test_a_proxy_in_the_environment_is_not_used),
        cmocka_unit_test(test_a_call_that_cannot_be_built_is_not_begun),
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
        cmocka_unit_test(test_a_certificate_that_does_not_fit_is_refused_with_its_cause),
        cmocka_unit_test(test_a_changed_ca_counts_for_the_next_request),
        cmocka_unit_test(test_a_transfer_under_way_ends_well_under_the_old_ca),
        cmocka_unit_test(test_connections_are_kept_and_tls_sessions_resumed),
        cmocka_unit_test(test_a_kept_connection_that_dies_is_no_error),
        cmocka_unit_test(test_a_reset_is_written_once_on_a_connection_of_its_own),
        cmocka_unit_test(test_the_end_of_a_connection_after_a_hundred_requests_goes_unnoticed),
        cmocka_unit_test(test_fences_do_not_wait_for_each_other),
        cmocka_unit_test(test_a_poll_that_hangs_keeps_the_next_one_only_for_its_own_time),
        cmocka_unit_test(test_what_is_forgotten_is_sent_but_not_answered),
        cmocka_unit_test(test_the_end_takes_transfers_of_all_ages_along),
        cmocka_unit_test(test_a_callback_may_do_everything_but_free),
    };
    return cmocka_run_group_tests_name("transport", tests, set_up, tear_down);
}
