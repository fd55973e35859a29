/*
 * The closed list of Proxmox calls (P2): one const table, typed both ways. A call that is not a row cannot be
 * built: transport takes nothing else, and the parts of a path are checked here before they are put in.
 */
#pragma once

#include "proxmox/timings.h"
#include "proxmox/upid.h"
#include "system/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_list;

enum pve_guest_type { PVE_QEMU, PVE_LXC };
const char *pve_guest_type_name(enum pve_guest_type type); /* "qemu", "lxc" */

enum api_call {
    API_VERSION,
    API_TICKET,
    API_DOMAINS, /* the realms, for anybody */
    API_PERMISSIONS,
    API_RESOURCES,   /* cluster/resources: guests and hosts in one, for polls */
    API_GUESTS,      /* cluster/resources?type=vm */
    API_NODES,       /* cluster/resources?type=node */
    API_HA_STATUS,   /* cluster/ha/status/current: what Proxmox HA does, and of each host's LRM */
    API_POOL,        /* pools/{pool} */
    API_POOL_NESTED, /* pools?poolid={pool}: the only way to a nested pool; proves no privilege */
    API_STATUS,      /* nodes/{node}/{type}/{vmid}/status/current */
    API_CONFIG,      /* nodes/{node}/{type}/{vmid}/config */
    API_START,
    API_STOP,
    API_RESET,
    API_REHEARSE, /* a stop that Proxmox refuses for its parameter; takes nothing but node, type and vmid */
    API_TASK,     /* nodes/{node}/tasks/{upid}/status */
    API_TASKS,    /* nodes/{node}/tasks?vmid=, running ones included, newest first */
    API_CALL_COUNT,
};

/* What a long answer consists of; it is taken in piece by piece (listing.h). */
enum api_elements {
    API_ELEMENTS_NONE,
    API_ELEMENTS_GUESTS,    /* "data" is a list of guests, among others */
    API_ELEMENTS_RESOURCES, /* the same, and the hosts among the others are kept */
    API_ELEMENTS_MEMBERS,   /* the same, and it is called "members" */
    API_ELEMENTS_LEAVES,    /* "data" holds an object for each of many keys, and most are equal */
};

struct api_row {
    const char *name; /* label in metrics and log: "stop" */
    const char *method;
    bool power;      /* changes a guest: never sent again without a read in between */
    bool login;      /* needs no session: it makes one */
    bool repeatable; /* may be sent again, or to another endpoint, when its answer was lost */
    enum api_elements elements;
};
const struct api_row *api_row(enum api_call call);

/* The parts of a call. What a row does not use is ignored. Strings are borrowed. */
struct api_request {
    enum api_call call;
    const char *node;
    enum pve_guest_type type;
    int vmid;
    const char *upid;
    const char *pool;
    /* API_STOP */
    int stop_timeout_s;     /* < 0: leave it to Proxmox (HA) */
    bool overrule_shutdown; /* Proxmox >= 8.2, not HA */
    /* API_TICKET */
    const char *username, *password;
    const char *challenge; /* of a second factor, which `password` answers; or NULL */
    bool new_format;       /* PVE 7 must be told that we know its new challenges; later ones ignore it */
};

/* Path with query ("/api2/json/…"), and the form body ("" for none, NULL for GET). Both malloc'd. False if a
 * part is missing or holds a character that has no business in it (a node is a host name, a pool has
 * Proxmox's characters). */
bool api_build(const struct api_request *request, char **path, char **body);

/* How a call ended. */
enum api_outcome {
    API_OK,      /* 200, and it fits its call; `data` holds the answer's "data" */
    API_REFUSED, /* an HTTP status >= 300 from Proxmox; not necessarily without effect (5xx) */
    API_LOST,    /* written (or maybe written), and no answer of its own that can be read: nothing is known */
    API_UNSENT,  /* certainly not written: nobody reached, or no session */
};

