/*
 * The audit as JSON: warnings, identities with what they hold where, pools, findings. Written as text,
 * because what an administrator of 100,000 guests holds must not become a tree of objects first.
 */
#include "admin/audit_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    const struct audit *audit;
    bool compact;      /* leave out what only arrives from above */
    const char *id;    /* one of the class */
    struct text paths; /* what it holds, as the elements of a list */
    struct usercfg_privileges from_vms;
};

/* Bytes that are not UTF-8 are shown as the characters of the same numbers. */
static void put_string(struct text *out, const char *string)
{
    bool utf8 = text_is_utf8(string, strlen(string));
    text_puts(out, "\"");
    for (const char *at = string; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\')
            text_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            text_printf(out, "\\u%04x", c);
        else
            text_append(out, at, 1);
    }
    text_puts(out, "\"");
}

static void put_privileges(struct text *out, struct usercfg_privileges set)
{
    const char *separator = "";
    text_puts(out, "{");
    for (unsigned number = 0; number < usercfg_privilege_count(); number++) {
        if (!(set.held >> number & 1))
            continue;
        text_printf(out, "%s\"%s\": %d", separator, usercfg_privilege_name(number),
                    (int)(set.propagates >> number & 1));
        separator = ", ";
    }
    text_puts(out, "}");
}

static void add_path(struct writer *writer, const char *path, struct usercfg_privileges set)
{
    text_puts(&writer->paths, writer->paths.length ? ", {\"path\": " : "{\"path\": ");
    put_string(&writer->paths, path);
    text_puts(&writer->paths, ", \"privileges\": ");
    put_privileges(&writer->paths, set);
    text_puts(&writer->paths, "}");
}

/* What would be held on the path if nothing were granted there. */
static struct usercfg_privileges from_above(const struct writer *writer, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = !slash || slash == path ? 1 : (size_t)(slash - path);
    if (!path[1])
        return (struct usercfg_privileges){0};
    char *parent = strndup(path, length);
    struct usercfg_privileges set = {0};
    if (parent)
        set = usercfg_privileges(writer->audit->cfg, writer->id, parent);
    free(parent);
    return (struct usercfg_privileges){set.propagates, set.propagates};
}

static bool is_worth_telling(const struct writer *writer, struct usercfg_privileges set,
                             struct usercfg_privileges above)
{
    if (!writer->compact)
        return set.held != 0;
    return set.held != above.held || set.propagates != above.propagates;
}

static void on_path(void *context, const char *path, struct usercfg_privileges set)
{
    struct writer *writer = context;
    if (audit_concerns(writer->audit, path) && is_worth_telling(writer, set, from_above(writer, path)))
        add_path(writer, path, set);
}

static void on_guests(void *context, const struct usercfg_pool *pool, const int64_t *vmids, size_t count,
                      struct usercfg_privileges set)
{
    struct writer *writer = context;
    struct text privileges = {0};
    char head[64];
    if ((writer->audit->pool && strcmp(writer->audit->pool, pool->name) != 0) ||
        !is_worth_telling(writer, set, writer->from_vms))
        return;
    put_privileges(&privileges, set);
    text_puts(&privileges, "}");
    writer->paths.failed |= privileges.failed;
    for (size_t i = 0; i < count && !privileges.failed; i++) {
        int length = snprintf(head, sizeof(head), "%s{\"path\": \"/vms/%lld\", \"privileges\": ",
                              writer->paths.length ? ", " : "", (long long)vmids[i]);
        text_append(&writer->paths, head, (size_t)length);
        text_append(&writer->paths, privileges.data, privileges.length);
    }
    text_clear(&privileges);
}

/* What all identities of the class hold; NULL for one that nothing is granted to. */
static void collect(struct writer *writer, const struct usercfg_class *class, const char *id)
{
    const struct audit *audit = writer->audit;
    struct usercfg_walker walker = {.path = on_path, .guests = on_guests, .context = writer};
    writer->paths.length = 0;
    writer->id = id;
    writer->from_vms = from_above(writer, "/vms/1");
    if (audit->paths.count == 0 && class)
        usercfg_places_walk(audit->places, class, &walker);
    for (size_t i = 0; i < audit->paths.count; i++) {
        struct usercfg_privileges set = usercfg_privileges(audit->cfg, id, audit->paths.list[i]);
        if (set.held && audit_concerns(audit, audit->paths.list[i]))
            add_path(writer, audit->paths.list[i], set);
    }
}

