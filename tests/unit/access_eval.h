/*
 * Tables of verdicts as data: tests/data/access/NAME.eval. A configuration up to a line "---", then who there
 * is, then questions with the verdict and what decides it:
 *
 *   group dbas 2001                     a group of the system; not named here: it does not exist
 *   user bob 1001 1001 990,2001         uid, primary and other groups
 *   guest 101 web1 pool=nfs tags=a;b alias=node1
 *   bob off 101 = yes rule = write guest:web* ([role operator], line 4)
 *   bob list guests = no no rule matches
 *
 * A question is ACTION VMID (off, on, reboot, rehearse, read, history: of an operation on it), "list WHAT",
 * or a WHAT alone. Reads with words of its own: what is tested is not the reader.
 */
#pragma once

#include "policy/access.h"
#include "policy/access_lint.h"
#include "system/cleanup.h"
#include "system/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EVAL_MAX   64 /* of each kind in one table */
#define EVAL_GROUP 990
#define EVAL_HEAD                                                                                            \
    "[proxmox]\nendpoint = pve\ntoken-id = fence@pve!broker\nsecret-file = /s\npool = nfs\npool = other\n" /* 6 lines */
#define EVAL_HEAD_LINES 6

struct eval {
    struct config *config;
    struct access_rules *rules;
    struct access_policy policy;
    struct {
        char name[32];
        struct access_peer peer;
    } users[EVAL_MAX];
    struct {
        char name[32];
        gid_t gid;
    } groups[EVAL_MAX];
    struct {
        char vmid[16], name[64], pool[32], tags[64], alias[64], *aliases[1];
        struct access_guest guest;
    } guests[EVAL_MAX];
    size_t user_count, group_count, guest_count;
};

static inline void eval_group(struct eval *eval, const char *line)
{
    assert_true(eval->group_count < EVAL_MAX);
    assert_int_equal(sscanf(line, "group %31s %u", eval->groups[eval->group_count].name,
                            &eval->groups[eval->group_count].gid),
                     2);
    eval->group_count++;
}

static inline void eval_user(struct eval *eval, const char *line)
{
    char groups[256] = "", *rest = groups, *word;
    struct access_peer *peer = &eval->users[eval->user_count].peer;

    assert_true(eval->user_count < EVAL_MAX);
    assert_true(sscanf(line, "user %31s %u %u %255s", eval->users[eval->user_count].name, &peer->uid,
                       &peer->gid, groups) >= 3);
    peer->groups = calloc(EVAL_MAX, sizeof(gid_t));
    while ((word = strsep(&rest, ",")) && *word)
        peer->groups[peer->group_count++] = (gid_t)strtoul(word, NULL, 10);
    eval->user_count++;
}

static inline void eval_guest(struct eval *eval, const char *line)
{
    _cleanup_(freep) char *copy = strdup(line);
    char *rest = copy, *word;
    size_t n = eval->guest_count++;
    struct access_guest *guest = &eval->guests[n].guest;

    assert_true(n < EVAL_MAX);
    strsep(&rest, " ");
    snprintf(eval->guests[n].vmid, 16, "%s", strsep(&rest, " "));
    guest->vmid = eval->guests[n].vmid;
    while ((word = strsep(&rest, " "))) {
        if (strncmp(word, "pool=", 5) == 0)
            guest->pool = strcpy(eval->guests[n].pool, word + 5);
        else if (strncmp(word, "tags=", 5) == 0)
            guest->tags = strcpy(eval->guests[n].tags, word + 5);
        else if (strncmp(word, "alias=", 6) == 0) {
            eval->guests[n].aliases[0] = strcpy(eval->guests[n].alias, word + 6);
            guest->aliases = eval->guests[n].aliases;
            guest->alias_count = 1;
        } else if (*word)
            guest->name = strcpy(eval->guests[n].name, word);
    }
}

/* The system's users and groups, before the first question. */
static inline void eval_resolve(struct eval *eval)
{
    struct access_rules *rules = eval->rules;

    for (size_t i = 0; i < rules->user_count; i++) {
        access_rules_set_user(rules, i, ACCESS_NAME_UNKNOWN, 0);
        for (size_t k = 0; k < eval->user_count; k++)
            if (strcmp(eval->users[k].name, rules->users[i].config->name) == 0)
                access_rules_set_user(rules, i, ACCESS_NAME_KNOWN, eval->users[k].peer.uid);
    }
    for (size_t i = 0; i < rules->group_count; i++) {
        access_rules_set_group(rules, i, ACCESS_NAME_UNKNOWN, 0);
        for (size_t k = 0; k < eval->group_count; k++)
            if (strcmp(eval->groups[k].name, rules->groups[i].config->name) == 0)
                access_rules_set_group(rules, i, ACCESS_NAME_KNOWN, eval->groups[k].gid);
    }
}

static inline const struct access_guest *eval_find_guest(const struct eval *eval, const char *vmid)
{
    for (size_t i = 0; i < eval->guest_count; i++)
        if (strcmp(eval->guests[i].vmid, vmid) == 0)
            return &eval->guests[i].guest;
    fail_msg("no guest %s in the table", vmid);
    return NULL;
}

