/*
 * Rules: parsing and matching.
 *
 * A rule that cannot be read is an error, never a rule that is left out: one "deny" less is more rights.
 * Globs are fnmatch(3)'s. A guest is known by name, alias and VMID; digits alone are a VMID and never a name,
 * here as for plugs, so that nobody gets into a rule about VMIDs by renaming a guest.
 */
#include "policy/access_rules.h"

#include "system/cleanup.h"
#include "system/text.h"

#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLANKS         " \t"
#define GLOB_STARS_MAX 4 /* fnmatch tries all ways to share a text among them */
#define SHOWN_MAX      60
#define HINT                                                                                                 \
    "rule = read|write|deny SPEC ..., each SPEC one of guest:GLOB pool:GLOB tag:GLOB action:LIST what:LIST"

static const char *const what_names[ACCESS_WHAT_COUNT] = {
    [ACCESS_WHAT_GUESTS] = "guests",         [ACCESS_WHAT_OPERATIONS] = "operations",
    [ACCESS_WHAT_STATUS] = "status",         [ACCESS_WHAT_DOCTOR] = "doctor",
    [ACCESS_WHAT_PRIVILEGES] = "privileges", [ACCESS_WHAT_METRICS] = "metrics"};
static const char *const action_names[ACCESS_ACTION_COUNT] = {[ACCESS_ACTION_OFF] = "off",
                                                              [ACCESS_ACTION_ON] = "on",
                                                              [ACCESS_ACTION_REBOOT] = "reboot",
                                                              [ACCESS_ACTION_REHEARSE] = "rehearse"};
static const char *const level_names[] = {
    [ACCESS_LEVEL_DENY] = "deny", [ACCESS_LEVEL_READ] = "read", [ACCESS_LEVEL_WRITE] = "write"};
static const char *const spec_names[] = {
    [ACCESS_SPEC_GUEST] = "guest", [ACCESS_SPEC_POOL] = "pool", [ACCESS_SPEC_TAG] = "tag"};

const char *access_what_name(enum access_what what)
{
    return what < ACCESS_WHAT_COUNT ? what_names[what] : "oneself";
}

const char *access_action_name(enum access_action action)
{
    return action < ACCESS_ACTION_COUNT ? action_names[action] : "";
}

static int index_of(const char *const *names, size_t count, const char *word, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0)
            return (int)i;
    return -1;
}

bool access_what_from_name(const char *name, enum access_what *what)
{
    int found = index_of(what_names, ACCESS_WHAT_COUNT, name, strlen(name));

    *what = found < 0 ? ACCESS_WHAT_ONESELF : (enum access_what)found;
    return found >= 0;
}

bool access_action_from_name(const char *name, enum access_action *action)
{
    int found = index_of(action_names, ACCESS_ACTION_COUNT, name, strlen(name));

    *action = found < 0 ? ACCESS_ACTION_NONE : (enum access_action)found;
    return found >= 0;
}

/* ---- parsing one rule ---- */

struct parse {
    const struct config *config;
    size_t line;
    size_t *first; /* where the rules of each section begin */
    struct error *error;
};

