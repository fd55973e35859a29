/*
 * The links of the chain that are about guests: the pool, names, and what stands in a single guest's way.
 * What readiness says is said here, too, so that the doctor is never more hopeful than the verdicts:
 * whatever reason no link has words of its own for comes with readiness' words.
 */
#include "fence/diagnosis_private.h"

#include "system/cleanup.h"
#include "system/clock.h"

#include <stdio.h>
#include <string.h>

static reason_set bit(enum reason reason)
{
    return (reason_set)1 << reason;
}

static bool sees(const struct diagnosis_facts *facts, const struct guest *guest)
{
    return !facts->sees || facts->sees(facts->sees_context, guest);
}

static enum diagnosis_level level_of(enum reason reason)
{
    return reason_severity(reason) == VERDICT_BLOCKED ? DIAGNOSIS_FAILURE : DIAGNOSIS_WARNING;
}

/* ---- the pool ---- */

static const char *first_pool(const struct diagnosis_facts *facts)
{
    return facts->known->config && facts->known->config->pool_count ? facts->known->config->pools[0] : NULL;
}

static bool has_guests(const struct inventory *inventory, const char *pool)
{
    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);

        if (!guest->pool || strcmp(guest->pool, pool) == 0)
            return true; /* without a pool: Proxmox does not tell which one it is of */
    }
    return false;
}

static void add_poll_error(struct diagnosis *diagnosis, const struct diagnosis_facts *facts,
                           enum diagnosis_level level, int64_t age_ms, enum reason reason)
{
    const struct error *error = facts->known->poll_error && facts->known->poll_error->code != ERROR_NONE
                                    ? facts->known->poll_error
                                    : NULL;

    diagnosis_add(diagnosis, DIAGNOSIS_POOL, level, age_ms, "%s%s%s", reason_message(reason),
                  error ? ": " : "", error ? error->message : "");
    diagnosis_hint(diagnosis, error && error->hint[0] ? error->hint : reason_hint(reason));
}

static void add_hosts(struct diagnosis *diagnosis, const struct diagnosis_facts *facts, reason_set overall)
{
    const struct inventory *inventory = facts->known->readiness.inventory;
    bool minority = overall & bit(REASON_MINORITY);

    diagnosis_add(diagnosis, DIAGNOSIS_POOL, minority ? DIAGNOSIS_FAILURE : DIAGNOSIS_OK,
                  facts->known->readiness.inventory_age_ms, "%u of %u Proxmox hosts are online%s",
                  inventory_nodes_online(inventory), inventory_nodes_known(inventory),
                  minority ? ": too few to prove that a guest is off" : "");
    if (minority)
        diagnosis_hint(diagnosis, reason_hint(REASON_MINORITY));
}

/* Reasons that a link has words of its own for; those of guests are found guest by guest. */
static reason_set told(void)
{
    return bit(REASON_NO_ENDPOINT) | bit(REASON_NO_SESSION) | bit(REASON_NO_INVENTORY) |
           bit(REASON_EMPTY_POOL) | bit(REASON_STALE) | bit(REASON_MINORITY) | bit(REASON_EXCESS_REFUSED) |
           bit(REASON_EXCESS_PRIVILEGES) | bit(REASON_ONE_ENDPOINT) | bit(REASON_CERTIFICATE_EXPIRES) |
           bit(REASON_HISTORY_NOT_WRITTEN) | bit(REASON_CLOCK_WRONG) | bit(REASON_CLOCK_DOUBTED);
}

static void add_untold(struct diagnosis *diagnosis, reason_set reasons)
{
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        if (!(reasons & ~told() & bit(r)))
            continue;
        diagnosis_add(diagnosis, DIAGNOSIS_POOL, level_of(r), DIAGNOSIS_AGE_NONE, "%s: %s", reason_name(r),
                      reason_message(r));
        diagnosis_hint(diagnosis, reason_hint(r));
    }
}

