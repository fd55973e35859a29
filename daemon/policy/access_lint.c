/*
 * Oddities of rules. That a rule can never match is proven from the globs' texts alone, so what is told is
 * true, and not all that is true is told. Runs in the daemon's loop on reload: the work is bounded, and it
 * says when it gave up.
 */
#include "policy/access_lint.h"

#include "system/cleanup.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PAIRS_MAX   1000000 /* of rules that are held against each other */
#define MATCHES_MAX 200000  /* of a condition with a guest */
#define NOTE_MAX    512
#define ALL_ACTIONS ((1U << ACCESS_ACTION_COUNT) - 1)

struct lint {
    const struct access_rules *rules;
    const struct config *config;
    access_note_fn *note;
    void *context;
    size_t pairs;
};

__attribute__((format(printf, 3, 4))) static void tell(struct lint *lint, size_t line, const char *format,
                                                       ...)
{
    char text[NOTE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    lint->note(lint->context, line, text);
}

/* ---- which rule leaves nothing to which ---- */

static bool is_literal(const char *glob)
{
    return !strpbrk(glob, "*?[\\");
}

/* "web*": the length of "web"; else -1 */
static int prefix_length(const char *glob)
{
    size_t length = strcspn(glob, "*?[\\");

    return glob[length] == '*' && glob[length + 1] == '\0' ? (int)length : -1;
}

/* Whatever satisfies `narrow` satisfies `wide`. */
static bool spec_implies(const struct access_spec *narrow, const struct access_spec *wide)
{
    bool guest = wide->kind == ACCESS_SPEC_GUEST;
    int prefix = prefix_length(wide->glob);

    if (narrow->kind != wide->kind)
        return guest && strcmp(wide->glob, "*") == 0; /* every guest has a VMID */
    if (strcmp(narrow->glob, wide->glob) == 0)
        return true;
    if (is_literal(narrow->glob))
        return fnmatch(wide->glob, narrow->glob, guest ? FNM_CASEFOLD : 0) == 0;
    if (prefix < 0 || strcspn(narrow->glob, "*?[\\") < (size_t)prefix)
        return false;
    return guest ? strncasecmp(narrow->glob, wide->glob, (size_t)prefix) == 0
                 : strncmp(narrow->glob, wide->glob, (size_t)prefix) == 0;
}

static bool is_denied_action(const struct access_rule *rule)
{
    return rule->level == ACCESS_LEVEL_DENY && rule->actions;
}

/* Every request that `late` matches, `early` matches, too. */
static bool covers(const struct access_rule *early, const struct access_rule *late)
{
    unsigned early_actions = early->actions ? early->actions : ALL_ACTIONS;
    unsigned late_actions = late->actions ? late->actions : ALL_ACTIONS;

    if (late->whats & ~early->whats)
        return false;
    if (late->whats & 1U << ACCESS_WHAT_GUESTS && late_actions & ~early_actions)
        return false;
    if (is_denied_action(early) && !is_denied_action(late))
        return false;
    for (size_t e = 0; e < early->spec_count; e++) {
        bool implied = false;

        for (size_t l = 0; l < late->spec_count; l++)
            implied |= spec_implies(&late->specs[l], &early->specs[e]);
        if (!implied)
            return false;
    }
    return true;
}

static void lint_order(struct lint *lint, const struct access_section *section)
{
    for (size_t late = 1; late < section->rule_count; late++) {
        for (size_t early = 0; early < late; early++) {
            const struct access_rule *first = section->rules[early], *second = section->rules[late];

            if (++lint->pairs > PAIRS_MAX)
                return;
            if (!covers(first, second))
                continue;
            tell(lint, second->line,
                 "\"%.100s\" can never match in [%s %.60s]: line %zu, \"%.100s\", comes first", second->text,
                 config_access_kind_name(section->config->kind), section->config->name, first->line,
                 first->text);
            break;
        }
    }
}

/* ---- single rules and sections ---- */

static void lint_rule(struct lint *lint, const struct access_rule *rule)
{
    const unsigned with_guests = 1U << ACCESS_WHAT_GUESTS | 1U << ACCESS_WHAT_OPERATIONS;

    if (access_rule_is_per_guest(rule) && !(rule->whats & with_guests))
        tell(lint, rule->line, "\"%.100s\" can never match: such requests are about no guest", rule->text);
    for (size_t i = 0; i < rule->spec_count; i++) {
        bool found = rule->specs[i].kind != ACCESS_SPEC_POOL;

        for (size_t p = 0; !found && p < lint->config->pool_count; p++)
            found = fnmatch(rule->specs[i].glob, lint->config->pools[p], 0) == 0;
        if (!found)
            tell(lint, rule->line, "\"%.100s\" can never match: no pool = %.60s in [proxmox]", rule->text,
                 rule->specs[i].glob);
    }
}

static void lint_section(struct lint *lint, const struct access_policy *policy,
                         const struct access_section *section)
{
    const char *kind = config_access_kind_name(section->config->kind), *name = section->config->name;
    bool user = section->config->kind == CONFIG_ACCESS_USER;

    if (section->state == ACCESS_NAME_UNKNOWN)
        tell(lint, section->config->line,
             "there is no %s %.60s on this machine: [%s %.60s] applies to nobody", kind, name, kind, name);
    else if (user && section->state == ACCESS_NAME_KNOWN &&
             (section->id == 0 || (uid_t)section->id == policy->gate.hacluster))
        tell(lint, section->config->line, "%.60s may do all: the rules of [user %.60s] are never asked", name,
             name);
    else if (user && section->state == ACCESS_NAME_KNOWN && (uid_t)section->id == policy->gate.overflow_uid)
        tell(lint, section->config->line, "%.60s is the overflow uid and is always refused", name);
    lint_order(lint, section);
}

static void lint_roles(struct lint *lint)
{
    const struct config *config = lint->config;

    for (size_t r = 0; r < config->access_count; r++) {
        bool used = config->access[r].kind != CONFIG_ACCESS_ROLE;

        for (size_t i = 0; !used && i < config->access_count; i++)
            for (size_t k = 0; !used && k < config->access[i].entry_count; k++)
                used = config->access[i].entries[k].is_role &&
                       strcmp(config->access[i].entries[k].value, config->access[r].name) == 0;
        if (!used)
            tell(lint, config->access[r].line, "nobody has the role %.60s", config->access[r].name);
    }
}

void access_lint(const struct access_policy *policy, const struct config *config, access_note_fn *note,
                 void *context)
{
    const struct access_rules *rules = policy->rules;
    struct lint lint = {.rules = rules, .config = config, .note = note, .context = context};

    if (!policy->enable_acl) {
        if (config->access_count > 0)
            tell(&lint, config->access[0].line,
                 "the access rules are not in force: enable-acl = no, every member of the group may do all");
        return;
    }
    if (rules->user_count == 0 && rules->group_count == 0)
        tell(&lint, 0,
             "enable-acl = yes, and no [user NAME] or [group NAME]: only root and hacluster may ask");
    for (size_t i = 0; i < rules->count; i++)
        lint_rule(&lint, &rules->all[i]);
    for (size_t i = 0; i < rules->user_count; i++)
        lint_section(&lint, policy, &rules->users[i]);
    for (size_t i = 0; i < rules->group_count; i++)
        lint_section(&lint, policy, &rules->groups[i]);
    lint_roles(&lint);
    if (lint.pairs > PAIRS_MAX)
        tell(&lint, 0, "there are too many rules to find all that can never match");
}

/* ---- with the guests ---- */

static bool matches_any(const struct access_spec *spec, const struct access_guest *guests, size_t count)
{
    struct access_spec copy = *spec;
    const struct access_rule rule = {
        .level = ACCESS_LEVEL_READ, .whats = 1U << ACCESS_WHAT_GUESTS, .specs = &copy, .spec_count = 1};

    for (size_t i = 0; i < count; i++) {
        const struct access_question question = {ACCESS_READ, ACCESS_WHAT_GUESTS, ACCESS_ACTION_NONE,
                                                 &guests[i]};

        if (access_rule_match(&rule, &question) != ACCESS_MATCH_NO)
            return true;
    }
    return false;
}

void access_lint_guests(const struct access_rules *rules, const struct access_guest *guests, size_t count,
                        access_note_fn *note, void *context)
{
    struct lint lint = {.rules = rules, .note = note, .context = context};
    size_t matches = 0;

    for (size_t i = 0; i < rules->count; i++) {
        const struct access_rule *rule = &rules->all[i];

        for (size_t k = 0; k < rule->spec_count; k++) {
            const struct access_spec *spec = &rule->specs[k];

            matches += count;
            if (matches > MATCHES_MAX) {
                tell(&lint, rule->line,
                     "there are too many rules and guests to find all that match no guest");
                return;
            }
            if (spec->kind == ACCESS_SPEC_POOL || matches_any(spec, guests, count))
                continue;
            tell(&lint, rule->line,
                 spec->kind == ACCESS_SPEC_TAG
                     ? "\"%.100s\" matches nothing now: no guest of the pool has a tag %.60s"
                     : "\"%.100s\" matches nothing now: no guest of the pool is %.60s",
                 rule->text, spec->glob);
        }
    }
}
