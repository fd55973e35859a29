/*
 * Evidence judged again, on any machine: proof_of() has the say, and here are only its words. Reads the file
 * alone, and asks nobody: whether the file is the broker's own it cannot know.
 */
#include "admin/command.h"
#include "client/say.h"
#include "fence/proven.h"
#include "proxmox/printable.h"
#include "proxmox/upid.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/text.h"

#include <stdio.h>
#include <string.h>

#define BYTES_MOST 65536
#define CLOCKS_MS  2 /* two clocks were read for what is told of a dead host, in whole milliseconds */
#define HINT       "make it with: fence_broker explain ID --evidence >FILE"

enum { VERIFY_PROVEN = 0, VERIFY_NO_JUDGEMENT = 1, VERIFY_NOT_PROVEN = 2 };

static const char usage[] =
    "usage: " ADMIN " verify FILE\n"
    "  -h, --help  print this\n"
    "Judges again what `fence_broker explain ID --evidence` has printed, on any machine\n"
    "(- is standard input). Asks nobody, and changes nothing.\n"
    "Exit status: 0 off is proven; 2 it is not, or the file was changed; 1 there is\n"
    "nothing to judge.\n";

/* ---- what a point rests on ------------------------------------------------------------------------------
 */

typedef const struct proven record_t;

static const char *after(record_t *record, int64_t moment_ms, char text[static 32])
{
    snprintf(text, 32, "%+lld ms", (long long)(moment_ms - record->requested_ms));
    return text;
}

static void say_death(struct text *out, record_t *record)
{
    const struct proof_facts *facts = &record->facts;
    const struct dead_hosts_answer *death = &record->death;
    char left[32], fenced[32], seen[32], dead[32], asked[32], request[32];

    text_printf(out,
                "%s was offline from %s on; Proxmox HA had fenced it by %s (%s), and so it still was at %s: "
                "what ran there is dead since %s; a list of guests asked for at %s, after that and after the "
                "newest request (%s), names guest %d there",
                record->node, after(record, death->left_ms, left), after(record, death->fenced_ms, fenced),
                death->reason == DEAD_HOSTS_RECOVERED ? "it recovered its services"
                                                      : "the lock of its LRM had expired",
                after(record, death->seen_ms, seen), after(record, facts->dead_from_ms, dead),
                after(record, facts->listed_ms, asked), after(record, facts->request_ms, request),
                record->vmid);
}

static void say_status(struct text *out, record_t *record)
{
    const struct proof_facts *facts = &record->facts;
    char asked[32], received[32], request[32];

    if (facts->dead)
        say_death(out, record);
    else
        text_printf(out,
                    "the status read from %s, asked for at %s (answer at %s), after the newest request (%s): "
                    "guest %d, %s",
                    record->node, after(record, facts->asked_ms, asked),
                    after(record, facts->received_ms, received), after(record, facts->request_ms, request),
                    record->status.vmid, record->status.running ? "running" : "stopped");
}

static void say_life(struct text *out, record_t *record)
{
    text_puts(out, record->type == PVE_LXC ? "it shows no traffic of the container"
                                           : "it shows no network device of the guest on its host");
}

static void say_lock(struct text *out, record_t *record)
{
    const char *lock = record->facts.dead ? record->listed_lock : record->status.lock;

    text_printf(out, *lock ? "its lock there (%s) hides nothing" : "no lock", lock);
}

static void say_ha(struct text *out, record_t *record)
{
    char taken[32];

    text_printf(out,
                "our request was taken by Proxmox HA at %s, before the status was asked for; its state is %s",
                after(record, record->facts.ha_taken_ms, taken),
                record->status.ha_state[0] ? record->status.ha_state : "none");
    if (record->facts.ha_state == PROOF_HA_STOPPED)
        text_puts(out, record->facts.ha_moved ? ", and was another one before"
                                              : ", for longer than a round of the HA manager");
}

static void say_stop(struct text *out, record_t *record)
{
    const struct proof_facts *facts = &record->facts;
    char ended[32], read[32];

    if (facts->seen_running)
        text_printf(out, "the same operation had read it running on %s before", record->node);
    else if (facts->stopped_ok)
        text_printf(out, "our stop ended OK, which was known at %s, before the status was asked for: %s",
                    after(record, facts->ended_ms, ended), record->upid);
    else
        text_printf(out,
                    "%s said at %s that the container does not run, and it read so at %s and in the status, "
                    "2 s apart at least",
                    record->node, after(record, facts->ended_ms, ended), after(record, facts->idle_ms, read));
    if (facts->start_ended_ms || facts->start_until_ms)
        text_puts(out, "; the start of an earlier operation had ended");
}

