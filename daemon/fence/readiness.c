/*
 * From facts to a set of reasons: a handful of comparisons. Refuses to know where the evidence comes from,
 * what time it is, and how a verdict is shown. It decides nothing about a fence under way: that one asks
 * Proxmox itself (P1).
 */
#include "fence/readiness.h"

#include "fence/guest_checks.h"
#include "fence/rehearsal_plan.h"
#include "fence/step.h"

#include <string.h>

/* Polls that may fail before what they taught counts as unknown. */
#define STALE_AFTER_POLLS 3
/* A status that takes so long comes from a host, or of a QEMU, that hangs: that one takes 3 s. */
#define HOST_SLOW_MS 2000

static reason_set bit(enum reason reason)
{
    return (reason_set)1 << reason;
}

static unsigned required(const struct readiness_facts *facts)
{
    return nodes_required(facts->min_online_nodes, inventory_nodes_known(facts->inventory));
}

reason_set readiness_overall(const struct readiness_facts *facts)
{
    reason_set reasons = 0;

    if (!facts->session_ready)
        reasons |= bit(REASON_NO_SESSION);
    if (facts->clock_wrong)
        reasons |= bit(facts->endpoints_up == 0 ? REASON_CLOCK_WRONG : REASON_CLOCK_DOUBTED);
    if (evidence_rehearsals_alarm(facts->evidence))
        reasons |= bit(REASON_REHEARSAL_UNSAFE);
    if (facts->endpoints_up == 0)
        reasons |= bit(REASON_NO_ENDPOINT);
    else if (facts->endpoints_up == 1)
        reasons |= bit(REASON_ONE_ENDPOINT);
    if (facts->certificate_expires)
        reasons |= bit(REASON_CERTIFICATE_EXPIRES);
    if (facts->backoff > 1)
        reasons |= bit(REASON_PROXMOX_SLOW);
    if (facts->history_failing)
        reasons |= bit(REASON_HISTORY_NOT_WRITTEN);
    if (facts->grants == GRANTS_REFUSED)
        reasons |= bit(REASON_EXCESS_REFUSED);
    if (facts->grants == GRANTS_TOLERATED)
        reasons |= bit(REASON_EXCESS_PRIVILEGES);
    if (!facts->inventory)
        return reasons | bit(REASON_NO_INVENTORY);
    if (inventory_count(facts->inventory) == 0)
        reasons |= bit(REASON_EMPTY_POOL);
    if (facts->inventory_age_ms > STALE_AFTER_POLLS * facts->poll_interval_ms)
        reasons |= bit(REASON_STALE);
    if (inventory_nodes_online(facts->inventory) < required(facts))
        reasons |= bit(REASON_MINORITY);
    return reasons;
}

/* A lock that forbids a proof or a stop. A migration is waited for by the fence itself, within its deadline;
 * no more can be promised, because nobody knows when it ends. */
static reason_set lock_reasons(const char *lock)
{
    if (!lock || !*lock)
        return 0;
    if (!strcmp(lock, "migrate"))
        return bit(REASON_MIGRATING);
    if (!strcmp(lock, "suspended") || !strcmp(lock, "suspending"))
        return bit(REASON_SUSPENDED);
    return bit(REASON_LOCKED);
}

static reason_set ha_reasons(const char *state)
{
    enum error_code code = ha_hopeless(state);

    return bit(code == ERROR_HA_ERROR      ? REASON_HA_ERROR
               : code == ERROR_HA_FROZEN   ? REASON_HA_FROZEN
               : code == ERROR_HA_UNSERVED ? REASON_HA_UNSERVED
                                           : REASON_HA_MANAGED);
}

/* Its guests are off by the word of the others, whatever it said of them, and nobody asks it, or HA, to stop
 * one (a dead host's proof). A lock that hides a guest does so for good: with its host its task has ended. */
static reason_set on_fenced_host(reason_set reasons, const struct guest *guest)
{
    reasons &= ~(bit(REASON_HOST_SILENT) | bit(REASON_HOST_SLOW) | bit(REASON_REHEARSAL_FAILED) |
                 bit(REASON_UNPROVEN) | bit(REASON_HA_ERROR) | bit(REASON_HA_FROZEN) |
                 bit(REASON_HA_UNSERVED) | bit(REASON_LOCKED) | bit(REASON_MIGRATING));
    if (guest->lock && step_lock_hides_the_truth(guest->lock) && !(reasons & bit(REASON_SUSPENDED)))
        reasons |= bit(REASON_LOCKED);
    return reasons;
}

/* Does the name of this node lead to the guest, and is this node another one? A container has its host's
 * firmware, and a guest without a UUID proves nothing. */
