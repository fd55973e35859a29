/*
 * The sections of the access rules. Their names are users' and groups' of this system (or a role's), so they
 * are checked for what a name can be and for having been there before, and for nothing else: whether there is
 * such a user is asked later, by whom may wait for the answer.
 */
#include "system/config_access.h"

#include "system/cleanup.h"
#include "system/config_keys.h"

#include <errno.h>
#include <string.h>

#define NAME_MAX_BYTES 255 /* of a user's or a group's name; useradd allows 32, a directory more */
#define SHOWN_MAX      60  /* bytes of somebody's text in a message */
#define SECTIONS_MAX   10000
#define SHOWN(slice)   (int)((slice).length < SHOWN_MAX ? (slice).length : SHOWN_MAX), (slice).bytes
#define BLANKS         " \t"

static const char *const kinds[] = {
    [CONFIG_ACCESS_ROLE] = "role", [CONFIG_ACCESS_GROUP] = "group", [CONFIG_ACCESS_USER] = "user"};

const char *config_access_kind_name(enum config_access_kind kind)
{
    return kinds[kind];
}

static size_t word_length(struct config_slice slice)
{
    size_t length = 0;
    while (length < slice.length && !strchr(BLANKS, slice.bytes[length]))
        length++;
    return length;
}

static int kind_of(struct config_slice head)
{
    const struct config_slice word = {head.bytes, word_length(head)};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (config_slice_is(word, kinds[i]))
            return (int)i;
    }
    return -1;
}

bool config_access_is(struct config_slice head)
{
    return kind_of(head) >= 0;
}

/* Names of a directory may hold '@' and '\\'; what would be read as something else may not be there. */
static bool is_name(struct config_slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (strchr(" \t:,/[]*?\"'", name.bytes[i]))
            return false;
    }
    return name.length > 0 && name.length <= NAME_MAX_BYTES && name.bytes[0] != '-';
}

static int check_section(const struct config *config, const struct config_item *item, int kind,
                         struct config_slice name, struct error *error)
{
    if (!is_name(name)) {
        error_set(error, ERROR_BAD_REQUEST, "%s:%zu: [%.*s] names no %s", config->path, item->line,
                  SHOWN(item->name), kinds[kind]);
        error_hint(error, "write [%s NAME], with one name without blanks", kinds[kind]);
        return -EINVAL;
    }
    for (size_t i = 0; i < config->access_count; i++) {
        const struct config_access_section *other = &config->access[i];
        if ((int)other->kind != kind || !config_slice_is(name, other->name))
            continue;
        return config_refuse(error, "put all its entries into one section: their order decides",
                             "%s:%zu: section [%.*s] already exists, in line %zu", config->path, item->line,
                             SHOWN(item->name), other->line);
    }
    if (config->access_count >= SECTIONS_MAX)
        return config_refuse(error, "use groups", "%s:%zu: there are more than %d sections of rules",
                             config->path, item->line, SECTIONS_MAX);
    return 0;
}

int config_access_begin(struct config *config, const struct config_item *item, struct error *error)
{
    int kind = kind_of(item->name);
    size_t skip = word_length(item->name);
    while (skip < item->name.length && strchr(BLANKS, item->name.bytes[skip]))
        skip++;
    struct config_slice name = {item->name.bytes + skip, item->name.length - skip};
    int result = check_section(config, item, kind, name, error);
    if (result < 0)
        return result;
    if (config_grow((void **)&config->access, config->access_count, sizeof(*config->access)) < 0)
        return config_out_of_memory(config->path, error);
    struct config_access_section *section = &config->access[config->access_count];
    *section = (struct config_access_section){
        .kind = (enum config_access_kind)kind, .name = strndup(name.bytes, name.length), .line = item->line};
    if (!section->name)
        return config_out_of_memory(config->path, error);
    config->access_count++;
    return 0;
}

int config_access_entry(struct config *config, const struct config_item *item, struct error *error)
{
    struct config_access_section *section = &config->access[config->access_count - 1];
    bool is_role = config_slice_is(item->name, "role");
    const char *allowed = section->kind == CONFIG_ACCESS_ROLE ? "rule" : "rule, role";
    if (!is_role && !config_slice_is(item->name, "rule")) {
        return config_refuse(error, "a rule is: rule = read|write|deny SPEC ...",
                             "%s:%zu: unknown key \"%.*s\" in [%s %s]; allowed: %s", config->path, item->line,
                             SHOWN(item->name), kinds[section->kind], section->name, allowed);
    }
    if (is_role && section->kind == CONFIG_ACCESS_ROLE)
        return config_refuse(
            error, "give the user or group both roles, in the order in which they are to be read",
            "%s:%zu: a role in a role: [role %s] has rules only", config->path, item->line, section->name);
    if (config_grow((void **)&section->entries, section->entry_count, sizeof(*section->entries)) < 0)
        return config_out_of_memory(config->path, error);
    char *value = strndup(item->value.bytes, item->value.length);
    if (!value)
        return config_out_of_memory(config->path, error);
    section->entries[section->entry_count++] =
        (struct config_access_entry){.is_role = is_role, .value = value, .line = item->line};
    return 0;
}

/* ---- roles that nobody has to write ---- */

#define PREDEFINED_RULES 2

static const struct {
    const char *name, *rules[PREDEFINED_RULES];
} predefined[] = {
    {"monitor", {"read what:*"}},
    {"operator", {"write what:guests", "read what:*"}},
    {"administrator", {"write what:*"}},
};

static bool has_role(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->access_count; i++)
        if (config->access[i].kind == CONFIG_ACCESS_ROLE && strcmp(config->access[i].name, name) == 0)
            return true;
    return false;
}

static bool is_given(const struct config *config, const char *role)
{
    for (size_t i = 0; i < config->access_count; i++)
        for (size_t k = 0; k < config->access[i].entry_count; k++)
            if (config->access[i].entries[k].is_role && strcmp(config->access[i].entries[k].value, role) == 0)
                return true;
    return false;
}

static int add_predefined(struct config *config, size_t which)
{
    if (config_grow((void **)&config->access, config->access_count, sizeof(*config->access)) < 0)
        return -ENOMEM;
    struct config_access_section *section = &config->access[config->access_count];
    *section = (struct config_access_section){
        .kind = CONFIG_ACCESS_ROLE, .name = strdup(predefined[which].name), .line = CONFIG_ACCESS_PREDEFINED};
    config->access_count++;
    for (size_t i = 0; i < PREDEFINED_RULES && predefined[which].rules[i]; i++) {
        if (config_grow((void **)&section->entries, section->entry_count, sizeof(*section->entries)) < 0)
            return -ENOMEM;
        section->entries[section->entry_count++] = (struct config_access_entry){
            .value = strdup(predefined[which].rules[i]), .line = CONFIG_ACCESS_PREDEFINED};
        if (!section->entries[i].value)
            return -ENOMEM;
    }
    return section->name ? 0 : -ENOMEM;
}

int config_access_finish(struct config *config, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LEN(predefined); i++)
        if (is_given(config, predefined[i].name) && !has_role(config, predefined[i].name) &&
            add_predefined(config, i) < 0)
            return config_out_of_memory(config->path, error);
    return 0;
}

void config_access_free(struct config *config)
{
    for (size_t i = 0; i < config->access_count; i++) {
        struct config_access_section *section = &config->access[i];
        for (size_t k = 0; k < section->entry_count; k++)
            free(section->entries[k].value);
        free(section->entries);
        free(section->name);
    }
    free(config->access);
}
