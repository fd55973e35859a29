/*
 * Who may ask: plain attributes of a peer in, the verdict and the deciding rule out. Pure: no name service,
 * no socket, no log. Users and groups were resolved to numbers when the configuration was loaded.
 *
 * This version has the gate only: whoever passes it may do all. Rules per user and guest (enable-acl) will
 * stand behind it, at access_request(), and never widen it.
 */
#pragma once

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
    ACCESS_MEMBER,
    ACCESS_NOT_MEMBER,
    ACCESS_OVERFLOW_UID,
};
#define ACCESS_VERDICT_COUNT (ACCESS_OVERFLOW_UID + 1)

/* `rule` may be NULL; else it receives what decided, in words for a log line (a constant, not to be freed).
 */
enum access_verdict access_gate(const struct access_peer *peer, const struct access_gate *gate,
                                const char **rule);
bool access_allows(enum access_verdict verdict);
bool access_peer_in_group(const struct access_peer *peer, gid_t group);

const char *
access_verdict_name(enum access_verdict verdict); /* "privileged" "member" "not-member" "overflow-uid" */

enum access_right { ACCESS_READ, ACCESS_WRITE };
enum access_what {
    ACCESS_WHAT_GUESTS,
    ACCESS_WHAT_OPERATIONS,
    ACCESS_WHAT_STATUS,
    ACCESS_WHAT_PRIVILEGES,
    ACCESS_WHAT_METRICS,
};
/* The one question a route asks before its handler runs. `guest` is the plug as asked, NULL if the request
 * has none. */
enum access_verdict access_request(const struct access_peer *peer, const struct access_gate *gate,
                                   enum access_right right, enum access_what what, const char *guest,
                                   const char **rule);
