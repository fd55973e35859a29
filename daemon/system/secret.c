/*
 * Secrets in memory and how they come in from a file or a systemd credential. Each has a mapping of its own
 * that is wiped on free, left out of core dumps, read as zeros by a forked child (the recorders), and locked
 * where the limits allow it. Knows nothing of what a secret is for, and never puts a byte of one into an
 * error text.
 *
 * Symbolic links are followed: credentials and secret stores are often reached through one. All checks are
 * made on the file that was opened, so that a link cannot be swapped between check and use.
 */
#include "system/secret.h"

#include "system/cleanup.h"
#include "system/custody.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

struct secret {
    size_t mapped; /* of the whole mapping, this head included */
    size_t length;
    char bytes[];
};

static struct secret *secret_map(size_t room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (room > SIZE_MAX / 2)
        return NULL;
    size_t mapped = (sizeof(struct secret) + room + 1 + page - 1) / page * page;
    struct secret *secret = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (secret == MAP_FAILED)
        return NULL;
    /* best effort: old kernels and small limits must not stop a fence */
    (void)madvise(secret, mapped, MADV_DONTDUMP);
    (void)madvise(secret, mapped, MADV_WIPEONFORK);
    (void)mlock(secret, mapped);
    secret->mapped = mapped;
    return secret;
}

struct secret *secret_new(const char *bytes, size_t length)
{
    struct secret *secret = secret_map(length);
    if (!secret)
        return NULL;
    if (length > 0)
        memcpy(secret->bytes, bytes, length);
    secret->length = length;
    return secret;
}

void secret_free(struct secret *secret)
{
    /* a forked child reads zeros here, and its mapping ends with it */
    if (!secret || secret->mapped == 0)
        return;
    size_t mapped = secret->mapped;
    explicit_bzero(secret, mapped);
    (void)munmap(secret, mapped);
}

void secret_freep(struct secret **secret)
{
    secret_free(*secret);
    *secret = NULL; /* a ticket that was forgotten must not be found again */
}

const char *secret_reveal(const struct secret *secret)
{
    return secret->bytes;
}

size_t secret_length(const struct secret *secret)
{
    return secret->length;
}

void secret_protect_process(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L); /* has no way to fail */
}

static bool group_is_ours(gid_t group)
{
    if (group == 0 || group == getegid() || group == getgid() || custody_is_group(group))
        return true;
    int count = getgroups(0, NULL);
    if (count <= 0)
        return false;
    _cleanup_(freep) gid_t *groups = calloc((size_t)count, sizeof(*groups));
    count = groups ? getgroups(count, groups) : 0;
    for (int i = 0; i < count; i++) {
        if (groups[i] == group)
            return true;
    }
    return false;
}

/* Who else may read or change the file that was opened. */
static bool is_private(const char *path, const struct stat *file, struct error *error)
{
    char label[ERROR_MESSAGE_MAX];
    if (file->st_mode & S_IROTH) {
        error_set(error, ERROR_NO_SESSION, "secret file %s is refused: it is world-readable (mode %04o)",
                  path, (unsigned)file->st_mode & 07777U);
        error_hint(error, "chmod o-rwx '%s', and treat the secret as known to others", path);
        return false;
    }
    if ((file->st_mode & (S_IRGRP | S_IWGRP)) && !group_is_ours(file->st_gid)) {
        error_set(error, ERROR_NO_SESSION,
                  "secret file %s is refused: its group %u may %s it, and is neither root's nor one of this "
                  "process",
                  path, (unsigned)file->st_gid, file->st_mode & S_IRGRP ? "read" : "write");
        error_hint(error, "chgrp fence-broker '%s'", path);
        return false;
    }
    snprintf(label, sizeof(label), "secret file %s", path);
    return custody_check(label, path, file, ERROR_NO_SESSION, error);
}

