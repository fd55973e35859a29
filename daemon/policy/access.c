/*
 * The gate at the socket: uid 0, hacluster and the members of one group. The file mode of the socket says the
 * same first; this is the second lock on the door, and the one that still holds when somebody has changed the
 * mode. Refuses to know names: it compares numbers.
 */
#include "policy/access.h"

#include "system/cleanup.h"

void access_peer_clear(struct access_peer *peer)
{
    free(peer->groups);
    peer->groups = NULL;
    peer->group_count = 0;
}

bool access_peer_in_group(const struct access_peer *peer, gid_t group)
{
    if (group == ACCESS_NO_GID)
        return false;
    if (peer->gid == group)
        return true;
    for (size_t i = 0; i < peer->group_count; i++) {
        if (peer->groups[i] == group)
            return true;
    }
    return false;
}

static enum access_verdict decide(const char **rule, enum access_verdict verdict, const char *text)
{
    if (rule)
        *rule = text;
    return verdict;
}

enum access_verdict access_gate(const struct access_peer *peer, const struct access_gate *gate,
                                const char **rule)
{
    if (peer->uid == 0)
        return decide(rule, ACCESS_PRIVILEGED, "uid 0 may do all");
    /* Before hacluster and the group: every user of a foreign namespace looks like this one. */
    if (peer->uid == gate->overflow_uid || peer->uid == ACCESS_NOBODY)
        return decide(rule, ACCESS_OVERFLOW_UID, "the overflow uid stands for anybody and is refused");
    if (gate->hacluster != ACCESS_NOBODY && peer->uid == gate->hacluster)
        return decide(rule, ACCESS_PRIVILEGED, "hacluster may do all");
    if (access_peer_in_group(peer, gate->group))
        return decide(rule, ACCESS_MEMBER, "members of the socket's group may do all (enable-acl = no)");
    return decide(rule, ACCESS_NOT_MEMBER, "not a member of the socket's group");
}

enum access_verdict access_request(const struct access_peer *peer, const struct access_gate *gate,
                                   enum access_right right, enum access_what what, const char *guest,
                                   const char **rule)
{
    (void)right;
    (void)what;
    (void)guest;
    return access_gate(peer, gate, rule);
}

bool access_allows(enum access_verdict verdict)
{
    return verdict == ACCESS_PRIVILEGED || verdict == ACCESS_MEMBER;
}

const char *access_verdict_name(enum access_verdict verdict)
{
    switch (verdict) {
    case ACCESS_PRIVILEGED:
        return "privileged";
    case ACCESS_MEMBER:
        return "member";
    case ACCESS_NOT_MEMBER:
        return "not-member";
    case ACCESS_OVERFLOW_UID:
        return "overflow-uid";
    }
    return "unknown";
}
