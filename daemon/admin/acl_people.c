/* Who is in which group. Pacemaker asks for the members that are listed with a group; the kernel, and so the
 * broker, counts those whose primary group it is, too. */
#include "admin/acl_private.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define USERS_MOST 1000000 /* of a directory that lists them all */

bool acl_is_everybody(const char *group)
{
    return strcmp(group, "haclient") == 0;
}

static bool is_wanted(const struct acl *acl, const char *name)
{
    for (size_t i = 0; i < acl->holder_count; i++)
        if (acl->holders[i].group && strcmp(acl->holders[i].name, name) == 0)
            return true;
    return false;
}

static struct acl_group *find(const struct acl *acl, const char *name)
{
    for (size_t i = 0; i < acl->group_count; i++)
        if (strcmp(acl->groups[i].name, name) == 0)
            return &acl->groups[i];
    return NULL;
}

static void add_group(struct acl *acl, const struct group *entry)
{
    struct acl_group *group = find(acl, entry->gr_name);
    if (!group) {
        group = heap_add(acl->groups, acl->group_count);
        *group = (struct acl_group){.name = heap_copy(entry->gr_name), .gid = entry->gr_gid};
    }
    for (char *const *member = entry->gr_mem; member && *member; member++)
        *heap_add(group->members, group->member_count) = heap_copy(*member);
}

void acl_people(struct acl *acl, FILE *passwd, FILE *group)
{
    const struct group *entry;
    const struct passwd *user;
    while (group && (entry = fgetgrent(group)))
        if (is_wanted(acl, entry->gr_name))
            add_group(acl, entry);
    for (size_t i = 0; !group && i < acl->holder_count; i++)
        if (acl->holders[i].group && !find(acl, acl->holders[i].name) &&
            (entry = getgrnam(acl->holders[i].name)))
            add_group(acl, entry);
    acl->users_listed = passwd;
    if (!passwd)
        setpwent();
    for (size_t n = 0; acl->group_count && n < USERS_MOST && (user = passwd ? fgetpwent(passwd) : getpwent());
         n++)
        for (size_t i = 0; i < acl->group_count; i++) {
            struct acl_group *primary = &acl->groups[i];
            if (primary->gid == user->pw_gid)
                *heap_add(primary->primary, primary->primary_count) = heap_copy(user->pw_name);
        }
    if (!passwd)
        endpwent();
}

const struct acl_group *acl_group(const struct acl *acl, const char *name)
{
    return find(acl, name);
}

static bool has(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

bool acl_is_member(const struct acl_group *group, const char *user, bool kernel)
{
    return group && (has(group->members, group->member_count, user) ||
                     (kernel && has(group->primary, group->primary_count, user)));
}
