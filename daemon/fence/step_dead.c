/*
 * The guest's host is offline by the word of a majority (dead-host = trust-ha): is it dead, may that still
 * turn out within the deadline, or is it hopeless (rule 8)? What is known of hosts is dead_hosts'; what
 * proves off is proof.c's.
 */
#include "fence/step_private.h"

#include <stdio.h>
#include <string.h>

static bool is_dead(const struct step *step)
{
    return step->death.told_ms && step->death.word.trusted &&
           step->death.word.host.state == DEAD_HOSTS_FENCED;
}

/* Not before its agent lock can have expired is it called dead; one that has only just left may not be
 * sampled without it yet. */
static bool may_be_dead_in_time(const struct step *step)
{
    const struct dead_hosts_answer *host = &step->death.word.host;
    int64_t left_ms = host->left_ms ? host->left_ms : step->death.told_ms;

    return step->death.told_ms && step->death.word.trusted && host->watched &&
           left_ms + DEAD_HOSTS_RECOVERED_MS < step->params.deadline_ms;
}

static bool is_worth_waiting(const struct step *step)
{
    return is_dead(step) || may_be_dead_in_time(step);
}

bool step_dead_is_waited_for(const struct step *step)
{
    return step->phase == STEP_POWERING_OFF && step->place.offline && is_worth_waiting(step);
}

bool step_dead_disarmed(const struct step *step)
{
    return step->death.told_ms && step->death.word.trusted && step->death.word.disarmed && !is_dead(step);
}

/* A guest of HA's moves as soon as its host is fenced. What it was when the host had left can change only
 * when HA moves it, and is dead by then; for any other guest that is for people to say. */
static int64_t dead_from_ms(const struct step *step)
{
    const struct dead_hosts_answer *host = &step->death.word.host;
    int64_t from_ms = step->ha.managed ? host->left_ms : host->fenced_ms;

    return from_ms ? from_ms + 2 : 0; /* two clocks were read for it, in whole milliseconds */
}

void step_dead_facts(const struct step *step, struct proof_facts *facts)
{
    facts->dead = is_dead(step);
    facts->dead_from_ms = dead_from_ms(step);
    facts->listed = step->death.listed_ms != 0;
    facts->listed_ms = step->death.listed_ms;
    facts->listed_received_ms = step->death.listed_received_ms;
    facts->listed_hidden = step_lock_hides_the_truth(step->death.lock);
}

/* ---- a list of guests ---- */

/* A host that was cut off lists guests where they were once: as with S, a majority has to stand behind it. */
static bool is_of_majority(const struct step *step, const struct step_event *event)
{
    const struct proof_hosts hosts = {
        .online = event->census.online,
        .required = nodes_required(step->params.min_online_nodes, event->census.known),
        .host_online = event->census.host_online,
    };

    return event->with_hosts && proof_of_hosts(&hosts) == PROOF_HOST_OFFLINE;
}

static void is_listed(struct step *step, const struct step_event *event)
{
    struct step_death *death = &step->death;

    death->listed_ms = event->result->asked_ms;
    death->listed_received_ms = step_after(event->result->received_ms, step->asks[ASK_HOSTS].busy);
    snprintf(death->lock, sizeof(death->lock), "%s", event->lock ? event->lock : "");
    if (is_dead(step))
        step->asks[ASK_HOSTS].next_ms = event->now_ms;
}

bool step_dead_listed(struct step *step, const struct step_event *event)
{
    struct step_death *death = &step->death;

    if (!death->told_ms || step->phase != STEP_POWERING_OFF)
        return false;
    if (strcmp(event->node, step->place.node) == 0) {
        if (is_of_majority(step, event))
            is_listed(step, event);
        return false;
    }
    return step->ha.managed && is_worth_waiting(step) && death->listed_ms &&
           death->listed_ms >= step->course.not_before_ms && death->listed_ms >= dead_from_ms(step);
}

/* ---- a list of hosts ---- */

static void note_waiting(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    const struct dead_hosts_answer *host = &step->death.word.host;
    int64_t due_ms = host->due_ms ? host->due_ms : now_ms + DEAD_HOSTS_LOCK_MS;

    if (!step->death.waits && !is_dead(step))
        step_note(effects,
                  "%s is offline: waiting until Proxmox HA is seen to have fenced it, for %lld s at most",
                  step_host(step), (long long)(due_ms > now_ms ? (due_ms - now_ms + 999) / 1000 : 0));
    step->death.waits = true;
}

/* With its host a migration has ended for good: HA moves the guest then, or people do. */
static void is_hidden(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (strcmp(step->death.lock, "migrate") != 0)
        step_locked(step, effects, step->death.lock, now_ms, step->params.lock_wait_ms);
}

static void refuse_disarmed(struct step *step, struct step_effects *effects)
{
    struct error error = {0};

    error_set(&error, ERROR_NODE_OFFLINE, "the host %s of guest %d is offline", step_host(step),
              step->params.vmid);
    step_dead_words(step, &error);
    step_note(effects, "%s is offline", step_host(step));
    step_fail(step, effects, &error);
}

