/* The facts for people: what was found, what they have to decide, what was insecure, and the lines for the
 * broker and for Proxmox. The commands for the cluster are in migrate_commands.c. */
#include "admin/migrate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/cleanup.h"

#define NEW_USER         "fence-broker@pve"
#define USUAL_POOL       "cluster-nodes"
#define LINE_WIDTH       100
#define ENDPOINTS_LISTED 16 /* the rest is not printed */

/* Words, broken into lines that begin with `indent`. */
static void put_wrapped(struct text *out, const char *first, const char *indent, const char *words)
{
    size_t width = strlen(first);
    bool begins = true;
    text_puts(out, first);
    while (*(words += strspn(words, " "))) {
        size_t length = strcspn(words, " ");
        if (!begins && width + 1 + length > LINE_WIDTH) {
            text_printf(out, "\n%s", indent);
            width = strlen(indent);
            begins = true;
        }
        text_puts(out, begins ? "" : " ");
        text_append(out, words, length);
        width += length + !begins;
        begins = false;
        words += length;
    }
    text_puts(out, "\n");
}

/* False: it was there. */
static bool add_once(const char ***list, size_t *count, const char *value)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*list)[i], value) == 0)
            return false;
    *heap_add(*list, *count) = value;
    return true;
}

/* ---- 1: what was found ----------------------------------------------------------------------------------
 */

static void put_nodes(struct text *out, const struct migrate_device *device)
{
    for (size_t i = 0; i < device->target_count; i++) {
        const struct migrate_target *target = &device->targets[i];
        text_printf(out, "%s%s ", i ? ", " : "", target->node);
        if (!target->vmid_count)
            text_puts(out, "?");
        for (size_t v = 0; v < target->vmid_count; v++)
            text_printf(out, "%s%ld", v ? "+" : "", target->vmids[v]);
    }
    if (!device->target_count)
        text_puts(out, "-");
}

static void put_found(const struct migrate *migrate, struct text *out)
{
    struct text table = {0};
    text_puts(out, "1. What there is\n\n");
    text_puts(&table, "  DEVICE\tENDPOINT\tUSER\tIN USE\tNODES (VMID)\n");
    for (size_t i = 0; i < migrate->old_count; i++) {
        const struct migrate_device *device = migrate->old[i];
        text_printf(&table, "  %s\t%s\t%s\t%s\t", device->id,
                    device->endpoint.value ? device->endpoint.value : "?",
                    device->user.value ? device->user.value : "?", device->enabled ? "yes" : "no");
        put_nodes(&table, device);
        text_puts(&table, "\n");
    }
    if (table.data)
        text_append_table(out, table.data);
    out->failed |= table.failed;
    text_clear(&table);
    bool others = false;
    for (size_t i = 0; i < migrate->device_count; i++) {
        const struct migrate_device *device = &migrate->devices[i];
        if (device->old || device->broker)
            continue;
        text_printf(out, "%s%s (%s)", others ? ", " : "\n  Left alone: ", device->id, device->agent);
        others = true;
    }
    text_puts(out, others ? "\n" : "");
}

/* ---- 2 and 3: what to decide, what to change ------------------------------------------------------------
 */

static void put_told(struct migrate *migrate, struct text *out, bool note)
{
    for (size_t i = 0; i < migrate->told_count; i++)
        if (migrate->told[i].note == note)
            put_wrapped(out, "  - ", "    ",
                        heap_printf("%s: %s.", migrate->told[i].who, migrate->told[i].what));
}

static void put_decisions(struct migrate *migrate, struct text *out)
{
    bool cannot = false, notes = false;
    for (size_t i = 0; i < migrate->told_count; i++)
        *(migrate->told[i].note ? &notes : &cannot) = true;
    text_puts(out, "\n2. To confirm, or to know before\n\n");
    put_told(migrate, out, false);
    if (!cannot)
        text_puts(out, "  Nothing: all of it can be taken over.\n");
    if (notes)
        text_puts(out, "\n  Only to know:\n");
    put_told(migrate, out, true);
}

