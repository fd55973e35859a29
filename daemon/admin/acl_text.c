/* The sections, and what could not be taken over. A group's section holds for whom the kernel puts into it,
 * and the first rule that matches decides there; Pacemaker adds up, and knows listed members only. So whoever
 * would get anything else by the sections of the groups gets a section of their own, which says everything.
 */
#include "admin/acl_private.h"

#include <stdlib.h>
#include <string.h>

#include "system/cleanup.h"

/* What is printed for one user or group. */
struct entry {
    const struct acl_holder *holder; /* whose role names it; NULL: none */
    const char *name;
    struct acl_table table;
    bool printed;
    size_t role; /* its number, from 1 on; 0: none */
};

struct role {
    const char *name;
    const struct acl_table *table;
};

struct sheet {
    struct acl *acl;
    struct entry *groups, *users;
    size_t group_count, user_count;
    struct role *roles;
    size_t role_count;
    bool any_group;
};

/* As the configuration takes them. */
static bool is_section_name(const char *name)
{
    size_t length = strlen(name);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr(":,/[]*?\"'", *c))
            return false;
    return length > 0 && length <= 255 && name[0] != '-' && text_is_printable(name);
}

/* ---- who gets a section ---- */

/* What the printed sections of the user's groups come to: the first rule that matches decides. */
static void give_by_groups(const struct sheet *sheet, const char *user, struct acl_table *given)
{
    const struct acl *acl = sheet->acl;
    for (size_t g = 0; g < sheet->group_count; g++) {
        const struct entry *entry = &sheet->groups[g];
        if (!entry->printed ||
            !(acl_is_everybody(entry->name) || acl_is_member(acl_group(acl, entry->name), user, true)))
            continue;
        given->everything |= entry->table.everything;
        for (size_t i = 0; i < acl->node_count; i++)
            if (given->nodes[i] == 0)
                given->nodes[i] = entry->table.nodes[i] & (ACL_LOOK | ACL_POWER);
    }
}

static void judge_groups(struct sheet *sheet)
{
    struct acl *acl = sheet->acl;
    for (size_t i = 0; i < acl->holder_count; i++) {
        const struct acl_holder *holder = &acl->holders[i];
        if (!holder->group)
            continue;
        struct entry *entry = heap_add(sheet->groups, sheet->group_count);
        *entry = (struct entry){.holder = holder, .name = holder->name};
        acl_judge_query(acl, NULL, holder, &entry->table);
        bool known = acl_is_everybody(holder->name) || acl_group(acl, holder->name);
        entry->printed = known && is_section_name(holder->name);
        sheet->any_group |= entry->printed;
        if (!known)
            acl_tell(
                acl,
                "group %s: there is no such group here, so that nobody knows its members: run this where "
                "it is known, or name a copy of its file (--group)",
                holder->name);
        else if (!entry->printed)
            acl_tell(acl, "group %s: no section of the configuration can have this name", holder->name);
    }
}

static const struct acl_holder *target_of(const struct acl *acl, const char *user)
{
    for (size_t i = 0; i < acl->holder_count; i++)
        if (!acl->holders[i].group && strcmp(acl->holders[i].name, user) == 0)
            return &acl->holders[i];
    return NULL;
}

static void judge_user(struct sheet *sheet, const char *user)
{
    struct acl *acl = sheet->acl;
    struct entry *entry = heap_add(sheet->users, sheet->user_count);
    struct acl_table given = {.nodes = heap_need(calloc(acl->node_count + 1, 1))};
    *entry = (struct entry){.holder = target_of(acl, user), .name = user};
    acl_judge_query(acl, user, NULL, &entry->table);
    give_by_groups(sheet, user, &given);
    entry->printed = !acl_table_equal(acl, &entry->table, &given);
    acl_table_clear(&given);
    if (entry->printed && !is_section_name(user)) {
        entry->printed = false;
        acl_tell(acl, "user %s: no section of the configuration can have this name: nothing is taken over",
                 user);
    }
}

/* ---- roles ---- */

static bool is_taken(const struct sheet *sheet, const char *name)
{
    for (size_t i = 0; i < sheet->role_count; i++)
        if (strcmp(sheet->roles[i].name, name) == 0)
            return true;
    return false;
}

static const char *role_name(const struct sheet *sheet, const struct acl_holder *holder)
{
    const char *name = holder && holder->role ? heap_printf("cib-%s", holder->role) : "";
    for (size_t n = sheet->role_count + 1; !is_section_name(name) || is_taken(sheet, name); n++)
        name = heap_printf("cib-%zu", n);
    return name;
}

