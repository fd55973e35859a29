/*
 * libcurl's easy interface. The certificate's fingerprint is taken in every handshake, so that a failed
 * verification can say which line would trust this host.
 */
#include "admin/https.h"

#include "admin/heap.h"
#include "system/cleanup.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

struct https {
    const struct config_endpoint *endpoint;
    const char *ca_file;
    struct trust *trust;
    CURL *easy;
    struct curl_slist *connect_to;
    struct trust_seen seen; /* in the last handshake */
    char words[CURL_ERROR_SIZE];
};

/* ---- certificates ---- */

/* In place of X509_verify_cert(). */
static int on_verify(X509_STORE_CTX *context, void *argument)
{
    struct https *https = argument;
    https->seen = (struct trust_seen){0};
    return trust_judge(https->trust, context, &https->seen);
}

static CURLcode on_tls_context(CURL *easy, void *context, void *argument)
{
    (void)easy;
    SSL_CTX_set_cert_verify_callback(context, on_verify, argument);
    return CURLE_OK;
}

/* ---- setting up ---- */

static bool set_address(struct https *https)
{
    const struct config_endpoint *endpoint = https->endpoint;
    bool literal = strchr(endpoint->address, ':') != NULL;
    https->connect_to =
        heap_need(curl_slist_append(NULL, heap_printf("::%s%s%s:%u", literal ? "[" : "", endpoint->address,
                                                      literal ? "]" : "", endpoint->port)));
    return curl_easy_setopt(https->easy, CURLOPT_CONNECT_TO, https->connect_to) == CURLE_OK;
}

static bool set_trust(struct https *https)
{
    CURL *easy = https->easy;
    bool pinned = trust_by_fingerprint(https->trust);
    bool good = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, pinned ? 0L : 2L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, https) == CURLE_OK;
    if (pinned || https->ca_file)
        good = good && curl_easy_setopt(easy, CURLOPT_CAINFO, pinned ? NULL : https->ca_file) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    return good;
}

static void set_behaviour(struct https *https)
{
    CURL *easy = https->easy;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, HTTPS_ANSWER_MS);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, HTTPS_CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "fence-broker/" FENCE_BROKER_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, https->words);
    /* a request that changes something is never sent again by itself on a connection that turned out dead */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
}

struct https *https_new(const struct config_endpoint *endpoint, const struct https_trust *trust,
                        struct error *error)
{
    struct https *https = calloc(1, sizeof(*https));
    if (https) {
        https->endpoint = endpoint;
        https->ca_file = trust->ca_file;
        https->trust = trust_new(&(struct trust_source){.fingerprints = trust->fingerprints,
                                                        .fingerprint_count = trust->fingerprint_count});
        https->easy = curl_easy_init();
    }
    if (https && https->easy && https->trust && set_address(https) && set_trust(https)) {
        set_behaviour(https);
        return https;
    }
    https_free(https);
    error_set(error, ERROR_INTERNAL, "no memory for a connection");
    return NULL;
}

void https_free(struct https *https)
{
    if (!https)
        return;
    if (https->easy)
        curl_easy_cleanup(https->easy);
    curl_slist_free_all(https->connect_to);
    trust_free(https->trust);
    free(https);
}

/* ---- a request ---- */

/* Grows by copying and wiping: a ticket or a token's secret must not stay behind on the heap. */
static bool reserve(struct https_answer *answer, size_t more)
{
    if (answer->length + more < answer->room)
        return true;
    size_t room = (answer->length + more + 1) * 2;
    char *bigger = room > HTTPS_ANSWER_MAX * 2UL ? NULL : malloc(room);
    if (!bigger)
        return false;
    if (answer->body) {
        memcpy(bigger, answer->body, answer->length);
        explicit_bzero(answer->body, answer->room);
        free(answer->body);
    }
    answer->body = bigger;
    answer->room = room;
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct https_answer *answer = context;
    if (!reserve(answer, size * count))
        return 0;
    memcpy(answer->body + answer->length, bytes, size * count);
    answer->length += size * count;
    answer->body[answer->length] = '\0';
    return size * count;
}

