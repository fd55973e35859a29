/*
 * What speaks for and against a fence of each guest, besides the list of guests: the last reading of its
 * status from its host, the last reading of its configuration, the last rehearsal. Kept by VMID, with ages,
 * over new lists of guests; who reads and rehearses posts here, and readiness makes verdicts of it.
 *
 * Times are CLOCK_BOOTTIME milliseconds (clock_boottime_ms()): what was seen before a suspend is old after
 * it.
 */
#pragma once

#include "proxmox/inventory.h"
#include "system/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evidence;

/* The kinds that "ready" needs, each fresh. */
enum evidence_kind { EVIDENCE_STATUS, EVIDENCE_CONFIG, EVIDENCE_REHEARSAL, EVIDENCE_KIND_COUNT };
const char *evidence_kind_name(enum evidence_kind kind); /* "status", "config", "rehearsal" */

/* Evidence that is older than so many of its periods is old. */
#define EVIDENCE_STALE_PERIODS 3

#define EVIDENCE_UUID_LEN 37

/* One kind of evidence of one guest. */
struct evidence_entry {
    int64_t at_ms;       /* when it was answered; 0: never */
    int64_t took_ms;     /* from question to answer */
    char *node;          /* the guest's host at that time */
    char *endpoint;      /* who answered, or failed last; NULL: nobody was reached */
    struct error *error; /* why it speaks against a fence; NULL: it does not */
};

struct evidence_guest {
    int vmid;
    struct evidence_entry entries[EVIDENCE_KIND_COUNT];
    int64_t tried_ms;         /* the last check, whatever came of it; 0: never */
    int64_t remains_since_ms; /* since then each check has read that it is stopped, and shown that a process
                                 of it is still there; 0: the last one did not */
    int64_t devices_ms; /* when it was last read as running, if it showed its network devices then; else 0 */
    /* of the last configuration that could be read (entries[EVIDENCE_CONFIG] tells when) */
    bool config_known, has_nic, has_hookscript;
    char uuid[EVIDENCE_UUID_LEN]; /* SMBIOS, in lower case; "": none is set */
};

/* What a reading of a guest's configuration tells. */
struct evidence_config {
    bool has_nic, has_hookscript;
    const char *uuid; /* as Proxmox writes it; NULL or "": none is set */
};

struct evidence *evidence_new(void); /* NULL: no memory */
void evidence_free(struct evidence *evidence);
void evidence_freep(struct evidence **evidence);

/*
 * How often each guest is checked for this kind, at the moment (stretched for many guests as it may be). What
 * is older than EVIDENCE_STALE_PERIODS of them is old, and a guest without it is not ready. 0, as at the
 * start: nobody collects this kind, and nobody misses it.
 */
void evidence_expect(struct evidence *evidence, enum evidence_kind kind, int64_t period_ms);
int64_t evidence_period_ms(const struct evidence *evidence, enum evidence_kind kind);

/* A new list of guests: those that it does not have are forgotten; the others keep what is known. */
void evidence_keep(struct evidence *evidence, const struct inventory *inventory);
/* Nothing is known any more (after a reload with another identity, say); what is expected stays. */
void evidence_forget(struct evidence *evidence);
/* Nobody collects this kind any more: what is known of it would never change again. */
void evidence_drop(struct evidence *evidence, enum evidence_kind kind);

/*
 * An answer of one kind came for a guest. Everything is copied. `error`: NULL or code ERROR_NONE says that
 * nothing speaks against a fence; else its code, its message in Proxmox's words, and the way out. `node`: the
 * host that the guest was on by the list of guests when the question was put. False: no memory; then what was
 * known stays, and gets old.
 */
struct evidence_answer {
    const char *node, *endpoint; /* may be NULL */
    const struct error *error;   /* may be NULL */
    int64_t at_ms, took_ms;
};
/* A check begins. False: no memory, then better none. */
bool evidence_tried(struct evidence *evidence, int vmid, int64_t at_ms);
bool evidence_status(struct evidence *evidence, int vmid, const struct evidence_answer *answer);
/* A status was read: it says stopped, and shows what goes with the guest's last process (point 2 of the
 * off-proof), or not. Returns since when all did, `at_ms` if this is the first; 0: it does not, or the guest
 * was not checked. */
int64_t evidence_remains(struct evidence *evidence, int vmid, bool remains, int64_t at_ms);
/* A status was read: it says running, and shows the guest's network devices, or not. */
void evidence_devices(struct evidence *evidence, int vmid, bool shown, int64_t at_ms);
/* `config` NULL: it could not be read, and answer->error says why; what was last known of it stays. */
bool evidence_config(struct evidence *evidence, int vmid, const struct evidence_answer *answer,
                     const struct evidence_config *config);
/*
 * A rehearsal: without error, the stop would have been accepted. ERROR_NO_POWER_RIGHT as code makes the
 * reason no-power-right, every other one rehearsal-failed.
 */
bool evidence_rehearsed(struct evidence *evidence, int vmid, const struct evidence_answer *answer);

/*
 * Rehearsals have ended for good, because one was carried out (P2): `why` is the alarm's text. From then on
 * no guest misses them, and every guest has the reason rehearsal-unsafe. NULL takes it back (the cause was
 * removed).
 */
void evidence_rehearsals_unsafe(struct evidence *evidence, const struct error *why);
const struct error *evidence_rehearsals_alarm(const struct evidence *evidence); /* NULL: none */

/* What is known of a guest; NULL: nothing yet. Valid until the next change. */
const struct evidence_guest *evidence_of(const struct evidence *evidence, int vmid);

/* How one kind of evidence stands for a guest at `now_ms`. */
enum evidence_state {
    EVIDENCE_NOT_NEEDED, /* nobody collects this kind */
    EVIDENCE_MISSING,    /* not collected since the start, or since the guest moved to this host */
    EVIDENCE_OLD,
    EVIDENCE_FRESH,
};
/* `node` is the guest's host now: a status that another host gave is no evidence; NULL: do not mind. */
enum evidence_state evidence_state(const struct evidence *evidence, const struct evidence_guest *guest,
                                   enum evidence_kind kind, const char *node, int64_t now_ms);
/* Milliseconds since the last one of this kind; -1: there was none. `guest` may be NULL. */
int64_t evidence_age_ms(const struct evidence_guest *guest, enum evidence_kind kind, int64_t now_ms);
