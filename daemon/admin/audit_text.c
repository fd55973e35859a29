/*
 * The audit for people: one row an identity that could fence something, then what it can do beyond that, then
 * who cannot log in and what deserves a look. Names come from a file of others and are made fit for a
 * terminal.
 */
#include "admin/audit_summary.h"

#include "system/cleanup.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define VMIDS_SHOWN 12 /* more guests without a pool are a number */

struct sections {
    const struct audit *audit;
    struct text fence, more, shut_out, findings; /* rows, separated by tabs */
};

static void put_safe(struct text *out, const char *string)
{
    size_t from = out->length;
    text_puts(out, string);
    for (size_t i = from; !out->failed && i < out->length; i++) {
        if (out->data[i] == '\t' || out->data[i] == '\n')
            out->data[i] = '?';
    }
    if (!out->failed && out->data)
        text_make_printable(out->data + from);
}

static void put_privileges(const struct audit *audit, uint64_t held, struct text *out)
{
    const char *separator = "";
    uint64_t known = usercfg_known_privileges(audit->cfg);
    if (held == known) {
        text_puts(out, "every privilege");
        return;
    }
    for (unsigned number = 0; number < usercfg_privilege_count(); number++) {
        if (!(held >> number & 1))
            continue;
        text_printf(out, "%s%s", separator, usercfg_privilege_name(number));
        separator = ", ";
    }
}

/* "every guest", or "nfs_cluster 3/3, lab 1/2, 300" */
static void put_guests(const struct audit *audit, const struct summary *summary, struct text *out)
{
    const char *separator = "";
    bool all = summary->everywhere && !audit->pool;
    if (all) {
        text_puts(out, "every guest");
        separator = ", but ";
    }
    for (size_t i = 0; i < summary->pool_count; i++) {
        const struct summary_pool *pool = &summary->pools[i];
        if (all && pool->powered == pool->total)
            continue;
        text_puts(out, separator);
        put_safe(out, pool->name);
        text_printf(out, " %zu/%zu", pool->powered, pool->total);
        separator = ", ";
    }
    if (summary->vmid_count > VMIDS_SHOWN) {
        text_printf(out, "%s%zu guests of no pool", all ? ", also " : separator, summary->vmid_count);
        return;
    }
    for (size_t i = 0; !all && i < summary->vmid_count; i++, separator = ", ")
        text_printf(out, "%s%" PRId64, separator, summary->vmids[i]);
}

static void put_excess(const struct audit *audit, const char *id, const struct summary *summary,
                       struct text *out)
{
    for (size_t i = 0; i < summary->excess_count; i++) {
        const struct summary_excess *excess = &summary->excess[i];
        text_puts(out, "  ");
        put_safe(out, id);
        if (excess->pool) {
            text_puts(out, "\ton guests of ");
            put_safe(out, excess->pool);
        } else {
            text_puts(out, "\ton ");
            put_safe(out, excess->path);
        }
        text_puts(out, "\t");
        put_privileges(audit, excess->set.held, out);
        text_puts(out, "\n");
    }
}

static void add_class(struct sections *sections, const struct usercfg_class *class)
{
    const struct audit *audit = sections->audit;
    struct summary summary = {0};
    struct text guests = {0};
    bool asked = false;
    for (size_t i = 0; i < class->count && !asked; i++)
        asked = audit_asks_for(audit, class->ids[i]);
    if (!asked || (class->path_count == 0 && !class->root))
        return;
    summary_take(audit, class, &summary);
    if (summary_can_fence(&summary))
        put_guests(audit, &summary, &guests);
    for (size_t i = 0; i < class->count && summary_can_fence(&summary); i++) {
        const char *id = class->ids[i], *why = audit_why_not(audit, id);
        if (!audit_asks_for(audit, id))
            continue;
        text_puts(&sections->fence, "  ");
        put_safe(&sections->fence, id);
        text_printf(&sections->fence, "\t%s%s\t", why ? "no: " : "yes", why ? why : "");
        text_append(&sections->fence, guests.data ? guests.data : "", guests.length);
        text_printf(&sections->fence, "\t%s\n", summary.excess_count ? "yes" : "no");
        put_excess(audit, id, &summary, &sections->more);
    }
    text_clear(&guests);
    summary_clear(&summary);
}

/* A question about paths is answered with what is held on them. */
static void put_paths(const struct audit *audit, struct text *rows)
{
    for (size_t i = 0; i < audit->classes->count; i++) {
        const struct usercfg_class *class = audit->classes->list[i];
        for (size_t k = 0; k < class->count; k++) {
            for (size_t p = 0; p < audit->paths.count; p++) {
                struct usercfg_privileges set =
                    usercfg_privileges(audit->cfg, class->ids[k], audit->paths.list[p]);
                if (!set.held || !audit_asks_for(audit, class->ids[k]) ||
                    !audit_concerns(audit, audit->paths.list[p]))
                    continue;
                text_puts(rows, "  ");
                put_safe(rows, class->ids[k]);
                text_puts(rows, "\t");
                put_safe(rows, audit->paths.list[p]);
                text_puts(rows, "\t");
                put_privileges(audit, set.held, rows);
                text_puts(rows, "\n");
            }
        }
    }
}