__attribute__((format(printf, 2, 3))) static bool fail(const struct parse *parse, const char *format, ...)
{
    char problem[ERROR_MESSAGE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(problem, sizeof(problem), format, arguments);
    va_end(arguments);
    error_set(parse->error, ERROR_BAD_REQUEST, "%s:%zu: rule: %s", parse->config->path, parse->line, problem);
    error_hint(parse->error, "%s", HINT);
    return false;
}

static bool no_memory(const struct parse *parse)
{
    error_set(parse->error, ERROR_INTERNAL, "%s: no memory for the rules", parse->config->path);
    return false;
}

static int shown(size_t length)
{
    return (int)(length < SHOWN_MAX ? length : SHOWN_MAX);
}

/* fnmatch takes a '[' without its ']' for itself, and a '\' at the end for nothing: hardly what was meant. */
static bool check_glob(const struct parse *parse, const char *glob)
{
    size_t stars = 0;

    for (const char *c = glob; *c; c++) {
        if (*c == '*')
            stars++;
        if (*c == '\\' && *++c == '\0')
            return fail(parse, "\"%.*s\" ends in a backslash", shown(strlen(glob)), glob);
        if (*c == '[') {
            const char *end = c[1] == '!' || c[1] == '^' ? c + 2 : c + 1;

            end = *end ? strchr(end + 1, ']') : NULL; /* a ']' in the first place stands for itself */
            if (!end)
                return fail(parse, "\"%.*s\" has a '[' without its ']'", shown(strlen(glob)), glob);
            c = end;
        }
    }
    if (stars > GLOB_STARS_MAX)
        return fail(parse, "\"%.*s\" has more than %d '*'", shown(strlen(glob)), glob, GLOB_STARS_MAX);
    return true;
}

static bool add_spec(const struct parse *parse, struct access_rule *rule, enum access_spec_kind kind,
                     const char *value, size_t length)
{
    struct access_spec *grown = reallocarray(rule->specs, rule->spec_count + 1, sizeof(*grown));
    char *glob;

    if (!grown)
        return no_memory(parse);
    rule->specs = grown;
    glob = strndup(value, length);
    if (!glob)
        return no_memory(parse);
    grown[rule->spec_count++] = (struct access_spec){.kind = kind, .glob = glob};
    return check_glob(parse, glob);
}

/* "off,reboot", "*": words of a list, each a glob over the known ones, to a bit each. */
static bool read_list(const struct parse *parse, const char *key, const char *const *names, size_t count,
                      const char *value, size_t length, unsigned *bits)
{
    _cleanup_(freep) char *copy = strndup(value, length);
    _cleanup_(text_clear) struct text allowed = {0};
    char *rest = copy, *word;

    if (!copy)
        return no_memory(parse);
    if (*bits != 0)
        return fail(parse, "%s: is there twice; write one list, %s:A,B", key, key);
    for (size_t i = 0; i < count; i++)
        text_printf(&allowed, "%s%s", i ? ", " : "", names[i]);
    while ((word = strsep(&rest, ","))) {
        unsigned found = 0;

        if (*word && !check_glob(parse, word))
            return false;
        for (size_t i = 0; i < count; i++)
            if (fnmatch(word, names[i], 0) == 0)
                found |= 1U << i;
        if (!found)
            return fail(parse, "%s:%.*s is not known; allowed: %s", key, shown(strlen(word)), word,
                        allowed.data ? allowed.data : "");
        *bits |= found;
    }
    return true;
}

static bool read_spec(const struct parse *parse, struct access_rule *rule, const char *word, size_t length)
{
    const char *colon = memchr(word, ':', length);
    size_t key = colon ? (size_t)(colon - word) : length, rest = colon ? length - key - 1 : 0;
    int kind = index_of(spec_names, ARRAY_LEN(spec_names), word, key);

    if (!colon)
        return fail(parse, "\"%.*s\" is not a SPEC", shown(length), word);
    if (rest == 0)
        return fail(parse, "there is nothing after \"%.*s\"", shown(length), word);
    if (kind >= 0)
        return add_spec(parse, rule, (enum access_spec_kind)kind, colon + 1, rest);
    if (key == strlen("action") && memcmp(word, "action", key) == 0)
        return read_list(parse, "action", action_names, ACCESS_ACTION_COUNT, colon + 1, rest, &rule->actions);
    if (key == strlen("what") && memcmp(word, "what", key) == 0)
        return read_list(parse, "what", what_names, ACCESS_WHAT_COUNT, colon + 1, rest, &rule->whats);
    return fail(parse, "\"%.*s\" is not a SPEC", shown(length), word);
}

static bool check_rule(const struct parse *parse, const struct access_rule *rule)
{
    if (rule->actions && rule->level == ACCESS_LEVEL_READ)
        return fail(parse, "action: says what may be done or not, and read does nothing: use write or deny");
    if (rule->actions && !(rule->whats & 1U << ACCESS_WHAT_GUESTS))
        return fail(parse, "action: is about guests, and what: names others only");
    return true;
}

static bool read_rule(const struct parse *parse, struct access_rule *rule, const char *value)
{
    size_t length = strcspn(value, BLANKS), specs = 0;
    int level = index_of(level_names, ARRAY_LEN(level_names), value, length);

    rule->line = parse->line;
    rule->text = strdup(value);
    if (!rule->text)
        return no_memory(parse);
    if (level < 0)
        return fail(parse, "begins with \"%.*s\"; allowed: read, write, deny", shown(length), value);
    rule->level = (enum access_level)level;
    for (const char *word = value + length; *(word += strspn(word, BLANKS)); word += length) {
        length = strcspn(word, BLANKS);
        specs++;
        if (!read_spec(parse, rule, word, length))
            return false;
    }
    if (specs == 0)
        return fail(parse, "\"%.*s\" of what? guest:* is all guests, what:* everything", shown(strlen(value)),
                    value);
    if (!rule->whats)
        rule->whats = 1U << ACCESS_WHAT_GUESTS;
    return check_rule(parse, rule);
}

/* ---- all of them ---- */

static bool read_rules(struct access_rules *rules, struct parse *parse)
{
    const struct config *config = parse->config;
    size_t entries = 0;

    for (size_t i = 0; i < config->access_count; i++)
        entries += config->access[i].entry_count;
    rules->all = calloc(entries + 1, sizeof(*rules->all));
    if (!rules->all || !parse->first)
        return no_memory(parse);
    for (size_t i = 0; i < config->access_count; i++) {
        const struct config_access_section *section = &config->access[i];

        parse->first[i] = rules->count;
        for (size_t k = 0; k < section->entry_count; k++) {
            parse->line = section->entries[k].line;
            if (section->entries[k].is_role)
                continue;
            rules->all[rules->count].owner = section;
            if (!read_rule(parse, &rules->all[rules->count++], section->entries[k].value))
                return false;
        }
    }
    return true;
}

static const struct config_access_section *find_role(const struct parse *parse, const char *name)
{
    const struct config *config = parse->config;
    _cleanup_(text_clear) struct text roles = {0};

    for (size_t i = 0; i < config->access_count; i++)
        if (config->access[i].kind == CONFIG_ACCESS_ROLE && strcmp(config->access[i].name, name) == 0)
            return &config->access[i];
    for (size_t i = 0; i < config->access_count; i++)
        if (config->access[i].kind == CONFIG_ACCESS_ROLE)
            text_printf(&roles, "%s%s", roles.length ? ", " : "", config->access[i].name);
    /* an error, not a warning: the role that is missing may be the one that says deny */
    error_set(parse->error, ERROR_BAD_REQUEST,
              "%s:%zu: there is no [role %.*s]; there are: %s; predefined: monitor, operator, administrator",
              config->path, parse->line, shown(strlen(name)), name, roles.data ? roles.data : "none");
    error_hint(parse->error, "fix the name, or add the section");
    return NULL;
}

/* The section's rules with its roles in their places; with `out` NULL it only counts them. */
static bool expand(const struct access_rules *rules, struct parse *parse,
                   const struct config_access_section *section, const struct access_rule **out, size_t *count)
{
    size_t own = parse->first[section - parse->config->access], found = 0;

    for (size_t k = 0; k < section->entry_count; k++) {
        const struct config_access_entry *entry = &section->entries[k];
        const struct config_access_section *role = NULL;
        size_t from = own, many = 1;

        parse->line = entry->line;
        if (entry->is_role) {
            role = find_role(parse, entry->value);
            if (!role)
                return false;
            from = parse->first[role - parse->config->access];
            many = role->entry_count; /* a role has rules only */
        } else {
            own++;
        }
        for (size_t i = 0; out && i < many; i++)
            out[found + i] = &rules->all[from + i];
        found += many;
    }
    *count = found;
    return true;
}

static bool add_section(struct access_rules *rules, struct parse *parse,
                        const struct config_access_section *config)
{
    bool is_user = config->kind == CONFIG_ACCESS_USER;
    struct access_section *section =
        is_user ? &rules->users[rules->user_count++] : &rules->groups[rules->group_count++];

    section->config = config;
    rules->pending++;
    if (!expand(rules, parse, config, NULL, &section->rule_count))
        return false;
    section->rules = calloc(section->rule_count + 1, sizeof(struct access_rule *));
    if (!section->rules)
        return no_memory(parse);
    return expand(rules, parse, config, section->rules, &section->rule_count);
}

struct access_rules *access_rules_new(const struct config *config, struct error *error)
{
    _cleanup_(access_rules_freep) struct access_rules *rules = calloc(1, sizeof(*rules));
    _cleanup_(freep) size_t *first = calloc(config->access_count + 1, sizeof(*first));
    struct parse parse = {.config = config, .first = first, .error = error};

    if (rules) {
        rules->users = calloc(config->access_count + 1, sizeof(*rules->users));
        rules->groups = calloc(config->access_count + 1, sizeof(*rules->groups));
    }
    if (!rules || !rules->users || !rules->groups) {
        no_memory(&parse);
        return NULL;
    }
    if (!read_rules(rules, &parse))
        return NULL;
    for (size_t i = 0; i < config->access_count; i++)
        if (config->access[i].kind != CONFIG_ACCESS_ROLE && !add_section(rules, &parse, &config->access[i]))
            return NULL;
    return TAKE(rules);
}

void access_rules_free(struct access_rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->count; i++) {
        for (size_t k = 0; k < rules->all[i].spec_count; k++)
            free(rules->all[i].specs[k].glob);
        free(rules->all[i].specs);
        free(rules->all[i].text);
    }
    for (size_t i = 0; i < rules->user_count; i++)
        free(rules->users[i].rules);
    for (size_t i = 0; i < rules->group_count; i++)
        free(rules->groups[i].rules);
    free(rules->all);
    free(rules->users);
    free(rules->groups);
    free(rules);
}

