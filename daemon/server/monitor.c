/*
 * The monitor's verdict. It fails when nothing could be fenced, because then Pacemaker should know before it
 * needs it; it must not fail for what a fence would survive, because a failed monitor takes the device out of
 * service.
 */
#include "server/monitor.h"

#include "system/cleanup.h"

#include <string.h>

bool monitor_facts_old(const struct facts *facts)
{
    return !facts->readiness.inventory ||
           facts->readiness.inventory_age_ms > MONITOR_FRESH_POLLS * facts->readiness.poll_interval_ms;
}

static void set_reason(struct error *error, const struct facts *facts, enum reason reason,
                       const struct guest *guest)
{
    bool hidden = guest && !visibility_of_guest(facts->subject, guest);
    const struct error *cause = view_guest_cause(facts, hidden ? NULL : guest, reason);
    enum error_code code = error_code_from_name(reason_name(reason)); /* the same words */

    if (hidden)
        error_set(error, code, "a guest that you may not see: %s", reason_message(reason));
    else if (guest)
        error_set(error, code, "guest %s (%d): %s%s%s%s", guest_label(guest), guest->vmid,
                  reason_message(reason), cause ? " (" : "", cause ? cause->message : "", cause ? ")" : "");
    else if (cause)
        error_set(error, code, "%s: %s", reason_message(reason), cause->message);
    else
        error_set(error, code, "%s", reason_message(reason));
    error_hint(error, "%s", cause && cause->hint[0] ? cause->hint : reason_hint(reason));
}

/* The guests that these names lead to, looked up once: a name that leads nowhere takes long to say so. One
 * that the asker may not see is led to by none, so that nobody learns by asking which names there are.
 * Without memory none, and then every guest counts. *lost is set if one is the name of guests here, and leads
 * to none of them: whoever asks for that node is refused. */
static const struct guest **find_named(const struct facts *facts, const char *nodes, size_t *count,
                                       struct error *lost)
{
    _cleanup_(freep) char *names = strdup(nodes);
    const struct guest **found = calloc(strlen(nodes) + 1, sizeof(*found));
    char *rest = names;
    struct access_decision decision;
    struct error error;

    *count = 0;
    for (const char *name; found && (name = strsep(&rest, ","));) {
        found[*count] = visibility_find(facts->subject, facts->readiness.inventory, name, &decision, &error);
        if (found[*count])
            ++*count;
        else if (error.code != ERROR_UNKNOWN_PLUG)
            *lost = error;
    }
    return found;
}

static bool is_among(const struct guest *const *named, size_t count, const struct guest *guest)
{
    for (size_t i = 0; i < count; i++) {
        if (named[i] == guest)
            return true;
    }
    return false;
}

/* No node of the cluster is blocked; else *error says which one, and why. */
static bool all_nodes_pass(const struct facts *facts, const char *nodes, struct error *error)
{
    const struct inventory *inventory = facts->readiness.inventory;
    struct error lost = {.code = ERROR_NONE};
    size_t count = 0;
    _cleanup_(freep) const struct guest **named = nodes ? find_named(facts, nodes, &count, &lost) : NULL;

    if (lost.code != ERROR_NONE) {
        *error = lost;
        return false;
    }
    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);
        reason_set reasons = readiness_guest(&facts->readiness, guest);

        if (readiness_verdict(reasons) == VERDICT_BLOCKED &&
            (count == 0 || guest->alias_count > 0 || is_among(named, count, guest))) {
            set_reason(error, facts, readiness_worst(reasons), guest);
            return false;
        }
    }
    return true;
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

bool monitor_passes(const struct facts *facts, bool strict, const char *nodes, struct error *error)
{
    reason_set overall = readiness_overall(&facts->readiness);
    enum reason reason = readiness_worst(overall);

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
    return !strict || all_nodes_pass(facts, nodes, error);
}
