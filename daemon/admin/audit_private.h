/* What the parts of the audit share: the command (audit.c), its findings, and its two forms. */
#pragma once

#include "admin/command.h"
#include "policy/usercfg_places.h"
#include "system/text.h"

/* A question and what is needed to answer it. All borrowed. */
struct audit {
    const struct usercfg *cfg;
    const struct usercfg_classes *classes;
    struct usercfg_places *places;
    int version;
    int64_t now_s;
    uint64_t power, minimal;                /* VM.PowerMgmt; all that fencing takes or may have */
    struct command_words identities, paths; /* none: all */
    const char *pool;                       /* NULL: all */
    uint64_t on_top;                        /* what fencing may have on / without propagation */
};

/* Something that deserves a look, with the line that mends it. */
struct audit_finding {
    const char *code;    /* "root-token" */
    const char *subject; /* identity, or "@group" */
    const char *path;    /* or NULL */
    const char *message;
    const char *mend; /* one line for the shell of a Proxmox host; "" if there is none */
};
typedef void audit_each_finding_f(void *context, const struct audit_finding *finding);
void audit_each_finding(const struct audit *audit, audit_each_finding_f *each, void *context);

bool audit_asks_for(const struct audit *audit, const char *id);
/* Whether the path has to do with the pool in question: itself, or one of its members. True without one. */
bool audit_concerns(const struct audit *audit, const char *path);
/* "disabled", "expired", …; NULL if it may log in. */
const char *audit_why_not(const struct audit *audit, const char *id);
/* "/vms/100" → 100, else -1 */
int64_t audit_vmid(const char *path);

/* The two forms, appended to `out`. What is large goes to stdout in between and leaves `out` empty. */
void audit_text(const struct audit *audit, struct text *out);
void audit_json(const struct audit *audit, struct text *out);
