/*
 * A host at a time: while it is online, since when its LRM is active and which services are started there
 * (its witnesses); since it left, whether anything contradicts, and what HA does with them. Whatever is not
 * seen, or does not fit, ends the evidence until the host is online again.
 */
#include "fence/dead_hosts.h"

#include "fence/dead_hosts_private.h"

#include <stdlib.h>
#include <string.h>

/* Two newest timestamps of LRMs, each up to a round and a half old. */
#define CLUSTER_GAP_S (DEAD_HOSTS_GAP_MS / 1000 + 15)

struct dead_hosts *dead_hosts_new(void)
{
    return calloc(1, sizeof(struct dead_hosts));
}

void dead_hosts_free(struct dead_hosts *room)
{
    free(room);
}

void dead_hosts_forget(struct dead_hosts *room)
{
    *room = (struct dead_hosts){0};
}

/* ---- words ---- */

/* "NAME (WORD, …)"; before watchdogs were told: "NAME (WORD, DATE)". */
enum dead_hosts_lrm dead_hosts_lrm_of(const char *status)
{
    const char *word = status ? strstr(status, " (") : NULL;
    size_t length = word ? strcspn(word += 2, ",)") : 0;

    if (length == strlen("active") && strncmp(word, "active", length) == 0)
        return DEAD_HOSTS_LRM_ACTIVE;
    if (length > 0 && strncmp(word, "old timestamp", strlen("old timestamp")) == 0)
        return DEAD_HOSTS_LRM_OLD;
    if (length > 0 && strncmp(word, "detected time drift", strlen("detected time drift")) == 0)
        return DEAD_HOSTS_LRM_DRIFT;
    if (length == 0 || strncmp(word, "unable", strlen("unable")) == 0)
        return DEAD_HOSTS_LRM_UNKNOWN;
    return DEAD_HOSTS_LRM_OTHER;
}

static bool word_is(const char *word, const char *expected)
{
    return word && strcmp(word, expected) == 0;
}

bool dead_hosts_armed(const char *armed_state)
{
    return !armed_state || word_is(armed_state, "armed") || word_is(armed_state, "standby");
}

/* ---- hosts ---- */

struct dead_host *dead_hosts_find(const struct dead_hosts *room, const char *name)
{
    for (size_t i = 0; i < DEAD_HOSTS_MAX; i++) {
        if (room->hosts[i].name[0] && strcmp(room->hosts[i].name, name) == 0)
            return (struct dead_host *)&room->hosts[i];
    }
    return NULL;
}

struct dead_host *dead_hosts_add(struct dead_hosts *room, const char *name)
{
    if (!name[0] || strlen(name) >= PVE_NODE_MAX)
        return NULL;
    for (size_t i = 0; i < DEAD_HOSTS_MAX; i++) {
        if (!room->hosts[i].name[0]) {
            room->hosts[i] = (struct dead_host){.missing = DEAD_HOSTS_UNSEEN};
            strcpy(room->hosts[i].name, name);
            return &room->hosts[i];
        }
    }
    return NULL;
}

/* A host that is no member any more may run for ever. */
static void forget_unlisted(struct dead_hosts *room, const struct dead_hosts_sample *sample)
{
    for (size_t i = 0; i < DEAD_HOSTS_MAX; i++) {
        bool listed = false;
        for (size_t k = 0; room->hosts[i].name[0] && k < sample->host_count && !listed; k++)
            listed = strcmp(room->hosts[i].name, sample->hosts[k].name) == 0;
        if (!listed)
            room->hosts[i].name[0] = '\0';
    }
}

static const struct dead_hosts_agent *agent_of(const struct dead_hosts_sample *sample, const char *name)
{
    static const struct dead_hosts_agent none;

    for (size_t i = 0; i < sample->agent_count; i++) {
        if (strcmp(sample->agents[i].host, name) == 0)
            return &sample->agents[i];
    }
    return &none;
}

/* From here on nothing is claimed of it until it is online again. */
static void end_evidence(struct dead_host *host, enum dead_hosts_missing missing)
{
    host->witness_count = 0;
    host->missing = missing;
    host->recalled = false;
    if (host->state == DEAD_HOSTS_FENCED)
        host->state = DEAD_HOSTS_OFFLINE;
}