static int add_shut_out(const char *id, void *context)
{
    struct sections *sections = context;
    const char *why = audit_why_not(sections->audit, id);
    struct usercfg_identity own;
    if (!why || !audit_asks_for(sections->audit, id))
        return 0;
    text_puts(&sections->shut_out, "  ");
    put_safe(&sections->shut_out, id);
    text_printf(&sections->shut_out, "\t%s", why);
    if (usercfg_identity(sections->audit->cfg, id, &own) && strcmp(why, "expired") == 0) {
        time_t when = (time_t)own.expire;
        struct tm tm;
        char date[32];
        if (gmtime_r(&when, &tm) && strftime(date, sizeof(date), "%Y-%m-%d", &tm))
            text_printf(&sections->shut_out, " on %s", date);
    }
    text_puts(&sections->shut_out, "\n");
    return 0;
}

static void add_finding(void *context, const struct audit_finding *finding)
{
    struct sections *sections = context;
    if (sections->audit->identities.count && !audit_asks_for(sections->audit, finding->subject))
        return;
    text_puts(&sections->findings, "  ");
    put_safe(&sections->findings, finding->message);
    if (*finding->mend) {
        text_puts(&sections->findings, "\n      ");
        put_safe(&sections->findings, finding->mend);
    }
    text_puts(&sections->findings, "\n");
}

struct totals {
    const struct usercfg *cfg;
    size_t identities, pools, guests;
};

static int count_identity(const char *id, void *context)
{
    (void)id;
    ((struct totals *)context)->identities++;
    return 0;
}

static int count_pool(const char *name, void *context)
{
    struct totals *totals = context;
    struct usercfg_pool pool;
    totals->pools++;
    if (usercfg_pool(totals->cfg, name, &pool))
        totals->guests += pool.vmid_count;
    return 0;
}

static void put_head(const struct audit *audit, struct text *out)
{
    struct totals totals = {.cfg = audit->cfg};
    usercfg_each_identity(audit->cfg, count_identity, &totals);
    usercfg_each_pool(audit->cfg, count_pool, &totals);
    text_printf(out, "user.cfg as Proxmox VE %d reads it: %zu users and tokens, %zu pools with %zu guests\n",
                audit->version, totals.identities, totals.pools, totals.guests);
}

static void put_section(struct text *out, const char *title, const char *columns, struct text *rows,
                        const char *otherwise)
{
    struct text table = {0};
    text_printf(out, "\n%s\n", title);
    if (!rows->length) {
        text_printf(out, "  %s\n", otherwise);
    } else if (columns) {
        text_puts(&table, columns);
        text_append(&table, rows->data, rows->length);
        text_append_table(out, table.data ? table.data : "");
    } else {
        text_append(out, rows->data, rows->length);
    }
    out->failed |= rows->failed || table.failed;
    text_clear(&table);
    text_clear(rows);
}

void audit_text(const struct audit *audit, struct text *out)
{
    struct sections sections = {.audit = audit};
    put_head(audit, out);
    if (audit->paths.count) {
        put_paths(audit, &sections.more);
        put_section(out, "Privileges on the paths", "  who\tpath\tprivileges\n", &sections.more,
                    "nobody has any");
        return;
    }
    for (size_t i = 0; i < audit->classes->count; i++)
        add_class(&sections, audit->classes->list[i]);
    usercfg_each_identity(audit->cfg, add_shut_out, &sections);
    audit_each_finding(audit, add_finding, &sections);
    put_section(out, "Who could fence", "  who\tmay log in\tguests\tand more\n", &sections.fence, "nobody");
    put_section(
        out,
        "Which of them can do more (than VM.PowerMgmt, VM.Audit and Pool.Audit on pools and their members)",
        "  who\twhere\tprivileges\n", &sections.more, "nobody");
    put_section(out, "Who cannot log in", "  who\twhy\n", &sections.shut_out, "nobody");
    put_section(out, "What deserves a look", NULL, &sections.findings, "nothing");
    for (size_t i = 0; i < usercfg_warning_count(audit->cfg); i++) {
        text_puts(&sections.more, "  ");
        put_safe(&sections.more, usercfg_warning(audit->cfg, i));
        text_puts(&sections.more, "\n");
    }
    if (sections.more.length)
        put_section(out, "What Proxmox warns about when it reads the file", NULL, &sections.more, "");
}
