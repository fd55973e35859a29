/*
 * system/clock for tests: the same room, but its time of day and its time since boot are ahead by what the
 * file named in SHIFTED_CLOCK says (whole seconds, in place: the file is mapped). So a test lets days go by
 * as a suspended machine does. Timers run on CLOCK_MONOTONIC, which stays as it is.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SHIFT_MAX 20 /* bytes of the file */

static long shift_s(void)
{
    static const char *shift;
    char text[SHIFT_MAX + 1] = "";
    const char *path = getenv("SHIFTED_CLOCK");
    if (!shift && path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, SHIFT_MAX, PROT_READ, MAP_SHARED, fd, 0);
        if (fd >= 0)
            close(fd);
        if (mapped != MAP_FAILED)
            shift = mapped;
    }
    if (shift)
        memcpy(text, shift, SHIFT_MAX);
    return strtol(text, NULL, 10);
}

static int shifted_gettime(clockid_t clock, struct timespec *now)
{
    int result = clock_gettime(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_BOOTTIME)
        now->tv_sec += shift_s();
    return result;
}

#define clock_gettime shifted_gettime
#include "system/clock.c"
