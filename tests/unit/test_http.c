/* The socket's HTTP subset: what is taken, what is refused, in pieces of any size, and under mutation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/http.h"
#include "system/cleanup.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define REPEATS 200000 /* mutated heads */

/* Feed `length` bytes in pieces of `piece`, then parse. Returns the error's code. */
static enum error_code read_request(struct http_reader *reader, struct http_request *request,
                                    const char *bytes, size_t length, size_t piece)
{
    struct error error = {0};
    enum http_progress progress = HTTP_MORE;

    memset(reader, 0, sizeof(*reader));
    for (size_t at = 0, used; at < length && progress == HTTP_MORE; at += used) {
        size_t n = length - at < piece ? length - at : piece;

        progress = http_feed(reader, bytes + at, n, &used, &error);
        assert_true(used <= n);
        if (progress == HTTP_MORE)
            assert_int_equal(used, n);
    }
    if (progress == HTTP_MORE)
        return ERROR_REQUEST_TIMEOUT; /* what the connection would make of it */
    if (progress == HTTP_BAD) {
        assert_int_not_equal(error.code, ERROR_NONE);
        return error.code;
    }
    if (http_parse(reader, request, &error))
        return ERROR_NONE;
    assert_int_not_equal(error.code, ERROR_NONE);
    assert_true(error.message[0] != '\0');
    return error.code;
}

static enum error_code read_string(struct http_reader *reader, struct http_request *request,
                                   const char *string)
{
    return read_request(reader, request, string, strlen(string), 4096);
}

#define HOST "Host: localhost\r\n"

static void test_a_power_request_is_read(void **state)
{
    static struct http_reader reader;
    struct http_request request;

    (void)state;
    assert_int_equal(
        read_string(&reader, &request,
                    "POST /v1/guests/n%C3%BC%2Fx.y-1/off?method=onoff&dry-run=1 HTTP/1.1\r\n" HOST
                    "Accept: text/plain\r\nContent-Length: 0\r\n"
                    "Request-Id: 0123456789abcdef0123456789abcdef\r\nAsked-At: 123456789\r\n\r\n"),
        ERROR_NONE);
    assert_int_equal(request.asked_at_ms, 123456789);
    assert_int_equal(request.method, HTTP_POST);
    assert_int_equal(request.segment_count, 4);
    assert_string_equal(request.segments[0], "v1");
    assert_string_equal(request.segments[2], "n\xc3\xbc/x.y-1");
    assert_string_equal(request.segments[3], "off");
    assert_string_equal(http_query(&request, "method"), "onoff");
    assert_string_equal(http_query(&request, "dry-run"), "1");
    assert_null(http_query(&request, "strict"));
    assert_string_equal(request.request_id, "0123456789abcdef0123456789abcdef");
    assert_int_equal(request.form, HTTP_TEXT);
}