static void give_role(struct sheet *sheet, struct entry *entry)
{
    if (!entry->printed || acl_table_is_empty(sheet->acl, &entry->table))
        return;
    for (size_t i = 0; i < sheet->role_count && !entry->role; i++)
        if (acl_table_equal(sheet->acl, sheet->roles[i].table, &entry->table))
            entry->role = i + 1;
    if (entry->role)
        return;
    const struct role role = {role_name(sheet, entry->holder), &entry->table};
    *heap_add(sheet->roles, sheet->role_count) = role;
    entry->role = sheet->role_count;
}

/* ---- printing ---- */

static void put_guest(struct text *out, const char *words, const char *name)
{
    text_printf(out, "rule = %s guest:", words);
    for (const char *c = name; *c; c++) {
        if (strchr("*?[]\\", *c))
            text_puts(out, "\\");
        text_append(out, c, 1);
    }
    text_puts(out, "\n");
}

static void put_role(const struct acl *acl, const struct role *role, struct text *out)
{
    text_printf(out, "\n[role %s]\n", role->name);
    for (size_t i = 0; i < acl->node_count; i++)
        if (role->table->nodes[i] & ACL_POWER)
            put_guest(out, "write", acl->nodes[i].name);
    for (size_t i = 0; i < acl->node_count; i++)
        if (role->table->nodes[i] & ACL_LOOK)
            put_guest(out, "read what:guests,operations", acl->nodes[i].name);
    if (role->table->everything)
        text_puts(out, "rule = read what:status,doctor,privileges,metrics\n");
}

static void put_entries(const struct sheet *sheet, const struct entry *entries, size_t count, bool users,
                        struct text *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &entries[i];
        if (!entry->printed || (!users && !entry->role))
            continue;
        text_printf(out, "\n[%s %s]\n", users ? "user" : "group", entry->name);
        if (entry->role)
            text_printf(out, "role = %s\n", sheet->roles[entry->role - 1].name);
        if (users && (sheet->any_group || !entry->role))
            text_puts(out, "rule = deny what:*\n");
    }
}

/* ---- what is not taken over ---- */

static void tell_nodes(struct acl *acl, const char *who, const struct acl_table *table, unsigned bits,
                       unsigned none, const char *words)
{
    struct text text = {0};
    for (size_t i = 0; i < acl->node_count; i++)
        if ((table->nodes[i] & bits) == bits && !(table->nodes[i] & none))
            text_printf(&text, "%s%s", text.length ? ", " : "", acl->nodes[i].name);
    const char *names = heap_text(&text);
    if (*names)
        acl_tell(acl, "%s: %s %s", who, words, names);
}

static void tell_entry(struct acl *acl, const char *kind, const struct entry *entry)
{
    const char *who = heap_printf("%s %s", kind, entry->name);
    tell_nodes(
        acl, who, &entry->table, ACL_POWER_SOME, ACL_LOOK,
        "may write standby, but not read the node, and here nobody powers what they may not look at: no "
        "power over");
    tell_nodes(
        acl, who, &entry->table, ACL_POWER_SOME | ACL_LOOK, 0,
        "may write standby only in some ways, or until `cibadmin --upgrade`, or only while nothing else "
        "changes: no power over");
    tell_nodes(acl, who, &entry->table, ACL_NODE, ACL_POWER | ACL_POWER_SOME,
               "may write the node, but not its attribute standby: no power over");
    tell_nodes(
        acl, who, &entry->table, ACL_STATE, ACL_POWER | ACL_POWER_SOME | ACL_NODE,
        "may write the node's status (`terminate` would fence it), but not its configuration: no power "
        "over");
}

static void tell_names(struct acl *acl)
{
    for (size_t i = 0; i < acl->node_count; i++) {
        if (acl->nodes[i].elsewhere)
            acl_tell(acl, "node %s is none of <nodes>, so that no rule is about it: nobody is given anything",
                     acl->nodes[i].name);
        else if (!acl->nodes[i].nameable)
            acl_tell(acl, "node %s: no rule can name it; write rules with its VMID by hand",
                     acl->nodes[i].name);
    }
}

/* Does the entry's table change without it? */
static bool changes(struct acl *acl, const struct entry *entry, bool user, size_t number)
{
    const struct acl_holder *group = user ? NULL : entry->holder;
    struct acl_table with, without;
    acl_judge(acl, entry->name, group, SIZE_MAX, &with);
    acl_judge(acl, entry->name, group, number, &without);
    bool other = !acl_table_equal(acl, &with, &without);
    acl_table_clear(&with);
    acl_table_clear(&without);
    return other;
}

static bool is_useful(struct sheet *sheet, size_t number)
{
    for (size_t i = 0; i < sheet->group_count; i++)
        if (changes(sheet->acl, &sheet->groups[i], false, number))
            return true;
    for (size_t i = 0; i < sheet->user_count; i++)
        if (changes(sheet->acl, &sheet->users[i], true, number))
            return true;
    return false;
}

