/*
 * Transfers, from the request to the one callback.
 *
 * They are completed in one place (transport_drain), where curl is not on the stack. Each belongs to a
 * generation of connections: a changed CA begins a new one, and the old one goes when its last transfer has
 * ended. How an answer is judged is in transport_answer.c, how curl runs on libevent in transport_lanes.c.
 */
#include "proxmox/transport_private.h"

#include "system/cleanup.h"
#include "system/clock.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* pveproxy closes a connection that was idle for 5 s; curl counts whole seconds and uses one up to the next
 */
#define TRANSPORT_IDLE_MAX_S 3L

/* OpenSSL's place for the id of the transfer that a handshake is for; the connection may outlive it. */
static int transfer_index = -1;
/* … and for the transport, which outlives both. */
static int transport_index = -1;

int transport_global_init(struct error *error)
{
    unsetenv("SSLKEYLOGFILE"); /* libcurl would write our sessions' keys there (P9) */
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        error_set(error, ERROR_INTERNAL, "libcurl could not be initialised");
        return -ENOMEM;
    }
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (!info->ssl_version || strncmp(info->ssl_version, "OpenSSL/", 8) != 0) {
        error_set(error, ERROR_INTERNAL,
                  "this libcurl uses %s for TLS; certificates are checked with OpenSSL only",
                  info->ssl_version ? info->ssl_version : "nothing");
        error_hint(error, "install the OpenSSL flavour of libcurl (Debian: libcurl4)");
        return -ENOTSUP;
    }
    if (transfer_index < 0)
        transfer_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (transport_index < 0)
        transport_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (transfer_index < 0 || transport_index < 0) {
        error_set(error, ERROR_INTERNAL, "OpenSSL has no memory at the start");
        return -ENOMEM;
    }
    return 0;
}

void transport_global_cleanup(void)
{
    curl_global_cleanup();
}

/* ---- transfers ---- */