static void drop_witness(struct dead_host *host, size_t i)
{
    host->witnesses[i] = host->witnesses[--host->witness_count];
}

static const struct dead_hosts_service *service_of(const struct dead_hosts_sample *sample, const char *sid)
{
    for (size_t i = 0; i < sample->service_count; i++) {
        if (strcmp(sample->services[i].sid, sid) == 0)
            return &sample->services[i];
    }
    return NULL;
}

static bool is_started_on(const struct dead_hosts_service *service, const struct dead_host *host)
{
    return service && word_is(service->state, "started") && strcmp(service->host, host->name) == 0;
}

/* ---- while it is online ---- */

static bool is_witness(const struct dead_host *host, const char *sid)
{
    for (size_t i = 0; i < host->witness_count; i++) {
        if (strcmp(host->witnesses[i].sid, sid) == 0)
            return true;
    }
    return false;
}

static void take_witnesses(struct dead_host *host, const struct dead_hosts_sample *sample)
{
    for (size_t i = host->witness_count; i-- > 0;) {
        if (!is_started_on(service_of(sample, host->witnesses[i].sid), host))
            drop_witness(host, i);
    }
    for (size_t i = 0; i < sample->service_count && host->witness_count < DEAD_HOSTS_WITNESSES; i++) {
        const struct dead_hosts_service *service = &sample->services[i];
        if (!is_started_on(service, host) || strlen(service->sid) >= DEAD_HOSTS_SID_MAX ||
            is_witness(host, service->sid))
            continue;
        struct dead_witness *witness = &host->witnesses[host->witness_count++];
        *witness = (struct dead_witness){.since_ms = sample->came_ms};
        strcpy(witness->sid, service->sid);
    }
}

/* How long has one service at least been watched? */
static int64_t watched_ms(const struct dead_host *host)
{
    int64_t longest_ms = -1;

    for (size_t i = 0; i < host->witness_count; i++) {
        int64_t ms = host->seen_ms - host->witnesses[i].since_ms;
        longest_ms = ms > longest_ms ? ms : longest_ms;
    }
    return longest_ms;
}

static void take_online(struct dead_host *host, const struct dead_hosts_sample *sample,
                        const struct dead_hosts_agent *agent)
{
    bool watched = sample->armed && agent->lrm == DEAD_HOSTS_LRM_ACTIVE;

    if (host->state != DEAD_HOSTS_ONLINE || !watched)
        host->witness_count = 0;
    host->state = DEAD_HOSTS_ONLINE;
    host->recalled = false;
    host->seen_ms = sample->asked_ms;
    host->timestamp_s = agent->timestamp_s;
    if (watched)
        take_witnesses(host, sample);
    host->missing = !sample->armed                             ? DEAD_HOSTS_DISARMED
                    : host->witness_count == 0                 ? DEAD_HOSTS_UNWATCHED
                    : watched_ms(host) < DEAD_HOSTS_WATCHED_MS ? DEAD_HOSTS_SHORTLY
                                                               : DEAD_HOSTS_NOTHING;
}

/* ---- when it leaves ---- */

/* The LRM may have given its watchdog back, restarted, say, since the last sample: then its status is another
 * one. It has not if that shows it active, or is the very one that was seen, or if there was no time for it:
 * the manager takes two rounds of 10 s. */
static bool lrm_is_the_same(const struct dead_host *host, const struct dead_hosts_sample *sample,
                            const struct dead_hosts_agent *agent)
{
    if (agent->lrm == DEAD_HOSTS_LRM_ACTIVE)
        return true;
    if (agent->lrm != DEAD_HOSTS_LRM_OLD)
        return false;
    if (agent->timestamp_s && host->timestamp_s)
        return agent->timestamp_s == host->timestamp_s;
    return sample->came_ms - host->seen_ms <= DEAD_HOSTS_LEAVE_MS;
}

static enum dead_hosts_missing judge_leaving(struct dead_host *host, const struct dead_hosts_sample *sample,
                                             const struct dead_hosts_agent *agent)
{
    if (host->missing != DEAD_HOSTS_NOTHING)
        return host->missing;
    if (!sample->armed)
        return DEAD_HOSTS_DISARMED;
    if (!lrm_is_the_same(host, sample, agent))
        return DEAD_HOSTS_LRM_CHANGED;
    for (size_t i = host->witness_count; i-- > 0;) {
        if (host->seen_ms - host->witnesses[i].since_ms < DEAD_HOSTS_WATCHED_MS ||
            !is_started_on(service_of(sample, host->witnesses[i].sid), host))
            drop_witness(host, i);
    }
    return host->witness_count > 0 ? DEAD_HOSTS_TIME : DEAD_HOSTS_WITNESS_LOST;
}

