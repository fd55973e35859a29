/*
 * The one call that a rehearsal makes, and what its answer means.
 *
 * A rehearsal asks for a stop whose timeout is no number. Proxmox checks login, CSRF token, the privilege on
 * the guest and the way to its host, and then refuses the parameter: that refusal says that a stop would have
 * been accepted there. Whoever holds a probe can send this call and no other: rehearsals are given a probe,
 * and no session.
 */
#pragma once

#include "proxmox/api.h"
#include "system/error.h"

#include <stdbool.h>
#include <stdint.h>

enum probe_result {
    PROBE_ACCEPTED,    /* 400 that names the parameter and nothing else */
    PROBE_REFUSED,     /* Proxmox says no: 401, 403, 500, a 400 for another reason, … */
    PROBE_UNANSWERED,  /* nobody reached, no answer, or no way from there to the guest's host (595 to 599) */
    PROBE_CARRIED_OUT, /* 2xx: it was taken for a real stop */
    PROBE_RESULT_COUNT,
};

struct probe_answer {
    enum probe_result result;
    int http_status;           /* 0 if there was none */
    struct error error;        /* unless accepted */
    const char *endpoint_text; /* "" if none was reached */
    size_t endpoint;
    bool sent;      /* maybe at least */
    bool elsewhere; /* what it says may be the endpoint's trouble: another one may say something else */
    int64_t asked_ms, received_ms;
};

struct probe_target {
    const char *node;
    enum pve_guest_type type;
    int vmid;
};

struct probe;
struct session;

/* Borrows the session. NULL: no memory. */
struct probe *probe_new(struct session *session);
void probe_free(struct probe *probe); /* NULL is fine; what is under way is cancelled */

/* Exactly one callback, never from inside probe_send(). `answer` is valid only during it. */
typedef void probe_done_fn(void *context, const struct probe_answer *answer);
/* Asked right before it is sent; false: it is not (then ERROR_ABANDONED). */
typedef bool probe_may_go_fn(void *context);

/* One at a time. The endpoint on the guest's own host is asked first, those in `avoid` (a bit each) last.
 * False if one is under way or memory ran out. */
bool probe_send(struct probe *probe, const struct probe_target *target, uint64_t avoid, int64_t deadline_ms,
                int64_t answer_timeout_ms, probe_may_go_fn *may_go, probe_done_fn *done, void *context);
/* There is a login to send it with; else it would wait for one. */
bool probe_can_go(const struct probe *probe);
/* "accepted", "refused", "unanswered", "carried-out" */
const char *probe_result_name(enum probe_result result);

/* Pure: what an answer means; *error says it, unless accepted. */
enum probe_result probe_judge(const struct api_result *result, struct error *error);
