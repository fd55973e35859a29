/*
 * A small scripted HTTPS server for the tests of transport, session and poller: it counts connections, TLS
 * records and resumed sessions, keeps every request byte for byte, and does to the connection whatever the
 * test's script says. Each connection has a thread of its own; a script runs in it and may block. Knows
 * nothing of Proxmox but how its answers are wrapped: for behaviour like the real one's there is pvesim.
 */
#pragma once

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define FAKE_REQUESTS_MAX    512
#define FAKE_CONNECTIONS_MAX 256
#define FAKE_HEAD_MAX        8192
#define FAKE_DAY_S           (24 * 60 * 60L)
#define FAKE_YEAR_S          (365 * FAKE_DAY_S)

struct fake_ca {
    EVP_PKEY *key;
    X509 *certificate;
    char *pem;
};

struct fake_request {
    char *raw; /* head and body as they came */
    size_t length;
    const char *body;
    char target[512]; /* "GET /api2/json/version" */
    unsigned records; /* TLS records it came in */
    unsigned connection;
};

struct fake_pve;

struct fake_exchange {
    struct fake_pve *fake;
    const struct fake_request *request;
    SSL *ssl;
    int fd;
    unsigned nth; /* request of this server, from 0 */
    bool open;    /* read another request on this connection afterwards */
};

typedef void fake_script(struct fake_exchange *exchange);

/* What happens to a connection before any request. */
enum fake_greeting {
    FAKE_TLS,
    FAKE_SLAM,       /* closed at once */
    FAKE_MUTE,       /* accepted, no handshake */
    FAKE_SLAM_LATER, /* handshake, then a reset */
};

struct fake_pve {
    int listener;
    uint16_t port;
    SSL_CTX *context;
    pthread_t acceptor, workers[FAKE_CONNECTIONS_MAX];
    int fds[FAKE_CONNECTIONS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    bool stopping;
    unsigned released; /* how many held exchanges may go on */
    unsigned holds;    /* how many were ever held */
    enum fake_greeting greeting;
    fake_script *script;
    void *state; /* the script's */
    unsigned connections, resumed, request_count;
    struct fake_request requests[FAKE_REQUESTS_MAX];
};

/* ---- certificates ---- */

static inline X509 *fake_sign(EVP_PKEY *key, const char *name, const char *alt, const struct fake_ca *issuer,
                              EVP_PKEY *issuer_key, long begin_s, long end_s)
{
    static long serial = 1;
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509V3_CTX context;
    const char *values[][2] = {{"basicConstraints", issuer ? "CA:FALSE" : "critical,CA:TRUE"},
                               {"subjectAltName", alt}};
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), begin_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), end_s);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer->certificate) : subject);
    X509_set_pubkey(certificate, key);
    X509V3_set_ctx(&context, issuer ? issuer->certificate : certificate, certificate, NULL, NULL, 0);
    for (size_t i = 0; i < 2 && values[i][1]; i++) {
        X509_EXTENSION *extension = X509V3_EXT_conf(NULL, &context, values[i][0], values[i][1]);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
    return certificate;
}

static inline struct fake_ca *fake_ca_new(const char *name)
{
    struct fake_ca *ca = calloc(1, sizeof(*ca));
    char *text = NULL;
    ca->key = EVP_EC_gen("P-256");
    ca->certificate = fake_sign(ca->key, name, NULL, NULL, ca->key, -FAKE_DAY_S, FAKE_YEAR_S);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, ca->certificate);
    long length = BIO_get_mem_data(bio, &text);
    ca->pem = strndup(text, (size_t)length);
    BIO_free(bio);
    return ca;
}

static inline void fake_ca_free(struct fake_ca *ca)
{
    EVP_PKEY_free(ca->key);
    X509_free(ca->certificate);
    free(ca->pem);
    free(ca);
}

/* ---- what a script may do ---- */