/* HA counts no host as fenced before it must have been reset: what was read running there since then speaks
 * against it, a watchdog that does nothing, say. */
static void take_word(struct step *step, const struct step_event *event)
{
    struct dead_hosts_answer *host = &step->death.word.host;

    step->death.word = event->word;
    step->death.told_ms = event->result->asked_ms;
    if (host->state != DEAD_HOSTS_FENCED || !step->seen.running_ms ||
        step->seen.running_ms < host->left_ms + DEAD_HOSTS_RECOVERED_MS)
        return;
    host->state = DEAD_HOSTS_OFFLINE;
    host->missing = DEAD_HOSTS_CAME_BACK;
}

bool step_dead_host(struct step *step, struct step_effects *effects, const struct step_event *event,
                    const struct proof_hosts *hosts)
{
    take_word(step, event);
    if (step->phase == STEP_CYCLING && is_worth_waiting(step))
        step->phase = STEP_POWERING_OFF; /* nobody resets it there */
    if (step->phase != STEP_POWERING_OFF)
        return false;
    const struct proof_facts facts = step_off_facts(step, hosts);
    enum proof_point point = proof_of(&facts);
    if (facts.dead && point == PROOF_OFF) {
        step_note(effects, "%s was fenced by Proxmox HA %lld s ago: its guests are off", step_host(step),
                  (long long)(event->now_ms - step->death.word.host.fenced_ms) / 1000);
        step->place.offline = step->ha.managed;
        step_off_proven(step, effects, &facts, event->now_ms);
        return true;
    }
    if (step->ha.managed && step_dead_disarmed(step)) {
        refuse_disarmed(step, effects);
        return true;
    }
    if (!is_worth_waiting(step))
        return false;
    note_waiting(step, effects, event->now_ms);
    step->asks[ASK_HOSTS].next_ms = event->now_ms + STEP_DEATH_MS;
    if (facts.dead && point == PROOF_HIDDEN)
        is_hidden(step, effects, event->now_ms);
    return !step->ha.managed || step->phase == STEP_ENDED; /* HA is asked meanwhile */
}

void step_dead_decide(struct step *step, struct step_effects *effects, int64_t now_ms)
{
    if (!is_worth_waiting(step) || !step->place.node[0])
        return;
    (void)step_ask(step, effects, ASK_HOSTS, now_ms);
    if (is_dead(step))
        (void)step_ask(step, effects, ASK_PLACE, now_ms);
}

/* ---- words ---- */

bool step_dead_deadline(const struct step *step, struct error *error)
{
    if (!step->death.waits || !step->death.told_ms)
        return false;
    if (is_dead(step) && step->death.lock[0]) {
        error_set(error, ERROR_LOCKED, "guest %d is locked (%s) on %s, which is dead", step->params.vmid,
                  step->death.lock, step_host(step));
        return true;
    }
    error_set(error, ERROR_NODE_OFFLINE,
              "the host %s of guest %d is offline, and that Proxmox HA has fenced it was not seen within the "
              "deadline",
              step_host(step), step->params.vmid);
    return true;
}

void step_dead_words(const struct step *step, struct error *error)
{
    static const char *const words[] = {
        [DEAD_HOSTS_NOTHING] = "Proxmox HA does not fence it within the deadline",
        [DEAD_HOSTS_NOT_LISTED] = "nothing is known of it",
        [DEAD_HOSTS_NO_MAJORITY] = "no majority of the hosts has told of it lately",
        [DEAD_HOSTS_HA_NOT_READ] = "what Proxmox HA does could not be read",
        [DEAD_HOSTS_DISARMED] = "Proxmox HA is disarmed, or was since it left",
        [DEAD_HOSTS_UNWATCHED] = "Proxmox HA does not fence it, for no HA service was started there",
        [DEAD_HOSTS_SHORTLY] = "Proxmox HA had not watched it for long enough",
        [DEAD_HOSTS_UNSEEN] = "it left while nobody looked",
        [DEAD_HOSTS_LRM_CHANGED] = "its LRM did something else just before it left",
        [DEAD_HOSTS_WITNESS_LOST] = "its HA services were stopped or moved before HA can have fenced it",
        [DEAD_HOSTS_CAME_BACK] = "it was back since",
        [DEAD_HOSTS_TIME] = "Proxmox HA does not fence it within the deadline",
    };
    const struct dead_hosts_word *word = &step->death.word;
    char before[ERROR_MESSAGE_MAX];

    if (!step->death.told_ms || !word->trusted || step->phase != STEP_POWERING_OFF)
        return;
    snprintf(before, sizeof(before), "%s", error->message);
    error_set(error, error->code, "%s, and may go on running it: %s", before,
              words[word->disarmed ? DEAD_HOSTS_DISARMED : word->host.missing]);
}