static bool is_wrong_guest(const struct readiness_facts *facts, const struct guest *guest,
                           const struct evidence_guest *known)
{
    return facts->self && facts->self_vmid == guest->vmid && guest->type == PVE_QEMU &&
           facts->self->uuid[0] && known && known->uuid[0] &&
           !machine_same_uuid(facts->self->uuid, known->uuid);
}

/* What evidence that speaks against a fence is called. */
static enum reason reason_of(enum evidence_kind kind, const struct error *error)
{
    if (error->code == ERROR_NO_POWER_RIGHT)
        return REASON_NO_POWER_RIGHT;
    if (kind == EVIDENCE_REHEARSAL)
        return REASON_REHEARSAL_FAILED;
    return error->code == ERROR_HA_UNSERVED ? REASON_HA_UNSERVED
           : error->code == ERROR_UNPROVEN  ? REASON_UNPROVEN
                                            : REASON_HOST_SILENT;
}

/* What was read and tried, whether it is old or not. */
static reason_set evidence_reasons(const struct evidence_guest *known)
{
    reason_set reasons = 0;

    for (enum evidence_kind kind = 0; kind < EVIDENCE_KIND_COUNT; kind++) {
        if (known->entries[kind].error)
            reasons |= bit(reason_of(kind, known->entries[kind].error));
    }
    if (!known->entries[EVIDENCE_STATUS].error && known->entries[EVIDENCE_STATUS].took_ms >= HOST_SLOW_MS)
        reasons |= bit(REASON_HOST_SLOW);
    if (known->config_known && known->has_hookscript)
        reasons |= bit(REASON_HOOKSCRIPT);
    if (known->config_known && !known->has_nic)
        reasons |= bit(REASON_NO_NIC);
    return reasons;
}

/* What is lacking of the evidence that "ready" takes. */
static reason_set evidence_lack(const struct readiness_facts *facts, const struct guest *guest,
                                const struct evidence_guest *known)
{
    reason_set reasons = 0;

    for (enum evidence_kind kind = 0; kind < EVIDENCE_KIND_COUNT; kind++) {
        enum evidence_state state =
            evidence_state(facts->evidence, known, kind, guest->node, facts->boottime_ms);

        if (state == EVIDENCE_MISSING)
            reasons |= bit(REASON_NO_EVIDENCE);
        if (state == EVIDENCE_OLD)
            reasons |= bit(REASON_OLD_EVIDENCE);
    }
    return reasons;
}

static reason_set host_reasons(const struct readiness_facts *facts, const char *node)
{
    if (!facts->inventory || !node)
        return 0;
    bool unknown = inventory_node_unknown(facts->inventory, node);
    if (!unknown && !inventory_node_online(facts->inventory, node))
        return readiness_host_fenced(facts, node) ? bit(REASON_HOST_FENCED) : bit(REASON_NODE_OFFLINE);
    bool alone = inventory_node_vouches_alone(facts->inventory, node);
    return (inventory_node_maintenance(facts->inventory, node) ? bit(REASON_NODE_MAINTENANCE) : 0) |
           (unknown ? bit(REASON_NODE_UNKNOWN) : 0) |
           (alone && required(facts) > 1 ? bit(REASON_MINORITY) : 0);
}

/* Who asks by a name that several have, or that has moved, is refused. An alias is another way to the guest;
 * and where [nodes] says who has the name, nobody means the others by it. */
static reason_set name_reasons(const struct guest *guest)
{
    bool aliased = guest->alias_count > 0;
    reason_set reasons = 0;

    if (guest->moved)
        reasons |= bit(aliased ? REASON_MOVED_ALIASED : REASON_NAME_MOVED);
    if (guest->name_shared)
        reasons |= bit(aliased || guest->name_settled ? REASON_AMBIGUOUS_ALIASED : REASON_AMBIGUOUS_NAME);
    return reasons;
}

reason_set readiness_guest(const struct readiness_facts *facts, const struct guest *guest)
{
    const struct evidence_guest *known = evidence_of(facts->evidence, guest->vmid);
    reason_set reasons = readiness_overall(facts) | host_reasons(facts, guest->node);

    if (!guest->may_power || !guest->may_audit)
        reasons |= bit(REASON_NO_POWER_RIGHT);
    if (guest->template)
        reasons |= bit(REASON_TEMPLATE);
    reasons |= lock_reasons(guest->lock);
    if (guest->hastate)
        reasons |= ha_reasons(guest->hastate);
    reasons |= name_reasons(guest);
    if (is_wrong_guest(facts, guest, known))
        reasons |= bit(REASON_WRONG_GUEST);
    if (!guest->template && unsettled_kill_doubt(&facts->doubts, guest->vmid))
        reasons |= bit(REASON_UNPROVEN);
    if (known)
        reasons |= evidence_reasons(known);
    if (reasons & bit(REASON_HOST_FENCED))
        reasons = on_fenced_host(reasons, guest);
    /* where it cannot be asked for, the cause is told already */
    if (!(reasons & (bit(REASON_NODE_OFFLINE) | bit(REASON_HOST_FENCED) | bit(REASON_NO_POWER_RIGHT) |
                     bit(REASON_HOST_SILENT) | bit(REASON_STALE) | bit(REASON_TEMPLATE))))
        reasons |= evidence_lack(facts, guest, known);
    if (readiness_unwatched(facts, guest))
        reasons |= bit(REASON_HOST_UNWATCHED);
    return reasons;
}

