/*
 * Records of who was let do what. Power requests are few (each is an operation of Proxmox's) and all
 * recorded; denials cost an attacker nothing, so they are measured: a bucket for each uid and one for all.
 */
#include "server/audit_trail.h"

#include "fence/history.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/log.h"
#include "system/loop.h"
#include "system/names.h"
#include "system/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Full at the start; a token comes back each `interval_ms`. */
struct bucket {
    int64_t refilled_ms;
    unsigned tokens;
};

struct measured {
    uid_t uid;
    struct bucket denials, powers;
    UT_hash_handle hh;
};

struct audit_trail {
    const struct rooms *rooms;
    struct bucket all;
    struct measured strangers; /* the uids for which there is no place */
    struct measured *uids;
    uint64_t unrecorded;
    uid_t last_unrecorded;
    struct event *rest;
};

static bool take(struct bucket *bucket, unsigned burst, int64_t interval_ms, int64_t now)
{
    int64_t came = (now - bucket->refilled_ms) / interval_ms;

    if (bucket->refilled_ms == 0 || came >= burst) {
        bucket->tokens = burst;
        bucket->refilled_ms = now;
    } else {
        bucket->tokens += (unsigned)came;
        bucket->refilled_ms += came * interval_ms;
        if (bucket->tokens > burst)
            bucket->tokens = burst;
    }
    if (bucket->tokens == 0)
        return false;
    bucket->tokens--;
    return true;
}

/* Whoever was silent for long enough has a full bucket again, which needs no entry. */
static void forget_full(struct audit_trail *audit, int64_t now)
{
    struct measured *one, *next;

    HASH_ITER (hh, audit->uids, one, next) {
        if (now - one->denials.refilled_ms < (int64_t)AUDIT_UID_BURST * AUDIT_UID_MS ||
            now - one->powers.refilled_ms < (int64_t)AUDIT_POWER_BURST * AUDIT_POWER_MS)
            continue;
        HASH_DEL(audit->uids, one);
        free(one);
    }
}

static struct measured *measure_of(struct audit_trail *audit, uid_t uid, int64_t now)
{
    struct measured *found;

    HASH_FIND(hh, audit->uids, &uid, sizeof(uid), found);
    if (found)
        return found;
    if (HASH_COUNT(audit->uids) >= AUDIT_UIDS_MAX)
        forget_full(audit, now);
    if (HASH_COUNT(audit->uids) >= AUDIT_UIDS_MAX || !(found = calloc(1, sizeof(*found))))
        return &audit->strangers;
    found->uid = uid;
    HASH_ADD(hh, audit->uids, uid, sizeof(uid), found);
    if (found->hh.tbl)
        return found;
    free(found); /* the table could not grow */
    return &audit->strangers;
}

/* The uid's own measure first: one that has used it up takes nothing from the others. */
static bool may_record(struct audit_trail *audit, uid_t uid)
{
    int64_t now = clock_now_ms();

    return take(&measure_of(audit, uid, now)->denials, AUDIT_UID_BURST, AUDIT_UID_MS, now) &&
           take(&audit->all, AUDIT_BURST, AUDIT_MS, now);
}

/* ---- what is written ---- */

static void log_peer(enum log_kind kind, const struct operation_peer *peer, const struct log_field *more,
                     const char *message)
{
    char uid[24], gid[24], pid[24];
    struct log_field fields[12] = {{"PEER_UID", uid},
                                   {"PEER_GID", gid},
                                   {"PEER_PID", pid},
                                   {"PEER_USER", peer->user[0] ? peer->user : NULL},
                                   {"FENCE_RULE", peer->rule}};
    size_t count = 5;

    snprintf(uid, sizeof(uid), "%lu", (unsigned long)peer->uid);
    snprintf(gid, sizeof(gid), "%lu", (unsigned long)peer->gid);
    snprintf(pid, sizeof(pid), "%ld", (long)peer->pid);
    for (; more && more->name && count < ARRAY_LEN(fields) - 1; more++)
        fields[count++] = *more;
    log_say(kind, fields, "%s", message);
}

static void put_peer(struct text *out, const struct operation_peer *peer)
{
    text_printf(out, "uid %lu", (unsigned long)peer->uid);
    if (peer->user[0])
        text_printf(out, " (%s)", peer->user);
    text_printf(out, ", gid %lu, pid %ld", (unsigned long)peer->gid, (long)peer->pid);
}

static void log_text(enum log_kind kind, const struct operation_peer *peer, const struct log_field *more,
                     const struct text *text)
{
    log_peer(kind, peer, more, text->data && !text->failed ? text->data : "(no memory for the words)");
}

void audit_trail_peer(const struct audit_trail *audit, const struct access_peer *peer, const char *rule,
                      struct operation_peer *out)
{
    const char *user = names_of_uid(audit->rooms->names, peer->uid);

