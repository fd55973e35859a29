/*
 * One number, hashed from what names the machine, and from it a part for each purpose.
 */
#include "system/jitter.h"

#include <stddef.h>

static uint64_t seed; /* 0: not begun */

/* FNV-1a, with the end of each text. */
static uint64_t add_text(uint64_t hash, const char *text)
{
    for (size_t i = 0;; i++) {
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
        if (text[i] == '\0')
            return hash;
    }
}

/* The end of splitmix64: neighbouring numbers give parts that have nothing to do with each other. */
static uint64_t mix(uint64_t number)
{
    number += UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

void jitter_begin(const char *const *texts, unsigned count)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (unsigned i = 0; i < count; i++)
        hash = add_text(hash, texts[i]);
    seed = count > 0 ? mix(hash) | 1 : 0;
}

int64_t jitter_ms(enum jitter what, int64_t span_ms)
{
    if (seed == 0 || span_ms <= 0)
        return 0;
    return (int64_t)((mix(seed + (uint64_t)what) >> 11) % (uint64_t)span_ms);
}
