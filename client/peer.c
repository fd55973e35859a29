/* Is the other end of the socket the broker? A stranger who gets to listen where the client connects could
 * answer every `off` with success, and the cluster would start a second copy of what still runs. So the
 * client asks the kernel who listens.
 *
 * The rule: the other end is uid 0, or itself, or the owner of the socket's directory, and only root may
 * write there. Read as:
 * - uid 0 needs no forger, and oneself is no stranger: neither depends on the directory.
 * - The owner of the directory is the broker's user (who must be able to write into it, or it could not make
 * its socket) only if nobody but root could give it that directory: it is closed to group and others, and
 * every directory above it belongs to root and is closed to group and others too. A sticky directory above
 * (/tmp) will do where what lies in it is root's, for nobody can exchange that. The kernel's overflow uid
 * stands for anyone whom this user namespace does not know, so it is equal to nobody.
 *
 * There is no race worth closing between connect and the look at the directory: what is compared is the uid
 * that the kernel noted for this very connection, and the owner of a directory that root alone could have put
 * where it is. No name is looked up: a stalled directory service must not hold a fence. */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "system/cleanup.h"

#define OVERFLOW_UID   65534
#define DIRECTORY_OPEN (O_PATH | O_DIRECTORY | O_CLOEXEC)
/* no path in use is deeper; a loop of mounts would be */
#define DEPTH_MAX 128

static bool open_to_others(const struct stat *st)
{
    return st->st_mode & (S_IWGRP | S_IWOTH);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Could only root have put the directory `fd`, whose status is `st`, where it is? */
static bool placed_by_root(int fd, struct stat st)
{
    _cleanup_(closep) int at = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    for (int depth = 0; at >= 0 && depth < DEPTH_MAX; depth++) {
        struct stat above;
        int up = openat(at, "..", DIRECTORY_OPEN);
        close(at);
        at = up;
        if (up < 0 || fstat(up, &above) < 0)
            return false;
        if (same_file(&st, &above))
            return true;
        if (above.st_uid != 0)
            return false;
        if (open_to_others(&above) && !((above.st_mode & S_ISVTX) && st.st_uid == 0))
            return false;
        st = above;
    }
    return false;
}

/* Opens the directory of the socket; a path without a slash is not passed here. */
static int open_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    _cleanup_(freep) char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
    return directory ? open(directory, DIRECTORY_OPEN) : -1;
}

static bool owns_directory(uid_t uid, const char *path)
{
    struct stat st;
    _cleanup_(closep) int fd = open_directory(path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return false;
    return st.st_uid == uid && !open_to_others(&st) && placed_by_root(fd, st);
}

int peer_check(int fd, const char *path, struct failure *failure)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t length = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return failure_set(failure, "this needs a UNIX socket on Linux", "cannot tell who listens on %s: %s",
                           path, strerror(errno));
    say_debug("%s: the other end is uid %u, pid %d", path, (unsigned)peer.uid, (int)peer.pid);
    bool known = peer.uid != OVERFLOW_UID && peer.uid != (uid_t)-1;
    if (known && (peer.uid == 0 || peer.uid == geteuid() || owns_directory(peer.uid, path)))
        return 0;
    return failure_set(failure,
                       "the socket's directory must belong to the broker's user, and only root may be able "
                       "to replace it, as with /run/fence-broker; see who listens: `ss -xlp`",
                       "the listener on %s is not the broker but uid %u (pid %d), so nothing was sent to it",
                       path, (unsigned)peer.uid, (int)peer.pid);
}
