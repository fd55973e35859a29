/*
 * The monitor's verdict. It fails when nothing could be fenced, because then Pacemaker should know before it
 * needs it; it must not fail for what a fence would survive, because a failed monitor takes the device out of
 * service.
 */
#include "server/monitor.h"

#include "system/cleanup.h"

#include <string.h>

bool monitor_facts_old(const struct view_facts *facts)
{
    return !facts->readiness.inventory ||
           facts->readiness.inventory_age_ms > MONITOR_FRESH_POLLS * facts->readiness.poll_interval_ms;
}

static void set_reason(struct error *error, const struct view_facts *facts, enum reason reason,
                       const struct guest *guest)
{
    const struct error *cause = view_cause(facts, reason);
    enum error_code code = error_code_from_name(reason_name(reason)); /* the same words */

    if (guest)
        error_set(error, code, "guest %s (%d): %s", guest_label(guest), guest->vmid, reason_message(reason));
    else if (cause)
        error_set(error, code, "%s: %s", reason_message(reason), cause->message);
    else
        error_set(error, code, "%s", reason_message(reason));
    error_hint(error, "%s", cause && cause->hint[0] ? cause->hint : reason_hint(reason));
}

/* Does one of these names lead to the guest, or (NULL) to any? */
static bool is_named(const struct inventory *inventory, const struct guest *guest, const char *nodes)
{
    _cleanup_(freep) char *names = strdup(nodes);
    char *rest = names;
    struct error error;

    for (const char *name; (name = strsep(&rest, ","));) {
        const struct guest *found = inventory_find(inventory, name, &error);

        if (found && (!guest || found == guest))
            return true;
    }
    return !names; /* without memory every guest counts */
}

/* The first node whose verdict is blocked, or NULL. */
static const struct guest *blocked_guest(const struct view_facts *facts, const char *nodes,
                                         enum reason *reason)
{
    const struct inventory *inventory = facts->readiness.inventory;
    bool every = !nodes || !is_named(inventory, NULL, nodes);

    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        reason_set reasons = readiness_guest(&facts->readiness, guest);

        if (readiness_verdict(reasons) == VERDICT_BLOCKED &&
            (every || guest->alias_count > 0 || is_named(inventory, guest, nodes))) {
            *reason = readiness_worst(reasons);
            return guest;
        }
    }
    return NULL;
}

static bool any_may_be_powered(const struct inventory *inventory)
{
    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);

        if (guest->may_power && guest->may_audit)
            return true;
    }
    return false;
}

bool monitor_passes(const struct view_facts *facts, bool strict, const char *nodes, struct error *error)
{
    reason_set overall = readiness_overall(&facts->readiness);
    enum reason reason = readiness_worst(overall);
    const struct guest *guest;

    /* a session that nobody refused only waits for an endpoint, and what is wrong there is the cause */
    if (reason == REASON_NO_SESSION && facts->session.error.code == ERROR_NONE &&
        facts->readiness.endpoints_up == 0)
        reason = REASON_NO_ENDPOINT;
    if (readiness_verdict(overall) == VERDICT_BLOCKED) {
        set_reason(error, facts, reason, NULL);
        return false;
    }
    if (monitor_facts_old(facts)) {
        set_reason(error, facts, REASON_STALE, NULL);
        return false;
    }
    if (!any_may_be_powered(facts->readiness.inventory)) {
        set_reason(error, facts, REASON_NO_POWER_RIGHT, NULL);
        return false;
    }
    if (strict && (guest = blocked_guest(facts, nodes, &reason))) {
        set_reason(error, facts, reason, guest);
        return false;
    }
    return true;
}