static void say_kill(struct text *out, record_t *record)
{
    const struct proof_facts *facts = &record->facts;

    if (facts->devices)
        text_puts(out, "its network devices were seen before, and would show a process that survived");
    else if (!facts->killing_since_ms)
        text_puts(out, "no stop of ours can have killed it");
    else
        text_printf(out,
                    "it read stopped %lld ms after the first stop that can have worked: too soon for a kill",
                    (long long)proof_killing_ms(facts));
}

static void say_hosts(struct text *out, record_t *record)
{
    char asked[32];

    text_printf(out, "a list of the hosts asked for at %s: %s is %s, %u of %u are online, %u are needed",
                after(record, record->hosts.asked_ms, asked), record->node,
                record->hosts.host_online ? "online" : "offline", record->hosts.online, record->hosts_known,
                record->hosts.required);
}

/* In the order in which proof_of() looks at them. */
static const struct {
    int point;
    bool of_dead, of_ha, of_others; /* for whom it counts */
    void (*say)(struct text *, record_t *);
} points[] = {
    {1, true, true, true, say_status}, {2, false, true, true, say_life},  {3, true, true, true, say_lock},
    {6, false, true, false, say_ha},   {4, false, false, true, say_stop}, {7, false, true, true, say_kill},
    {5, true, true, true, say_hosts},
};

static const struct {
    int point;
    const char *words;
} missing[] = {
    [PROOF_NOT_LISTED] =
        {1, "no list of guests from after the request and the death of its host names it there"},
    [PROOF_NOT_READ] = {1, "no status was asked for after the newest request"},
    [PROOF_RUNS] = {1, "the status says that it runs"},
    [PROOF_SHOWS_LIFE] = {2, "its host still has something of a process of it"},
    [PROOF_HIDDEN] = {3, "with its lock it may run elsewhere, or come back"},
    [PROOF_NOT_TAKEN] = {6, "Proxmox HA had taken no request of ours when the status was asked for"},
    [PROOF_HA_UNDECIDED] = {6, "Proxmox HA has not acted on the request"},
    [PROOF_NOT_OURS] = {4, "it was not seen running before, and no stop of ours had ended OK"},
    [PROOF_READ_AGAIN] = {4, "it was not read once more, 2 s later"},
    [PROOF_START_MAY_COME] = {4, "an earlier start may still have been under way"},
    [PROOF_UNDEAD] = {7, "it may have been killed, and nothing would show a process that survived"},
    [PROOF_HOSTS] = {5, "no list of the hosts was asked for after that"},
    [PROOF_MINORITY] = {5, "too few hosts are online"},
    [PROOF_HOST_OFFLINE] = {5, "its host is offline"},
    [PROOF_OFF] = {0, ""},
};

static void put_points(struct text *out, record_t *record, enum proof_point verdict)
{
    bool dead = record->facts.dead, ha = record->facts.ha;

    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        if (!(dead ? points[i].of_dead : ha ? points[i].of_ha : points[i].of_others))
            continue;
        text_printf(out, "  point %d  ", points[i].point);
        if (points[i].point == missing[verdict].point) {
            text_printf(out, "missing  %s\n           the points behind it were not looked at\n",
                        missing[verdict].words);
            return;
        }
        text_puts(out, "holds    ");
        points[i].say(out, record);
        text_puts(out, "\n");
    }
}

/* ---- does it agree with itself? -------------------------------------------------------------------------
 */

static const char *contradiction_of_task(record_t *record)
{
    const struct proof_facts *facts = &record->facts;
    struct pve_upid upid;

    if (!record->upid[0])
        return facts->stopped_ok ? "a stop ended OK, but no task is named" : NULL;
    if (!upid_parse(record->upid, &upid))
        return "the stop's task has no name of one";
    if (!upid_is_of_guest(&upid, record->vmid))
        return "the stop's task is another guest's";
    const char *stop = record->type == PVE_LXC ? "vzstop" : "qmstop";
    if (!upid_word_is(&upid.type, stop) && !upid_is_of_ha(record->upid))
        return "the task is none of a stop";
    if (!facts->ha && facts->stopped_ok && !upid_word_is(&upid.node, record->node))
        return "the stop's task ran on another host";
    return NULL;
}