/* "HTTP/1.1 403 Permission check failed (…)": each status line begins a new answer */
static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct https_answer *answer = context;
    size_t length = size * count;
    const char *end = bytes + length, *at = length > 5 && memcmp(bytes, "HTTP/", 5) == 0 ? bytes : NULL;
    at = at ? memchr(at, ' ', (size_t)(end - at)) : NULL;
    at = at ? memchr(at + 1, ' ', (size_t)(end - at - 1)) : NULL;
    if (at) {
        while (end > at && (end[-1] == '\r' || end[-1] == '\n'))
            end--;
        at += at < end;
        snprintf(answer->reason, sizeof(answer->reason), "%.*s", (int)(end - at), at);
    }
    return length;
}

static bool add_header(struct curl_slist **headers, const char *name, const char *value)
{
    _cleanup_(freep) char *line = NULL;
    if (asprintf(&line, "%s%s", name, value) < 0) {
        line = NULL;
        return false;
    }
    struct curl_slist *longer = curl_slist_append(*headers, line);
    explicit_bzero(line, strlen(line));
    if (longer)
        *headers = longer;
    return longer != NULL;
}

static void wipe_headers(struct curl_slist *headers)
{
    for (struct curl_slist *line = headers; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(headers);
}

static void explain(const struct https *https, CURLcode code, struct error *error)
{
    const char *words = https->words[0] ? https->words : curl_easy_strerror(code),
               *where = https->endpoint->text;
    bool certificate = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
                       code == CURLE_SSL_ISSUER_ERROR;
    if (certificate && https->seen.fingerprint[0]) {
        error_set(error, ERROR_CERTIFICATE, "the certificate of %s is not trusted: %s", where, words);
        if (strstr(words, "subject name") && https->seen.name[0])
            error_hint(error, "it is for %s; if that is the host: --apply '%.*s as %s'", https->seen.names,
                       (int)strcspn(where, " "), where, https->seen.name);
        else
            error_hint(error,
                       "give --ca-file with a copy of /etc/pve/pve-root-ca.pem; or, if the host's `pvenode "
                       "cert info` "
                       "shows this one: --fingerprint %s",
                       https->seen.fingerprint);
    } else if (certificate) {
        error_set(error, ERROR_CERTIFICATE, "cannot set up certificate verification: %s", words);
        error_hint(error, "give --ca-file with a copy of /etc/pve/pve-root-ca.pem");
    } else {
        error_set(error, ERROR_NO_ENDPOINT, "%s: %s", where, words);
        error_hint(error, "check name and port of the Proxmox host, and whether this machine reaches it");
    }
}

static bool set_request(struct https *https, const struct https_request *request, struct https_answer *answer,
                        struct curl_slist **headers)
{
    CURL *easy = https->easy;
    bool literal = strchr(https->endpoint->name, ':') != NULL;
    const char *url = heap_printf("https://%s%s%s:%u%s", literal ? "[" : "", https->endpoint->name,
                                  literal ? "]" : "", https->endpoint->port, request->path);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (request->body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request->body));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
    return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
           add_header(headers, "Expect:", "") &&
           (!request->cookie ||
            add_header(headers, "Cookie: PVEAuthCookie=", secret_reveal(request->cookie))) &&
           (!request->csrf || add_header(headers, "CSRFPreventionToken: ", secret_reveal(request->csrf))) &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers) == CURLE_OK;
}

int https_ask(struct https *https, const struct https_request *request, struct https_answer *answer,
              struct error *error)
{
    struct curl_slist *headers = NULL;
    *answer = (struct https_answer){0};
    https->words[0] = '\0';
    CURLcode code = reserve(answer, 1) && set_request(https, request, answer, &headers)
                        ? curl_easy_perform(https->easy)
                        : CURLE_OUT_OF_MEMORY;
    long status = 0;
    curl_easy_getinfo(https->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(https->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(https->easy, CURLOPT_POSTFIELDS, NULL);
    wipe_headers(headers);
    answer->status = (int)status;
    if (code == CURLE_OK)
        return 0;
    explain(https, code, error);
    return -EIO;
}

void https_answer_clear(struct https_answer *answer)
{
    if (answer->body)
        explicit_bzero(answer->body, answer->room);
    free(answer->body);
    *answer = (struct https_answer){0};
}