/* The lines hold the token's secret or the ticket. Curl's own copies are out of reach. */
static void wipe_headers(struct curl_slist *headers)
{
    for (struct curl_slist *line = headers; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(headers);
}

/* Take a transfer off curl and free it. Its generation goes with it if it was the last of an old one. */
static void transfer_free(struct transfer *transfer)
{
    if (transfer->easy) {
        curl_multi_remove_handle(transfer->lane->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    wipe_headers(transfer->headers);
    curl_slist_free_all(transfer->connect_to);
    if (transfer->timeout)
        event_free(transfer->timeout);
    if (transfer->body) /* may hold a password */
        explicit_bzero(transfer->body, strlen(transfer->body));
    free(transfer->body);
    if (transfer->answer) /* may hold a ticket */
        explicit_bzero(transfer->answer, transfer->answer_size);
    free(transfer->answer);
    listing_free(transfer->listing);
    free(transfer->endpoint_text);
    transfer->lane->generation->active--;
    free(transfer);
}

/* What was taken for no answer to its call may be one to an earlier call, and its own would come next: on
 * this connection nothing more is read. Curl finds it dead before it uses it again. */
static void close_connection(const struct transfer *transfer)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(transfer->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK && fd != CURL_SOCKET_BAD)
        shutdown(fd, SHUT_RDWR);
}

/* The one end of every transfer. */
static void finish(struct transfer *transfer, CURLcode code, bool timed_out)
{
    struct transport *transport = transfer->lane->generation->transport;
    _cleanup_(json_putp) struct json_object *document = NULL;
    struct api_result result = {
        .reason = transfer->reason,
        .endpoint = transfer->endpoint,
        .endpoint_text = transfer->endpoint_text,
        .asked_ms = transfer->asked_ms,
        .received_ms = clock_now_ms(),
        .certificate_expires_ms = transfer->seen.expires_ms,
        .timings = TIMINGS_NONE,
    };
    long status = 0, connects = 0;
    char *address = NULL;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &address);

    if (!timed_out && (code == CURLE_OK || transport_ended_by_close(transfer, code))) {
        result.http_status = (int)status;
        result.timings = transport_timings(transfer, connects > 0);
        transport_judge_answer(transfer, &result, &document);
        if (result.outcome == API_LOST)
            close_connection(transfer);
    } else {
        transport_judge_failure(transfer, code, timed_out, &result);
        if (transfer->call == API_REHEARSE)
            result.http_status = (int)status; /* 2xx alone says that it was no rehearsal, cut off or not */
    }
    traffic_add(&transport->traffic, transfer->endpoint_text, transfer->purpose, transfer->call, &result,
                connects > 0 ? (unsigned)connects : 0);

    HASH_DEL(transport->transfers, transfer);
    if (transfer->done)
        transfer->done(transfer->context, transfer->id, &result, address ? address : "");
    guest_list_unref(result.guests);
    transfer_free(transfer);
}

void transport_drain(struct lane *lane)
{
    struct generation *generation = lane->generation;
    struct transport *transport = generation->transport;
    CURLMsg *message;
    int left = 0;
    generation->active++; /* keep it while a callback may begin a new generation */
    while ((message = curl_multi_info_read(lane->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result; /* the message dies with its handle */
        struct transfer *transfer = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        if (transfer)
            finish(transfer, code, false);
    }
    if (--generation->active == 0 && generation != transport->current)
        transport_generation_free(generation);
}

static void on_timeout(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct transfer *transfer = context;
    struct lane *lane = transfer->lane;
    struct generation *generation = lane->generation;
    generation->active++;
    finish(transfer, CURLE_OPERATION_TIMEDOUT, true);
    /* the libcurl of Debian 13 does not see by itself that another one, which waits, has room now */
    event_active(lane->timer, EV_TIMEOUT, 0);
    if (--generation->active == 0 && generation != generation->transport->current)
        transport_generation_free(generation);
}

/* ---- building a transfer ---- */

/* `value` NULL: the header is left out. The line may hold a secret and is wiped. */
static bool add_header(struct transfer *transfer, const char *name, const char *value)
{
    _cleanup_(freep) char *line = NULL;
    if (!value)
        return true;
    if (asprintf(&line, "%s%s", name, value) < 0) {
        line = NULL;
        return false;
    }
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    explicit_bzero(line, strlen(line));
    if (!longer)
        return false;
    transfer->headers = longer;
    return true;
}

static bool is_numeric(const char *address)
{
    return strchr(address, ':') || strspn(address, "0123456789.") == strlen(address);
}

static bool set_address(struct transfer *transfer, const struct endpoint *endpoint, const char *path)
{
    _cleanup_(freep) char *url = NULL, *connect_to = NULL;
    const char *name_open = strchr(endpoint->name, ':') ? "[" : "", *name_close = *name_open ? "]" : "";
    /* the address that answered last: a fence needs no resolver */
    const char *address = endpoint->last_address ? endpoint->last_address : endpoint->address;
    transfer->address_known = endpoint->last_address || is_numeric(address);
    const char *open = strchr(address, ':') ? "[" : "", *close = *open ? "]" : "";

    if (asprintf(&url, "https://%s%s%s:%u%s", name_open, endpoint->name, name_close, endpoint->port, path) <
        0) {
        url = NULL;
        return false;
    }
    if (asprintf(&connect_to, "::%s%s%s:%u", open, address, close, endpoint->port) < 0) {
        connect_to = NULL;
        return false;
    }
    transfer->connect_to = curl_slist_append(NULL, connect_to);
    return transfer->connect_to && curl_easy_setopt(transfer->easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to) == CURLE_OK;
}

/* The transfer that a handshake is for; NULL: it has ended. */
static struct transfer *transfer_of(const SSL *ssl)
{
    const SSL_CTX *context = ssl ? SSL_get_SSL_CTX(ssl) : NULL;
    const struct transport *transport = context ? SSL_CTX_get_ex_data(context, transport_index) : NULL;
    uint64_t id = context ? (uintptr_t)SSL_CTX_get_ex_data(context, transfer_index) : 0;
    struct transfer *transfer = NULL;
    if (transport)
        HASH_FIND(hh, transport->transfers, &id, sizeof(id), transfer);
    return transfer;
}

static int on_certificate(X509_STORE_CTX *context, void *argument)
{
    const struct generation *generation = argument;
    SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct transfer *transfer = transfer_of(ssl);
    return trust_judge(generation->trust, context, transfer ? &transfer->seen : NULL);
}

/* A resumed session brings its certificate along: nobody asks for our verdict on it, but its name is checked.
 */
static void on_handshake(const SSL *ssl, int where, int value)
{
    (void)value;
    struct transfer *transfer = where & SSL_CB_HANDSHAKE_DONE ? transfer_of(ssl) : NULL;
    if (transfer && !transfer->seen.fingerprint[0])
        trust_look_at(SSL_get0_peer_certificate(ssl), &transfer->seen);
}

/* If the store is ours, the one that curl has made is empty, and goes. */
static CURLcode on_tls_context(CURL *easy, void *context, void *argument)
{
    (void)easy;
    const struct transfer *transfer = argument;
    struct generation *generation = transfer->lane->generation;
    X509_STORE *store = trust_store(generation->trust);
    if (store)
        SSL_CTX_set1_cert_store(context, store);
    if (SSL_CTX_set_ex_data(context, transfer_index, (void *)(uintptr_t)transfer->id) != 1 ||
        SSL_CTX_set_ex_data(context, transport_index, generation->transport) != 1)
        return CURLE_OUT_OF_MEMORY;
    SSL_CTX_set_info_callback(context, on_handshake);
    SSL_CTX_set_cert_verify_callback(context, on_certificate, generation);
    return CURLE_OK;
}

static bool set_tls(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    const struct trust *trust = transfer->lane->generation->trust;
    bool good =
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
        /* a fingerprint stands for the name, too */
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, trust_by_fingerprint(trust) ? 0L : 2L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, transfer) == CURLE_OK;
    if (good && trust_store(trust))
        good = curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK;
    /* A libcurl that was built with a directory of CAs trusts those beside the ones given, and reads it at
     * each handshake. */
    if (trust_store(trust) || curl_version_info(CURLVERSION_NOW)->cainfo)
        good = good && curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    /* the system's store is read once a lane and then kept: no file is opened in a fence */
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, -1L);
    return good;
}

static void set_behaviour(struct transfer *transfer)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_SHARE, transfer->lane->generation->share);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* https_proxy in the environment is not for us */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* removing a transfer must not wait for its resolver */
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, TRANSPORT_IDLE_MAX_S);
    /* a login may take long to be refused, but not to be begun */
    if (transfer->call == API_TICKET)
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(transfer->timeout_ms / 2));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "fence-broker/" FENCE_BROKER_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, transport_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, transport_on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
    /* curl sends a request again when a reused connection turns out dead; harmless for what is idempotent,
     * not for reset, and not for a code, which is good once */
    if (transfer->call == API_RESET || transfer->call == API_TICKET || transfer->call == API_REHEARSE)
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    if (transfer->call == API_REHEARSE) /* the 400 that it asks for closes it */
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    if (transfer->body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(transfer->body));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body);
    }
}