/* A pool without guests whose child has some: Proxmox counts them as the child's alone. */
static void add_empty_pool(struct diagnosis *diagnosis, const struct diagnosis_facts *facts,
                           enum diagnosis_level level, const char *pool, const char *message)
{
    struct error below;

    if (!pool || facts->sees || !inventory_say_below(facts->known->readiness.inventory, pool, &below)) {
        diagnosis_add(diagnosis, DIAGNOSIS_POOL, level, facts->known->readiness.inventory_age_ms, "%s",
                      message);
        diagnosis_hint_for(diagnosis, reason_hint(REASON_EMPTY_POOL), NULL, pool);
        return;
    }
    diagnosis_add(diagnosis, DIAGNOSIS_POOL, level, facts->known->readiness.inventory_age_ms, "%s: %s",
                  message, below.message);
    diagnosis_hint(diagnosis, below.hint);
}

static void add_members(struct diagnosis *diagnosis, const struct diagnosis_facts *facts, reason_set overall)
{
    const struct inventory *inventory = facts->known->readiness.inventory;
    int64_t age_ms = facts->known->readiness.inventory_age_ms;

    if (overall & bit(REASON_EMPTY_POOL))
        add_empty_pool(diagnosis, facts, DIAGNOSIS_FAILURE, first_pool(facts),
                       reason_message(REASON_EMPTY_POOL));
    else
        diagnosis_add(diagnosis, DIAGNOSIS_POOL, DIAGNOSIS_OK, age_ms, "%zu guests are in it",
                      inventory_count(inventory));
    for (size_t i = 0; facts->known->config && i < facts->known->config->pool_count; i++) {
        const char *pool = facts->known->config->pools[i];
        char message[ERROR_MESSAGE_MAX];

        if ((overall & bit(REASON_EMPTY_POOL)) || has_guests(inventory, pool))
            continue;
        snprintf(message, sizeof(message), "the pool %s has no guest that the broker can see", pool);
        add_empty_pool(diagnosis, facts, DIAGNOSIS_WARNING, pool, message);
    }
}

void diagnosis_add_pool(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    reason_set overall = readiness_overall(&facts->known->readiness);

    if (!facts->known->readiness.inventory) {
        if (diagnosis_failure_or_unknown(diagnosis) == DIAGNOSIS_FAILURE && facts->known->endpoints)
            add_poll_error(diagnosis, facts, DIAGNOSIS_FAILURE, DIAGNOSIS_AGE_NONE, REASON_NO_INVENTORY);
        else
            diagnosis_add(diagnosis, DIAGNOSIS_POOL, DIAGNOSIS_UNKNOWN, DIAGNOSIS_AGE_NONE, "%s",
                          reason_message(REASON_NO_INVENTORY));
        return;
    }
    if (overall & bit(REASON_STALE))
        add_poll_error(diagnosis, facts, DIAGNOSIS_FAILURE, facts->known->readiness.inventory_age_ms,
                       REASON_STALE);
    else if (facts->known->poll_error && facts->known->poll_error->code != ERROR_NONE)
        add_poll_error(diagnosis, facts, DIAGNOSIS_WARNING, facts->known->readiness.inventory_age_ms,
                       REASON_STALE);
    add_members(diagnosis, facts, overall);
    add_hosts(diagnosis, facts, overall);
    add_untold(diagnosis, overall);
}

/* ---- names ---- */

static size_t add_unresolved(struct diagnosis *diagnosis, const struct inventory *inventory)
{
    size_t count = inventory_unresolved_alias_count(inventory);

    for (size_t i = 0; i < count; i++) {
        const struct unresolved_alias *alias = inventory_unresolved_alias_get(inventory, i);

        diagnosis_add(diagnosis, DIAGNOSIS_NAMES, DIAGNOSIS_FAILURE, DIAGNOSIS_AGE_NONE,
                      "[nodes] %s = %s: %s, so %s cannot be fenced", alias->node, alias->target,
                      alias->ambiguous ? "several guests have this name" : "no such guest in the pool",
                      alias->node);
        diagnosis_hint(diagnosis, alias->ambiguous ? "write the VMID instead: `/usr/sbin/fence_broker "
                                                     "targets` has it"
                                                   : "fix the line, or put the guest into the pool");
    }
    return count;
}

