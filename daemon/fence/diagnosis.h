/*
 * The doctor's report: the chain that a fence hangs on, link by link (configuration, endpoints, login,
 * privileges, pool, names, guests, this node), each with what was seen, how long ago, and the way out. Pure:
 * facts in, findings out. The running daemon and the command without one give the same report from it.
 */
#pragma once

#include "fence/facts.h"
#include "system/text.h"

enum diagnosis_step {
    DIAGNOSIS_CONFIGURATION,
    DIAGNOSIS_ENDPOINTS,
    DIAGNOSIS_LOGIN,
    DIAGNOSIS_PRIVILEGES,
    DIAGNOSIS_POOL,
    DIAGNOSIS_NAMES,
    DIAGNOSIS_GUESTS,
    DIAGNOSIS_LOCAL,
    DIAGNOSIS_STEP_COUNT,
    DIAGNOSIS_CLUSTER = DIAGNOSIS_STEP_COUNT, /* no link: Pacemaker's set-up, which only the command sees */
};

enum diagnosis_level {
    DIAGNOSIS_SKIPPED, /* of the cluster: there is nothing to look at, or no way to, and that is as good as:
                        */
    DIAGNOSIS_OK,
    DIAGNOSIS_UNKNOWN, /* nothing can be said, because something before it is broken */
    DIAGNOSIS_WARNING, /* a fence would work, but something is off */
    DIAGNOSIS_FAILURE, /* a fence would fail, of one guest at least */
};

#define DIAGNOSIS_AGE_NONE INT64_C(-1)

struct diagnosis_finding {
    enum diagnosis_step step;
    enum diagnosis_level level;
    char *message;  /* one line, what was seen */
    char *hint;     /* one line, the way out; what is to be pasted between backticks; NULL: none is needed */
    int64_t age_ms; /* since it was seen, or has been so; DIAGNOSIS_AGE_NONE */
};

struct diagnosis {
    struct diagnosis_finding *findings; /* in the order of the chain */
    size_t count, size;
    int64_t took_us[DIAGNOSIS_STEP_COUNT]; /* -1: not known, or nothing to speak of */
    bool failed; /* memory ran out: the report is not complete, and must not be shown */
};

/* All borrowed; what may be NULL or false is not known, or not there. */
struct diagnosis_facts {
    const struct facts *known;          /* its config NULL: not usable; its endpoints NULL: not asked */
    bool daemon;                        /* seen by the running daemon; else by a command that ends */
    const struct error *config_error;   /* why it is not usable; may be NULL */
    const char *config_user;            /* with whose rights it was read; may be NULL */
    const struct access_policy *rules;  /* to be looked over; NULL: not */
    const char *not_asked;              /* why the endpoints were not; may be NULL */
    const struct error *state_error;    /* of the state directory, where there is no history; may be NULL */
    int64_t configuration_ms, local_ms; /* how long this took just now; without `daemon` only */
    bool nobody_listens;                /* at the broker's socket */
    bool group_missing, names_unknown;  /* the socket's group; whom the name service knows */
    /* Which guests the asker may see; NULL: all. */
    bool (*sees)(const void *context, const struct guest *guest);
    const void *sees_context;
};

void diagnosis_make(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
void diagnosis_clear(struct diagnosis *diagnosis); /* frees; usable again */

/* Adds a finding, whose message is made printable. `age_ms`: see diagnosis_finding. */
void diagnosis_add(struct diagnosis *diagnosis, enum diagnosis_step step, enum diagnosis_level level,
                   int64_t age_ms, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The way out for the finding added last; NULL or "" is none. */
void diagnosis_hint(struct diagnosis *diagnosis, const char *hint);
/* A line to be pasted, behind the hint of the finding added last; one with a backtick in it is left out. */
void diagnosis_paste(struct diagnosis *diagnosis, const char *line);

/* The gravest level; an empty report knows nothing. */
enum diagnosis_level diagnosis_worst(const struct diagnosis *diagnosis);
/* 0 fine, 1 a fence would fail, 2 it would work but something is off (or not known). */
int diagnosis_exit_status(const struct diagnosis *diagnosis);

const char *diagnosis_step_name(enum diagnosis_step step);    /* "configuration", … "this node" */
const char *diagnosis_level_name(enum diagnosis_level level); /* "ok", "unknown", "warning", "failure" */

/* One screen; its first line is the verdict, always in the same words. JSON: one object, one line. */
void diagnosis_put_text(struct text *out, const struct diagnosis *diagnosis, bool daemon);
void diagnosis_put_json(struct text *out, const struct diagnosis *diagnosis, bool daemon,
                        int64_t realtime_ms);
