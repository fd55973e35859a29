/*
 * What Pacemaker believes it has fenced, held against what the broker here has proven. Pacemaker's history
 * does not say by which device, but on which node it ran: of those that ran here the broker here has
 * evidence, or another device did it. Fences that ran on other nodes are for the brokers there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "admin/cluster_private.h"
#include "admin/heap.h"
#include "admin/levels.h"
#include "admin/tool.h"
#include "client/request.h"
#include "fence/history.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/json.h"

#define TOOL    "stonith_admin"
#define WAIT_MS 10000
#define BYTES   (4 * 1024 * 1024)
#define ASK_S   20
#define BEFORE_MS                                                                                            \
    INT64_C(900000) /* so long before its end a fence may have been proven: levels of several devices */
#define SECOND_MS INT64_C(1000)  /* Pacemaker may tell whole seconds … */
#define AFTER_MS  INT64_C(10000) /* … of another node's clock */
#define SAID_MOST 8              /* one by one */
#define KEPT      500 /* operations that the broker keeps in any case: with fewer, none was dropped */

/* One of Pacemaker's successes, on this node. */
struct fence {
    const char *target, *action;
    int64_t completed_ms;
};

struct comparison {
    struct cluster *cluster;
    struct json_object *document, *operations; /* the broker's */
    int64_t known_since_ms;                    /* what was before, it may have forgotten */
    int64_t *believed_ms;                      /* of each operation: the fence that it proves; 0: none yet */
    const char *here;                          /* this node's name */
    struct text others;                        /* fences by other devices, in words */
    unsigned proven, other, unproven;
};

/* ---- the broker's history ---- */

static int64_t time_of(struct json_object *object, const char *key)
{
    const char *text = NULL;
    return json_get_string(object, key, &text) ? clock_parse(text, clock_realtime_ms()) : -1;
}

static struct json_object *ask(const char *socket, const char *target, struct failure *failure)
{
    struct answer answer = {0};
    const struct request request = {
        .socket = socket, .method = "GET", .target = target, .json = true, .wait_s = ASK_S};
    struct json_object *document = NULL;
    int rc = request_perform(&request, &answer, failure);
    if (rc == 0 && answer.status != 200)
        rc = answer_failure(&answer, failure);
    if (rc == 0)
        document = json_parse(answer.body, answer.length);
    if (rc == 0 && !document)
        failure_set(failure, "client and daemon must have the same version",
                    "the broker's answer cannot be read");
    answer_clear(&answer);
    return document;
}

/* What was asked for earlier than its oldest operation, and before it started, it may have forgotten. */
static bool read_operations(struct comparison *history, const char *socket, struct failure *failure)
{
    _cleanup_(json_putp) struct json_object *status = ask(socket, "/v1/status", failure);
    history->known_since_ms = status ? time_of(status, "started_at") : -1;
    history->document = status ? ask(socket, "/v1/operations", failure) : NULL;
    if (!history->document || !json_get_array(history->document, "operations", &history->operations))
        return false;
    size_t count = json_object_array_length(history->operations);
    history->believed_ms = heap_take((count + 1) * sizeof(*history->believed_ms));
    int64_t oldest_ms =
        count ? time_of(json_object_array_get_idx(history->operations, count - 1), "requested_at") : -1;
    if (oldest_ms >= 0 &&
        (count >= KEPT || history->known_since_ms < 0 || oldest_ms < history->known_since_ms))
        history->known_since_ms = oldest_ms;
    return history->known_since_ms >= 0;
}

/* When it proved this guest off; -1: it did not. */
static int64_t proven_at(struct json_object *operation, const char *vmid)
{
    const char *action = "on";
    int64_t number = 0, after_ms = 0, requested_ms = time_of(operation, "requested_at");
    if (requested_ms < 0 || !json_get_int(operation, "vmid", 1, INT32_MAX, &number) ||
        number != strtol(vmid, NULL, 10) || !json_get_string(operation, "action", &action) ||
        strcmp(action, "on") == 0 ||
        !json_get_int(operation, "verified_after_ms", 0, INT64_MAX / 2, &after_ms))
        return -1;
    return requested_ms + after_ms;
}

