/* The commands for the cluster, with pcs and with crmsh: the broker's device beside the old ones, both as
 * levels; a test; the switch; the end of the old ones; and the way back. Each change of levels is one change
 * of the configuration, so that no node is without them in between. */
#include "admin/migrate_private.h"

#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/cleanup.h"

#define BEFORE "/root/before-fence-broker.xml"

static void put_word(struct text *out, const char *word)
{
    text_puts(out, " ");
    text_put_word(out, word);
}

/* ---- the device -----------------------------------------------------------------------------------------
 */

static long long longest(const struct migrate *migrate, const char *name)
{
    long long most = -1;
    for (size_t i = 0; i < migrate->used_count; i++) {
        long long ms = cib_milliseconds(migrate_parameter(migrate->used[i], name));
        most = ms > most ? ms : most;
    }
    return most < 0 ? -1 : migrate_seconds(most);
}

static bool several_in_level(const struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->both.count; i++)
        if (cib_level_has(&migrate->both.list[i], migrate->new_id) && migrate->both.list[i].id_count > 1)
            return true;
    return false;
}

/* Base and the agent's own together. */
static long long node_delay(const struct migrate_node *node)
{
    return node->device ? migrate_seconds((node->base_ms > 0 ? node->base_ms : 0) +
                                          (node->agent_ms > 0 ? node->agent_ms : 0))
                        : 0;
}

static void put_delays(const struct migrate *migrate, struct text *out, const char *quote)
{
    long long most = 0, least = -1, maximum = 0;
    const char *gap = "";
    for (size_t i = 0; i < migrate->node_count; i++) {
        const struct migrate_node *node = &migrate->nodes[i];
        long long delay = node_delay(node);
        if (!node->device)
            continue;
        most = delay > most ? delay : most;
        least = least < 0 || delay < least ? delay : least;
        long long max = node->max_ms > 0 ? migrate_seconds(node->max_ms) +
                                               migrate_seconds(node->agent_ms > 0 ? node->agent_ms : 0)
                                         : 0;
        maximum = max > maximum ? max : maximum;
    }
    if (most > 0 && most == least) {
        text_printf(out, " pcmk_delay_base=%llds", most);
    } else if (most > 0) {
        text_printf(out, " pcmk_delay_base=%s", quote);
        for (size_t i = 0; i < migrate->node_count; i++) {
            if (!migrate->nodes[i].device)
                continue;
            text_printf(out, "%s%s:%llds", gap, migrate->nodes[i].name, node_delay(&migrate->nodes[i]));
            gap = ";";
        }
        text_puts(out, quote);
    }
    if (maximum > 0)
        text_printf(out, " pcmk_delay_max=%llds", maximum > most ? maximum : most);
}

static bool all_off(const struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->used_count; i++) {
        const char *action = migrate_parameter(migrate->used[i], "pcmk_reboot_action");
        if (!action || strcmp(action, "off") != 0)
            return false;
    }
    return migrate->used_count > 0;
}

/* Several devices could fence at the same time, and one does it only when it is told so. */
static void put_limit(const struct migrate *migrate, struct text *out)
{
    const char *limit =
        migrate->used_count == 1 ? migrate_parameter(migrate->used[0], "pcmk_action_limit") : NULL;
    if (migrate->used_count > 1)
        text_puts(out, " pcmk_action_limit=-1");
    else if (limit && !limit[strspn(limit, "-0123456789")])
        text_printf(out, " pcmk_action_limit=%s", limit);
}

/* `quote` goes around what has a semicolon. */
static void put_parameters(const struct migrate *migrate, struct text *out, const char *quote)
{
    long long reboot = longest(migrate, "pcmk_reboot_timeout"), off = longest(migrate, "pcmk_off_timeout");
    long long on = longest(migrate, "pcmk_on_timeout");
    text_printf(out, " pcmk_reboot_timeout=%llds pcmk_off_timeout=%llds",
                reboot > MIGRATE_SPARE_S ? reboot : MIGRATE_SPARE_S,
                off > MIGRATE_SPARE_S ? off : MIGRATE_SPARE_S);
    if (on >= 0 || several_in_level(migrate))
        text_printf(out, " pcmk_on_timeout=%llds", on > MIGRATE_SPARE_S ? on : MIGRATE_SPARE_S);
    put_delays(migrate, out, quote);
    if (all_off(migrate))
        text_puts(out, " pcmk_reboot_action=off");
    put_limit(migrate, out);
}

/* ---- levels ---------------------------------------------------------------------------------------------
 */