static void put_user_change(struct text *out, const char *user)
{
    const char *realm = strrchr(user, '@');
    if (realm && strcmp(realm, "@pam") == 0)
        text_printf(out, "  - %s: passwd %.*s, on every host of Proxmox VE\n", user, (int)(realm - user),
                    user);
    else if (!realm || strcmp(realm, "@pve") == 0)
        text_printf(out, "  - %s: pveum passwd %s%s, or, when nobody else uses it: pveum user delete\n", user,
                    heap_word(user), realm ? "" : "@REALM");
    else
        text_printf(out, "  - %s: in the realm %s\n", user, realm + 1);
}

static void put_insecure(const struct migrate *migrate, struct text *out)
{
    static const char *const why[FAULT_COUNT] = {
        "may do everything on every host; fencing takes three privileges on one pool",
        "readable by every member of haclient, and in each backup of the cluster's configuration",
        "whoever answers at the address gets the password",
        "a guest that goes on running counts as fenced",
    };
    bool any = false;
    text_puts(out, "\n3. What is insecure today\n\n");
    for (int fault = 0; fault < FAULT_COUNT; fault++) {
        const char *words = migrate_insecure(migrate, (enum migrate_fault)fault);
        any |= words != NULL;
        if (words)
            text_printf(out, "  - %s: %s\n", words, why[fault]);
    }
    if (!any)
        text_puts(out, "  Nothing.\n");
    if (!migrate_insecure(migrate, FAULT_PASSWORD))
        return;
    text_puts(out, "\n  The password was in the CIB and must become another one, once the old devices are "
                   "gone:\n");
    const char **said = NULL;
    size_t count = 0;
    for (size_t i = 0; i < migrate->old_count; i++) {
        const struct migrate_choice *user = &migrate->old[i]->user;
        for (size_t u = 0; migrate->old[i]->password_in_cib && u < user->count; u++)
            if (add_once(&said, &count, user->list[u]))
                put_user_change(out, user->list[u]);
    }
}

/* ---- 4 and 5: the broker, and Proxmox -------------------------------------------------------------------
 */

/* One that no old device uses. */
static const char *new_user(const struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->old_count; i++)
        for (size_t u = 0; u < migrate->old[i]->user.count; u++)
            if (strcmp(migrate->old[i]->user.list[u], NEW_USER) == 0)
                return "fence-broker-2@pve";
    return NEW_USER;
}

/* The cluster's name, where a pool can have it. */
static const char *pool_name(const struct migrate *migrate)
{
    const char *name = cib_property(&migrate->cib, "cluster-name");
    bool good = name && *name && *name != '-' && strlen(name) < 64 &&
                !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")];
    return good ? name : USUAL_POOL;
}

/* Each once, the certain ones first. */
static size_t list_endpoints(const struct migrate *migrate, const char ***list, bool certain)
{
    size_t count = 0;
    for (size_t i = 0; i < migrate->used_count; i++) {
        const struct migrate_choice *endpoint = &migrate->used[i]->endpoint;
        for (size_t e = 0; (endpoint->value != NULL) == certain && e < endpoint->count; e++)
            if (count < ENDPOINTS_LISTED)
                (void)add_once(list, &count, endpoint->list[e]);
    }
    return count;
}

static void put_endpoints(const struct migrate *migrate, struct text *out)
{
    const char **certain = NULL, **perhaps = NULL;
    size_t count = list_endpoints(migrate, &certain, true),
           guesses = list_endpoints(migrate, &perhaps, false);
    for (size_t i = 0; i < count; i++)
        text_printf(out, "endpoint = %s\n", certain[i]);
    for (size_t i = 0, known = count; i < guesses; i++)
        if (add_once(&certain, &known, perhaps[i]))
            text_printf(out, "# confirm: endpoint = %s\n", perhaps[i]);
    if (count < 2)
        text_puts(out, "# one more, on another host: a fence is wanted just when a host has died\n"
                       "# endpoint = HOST\n");
}