static bool is_doubted(const char *hastate)
{
    return hastate && strcmp(hastate, "online") != 0 && strcmp(hastate, "maintenance") != 0;
}

static void leave(struct dead_host *host, const struct dead_hosts_sample *sample, const char *hastate,
                  const struct dead_hosts_agent *agent)
{
    enum dead_hosts_missing missing =
        host->state == DEAD_HOSTS_ONLINE ? judge_leaving(host, sample, agent) : DEAD_HOSTS_UNSEEN;

    host->state = DEAD_HOSTS_OFFLINE;
    host->left_ms = sample->came_ms;
    host->timestamp_s = agent->timestamp_s;
    host->lrm_old = agent->lrm == DEAD_HOSTS_LRM_OLD;
    host->doubted = is_doubted(hastate);
    host->missing = missing;
}

/* ---- while it is offline ---- */

/* Polls do not see a short return, but it leaves traces. How old a timestamp is depends on the clock of the
 * host that answers, so that counts only where there is nothing better. */
static bool gave_sign_of_life(struct dead_host *host, const char *hastate,
                              const struct dead_hosts_agent *agent)
{
    bool timed = host->timestamp_s && agent->timestamp_s;
    bool written = timed && agent->timestamp_s != host->timestamp_s;
    bool young = !timed && host->lrm_old &&
                 (agent->lrm == DEAD_HOSTS_LRM_ACTIVE || agent->lrm == DEAD_HOSTS_LRM_DRIFT ||
                  agent->lrm == DEAD_HOSTS_LRM_OTHER);
    bool trusted = host->doubted && hastate && !is_doubted(hastate);

    host->lrm_old |= agent->lrm == DEAD_HOSTS_LRM_OLD;
    host->doubted |= is_doubted(hastate);
    return written || young || trusted;
}

static void fence(struct dead_host *host, const struct dead_hosts_sample *sample,
                  enum dead_hosts_reason reason)
{
    host->state = DEAD_HOSTS_FENCED;
    host->missing = DEAD_HOSTS_NOTHING;
    host->reason = reason;
    host->fenced_ms = sample->asked_ms;
}

/* What became of one of its services; false: it says nothing for the host any more. */
static bool follow_witness(const struct dead_host *host, struct dead_witness *witness,
                           const struct dead_hosts_sample *sample)
{
    const struct dead_hosts_service *service = service_of(sample, witness->sid);

    if (witness->recovered)
        return true;
    if (!service || !service->state)
        return false;
    if (strcmp(service->host, host->name) != 0 || strcmp(service->state, "recovery") == 0)
        return witness->recovered = true;
    if (strcmp(service->state, "fence") == 0)
        return witness->fenced = true;
    return !witness->fenced && strcmp(service->state, "started") == 0;
}

static void follow_witnesses(struct dead_host *host, const struct dead_hosts_sample *sample)
{
    int64_t offline_ms = sample->asked_ms - host->left_ms;
    bool recovered = false, fenced = false;

    for (size_t i = host->witness_count; i-- > 0;) {
        struct dead_witness *witness = &host->witnesses[i];
        if (!follow_witness(host, witness, sample)) {
            drop_witness(host, i);
            continue;
        }
        recovered |= witness->recovered;
        fenced |= witness->recovered && witness->fenced;
    }
    if (host->witness_count == 0 || (recovered && offline_ms < DEAD_HOSTS_RECOVERED_MS))
        end_evidence(host, DEAD_HOSTS_WITNESS_LOST);
    else if (fenced)
        fence(host, sample, DEAD_HOSTS_RECOVERED);
    else if (offline_ms >= DEAD_HOSTS_LOCK_MS)
        fence(host, sample, DEAD_HOSTS_LOCK_EXPIRED);
}

/* As far as two samples that follow each other: else nobody looked between them, our own clock having stood
 * still, or one is an old view, of a host that was paused, say. */
static bool is_next_to(int64_t newest_s, int64_t other_s)
{
    return newest_s && llabs(newest_s - other_s) <= CLUSTER_GAP_S;
}

