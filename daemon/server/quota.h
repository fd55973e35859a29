/*
 * How many connections there may be: in all, per uid, and a reserve that only the privileged (uid 0 and
 * hacluster) may use, so that no flood by others keeps Pacemaker out. Counts; knows no sockets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct quota;

struct quota_limits {
    unsigned total;   /* connections in all */
    unsigned per_uid; /* of one unprivileged uid */
    unsigned reserve; /* of the total, for the privileged alone */
};

enum quota_verdict { QUOTA_TAKEN, QUOTA_TOTAL, QUOTA_PER_UID, QUOTA_NO_MEMORY };

struct quota *quota_new(const struct quota_limits *limits); /* NULL if memory ran out */
void quota_free(struct quota *quota);                       /* NULL is fine */
/* Only QUOTA_TAKEN took one; give it back with quota_give(), with the same uid and privilege. */
enum quota_verdict quota_take(struct quota *quota, uid_t uid, bool privileged);
void quota_give(struct quota *quota, uid_t uid, bool privileged);
unsigned quota_used(const struct quota *quota);