/* "off 101", "list guests", "status" */
static inline struct access_decision eval_decide(const struct eval *eval, const struct access_peer *peer,
                                                 const char *ask, const char *about)
{
    struct access_question question = {ACCESS_READ, ACCESS_WHAT_GUESTS, ACCESS_ACTION_NONE, NULL};
    struct access_subject subject;
    struct access_decision decision;
    enum access_what what;

    access_subject_init(&subject, &eval->policy, peer);
    if (strcmp(ask, "list") == 0) {
        assert_true(access_what_from_name(about, &what));
        decision = access_decide_list(&subject, what);
    } else {
        if (*about)
            question.guest = eval_find_guest(eval, about);
        if (strcmp(ask, "history") == 0)
            question.what = ACCESS_WHAT_OPERATIONS;
        else if (strcmp(ask, "oneself") == 0)
            question.what = ACCESS_WHAT_ONESELF;
        else if (access_action_from_name(ask, &question.action))
            question.right = ACCESS_WRITE;
        else if (strcmp(ask, "read") != 0)
            assert_true(access_what_from_name(ask, &question.what));
        decision = access_decide(&subject, &question);
    }
    access_subject_clear(&subject);
    return decision;
}

static inline void eval_question(const struct eval *eval, const char *file, size_t number, const char *line)
{
    char user[32], ask[32], about[32] = "", verdict[8], words[ACCESS_WORDS_MAX];
    const char *equals = strstr(line, " = "), *expected;
    const struct access_peer *peer = NULL;

    if (!equals || sscanf(line, "%31s %31s %31[^= ]", user, ask, about) < 2 ||
        sscanf(equals, " = %7s", verdict) != 1)
        fail_msg("%s:%zu: is no question: %s", file, number, line);
    expected = equals + 3 + strlen(verdict);
    expected += strspn(expected, " ");
    for (size_t i = 0; i < eval->user_count; i++)
        if (strcmp(eval->users[i].name, user) == 0)
            peer = &eval->users[i].peer;
    if (!peer)
        fail_msg("%s:%zu: there is no user %s in the table", file, number, user);
    struct access_decision decision = eval_decide(eval, peer, ask, about);
    access_decision_words(&decision, words);
    if (strcmp(verdict, access_allows(decision.verdict) ? "yes" : "no") != 0 || strcmp(expected, words) != 0)
        fail_msg("%s:%zu: %s\n    is: %s %s", file, number, line,
                 access_allows(decision.verdict) ? "yes" : "no", words);
}

static inline void eval_free(struct eval *eval)
{
    for (size_t i = 0; i < eval->user_count; i++)
        access_peer_clear(&eval->users[i].peer);
    access_rules_free(eval->rules);
    config_free(eval->config);
    free(eval);
}

/* The configuration part: its lines count from the file's first line, behind a head that all tables share. */
static inline void eval_configure(struct eval *eval, const char *file, const char *text, size_t length)
{
    _cleanup_(text_clear) struct text whole = {0};
    struct error error = {0};

    text_puts(&whole, EVAL_HEAD);
    text_append(&whole, text, length);
    eval->config = config_parse(whole.data, whole.length, file, &error);
    if (!eval->config || !(eval->rules = access_rules_new(eval->config, &error)))
        fail_msg("%s", error.message);
    for (size_t i = 0; i < eval->rules->count; i++)
        eval->rules->all[i].line -= EVAL_HEAD_LINES;
    eval->policy =
        (struct access_policy){.gate = {.group = EVAL_GROUP, .hacluster = 189, .overflow_uid = 65534},
                               .enable_acl = eval->config->enable_acl,
                               .rules = eval->rules};
}

/* Runs one table; the number of its questions. */
static inline size_t eval_run(const char *file, const char *text)
{
    struct eval *eval = calloc(1, sizeof(*eval));
    const char *split = strstr(text, "\n---\n");
    size_t number = 1, questions = 0;

    assert_non_null(eval);
    assert_non_null(split);
    eval_configure(eval, file, text, (size_t)(split + 1 - text));
    for (const char *c = text; c < split + 5; c++)
        number += *c == '\n';
    for (const char *start = split + 5, *end; *start; start = end + 1, number++) {
        end = strchr(start, '\n');
        assert_non_null(end);
        _cleanup_(freep) char *line = strndup(start, (size_t)(end - start));

        if (*line == '\0' || *line == '#')
            continue;
        if (strncmp(line, "group ", 6) == 0) {
            eval_group(eval, line);
        } else if (strncmp(line, "user ", 5) == 0) {
            eval_user(eval, line);
        } else if (strncmp(line, "guest ", 6) == 0) {
            eval_guest(eval, line);
        } else {
            if (questions++ == 0)
                eval_resolve(eval);
            eval_question(eval, file, number, line);
        }
    }
    eval_free(eval);
    return questions;
}
