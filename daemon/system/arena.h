/*
 * Room for many small strings that live and die together: one allocation for thousands of them. Nothing is
 * given back before all of it is.
 */
#pragma once

#include <stddef.h>

#define ARENA_FIRST_BYTES 992   /* of the first block; each is twice the one before … */
#define ARENA_BLOCK_BYTES 32704 /* … up to this: with malloc's own bytes a little less than 32 KiB */
#define ARENA_RECENT      64

struct arena_block;

/* All zero is an empty one. */
struct arena {
    struct arena_block *blocks;
    const char *recent[ARENA_RECENT]; /* what was shared last */
};

/* A copy of `length` bytes and a NUL behind them; NULL: no memory. Valid until arena_clear(). */
char *arena_copy(struct arena *arena, const char *text, size_t length);
/* The same, but one that was asked for a short while ago may be shared: for words that come again and again.
 */
char *arena_share(struct arena *arena, const char *text, size_t length);
void arena_clear(struct arena *arena);
