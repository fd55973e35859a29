/*
 * What comes back of a transfer, and what it amounts to: an answer, a refusal, or a failure that was
 * certainly not sent (API_UNSENT) or may have been (API_LOST). Begins and ends no transfer.
 */
#include "proxmox/transport_private.h"

#include "proxmox/blame.h"
#include "proxmox/misfit.h"
#include "proxmox/printable.h"
#include "system/text.h"

#include <stdio.h>
#include <string.h>

/* ---- taking it in ---- */

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
size_t transport_on_body(char *data, size_t size, size_t count, void *context)
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

static bool is_field(const char *data, size_t length, const char *name)
{
    return length > strlen(name) && strncasecmp(data, name, strlen(name)) == 0;
}

/* Of the status line the reason phrase: it is Proxmox's error text. */
size_t transport_on_header(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t length = size * count;
    int reason_at = 0;
    char line[TRANSPORT_REASON_MAX];
    transfer->head_ended = length == strspn(data, "\r\n");
    transfer->has_length |=
        is_field(data, length, "Content-Length:") || is_field(data, length, "Transfer-Encoding:");
    if (!is_field(data, length, "HTTP/"))
        return length;
    transfer->has_length = false;
    snprintf(line, sizeof(line), "%.*s", (int)length, data);
    line[strcspn(line, "\r\n")] = '\0';
    if (sscanf(line, "HTTP/%*s %*d %n", &reason_at) >= 0 && reason_at > 0)
        snprintf(transfer->reason, sizeof(transfer->reason), "%s", line + reason_at);
    text_make_printable(transfer->reason);
    return length;
}

/* ---- what it amounts to ---- */

static void refuse(struct api_result *result, const struct transfer *transfer, struct json_object *document)
{
    const char *words = transfer->reason[0] ? transfer->reason : "(no reason given)";
    enum error_code code = result->http_status == 401   ? ERROR_NO_SESSION
                           : result->http_status == 403 ? ERROR_NO_POWER_RIGHT
                                                        : ERROR_PROTOCOL;
    result->outcome = API_REFUSED;
    error_set(&result->error, code, "Proxmox at %s answered %s with %d %s", transfer->endpoint_text,
              api_row(transfer->call)->name, result->http_status, words);
    blame_hint(transfer->node, result, &result->error);
    if (document)
        json_get_object(document, "errors", &result->errors);
}

/* Of a good answer Proxmox says 200, and nothing else. */
static void lose(struct api_result *result, const struct transfer *transfer, const char *why)
{
    result->outcome = API_LOST;
    error_set(&result->error, ERROR_PROTOCOL, "Proxmox at %s answered %s with %s", transfer->endpoint_text,
              api_row(transfer->call)->name, why);
    error_hint(&result->error, "a proxy or load balancer between the broker and Proxmox may mix up "
                               "connections: let endpoint lead straight to port 8006 of a host");
}

static void say_not_an_answer(const struct transfer *transfer, struct error *error)
{
    error_set(error, ERROR_PROTOCOL, "Proxmox at %s answered %s with %zu bytes that are not a Proxmox answer",
              transfer->endpoint_text, api_row(transfer->call)->name, transfer->received);
}

/* pveproxy sends no length with a 401, nor with 595 to 597, and until March 2025 it closed without TLS's
 * goodbye, which OpenSSL 3 makes an error of and newer versions of curl pass on. Nobody can have cut off what
 * matters: a refusal is its status line, and the document of a good answer shows whether it is whole. */
bool transport_ended_by_close(const struct transfer *transfer, CURLcode code)
{
    return code == CURLE_RECV_ERROR && transfer->head_ended && !transfer->has_length && !transfer->too_long &&
           !transfer->broken;
}

void transport_judge_answer(const struct transfer *transfer, struct api_result *result,
                            struct json_object **document)
{
    if (transfer->listing)
        *document = listing_end(transfer->listing, &result->guests);
    else if (transfer->answer_length)
        *document = printable_parse(transfer->answer, transfer->answer_length);
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
    const char *misfit = result->http_status == 200 ? misfit_judge(&transfer->request, data, result->guests)
                                                    : "an HTTP status that Proxmox does not have";
    if (misfit) {
        lose(result, transfer, misfit);
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
struct timings transport_timings(const struct transfer *transfer, bool connected)
{
    struct timings timings = TIMINGS_NONE;
    curl_off_t named = 0, reached = 0, shaken = 0, total = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_NAMELOOKUP_TIME_T, &named);
    curl_easy_getinfo(transfer->easy, CURLINFO_CONNECT_TIME_T, &reached);
    curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &shaken);
    curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &total);
    if (connected && reached >= named && shaken >= reached) {
        timings.dns_us = transfer->address_known ? -1 : named;
        timings.tcp_us = reached - named;
        timings.tls_us = shaken - reached;
    }
    timings.answer_us = total >= shaken ? total - (connected ? shaken : 0) : -1;
    return timings;
}

/* HOST[:PORT] or HOST[:PORT] as NAME, whose host has no address. */
static void hint_at_address(const char *endpoint, struct error *error)
{
    size_t host = strcspn(endpoint, " :"), place = strcspn(endpoint, " ");
    const char *as = strstr(endpoint, " as ");
    const char *name = as ? as + strlen(" as ") : endpoint;
    error_hint(error,
               "do without the name service: write `endpoint = ADDRESS%.*s as %.*s`, or put %.*s into "
               "/etc/hosts",
               (int)(place - host), endpoint + host, as ? (int)strlen(name) : (int)host, name, (int)host,
               endpoint);
}

void transport_judge_failure(const struct transfer *transfer, CURLcode code, bool timed_out,
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
        trust_explain(transfer->lane->generation->trust, &transfer->seen, transfer->endpoint_text,
                      transfer->seen.problem    ? transfer->seen.problem
                      : transfer->curl_error[0] ? transfer->curl_error
                                                : "the certificate was not accepted",
                      &result->error);
    else if (transfer->too_long)
        error_set(&result->error, ERROR_PROTOCOL,
                  "Proxmox at %s answered %s with more than %d MiB, the limit of one answer",
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
    if (code == CURLE_COULDNT_RESOLVE_HOST)
        hint_at_address(transfer->endpoint_text, &result->error);
}