static bool set_headers(struct transfer *transfer, const struct transport_auth *auth)
{
    return add_header(transfer, "Expect:", "") &&
           add_header(transfer, "Authorization: ", auth ? auth->authorization : NULL) &&
           add_header(transfer, "Cookie: PVEAuthCookie=", auth ? auth->ticket : NULL) &&
           add_header(transfer, "CSRFPreventionToken: ", transfer->body && auth ? auth->csrf : NULL) &&
           curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
}

static bool prepare(struct transfer *transfer, const struct endpoint *endpoint,
                    const struct api_request *request, const struct transport_auth *auth)
{
    _cleanup_(freep) char *path = NULL;
    transfer->easy = curl_easy_init();
    transfer->endpoint_text = strdup(endpoint->text);
    transfer->timeout = event_new(transfer->lane->generation->transport->base, -1, 0, on_timeout, transfer);
    if (!transfer->easy || !transfer->endpoint_text || !transfer->timeout ||
        !api_build(request, &path, &transfer->body))
        return false;
    set_behaviour(transfer);
    return set_address(transfer, endpoint, path) && set_tls(transfer) && set_headers(transfer, auth);
}

uint64_t transport_send(struct transport *transport, enum traffic_purpose purpose,
                        const struct endpoint *endpoint, size_t endpoint_index,
                        const struct api_request *request, const struct transport_auth *auth,
                        int64_t timeout_ms, transport_done_fn *done, void *context)
{
    static const enum transport_lane lanes[TRAFFIC_PURPOSE_COUNT] = {
        [TRAFFIC_POLL] = TRANSPORT_POLLS,           [TRAFFIC_CHECK] = TRANSPORT_POLLS,
        [TRAFFIC_REHEARSAL] = TRANSPORT_REHEARSALS, [TRAFFIC_LOGIN] = TRANSPORT_FENCES,
        [TRAFFIC_FENCE] = TRANSPORT_FENCES,
    };
    if ((request->call == API_REHEARSE) != (purpose == TRAFFIC_REHEARSAL))
        return 0;
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer)
        return 0;
    transfer->lane = &transport->current->lanes[lanes[purpose]];
    transfer->purpose = purpose;
    transport->current->active++;
    transfer->id = ++transport->last_id;
    transfer->call = request->call;
    transfer->request = (struct api_request){.call = request->call,
                                             .type = request->type,
                                             .vmid = request->vmid,
                                             .node = transfer->node,
                                             .upid = transfer->upid};
    snprintf(transfer->node, sizeof(transfer->node), "%s", request->node ? request->node : "");
    snprintf(transfer->upid, sizeof(transfer->upid), "%s", request->upid ? request->upid : "");
    transfer->endpoint = endpoint_index;
    transfer->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
    transfer->done = done;
    transfer->context = context;
    transfer->asked_ms = clock_now_ms();
    if (!prepare(transfer, endpoint, request, auth)) {
        transfer_free(transfer);
        return 0;
    }
    HASH_ADD(hh, transport->transfers, id, sizeof(transfer->id), transfer);
    if (!transfer->hh.tbl) { /* out of memory: uthash says so this way */
        transfer_free(transfer);
        return 0;
    }
    struct timeval tv = {.tv_sec = transfer->timeout_ms / 1000,
                         .tv_usec = (transfer->timeout_ms % 1000) * 1000};
    if (event_add(transfer->timeout, &tv) < 0 ||
        curl_multi_add_handle(transfer->lane->multi, transfer->easy) != CURLM_OK) {
        HASH_DEL(transport->transfers, transfer);
        transfer_free(transfer);
        return 0;
    }
    return transfer->id;
}