void access_rules_freep(struct access_rules **rules)
{
    access_rules_free(*rules);
    *rules = NULL;
}

static void set_state(struct access_rules *rules, struct access_section *section,
                      enum access_name_state state, id_t id)
{
    rules->pending -= section->state == ACCESS_NAME_PENDING && state != ACCESS_NAME_PENDING;
    rules->pending += section->state != ACCESS_NAME_PENDING && state == ACCESS_NAME_PENDING;
    section->state = state;
    section->id = id;
}

void access_rules_set_user(struct access_rules *rules, size_t index, enum access_name_state state, uid_t uid)
{
    if (index < rules->user_count)
        set_state(rules, &rules->users[index], state, uid);
}

void access_rules_set_group(struct access_rules *rules, size_t index, enum access_name_state state, gid_t gid)
{
    if (index < rules->group_count)
        set_state(rules, &rules->groups[index], state, gid);
}

/* ---- matching ---- */

static bool is_digits(const char *text)
{
    return *text && !text[strspn(text, "0123456789")];
}

/* Names are host names: no difference between upper and lower case. */
static bool name_matches(const char *glob, const char *name)
{
    return name && !is_digits(name) && fnmatch(glob, name, FNM_CASEFOLD) == 0;
}

static enum access_match guest_matches(const char *glob, const struct access_guest *guest)
{
    bool matches = (guest->vmid && fnmatch(glob, guest->vmid, 0) == 0) || name_matches(glob, guest->name);

