/*
 * A clock that runs faster: preloaded into the daemon, it makes a second last as long as $SCALED_CLOCK of
 * them, for whoever reads a monotonic clock and for the loop that waits. The time of day stays as it is.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static int64_t scale(void)
{
    static int64_t known;
    if (known == 0) {
        const char *text = getenv("SCALED_CLOCK");
        long wanted = text ? strtol(text, NULL, 10) : 1;
        known = wanted > 0 ? wanted : 1;
    }
    return known;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE ||
                        clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_BOOTTIME)) {
        int64_t ns = now->tv_nsec * scale();
        now->tv_sec = (time_t)(now->tv_sec * scale() + ns / NS_PER_S);
        now->tv_nsec = (long)(ns % NS_PER_S);
    }
    return result;
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
    static int (*real)(int, struct epoll_event *, int, int);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    int64_t left_ms = timeout_ms > 0 ? (timeout_ms + scale() - 1) / scale() : timeout_ms;
    return real(fd, events, count, (int)left_ms);
}
