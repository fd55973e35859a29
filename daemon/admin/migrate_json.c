/* The facts as a document. */
#include "admin/migrate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/cleanup.h"
#include "system/json_put.h"

static void put_vmids(struct text *out, const char *key, const long *vmids, size_t count)
{
    if (count == 0) {
        json_put_string(out, key, NULL);
    } else if (count == 1) {
        json_put_int(out, key, vmids[0]);
    } else {
        json_put_open(out, key, '[');
        for (size_t i = 0; i < count; i++)
            json_put_int(out, NULL, vmids[i]);
        json_put_close(out, ']');
    }
}

/* An object or a list of these members, if there are any. */
static void put_filled(struct text *out, const char *key, const char *brackets, struct text *members)
{
    const char *inside = heap_text(members);
    if (*inside)
        json_put_raw(out, key, heap_printf("%c%s%c", brackets[0], inside, brackets[1]));
}

static void put_seconds(struct text *out, const char *key, long long ms)
{
    if (ms >= 0)
        json_put_int(out, key, migrate_seconds(ms));
}

static void put_list(struct text *out, const char *key, const struct migrate_choice *choice)
{
    json_put_open(out, key, '[');
    for (size_t i = 0; i < choice->count; i++)
        json_put_string(out, NULL, choice->list[i]);
    json_put_close(out, ']');
}

/* ---- devices --------------------------------------------------------------------------------------------
 */

static void put_ambiguous(struct text *out, const struct migrate_device *device)
{
    struct text members = {0};
    if (!device->endpoint.value && device->endpoint.count)
        put_list(&members, "endpoint", &device->endpoint);
    if (device->user.conflict)
        put_list(&members, "user", &device->user);
    put_filled(out, "ambiguous", "{}", &members);
}

static void put_delays(struct migrate *migrate, struct text *out, const struct migrate_device *device)
{
    put_seconds(out, "delay", cib_milliseconds(migrate_value(device, "delay")));
    if (!migrate_parameter(device, "pcmk_delay_base"))
        return;
    json_put_open(out, "pcmk_delay_base", '{');
    for (size_t i = 0; i < device->target_count; i++)
        put_seconds(out, device->targets[i].node,
                    migrate_delay_base(migrate, device, device->targets[i].node));
    json_put_close(out, '}');
}

static void put_extras(struct migrate *migrate, struct text *out, const struct migrate_device *device)
{
    const char *reboot = migrate_parameter(device, "pcmk_reboot_action");
    if (device->user_is_default)
        json_put_bool(out, "user_is_default", true);
    if (device->cycle)
        json_put_string(out, "method", "cycle");
    if (device->parent)
        json_put_string(out, "parent", device->parent);
    if (device->pve_node)
        json_put_string(out, "pve_node", device->pve_node);
    if (reboot && strcmp(reboot, "reboot") != 0)
        json_put_string(out, "pcmk_reboot_action", reboot);
    put_delays(migrate, out, device);
    put_ambiguous(out, device);
    if (!device->view->rules.count)
        return;
    json_put_open(out, "rules", '[');
    for (size_t i = 0; i < device->view->rules.count; i++) {
        const struct cib_rule *rule = &device->view->rules.list[i];
        bool secret = strncmp(rule->name, "passw", 5) == 0;
        json_put_string(
            out, NULL,
            heap_printf("%s=%s %s", rule->name, secret ? "…" : rule->value, migrate_rule(rule->rule)));
    }
    json_put_close(out, ']');
}

static void put_device(struct migrate *migrate, struct text *out, const struct migrate_device *device)
{
    static const char *const passwords[] = {"none", "empty", "CIB", "script", "cibsecret"};
    json_put_open(out, NULL, '{');
    json_put_string(out, "id", device->id);
    json_put_string(out, "agent", device->agent);
    json_put_string(out, "endpoint", device->endpoint.value);
    json_put_string(out, "user", device->user.value);
    json_put_string(out, "password", passwords[device->password]);
    json_put_bool(out, "verify", device->verify);
    json_put_string(out, "vmtype", device->vmtype);
    json_put_bool(out, "enabled", device->enabled);
    json_put_open(out, "nodes", '{');
    for (size_t i = 0; i < device->target_count; i++)
        put_vmids(out, device->targets[i].node, device->targets[i].vmids, device->targets[i].vmid_count);
    json_put_close(out, '}');
    put_extras(migrate, out, device);
    json_put_close(out, '}');
}

/* ---- hints ----------------------------------------------------------------------------------------------
 */

static void put_endpoints(struct text *out, const struct migrate *migrate)
{
    struct migrate_choice all = {.count = 0};
    struct text likely = {0};
    for (size_t i = 0; i < migrate->used_count; i++) {
        const struct migrate_choice *endpoint = &migrate->used[i]->endpoint;
        bool good = endpoint->value || endpoint->conflict;
        for (size_t e = 0; good && e < endpoint->count; e++)
            migrate_choice_add(&all, endpoint->list[e]);
        if (!good && endpoint->count)
            put_list(&likely, migrate->used[i]->id, endpoint);
    }
    put_list(out, "endpoints", &all);
    put_filled(out, "likely_endpoints", "{}", &likely);
}