static void tell_permission(struct acl *acl, const struct acl_permission *permission)
{
    static const char *const kinds[ACL_KIND_COUNT] = {"read", "write", "deny"};
    struct text shown = {0};
    acl_put_xpath(&shown, permission->xpath[0] ? permission->xpath[0] : "nothing");
    const char *what = heap_text(&shown), *kind = kinds[permission->kind];
    const char *id = heap_printf("%s (in %s)", permission->id, permission->role);
    if (permission->trouble == ACL_TOO_MUCH && permission->kind == ACL_DENY)
        acl_tell(acl, "%s: %s %s is too long or too costly to evaluate: it is taken to deny everything", id,
                 kind, what);
    else if (permission->trouble == ACL_TOO_MUCH)
        acl_tell(acl, "%s: %s %s is too long or too costly to evaluate: it gives nothing", id, kind, what);
    else if (permission->trouble == ACL_INVALID)
        acl_tell(acl, "%s: %s %s is no XPath: Pacemaker ignores it", id, kind, what);
    else if (permission->matches == 0)
        acl_tell(acl, "%s: %s %s matches nothing now", id, kind, what);
    else
        acl_tell(acl, "%s: %s %s is about %s%s%s: it changes nothing that the broker knows", id, kind, what,
                 permission->about, permission->about_name ? " " : "",
                 permission->about_name ? permission->about_name : "");
}

static void tell_permissions(struct sheet *sheet)
{
    struct acl *acl = sheet->acl;
    for (size_t i = 0; i < acl->permission_count; i++)
        if (acl->permissions[i].trouble != ACL_FINE || !is_useful(sheet, i))
            tell_permission(acl, &acl->permissions[i]);
}

static void tell(struct sheet *sheet)
{
    struct acl *acl = sheet->acl;
    if (acl->sets_differ)
        acl_tell(acl, "enable-acl differs among the sets of properties; the rules are taken to be in force");
    if (acl->older)
        acl_tell(acl,
                 "the rules are of the older form (acl_user), by which Pacemaker 3 allows nobody anything "
                 "until `cibadmin --upgrade`");
    for (size_t i = 0; i < sheet->group_count && !acl->users_listed; i++)
        if (sheet->groups[i].printed && !acl_is_everybody(sheet->groups[i].name))
            acl_tell(
                acl,
                "group %s: Pacemaker does not count those whose primary group it is; where `getent passwd` "
                "does not list them all, they would get its rights here",
                sheet->groups[i].name);
    for (size_t i = 0; i < sheet->group_count; i++)
        tell_entry(acl, "group", &sheet->groups[i]);
    for (size_t i = 0; i < sheet->user_count; i++)
        tell_entry(acl, "user", &sheet->users[i]);
    tell_names(acl);
    tell_permissions(sheet);
}

/* ---- all of it ---- */

static const char head[] =
    "# The access rules of Pacemaker, for fence-broker.conf(5): whoever may write a node's attributes may "
    "power its\n"
    "# guest, and whoever may read the node may look at it. A guest is named as its node, see [nodes]; where "
    "others\n"
    "# may rename guests in Proxmox, write its VMID instead.\n"
    "# Pacemaker's rules bind no member of haclient who has it fence a node: see fence-broker-admin(8).\n";

static void clear_entries(struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        acl_table_clear(&entries[i].table);
}

static void put_off(struct text *out)
{
    text_puts(
        out,
        "[access]\nenable-acl = no\n\n# The rules of the CIB are not in force (enable-acl): every member of "
        "haclient may do everything, there and here.\n");
}

void acl_put(struct acl *acl, struct text *out)
{
    struct sheet sheet = {.acl = acl};
    text_puts(out, head);
    if (!acl->on) {
        put_off(out);
        return;
    }
    size_t count;
    const char **users = acl_users(acl, &count);
    judge_groups(&sheet);
    for (size_t i = 0; i < count; i++)
        judge_user(&sheet, users[i]);
    for (size_t i = 0; i < sheet.group_count; i++)
        give_role(&sheet, &sheet.groups[i]);
    for (size_t i = 0; i < sheet.user_count; i++)
        give_role(&sheet, &sheet.users[i]);
    tell(&sheet);
    text_puts(out, "[access]\nenable-acl = yes\n");
    for (size_t i = 0; i < sheet.role_count; i++)
        put_role(acl, &sheet.roles[i], out);
    put_entries(&sheet, sheet.groups, sheet.group_count, false, out);
    put_entries(&sheet, sheet.users, sheet.user_count, true, out);
    if (acl->told.length)
        text_printf(out, "\n# Not taken over:\n%s", acl->told.data);
    out->failed |= acl->told.failed;
    clear_entries(sheet.groups, sheet.group_count);
    clear_entries(sheet.users, sheet.user_count);
}
