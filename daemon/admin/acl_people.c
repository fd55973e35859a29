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

static void add_name(struct acl *acl, const char ***list, size_t *count, size_t *size, const char *name)
{
    const char **grown = acl_grow(acl, *list, *count, size, sizeof(*grown));
    if (!grown)
        return;
    *list = grown;
    grown[(*count)++] = acl_text(acl, "%s", name);
}

static bool is_wanted(const struct acl *acl, const char *name)
{
    for (size_t i = 0; i < acl->holder_count; i++)
        if (acl->holders[i].group && strcmp(acl->holders[i].name, name) == 0)
            return true;
    return false;
}

static struct acl_group *find(struct acl *acl, const char *name)
{
    for (size_t i = 0; i < acl->group_count; i++)
        if (strcmp(acl->groups[i].name, name) == 0)
            return &acl->groups[i];
    return NULL;
}

static void add_group(struct acl *acl, const struct group *entry, gid_t **gids, size_t *gid_size)
{
    struct acl_group *group = find(acl, entry->gr_name);
    if (!group) {
        struct acl_group *grown =
            acl_grow(acl, acl->groups, acl->group_count, &acl->group_size, sizeof(*grown));
        gid_t *more = grown ? acl_grow(acl, *gids, acl->group_count, gid_size, sizeof(**gids)) : NULL;
        if (grown)
            acl->groups = grown;
        if (!more)
            return;
        *gids = more;
        more[acl->group_count] = entry->gr_gid;
        group = &grown[acl->group_count++];
        *group = (struct acl_group){.name = acl_text(acl, "%s", entry->gr_name)};
    }
    for (char *const *member = entry->gr_mem; member && *member; member++)
        add_name(acl, &group->members, &group->member_count, &group->member_size, *member);
}

bool acl_people(struct acl *acl, FILE *passwd, FILE *group)
{
    gid_t *gids = NULL;
    size_t gid_size = 0;
    const struct group *entry;
    const struct passwd *user;
    while (group && (entry = fgetgrent(group)))
        if (is_wanted(acl, entry->gr_name))
            add_group(acl, entry, &gids, &gid_size);
    for (size_t i = 0; !group && i < acl->holder_count; i++)
        if (acl->holders[i].group && !find(acl, acl->holders[i].name) &&
            (entry = getgrnam(acl->holders[i].name)))
            add_group(acl, entry, &gids, &gid_size);
    acl->users_listed = passwd;
    if (!passwd)
        setpwent();
    for (size_t n = 0; acl->group_count && n < USERS_MOST && (user = passwd ? fgetpwent(passwd) : getpwent());
         n++)
        for (size_t i = 0; i < acl->group_count; i++)
            if (gids[i] == user->pw_gid)
                add_name(acl, &acl->groups[i].primary, &acl->groups[i].primary_count,
                         &acl->groups[i].primary_size, user->pw_name);
    if (!passwd)
        endpwent();
    free(gids);
    return !acl->failed;
}

const struct acl_group *acl_group(const struct acl *acl, const char *name)
{
    for (size_t i = 0; i < acl->group_count; i++)
        if (strcmp(acl->groups[i].name, name) == 0)
            return &acl->groups[i];
    return NULL;
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
