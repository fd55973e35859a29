/* The client's findings, in the form that the broker's doctor gives its own. Nothing is found out here. */
#include "findings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "system/cleanup.h"

static const char *const level_names[] = {"ok", "skipped", "warning", "failure"};

void findings_clear(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->list[i].message);
        free(findings->list[i].hint);
        free(findings->list[i].paste);
    }
    free(findings->list);
    *findings = (struct findings){0};
}

static char *format_va(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* One line, whatever it is made of. */
static char *format_va(const char *format, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        return NULL;
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    return text;
}

void findings_add(struct findings *findings, enum finding_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *message = format_va(format, arguments);
    va_end(arguments);
    if (findings->count == findings->size) {
        size_t size = findings->size ? 2 * findings->size : 16;
        struct finding *list = reallocarray(findings->list, size, sizeof(*list));
        if (list) {
            findings->list = list;
            findings->size = size;
        }
    }
    findings->failed |= !message || findings->count == findings->size;
    if (findings->failed)
        free(message);
    else
        findings->list[findings->count++] = (struct finding){.level = level, .message = message};
}

void findings_hint(struct findings *findings, const char *format, ...)
{
    va_list arguments;
    if (findings->failed)
        return;
    va_start(arguments, format);
    char *hint = format_va(format, arguments);
    va_end(arguments);
    free(findings->list[findings->count - 1].hint);
    findings->list[findings->count - 1].hint = hint;
    findings->failed |= !hint;
}

void findings_paste(struct findings *findings, const char *format, ...)
{
    va_list arguments;
    if (findings->failed)
        return;
    va_start(arguments, format);
    char *paste = format_va(format, arguments);
    va_end(arguments);
    free(findings->list[findings->count - 1].paste);
    findings->list[findings->count - 1].paste = paste;
    findings->failed |= !paste;
}

int findings_status(const struct findings *findings)
{
    int status = 0;
    for (size_t i = 0; i < findings->count; i++) {
        if (findings->list[i].level == FINDING_FAILURE)
            return 1;
        if (findings->list[i].level == FINDING_WARNING)
            status = 2;
    }
    return status;
}

void findings_put_text(const struct findings *findings, const char *step, FILE *out)
{
    fprintf(out, "\n%s\n", step);
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        fprintf(out, "  %-8s %s\n", level_names[finding->level], finding->message);
        if (finding->hint)
            fprintf(out, "           hint: %s\n", finding->hint);
        if (finding->paste)
            fprintf(out, "           paste: %s\n", finding->paste);
    }
}

/* Control characters are gone already; what else is not ASCII is passed on. */
static void put_string(FILE *out, const char *text)
{
    if (!text) {
        fputs("null", out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('"', out);
}

void findings_put_json(const struct findings *findings, const char *step, bool first, FILE *out)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        fprintf(out, "%s{\"step\":", first ? "" : ",");
        put_string(out, step);
        fprintf(out, ",\"level\":\"%s\",\"message\":", level_names[finding->level]);
        put_string(out, finding->message);
        fputs(",\"hint\":", out);
        put_string(out, finding->hint);
        fputs(",\"paste\":[", out);
        if (finding->paste)
            put_string(out, finding->paste);
        fputs("],\"seen_at\":null,\"seen_age_s\":null}", out);
        first = false;
    }
}