static const char *pcs_target(const struct cib_level *level)
{
    switch (level->kind) {
    case CIB_KEY_NODE:
        break;
    case CIB_KEY_PATTERN:
        return heap_printf("regexp%%%s", level->target);
    case CIB_KEY_ATTRIBUTE:
        return heap_printf("attrib%%%s=%s", level->target, level->value);
    }
    return level->target;
}

/* Are the levels of this key the same in both? */
static bool same_levels(const struct cib_levels *one, const struct cib_levels *other,
                        const struct cib_level *key)
{
    size_t at = 0;
    for (size_t i = 0; i < one->count; i++) {
        if (!cib_same_key(&one->list[i], key))
            continue;
        while (at < other->count && !cib_same_key(&other->list[at], key))
            at++;
        if (at == other->count || strcmp(one->list[i].devices, other->list[at].devices) != 0 ||
            one->list[i].index != other->list[at].index)
            return false;
        at++;
    }
    while (at < other->count && !cib_same_key(&other->list[at], key))
        at++;
    return at == other->count;
}

/* pcs takes devices in a group or a clone, or of a template, for none. */
static bool pcs_knows(const struct migrate *migrate, const struct cib_level *level)
{
    for (size_t i = 0; i < migrate->device_count; i++) {
        const struct migrate_device *device = &migrate->devices[i];
        if ((device->parent || device->template_id) && cib_level_has(level, device->id))
            return false;
    }
    return true;
}

/* Makes `to` of `from`, in the file. */
static void put_pcs_levels(struct migrate *migrate, struct text *out, const struct cib_levels *from,
                           const struct cib_levels *to)
{
    for (size_t i = 0; i < from->count; i++) {
        bool first = !i || !cib_same_key(&from->list[i - 1], &from->list[i]);
        if (!first || same_levels(from, to, &from->list[i]))
            continue;
        text_puts(out, "pcs -f new.xml stonith level clear target");
        put_word(out, pcs_target(&from->list[i]));
        text_puts(out, "\n");
    }
    for (size_t i = 0; i < to->count; i++) {
        const struct cib_level *level = &to->list[i];
        if (same_levels(from, to, level))
            continue;
        text_printf(out, "pcs -f new.xml stonith level add %ld", level->index);
        put_word(out, pcs_target(level));
        for (size_t d = 0; d < level->id_count; d++)
            put_word(out, level->ids[d]);
        text_puts(out, pcs_knows(migrate, level) ? "\n" : " --force\n");
    }
}

/* The whole of it: crmsh knows no part. */
static void put_crm_levels(struct text *out, const struct cib_levels *from, const struct cib_levels *to)
{
    if (from->section)
        text_puts(out, "delete fencing_topology\n");
    if (!to->count)
        return;
    text_puts(out, "fencing_topology");
    cib_levels_put_crm(out, to, " \\\n  ");
    text_puts(out, "\n");
}

/* ---- the old devices ------------------------------------------------------------------------------------
 */

/* Does it take parameters from another device? Then it goes first. */
static bool refers(const struct migrate_device *device)
{
    for (const xmlNode *node = NULL; (node = cib_after(device->view->xml, node, NULL));)
        if (cib_get(node, "id-ref"))
            return true;
    return false;
}

static bool parent_was_before(const struct migrate *migrate, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (migrate->old[i]->parent && strcmp(migrate->old[i]->parent, migrate->old[index]->parent) == 0)
            return true;
    return false;
}

/* Is it made of the template, and of another kind? */
static bool template_is_left(const struct migrate *migrate, const char *template)
{
    for (size_t i = 0; i < migrate->device_count; i++) {
        const char *used = migrate->devices[i].template_id;
        if (used && strcmp(used, template) == 0 && !migrate->devices[i].old)
            return true;
    }
    return false;
}

static void put_old(const struct migrate *migrate, struct text *out, const char *before, const char *behind)
{
    for (int pass = 1; pass >= 0; pass--)
        for (size_t i = 0; i < migrate->old_count; i++)
            if (refers(migrate->old[i]) == pass) {
                text_puts(out, before);
                put_word(out, migrate->old[i]->id);
                text_puts(out, behind);
            }
}

static void put_crm_remove(const struct migrate *migrate, struct text *out)
{
    put_old(migrate, out, "crm -w resource stop", "\n");
    text_puts(out, "crm configure <<'END'\ndelete");
    for (size_t i = 0; i < migrate->old_count; i++) /* a wrapper goes before what is in it */
        if (migrate->old[i]->parent && migrate->old[i]->parent_empties && !parent_was_before(migrate, i))
            text_printf(out, " %s", migrate->old[i]->parent);
    put_old(migrate, out, "", "");
    for (size_t i = 0; i < migrate->template_count; i++)
        if (!template_is_left(migrate, migrate->templates[i]))
            text_printf(out, " %s", migrate->templates[i]);
    text_puts(out, "\ncommit\nEND\n");
}

