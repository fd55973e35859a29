/*
 * mlockall(), so that it helps and does no harm: under a limit it succeeds, and then every malloc() beyond
 * the limit fails. It is done only where there is no limit for us.
 */
#include "system/memory.h"

#include "system/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define HEAP_SPARE_BYTES 65536              /* free at the heap's end before it is given back */
#define LOADER_LIST      "/etc/ld.so.cache" /* where the loader finds libraries */

/* CAP_IPC_LOCK that counts: in a user namespace one may have it, and be limited all the same. */
static bool may_exceed_the_limit(const struct rlimit *limit)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit->rlim_max};
    long page = sysconf(_SC_PAGESIZE);
    void *probe = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED)
        return false;
    bool may = false;
    if (setrlimit(RLIMIT_MEMLOCK, &none) == 0) {
        may = mlock(probe, (size_t)page) == 0;
        (void)setrlimit(RLIMIT_MEMLOCK, limit); /* not above the hard one: always allowed */
    }
    munmap(probe, (size_t)page);
    return may;
}

static bool is_unlimited(struct error *error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
        error_set(error, ERROR_INTERNAL, "memory is not locked: %s", strerror(errno));
        return false;
    }
    if (limit.rlim_cur == RLIM_INFINITY)
        return true;
    const struct rlimit all = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (may_exceed_the_limit(&limit) || setrlimit(RLIMIT_MEMLOCK, &all) == 0)
        return true;
    error_set(error, ERROR_INTERNAL,
              "memory is not locked: only %llu KiB may be; a fence may wait for this machine's disk",
              (unsigned long long)limit.rlim_cur / 1024);
    error_hint(error, "run it as fence-broker.service does (AmbientCapabilities=CAP_IPC_LOCK, "
                      "LimitMEMLOCK=infinity); in a container its "
                      "host must allow that");
    return false;
}

/* ---- another program ---- */

/* A part of a file that is to stay in memory, with the process that maps it. */
static void hold_part(const char *path, off_t offset, size_t length)
{
    long page = sysconf(_SC_PAGESIZE);
    off_t begin = offset / page * page;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)mmap(NULL, length + (size_t)(offset - begin), PROT_READ, MAP_PRIVATE, fd, begin);
    close(fd);
}

/* False: there is none. */
static bool hold_file(const char *path)
{
    struct stat file;
    if (stat(path, &file) != 0 || !S_ISREG(file.st_mode) || file.st_size == 0)
        return false;
    hold_part(path, 0, (size_t)file.st_size);
    return true;
}

/* The loader and the libc that we run with are the other program's, too. What we only read of them is locked
 * with us; of what we write to we have copies, and the originals are held. */
static int on_object(struct dl_phdr_info *object, size_t size, void *context)
{
    (void)size;
    (void)context;
    const char *slash = strrchr(object->dlpi_name, '/'), *name = slash ? slash + 1 : object->dlpi_name;
    if (strncmp(name, "libc.so.", strlen("libc.so.")) != 0 && strncmp(name, "ld-", strlen("ld-")) != 0)
        return 0;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && part->p_flags & PF_W && part->p_filesz > 0)
            hold_part(object->dlpi_name, (off_t)part->p_offset, part->p_filesz);
    }
    return 0;
}

/* In our own folder, where both are built, or where it is installed, seen from /usr/libexec/fence-broker. */
static const char *const folders[] = {"", "../../sbin/"};

static void hold_program(const char *program)
{
    char own[PATH_MAX], path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own));
    const char *slash = length > 0 ? memrchr(own, '/', (size_t)length) : NULL;
    bool held = false;
    for (size_t i = 0; slash && !held && i < ARRAY_LEN(folders); i++) {
        int written =
            snprintf(path, sizeof(path), "%.*s%s%s", (int)(slash + 1 - own), own, folders[i], program);
        held = written > 0 && (size_t)written < sizeof(path) && hold_file(path);
    }
    (void)hold_file(LOADER_LIST);
    dl_iterate_phdr(on_object, NULL);
}

void memory_keep_small(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_BYTES);
}

bool memory_lock(const char *program, struct error *error)
{
    if (!is_unlimited(error))
        return false;
    if (program)
        hold_program(program);
    (void)malloc_trim(0); /* what is free now would be faulted in, and stay */
    if (mlockall(MCL_CURRENT) == 0) {
        if (mlockall(MCL_FUTURE | MCL_ONFAULT) == 0)
            return true;
        (void)munlockall();
    }
    error_set(error, ERROR_INTERNAL, "memory is not locked: %s; a fence may wait for this machine's disk",
              strerror(errno));
    error_hint(error, "give the machine more memory, or see `journalctl -k`");
    return false;
}
