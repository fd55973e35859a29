/*
 * The off-proof of doc/design.md, written a second time: proof_of() says "off" for exactly those facts for
 * which all seven points hold, and where it does not, the point that it names is missing. For all facts there
 * can be.
 */
#include "harness.h"

#include "fence/proof.h"

#define SECOND 1000

/* A time or a span that no clock reaches: 2^53 ms are 285 thousand years, to both sides of zero. */
#define FAR (INT64_C(1) << 53)

static bool is_near(int64_t ms)
{
    return ms > -FAR && ms < FAR;
}

/* S was asked for after the newest request arrived, and says stopped. */
static bool point_1(const struct proof_facts *s)
{
    return s->read && s->asked_ms >= s->request_ms && !s->running;
}

/* S shows nothing that only lives with the guest. */
static bool point_2(const struct proof_facts *s)
{
    return !s->shows_life;
}

/* The lock hides nothing. */
static bool point_3(const struct proof_facts *s)
{
    return !s->hidden;
}

/* This operation has read running before; or our stop's task ended OK before S was asked for; or a container
 * has answered the stop with "not running", and two replies asked for at least 2 s apart hold … */
static bool is_after_our_stop(const struct proof_facts *s)
{
    bool before_s = s->ended_ms <= s->asked_ms;
    if (s->seen_running)
        return true;
    if (s->stopped_ok && before_s)
        return true;
    return s->idle && before_s && s->idle_ms != 0 && s->asked_ms - s->idle_ms >= 2 * SECOND;
}

/* … and no start that an earlier operation left is under way: its task ended before S was asked for, or the
 * start cannot come any more. */
static bool is_after_any_start(const struct proof_facts *s)
{
    return s->start_ended_ms <= s->asked_ms && s->start_until_ms <= s->received_ms;
}

/* For guests of Proxmox HA point 6 stands in its place. */
static bool point_4(const struct proof_facts *s)
{
    return s->ha || (is_after_our_stop(s) && is_after_any_start(s));
}

/* A list of hosts that was asked for after S shows N online, and online as many as are needed. */
static bool point_5(const struct proof_facts *s)
{
    if (s->hosts == NULL)
        return false;
    bool after =
        s->hosts_under_way ? s->hosts->asked_ms > s->received_ms : s->hosts->asked_ms >= s->received_ms;
    return after && s->hosts->host_online && s->hosts->online >= s->hosts->required;
}

/* Our hastop ended OK before S was asked for, and the service is stopped (seen in another state before, or 15
 * s after that) or is being stopped (and the guest was read running in that state). */
static bool point_6(const struct proof_facts *s)
{
    if (!s->ha)
        return true;
    if (s->ha_taken_ms == 0 || s->asked_ms < s->ha_taken_ms)
        return false;
    if (s->ha_state == PROOF_HA_STOPPED)
        return s->ha_moved || s->asked_ms - s->ha_taken_ms >= 15 * SECOND;
    return s->ha_state == PROOF_HA_REQUEST_STOP && s->ha_stopping;
}

/* If more than stop-timeout + 10 s lie between the first stop that can have had an effect and the first
 * reading of stopped, the devices were seen. What HA stops it has begun after the service was read calm. */
static bool point_7(const struct proof_facts *s)
{
    int64_t first_ms = s->killing_since_ms, stopped_ms = s->stopped_ms == 0 ? s->received_ms : s->stopped_ms;
    if (first_ms == 0 || s->devices)
        return true;
    if (s->ha_calm_ms != 0 && s->ha_calm_ms > first_ms)
        first_ms = s->ha_calm_ms;
    return stopped_ms - first_ms <= s->stop_timeout_ms + 10 * SECOND;
}

/* The second way: the host is dead. A list of guests L was asked for after the request arrived and after
 * that, and names the guest there … */
static bool is_listed(const struct proof_facts *s)
{
    return s->listed && s->listed_ms >= s->request_ms && s->listed_ms >= s->dead_from_ms;
}

/* … and a list of hosts that was asked for after L shows the host offline, and online as many as are needed.
 */
static bool host_is_gone(const struct proof_facts *s)
{
    return s->hosts != NULL && s->hosts->asked_ms >= s->listed_received_ms && !s->hosts->host_online &&
           s->hosts->online >= s->hosts->required;
}

/* Its lock in L hides nothing (point 3). */
static bool is_off_by_death(const struct proof_facts *s)
{
    return s->dead && is_listed(s) && !s->listed_hidden && host_is_gone(s);
}

