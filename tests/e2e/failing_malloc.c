/*
 * Memory that runs out now and then: preloaded into the daemon, it lets one of N allocations fail, where the
 * file that $FAILING_MALLOC names holds N (0: none). The file is mapped, so that a test can change it
 * meanwhile.
 *
 * Only what the program itself asks for fails, not what its libraries do: json-c 0.16 and libcurl 7.88 do not
 * survive it (the daemon has json-c parse only while there is memory for that, see system/json.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_BYTES 20

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static const volatile char *one_of;
static _Atomic uint32_t state = 1;

static struct {
    uintptr_t begin, end;
} program;

static int on_object(struct dl_phdr_info *object, size_t size, void *context)
{
    (void)size;
    (void)context;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        program.begin = object->dlpi_addr + part->p_vaddr;
        program.end = program.begin + part->p_memsz;
    }
    return 1; /* the program is the first one */
}

__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("FAILING_MALLOC");
    dl_iterate_phdr(on_object, NULL);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        one_of = mapped;
    close(fd);
}

/* Which ones is the same in each run, as far as the order of allocations is. */
static bool fails(const void *caller)
{
    if ((uintptr_t)caller < program.begin || (uintptr_t)caller >= program.end)
        return false;
    uint32_t n = 0;
    for (size_t i = 0; one_of && i < FILE_BYTES && one_of[i] >= '0' && one_of[i] <= '9'; i++)
        n = n * 10 + (uint32_t)(one_of[i] - '0');
    if (n == 0)
        return false;
    uint32_t now = atomic_load(&state), next;
    do {
        next = now * UINT32_C(1664525) + UINT32_C(1013904223);
    } while (!atomic_compare_exchange_weak(&state, &now, next));
    if ((next >> 8) % n != 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}
