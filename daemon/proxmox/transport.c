/*
 * libcurl's multi interface on libevent.
 *
 * Curl's callbacks only arm events; transfers are completed in one place (drain), where curl is not on the
 * stack. Each transfer belongs to a generation (the lanes' connections, and TLS sessions that the lanes
 * share): a changed CA begins a new one, and the old one goes when its last transfer has ended.
 */
#include "proxmox/transport.h"

#include "proxmox/listing.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define TRANSPORT_REASON_MAX 512
/* pveproxy closes a connection that was idle for 5 s; curl counts whole seconds and uses one up to the next
 */
#define TRANSPORT_IDLE_MAX_S 3L

/* Connections of one kind of asker. */
struct lane {
    struct generation *generation;
    CURLM *multi;
    struct event *timer;
};

struct generation {
    struct transport *transport;
    struct lane lanes[TRANSPORT_LANE_COUNT];
    CURLSH *share; /* TLS sessions, so that a fence resumes what a poll began */
    unsigned active;
    struct trust *trust;
};

struct transfer {
    uint64_t id;
    struct lane *lane;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    bool address_known; /* without asking a resolver */
    char *body;
    struct event *timeout;
    enum api_call call;
    size_t endpoint;
    char *endpoint_text;
    int64_t asked_ms, timeout_ms;
    char *answer;
    size_t answer_length, answer_size;
    struct listing *listing; /* takes a long answer in; NULL: it is kept in `answer` */
    size_t received;         /* bytes of the answer */
    bool too_long;           /* the answer: more than TRANSPORT_BODY_MAX */
    bool broken;             /* what was received is no answer of Proxmox's, whatever follows */
    struct trust_seen seen;  /* if there was a full handshake */
    char reason[TRANSPORT_REASON_MAX];
    char curl_error[CURL_ERROR_SIZE];
    transport_done_fn *done;
    void *context;
    UT_hash_handle hh;
};

struct transport {
    struct event_base *base;
    struct generation *current;
    struct transfer *transfers;
    uint64_t last_id;
    struct transport_counters counters;
};

/* OpenSSL's place for the id of the transfer that a handshake is for; the connection may outlive it. */
static int transfer_index = -1;

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
    if (transfer_index < 0) {
        error_set(error, ERROR_INTERNAL, "OpenSSL has no memory at the start");
        return -ENOMEM;
    }
    return 0;
}

void transport_global_cleanup(void)
{
    curl_global_cleanup();
}

/* ---- generations ---- */

static void drain(struct lane *lane);

static void on_socket_event(evutil_socket_t fd, short what, void *context)
{
    struct lane *lane = context;
    int action = ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);
    int running = 0;
    curl_multi_socket_action(lane->multi, fd, action, &running);
    drain(lane);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct lane *lane = context;
    int running = 0;
    curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    drain(lane);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    struct lane *lane = context;
    if (timeout_ms < 0) {
        event_del(lane->timer);
        return 0;
    }
    struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
    event_add(lane->timer, &tv);
    return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    (void)easy;
    struct lane *lane = context;
    struct event *event = socket_context;
    if (event)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        short events = EV_PERSIST;
        events |= (what & CURL_POLL_IN) ? EV_READ : 0;
        events |= (what & CURL_POLL_OUT) ? EV_WRITE : 0;
        event = event_new(lane->generation->transport->base, fd, events, on_socket_event, lane);
        if (event)
            event_add(event, NULL);
    }
    curl_multi_assign(lane->multi, fd, event);
    return 0;
}

static void generation_free(struct generation *generation)
{
    if (!generation)
        return;
    for (size_t i = 0; i < ARRAY_LEN(generation->lanes); i++) {
        struct lane *lane = &generation->lanes[i];
        if (lane->multi)
            curl_multi_cleanup(lane->multi);
        if (lane->timer)
            event_free(lane->timer);
    }
    if (generation->share) /* after the lanes, whose connections use it */
        curl_share_cleanup(generation->share);
    trust_free(generation->trust);
    free(generation);
}

static bool lane_init(struct lane *lane, struct generation *generation, long host_connections)
{
    lane->generation = generation;
    lane->multi = curl_multi_init();
    lane->timer = event_new(generation->transport->base, -1, 0, on_timer, lane);
    if (!lane->multi || !lane->timer)
        return false;
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_MAX_HOST_CONNECTIONS, host_connections);
    return true;
}