static inline void fake_write(struct fake_exchange *exchange, const char *bytes, size_t length)
{
    while (length > 0) {
        int chunk = length > 16384 ? 16384 : (int)length;
        if (SSL_write(exchange->ssl, bytes, chunk) <= 0) {
            exchange->open = false;
            return;
        }
        bytes += chunk;
        length -= (size_t)chunk;
    }
}

static inline void fake_say(struct fake_exchange *exchange, const char *text)
{
    fake_write(exchange, text, strlen(text));
}

/* As Proxmox: from 400 on the connection is closed. */
static inline void fake_answer(struct fake_exchange *exchange, int status, const char *reason,
                               const char *body)
{
    char *text = NULL;
    bool close_it = status >= 400;
    assert(asprintf(&text,
                    "HTTP/1.1 %d %s\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: "
                    "%zu\r\nConnection: %s\r\n\r\n%s",
                    status, reason, strlen(body), close_it ? "close" : "Keep-Alive", body) > 0);
    fake_say(exchange, text);
    free(text);
    if (close_it)
        exchange->open = false;
}

static inline void fake_data(struct fake_exchange *exchange, const char *data)
{
    char *text = NULL;
    assert(asprintf(&text, "{\"data\":%s}", data) > 0);
    fake_answer(exchange, 200, "OK", text);
    free(text);
}

/* The answer that fits the request: of the guest, and the host, that it names. */
static inline void fake_fitting(struct fake_exchange *exchange)
{
    char text[256] = "1", method[8] = "", node[64] = "", type[8] = "", what[16] = "";
    int vmid = 0;
    const char *target = exchange->request->target;
    if (sscanf(target, "%7s /api2/json/nodes/%63[^/]/%7[^/]/%d/status/%15[a-z]", method, node, type, &vmid,
               what) == 5) {
        if (strcmp(method, "GET") == 0)
            snprintf(text, sizeof(text), "{\"vmid\":%d,\"status\":\"stopped\"}", vmid);
        else
            snprintf(text, sizeof(text), "\"UPID:%s:00000001:10000002:00000003:%s%s:%d:fence@pve:\"", node,
                     strcmp(type, "lxc") == 0 ? "vz" : "qm", what, vmid);
    } else if (strstr(target, "/cluster/resources") || strstr(target, "/tasks?")) {
        snprintf(text, sizeof(text), "[]");
    }
    fake_data(exchange, text);
}

/* The connection is reset, without a TLS goodbye. */
static inline void fake_cut(struct fake_exchange *exchange)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(exchange->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    exchange->open = false;
}

/* Until fake_release(), or the end of the test (then the script should return). */
static inline void fake_hold(struct fake_exchange *exchange)
{
    struct fake_pve *fake = exchange->fake;
    pthread_mutex_lock(&fake->lock);
    fake->holds++;
    while (!fake->stopping && fake->released == 0)
        pthread_cond_wait(&fake->changed, &fake->lock);
    if (fake->stopping)
        exchange->open = false;
    else
        fake->released--;
    pthread_mutex_unlock(&fake->lock);
}

static inline bool fake_is(const struct fake_exchange *exchange, const char *target)
{
    return strcmp(exchange->request->target, target) == 0;
}

/* ---- the server ---- */

/* The length of the request at the start of the buffer, or 0 while it is incomplete. */
static inline size_t fake_request_length(const char *raw)
{
    const char *end = strstr(raw, "\r\n\r\n"), *length = strcasestr(raw, "\r\nContent-Length:");
    if (!end)
        return 0;
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    size_t whole = (size_t)(end + 4 - raw) + body;
    return strlen(raw) >= whole ? whole : 0;
}