static reason_set of_names(void)
{
    return bit(REASON_AMBIGUOUS_NAME) | bit(REASON_AMBIGUOUS_ALIASED) | bit(REASON_NAME_MOVED) |
           bit(REASON_MOVED_ALIASED);
}

static size_t add_names_that_fail(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const struct inventory *inventory = facts->known->readiness.inventory;
    size_t found = 0;
    char vmid[16];

    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);

        reason_set reasons = readiness_guest(&facts->known->readiness, guest) & of_names();

        if (!sees(facts, guest) || !reasons)
            continue;
        found++;
        snprintf(vmid, sizeof(vmid), "%d", guest->vmid);
        for (enum reason r = 0; r < REASON_COUNT; r++) {
            const struct error *cause = readiness_cause(&facts->known->readiness, guest, r);

            if (!(reasons & bit(r)))
                continue;
            if (cause && !sees(facts, guest->moved_with))
                cause = NULL; /* it names the other one */
            diagnosis_add(diagnosis, DIAGNOSIS_NAMES, level_of(r), facts->known->readiness.inventory_age_ms,
                          "%s (%d): %s%s%s%s", guest_label(guest), guest->vmid, reason_message(r),
                          cause ? " (" : "", cause ? cause->message : "", cause ? ")" : "");
            diagnosis_hint_for(diagnosis, cause ? cause->hint : reason_hint(r), vmid, guest->pool);
        }
    }
    return found;
}

static size_t add_named_twice(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const struct inventory *inventory = facts->known->readiness.inventory;
    size_t found = 0;

    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        const char *second = guest_second_alias(guest);

        if (!second || !sees(facts, guest))
            continue;
        found++;
        diagnosis_add(
            diagnosis, DIAGNOSIS_NAMES, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
            "[nodes] has two names for %s (%d), %s and %s: fencing one of them powers off the other",
            guest_label(guest), guest->vmid, guest->aliases[0], second);
        diagnosis_hint(diagnosis, "keep one of the two lines, or give each node its own VMID");
    }
    return found;
}

void diagnosis_add_names(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const struct inventory *inventory = facts->known->readiness.inventory;

    if (!inventory) {
        diagnosis_add(diagnosis, DIAGNOSIS_NAMES, DIAGNOSIS_UNKNOWN, DIAGNOSIS_AGE_NONE,
                      "not known without the guests");
        return;
    }
    /* who may not see all guests is told nothing of what the names of others lead to */
    size_t found = facts->sees ? 0 : add_unresolved(diagnosis, inventory);
    found += add_names_that_fail(diagnosis, facts);
    found += add_named_twice(diagnosis, facts);
    if (!found)
        diagnosis_add(diagnosis, DIAGNOSIS_NAMES, DIAGNOSIS_OK, facts->known->readiness.inventory_age_ms,
                      "every name leads to one guest");
}

/* ---- guests ---- */

/* What only this guest has, and the links before have not told. */
static reason_set own_reasons(const struct diagnosis_facts *facts, const struct guest *guest)
{
    const struct privileges_report *report =
        facts->known->grants ? grants_report(facts->known->grants) : NULL;
    reason_set reasons = readiness_guest(&facts->known->readiness, guest) &
                         ~readiness_overall(&facts->known->readiness) & ~of_names() &
                         ~bit(REASON_WRONG_GUEST);

    reasons &= ~readiness_caveats(reasons);
    if (privileges_first(report, PRIVILEGES_MISSING))
        reasons &= ~bit(REASON_NO_POWER_RIGHT);
    return reasons;
}