/* HA takes so long at least to recover services, or until a lock has expired (fence/dead_hosts.h). */
static const char *contradiction_of_death(record_t *record)
{
    const struct dead_hosts_answer *death = &record->death;
    const struct proof_facts *facts = &record->facts;
    int64_t least_ms = death->reason == DEAD_HOSTS_RECOVERED ? DEAD_HOSTS_RECOVERED_MS : DEAD_HOSTS_LOCK_MS;

    if (death->fenced_ms - death->left_ms < least_ms)
        return "Proxmox HA cannot have fenced the host so soon after it was offline";
    if (death->seen_ms < death->fenced_ms || death->seen_ms > record->proven_ms)
        return "the host was seen dead before it was fenced, or after the verdict";
    if (death->seen_ms + CLOCKS_MS < facts->request_ms)
        return "the host was not seen dead since the newest request";
    if (record->proven_ms - death->seen_ms > DEAD_HOSTS_GAP_MS + CLOCKS_MS)
        return "the host was not seen dead for too long before the verdict";
    /* of a guest of HA's the list may be as old as that */
    if (facts->dead_from_ms < (facts->ha ? death->left_ms : death->fenced_ms))
        return "what ran on the host is dead since before Proxmox HA had fenced it";
    if (!record->hosts.host_online && record->hosts.online >= record->hosts_known)
        return "the host is offline, and all hosts are online";
    if (facts->read && facts->running && facts->asked_ms > death->fenced_ms)
        return "the host told that the guest runs, after Proxmox HA had fenced it";
    return NULL;
}

static const char *contradiction(record_t *record)
{
    const struct proof_facts *facts = &record->facts;

    if (facts->request_ms < record->requested_ms)
        return "the newest request came before the first one";
    if (facts->listed && facts->listed_received_ms < facts->listed_ms)
        return "the list of guests came before it was asked for";
    if (facts->read && record->status.vmid != record->vmid)
        return "the status is another guest's";
    if (facts->read && (facts->received_ms < facts->asked_ms || facts->received_ms > record->proven_ms))
        return "the status came before it was asked for, or after the verdict";
    if (record->hosts.asked_ms > record->proven_ms)
        return "the hosts were asked after the verdict";
    if (record->hosts.online > record->hosts_known)
        return "more hosts are online than there are";
    const char *of_death = facts->dead ? contradiction_of_death(record) : NULL;
    return of_death ? of_death : contradiction_of_task(record);
}

/* ---- the command ----------------------------------------------------------------------------------------
 */

static int read_record(const char *path, struct proven *record, bool *changed, struct failure *failure)
{
    _cleanup_(text_clear) struct text text = {0};
    struct json_object *evidence = NULL;
    const char *field = "";

    if (command_read(path, BYTES_MOST, "evidence", HINT, &text, failure) < 0)
        return -1;
    _cleanup_(json_putp) struct json_object *document = printable_parse(text.data, text.length);
    if (!document || !json_get_object(document, "evidence", &evidence))
        return failure_set(failure, HINT, "%s is not the evidence of an operation", path);
    enum proven_reading reading = proven_read(evidence, record, &field);
    *changed = reading == PROVEN_CHANGED;
    switch (reading) {
    case PROVEN_READ:
    case PROVEN_CHANGED:
        return 0;
    case PROVEN_INCOMPLETE:
        return failure_set(failure, HINT, "%s is incomplete: '%s' is missing, or not what it should be", path,
                           field);
    case PROVEN_NEWER:
        return failure_set(failure, "verify it with that version",
                           "%s was written by a newer version of the broker", path);
    case PROVEN_NO_MEMORY:
        break;
    }
    return failure_set(failure, NULL, "out of memory");
}

/* The exit status. */
static int judge(record_t *record, bool changed, struct text *out)
{
    enum proof_point verdict = proven_judge(record);
    const char *contradicts = contradiction(record);
    char time[CLOCK_RFC3339_LEN];

    text_printf(out, "%s: %s of guest %d (%s) on %s, requested %s; times count from then\n",
                record->operation, fence_action_name(record->action), record->vmid,
                pve_guest_type_name(record->type), record->node,
                clock_rfc3339(record->requested_realtime_ms, time));
    put_points(out, record, verdict);
    if (changed)
        text_puts(out, "THE FILE WAS CHANGED since the broker wrote it: its digest is another\n");
    if (contradicts)
        text_printf(out, "THE FILE CONTRADICTS ITSELF: %s\n", contradicts);
    bool proven = verdict == PROOF_OFF && !changed && !contradicts;
    text_puts(out, proven ? "off is proven\n" : "off is not proven by this file\n");
    return proven ? VERIFY_PROVEN : VERIFY_NOT_PROVEN;
}

static int run(const char *path)
{
    struct failure failure = {0};
    struct proven record;
    struct text out = {0};
    bool changed = false;
    int status = VERIFY_NO_JUDGEMENT;

    int rc = read_record(path, &record, &changed, &failure);
    if (rc == 0) {
        status = judge(&record, changed, &out);
        rc = command_put(&out, &failure);
    }
    return command_end(rc < 0 ? rc : status, &failure);
}

static int verify(const struct command *command, int argc, char **argv)
{
    char **operands;
    int status = command_options(command, argc, argv, &(struct command_option){.name = NULL}, &operands);
    if (status != COMMAND_GO_ON)
        return status;
    return operands[0] && !operands[1] ? run(operands[0]) : command_refuse(command);
}

const struct command verify_command = {"verify", "the evidence of a fence, judged again", usage, 1, verify};