/* The oldest proof of about then that is free; -1: there is none. `until_ms`: none that came later. */
static int64_t free_proof(const struct comparison *comparison, const struct fence *fence, const char *vmid,
                          int64_t until_ms)
{
    for (size_t i = json_object_array_length(comparison->operations); i-- > 0;) {
        int64_t proven_ms = proven_at(json_object_array_get_idx(comparison->operations, i), vmid);
        if (!comparison->believed_ms[i] && proven_ms >= fence->completed_ms - BEFORE_MS &&
            proven_ms <= until_ms)
            return (int64_t)i;
    }
    return -1;
}

/* Is it of the same moment as one that has its proof? */
static bool is_duplicate(const struct comparison *comparison, const struct fence *fence, const char *vmid)
{
    for (size_t i = 0; i < json_object_array_length(comparison->operations); i++)
        if (comparison->believed_ms[i] &&
            fence->completed_ms - comparison->believed_ms[i] <= HISTORY_SAME_FENCE_MS &&
            proven_at(json_object_array_get_idx(comparison->operations, i), vmid) >= 0)
            return true;
    return false;
}

/* Fences come in the order in which they ended, and each takes a proof of its own. */
static bool has_evidence(struct comparison *comparison, const struct fence *fence, const char *vmid)
{
    int64_t proof = free_proof(comparison, fence, vmid, fence->completed_ms + SECOND_MS);
    if (proof < 0 && is_duplicate(comparison, fence, vmid))
        return true;
    if (proof < 0)
        proof = free_proof(comparison, fence, vmid, fence->completed_ms + AFTER_MS);
    if (proof >= 0)
        comparison->believed_ms[proof] = fence->completed_ms;
    return proof >= 0;
}

/* ---- Pacemaker's history ---- */

/* "2026-11-29 03:12:01.123456Z", "2026-11-29 03:12:01 +01:00": as RFC 3339 has it. -1: none of these. */
static int64_t time_from(const char *text)
{
    char form[64];
    size_t length = 0;
    for (const char *at = text; *at && length + 1 < sizeof(form); at++) {
        if (*at != ' ')
            form[length++] = *at;
        else if (at - text == 10)
            form[length++] = 'T';
    }
    form[length] = '\0';
    return length > 10 && form[10] == 'T' ? clock_parse(form, clock_realtime_ms()) : -1;
}

/* Pacemaker's own word, or, where its controller does not answer, the machine's name, which it is by default.
 */
const char *cluster_find_here(void)
{
    struct text output = {0};
    struct failure failure = {0};
    struct utsname machine = {.nodename = ""};
    if (tool_run(TOOL_LIST("crm_node", "--name"), WAIT_MS, BYTES, &output, NULL, &failure) < 0) {
        failure_clear(&failure);
        text_clear(&output);
        return uname(&machine) == 0 ? heap_copy(machine.nodename) : "";
    }
    const char *words = heap_text(&output);
    return heap_cut(words, strcspn(words, "\n"));
}

static int read_fences(struct cib *fences, struct failure *failure)
{
    struct text output = {0};
    int rc =
        tool_run(TOOL_LIST(TOOL, "--history=*", "--output-as=xml"), WAIT_MS, BYTES, &output, NULL, failure);
    if (rc == 0)
        rc = cib_read(fences, output.data ? output.data : "", output.length, failure);
    text_clear(&output);
    return rc;
}

/* ---- one fence ---- */

const char *cluster_guest_of(const struct cluster *cluster, const char *node)
{
    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct cluster_target *target = &cluster->targets[i];
        const struct plug *plug = cluster_plug(cluster, target);
        if (strcasecmp(target->node->name, node) == 0 && plug && plug->vmid &&
            cib_is_enabled(target->device->device) && cluster_serves(cluster, target->device, node))
            return plug->vmid;
    }
    return NULL;
}

static void say_unproven(struct comparison *history, const struct fence *fence, const char *time)
{
    struct cluster *cluster = history->cluster;
    if (history->unproven++ >= SAID_MOST)
        return;
    cluster_say(cluster, DIAGNOSIS_FAILURE,
                "Pacemaker believes %s was fenced (%s) at %s by " CLUSTER_AGENT
                " on %s; the broker here has no evidence of it",
                fence->target, fence->action, time, history->here);
    cluster_hint(
        cluster,
        "look whether %s ran on, and what its services did meanwhile; the journals of Pacemaker and of "
        "the broker here have more. Once it is explained, let Pacemaker forget it:",
        fence->target);
    cluster_paste(cluster, TOOL " --cleanup --history=%s", heap_word(fence->target));
}

