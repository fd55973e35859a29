/*
 * The gate at the socket (uid 0, hacluster and the members of one group), and the rules behind it. The file
 * mode of the socket says the first half, too; this is the second lock on the door, and the one that still
 * holds when somebody has changed the mode. Refuses to know names: it compares numbers.
 */
#include "policy/access.h"

#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

void access_peer_clear(struct access_peer *peer)
{
    free(peer->groups);
    peer->groups = NULL;
    peer->group_count = 0;
}

static bool is_in_group(const struct access_peer *peer, gid_t group)
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
    if (is_in_group(peer, gate->group))
        return decide(rule, ACCESS_MEMBER, "a member of the socket's group");
    return decide(rule, ACCESS_NOT_MEMBER, "not a member of the socket's group");
}

bool access_allows(enum access_verdict verdict)
{
    return verdict == ACCESS_PRIVILEGED || verdict == ACCESS_MEMBER || verdict == ACCESS_RULE_ALLOWS;
}

const char *access_verdict_name(enum access_verdict verdict)
{
    switch (verdict) {
    case ACCESS_PRIVILEGED:
        return "privileged";
    case ACCESS_MEMBER:
        return "member";
    case ACCESS_RULE_ALLOWS:
        return "rule";
    case ACCESS_NOT_MEMBER:
        return "not-member";
    case ACCESS_OVERFLOW_UID:
        return "overflow-uid";
    case ACCESS_RULE_DENIES:
        return "by-rule";
    case ACCESS_NO_RULE:
        return "no-rule";
    case ACCESS_NAMES_PENDING:
        return "names-pending";
    }
    return "unknown";
}

/* ---- the rules behind the gate ---- */

bool access_section_is_about(const struct access_section *section, const struct access_peer *peer)
{
    if (section->state != ACCESS_NAME_KNOWN)
        return false;
    return section->config->kind == CONFIG_ACCESS_USER ? peer->uid == (uid_t)section->id
                                                       : is_in_group(peer, (gid_t)section->id);
}

static void add_rules(struct access_subject *subject, const struct access_section *sections, size_t count,
                      const struct access_peer *peer)
{
    for (size_t i = 0; i < count && !subject->failed; i++) {
        const struct access_section *section = &sections[i];
        const struct access_rule **grown;

        if (section->rule_count == 0 || !access_section_is_about(section, peer))
            continue;
        grown = reallocarray(subject->rules, subject->rule_count + section->rule_count, sizeof(*grown));
        if (!grown) {
            subject->failed = true; /* one rule less may be one "deny" less */
            return;
        }
        memcpy(grown + subject->rule_count, section->rules, section->rule_count * sizeof(*grown));
        subject->rules = grown;
        subject->rule_count += section->rule_count;
    }
}

void access_subject_init(struct access_subject *subject, const struct access_policy *policy,
                         const struct access_peer *peer)
{
    *subject = (struct access_subject){.policy = policy};
    subject->gate = access_gate(peer, &policy->gate, &subject->gate_words);
    if (!access_subject_is_ruled(subject))
        return;
    if (!policy->rules) {
        subject->failed = true;
        return;
    }
    subject->pending = policy->rules->pending > 0;
    add_rules(subject, policy->rules->users, policy->rules->user_count, peer);
    add_rules(subject, policy->rules->groups, policy->rules->group_count, peer);
}

void access_subject_clear(struct access_subject *subject)
{
    free(subject->rules);
    subject->rules = NULL;
    subject->rule_count = 0;
}

bool access_subject_is_ruled(const struct access_subject *subject)
{
    return subject->gate == ACCESS_MEMBER && subject->policy->enable_acl;
}

/* Where no rule is asked. */
static bool decide_without_rules(const struct access_subject *subject, enum access_what what,
                                 struct access_decision *decision)
{
    *decision = (struct access_decision){.verdict = subject->gate, .words = subject->gate_words};
    if (!access_subject_is_ruled(subject))
        return true;
    if (what == ACCESS_WHAT_ONESELF) {
        decision->words = "everybody who may use the socket may ask about themselves";
        return true;
    }
    if (subject->failed) {
        *decision = (struct access_decision){.verdict = ACCESS_NO_RULE, .words = "no memory for the rules"};
        return true;
    }
    if (subject->pending) {
        *decision = (struct access_decision){
            .verdict = ACCESS_NAMES_PENDING,
            .words = "the name service has not yet looked up the users and groups of the rules"};
        return true;
    }
    *decision = (struct access_decision){.verdict = ACCESS_NO_RULE, .words = "no rule matches"};
    return false;
}

struct access_decision access_decide(const struct access_subject *subject,
                                     const struct access_question *question)
{
    struct access_decision decision;

    if (decide_without_rules(subject, question->what, &decision))
        return decision;
    for (size_t i = 0; i < subject->rule_count; i++) {
        const struct access_rule *rule = subject->rules[i];
        enum access_match match = access_rule_match(rule, question);
        bool granted = match == ACCESS_MATCH_YES && access_rule_grants(rule, question->right);

        if (match == ACCESS_MATCH_NO)
            continue;
        decision.verdict = granted ? ACCESS_RULE_ALLOWS : ACCESS_RULE_DENIES;
        decision.rule = rule;
        return decision;
    }
    return decision;
}

struct access_decision access_decide_list(const struct access_subject *subject, enum access_what what)
{
    const struct access_question everything = {ACCESS_READ, what, ACCESS_ACTION_NONE, NULL};
    struct access_decision decision;

    if (decide_without_rules(subject, what, &decision))
        return decision;
    for (size_t i = 0; i < subject->rule_count; i++) {
        const struct access_rule *rule = subject->rules[i];
        bool granted = access_rule_grants(rule, ACCESS_READ);
        bool about = rule->whats & 1U << what;

        /* a "deny" for some guests leaves the others to the rules that follow */
        if (!about || (!granted && access_rule_match(rule, &everything) == ACCESS_MATCH_NO))
            continue;
        decision.verdict = granted ? ACCESS_RULE_ALLOWS : ACCESS_RULE_DENIES;
        decision.rule = rule;
        return decision;
    }
    return decision;
}

/* ---- words ---- */

const char *access_decision_words(const struct access_decision *decision, char out[static ACCESS_WORDS_MAX])
{
    static const char dots[] = "...";
    const struct access_rule *rule = decision->rule;
    char place[ACCESS_WORDS_MAX / 2];
    size_t room, length;

    if (!rule) {
        snprintf(out, ACCESS_WORDS_MAX, "%s", decision->words ? decision->words : "");
        return out;
    }
    if (rule->line == CONFIG_ACCESS_PREDEFINED)
        snprintf(place, sizeof(place), " (the predefined role %.80s)", rule->owner->name);
    else
        snprintf(place, sizeof(place), " ([%s %.80s], line %zu)", config_access_kind_name(rule->owner->kind),
                 rule->owner->name, rule->line);
    room = ACCESS_WORDS_MAX - 1 - strlen("rule = ") - strlen(place);
    length = strlen(rule->text);
    if (length > room) {
        room -= strlen(dots);
        while (room > 0 && ((unsigned char)rule->text[room] & 0xc0) == 0x80) /* never half a character */
            room--;
        length = room;
    }
    snprintf(out, ACCESS_WORDS_MAX, "rule = %.*s%s%s", (int)length, rule->text,
             rule->text[length] ? dots : "", place);
    return out;
}