/* Since the oldest of what the reason may rest on was seen. */
static int64_t age_of(const struct diagnosis_facts *facts, const struct guest *guest)
{
    int64_t age_ms = readiness_evidence_age_ms(&facts->known->readiness, guest);

    return age_ms > facts->known->readiness.inventory_age_ms ? age_ms
                                                             : facts->known->readiness.inventory_age_ms;
}

static void add_guest(struct diagnosis *diagnosis, const struct diagnosis_facts *facts,
                      const struct guest *guest, reason_set reasons)
{
    char vmid[16];

    snprintf(vmid, sizeof(vmid), "%d", guest->vmid);
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        const struct error *cause = readiness_cause(&facts->known->readiness, guest, r);
        const char *more = cause ? cause->message : r == REASON_LOCKED ? guest->lock : NULL;

        if (!(reasons & bit(r)))
            continue;
        diagnosis_add(diagnosis, DIAGNOSIS_GUESTS, level_of(r), age_of(facts, guest), "%s (%s): %s: %s%s%s%s",
                      guest_label(guest), vmid, reason_name(r), reason_message(r), more ? " (" : "",
                      more ? more : "", more ? ")" : "");
        diagnosis_hint_for(diagnosis, reason_hint(r), vmid, guest->pool);
    }
}

/* ---- dead hosts ---- */

#define UNWATCHED_NAMED 3 /* the others are counted */

/* The guests whose host nobody watches, for one and the same cause, from `first` on. */
static void add_unwatched(struct diagnosis *diagnosis, const struct diagnosis_facts *facts, size_t first,
                          const struct error *cause)
{
    const struct inventory *inventory = facts->known->readiness.inventory;
    _cleanup_(text_clear) struct text names = {0};
    size_t named = 0, more = 0;

    for (size_t i = first; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);

        if (!sees(facts, guest) || readiness_unwatched(&facts->known->readiness, guest) != cause)
            continue;
        if (named < UNWATCHED_NAMED)
            text_printf(&names, "%s%s", named++ ? ", " : "", guest_label(guest));
        else
            more++;
    }
    if (more)
        text_printf(&names, " and %zu more", more);
    diagnosis->failed |= names.failed;
    diagnosis_add(diagnosis, DIAGNOSIS_GUESTS, DIAGNOSIS_OK, facts->known->readiness.inventory_age_ms,
                  "%s: %s: %s (%s)", names.data ? names.data : "", reason_name(REASON_HOST_UNWATCHED),
                  reason_message(REASON_HOST_UNWATCHED), cause->message);
    diagnosis_hint(diagnosis, cause->hint[0] ? cause->hint : reason_hint(REASON_HOST_UNWATCHED));
}

/* A caveat, one line a cause: most clusters have no HA, and nothing is wrong. */
static void add_dead_hosts(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const struct inventory *inventory = facts->known->readiness.inventory;
    const struct error *told[DEAD_HOSTS_TIME + 1];
    size_t count = 0;

    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        const struct error *cause =
            sees(facts, guest) ? readiness_unwatched(&facts->known->readiness, guest) : NULL;
        size_t at = 0;

        while (at < count && told[at] != cause)
            at++;
        if (!cause || at < count || count == ARRAY_LEN(told))
            continue;
        told[count++] = cause;
        add_unwatched(diagnosis, facts, i, cause);
    }
}

void diagnosis_add_guests(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const struct inventory *inventory = facts->known->readiness.inventory;
    size_t count = inventory ? inventory_count(inventory) : 0, seen = 0, free_of = 0;

    for (size_t i = 0; i < count; i++) {
        const struct guest *guest = inventory_get(inventory, i);

        if (!sees(facts, guest))
            continue;
        reason_set reasons = own_reasons(facts, guest);

        seen++;
        free_of += reasons == 0;
        add_guest(diagnosis, facts, guest, reasons);
    }
    if (!inventory)
        diagnosis_add(diagnosis, DIAGNOSIS_GUESTS, DIAGNOSIS_UNKNOWN, DIAGNOSIS_AGE_NONE, "not known");
    else if (free_of > 0 || seen == 0) /* else each guest was told already */
        diagnosis_add(diagnosis, DIAGNOSIS_GUESTS, DIAGNOSIS_OK, facts->known->readiness.inventory_age_ms,
                      "%zu of %zu guests: no lock, HA state or host prevents a fence", free_of, seen);
    if (inventory)
        add_dead_hosts(diagnosis, facts);
}

