/* What the program holds in memory: whatever grows with each round shows here. 0 under a sanitizer. */
#pragma once

#include <malloc.h>
#include <stddef.h>

static inline size_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}
