/*
 * libFuzzer: bytes → request. The first byte chooses the size of the pieces in which the rest arrives;
 * whatever comes, reading ends, and a request that was taken keeps what http.h promises. `make fuzz` runs
 * it.
 */
#include "server/http.h"
#include "system/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static bool is_clean(const char *string)
{
    size_t length = strlen(string);

    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)string[i] < 0x20 || string[i] == 0x7f)
            return false;
    }
    return text_is_utf8(string, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_reader reader;
    struct http_request request;
    struct error error = {0};
    enum http_progress progress = HTTP_MORE;
    size_t piece = size ? 1U + data[0] : 1;

    memset(&reader, 0, sizeof(reader));
    for (size_t at = 1, used; at < size && progress == HTTP_MORE; at += used)
        progress =
            http_feed(&reader, (const char *)data + at, size - at < piece ? size - at : piece, &used, &error);
    if (progress == HTTP_BAD)
        check(error.code != ERROR_NONE);
    if (progress != HTTP_COMPLETE)
        return 0;

    if (!http_parse(&reader, &request, &error)) {
        check(error.code != ERROR_NONE && is_clean(error.message));
        return 0;
    }
    check(request.segment_count <= HTTP_SEGMENTS_MAX && request.query_count <= HTTP_QUERY_MAX);
    for (size_t i = 0; i < request.segment_count; i++)
        check(request.segments[i][0] && is_clean(request.segments[i]));
    for (size_t i = 0; i < request.query_count; i++)
        check(request.query[i].key[0] && is_clean(request.query[i].key) && is_clean(request.query[i].value));
    check(!request.request_id || strlen(request.request_id) <= HTTP_REQUEST_ID_MAX);
    return 0;
}
