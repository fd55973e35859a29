/*
 * What a proof of off rested on: the answers of Proxmox, and what the operation knew, taken down in the
 * moment of the verdict, so that anybody can judge it again with the same proof_of().
 *
 * A line of JSON. What proof_of() is told of an answer is not in it: it is derived from the answer again. Its
 * times count from the request. It holds no secret (P9), and no guest but the one that it is about.
 */
#pragma once

#include "fence/dead_hosts.h"
#include "fence/operation.h"
#include "fence/proof.h"
#include "fence/step.h"
#include "proxmox/api.h"
#include "system/json.h"

#include <stdbool.h>
#include <stdint.h>

/* Grows when an older reader would misjudge it; of a newer one nothing is judged. */
#define PROVEN_VERSION 1

struct proven {
    char operation[OPERATION_ID_LEN];
    enum fence_action action;
    int vmid;
    enum pve_guest_type type;
    char node[PVE_NODE_MAX]; /* the guest's host */
    int64_t requested_realtime_ms;
    int64_t requested_ms; /* the moment from which the others count, by the clock of the facts */
    int64_t proven_ms;
    struct proof_facts facts; /* without `hosts` */
    struct pve_status status; /* S, if facts.read */
    char upid[PVE_UPID_MAX];  /* of the last stop; "": none is known */
    char listed_lock[PVE_LOCK_MAX];
    struct proof_hosts hosts;
    unsigned hosts_known;
    int min_online_nodes;
    struct dead_hosts_answer death; /* with facts.dead: how HA fenced the host (reason, its moments, lrm_s) */
};

/* In the moment of the verdict: effects->proven. `known`: so many hosts, by the list that was the last word.
 */
void proven_take(struct proven *record, const struct operation *operation, const struct step *step,
                 const struct step_effects *effects, unsigned known, int64_t now_ms);
/* malloc'd; NULL without memory. */
char *proven_write(const struct proven *record);

enum proven_reading {
    PROVEN_READ,
    PROVEN_CHANGED,    /* since it was written; `record` is filled all the same */
    PROVEN_INCOMPLETE, /* *field: what is missing, or is not what it should be */
    PROVEN_NEWER,
    PROVEN_NO_MEMORY,
};
/* Takes its digest out of the document. *field is borrowed. */
enum proven_reading proven_read(struct json_object *document, struct proven *record, const char **field);
enum proof_point proven_judge(const struct proven *record);