static inline bool fake_read(struct fake_exchange *exchange, struct fake_request *request)
{
    char raw[2 * FAKE_HEAD_MAX + 1] = "";
    size_t used = 0;
    while (fake_request_length(raw) == 0 && used < 2 * FAKE_HEAD_MAX) {
        int got = SSL_read(exchange->ssl, raw + used, (int)(2 * FAKE_HEAD_MAX - used));
        if (got <= 0)
            return false;
        used += (size_t)got;
        raw[used] = '\0';
        request->records++;
    }
    request->raw = strdup(raw);
    request->length = used;
    request->body = strstr(request->raw, "\r\n\r\n") + 4;
    size_t method = strcspn(raw, " "), path = strcspn(raw + method + 1, " ");
    snprintf(request->target, sizeof(request->target), "%.*s", (int)(method + 1 + path), raw);
    return true;
}

struct fake_worker {
    struct fake_pve *fake;
    int fd;
    unsigned connection;
};

static inline void fake_serve(struct fake_exchange *exchange, unsigned connection)
{
    struct fake_pve *fake = exchange->fake;
    struct fake_request request = {.connection = connection};
    exchange->open = true;
    while (exchange->open && fake_read(exchange, &request)) {
        pthread_mutex_lock(&fake->lock);
        fake_script *script = fake->script;
        exchange->nth = fake->request_count++;
        assert(exchange->nth < FAKE_REQUESTS_MAX);
        fake->requests[exchange->nth] = request;
        exchange->request = &fake->requests[exchange->nth];
        pthread_cond_broadcast(&fake->changed);
        pthread_mutex_unlock(&fake->lock);
        script(exchange);
        request = (struct fake_request){.connection = connection};
    }
}

static inline void *fake_work(void *argument)
{
    struct fake_worker worker = *(struct fake_worker *)argument;
    struct fake_pve *fake = worker.fake;
    struct fake_exchange exchange = {.fake = fake, .fd = worker.fd};
    free(argument);
    pthread_mutex_lock(&fake->lock);
    enum fake_greeting greeting = fake->greeting;
    pthread_mutex_unlock(&fake->lock);
    if (greeting == FAKE_MUTE)
        fake_hold(&exchange);
    exchange.ssl = SSL_new(fake->context);
    SSL_set_fd(exchange.ssl, worker.fd);
    if ((greeting == FAKE_TLS || greeting == FAKE_SLAM_LATER) && SSL_accept(exchange.ssl) == 1) {
        pthread_mutex_lock(&fake->lock);
        fake->resumed += SSL_session_reused(exchange.ssl) != 0;
        pthread_mutex_unlock(&fake->lock);
        if (greeting == FAKE_TLS)
            fake_serve(&exchange, worker.connection);
        else
            fake_cut(&exchange);
    }
    SSL_free(exchange.ssl);
    pthread_mutex_lock(&fake->lock);
    fake->fds[worker.connection] = -1;
    pthread_mutex_unlock(&fake->lock);
    close(worker.fd);
    ERR_clear_error();
    return NULL;
}

static inline void *fake_accept(void *argument)
{
    struct fake_pve *fake = argument;
    int fd;
    while ((fd = accept(fake->listener, NULL, NULL)) >= 0) {
        pthread_mutex_lock(&fake->lock);
        struct fake_worker *worker = malloc(sizeof(*worker));
        *worker = (struct fake_worker){.fake = fake, .fd = fd, .connection = fake->connections++};
        assert(worker->connection < FAKE_CONNECTIONS_MAX);
        fake->fds[worker->connection] = fd;
        pthread_create(&fake->workers[worker->connection], NULL, fake_work, worker);
        pthread_mutex_unlock(&fake->lock);
    }
    return NULL;
}

static inline void fake_plain_script(struct fake_exchange *exchange)
{
    fake_fitting(exchange);
}

