/* Pacemaker's access rules are translated anew, and asked the same questions as ours: for everybody whom
 * either names, and each node. Where ours depend on what is not known here (a tag, say), nothing is said. */
#include "admin/cluster_access.h"

#include "admin/acl.h"
#include "admin/cib.h"
#include "admin/heap.h"
#include "admin/plugs.h"
#include "settings.h"
#include "system/cleanup.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define USERS_MOST  1000 /* that are compared */
#define SHOWN_MOST  6    /* differences that are named */
#define GROUPS_MOST 256  /* of one user */
#define EXPECTED    "the access rules of Pacemaker"
/* what any configuration has; nothing of it counts here */
#define HEAD "[proxmox]\nendpoint = localhost\ntoken-id = fence@pve!broker\nsecret-file = /\npool = any\n"

struct comparison {
    struct diagnosis *report;
    const struct cib *cib;
    struct config *expected;     /* owned */
    struct access_rules *theirs; /* owned, of expected */
    struct settings *settings;   /* owned: ours */
    const char **users;
    size_t user_count;
    struct plugs plugs;
    struct text wider, narrower;
    size_t wider_count, narrower_count, unknown;
};

static void say(struct diagnosis *report, enum diagnosis_level level, const char *text)
{
    diagnosis_add(report, DIAGNOSIS_CLUSTER, level, DIAGNOSIS_AGE_NONE, "%s", text);
}

/* ---- whom it is about ---- */

static void add_user(struct comparison *comparison, const char *name)
{
    for (size_t i = 0; i < comparison->user_count; i++)
        if (strcmp(comparison->users[i], name) == 0)
            return;
    if (comparison->user_count < USERS_MOST)
        *heap_add(comparison->users, comparison->user_count) = heap_copy(name);
}

static void add_users(struct comparison *comparison, const struct config *config)
{
    for (size_t i = 0; i < config->access_count; i++) {
        const struct config_access_section *section = &config->access[i];
        const struct group *group = section->kind == CONFIG_ACCESS_GROUP ? getgrnam(section->name) : NULL;
        if (section->kind == CONFIG_ACCESS_USER)
            add_user(comparison, section->name);
        for (char *const *member = group ? group->gr_mem : NULL; member && *member; member++)
            add_user(comparison, *member);
    }
}

static void resolve(struct access_rules *rules)
{
    for (size_t i = 0; i < rules->user_count; i++) {
        const struct passwd *user = getpwnam(rules->users[i].config->name);
        access_rules_set_user(rules, i, user ? ACCESS_NAME_KNOWN : ACCESS_NAME_UNKNOWN,
                              user ? user->pw_uid : ACCESS_NOBODY);
    }
    for (size_t i = 0; i < rules->group_count; i++) {
        const struct group *group = getgrnam(rules->groups[i].config->name);
        access_rules_set_group(rules, i, group ? ACCESS_NAME_KNOWN : ACCESS_NAME_UNKNOWN,
                               group ? group->gr_gid : ACCESS_NO_GID);
    }
}

/* False: there is no such user, who can ask nothing. */
static bool make_peer(const char *name, struct access_peer *peer)
{
    const struct passwd *user = getpwnam(name);
    int count = GROUPS_MOST;
    *peer = (struct access_peer){.uid = ACCESS_NOBODY};
    if (!user)
        return false;
    peer->uid = user->pw_uid;
    peer->gid = user->pw_gid;
    peer->groups = calloc(GROUPS_MOST, sizeof(*peer->groups));
    if (!peer->groups || getgrouplist(name, peer->gid, peer->groups, &count) < 0)
        return false;
    peer->group_count = (size_t)count;
    return true;
}

/* ---- one question ---- */

/* The rule names a node of the cluster: then it is about that one, whatever another's guest is called. */
static bool names_a_node(const struct cib *cib, const struct access_rule *rule)
{
    for (size_t i = 0; i < rule->spec_count; i++)
        if (rule->specs[i].kind == ACCESS_SPEC_GUEST && cib_node(cib, rule->specs[i].glob))
            return true;
    return false;
}