/* "fence@pve" in its two halves; without a realm the one of the option that the agent ignores. */
static const char *half(const struct migrate_device *device, bool realm)
{
    const char *user = device->user.value, *at = user ? strrchr(user, '@') : NULL;
    if (!user)
        return NULL;
    if (realm)
        return at ? at + 1 : migrate_value(device, "realm");
    return at ? heap_printf("%.*s", (int)(at - user), user) : user;
}

/* One for all, or one a device. */
static void put_halves(const struct migrate *migrate, struct text *out, const char *key, bool realm)
{
    const char *first = migrate->used_count ? half(migrate->used[0], realm) : NULL;
    bool differ = false, unknown = false;
    for (size_t i = 0; i < migrate->used_count; i++) {
        const char *other = half(migrate->used[i], realm);
        unknown |= migrate->used[i]->user.conflict;
        differ |= !first || !other ? first != other : strcmp(first, other) != 0;
    }
    if (!differ || unknown) {
        json_put_string(out, key, unknown ? NULL : first);
        return;
    }
    json_put_open(out, key, '{');
    for (size_t i = 0; i < migrate->used_count; i++)
        json_put_string(out, migrate->used[i]->id, half(migrate->used[i], realm));
    json_put_close(out, '}');
}

static int by_number(const void *one, const void *other)
{
    long a = *(const long *)one, b = *(const long *)other;
    return a < b ? -1 : a > b;
}

static void put_guests(struct migrate *migrate, struct text *out)
{
    long *vmids = NULL;
    size_t count = 0;
    for (size_t i = 0; i < migrate->node_count; i++)
        if (migrate->nodes[i].vmid)
            *heap_add(vmids, count) = migrate->nodes[i].vmid;
    if (count)
        qsort(vmids, count, sizeof(*vmids), by_number);
    json_put_open(out, "pool_guests", '[');
    for (size_t i = 0; i < count; i++)
        json_put_int(out, NULL, vmids[i]);
    json_put_close(out, ']');
    json_put_open(out, "nodes", '{');
    for (size_t i = 0; i < migrate->node_count; i++)
        if (migrate->nodes[i].vmid)
            json_put_int(out, migrate->nodes[i].name, migrate->nodes[i].vmid);
    json_put_close(out, '}');
}

static void put_guesses(const struct migrate *migrate, struct text *out)
{
    struct text likely = {0}, candidates = {0}, lookup = {0};
    for (size_t i = 0; i < migrate->node_count; i++) {
        const struct migrate_node *node = &migrate->nodes[i];
        bool open = node->device && !node->vmid && node->candidate_count;
        if (node->likely)
            json_put_int(&likely, node->name, node->likely);
        if (open)
            json_put_open(&candidates, node->name, '[');
        for (size_t c = 0; open && c < node->candidate_count; c++)
            json_put_int(&candidates, NULL, node->candidates[c]);
        if (open)
            json_put_close(&candidates, ']');
        if (node->device && node->lookup)
            json_put_string(&lookup, NULL, node->lookup);
    }
    put_filled(out, "likely_nodes", "{}", &likely);
    put_filled(out, "candidates", "{}", &candidates);
    put_filled(out, "lookup_by_name", "[]", &lookup);
}

/* ---- delays and time-outs -------------------------------------------------------------------------------
 */

static bool waits(const struct migrate_node *node)
{
    return node->device && (node->base_ms >= 0 || node->max_ms >= 0 || node->agent_ms >= 0);
}

static void put_delay(struct text *out, const char *key, const struct migrate_node *node)
{
    json_put_open(out, key, '{');
    put_seconds(out, "pcmk_delay_base", node->base_ms);
    put_seconds(out, "pcmk_delay_max", node->max_ms);
    put_seconds(out, "agent_delay", node->agent_ms);
    json_put_close(out, '}');
}

/* "*": all of them, the same. */
static void put_node_delays(const struct migrate *migrate, struct text *out)
{
    const struct migrate_node *first = NULL;
    bool same = true;
    size_t count = 0;
    for (size_t i = 0; i < migrate->node_count; i++) {
        const struct migrate_node *node = &migrate->nodes[i];
        if (!node->device)
            continue;
        first = first ? first : node;
        same &= node->base_ms == first->base_ms && node->max_ms == first->max_ms &&
                node->agent_ms == first->agent_ms;
        count++;
    }
    json_put_open(out, "delays", '{');
    if (same && count > 1 && waits(first))
        put_delay(out, "*", first);
    for (size_t i = 0; (!same || count == 1) && i < migrate->node_count; i++)
        if (waits(&migrate->nodes[i]))
            put_delay(out, migrate->nodes[i].name, &migrate->nodes[i]);
    json_put_close(out, '}');
}