static void judge(struct comparison *history, const struct fence *fence)
{
    const char *vmid = cluster_guest_of(history->cluster, fence->target);
    bool itself = strcasecmp(fence->target, history->here) == 0; /* nobody here had to prove it off */
    char time[CLOCK_RFC3339_LEN];
    struct text text = {0};
    clock_rfc3339(fence->completed_ms, time);
    if (vmid && has_evidence(history, fence, vmid)) {
        history->proven++;
        return;
    }
    if (vmid && fence->completed_ms < history->known_since_ms + BEFORE_MS)
        return;
    levels_put_others(&history->cluster->cib, fence->target, history->cluster->devices,
                      history->cluster->device_count, &text);
    const char *devices = heap_text(&text);
    if (vmid && !*devices && !itself) {
        say_unproven(history, fence, time);
        return;
    }
    if (history->other++ >= SAID_MOST)
        return;
    text_printf(&history->others, "; %s at %s by ", fence->target, time);
    if (itself)
        text_puts(&history->others, "itself");
    else
        text_printf(&history->others, "another device (%s)",
                    *devices ? devices : "none of the configuration");
}

/* A success that this node had, and that is told with its time. */
static bool is_ours(const struct comparison *history, const struct _xmlNode *event, struct fence *fence)
{
    const char *by = cib_get(event, "delegate"), *completed = cib_get(event, "completed");
    *fence = (struct fence){cib_get(event, "target"), cib_get(event, "action"),
                            completed ? time_from(completed) : -1};
    return cib_says(event, "status", "success") && fence->action && strcmp(fence->action, "on") != 0 &&
           fence->target && by && strcasecmp(by, history->here) == 0 && fence->completed_ms >= 0;
}

static int by_time(const void *one, const void *other)
{
    const struct fence *a = one, *b = other;
    return (a->completed_ms > b->completed_ms) - (a->completed_ms < b->completed_ms);
}

static void judge_each(struct comparison *history, const struct cib *fences)
{
    struct fence *list = NULL, fence;
    size_t count = 0;
    for (const struct _xmlNode *node = NULL; (node = cib_after(cib_root(fences), node, "fence_event"));)
        if (is_ours(history, node, &fence))
            *heap_add(list, count) = fence;
    if (count)
        qsort(list, count, sizeof(*list), by_time);
    for (size_t i = 0; i < count; i++)
        judge(history, &list[i]);
}

static void say_rest(struct comparison *history)
{
    char since[CLOCK_RFC3339_LEN];
    if (history->unproven > SAID_MOST)
        cluster_say(history->cluster, DIAGNOSIS_FAILURE, "and %u more fences of which there is no evidence",
                    history->unproven - SAID_MOST);
    if (history->proven + history->other == 0)
        return;
    cluster_say(history->cluster, DIAGNOSIS_OK,
                "of Pacemaker's fences that ran on this node since %s the broker has evidence of %u%s%s",
                clock_rfc3339(history->known_since_ms, since), history->proven,
                history->others.data ? history->others.data : "",
                history->other > SAID_MOST ? " and others" : "");
}

/* ---- the whole ---- */

void cluster_judge_history(struct cluster *cluster, const char *socket)
{
    struct comparison history = {.cluster = cluster};
    struct failure failure = {0};
    struct cib fences = {.nodes = NULL};
    /* a copy of a configuration has no history, and others than root may not see all of the broker's */
    if (geteuid() != 0 || getenv("CIB_file") || getenv("CIB_shadow"))
        return;
    history.here = cluster_find_here();
    bool read = read_fences(&fences, &failure) == 0 && read_operations(&history, socket, &failure);
    if (read) {
        judge_each(&history, &fences);
        say_rest(&history);
    } else {
        cluster_say(cluster, DIAGNOSIS_SKIPPED,
                    "not compared, what Pacemaker has fenced and what the broker has evidence of: %s",
                    failure.cause ? failure.cause : "out of memory");
    }
    cluster->report->failed |= history.others.failed;
    json_object_put(history.document);
    text_clear(&history.others);
    cib_clear(&fences);
    failure_clear(&failure);
}
