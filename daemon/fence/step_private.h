/* What the files of the state machine share: step.c (events, dispatch), step_power.c (power calls),
 * step_off.c (the off-proof), step_on.c, step_ha.c (guests of Proxmox HA), step_dead.c (hosts that HA has
 * fenced). */
#pragma once

#include "fence/step.h"

/* One line for the operation's timeline. What does not fit is left out: the outcome is told elsewhere. */
void step_note(struct step_effects *effects, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The operation ends here. */
void step_fail(struct step *step, struct step_effects *effects, const struct error *error);
void step_end(struct step *step, struct step_effects *effects, enum operation_outcome outcome);
/* Off is proven, or the guest runs: the askers can be answered. */
void step_verify(struct step *step, struct step_effects *effects, int64_t now_ms);
/* Wake at this time if nothing comes earlier. */
void step_wake_at(struct step_effects *effects, int64_t at_ms);
/* The guest's configuration is not where we asked: find it again. */
void step_lose_node(struct step *step, int64_t now_ms);
/* A refusal for a lock: true if the operation ended for it (rule 4). */
bool step_locked(struct step *step, struct step_effects *effects, const char *lock, int64_t now_ms,
                 int64_t patience_ms);
/* "pve1": for messages. */
const char *step_host(const struct step *step);
/* Something has changed: the next read of the status is due now. */
void step_read_status_now(struct step *step, int64_t now_ms);
/* From when on a read counts as asked for after this event: one that is under way was asked for before it, be
 * it in the same millisecond. */
int64_t step_after(int64_t now_ms, bool under_way);
/* Proxmox does not take our credentials, and the session could not mend that (the operation ends, true):
 * three 401s in a row (of 3 s each) are its word, as is a refused login that is still refused after
 * STEP_REFUSED_MS; one may be a bad moment. */
bool step_refused_credentials(struct step *step, struct step_effects *effects,
                              const struct api_result *result, int64_t now_ms);
/* Keep that failure for the deadline's message. Where too few hosts are online, that nobody answered follows
 * from it, and does not hide it. */
void step_missed(struct step *step, const struct api_result *result);
/* Ask that now, if no other one of the kind is under way (true), or wake when it is time to. */
bool step_ask(struct step *step, struct step_effects *effects, enum ask_kind kind, int64_t now_ms);
/* The same of the status, whose first answer is not waited for for long. */
void step_read_status(struct step *step, struct step_effects *effects, int64_t now_ms);

/* step_power.c */
void step_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms);
/* Where calls matter: elsewhere they can only fail. NULL: on any host (HA). */
const char *step_scope(const struct step *step);
/* The next power call not before a pause, which doubles with each one that is sent. */
void step_back_off(struct step *step, int64_t now_ms);
/* Another one of this kind may be sent now: the pause is over, and there were not too many (P7). */
bool step_may_send(struct step *step, struct step_effects *effects, enum step_power power, int64_t now_ms);
/* The state of a call changes for good; reads that are under way were asked for before it. */
void step_settle(const struct step *step, struct call *call, enum call_state state, int64_t now_ms);
void step_power_answered(struct step *step, struct step_effects *effects, const struct step_event *event);
/* Read the task of a call that is in CALL_TASK now, or wake when it is time to. */
void step_read_task(struct step *step, struct step_effects *effects, const struct call *call, int64_t now_ms);
void step_power_task(struct step *step, struct step_effects *effects, const struct step_event *event);
/* The list of tasks tells the end of our last stop's, which could not be read alone (P3). */
void step_power_listed(struct step *step, struct step_effects *effects, const struct step_event *event);
/* The guest is on step->node: tasks of ours on other hosts can only fail. */
void step_power_located(struct step *step, int64_t now_ms);

/* What the proof is about; without the hosts' word where `hosts` is NULL. */
struct proof_facts step_off_facts(const struct step *step, const struct proof_hosts *hosts);
/* Off is proven: the askers are answered, and what comes next begins. */
void step_off_proven(struct step *step, struct step_effects *effects, const struct proof_facts *facts,
                     int64_t now_ms);
