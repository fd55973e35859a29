/*
 * Rules asked offline. The file does not know all about a guest: where a rule depends on what is not known,
 * it says so instead of guessing. Asks the name service, and waits for it: this is a command, not the daemon.
 */
#include "admin/can.h"

#include "system/cleanup.h"
#include "system/text.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define CAN_YES  0
#define CAN_OPEN 1
#define CAN_NO   2
#define USAGE                                                                                                \
    "usage: fence-broker-admin check --can USER ACTION PLUG [name=N] [vmid=N] [pool=P] [tag=T ...]\n"
#define HINT "ACTION is off, on, reboot, rehearse or read\n"

struct can {
    const struct config *config;
    const char *user, *ask, *plug;
    struct access_peer peer;
    struct access_guest guest;
    struct text tags;
    struct access_question question;
};

static bool is_digits(const char *text)
{
    return *text && !text[strspn(text, "0123456789")];
}

/* ---- who ---- */

static bool read_groups(struct can *can, gid_t gid)
{
    int count = 64;

    for (;;) {
        gid_t *groups = reallocarray(can->peer.groups, (size_t)count, sizeof(*groups));
        int had = count;

        if (!groups)
            return false;
        can->peer.groups = groups;
        if (getgrouplist(can->user, gid, groups, &count) >= 0)
            break;
        if (count <= had) /* it does not say how many there are */
            count = had * 2;
    }
    can->peer.group_count = (size_t)count;
    return true;
}

static bool read_user(struct can *can)
{
    errno = 0;
    const struct passwd *user = getpwnam(can->user);
    if (!user) {
        fprintf(stderr, "fence-broker-admin: user %s does not exist on this machine%s%s; see getent passwd\n",
                can->user, errno ? ": " : "", errno ? strerror(errno) : "");
        return false;
    }
    can->peer.uid = user->pw_uid;
    can->peer.gid = user->pw_gid;
    return read_groups(can, user->pw_gid);
}

/* ---- what ---- */

/* The plug, as the daemon reads it: an alias, a VMID, or a name. */
static void read_plug(struct can *can)
{
    const char *target = can->plug;
    struct access_guest *guest = &can->guest;

    *guest = (struct access_guest){
        .vmid_unknown = true, .name_unknown = true, .pool_unknown = true, .tags_unknown = true};
    for (size_t i = 0; i < can->config->alias_count; i++) {
        const struct config_alias *alias = &can->config->aliases[i];

        if (strcasecmp(alias->node, can->plug) == 0)
            target = alias->target;
    }
    for (size_t i = 0; i < can->config->alias_count; i++) {
        const struct config_alias *alias = &can->config->aliases[i];

        /* one is enough: the others of the same guest would have to be known by name and VMID */
        if (strcasecmp(alias->target, target) == 0 &&
            (target == can->plug || strcasecmp(alias->node, can->plug) == 0)) {
            guest->aliases = &alias->node;
            guest->alias_count = 1;
            break;
        }
    }
    if (is_digits(target)) {
        guest->vmid = target;
        guest->vmid_unknown = false;
    } else {
        guest->name = target;
        guest->name_unknown = false;
    }
    if (can->config->pool_count == 1) {
        guest->pool = can->config->pools[0];
        guest->pool_unknown = false;
    }
}

static bool read_attribute(struct can *can, const char *argument)
{
    struct access_guest *guest = &can->guest;
    const char *value = strchr(argument, '=');

    if (value && strncmp(argument, "name=", 5) == 0) {
        guest->name = value + 1;
        guest->name_unknown = false;
    } else if (value && strncmp(argument, "vmid=", 5) == 0 && is_digits(value + 1)) {
        guest->vmid = value + 1;
        guest->vmid_unknown = false;
    } else if (value && strncmp(argument, "pool=", 5) == 0) {
        guest->pool = value[1] ? value + 1 : NULL;
        guest->pool_unknown = false;
    } else if (value && strncmp(argument, "tag=", 4) == 0) {
        text_printf(&can->tags, "%s;", value + 1);
        guest->tags = can->tags.data;
        guest->tags_unknown = false;
    } else {
        fprintf(stderr, "fence-broker-admin: %s says nothing about a guest\n" USAGE, argument);
        return false;
    }
    return true;
}