static struct generation *generation_new(struct transport *transport, const struct trust_source *source)
{
    static const long host_connections[TRANSPORT_LANE_COUNT] = {
        [TRANSPORT_FENCES] = 0, /* no limit: the engine has its own */
        [TRANSPORT_POLLS] = 1,
        [TRANSPORT_VISITS] = 4,
        [TRANSPORT_REHEARSALS] = 1,
    };
    struct generation *generation = calloc(1, sizeof(*generation));
    if (!generation)
        return NULL;
    generation->transport = transport;
    generation->share = curl_share_init();
    generation->trust = trust_new(source);
    bool good = generation->share && generation->trust;
    for (size_t i = 0; good && i < ARRAY_LEN(generation->lanes); i++)
        good = lane_init(&generation->lanes[i], generation, host_connections[i]);
    if (!good) {
        generation_free(generation);
        return NULL;
    }
    curl_share_setopt(generation->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return generation;
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

static void refuse(struct api_result *result, const struct transfer *transfer, struct json_object *document)
{
    const char *words = transfer->reason[0] ? transfer->reason : "(no reason given)";
    enum error_code code = result->http_status == 401   ? ERROR_NO_SESSION
                           : result->http_status == 403 ? ERROR_NO_POWER_RIGHT
                                                        : ERROR_PROTOCOL;
    result->outcome = API_REFUSED;
    error_set(&result->error, code, "Proxmox at %s answered %s with %d %s", transfer->endpoint_text,
              api_row(transfer->call)->name, result->http_status, words);
    if (document)
        json_get_object(document, "errors", &result->errors);
}

static void say_not_an_answer(const struct transfer *transfer, struct error *error)
{
    error_set(error, ERROR_PROTOCOL, "Proxmox at %s answered %s with %zu bytes that are not a Proxmox answer",
              transfer->endpoint_text, api_row(transfer->call)->name, transfer->received);
}

/* What the exchange amounts to. *document, and the result's guests, must be released after the callback. */
static void judge_answer(const struct transfer *transfer, struct api_result *result,
                         struct json_object **document)
{
    if (transfer->listing)
        *document = listing_end(transfer->listing, &result->guests);
    else if (transfer->answer_length)
        *document = json_parse(transfer->answer, transfer->answer_length);
    if (result->http_status >= 300 || result->http_status < 200) {
        refuse(result, transfer, *document);
        return;
    }
    struct json_object *data = NULL;
    if (!*document || !json_object_is_type(*document, json_type_object) ||
        !json_object_object_get_ex(*document, "data", &data)) {
        result->outcome = API_LOST;
        say_not_an_answer(transfer, &result->error);
        return;
    }
    result->outcome = API_OK;
    result->data = data;
}

static bool is_certificate_error(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_CERTPROBLEM;
}

/* curl counts each stretch from the beginning. */
static struct journey journey_of(const struct transfer *transfer, bool connected)
{
    struct journey journey = JOURNEY_NONE;
    curl_off_t named = 0, reached = 0, shaken = 0, total = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_NAMELOOKUP_TIME_T, &named);
    curl_easy_getinfo(transfer->easy, CURLINFO_CONNECT_TIME_T, &reached);
    curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &shaken);
    curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &total);
    if (connected && reached >= named && shaken >= reached) {
        journey.dns_us = transfer->address_known ? -1 : named;
        journey.tcp_us = reached - named;
        journey.tls_us = shaken - reached;
    }
    journey.answer_us = total >= shaken ? total - (connected ? shaken : 0) : -1;
    return journey;
}

static void judge_failure(const struct transfer *transfer, CURLcode code, bool timed_out,
                          struct api_result *result)
{
    /* curl notes "pretransfer" when the kernel has taken the request, or a part of it. A write that failed
     * outright left nothing that the other end could decrypt. It is never taken back: a request that was
     * written to a dying connection and whose repetition found nobody counts as written. */
    curl_off_t pretransfer = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &pretransfer);
    result->outcome = pretransfer > 0 ? API_LOST : API_UNSENT;

    const char *call = api_row(transfer->call)->name;
    if (is_certificate_error(code))
        trust_explain(&transfer->seen, transfer->endpoint_text,
                      transfer->curl_error[0] ? transfer->curl_error : "the certificate was not accepted",
                      &result->error);
    else if (transfer->too_long)
        error_set(&result->error, ERROR_PROTOCOL,
                  "Proxmox at %s answered %s with more than the %d MiB that are read of one answer",
                  transfer->endpoint_text, call, TRANSPORT_BODY_MAX / (1024 * 1024));
    else if (transfer->broken)
        say_not_an_answer(transfer, &result->error);
    else if (timed_out)
        error_set(&result->error, result->outcome == API_LOST ? ERROR_PROTOCOL : ERROR_NO_ENDPOINT,
                  "Proxmox at %s %s within %lld ms", transfer->endpoint_text,
                  result->outcome == API_LOST ? "did not answer" : "could not be reached",
                  (long long)transfer->timeout_ms);
    else
        error_set(&result->error, result->outcome == API_LOST ? ERROR_PROTOCOL : ERROR_NO_ENDPOINT,
                  "%s at %s: %s", call, transfer->endpoint_text,
                  transfer->curl_error[0] ? transfer->curl_error : curl_easy_strerror(code));
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
        .journey = JOURNEY_NONE,
    };
    long status = 0, connects = 0;
    char *address = NULL;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &address);
    transport->counters.connections += connects > 0 ? (uint64_t)connects : 0;

    if (code == CURLE_OK && !timed_out) {
        result.http_status = (int)status;
        result.journey = journey_of(transfer, connects > 0);
        judge_answer(transfer, &result, &document);
    } else {
        judge_failure(transfer, code, timed_out, &result);
        if (transfer->call == API_REHEARSE)
            result.http_status = (int)status; /* 2xx alone says that it was no rehearsal, cut off or not */
    }
    traffic_add(&transport->counters.traffic, transfer->endpoint_text, transfer->call, &result);

    HASH_DEL(transport->transfers, transfer);
    if (transfer->done)
        transfer->done(transfer->context, transfer->id, &result, address ? address : "");
    guest_list_unref(result.guests);
    transfer_free(transfer);
}