static void put_pcs_remove(const struct migrate *migrate, struct text *out)
{
    put_old(migrate, out, "pcs stonith delete", "\n");
    for (size_t i = 0; i < migrate->template_count; i++)
        if (!template_is_left(migrate, migrate->templates[i]))
            text_printf(out, "cibadmin --delete --xml-text '<template id=\"%s\"/>'\n", migrate->templates[i]);
}

/* ---- all of it ------------------------------------------------------------------------------------------
 */

static void put_pcs_change(struct migrate *migrate, struct text *out, const struct cib_levels *from,
                           const struct cib_levels *to, bool with_device)
{
    text_puts(out, "pcs cluster cib old.xml && cp old.xml new.xml\n");
    if (with_device) {
        text_printf(out, "pcs -f new.xml stonith create %s " MIGRATE_NEW, migrate->new_id);
        put_parameters(migrate, out, "'");
        text_puts(out, " op monitor interval=60s\n");
    }
    put_pcs_levels(migrate, out, from, to);
    text_puts(out, "pcs cluster cib-push new.xml diff-against=old.xml && rm old.xml new.xml\n");
}

static void put_crm_change(struct migrate *migrate, struct text *out, const struct cib_levels *from,
                           const struct cib_levels *to, bool with_device)
{
    text_puts(out, "# or with crm\ncrm configure <<'END'\n");
    if (with_device) {
        text_printf(out, "primitive %s stonith:" MIGRATE_NEW " params", migrate->new_id);
        put_parameters(migrate, out, "\"");
        text_puts(out, " op monitor interval=60s\n");
    }
    put_crm_levels(out, from, to);
    text_puts(out, "commit\nEND\n");
}

static void put_beside(struct migrate *migrate, struct text *out)
{
    bool create = !migrate->new_is_there;
    text_puts(out, "\n6. In the cluster, once the broker runs on every node (fence_broker status)\n\n"
                   "# a. the broker's device beside the old one, which becomes the level behind it\n");
    if (create)
        text_printf(out, "# time-outs are %d s at least: an operation of the broker may take 240 s\n",
                    MIGRATE_SPARE_S);
    else
        text_printf(out, "# the device %s is there already\n", migrate->new_id);
    text_puts(out, "# first a copy for the way back, which has the old password; then with pcs\n"
                   "umask 077\ncibadmin --query >" BEFORE "\n");
    put_pcs_change(migrate, out, &migrate->cib.levels, &migrate->both, create);
    put_crm_change(migrate, out, &migrate->cib.levels, &migrate->both, create);
}

static void put_test(const struct migrate *migrate, struct text *out)
{
    const char *node = "NODE";
    for (size_t i = migrate->node_count; i > 0; i--)
        if (migrate->nodes[i - 1].vmid)
            node = migrate->nodes[i - 1].name;
    text_puts(out, "\n# b. test it; the last two with each node, from another one, its services moved away\n"
                   "fence_broker doctor\nfence_broker rehearse\nfence_broker off");
    put_word(out, node);
    text_puts(out, " --dry-run\nstonith_admin --reboot");
    put_word(out, node);
    text_puts(out, "\nfence_broker history\n");
}

void migrate_put_commands(struct migrate *migrate, struct text *out)
{
    put_beside(migrate, out);
    put_test(migrate, out);
    text_puts(out, "\n# c. switch, with pcs\n");
    put_pcs_change(migrate, out, &migrate->both, &migrate->after, false);
    put_crm_change(migrate, out, &migrate->both, &migrate->after, false);
    text_puts(out, "\n# d. remove the old, with pcs\n");
    put_pcs_remove(migrate, out);
    text_puts(out, "# or with crm\n");
    put_crm_remove(migrate, out);
    text_puts(out, "# does anything still hang on it?\nfence-broker-admin migrate --check\n"
                   "# when all is well, and the password is another one (3)\nshred -u " BEFORE "\n"
                   "\n# The way back, from a or c, with pcs\n");
    put_pcs_change(migrate, out, &migrate->both, &migrate->back, false);
    text_printf(out, "pcs stonith delete %s\n", migrate->new_id);
    put_crm_change(migrate, out, &migrate->both, &migrate->back, false);
    text_printf(out, "crm -w resource stop %s && crm configure delete %s\n", migrate->new_id,
                migrate->new_id);
    text_puts(out, "# from d; it takes the old password, and undoes all that was changed since\n"
                   "cibadmin --replace --scope configuration --xml-file " BEFORE "\n");
}
