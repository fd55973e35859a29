/*
 * What the tests of transport share: a scripted TLS server, a transport that asks it, the answers it got, and
 * a resolver and a file system that tell what libcurl and OpenSSL wanted of them.
 */
#pragma once

#include "proxmox/transport.h"

#include "fake_pve.h"
#include "patience.h"
#include "system/clock.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/stat.h>

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

static inline void note_path(const char *path)
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

static bool curl_claims_gnutls;

curl_version_info_data *curl_version_info(CURLversion wanted)
{
    static curl_version_info_data claimed;
    curl_version_info_data *(*real)(CURLversion) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "curl_version_info");
    claimed = *real(wanted);
    if (curl_claims_gnutls)
        claimed.ssl_version = "GnuTLS/3.7.9";
    return &claimed;
}

static inline void hang_resolver(bool hangs)
{
    pthread_mutex_lock(&resolver_lock);
    resolver_hangs = hangs;
    pthread_cond_broadcast(&resolver_go);
    pthread_mutex_unlock(&resolver_lock);
}

static inline unsigned resolver_count(void)
{
    pthread_mutex_lock(&resolver_lock);
    unsigned count = resolver_asked;
    pthread_mutex_unlock(&resolver_lock);
    return count;
}

/* Until nothing new was asked of it for a while: threads that were begun come late on a busy machine. */
static inline void await_quiet_resolver(void)
{
    unsigned before;
    do {
        before = resolver_count();
        usleep(300000);
    } while (resolver_count() != before);
}

/* ---- the fixture ---- */

struct answer {
    uint64_t id;
    enum api_outcome outcome;
    int status;
    struct error error;
    int64_t certificate_expires_ms;
    char reason[600], data[200], errors[200], address[64];
};

static struct fake_ca *ca, *other_ca;

struct world {
    struct event_base *base;
    struct transport *transport;
    enum traffic_purpose purpose;
    struct fake_pve *fake;
    struct endpoint endpoint;
    struct answer answers[ANSWERS_MAX];
    unsigned answered, wanted;
    void (*also)(struct world *world); /* in the callback */
};

static inline struct api_request version(void)
{
    return (struct api_request){.call = API_VERSION};
}

static inline struct api_request power(enum api_call call)
{
    return (struct api_request){
        .call = call, .node = "pve1", .type = PVE_QEMU, .vmid = 101, .stop_timeout_s = 3};
}

static inline void on_done(void *context, uint64_t id, const struct api_result *result, const char *address)
{
    struct world *world = context;
    struct answer *answer = &world->answers[world->answered++];
    *answer = (struct answer){.id = id,
                              .outcome = result->outcome,
                              .status = result->http_status,
                              .error = result->error,
                              .certificate_expires_ms = result->certificate_expires_ms};
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

static inline struct world *begin_with(struct fake_pve *fake, const char *ca_pem,
                                       enum traffic_purpose purpose)
{
    struct world *world = calloc(1, sizeof(*world));
    world->base = event_base_new();
    world->fake = fake;
    world->transport = transport_new(world->base, &(struct trust_source){.ca_pem = ca_pem});
    world->purpose = purpose;
    world->endpoint = (struct endpoint){.text = strdup("pve1"),
                                        .address = strdup("127.0.0.1"),
                                        .name = strdup("pve1"),
                                        .port = fake ? fake->port : 0};
    assert_non_null(world->transport);
    return world;
}

static inline struct world *begin(fake_script *script)
{
    return begin_with(fake_new(ca, "DNS:pve1", script), ca->pem, TRAFFIC_FENCE);
}

static inline void end(struct world *world)
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

static inline uint64_t send_with(struct world *world, struct api_request request,
                                 const struct transport_auth *auth, int64_t timeout_ms)
{
    return transport_send(world->transport, world->purpose, &world->endpoint, 0, &request, auth, timeout_ms,
                          on_done, world);
}

static inline void await(struct world *world, unsigned count)
{
    world->wanted = count;
    if (world->answered < count)
        dispatch_with_patience(world->base);
    assert_int_equal(world->answered, count);
}

static inline const struct answer *ask_within(struct world *world, struct api_request request,
                                              int64_t timeout_ms)
{
    uint64_t id = send_with(world, request, NULL, timeout_ms);
    assert_true(id != 0);
    await(world, world->answered + 1);
    assert_true(world->answers[world->answered - 1].id == id);
    return &world->answers[world->answered - 1];
}

static inline const struct answer *ask(struct world *world, struct api_request request)
{
    return ask_within(world, request, PATIENCE_S * 1000);
}

static inline void assert_says(const struct answer *answer, enum api_outcome outcome, enum error_code code,
                               const char *part)
{
    if (answer->outcome != outcome || answer->error.code != code || !strstr(answer->error.message, part))
        fail_msg("outcome %d, %s: %s", (int)answer->outcome, error_code_name(answer->error.code),
                 answer->error.message);
}

static inline void assert_holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static inline void hold(struct fake_exchange *exchange)
{
    fake_hold(exchange);
    if (exchange->open)
        fake_fitting(exchange);
}

static inline int set_up(void **state)
{
    (void)state;
    struct error error = {0};
    signal(SIGPIPE, SIG_IGN);
    alarm(60); /* a loop that blocks ends the test instead of the patience */
    ca = fake_ca_new("Proxmox Virtual Environment");
    other_ca = fake_ca_new("another one");
    return transport_global_init(&error);
}

static inline int tear_down(void **state)
{
    (void)state;
    fake_ca_free(ca);
    fake_ca_free(other_ca);
    transport_global_cleanup();
    return 0;
}
