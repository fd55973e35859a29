/*
 * Counters per uid in a hash, and two sums. An entry lives only as long as its uid has a connection, so the
 * table is bounded by the total.
 */
#include "server/quota.h"

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct quota_entry {
    uid_t uid;
    unsigned used;
    UT_hash_handle hh;
};

struct quota {
    struct quota_limits limits;
    unsigned used;              /* in all */
    unsigned used_unprivileged; /* of these */
    struct quota_entry *entries;
};

struct quota *quota_new(const struct quota_limits *limits)
{
    struct quota *quota = calloc(1, sizeof(*quota));

    if (quota)
        quota->limits = *limits;
    return quota;
}

void quota_free(struct quota *quota)
{
    struct quota_entry *entry, *next;

    if (!quota)
        return;
    HASH_ITER (hh, quota->entries, entry, next) {
        HASH_DEL(quota->entries, entry);
        free(entry);
    }
    free(quota);
}

static struct quota_entry *find(const struct quota *quota, uid_t uid)
{
    struct quota_entry *entry;

    HASH_FIND(hh, quota->entries, &uid, sizeof(uid), entry);
    return entry;
}

static struct quota_entry *add(struct quota *quota, uid_t uid)
{
    struct quota_entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return NULL;
    entry->uid = uid;
    HASH_ADD(hh, quota->entries, uid, sizeof(uid), entry);
    if (entry->hh.tbl)
        return entry;
    free(entry); /* the table could not grow */
    return NULL;
}

enum quota_verdict quota_take(struct quota *quota, uid_t uid, bool privileged)
{
    if (quota->used >= quota->limits.total)
        return QUOTA_TOTAL;
    if (!privileged) {
        struct quota_entry *entry = find(quota, uid);

        if (quota->used_unprivileged + quota->limits.reserve >= quota->limits.total)
            return QUOTA_TOTAL;
        if (entry && entry->used >= quota->limits.per_uid)
            return QUOTA_PER_UID;
        if (!entry && !(entry = add(quota, uid)))
            return QUOTA_NO_MEMORY;
        entry->used++;
        quota->used_unprivileged++;
    }
    quota->used++;
    return QUOTA_TAKEN;
}

void quota_give(struct quota *quota, uid_t uid, bool privileged)
{
    quota->used--;
    if (privileged)
        return;

    struct quota_entry *entry = find(quota, uid);
    quota->used_unprivileged--;
    if (entry && --entry->used == 0) {
        HASH_DEL(quota->entries, entry);
        free(entry);
    }
}

unsigned quota_used(const struct quota *quota)
{
    return quota->used;
}