void step_off_decide(struct step *step, struct step_effects *effects, int64_t now_ms);
void step_off_status(struct step *step, struct step_effects *effects);
void step_off_hosts(struct step *step, struct step_effects *effects, const struct step_event *event);
void step_off_deadline(const struct step *step, struct error *error);
void step_cycle_decide(struct step *step, struct step_effects *effects, int64_t now_ms);
/* step_dead.c: what a list of hosts that shows the guest's host offline means for a power-off. True: it was
 * taken care of; the host is dead, or that may still turn out. */
bool step_dead_host(struct step *step, struct step_effects *effects, const struct step_event *event,
                    const struct proof_hosts *hosts);
/* A list of guests names the guest's host. True: it is not to be followed there, for what it was is dead as
 * soon as its old host is. */
bool step_dead_listed(struct step *step, const struct step_event *event);
void step_dead_facts(const struct step *step, struct proof_facts *facts);
void step_dead_decide(struct step *step, struct step_effects *effects, int64_t now_ms);
/* The guest is off with its host, or that can still turn out within the deadline. */
bool step_dead_is_waited_for(const struct step *step);
/* Proxmox HA is disarmed by its own word (rule 5). */
bool step_dead_disarmed(const struct step *step);
/* The deadline has passed while it was waited for. */
bool step_dead_deadline(const struct step *step, struct error *error);
/* Adds to an error why the host that is offline is not known to be dead. */
void step_dead_words(const struct step *step, struct error *error);
/* step_watch.c: the task list (rule 6) */
void step_take_tasks(struct step *step, struct step_effects *effects, const struct step_event *event);
/* Stops of our identity that are newer than our last call can be told. */
bool step_compares_stops(const struct step *step);
/* No start now: the task list is being asked, or (the operation ends) has a newer stop than our last call. */
bool step_is_superseded(struct step *step, struct step_effects *effects, int64_t now_ms);
/* A start is about to be sent although a stop may still come: the guest is watched afterwards. */
void step_start_at_risk(struct step *step, int64_t now_ms);
/* It is not powered on: why, for a message. */
void step_leave_off(struct step *step, struct step_effects *effects, const char *why);
/* The askers have their answer; go on looking until watch_until_ms. */
void step_watch(struct step *step, struct step_effects *effects, const char *call);
/* Something newer is to be done: what is only watched is done. */
void step_yield(struct step *step, struct step_effects *effects);
void step_watch_decide(struct step *step, struct step_effects *effects, int64_t now_ms);
/* step_on.c */
void step_on_decide(struct step *step, struct step_effects *effects, int64_t now_ms);
int64_t step_on_deadline(const struct step *step);

/* step_off.c: rule 7 */
bool step_is_late(const struct step *step, int64_t now_ms);
bool step_is_news(const struct step *step, int64_t now_ms);
bool step_ran_before(const struct step *step, int64_t moment_ms);
void step_abandon(struct step *step, struct step_effects *effects);
/* Ask the hosts for the last word on a read that proves off, or whether one that does not answer is there. */
void step_read_hosts(struct step *step, struct step_effects *effects, int64_t now_ms);
/* step_on.c: a stop or reset of ours that may still come (rule 6) */
bool step_is_held_back(struct step *step, struct step_effects *effects, int64_t now_ms);

/* step_ha.c: does the HA manager decide? What was done before it did, or since it does not, proves nothing.
 */
void step_ha_managed(struct step *step, struct step_effects *effects, bool managed, int64_t now_ms);
/* A call that was not for HA was refused because HA manages the guest. */
void step_ha_refused(struct step *step, struct step_effects *effects, int64_t now_ms);
void step_ha_status(struct step *step, struct step_effects *effects);
/* The list of guests names its host, and its service's state if it has one: the host may be a new one. */
void step_ha_listed(struct step *step, struct step_effects *effects, const struct step_event *event);
void step_ha_host_offline(struct step *step, struct step_effects *effects, const struct node_census *census,
                          int64_t now_ms);
void step_ha_off_decide(struct step *step, struct step_effects *effects, int64_t now_ms);
void step_ha_on_decide(struct step *step, struct step_effects *effects, int64_t now_ms);