    *out = (struct operation_peer){.uid = peer->uid, .gid = peer->gid, .pid = peer->pid};
    operation_bound_text(out->user, sizeof(out->user), user ? user : "");
    operation_bound_text(out->rule, sizeof(out->rule), rule);
}

static void on_rest(evutil_socket_t fd, short what, void *context)
{
    struct audit_trail *audit = context;

    (void)fd;
    (void)what;
    if (audit->unrecorded == 0)
        return;
    log_say(KIND_REQUESTS_UNRECORDED, NULL,
            "a flood of requests: %" PRIu64
            " more, the last of them of uid %lu, were not recorded one by one",
            audit->unrecorded, (unsigned long)audit->last_unrecorded);
    audit->unrecorded = 0;
}

static void leave_out(struct audit_trail *audit, uid_t uid)
{
    audit->unrecorded++;
    audit->last_unrecorded = uid;
    if (!event_pending(audit->rest, EV_TIMEOUT, NULL))
        loop_arm(audit->rest, AUDIT_REST_MS);
}

void audit_trail_denied(struct audit_trail *audit, const struct access_peer *peer,
                        enum access_verdict verdict, const char *rule, const char *asked)
{
    _cleanup_(text_clear) struct text text = {0};
    const char *reason = access_verdict_name(verdict);
    struct denial denial = {.realtime_ms = clock_realtime_ms()};

    if (!may_record(audit, peer->uid)) {
        leave_out(audit, peer->uid);
        return;
    }
    audit_trail_peer(audit, peer, rule, &denial.peer);
    operation_bound_text(denial.reason, sizeof(denial.reason), reason);
    operation_bound_text(denial.request, sizeof(denial.request), asked);
    denial.unrecorded = audit->unrecorded;
    audit->unrecorded = 0;
    text_puts(&text, "denied: ");
    put_peer(&text, &denial.peer);
    text_printf(&text, ", %s: %s", denial.request, denial.peer.rule);
    if (denial.unrecorded)
        text_printf(&text, " (%" PRIu64 " more requests before this were not recorded one by one)",
                    denial.unrecorded);
    log_text(
        KIND_REQUEST_DENIED, &denial.peer,
        (const struct log_field[]){{"FENCE_DENIED", reason}, {"FENCE_REQUEST", denial.request}, {NULL, NULL}},
        &text);
    if (audit->rooms->history)
        history_add_denial(audit->rooms->history, &denial);
}

bool audit_trail_asked(struct audit_trail *audit, const struct operation_peer *peer, bool privileged,
                       const char *action, const char *plug)
{
    _cleanup_(text_clear) struct text text = {0};
    int64_t now = clock_now_ms();

    if (!privileged &&
        !take(&measure_of(audit, peer->uid, now)->powers, AUDIT_POWER_BURST, AUDIT_POWER_MS, now)) {
        leave_out(audit, peer->uid);
        return false;
    }
    text_printf(&text, "%s of %s asked by ", action, plug);
    put_peer(&text, peer);
    text_printf(&text, "; allowed: %s", peer->rule);
    log_text(KIND_REQUEST_ALLOWED, peer,
             (const struct log_field[]){{"FENCE_ACTION", action}, {"FENCE_TARGET", plug}, {NULL, NULL}},
             &text);
    return true;
}

void audit_trail_answered(struct audit_trail *audit, const struct operation_peer *peer, const char *action,
                          const char *plug, const char *operation, const struct error *error)
{
    _cleanup_(text_clear) struct text text = {0};
    const char *result = error ? error_code_name(error->code) : "done";

    (void)audit;
    text_printf(&text, "%s of %s, asked by ", action, plug);
    put_peer(&text, peer);
    text_printf(&text, ", answered: %s", result);
    if (error)
        text_printf(&text, ": %s", error->message);
    log_text(KIND_REQUEST_ANSWERED, peer,
             (const struct log_field[]){{"FENCE_ACTION", action},
                                        {"FENCE_TARGET", plug},
                                        {"FENCE_OPERATION", operation},
                                        {"FENCE_RESULT", result},
                                        {NULL, NULL}},
             &text);
}

/* ---- life ---- */

struct audit_trail *audit_trail_new(struct event_base *base, const struct rooms *rooms)
{
    struct audit_trail *audit = calloc(1, sizeof(*audit));

    if (!audit)
        return NULL;
    audit->rooms = rooms;
    audit->rest = event_new(base, -1, 0, on_rest, audit);
    if (!audit->rest) {
        free(audit);
        return NULL;
    }
    return audit;
}

void audit_trail_free(struct audit_trail *audit)
{
    struct measured *one, *next;

    if (!audit)
        return;
    on_rest(-1, 0, audit); /* the number of the rest is not lost */
    HASH_ITER (hh, audit->uids, one, next) {
        HASH_DEL(audit->uids, one);
        free(one);
    }
    event_free(audit->rest);
    free(audit);
}