static void drain(struct lane *lane)
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
        generation_free(generation);
}

static void on_timeout(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct transfer *transfer = context;
    struct generation *generation = transfer->lane->generation;
    generation->active++;
    finish(transfer, CURLE_OPERATION_TIMEDOUT, true);
    if (--generation->active == 0 && generation != generation->transport->current)
        generation_free(generation);
}

/* A long answer is taken in as it comes, if it is a good one; the words of a refusal are always kept. */
static bool is_listed(struct transfer *transfer)
{
    enum api_elements elements = api_row(transfer->call)->elements;
    long status = 0;
    if (transfer->received == 0 && elements != API_ELEMENTS_NONE &&
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status >= 200 &&
        status < 300)
        transfer->listing = listing_new(elements);
    return transfer->listing != NULL;
}

static bool keep_body(struct transfer *transfer, const char *data, size_t length)
{
    if (transfer->answer_length + length > transfer->answer_size) {
        size_t wanted = transfer->answer_size ? transfer->answer_size * 2 : 4096;
        while (wanted < transfer->answer_length + length)
            wanted *= 2;
        char *grown = malloc(wanted); /* not realloc(): the old room may hold a ticket and is wiped */
        if (!grown)
            return false;
        if (transfer->answer) {
            memcpy(grown, transfer->answer, transfer->answer_length);
            explicit_bzero(transfer->answer, transfer->answer_size);
            free(transfer->answer);
        }
        transfer->answer = grown;
        transfer->answer_size = wanted;
    }
    memcpy(transfer->answer + transfer->answer_length, data, length);
    transfer->answer_length += length;
    return true;
}

/* At most CURL_MAX_WRITE_SIZE bytes at a time: that much of a long answer is read before the loop has its
 * turn. */
static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t length = size * count;
    if (length > TRANSPORT_BODY_MAX - transfer->received) {
        transfer->too_long = true;
        return 0;
    }
    bool listed = is_listed(transfer);
    transfer->received += length;
    if (!listed)
        return keep_body(transfer, data, length) ? length : 0;
    transfer->broken = !listing_feed(transfer->listing, data, length);
    return transfer->broken ? 0 : length;
}

/* Only the status line matters: its reason phrase is Proxmox's error text. */
static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t length = size * count;
    int reason_at = 0;
    char line[TRANSPORT_REASON_MAX];
    if (length < 5 || memcmp(data, "HTTP/", 5) != 0)
        return length;
    snprintf(line, sizeof(line), "%.*s", (int)length, data);
    line[strcspn(line, "\r\n")] = '\0';
    if (sscanf(line, "HTTP/%*s %*d %n", &reason_at) >= 0 && reason_at > 0)
        snprintf(transfer->reason, sizeof(transfer->reason), "%s", line + reason_at);
    return length;
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

static int on_certificate(X509_STORE_CTX *context, void *argument)
{
    const struct generation *generation = argument;
    struct transfer *transfer = NULL;
    SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    uint64_t id = ssl ? (uintptr_t)SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), transfer_index) : 0;
    HASH_FIND(hh, generation->transport->transfers, &id, sizeof(id), transfer);
    return trust_judge(generation->trust, context, transfer ? &transfer->seen : NULL);
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
    if (SSL_CTX_set_ex_data(context, transfer_index, (void *)(uintptr_t)transfer->id) != 1)
        return CURLE_OUT_OF_MEMORY;
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
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
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

uint64_t transport_send(struct transport *transport, enum transport_lane lane,
                        const struct endpoint *endpoint, size_t endpoint_index,
                        const struct api_request *request, const struct transport_auth *auth,
                        int64_t timeout_ms, transport_done_fn *done, void *context)
{
    if ((request->call == API_REHEARSE) != (lane == TRANSPORT_REHEARSALS))
        return 0;
    struct transfer *transfer = calloc(1, sizeof(*transfer));
    if (!transfer)
        return 0;
    transfer->lane = &transport->current->lanes[lane];
    transport->current->active++;
    transfer->id = ++transport->last_id;
    transfer->call = request->call;
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
    transport->current = generation_new(transport, trust);
    if (!transport->current) {
        free(transport);
        return NULL;
    }
    return transport;
}

int transport_set_trust(struct transport *transport, const struct trust_source *trust)
{
    struct generation *next = generation_new(transport, trust), *old = transport->current;
    if (!next)
        return -ENOMEM;
    transport->current = next;
    if (old->active == 0)
        generation_free(old);
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
            generation_free(generation);
    }
    generation_free(transport->current);
    traffic_clear(&transport->counters.traffic);
    free(transport);
}

const struct transport_counters *transport_counters(const struct transport *transport)
{
    return &transport->counters;
}