/* Never tried; what another host said of the guest was. */
static bool lacks(const struct readiness_facts *facts, const struct guest *guest, enum evidence_kind kind)
{
    return evidence_state(facts->evidence, evidence_of(facts->evidence, guest->vmid), kind, NULL,
                          facts->boottime_ms) == EVIDENCE_MISSING;
}

bool readiness_is_unchecked(const struct readiness_facts *facts, const struct guest *guest,
                            reason_set reasons)
{
    return reasons & bit(REASON_NO_EVIDENCE) && readiness_verdict(reasons) != VERDICT_BLOCKED &&
           (lacks(facts, guest, EVIDENCE_STATUS) || lacks(facts, guest, EVIDENCE_CONFIG) ||
            lacks(facts, guest, EVIDENCE_REHEARSAL));
}

/* Until each of so many had its first rehearsal. */
static int64_t rehearsals_take_ms(const struct readiness_facts *facts, int64_t missing)
{
    int64_t guests = (int64_t)inventory_count(facts->inventory);
    int64_t gap_ms = evidence_period_ms(facts->evidence, EVIDENCE_REHEARSAL) / guests;

    if (gap_ms > REHEARSAL_GAP_FIRST_MS)
        gap_ms = REHEARSAL_GAP_FIRST_MS;
    return missing * gap_ms;
}

size_t readiness_unchecked(const struct readiness_facts *facts, int64_t *left_ms)
{
    size_t unchecked = 0;
    int64_t unread = 0, unrehearsed = 0;

    for (size_t i = 0; facts->inventory && i < inventory_count(facts->inventory); i++) {
        const struct guest *guest = inventory_get(facts->inventory, i);

        if (!readiness_is_unchecked(facts, guest, readiness_guest(facts, guest)))
            continue;
        unchecked++;
        unread += lacks(facts, guest, EVIDENCE_STATUS) || lacks(facts, guest, EVIDENCE_CONFIG);
        unrehearsed += lacks(facts, guest, EVIDENCE_REHEARSAL);
    }
    *left_ms = unread * GUEST_CHECKS_GAP_MIN_MS;
    if (unrehearsed > 0 && rehearsals_take_ms(facts, unrehearsed) > *left_ms)
        *left_ms = rehearsals_take_ms(facts, unrehearsed);
    return unchecked;
}

const struct error *readiness_cause(const struct readiness_facts *facts, const struct guest *guest,
                                    enum reason reason)
{
    if (reason == REASON_EMPTY_POOL)
        return facts->inventory ? inventory_empty_cause(facts->inventory) : NULL;
    if (!guest)
        return NULL;
    const struct evidence_guest *known = evidence_of(facts->evidence, guest->vmid);

    if (reason == REASON_NAME_MOVED || reason == REASON_MOVED_ALIASED)
        return guest->moved;
    if (reason == REASON_REHEARSAL_UNSAFE)
        return evidence_rehearsals_alarm(facts->evidence);
    if (reason == REASON_HOST_UNWATCHED)
        return readiness_unwatched(facts, guest);
    for (enum evidence_kind kind = 0; known && kind < EVIDENCE_KIND_COUNT; kind++) {
        const struct error *error = known->entries[kind].error;

        if (error && reason_of(kind, error) == reason)
            return error;
    }
    return NULL;
}

int64_t readiness_evidence_age_ms(const struct readiness_facts *facts, const struct guest *guest)
{
    const struct evidence_guest *known = evidence_of(facts->evidence, guest->vmid);
    int64_t oldest_ms = READINESS_NOT_NEEDED;

    for (enum evidence_kind kind = 0; kind < EVIDENCE_KIND_COUNT; kind++) {
        enum evidence_state state =
            evidence_state(facts->evidence, known, kind, guest->node, facts->boottime_ms);
        int64_t age_ms = evidence_age_ms(known, kind, facts->boottime_ms);

        if (state == EVIDENCE_NOT_NEEDED)
            continue;
        if (state == EVIDENCE_MISSING)
            return READINESS_NO_EVIDENCE;
        oldest_ms = age_ms > oldest_ms ? age_ms : oldest_ms;
    }
    return oldest_ms;
}