static const struct {
    const char *head;
    enum error_code code;
} cases[] = {
    /* taken */
    {"GET / HTTP/1.0\r\n\r\n", ERROR_NONE},
    {"GET /v1/status HTTP/1.0\r\n\r\n", ERROR_NONE},
    {"GET /v1/status? HTTP/1.1\r\n" HOST "\r\n", ERROR_NONE},
    {"GET /v1/status?view HTTP/1.1\r\n" HOST "\r\n", ERROR_NONE},
    {"GET /v1/status?a=b=c HTTP/1.1\r\n" HOST "\r\n", ERROR_NONE},
    {"GET /v1/status HTTP/1.1\r\nHOST:\r\nContent-Length:0\r\n\r\n", ERROR_NONE},
    {"GET /v1/status HTTP/1.1\r\n" HOST "X-Any: \xfc \t~\r\nExpect: 100-continue\r\n\r\n", ERROR_NONE},
    {"GET /a+b:@!$&'()*,;= HTTP/1.0\r\n\r\n", ERROR_NONE},
    {"DELETE /v1/status HTTP/1.0\r\n\r\n", ERROR_NONE},
    {"get /v1/status HTTP/1.0\r\n\r\n", ERROR_NONE}, /* another method, for the routes to refuse */
    /* the first line */
    {"\r\n", ERROR_BAD_REQUEST},
    {"\r\nGET / HTTP/1.1\r\n", ERROR_BAD_REQUEST},
    {"GET\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET  / HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.0 \r\n\r\n", ERROR_BAD_REQUEST},
    {" GET / HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/2.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.10\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / http/1.1\r\n" HOST "\r\n", ERROR_BAD_REQUEST},
    {"G(T / HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n\r\n", ERROR_BAD_REQUEST}, /* no Host */
    /* the target */
    {"GET v1/status HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET http://localhost/v1/status HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"OPTIONS * HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET //v1 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /v1/ HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /v1//off HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a%00b HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a%0ab HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a%7fb HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a%c2%85b HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST}, /* C1 control */
    {"GET /a%ffb HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a%c0%afb HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},   /* overlong '/' */
    {"GET /a%ed%a0%80 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST}, /* surrogate */
    {"GET /a%e2%82 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a% HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a%4 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a%g1 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a%+1 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a\xc3\xbc HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a#b HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a\"b HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a\\b HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /1/2/3/4/5/6/7/8 HTTP/1.0\r\n\r\n", ERROR_NONE},
    {"GET /1/2/3/4/5/6/7/8/9 HTTP/1.0\r\n\r\n", ERROR_NOT_FOUND},
    /* the query */
    {"GET /a?=b HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a?b=1&b=2 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a?b=1&%62=2 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a?b=1& HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a?&b=1 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a?b=%00 HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET /a?a&b&c&d&e&f&g&h HTTP/1.0\r\n\r\n", ERROR_NONE},
    {"GET /a?a&b&c&d&e&f&g&h&i HTTP/1.0\r\n\r\n", ERROR_BAD_REQUEST},
    /* headers */
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb: c\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "novalue\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "X\xc3\xbc: a\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\n" HOST "\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "X: a\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", ERROR_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 00\r\n\r\n", ERROR_NONE},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", ERROR_BODY_TOO_LARGE},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", ERROR_BODY_TOO_LARGE},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +0\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x0\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0, 0\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", ERROR_NOT_IMPLEMENTED},
    {"POST / HTTP/1.1\r\n" HOST "transfer-encoding: identity\r\nContent-Length: 0\r\n\r\n",
     ERROR_NOT_IMPLEMENTED},
    {"POST / HTTP/1.1\r\n" HOST "Request-Id:\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Request-Id: a_b\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Request-Id: a b\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Request-Id: a\r\nRequest-Id: a\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Asked-At:\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Asked-At: -5\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Asked-At: 12ms\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Asked-At: 1234567890123456789\r\n\r\n", ERROR_BAD_REQUEST},
    {"POST / HTTP/1.1\r\n" HOST "Asked-At: 1\r\nAsked-At: 1\r\n\r\n", ERROR_BAD_REQUEST},
    /* unfinished */
    {"", ERROR_REQUEST_TIMEOUT},
    {"GET / HTTP/1.0\r\n", ERROR_REQUEST_TIMEOUT},
    {"GET / HTTP/1.0\r\n\r", ERROR_REQUEST_TIMEOUT},
};

static void test_every_head_gets_its_verdict_whole_and_byte_by_byte(void **state)
{
    static const size_t pieces[] = {8192, 1, 2, 3, 7};
    static struct http_reader reader;
    struct http_request request;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t p = 0; p < ARRAY_LEN(pieces); p++) {
            enum error_code code =
                read_request(&reader, &request, cases[i].head, strlen(cases[i].head), pieces[p]);

            if (code != cases[i].code)
                fail_msg("case %zu in pieces of %zu: %s instead of %s\n%s", i, pieces[p],
                         error_code_name(code), error_code_name(cases[i].code), cases[i].head);
        }
    }
}

static void test_a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    static const char head[] = "GET /a HTTP/1.1\r\n" HOST "X: y\r\n\r\n";
    static struct http_reader reader;
    struct http_request request;
    char bytes[sizeof(head)];

    (void)state;
    for (size_t i = 0; i < sizeof(head) - 1; i++) {
        memcpy(bytes, head, sizeof(head));
        bytes[i] = '\0';
        assert_int_equal(read_request(&reader, &request, bytes, sizeof(head) - 1, 5), ERROR_BAD_REQUEST);
    }
}

static void test_bytes_behind_the_head_are_left_alone(void **state)
{
    static struct http_reader reader;
    struct error error;
    size_t used;

    (void)state;
    memset(&reader, 0, sizeof(reader));
    assert_int_equal(http_feed(&reader, "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", 36, &used, &error),
                     HTTP_COMPLETE);
    assert_int_equal(used, 18);
}

