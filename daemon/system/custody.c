/*
 * The mode and the owner say who can have written a file, and so does its folder. Groups are not looked at:
 * who may write as one is the administrator's business. Names are looked up by commands alone.
 */
#include "system/custody.h"

#include "system/cleanup.h"

#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

static bool refuse_folder(const char *label, const char *path, enum error_code code, struct error *error)
{
    _cleanup_(freep) char *copy = strdup(path);
    const char *folder = copy ? dirname(copy) : NULL;
    struct stat st;
    if (!folder || stat(folder, &st) < 0 || !(st.st_mode & S_IWOTH) || (st.st_mode & S_ISVTX))
        return false;
    error_set(error, code,
              "%s is refused: its directory %s is world-writable, so everybody may replace the file", label,
              folder);
    error_hint(error, "check its content, then: chmod o-w '%s'", folder);
    return true;
}

bool custody_check(const char *label, const char *path, const struct stat *file, enum error_code code,
                   struct error *error)
{
    if (file->st_mode & S_IWOTH) {
        error_set(error, code, "%s is refused: it is world-writable (mode %04o)", label,
                  (unsigned)file->st_mode & 07777U);
        error_hint(error, "check its content, then: chmod o-w '%s'", path);
        return false;
    }
    if (file->st_uid != 0 && file->st_uid != geteuid()) {
        error_set(error, code, "%s is refused: it belongs to uid %u, who may change it at any time", label,
                  (unsigned)file->st_uid);
        error_hint(error, "check its content, then: chown root '%s'", path);
        return false;
    }
    return !refuse_folder(label, path, code, error);
}

bool custody_is_group(gid_t group)
{
    FILE *file = fopen("/etc/group", "re");
    bool found = false;
    for (const struct group *line; file && !found && (line = fgetgrent(file));)
        found = strcmp(line->gr_name, CUSTODY_USER) == 0 && line->gr_gid == group;
    if (file)
        fclose(file);
    return found;
}

const char *custody_enter(void)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam(CUSTODY_USER) : NULL;
    if (!user || user->pw_uid == 0)
        return NULL;
    if (initgroups(CUSTODY_USER, user->pw_gid) == 0 && setegid(user->pw_gid) == 0 &&
        seteuid(user->pw_uid) == 0)
        return CUSTODY_USER;
    custody_leave(CUSTODY_USER);
    return NULL;
}

void custody_leave(const char *entered)
{
    /* what fails leaves us with fewer rights, and only a report is to follow */
    if (entered && (seteuid(0) < 0 || setegid(0) < 0 || setgroups(0, NULL) < 0))
        fputs("fence_brokerd: cannot become root again\n", stderr);
}
