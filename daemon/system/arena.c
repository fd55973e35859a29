/*
 * Blocks in a list, the newest first; strings are put one behind the other into the newest. Refuses to know
 * what is in them.
 */
#include "system/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    char bytes[];
};

/* Room for `size` bytes in the newest block, or in a new one. */
static char *take(struct arena *arena, size_t size)
{
    struct arena_block *block = arena->blocks;

    if (!block || block->size - block->used < size) {
        size_t room = block ? 2 * block->size : ARENA_FIRST_BYTES;

        room = room < ARENA_BLOCK_BYTES ? room : ARENA_BLOCK_BYTES;
        room = room > size ? room : size;
        block = malloc(sizeof(*block) + room);
        if (!block)
            return NULL;
        *block = (struct arena_block){.next = arena->blocks, .size = room};
        arena->blocks = block;
    }
    block->used += size;
    return block->bytes + block->used - size;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *copy = length < SIZE_MAX ? take(arena, length + 1) : NULL;

    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

static size_t slot_of(const char *text, size_t length)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619U;
    return hash % ARENA_RECENT;
}

char *arena_share(struct arena *arena, const char *text, size_t length)
{
    const char **recent = &arena->recent[slot_of(text, length)];
    bool same = *recent && strncmp(*recent, text, length) == 0 && (*recent)[length] == '\0';

    if (!same)
        *recent = arena_copy(arena, text, length);
    return (char *)(uintptr_t)*recent; /* it is ours: nobody else's was ever put there */
}

void arena_clear(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;

        free(arena->blocks);
        arena->blocks = next;
    }
    *arena = (struct arena){.blocks = NULL};
}
