/*
 * What the parts of the judgement share: privileges_judge.c finds, privileges_words.c says it.
 */
#pragma once

#include "policy/privileges.h"

/* A finding in the making. */
struct privileges_case {
    enum privileges_kind kind;
    const char *path;
    const char **privileges; /* alphabetical */
    size_t count;
    enum {
        CASE_EVERYWHERE,     /* excess on / */
        CASE_OWN_POOL,       /* excess on a configured pool */
        CASE_OWN_GUEST,      /* excess on a guest of one */
        CASE_OTHER_POOL,     /* excess on a pool that is not configured */
        CASE_OTHER_GUEST,    /* excess on a guest of no configured pool, granted there */
        CASE_GUESTS_BY_POOL, /* the same by way of a pool that is not listed: a nested one */
        CASE_ELSEWHERE,      /* excess on anything else */
        CASE_POOL_LACKS,     /* missing on a pool, or on all its guests */
        CASE_NO_HA_STATUS,   /* missing on / */
        CASE_GUESTS_LACK,    /* missing on some guests, or in spite of the pool's grant */
        CASE_NO_POOL_AUDIT,  /* hint */
        CASE_MONITOR,        /* hint */
    } what;
    const char *pool;         /* the configured one that it is about */
    struct json_object *held; /* all that is listed for the path; NULL: nothing */
    const int *vmids;         /* of the guests that it is about */
    size_t vmid_count;
};

/* Message and mending line for it. False: no memory. */
bool privileges_describe(const struct privileges_case *found, const struct privileges_scope *scope,
                         struct privileges_finding *finding);