/* A record is followed by this sample as another sample would be, and nothing was written in between. */
static bool continues_record(const struct dead_host *host, const struct dead_hosts_sample *sample,
                             const struct dead_hosts_agent *agent, int64_t newest_s)
{
    return agent->timestamp_s == host->timestamp_s && sample->asked_ms >= host->seen_ms &&
           sample->came_ms - host->seen_ms <= DEAD_HOSTS_GAP_MS && is_next_to(newest_s, host->newest_s);
}

static void take_offline(struct dead_host *host, const struct dead_hosts_sample *sample, const char *hastate,
                         const struct dead_hosts_agent *agent, int64_t newest_s)
{
    if (host->recalled && continues_record(host, sample, agent, newest_s)) {
        host->recalled = false;
        host->lrm_old = agent->lrm == DEAD_HOSTS_LRM_OLD;
        host->doubted = is_doubted(hastate);
    } else if (host->recalled || host->state == DEAD_HOSTS_ONLINE || host->state == DEAD_HOSTS_UNKNOWN) {
        leave(host, sample, hastate, agent);
        host->recalled = false;
    } else if (gave_sign_of_life(host, hastate, agent)) {
        end_evidence(host, DEAD_HOSTS_CAME_BACK);
    } else if (host->missing == DEAD_HOSTS_TIME) {
        if (!sample->armed)
            end_evidence(host, DEAD_HOSTS_DISARMED);
        else
            follow_witnesses(host, sample);
    }
    host->seen_ms = sample->asked_ms;
}

/* ---- samples ---- */

/* Nobody looked for too long before this sample: what was under way is not known any more, and who was fenced
 * may have been back. */
static void bridge_gap(struct dead_host *host)
{
    if (host->state == DEAD_HOSTS_ONLINE)
        host->state = DEAD_HOSTS_UNKNOWN;
    else if (host->missing == DEAD_HOSTS_TIME || host->state == DEAD_HOSTS_FENCED)
        end_evidence(host, DEAD_HOSTS_UNSEEN);
}

/* An LRM that runs, and whose host's clock goes as that of the host that answers. One that has stopped may
 * have left a timestamp of the future, which would stand for the newest one until then. */
static bool tells_time(const struct dead_hosts_agent *agent)
{
    return agent->lrm == DEAD_HOSTS_LRM_ACTIVE || agent->lrm == DEAD_HOSTS_LRM_OTHER;
}

/* The newest timestamp of an LRM: the cluster's own clock, within a round. 0: there is none. */
static int64_t newest_timestamp(const struct dead_hosts_sample *sample)
{
    int64_t newest_s = 0;

    for (size_t i = 0; i < sample->agent_count; i++) {
        if (tells_time(&sample->agents[i]) && sample->agents[i].timestamp_s > newest_s)
            newest_s = sample->agents[i].timestamp_s;
    }
    return newest_s;
}

/* Answers that are older than others, that no majority stands behind, or without HA's: they tell who is
 * online, and nothing of a host that is offline. A claim lives by whole samples alone: no fence believes it
 * by anything less. */
static void take_part(struct dead_hosts *room, const struct dead_hosts_sample *sample)
{
    for (size_t i = 0; i < sample->host_count; i++) {
        const struct dead_hosts_host *seen = &sample->hosts[i];
        struct dead_host *host = dead_hosts_find(room, seen->name);
        if (!host)
            continue;
        bool current = sample->majority && sample->asked_ms >= host->seen_ms &&
                       sample->came_ms - host->seen_ms <= DEAD_HOSTS_GAP_MS;
        if (seen->online &&
            (host->state == DEAD_HOSTS_FENCED || (host->state == DEAD_HOSTS_OFFLINE && current)))
            end_evidence(host, DEAD_HOSTS_CAME_BACK);
    }
    if (sample->majority && sample->asked_ms >= room->hosts_ms)
        room->hosts_ms = sample->asked_ms;
}

static void take_host(struct dead_hosts *room, const struct dead_hosts_sample *sample,
                      const struct dead_hosts_host *seen, bool gap, int64_t newest_s)
{
    const struct dead_hosts_agent *agent = agent_of(sample, seen->name);
    struct dead_host *host = dead_hosts_find(room, seen->name);

    if (!host)
        host = dead_hosts_add(room, seen->name);
    if (!host)
        return;
    if (gap)
        bridge_gap(host);
    if (seen->online)
        take_online(host, sample, agent);
    else
        take_offline(host, sample, seen->hastate, agent, newest_s);
}