/* Reads into the mapping itself, so that no copy of the secret stays on a heap. */
static struct secret *read_secret(int fd, const char *path, struct error *error)
{
    _cleanup_(secret_freep) struct secret *secret = secret_map(SECRET_FILE_MAX + 1);
    if (!secret) {
        error_set(error, ERROR_NO_SESSION, "secret file %s cannot be read: %s", path, strerror(ENOMEM));
        return NULL;
    }
    while (secret->length <= SECRET_FILE_MAX) {
        ssize_t count = read(fd, secret->bytes + secret->length, SECRET_FILE_MAX + 1 - secret->length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            error_set(error, ERROR_NO_SESSION, "secret file %s cannot be read: %s", path, strerror(errno));
            return NULL;
        }
        if (count == 0)
            break;
        secret->length += (size_t)count;
    }
    if (secret->length > SECRET_FILE_MAX) {
        error_set(error, ERROR_NO_SESSION, "secret file %s is longer than %d bytes: this is not a secret",
                  path, SECRET_FILE_MAX);
        return NULL;
    }
    if (secret->length > 0 && secret->bytes[secret->length - 1] == '\n')
        secret->bytes[--secret->length] = '\0';
    return TAKE(secret);
}

/* What would only show itself as "authentication failure" at Proxmox, three seconds later. */
static bool is_plausible(const struct secret *secret, const char *path, struct error *error)
{
    const char *problem = NULL;
    if (secret->length == 0)
        problem = "is empty";
    else if (memchr(secret->bytes, '\0', secret->length))
        problem = "has a NUL byte in it";
    else if (memchr(secret->bytes, '\r', secret->length))
        problem = "has a carriage return in it (Windows line end?)";
    else if (memchr(secret->bytes, '\n', secret->length))
        problem = "has more than one line";
    else if (strncmp(secret->bytes, "\xef\xbb\xbf", 3) == 0)
        problem = "begins with a byte order mark (written by an editor of Windows?)";
    if (!problem)
        return true;
    error_set(error, ERROR_NO_SESSION, "secret file %s %s", path, problem);
    error_hint(error, "write the secret alone on one line into '%s'", path);
    return false;
}

static struct secret *load(const char *path, bool check_access, struct error *error)
{
    /* O_NONBLOCK: a FIFO in this place must be refused, not waited for */
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat file;
    if (fd < 0 || fstat(fd, &file) != 0) {
        int problem = errno;
        error_set(error, ERROR_NO_SESSION, "secret file %s cannot be opened: %s", path, strerror(problem));
        if (problem == EACCES)
            error_hint(error, "let fence_brokerd read it: chgrp fence-broker '%s' && chmod 0640 '%s'", path,
                       path);
        else
            error_hint(error,
                       "write the secret alone on one line into it, and end with Ctrl-D: `install -m 0640 -g "
                       "fence-broker /dev/stdin '%s'`",
                       path);
        return NULL;
    }
    if (!S_ISREG(file.st_mode)) {
        error_set(error, ERROR_NO_SESSION, "secret file %s is refused: it is not a regular file", path);
        error_hint(error, "name a plain file, or use a systemd credential for other sources");
        return NULL;
    }
    if (check_access && !is_private(path, &file, error))
        return NULL;
    _cleanup_(secret_freep) struct secret *secret = read_secret(fd, path, error);
    if (!secret || !is_plausible(secret, path, error))
        return NULL;
    return TAKE(secret);
}

struct secret *secret_from_file(const char *path, struct error *error)
{
    return load(path, true, error);
}

/* NULL: there is none, or no memory. The caller frees. */
static char *credential_path(const char *name)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    _cleanup_(freep) char *path = NULL;
    if (!directory || directory[0] != '/')
        return NULL;
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        path = NULL;
    return path && access(path, F_OK) == 0 ? TAKE(path) : NULL;
}

bool secret_credential_exists(const char *name)
{
    _cleanup_(freep) char *path = credential_path(name);
    return path != NULL;
}

struct secret *secret_from_credential(const char *name, struct error *error)
{
    _cleanup_(freep) char *path = credential_path(name);
    if (path)
        return load(path, false, error);
    /* others may be there */
    error_set(error, ERROR_NO_SESSION,
              "there is no secret: no secret-file is configured, and systemd passed no credential \"%s\"",
              name);
    error_hint(error,
               "add to [proxmox]: `secret-file = /etc/fence-broker/secret` (or to the unit: "
               "LoadCredential=%s:/etc/fence-broker/secret)",
               name);
    return NULL;
}