/* Likewise, where the host is dead. */
static bool is_missing_by_death(enum proof_point point, const struct proof_facts *s)
{
    switch (point) {
    case PROOF_NOT_LISTED:
        return !is_listed(s);
    case PROOF_HIDDEN:
        return s->listed_hidden;
    case PROOF_HOSTS:
        return s->hosts == NULL || s->hosts->asked_ms < s->listed_received_ms || s->hosts->host_online;
    case PROOF_MINORITY:
        return s->hosts->online < s->hosts->required;
    default:
        return false;
    }
}

/* The point that is named is one that does not hold. */
static bool is_missing(enum proof_point point, const struct proof_facts *s)
{
    switch (point) {
    case PROOF_NOT_LISTED:
        return false;
    case PROOF_NOT_READ:
        return !s->read || s->asked_ms < s->request_ms;
    case PROOF_RUNS:
        return s->running;
    case PROOF_SHOWS_LIFE:
        return !point_2(s);
    case PROOF_HIDDEN:
        return !point_3(s);
    case PROOF_NOT_TAKEN:
    case PROOF_HA_UNDECIDED:
        return !point_6(s);
    case PROOF_NOT_OURS:
        return !s->ha && !is_after_our_stop(s);
    case PROOF_READ_AGAIN:
        return !s->ha && s->idle && !is_after_our_stop(s);
    case PROOF_START_MAY_COME:
        return !s->ha && !is_after_any_start(s);
    case PROOF_UNDEAD:
        return !point_7(s);
    case PROOF_HOSTS:
        return !point_5(s);
    case PROOF_MINORITY:
        return s->hosts->online < s->hosts->required;
    case PROOF_HOST_OFFLINE:
        return !s->hosts->host_online;
    case PROOF_OFF:
        break;
    }
    return false;
}

void prove(void)
{
    struct proof_facts facts;
    struct proof_hosts hosts;
    bool has_hosts;
    MAKE_BOOL(facts.hosts_under_way);
    MAKE_BOOL(facts.dead);
    facts.hosts = has_hosts ? &hosts : NULL;
    ASSUME(is_near(facts.request_ms) && is_near(facts.asked_ms) && is_near(facts.received_ms));
    ASSUME(is_near(facts.ended_ms) && is_near(facts.idle_ms) && is_near(facts.start_until_ms));
    ASSUME(is_near(facts.start_ended_ms) && is_near(facts.ha_taken_ms) && is_near(facts.killing_since_ms));
    ASSUME(is_near(facts.ha_calm_ms) && is_near(facts.stopped_ms) && is_near(facts.stop_timeout_ms));
    ASSUME(is_near(facts.dead_from_ms) && is_near(facts.listed_ms) && is_near(facts.listed_received_ms));
    ASSUME(is_near(hosts.asked_ms));

    enum proof_point point = proof_of(&facts);
    bool off = point == PROOF_OFF && !facts.dead;
    CLAIM(!off || point_1(&facts), "off is proven only with point 1");
    CLAIM(!off || point_2(&facts), "off is proven only with point 2");
    CLAIM(!off || point_3(&facts), "off is proven only with point 3");
    CLAIM(!off || point_4(&facts), "off is proven only with point 4");
    CLAIM(!off || point_5(&facts), "off is proven only with point 5");
    CLAIM(!off || point_6(&facts), "off is proven only with point 6");
    CLAIM(!off || point_7(&facts), "off is proven only with point 7");
    CLAIM(!facts.dead || (point == PROOF_OFF) == is_off_by_death(&facts),
          "on a dead host off is proven where the guest died with it, and nowhere else");
    bool all = point_1(&facts) && point_2(&facts) && point_3(&facts) && point_4(&facts) && point_5(&facts) &&
               point_6(&facts) && point_7(&facts);
    CLAIM(facts.dead || !all || point == PROOF_OFF, "off is proven wherever all points hold");
    CLAIM(point == PROOF_OFF || (facts.dead ? is_missing_by_death(point, &facts) : is_missing(point, &facts)),
          "the point that is named is missing");

    REACHED(point == PROOF_OFF && facts.dead);
    REACHED(point == PROOF_MINORITY && facts.dead);
    REACHED(off && facts.ha && facts.ha_state == PROOF_HA_REQUEST_STOP);
    REACHED(off && !facts.ha && facts.seen_running && facts.killing_since_ms && !facts.devices);
    REACHED(off && !facts.ha && !facts.seen_running && !facts.stopped_ok);
    REACHED(point == PROOF_UNDEAD);
    REACHED(point == PROOF_HOST_OFFLINE);
}
