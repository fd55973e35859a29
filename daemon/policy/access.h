/*
 * Who may ask: plain attributes of a peer and of what it asks in, the verdict and the deciding rule out.
 * Pure: no name service, no socket, no log. Users and groups were resolved to numbers when the configuration
 * was loaded.
 *
 * First the gate (uid 0, hacluster, the members of one group), then, with enable-acl = yes, the rules behind
 * it, which never widen it: of the rules that apply to a peer, the first one that matches decides; if none
 * does, the answer is no.
 */
#pragma once

#include "policy/access_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACCESS_NOBODY ((uid_t)-1) /* no such user here: matches no peer */
#define ACCESS_NO_GID ((gid_t)-1) /* no such group here: nobody is its member */

/* What the kernel said about the other end at connect time. */
struct access_peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;     /* information, not identity: it may be somebody else's by now */
    gid_t *groups; /* supplementary groups, owned; NULL if there are none */
    size_t group_count;
};
void access_peer_clear(struct access_peer *peer); /* frees what it owns */

struct access_gate {
    gid_t group;        /* its members may ask; ACCESS_NO_GID: only the privileged */
    uid_t hacluster;    /* Pacemaker's user; ACCESS_NOBODY if there is none */
    uid_t overflow_uid; /* what the kernel says for users it cannot name in our namespace */
};

enum access_verdict {
    ACCESS_PRIVILEGED, /* uid 0 or hacluster: may do all, and has a reserve of connections */
    ACCESS_MEMBER,     /* of the group, and there are no rules */
    ACCESS_RULE_ALLOWS,
    ACCESS_NOT_MEMBER,
    ACCESS_OVERFLOW_UID,
    ACCESS_RULE_DENIES,
    ACCESS_NO_RULE,       /* none matches */
    ACCESS_NAMES_PENDING, /* the rules name users or groups that the name service has not told yet */
};
#define ACCESS_VERDICT_COUNT (ACCESS_NAMES_PENDING + 1)

/* `rule` may be NULL; else it receives what decided, in words for a log line (a constant, not to be freed).
 */
enum access_verdict access_gate(const struct access_peer *peer, const struct access_gate *gate,
                                const char **rule);
bool access_allows(enum access_verdict verdict);

/* "privileged" "member" "rule" "not-member" "overflow-uid" "by-rule" "no-rule" "names-pending" */
const char *access_verdict_name(enum access_verdict verdict);

/* ---- the rules ---- */

struct access_policy {
    struct access_gate gate;
    bool enable_acl;
    const struct access_rules *rules; /* borrowed; NULL only without enable_acl */
};

/* A peer, and the rules that are about it, in their order: the user's own, then those of its groups. */
struct access_subject {
    const struct access_policy *policy;
    enum access_verdict gate;
    const char *gate_words;
    const struct access_rule **rules; /* owned */
    size_t rule_count;
    bool pending, failed; /* names are not known yet; no memory: either way nothing is allowed */
};
/* Borrows policy and peer for as long as it is used. */
void access_subject_init(struct access_subject *subject, const struct access_policy *policy,
                         const struct access_peer *peer);
void access_subject_clear(struct access_subject *subject);
/* Do rules decide? Else whoever is in may see and do all. */
bool access_subject_is_ruled(const struct access_subject *subject);
/* Is this section about the peer? */
bool access_section_is_about(const struct access_section *section, const struct access_peer *peer);

struct access_decision {
    enum access_verdict verdict;
    const struct access_rule *rule; /* NULL: `words` decided */
    const char *words;
};
/* Whether the peer may do this. */
struct access_decision access_decide(const struct access_subject *subject,
                                     const struct access_question *question);
/* Whether it may see a list of these at all; what it shows of it is asked for each guest. */
struct access_decision access_decide_list(const struct access_subject *subject, enum access_what what);

#define ACCESS_WORDS_MAX 256
/* What decided, in one line: "rule = write guest:web* ([role operator], line 14)"; a rule that is too long
 * ends in "...". Returns `out`. */
const char *access_decision_words(const struct access_decision *decision, char out[static ACCESS_WORDS_MAX]);