void transport_forget(struct transport *transport, uint64_t id)
{
    struct transfer *transfer = NULL;
    HASH_FIND(hh, transport->transfers, &id, sizeof(id), transfer);
    if (transfer)
        transfer->done = NULL;
}

/* ---- the room itself ---- */

struct transport *transport_new(struct event_base *base, const struct trust_source *trust)
{
    struct transport *transport = calloc(1, sizeof(*transport));
    if (!transport)
        return NULL;
    transport->base = base;
    transport->current = transport_generation_new(transport, trust);
    if (!transport->current) {
        free(transport);
        return NULL;
    }
    return transport;
}

int transport_set_trust(struct transport *transport, const struct trust_source *trust)
{
    struct generation *next = transport_generation_new(transport, trust), *old = transport->current;
    if (!next)
        return -ENOMEM;
    transport->current = next;
    if (old->active == 0)
        transport_generation_free(old);
    return 0;
}

void transport_free(struct transport *transport)
{
    if (!transport)
        return;
    struct transfer *transfer, *next;
    HASH_ITER (hh, transport->transfers, transfer, next) {
        struct generation *generation = transfer->lane->generation;
        HASH_DEL(transport->transfers, transfer);
        transfer_free(transfer);
        if (generation->active == 0 && generation != transport->current)
            transport_generation_free(generation);
    }
    transport_generation_free(transport->current);
    traffic_clear(&transport->traffic);
    free(transport);
}

const struct traffic *transport_traffic(const struct transport *transport)
{
    return &transport->traffic;
}