static inline int fake_bind(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* The certificate names `alt` ("DNS:pve1,IP:127.0.0.1") and is good from now + begin_s until now + end_s. */
static inline struct fake_pve *fake_new_dated(const struct fake_ca *ca, const char *alt, fake_script *script,
                                              long begin_s, long end_s)
{
    struct fake_pve *fake = calloc(1, sizeof(*fake));
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = fake_sign(key, "pve", alt, ca, ca->key, begin_s, end_s);
    fake->context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(fake->context, certificate);
    SSL_CTX_use_PrivateKey(fake->context, key);
    SSL_CTX_set_session_id_context(fake->context, (const unsigned char *)"fake", 4);
    SSL_CTX_set_options(fake->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    X509_free(certificate);
    EVP_PKEY_free(key);
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    fake->script = script ? script : fake_plain_script;
    fake->listener = fake_bind(&fake->port);
    assert_int_equal(listen(fake->listener, 128), 0);
    assert_int_equal(pthread_create(&fake->acceptor, NULL, fake_accept, fake), 0);
    return fake;
}

static inline struct fake_pve *fake_new(const struct fake_ca *ca, const char *alt, fake_script *script)
{
    return fake_new_dated(ca, alt, script, -FAKE_DAY_S, FAKE_YEAR_S); /* nothing about it is worth a word */
}

static inline void fake_free(struct fake_pve *fake)
{
    shutdown(fake->listener, SHUT_RDWR);
    pthread_join(fake->acceptor, NULL);
    close(fake->listener);
    pthread_mutex_lock(&fake->lock);
    fake->stopping = true;
    pthread_cond_broadcast(&fake->changed);
    for (unsigned i = 0; i < fake->connections; i++) {
        if (fake->fds[i] >= 0)
            shutdown(fake->fds[i], SHUT_RDWR);
    }
    unsigned count = fake->connections;
    pthread_mutex_unlock(&fake->lock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(fake->workers[i], NULL);
    for (unsigned i = 0; i < fake->request_count; i++)
        free(fake->requests[i].raw);
    SSL_CTX_free(fake->context);
    pthread_mutex_destroy(&fake->lock);
    pthread_cond_destroy(&fake->changed);
    free(fake);
}

/* ---- what a test asks and changes while the server runs ---- */

static inline void fake_set_script(struct fake_pve *fake, fake_script *script)
{
    pthread_mutex_lock(&fake->lock);
    fake->script = script;
    pthread_mutex_unlock(&fake->lock);
}

static inline void fake_set_greeting(struct fake_pve *fake, enum fake_greeting greeting)
{
    pthread_mutex_lock(&fake->lock);
    fake->greeting = greeting;
    pthread_mutex_unlock(&fake->lock);
}

static inline void fake_release(struct fake_pve *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->released++;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

/* Every idle connection is closed, as pveproxy does after 5 s; waits until the threads have let go. */
static inline void fake_drop_connections(struct fake_pve *fake)
{
    bool open = true;
    pthread_mutex_lock(&fake->lock);
    for (unsigned i = 0; i < fake->connections; i++) {
        if (fake->fds[i] >= 0)
            shutdown(fake->fds[i], SHUT_RDWR);
    }
    pthread_mutex_unlock(&fake->lock);
    while (open) {
        open = false;
        pthread_mutex_lock(&fake->lock);
        for (unsigned i = 0; i < fake->connections; i++)
            open |= fake->fds[i] >= 0;
        pthread_mutex_unlock(&fake->lock);
        sched_yield();
    }
}

static inline unsigned fake_connections(struct fake_pve *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned count = fake->connections;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

static inline unsigned fake_holds(struct fake_pve *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned count = fake->holds;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

/* How many requests came whose target begins so; "" counts all. */
static inline unsigned fake_count(struct fake_pve *fake, const char *target)
{
    unsigned count = 0;
    pthread_mutex_lock(&fake->lock);
    for (unsigned i = 0; i < fake->request_count; i++)
        count += strncmp(fake->requests[i].target, target, strlen(target)) == 0;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

/* Waits until so many came (never more than a test's patience: a missing one hangs the test, which prove
 * shows). */
static inline void fake_await(struct fake_pve *fake, unsigned count)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->request_count < count)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}
