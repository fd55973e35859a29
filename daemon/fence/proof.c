/*
 * The off-proof. doc/design.md tells why each point is needed.
 *
 * A reply S of status/current from the guest's host proves "off" iff
 *  1. S was asked for after the request arrived, is the guest's, and says stopped;
 *  2. it shows no network devices (containers: no traffic);
 *  3. its lock is none of migrate, suspended, suspending, rollback;
 *  4. this operation has read running from that host before, or our stop's task ended OK before S was asked
 *     for (containers: or two replies that it does not run, 2 s apart); and no start that an earlier
 * operation of ours left was still under way then;
 *  5. a list of the hosts asked for after S came shows that host, and enough others, online;
 *  6. managed by Proxmox HA, in place of 4: our hastop's task ended OK, and the service is being stopped, or
 *     stopped and was seen in another state or 15 s have passed;
 *  7. the stop cannot have come to SIGKILL unless the guest showed its devices while it ran, or since.
 *
 * A host that Proxmox HA has fenced gives no S: what ran there is dead. Then a list of guests L takes its
 * place, iff
 *  1. L was asked for after the request arrived and after the host was dead, and names the guest there;
 *  3. its lock in L is none of those;
 *  5. a list of the hosts asked for after L shows the host offline and enough others online, and the host was
 *     not online since it was fenced.
 */
#include "fence/proof.h"

#include <stddef.h>

bool proof_may_have_killed(int64_t since_ms, int64_t until_ms, int64_t stop_timeout_ms)
{
    return until_ms - since_ms > stop_timeout_ms + PROOF_KILL_AFTER_MS;
}

bool proof_is_gap(const struct proof_between *between)
{
    int64_t since_ms = between->asked_ms, timeout_ms = between->stop_timeout_ms;
    bool stop = between->others || between->under_way || between->until_ms > since_ms ||
                proof_may_have_killed(since_ms, between->ended_ms, timeout_ms);
    return stop && proof_may_have_killed(since_ms, between->received_ms, timeout_ms);
}

/* A service that was never seen in another state than stopped may have been asked to start just before us:
 * the manager's next round shows it. In request_stop it is stopped by its host, which may still be ending a
 * start of before unless it was seen running. */
static bool ha_has_stopped_it(const struct proof_facts *facts)
{
    if (facts->ha_state == PROOF_HA_REQUEST_STOP)
        return facts->ha_stopping;
    return facts->ha_state == PROOF_HA_STOPPED &&
           (facts->ha_moved || facts->asked_ms >= facts->ha_taken_ms + PROOF_HA_ROUND_MS);
}

int64_t proof_killing_ms(const struct proof_facts *facts)
{
    int64_t since_ms = facts->killing_since_ms;
    if (facts->ha_calm_ms && since_ms < facts->ha_calm_ms) /* a doubt can be older than this machine's boot */
        since_ms = facts->ha_calm_ms;
    int64_t stopped_ms = facts->stopped_ms ? facts->stopped_ms : facts->received_ms;
    return stopped_ms - since_ms;
}

static bool may_be_undead(const struct proof_facts *facts)
{
    if (facts->devices || facts->killing_since_ms == 0)
        return false;
    return proof_may_have_killed(0, proof_killing_ms(facts), facts->stop_timeout_ms);
}

enum proof_point proof_of_hosts(const struct proof_hosts *hosts)
{
    if (hosts->online < hosts->required)
        return PROOF_MINORITY;
    return hosts->host_online ? PROOF_OFF : PROOF_HOST_OFFLINE;
}

/* A host that is online is not dead: what was known of it is to be asked anew. */
static enum proof_point proof_by_death(const struct proof_facts *facts)
{
    /* 1 */
    if (!facts->listed || facts->listed_ms < facts->request_ms || facts->listed_ms < facts->dead_from_ms)
        return PROOF_NOT_LISTED;
    /* 3 */
    if (facts->listed_hidden)
        return PROOF_HIDDEN;
    /* 5 */
    if (!facts->hosts || facts->hosts->asked_ms < facts->listed_received_ms || facts->hosts->host_online)
        return PROOF_HOSTS;
    return facts->hosts->online < facts->hosts->required ? PROOF_MINORITY : PROOF_OFF;
}

enum proof_point proof_of(const struct proof_facts *facts)
{
    if (facts->dead)
        return proof_by_death(facts);
    /* 1 */
    if (!facts->read || facts->asked_ms < facts->request_ms)
        return PROOF_NOT_READ;
    if (facts->running)
        return PROOF_RUNS;
    /* 2 */
    if (facts->shows_life)
        return PROOF_SHOWS_LIFE;
    /* 3 */
    if (facts->hidden)
        return PROOF_HIDDEN;
    /* 6 */
    if (facts->ha && (!facts->ha_taken_ms || facts->asked_ms < facts->ha_taken_ms))
        return PROOF_NOT_TAKEN;
    if (facts->ha && !ha_has_stopped_it(facts))
        return PROOF_HA_UNDECIDED;
    /* 4 */
    bool after = facts->asked_ms >= facts->ended_ms;
    bool stopped = facts->seen_running || (facts->stopped_ok && after);
    if (!facts->ha && !stopped && !(facts->idle && after))
        return PROOF_NOT_OURS;
    if (!facts->ha && !stopped &&
        (!facts->idle_ms || facts->asked_ms < facts->idle_ms + PROOF_CONTAINER_GAP_MS))
        return PROOF_READ_AGAIN;
    if (!facts->ha && (facts->received_ms < facts->start_until_ms || facts->asked_ms < facts->start_ended_ms))
        return PROOF_START_MAY_COME;
    /* 7 */
    if (may_be_undead(facts))
        return PROOF_UNDEAD;
    /* 5 */
    if (!facts->hosts || facts->hosts->asked_ms < facts->received_ms + facts->hosts_under_way)
        return PROOF_HOSTS;
    return proof_of_hosts(facts->hosts);
}
