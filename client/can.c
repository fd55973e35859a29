/* The user's numbers are looked up here, by the one who asks: the daemon asks no name service during a
 * request. What the numbers may do, the daemon decides. */
#include "can.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "request.h"
#include "system/cleanup.h"

/* All groups of the user, the primary one first; NULL: no memory. */
static gid_t *read_groups(const char *user, gid_t gid, int *count)
{
    gid_t *groups = NULL;
    for (*count = 64;;) {
        gid_t *grown = reallocarray(groups, (size_t)*count, sizeof(*grown));
        if (!grown) {
            free(groups);
            return NULL;
        }
        groups = grown;
        if (getgrouplist(user, gid, groups, count) >= 0) /* else it says how many there are */
            return groups;
    }
}

/* "?uid=1000&gid=1000&groups=1000,27" */
static char *make_query(const struct passwd *user)
{
    int count = 0;
    _cleanup_(freep) gid_t *groups = read_groups(user->pw_name, user->pw_gid, &count);
    size_t size = 0;
    char *query = NULL;
    FILE *out = groups ? open_memstream(&query, &size) : NULL;
    if (!out)
        return NULL;
    fprintf(out, "?uid=%lu&gid=%lu", (unsigned long)user->pw_uid, (unsigned long)user->pw_gid);
    for (int i = 0; i < count; i++)
        fprintf(out, "%s%lu", i ? "," : "&groups=", (unsigned long)groups[i]);
    if (fclose(out) == 0)
        return query;
    free(query);
    return NULL;
}

int can_make_target(char *const *operands, char **target, struct failure *failure)
{
    errno = 0;
    const struct passwd *user = getpwnam(operands[0]);
    if (!user)
        return failure_set(failure, "see getent passwd", "user %s does not exist on this machine%s%s",
                           operands[0], errno ? ": " : "", errno ? strerror(errno) : "");
    _cleanup_(freep) char *query = make_query(user);
    _cleanup_(freep) char *ask = request_encode(operands[1]);
    _cleanup_(freep) char *plug = request_encode(operands[2] ? operands[2] : "");
    *target =
        query && ask && plug ? say_text("/v1/can/%s%s%s%s", ask, operands[2] ? "/" : "", plug, query) : NULL;
    return 0;
}
