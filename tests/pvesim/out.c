/* See out.h. */
#include "out.h"

#include <string.h>

static void quoted(struct evbuffer *to, const char *text)
{
    evbuffer_add(to, "\"", 1);
    for (const char *from = text;;) {
        size_t plain = 0;
        while ((unsigned char)from[plain] >= 0x20 && from[plain] != '"' && from[plain] != '\\')
            plain++;
        evbuffer_add(to, from, plain);
        from += plain;
        if (!*from)
            break;
        if (*from == '"' || *from == '\\')
            evbuffer_add_printf(to, "\\%c", *from);
        else if (*from == '\n')
            evbuffer_add(to, "\\n", 2);
        else
            evbuffer_add_printf(to, "\\u%04x", (unsigned)*from);
        from++;
    }
    evbuffer_add(to, "\"", 1);
}

static void before(struct out *out, const char *key)
{
    if (out->comma)
        evbuffer_add(out->to, ",", 1);
    out->comma = true;
    if (key) {
        quoted(out->to, key);
        evbuffer_add(out->to, ":", 1);
    }
}

void out_open(struct out *out, const char *key, char bracket)
{
    before(out, key);
    evbuffer_add(out->to, &bracket, 1);
    out->comma = false;
}

void out_close(struct out *out, char bracket)
{
    evbuffer_add(out->to, &bracket, 1);
    out->comma = true;
}

void out_string(struct out *out, const char *key, const char *value)
{
    before(out, key);
    if (value)
        quoted(out->to, value);
    else
        evbuffer_add(out->to, "null", 4);
}

void out_int(struct out *out, const char *key, int64_t value)
{
    before(out, key);
    evbuffer_add_printf(out->to, "%lld", (long long)value);
}