/* "GET / HTTP/1.0" with one header that fills the head to exactly `length` bytes. */
static void head_of_length(char *head, size_t length)
{
    size_t n = (size_t)sprintf(head, "GET / HTTP/1.0\r\nX: ");

    memset(head + n, 'x', length - n - 4);
    memcpy(head + length - 4, "\r\n\r\n", 5);
}

static void test_the_head_may_be_exactly_as_long_as_the_bound(void **state)
{
    static struct http_reader reader;
    static char head[HTTP_HEAD_MAX + 16];
    struct http_request request;

    (void)state;
    head_of_length(head, HTTP_HEAD_MAX);
    assert_int_equal(read_string(&reader, &request, head), ERROR_NONE);
    assert_int_equal(read_request(&reader, &request, head, HTTP_HEAD_MAX, 1), ERROR_NONE);
    head_of_length(head, HTTP_HEAD_MAX + 1);
    assert_int_equal(read_string(&reader, &request, head), ERROR_HEAD_TOO_LARGE);
    assert_int_equal(read_request(&reader, &request, head, HTTP_HEAD_MAX + 1, 1), ERROR_HEAD_TOO_LARGE);
}

static void test_headers_are_counted(void **state)
{
    static struct http_reader reader;
    struct http_request request;

    (void)state;
    for (size_t count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
        _cleanup_(text_clear) struct text head = {0};

        text_puts(&head, "GET / HTTP/1.0\r\n");
        for (size_t i = 0; i < count; i++)
            text_puts(&head, "X: y\r\n");
        text_puts(&head, "\r\n");
        assert_int_equal(read_string(&reader, &request, head.data),
                         count > HTTP_HEADERS_MAX ? ERROR_HEAD_TOO_LARGE : ERROR_NONE);
    }
}

static void test_a_request_id_may_be_exactly_as_long_as_the_bound(void **state)
{
    static struct http_reader reader;
    struct http_request request;
    char id[HTTP_REQUEST_ID_MAX + 2], head[256];

    (void)state;
    memset(id, 'a', sizeof(id));
    id[HTTP_REQUEST_ID_MAX] = '\0';
    snprintf(head, sizeof(head), "GET / HTTP/1.0\r\nRequest-Id: %s\r\n\r\n", id);
    assert_int_equal(read_string(&reader, &request, head), ERROR_NONE);
    id[HTTP_REQUEST_ID_MAX] = 'a';
    id[HTTP_REQUEST_ID_MAX + 1] = '\0';
    snprintf(head, sizeof(head), "GET / HTTP/1.0\r\nRequest-Id: %s\r\n\r\n", id);
    assert_int_equal(read_string(&reader, &request, head), ERROR_BAD_REQUEST);
}

/* What Prometheus, vmagent and people's tools send. */
static void test_accept_decides_between_the_forms_of_metrics(void **state)
{
    static const struct {
        const char *accept;
        bool openmetrics;
    } accepts[] = {
        {"", false},
        {"*/*", false},
        {"text/plain", false},
        {"application/openmetrics-text", true},
        {"Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", true},
        {"application/openmetrics-text;version=1.0.0;q=0", false},
        {"application/openmetrics-text;version=0.0.1", false},
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         true},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.2",
         true},
        {"text/plain;version=0.0.4;q=1,*/*;q=0.1", false},
        {"text/plain;q=0.9,application/openmetrics-text;q=0.8", false},
        {"application/openmetrics-text;q=0.25, text/plain;q=0.250", true},
        {"application/openmetrics-text;q=much", true},
        {"application/openmetrics-text;q=0.0001", false},
    };
    static struct http_reader reader;
    char head[512];
    struct http_request request;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepts); i++) {
        snprintf(head, sizeof(head), "GET /metrics HTTP/1.0\r\nAccept: %s\r\n\r\n", accepts[i].accept);
        assert_int_equal(read_string(&reader, &request, head), ERROR_NONE);
        if (request.openmetrics != accepts[i].openmetrics)
            fail_msg("%s", accepts[i].accept);
    }
}