void dead_hosts_take(struct dead_hosts *room, const struct dead_hosts_sample *sample)
{
    int64_t newest_s = newest_timestamp(sample);

    if (!sample->majority || !sample->ha_read || sample->asked_ms < room->asked_ms) {
        take_part(room, sample);
        return;
    }
    /* the cluster's clock must not fall silent */
    bool gap = (room->asked_ms && sample->came_ms - room->asked_ms > DEAD_HOSTS_GAP_MS) ||
               (room->newest_s && !is_next_to(newest_s, room->newest_s));
    forget_unlisted(room, sample);
    for (size_t i = 0; i < sample->host_count; i++)
        take_host(room, sample, &sample->hosts[i], gap, newest_s);
    room->asked_ms = sample->asked_ms;
    room->newest_s = newest_s;
    if (sample->asked_ms >= room->hosts_ms)
        room->hosts_ms = sample->asked_ms;
}

/* ---- the answer ---- */

static struct dead_hosts_answer of_unknown(const struct dead_hosts *room, const struct dead_host *host,
                                           int64_t now_ms)
{
    struct dead_hosts_answer answer = {.state = DEAD_HOSTS_UNKNOWN, .missing = DEAD_HOSTS_NOT_LISTED};

    if (!room->hosts_ms || now_ms - room->hosts_ms > DEAD_HOSTS_GAP_MS)
        answer.missing = DEAD_HOSTS_NO_MAJORITY;
    else if (!room->asked_ms || now_ms - room->asked_ms > DEAD_HOSTS_GAP_MS)
        answer.missing = DEAD_HOSTS_HA_NOT_READ;
    else if (host)
        answer.missing = DEAD_HOSTS_UNSEEN;
    return answer;
}

/* It was fenced: the next whole sample says whether it still is. Who asks before may wait. */
static struct dead_hosts_answer of_fenced_before(int64_t left_ms, int64_t due_ms)
{
    return (struct dead_hosts_answer){
        .state = DEAD_HOSTS_OFFLINE,
        .missing = DEAD_HOSTS_TIME,
        .watched = true,
        .left_ms = left_ms,
        .due_ms = due_ms,
    };
}

struct dead_hosts_answer dead_hosts_ask(const struct dead_hosts *room, const char *name, int64_t now_ms)
{
    const struct dead_host *host = dead_hosts_find(room, name);

    if (host && host->recalled && now_ms >= host->seen_ms && now_ms - host->seen_ms <= DEAD_HOSTS_GAP_MS)
        return of_fenced_before(host->left_ms, host->seen_ms + DEAD_HOSTS_GAP_MS);
    if (!host || host->state == DEAD_HOSTS_UNKNOWN || host->recalled ||
        now_ms - host->seen_ms > DEAD_HOSTS_GAP_MS)
        return of_unknown(room, host, now_ms);
    struct dead_hosts_answer answer = {
        .state = host->state,
        .missing = host->missing,
        .seen_ms = host->seen_ms,
    };
    if (host->state == DEAD_HOSTS_ONLINE) {
        answer.watched = host->missing == DEAD_HOSTS_NOTHING;
        return answer;
    }
    answer.left_ms = host->left_ms;
    answer.lrm_s = host->timestamp_s;
    answer.watched = host->missing == DEAD_HOSTS_TIME;
    if (answer.watched)
        answer.due_ms = host->left_ms + DEAD_HOSTS_LOCK_MS;
    if (host->state == DEAD_HOSTS_FENCED) {
        answer.reason = host->reason;
        answer.fenced_ms = host->fenced_ms;
    }
    return answer;
}

struct dead_hosts_answer dead_hosts_ask_since(const struct dead_hosts *room, const char *name,
                                              int64_t since_ms, int64_t now_ms)
{
    struct dead_hosts_answer answer = dead_hosts_ask(room, name, now_ms);

    if (answer.state == DEAD_HOSTS_FENCED && room->asked_ms <= since_ms)
        return of_fenced_before(answer.left_ms, now_ms + DEAD_HOSTS_GAP_MS);
    return answer;
}