/* Hands over to stdout what has grown large. */
static void flush(struct text *out)
{
    if (out->length < 1024 * 1024 || out->failed)
        return;
    fwrite(out->data, 1, out->length, stdout);
    out->length = 0;
}

static void put_identity(const struct writer *writer, const char *id, bool first, struct text *out)
{
    const char *why = audit_why_not(writer->audit, id);
    text_puts(out, first ? "\n  {\"id\": " : ",\n  {\"id\": ");
    put_string(out, id);
    text_printf(out, ", \"may_log_in\": %s", why ? "false" : "true");
    if (why)
        text_printf(out, ", \"why_not\": \"%s\"", why);
    text_puts(out, ", \"paths\": [");
    if (writer->paths.length)
        text_append(out, writer->paths.data, writer->paths.length);
    text_puts(out, "]}");
    out->failed |= writer->paths.failed;
    flush(out);
}

static const struct usercfg_class *class_of(const struct audit *audit, const char *id)
{
    for (size_t i = 0; i < audit->classes->count; i++) {
        for (size_t k = 0; k < audit->classes->list[i]->count; k++) {
            if (strcmp(audit->classes->list[i]->ids[k], id) == 0)
                return audit->classes->list[i];
        }
    }
    return NULL;
}

static void put_identities(struct writer *writer, struct text *out)
{
    const struct audit *audit = writer->audit;
    bool first = true;
    for (size_t i = 0; i < audit->identities.count; i++, first = false) {
        const char *id = audit->identities.list[i];
        collect(writer, class_of(audit, id), id);
        put_identity(writer, id, first, out);
    }
    if (audit->identities.count)
        return;
    for (size_t i = 0; i < audit->classes->count; i++) {
        const struct usercfg_class *class = audit->classes->list[i];
        collect(writer, class, class->ids[0]);
        for (size_t k = 0; k < class->count; k++, first = false)
            put_identity(writer, class->ids[k], first, out);
    }
}

struct pools {
    const struct audit *audit;
    struct text *out;
    bool any;
};

static int put_pool(const char *name, void *context)
{
    struct pools *pools = context;
    struct usercfg_pool pool;
    if ((pools->audit->pool && strcmp(pools->audit->pool, name) != 0) ||
        !usercfg_pool(pools->audit->cfg, name, &pool))
        return 0;
    text_puts(pools->out, pools->any ? ",\n  " : "\n  ");
    put_string(pools->out, name);
    text_puts(pools->out, ": [");
    for (size_t i = 0; i < pool.vmid_count; i++)
        text_printf(pools->out, "%s%lld", i ? ", " : "", (long long)pool.vmids[i]);
    text_puts(pools->out, "]");
    flush(pools->out);
    pools->any = true;
    return 0;
}

struct findings {
    struct text *out;
    bool any;
};

static void put_finding(void *context, const struct audit_finding *finding)
{
    struct findings *findings = context;
    struct text *out = findings->out;
    text_printf(out, "%s\n  {\"code\": \"%s\", \"identity\": ", findings->any ? "," : "", finding->code);
    put_string(out, finding->subject);
    if (finding->path) {
        text_puts(out, ", \"path\": ");
        put_string(out, finding->path);
    }
    text_puts(out, ", \"message\": ");
    put_string(out, finding->message);
    text_puts(out, ", \"hint\": ");
    put_string(out, finding->mend);
    text_puts(out, "}");
    flush(out);
    findings->any = true;
}

void audit_json(const struct audit *audit, struct text *out)
{
    struct writer writer = {.audit = audit,
                            .compact = !audit->identities.count && !audit->paths.count && !audit->pool};
    struct pools pools = {.audit = audit, .out = out};
    struct findings findings = {.out = out};
    text_puts(out, "{\"warnings\": [");
    for (size_t i = 0; i < usercfg_warning_count(audit->cfg); i++) {
        text_puts(out, i ? ",\n  " : "\n  ");
        put_string(out, usercfg_warning(audit->cfg, i));
    }
    text_puts(out, "],\n \"identities\": [");
    put_identities(&writer, out);
    text_clear(&writer.paths);
    text_puts(out, "],\n \"pools\": {");
    usercfg_each_pool(audit->cfg, put_pool, &pools);
    text_puts(out, "},\n \"findings\": [");
    audit_each_finding(audit, put_finding, &findings);
    text_puts(out, "]}\n");
}