static void test_accept_decides_the_form(void **state)
{
    static const struct {
        const char *accept;
        enum http_form form;
    } accepts[] = {
        {"", HTTP_JSON},
        {"Accept: text/plain\r\n", HTTP_TEXT},
        {"accept:TEXT/Plain\r\n", HTTP_TEXT},
        {"Accept: text/plain; charset=utf-8\r\n", HTTP_TEXT},
        {"Accept: text/plain;q=0.5, application/json\r\n", HTTP_TEXT}, /* the order decides */
        {"Accept: application/json, text/plain\r\n", HTTP_JSON},
        {"Accept: text/plain;q=0, */*\r\n", HTTP_JSON},
        {"Accept: text/plain; q=0.000, application/json\r\n", HTTP_JSON},
        {"Accept: text/*\r\n", HTTP_TEXT},
        {"Accept: */*\r\n", HTTP_JSON},
        {"Accept: text/html\r\n", HTTP_JSON},
        {"Accept: text/html, text/plain\r\n", HTTP_TEXT},
        {"Accept: text/html\r\nAccept: text/plain\r\n", HTTP_TEXT},
        {"Accept: ,,;,\r\n", HTTP_JSON},
    };
    static struct http_reader reader;
    struct http_request request;
    char head[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepts); i++) {
        snprintf(head, sizeof(head), "GET / HTTP/1.0\r\n%s\r\n", accepts[i].accept);
        assert_int_equal(read_string(&reader, &request, head), ERROR_NONE);
        assert_int_equal(request.form, accepts[i].form);
    }
}

static void test_a_refusal_knows_the_form_that_was_asked_for(void **state)
{
    static struct http_reader reader;
    struct http_request request;

    (void)state;
    assert_int_equal(read_string(&reader, &request,
                                 "GET /a%00 HTTP/1.1\r\nContent-Length: 7\r\n" HOST
                                 "Accept: text/plain\r\n\r\n"),
                     ERROR_BAD_REQUEST);
    assert_int_equal(request.form, HTTP_TEXT);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Whatever is made of a head, reading it ends, and what it yields keeps its promise. */
static void test_mutated_heads_never_break_a_promise(void **state)
{
    static const char interesting[] = "\r\n\t %:/?&=;,\0\x7f\xff\xc2";
    static struct http_reader reader;
    uint32_t seed = 20261122;

    (void)state;
    for (int i = 0; i < REPEATS; i++) {
        const char *from = cases[next_random(&seed) % ARRAY_LEN(cases)].head;
        char bytes[512];
        size_t length = strlen(from);
        struct http_request request = {0};

        memcpy(bytes, from, length);
        for (uint32_t n = next_random(&seed) % 4; n > 0 && length > 0; n--) {
            uint32_t r = next_random(&seed);

            bytes[r % length] =
                r & 0x10000 ? interesting[(r >> 17) % (sizeof(interesting) - 1)] : (char)(r >> 18);
        }
        if (read_request(&reader, &request, bytes, length, 1 + next_random(&seed) % 40) != ERROR_NONE)
            continue;
        for (size_t s = 0; s < request.segment_count; s++)
            assert_true(text_is_utf8(request.segments[s], strlen(request.segments[s])));
        for (size_t q = 0; q < request.query_count; q++)
            assert_true(request.query[q].key[0] && request.query[q].value);
        assert_true(request.segment_count <= HTTP_SEGMENTS_MAX && request.query_count <= HTTP_QUERY_MAX);
        assert_true(!request.request_id || strlen(request.request_id) <= HTTP_REQUEST_ID_MAX);
    }
}

static void test_an_answer_says_its_length_and_closes(void **state)
{
    _cleanup_(text_clear) struct text out = {0};

    (void)state;
    text_puts(&out, "no\n");
    http_make_answer(&out, 405, "text/plain", "GET");
    assert_string_equal(out.data,
                        "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
                        "Allow: GET\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nno\n");
}

static void test_every_error_code_has_a_reason_phrase(void **state)
{
    (void)state;
    for (enum error_code code = ERROR_NONE; code < ERROR_CODE_COUNT; code++)
        assert_string_not_equal(http_reason(error_code_http_status(code)), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_power_request_is_read),
        cmocka_unit_test(test_every_head_gets_its_verdict_whole_and_byte_by_byte),
        cmocka_unit_test(test_a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(test_bytes_behind_the_head_are_left_alone),
        cmocka_unit_test(test_the_head_may_be_exactly_as_long_as_the_bound),
        cmocka_unit_test(test_headers_are_counted),
        cmocka_unit_test(test_a_request_id_may_be_exactly_as_long_as_the_bound),
        cmocka_unit_test(test_accept_decides_the_form),
        cmocka_unit_test(test_accept_decides_between_the_forms_of_metrics),
        cmocka_unit_test(test_a_refusal_knows_the_form_that_was_asked_for),
        cmocka_unit_test(test_mutated_heads_never_break_a_promise),
        cmocka_unit_test(test_an_answer_says_its_length_and_closes),
        cmocka_unit_test(test_every_error_code_has_a_reason_phrase),
    };

    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