/* 1, 0; -1: it depends on what is not known here. */
static int by_rules(const struct cib *cib, const struct access_subject *subject,
                    const struct access_question *question)
{
    for (size_t i = 0; i < subject->rule_count; i++) {
        const struct access_rule *rule = subject->rules[i];
        enum access_match match = access_rule_match(rule, question);
        if (match == ACCESS_MATCH_YES)
            return access_rule_grants(rule, question->right);
        if (match == ACCESS_MATCH_UNKNOWN && !names_a_node(cib, rule))
            return -1;
    }
    return 0;
}

static int may(const struct cib *cib, const struct access_policy *policy, const struct access_peer *peer,
               const struct access_guest *guest, bool power)
{
    const struct access_question question = {power ? ACCESS_WRITE : ACCESS_READ, ACCESS_WHAT_GUESTS,
                                             power ? ACCESS_ACTION_OFF : ACCESS_ACTION_NONE, guest};
    struct access_subject subject;
    access_subject_init(&subject, policy, peer);
    int allowed = subject.pending || subject.failed   ? -1
                  : access_subject_is_ruled(&subject) ? by_rules(cib, &subject, &question)
                                                      : access_allows(subject.gate);
    access_subject_clear(&subject);
    return allowed;
}

/* As the broker knows it, or as far as the configuration does. */
static struct access_guest guest_of(const struct comparison *comparison, char **node)
{
    const struct config *config = comparison->settings->config;
    const struct plug *plug = plugs_get(&comparison->plugs, *node);
    struct access_guest guest = {.name_unknown = true,
                                 .vmid_unknown = true,
                                 .pool_unknown = config->pool_count != 1,
                                 .pool = config->pool_count == 1 ? config->pools[0] : NULL,
                                 .tags_unknown = true};
    for (size_t i = 0; i < config->alias_count; i++)
        if (strcasecmp(config->aliases[i].node, *node) == 0) {
            guest.aliases = node;
            guest.alias_count = 1;
            if (config->aliases[i].target[strspn(config->aliases[i].target, "0123456789")] == '\0') {
                guest.vmid = config->aliases[i].target;
                guest.vmid_unknown = false;
            }
        }
    if (!guest.alias_count) { /* then it is found by this name */
        guest.name = *node;
        guest.name_unknown = false;
    }
    if (plug && plug->vmid) {
        guest.vmid = plug->vmid;
        guest.name = plug->guest;
        guest.name_unknown = guest.vmid_unknown = false;
    }
    return guest;
}

static void note(struct text *text, size_t *count, const char *user, const char *what, const char *node)
{
    if ((*count)++ < SHOWN_MOST)
        text_printf(text, "%s%s may %s %s", text->length ? ", " : "", user, what, node);
}

static void compare(struct comparison *comparison, const struct access_policy *theirs, const char *user,
                    const struct access_peer *peer, char *node)
{
    const struct access_guest asked = {.name = node}, ours = guest_of(comparison, &node);
    for (unsigned power = 0; power < 2; power++) {
        int there = may(comparison->cib, theirs, peer, &asked, power),
            here = may(comparison->cib, &comparison->settings->policy, peer, &ours, power);
        const char *what = power ? "power" : "look at";
        comparison->unknown += here < 0;
        if (there == 0 && here == 1)
            note(&comparison->wider, &comparison->wider_count, user, what, node);
        else if (there == 1 && here == 0)
            note(&comparison->narrower, &comparison->narrower_count, user, what, node);
    }
}

/* ---- all of it ---- */

static void report_one(struct comparison *comparison, struct text *text, size_t count, const char *where)
{
    if (count == 0)
        return;
    const char *more = count > SHOWN_MOST ? heap_printf(", and %zu more", count - SHOWN_MOST) : "";
    char *words = heap_printf("the access rules of Pacemaker and of the broker differ: %s only: %s%s", where,
                              heap_text(text), more);
    text_make_printable(words);
    say(comparison->report, DIAGNOSIS_WARNING, words);
    diagnosis_hint(comparison->report, "what they come to, as the broker's rules:");
    diagnosis_paste(comparison->report, "fence-broker-admin acl");
}