static const char *timeout_of(const struct migrate_device *device, const char *name)
{
    return strcmp(name, "monitor_op") == 0 ? device->monitor_timeout : migrate_parameter(device, name);
}

static void put_timeout(const struct migrate *migrate, struct text *out, const char *name)
{
    const char *first = NULL;
    struct text members = {0};
    bool differ = false;
    for (size_t i = 0; i < migrate->used_count; i++) {
        const char *value = timeout_of(migrate->used[i], name);
        if (value)
            json_put_string(&members, migrate->used[i]->id, value);
        first = first ? first : value;
        differ |= value && strcmp(value, first) != 0;
    }
    const char *each = heap_text(&members);
    if (first && !differ)
        json_put_string(out, name, first);
    else if (first)
        json_put_raw(out, name, heap_printf("{%s}", each));
}

static void put_timeouts(const struct migrate *migrate, struct text *out)
{
    static const char *const of_cluster[] = {"stonith-timeout", "fencing-timeout"};
    static const char *const of_devices[] = {
        "pcmk_reboot_timeout", "pcmk_off_timeout",  "pcmk_on_timeout", "pcmk_monitor_timeout",
        "pcmk_status_timeout", "pcmk_list_timeout", "power_wait",      "power_timeout",
        "shell_timeout",       "login_timeout",     "monitor_op"};
    json_put_open(out, "timeouts", '{');
    for (size_t i = 0; i < ARRAY_LEN(of_cluster); i++)
        if (cib_property(&migrate->cib, of_cluster[i]))
            json_put_string(out, of_cluster[i], cib_property(&migrate->cib, of_cluster[i]));
    for (size_t i = 0; i < ARRAY_LEN(of_devices); i++)
        put_timeout(migrate, out, of_devices[i]);
    json_put_close(out, '}');
}

/* ---- levels, and what is told ---------------------------------------------------------------------------
 */

static void put_levels(struct migrate *migrate, struct text *out)
{
    const struct cib_level *before = NULL;
    json_put_open(out, "levels", '{');
    for (size_t i = 0; i < migrate->cib.levels.count; i++) {
        const struct cib_level *level = &migrate->cib.levels.list[i];
        if (!before || !cib_same_key(before, level)) {
            if (before)
                json_put_close(out, ']');
            json_put_open(out,
                          level->kind == CIB_KEY_NODE ? level->target
                          : level->kind == CIB_KEY_PATTERN
                              ? heap_printf("~%s", level->target)
                              : heap_printf("@%s=%s", level->target, level->value),
                          '[');
        }
        before = level;
        json_put_open(out, NULL, '[');
        for (size_t d = 0; d < level->id_count; d++)
            json_put_string(out, NULL, level->ids[d]);
        json_put_close(out, ']');
    }
    if (before)
        json_put_close(out, ']');
    json_put_close(out, '}');
}

static void put_told(struct migrate *migrate, struct text *out, const char *key, bool note)
{
    json_put_open(out, key, '[');
    for (size_t i = 0; i < migrate->told_count; i++)
        if (migrate->told[i].note == note)
            json_put_string(out, NULL, heap_printf("%s: %s", migrate->told[i].who, migrate->told[i].what));
    json_put_close(out, ']');
}

static void put_hints(struct migrate *migrate, struct text *out)
{
    json_put_open(out, "hints", '{');
    put_endpoints(out, migrate);
    put_halves(migrate, out, "user", false);
    put_halves(migrate, out, "realm", true);
    put_guests(migrate, out);
    put_guesses(migrate, out);
    put_node_delays(migrate, out);
    put_timeouts(migrate, out);
    put_levels(migrate, out);
    put_told(migrate, out, "notes", true);
    json_put_close(out, '}');
}

void migrate_put_json(struct migrate *migrate, const char *file, struct text *out)
{
    json_put_open(out, NULL, '{');
    json_put_string(out, "file", file);
    json_put_open(out, "devices", '[');
    for (size_t i = 0; i < migrate->old_count; i++)
        put_device(migrate, out, migrate->old[i]);
    json_put_close(out, ']');
    json_put_open(out, "nodes", '{');
    for (size_t i = 0; i < migrate->node_count; i++)
        put_vmids(out, migrate->nodes[i].name, &migrate->nodes[i].vmid, migrate->nodes[i].vmid != 0);
    json_put_close(out, '}');
    json_put_open(out, "insecure", '[');
    for (int fault = 0; fault < FAULT_COUNT; fault++)
        if (migrate_insecure(migrate, (enum migrate_fault)fault))
            json_put_string(out, NULL, migrate_insecure(migrate, (enum migrate_fault)fault));
    json_put_close(out, ']');
    put_told(migrate, out, "cannot", false);
    json_put_open(out, "leave_alone", '[');
    for (size_t i = 0; i < migrate->device_count; i++)
        if (!migrate->devices[i].old && !migrate->devices[i].broker)
            json_put_string(out, NULL, migrate->devices[i].id);
    json_put_close(out, ']');
    put_hints(migrate, out);
    json_put_close(out, '}');
    text_puts(out, "\n");
}