    for (size_t i = 0; !matches && i < guest->alias_count; i++)
        matches = name_matches(glob, guest->aliases[i]);
    if (matches)
        return ACCESS_MATCH_YES;
    if (guest->vmid_unknown || (guest->name_unknown && !is_digits(glob)))
        return ACCESS_MATCH_UNKNOWN;
    return ACCESS_MATCH_NO;
}

/* Proxmox separates tags by ';', and takes ',' and blanks. */
static enum access_match tag_matches(const char *glob, const char *tags)
{
    static const char separators[] = ";, ";

    for (size_t length; tags && *(tags += strspn(tags, separators)); tags += length) {
        _cleanup_(freep) char *tag = NULL;

        length = strcspn(tags, separators);
        tag = strndup(tags, length);
        if (!tag)
            return ACCESS_MATCH_UNKNOWN; /* no memory: nobody may gain by it */
        if (fnmatch(glob, tag, 0) == 0)
            return ACCESS_MATCH_YES;
    }
    return ACCESS_MATCH_NO;
}

static enum access_match spec_match(const struct access_spec *spec, const struct access_guest *guest)
{
    switch (spec->kind) {
    case ACCESS_SPEC_GUEST:
        return guest_matches(spec->glob, guest);
    case ACCESS_SPEC_POOL:
        if (guest->pool_unknown)
            return ACCESS_MATCH_UNKNOWN;
        return guest->pool && fnmatch(spec->glob, guest->pool, 0) == 0 ? ACCESS_MATCH_YES : ACCESS_MATCH_NO;
    case ACCESS_SPEC_TAG:
        if (guest->tags_unknown)
            return ACCESS_MATCH_UNKNOWN;
        return tag_matches(spec->glob, guest->tags);
    }
    return ACCESS_MATCH_NO;
}

enum access_match access_rule_match(const struct access_rule *rule, const struct access_question *question)
{
    enum access_match match = ACCESS_MATCH_YES;

    if (question->what >= ACCESS_WHAT_COUNT || !(rule->whats & 1U << question->what))
        return ACCESS_MATCH_NO;
    if (question->action != ACCESS_ACTION_NONE) {
        if (rule->actions && !(rule->actions & 1U << question->action))
            return ACCESS_MATCH_NO;
    } else if (rule->actions && rule->level == ACCESS_LEVEL_DENY) {
        return ACCESS_MATCH_NO; /* it denies these actions, not to look */
    }
    if (access_rule_is_per_guest(rule) && !question->guest)
        return ACCESS_MATCH_NO;
    for (size_t i = 0; i < rule->spec_count; i++) {
        enum access_match one = spec_match(&rule->specs[i], question->guest);

        if (one == ACCESS_MATCH_NO)
            return ACCESS_MATCH_NO;
        if (one == ACCESS_MATCH_UNKNOWN)
            match = ACCESS_MATCH_UNKNOWN;
    }
    return match;
}

bool access_rule_grants(const struct access_rule *rule, enum access_right right)
{
    return rule->level == ACCESS_LEVEL_WRITE || (rule->level == ACCESS_LEVEL_READ && right == ACCESS_READ);
}