static void put_config(const struct migrate *migrate, struct text *out)
{
    bool head = false;
    text_printf(
        out,
        "\n4. The broker's configuration: the whole of /etc/fence-broker/fence-broker.conf, on each node\n\n"
        "[proxmox]\n");
    put_endpoints(migrate, out);
    text_printf(out,
                "token-id = %s!broker\n"
                "secret-file = /etc/fence-broker/secret\n"
                "ca-file = /etc/fence-broker/pve-root-ca.pem\n"
                "pool = %s\n",
                new_user(migrate), pool_name(migrate));
    for (size_t i = 0; i < migrate->node_count; i++) {
        const struct migrate_node *node = &migrate->nodes[i];
        if (!node->device)
            continue;
        text_puts(out, head ? ""
                            : "\n# where a node and its guest have the same name, the line is not needed\n"
                              "[nodes]\n");
        head = true;
        bool twin = false;
        for (size_t j = 0; node->vmid && j < i; j++)
            twin |= migrate->nodes[j].vmid == node->vmid;
        if (node->vmid)
            text_printf(out, "%s%s = %ld\n", twin ? "# of another Proxmox cluster: " : "", node->name,
                        node->vmid);
        else if (node->likely)
            text_printf(out, "# confirm: %s = %ld\n", node->name, node->likely);
        else if (node->candidate_count > 1)
            text_printf(out, "# one of them: %s = %ld or %ld\n", node->name, node->candidates[0],
                        node->candidates[1]);
        else
            text_printf(out, "# fill in: %s = VMID\n", node->name);
    }
}

/* The first line of it: whom to trust. ssh takes no port there, and no brackets. */
static void put_ca(struct text *out, const char *endpoint)
{
    const char *port = strrchr(endpoint, ':');
    size_t brackets = endpoint[0] == '[', length = port ? (size_t)(port - endpoint) : strlen(endpoint);
    text_puts(out, "\n5. In Proxmox VE, once: pool, role, user, token\n\nssh ");
    text_put_word(out, heap_printf("root@%.*s", (int)(length - 2 * brackets), endpoint + brackets));
    text_puts(out, " cat /etc/pve/pve-root-ca.pem >pve-root-ca.pem\n");
}

static void put_provision(const struct migrate *migrate, struct text *out)
{
    const char **endpoint = NULL;
    struct text list = {0};
    bool missing = false;
    size_t count = list_endpoints(migrate, &endpoint, true);
    for (size_t i = 0; i < migrate->node_count; i++) {
        missing |= migrate->nodes[i].device && !migrate->nodes[i].vmid;
        bool twin = false;
        for (size_t j = 0; j < i; j++)
            twin |= migrate->nodes[j].vmid == migrate->nodes[i].vmid;
        if (migrate->nodes[i].vmid && !twin)
            text_printf(&list, "%s%ld", list.length ? "," : "", migrate->nodes[i].vmid);
    }
    const char *guests = heap_text(&list);
    put_ca(out, count ? endpoint[0] : "HOST");
    text_printf(out,
                "fence-broker-admin provision --pool %s --guests %s --user %s --token broker \\\n"
                "    --secret-file ./secret --apply %s --as ADMIN@pam --ca-file pve-root-ca.pem\n",
                pool_name(migrate), *guests ? guests : "VMID,VMID", new_user(migrate),
                count ? heap_word(endpoint[0]) : "HOST");
    if (missing)
        text_puts(out, "# and the VMIDs of 2 that have to be confirmed, in --guests\n");
    text_puts(out, "# no administrator but root? without the second line it prints a script for a root "
                   "shell of a host\n"
                   "# then, with these two files, on each node\n"
                   "install -m 0640 -g fence-broker secret /etc/fence-broker/secret\n"
                   "install -m 0644 pve-root-ca.pem /etc/fence-broker/\n");
}

void migrate_put_text(struct migrate *migrate, struct text *out)
{
    put_found(migrate, out);
    put_decisions(migrate, out);
    put_insecure(migrate, out);
    put_config(migrate, out);
    put_provision(migrate, out);
    migrate_put_commands(migrate, out);
}