struct api_result {
    enum api_outcome outcome;
    int http_status;           /* 0 if there was none; that of an answer cut off is told of rehearsals only */
    struct json_object *data;  /* borrowed; NULL for a JSON null; of a list of guests its frame only
                                  (API_RESOURCES: its hosts) */
    struct guest_list *guests; /* borrowed; what a list of guests holds; NULL: the answer is none */
    struct error error;        /* what a user should read, unless API_OK */
    const char *reason;        /* Proxmox's own words: the reason phrase, or "" */
    struct json_object *errors; /* borrowed: parameter → text of a 400; NULL if none */
    size_t endpoint;            /* index of the one that answered (or failed last) */
    const char *endpoint_text;  /* its text; "" if none was reached */
    int64_t asked_ms;           /* monotonic: when the request that was answered began to be sent */
    int64_t received_ms;
    int64_t
        certificate_expires_ms; /* time of day; 0: it was not shown (a kept connection, a resumed session) */
    struct timings timings;     /* of an answer */
};

/* ---- answers, decoded; each returns false if the document is not what the call gives ---- */

#define PVE_LOCK_MAX 32
#define PVE_HA_MAX   32
#define PVE_EXIT_MAX 256
#define PVE_UUID_LEN 37

struct pve_status {
    int vmid;
    bool running; /* status == "running"; anything else but "stopped" is not decoded, nor a "stopped" that is
                     contradicted by a process of the guest's in the same answer */
    bool nics;    /* QEMU: host-side tap devices are there */
    bool traffic; /* netin or netout above 0 */
    bool ha_managed;
    bool template;
    char ha_state[PVE_HA_MAX]; /* "" if none */
    char lock[PVE_LOCK_MAX];   /* "" if none */
    int64_t uptime_s;
    char name[128]; /* cut for display */
};
bool api_decode_status(struct json_object *data, struct pve_status *status);

/* What readiness wants to know of a guest's configuration. */
struct pve_guest_config {
    bool has_nic; /* a netN */
    bool has_hookscript;
    char uuid[PVE_UUID_LEN]; /* of smbios1, as Proxmox writes it; "": none, or of no form that we know */
};
bool api_decode_config(struct json_object *data, struct pve_guest_config *config);

struct pve_task {
    bool ended;
    bool ok;                 /* exitstatus "OK" or "WARNINGS: n" */
    char exit[PVE_EXIT_MAX]; /* exitstatus, cut for display */
};
bool api_decode_task(struct json_object *data, struct pve_task *task);
/* The same of one task in a task list. False: it does not have it. */
bool api_decode_listed_task(struct json_object *data, const char *upid, struct pve_task *task);
/* How many power tasks of one kind ("qmstop", "vzstop", "qmstart" …) that ran on `node` a task list holds
 * that began at or after since_s (the host's clock), and how many began after the task `after_upid` of the
 * same host
 * ("": of these there are none); how many of them still run, and how many have failed. */
struct pve_task_count {
    unsigned begun, running, failed;
    unsigned newer, newer_running, newer_failed;
};
bool api_decode_tasks(struct json_object *data, const char *node, const char *type, int64_t since_s,
                      const char *after_upid, struct pve_task_count *count);
bool api_decode_upid(struct json_object *data, char upid[static PVE_UPID_MAX]); /* of a power call */

/* Proxmox's error texts, wherever they stand (reason phrase or a task's exit status). */
enum pve_refusal {
    PVE_REFUSAL_OTHER,
    PVE_REFUSAL_MOVED,       /* the guest's configuration is not on that host */
    PVE_REFUSAL_LOCKED,      /* "VM is locked (backup)" */
    PVE_REFUSAL_BUSY,        /* "can't lock file … got timeout": somebody else's task holds the lock file */
    PVE_REFUSAL_NOT_RUNNING, /* "VM n not running", "CT n not running" */
    PVE_REFUSAL_RUNNING,     /* "VM n already running" */
    PVE_REFUSAL_TEMPLATE,
    PVE_REFUSAL_NO_QUORUM,
    PVE_REFUSAL_HA, /* "Not applicable for HA resources." */
    PVE_REFUSAL_PERMISSION,
};
/* `lock` receives the lock's name for PVE_REFUSAL_LOCKED ("" if it cannot be told). */
enum pve_refusal api_classify(const char *text, char lock[static PVE_LOCK_MAX]);
