/* Ownership helpers: scope-bound release of locals and explicit hand-over of pointers. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Hand a pointer over: yields its value and leaves NULL behind, so that the local's cleanup does nothing. */
#define TAKE(p)                                                                                              \
    __extension__({                                                                                          \
        __typeof__(p) *take_from_ = &(p);                                                                    \
        __typeof__(p) take_value_ = *take_from_;                                                             \
        *take_from_ = NULL;                                                                                  \
        take_value_;                                                                                         \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void freep(void *p)
{
    free(*(void **)p);
}

static inline void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