static bool read_arguments(struct can *can, char *const *arguments)
{
    size_t count = 0;

    while (arguments[count])
        count++;
    if (count < 3) {
        fputs(USAGE HINT, stderr);
        return false;
    }
    can->user = arguments[0];
    can->ask = arguments[1];
    can->plug = arguments[2];
    can->question =
        (struct access_question){ACCESS_WRITE, ACCESS_WHAT_GUESTS, ACCESS_ACTION_NONE, &can->guest};
    if (strcmp(can->ask, "read") == 0) {
        can->question.right = ACCESS_READ;
    } else if (!access_action_from_name(can->ask, &can->question.action)) {
        fprintf(stderr, "fence-broker-admin: %s is not an action of the rules; " HINT, can->ask);
        return false;
    }
    read_plug(can);
    for (size_t i = 3; i < count; i++)
        if (!read_attribute(can, arguments[i]))
            return false;
    return !can->tags.failed;
}

/* ---- the verdict ---- */

/* The first rule that matches for certain, or the end: `open` are those before it that may match and would
 * decide otherwise. */
static const struct access_rule *find_open(const struct access_subject *subject,
                                           const struct access_question *question,
                                           struct access_decision *decision)
{
    const struct access_rule *open[2] = {NULL, NULL}; /* that would deny, that would allow */

    *decision = (struct access_decision){.verdict = ACCESS_NO_RULE, .words = "no rule matches"};
    for (size_t i = 0; i < subject->rule_count; i++) {
        const struct access_rule *rule = subject->rules[i];
        enum access_match match = access_rule_match(rule, question);
        bool granted = access_rule_grants(rule, question->right);

        if (match == ACCESS_MATCH_UNKNOWN && !open[granted])
            open[granted] = rule;
        if (match != ACCESS_MATCH_YES)
            continue;
        decision->verdict = granted ? ACCESS_RULE_ALLOWS : ACCESS_RULE_DENIES;
        decision->rule = rule;
        break;
    }
    return open[!access_allows(decision->verdict)];
}

static void put_who(const struct can *can)
{
    printf("uid %lu (%s)", (unsigned long)can->peer.uid, can->user);
}

static int decide(const struct can *can, const struct access_policy *policy)
{
    struct access_subject subject;
    struct access_decision decision;
    const struct access_rule *open = NULL;
    char words[ACCESS_WORDS_MAX], other[ACCESS_WORDS_MAX];

    access_subject_init(&subject, policy, &can->peer);
    if (access_subject_is_ruled(&subject) && !subject.pending && !subject.failed)
        open = find_open(&subject, &can->question, &decision);
    else
        decision = access_decide(&subject, &can->question);
    access_subject_clear(&subject);
    access_decision_words(&decision, words);
    if (open) {
        const struct access_decision maybe = {.rule = open};

        printf("open: whether ");
        put_who(can);
        printf(" may %s %s depends on what the file does not say: if it matches, %s decides; else %s\n",
               can->ask, can->plug, access_decision_words(&maybe, other), words);
        printf("hint: add name=, vmid=, pool= or tag= of the guest, or ask the running daemon: fence_broker "
               "can\n");
        return CAN_OPEN;
    }
    printf(access_allows(decision.verdict) ? "yes: " : "no: ");
    put_who(can);
    printf(access_allows(decision.verdict) ? " may %s %s: %s\n" : " may not %s %s: %s\n", can->ask, can->plug,
           words);
    return access_allows(decision.verdict) ? CAN_YES : CAN_NO;
}

int can_run(const struct config *config, const struct access_policy *policy, char *const *arguments)
{
    struct can can = {.config = config};
    int result = CAN_OPEN;

    if (read_arguments(&can, arguments) && read_user(&can))
        result = decide(&can, policy);
    text_clear(&can.tags);
    access_peer_clear(&can.peer);
    return result;
}