/* ---- this node, a guest ---- */

static const struct guest *guest_with_uuid(const struct diagnosis_facts *facts, const char *uuid)
{
    const struct inventory *inventory = facts->known->readiness.inventory;

    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        const struct evidence_guest *known = evidence_of(facts->known->readiness.evidence, guest->vmid);

        if (sees(facts, guest) && known && machine_same_uuid(known->uuid, uuid))
            return guest;
    }
    return NULL;
}

static void add_wrong_guest(struct diagnosis *diagnosis, const struct diagnosis_facts *facts,
                            const struct guest *guest, const char *uuid)
{
    const struct machine *self = facts->known->readiness.self;
    const struct guest *real = guest_with_uuid(facts, self->uuid);
    _cleanup_(text_clear) struct text hint = {0};

    diagnosis_add(
        diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_FAILURE, age_of(facts, guest),
        "wrong-guest: the name %s of this node leads to %s (%d), whose UUID is %s, but this node's is %s%s%s",
        self->name, guest_label(guest), guest->vmid, uuid, self->uuid, real ? ", that of " : "",
        real ? guest_label(real) : "");
    if (real)
        text_printf(&hint, "in fence-broker.conf of every node, [nodes]: %s = %d", self->name, real->vmid);
    else
        text_puts(&hint, reason_hint(REASON_WRONG_GUEST));
    diagnosis->failed |= hint.failed;
    diagnosis_hint(diagnosis, hint.data);
}

/* Why it cannot be told; NULL: it can. */
static const char *why_unknown(const struct machine *self, const struct guest *guest,
                               const struct evidence_guest *known)
{
    if (guest->type == PVE_LXC)
        return "a container has the UUID of its host";
    if (!self->uuid[0])
        return self->why;
    if (!known || !known->config_known)
        return "its configuration was not read";
    return known->uuid[0] ? NULL : "its configuration has no UUID (smbios1)";
}

/* Whoever fences this node by its name fails. */
static void add_nobody(struct diagnosis *diagnosis, const struct machine *self)
{
    _cleanup_(text_clear) struct text hint = {0};

    diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                  "the name %s of this node leads to no guest of the pool: it cannot be fenced by this name, "
                  "and its UUID was not compared",
                  self->name);
    text_printf(&hint, "in fence-broker.conf of every node, [nodes]: %s = VMID", self->name);
    diagnosis->failed |= hint.failed;
    diagnosis_hint(diagnosis, hint.data);
}

void diagnosis_add_self(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const struct machine *self = facts->known->readiness.self;
    const struct inventory *inventory = facts->known->readiness.inventory;
    const struct guest *guest =
        inventory && self ? inventory_by_vmid(inventory, facts->known->readiness.self_vmid) : NULL;
    const struct evidence_guest *known =
        guest ? evidence_of(facts->known->readiness.evidence, guest->vmid) : NULL;
    const char *why = guest ? why_unknown(self, guest, known) : NULL;

    if (!self || !inventory || (guest && !sees(facts, guest)))
        return;
    if (!guest)
        add_nobody(diagnosis, self);
    else if (why)
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_OK, DIAGNOSIS_AGE_NONE,
                      "cannot tell whether this node, %s, is really %s (%d): %s", self->name,
                      guest_label(guest), guest->vmid, why);
    else if (machine_same_uuid(self->uuid, known->uuid))
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_OK, age_of(facts, guest),
                      "this node, %s, is %s (%d) by its UUID", self->name, guest_label(guest), guest->vmid);
    else
        add_wrong_guest(diagnosis, facts, guest, known->uuid);
}