static void compare_all(struct comparison *comparison, const struct cib *cib)
{
    comparison->cib = cib;
    const struct settings *settings = comparison->settings;
    struct access_policy theirs = {settings->policy.gate, true, comparison->theirs};
    if (!settings->policy.enable_acl) {
        say(comparison->report, DIAGNOSIS_WARNING,
            "Pacemaker has access rules in force (enable-acl), and the broker has none: every member of its "
            "group may power every guest");
        diagnosis_hint(comparison->report, "the same rules for the broker's configuration:");
        diagnosis_paste(comparison->report, "fence-broker-admin acl");
        return;
    }
    for (size_t u = 0; u < comparison->user_count; u++) {
        struct access_peer peer;
        if (make_peer(comparison->users[u], &peer))
            for (size_t n = 0; n < cib->node_count; n++)
                compare(comparison, &theirs, comparison->users[u], &peer,
                        (char *)(uintptr_t)cib->nodes[n].name);
        access_peer_clear(&peer);
    }
    report_one(comparison, &comparison->wider, comparison->wider_count, "here");
    report_one(comparison, &comparison->narrower, comparison->narrower_count, "there");
    if (comparison->unknown)
        say(comparison->report, DIAGNOSIS_SKIPPED,
            "some access rules were not compared with those of Pacemaker: the guests of the nodes, or their "
            "tags, are not known here");
    else if (comparison->wider_count + comparison->narrower_count == 0)
        say(comparison->report, DIAGNOSIS_OK, "the access rules of Pacemaker and of the broker say the same");
}

/* 0; -1: `failure` says why they cannot be compared. */
static int prepare(struct comparison *comparison, const struct cib *cib, const struct text *cib_text,
                   const char *config, const char *socket, struct failure *failure)
{
    _cleanup_(text_clear) struct text text = {0};
    struct error error = {0};
    const char *user;
    text_puts(&text, HEAD);
    if (acl_translate_apart(cib_text, NULL, NULL, &text, failure) < 0)
        return -1;
    comparison->expected = config_parse(text.data, text.length, EXPECTED, &error);
    comparison->theirs = comparison->expected ? access_rules_new(comparison->expected, &error) : NULL;
    if (!comparison->theirs)
        return failure_set(failure, NULL, "%s", error.message);
    comparison->settings = settings_load_with_names(config, &user, &error);
    if (!comparison->settings)
        return failure_set(failure, error.hint, "%s", error.message);
    resolve(comparison->theirs);
    for (size_t i = 0; i < cib->node_count; i++)
        plugs_want(&comparison->plugs, cib->nodes[i].name);
    if (socket && plugs_ask(&comparison->plugs, socket, failure) < 0)
        failure_clear(failure); /* then names and VMIDs are not known */
    add_users(comparison, comparison->expected);
    add_users(comparison, comparison->settings->config);
    return 0;
}

static void run(struct comparison *comparison, const struct text *text, const char *config,
                const char *socket)
{
    struct failure failure = {0};
    struct cib cib = {0};
    bool read = cib_read(&cib, text->data, text->length, &failure) == 0;
    if (read && prepare(comparison, &cib, text, config, socket, &failure) == 0) {
        if (comparison->expected->enable_acl)
            compare_all(comparison, &cib);
    } else if (failure.cause) {
        say(comparison->report, DIAGNOSIS_SKIPPED,
            heap_printf("not compared with the access rules of Pacemaker: %s", failure.cause));
    }
    failure_clear(&failure);
    if (read)
        cib_clear(&cib);
}

void cluster_compare_access(struct diagnosis *report, const char *config, const char *socket)
{
    _cleanup_(text_clear) struct text text = {0};
    struct comparison comparison = {.report = report};
    struct failure failure = {0};
    if (geteuid() != 0)
        return;
    if (cib_text_query(&text, CIB_WAIT_MS, &failure) == 0 && text.data)
        run(&comparison, &text, config, socket);
    failure_clear(&failure);
    access_rules_free(comparison.theirs);
    config_free(comparison.expected);
    settings_free(comparison.settings);
    text_clear(&comparison.wider);
    text_clear(&comparison.narrower);
}
