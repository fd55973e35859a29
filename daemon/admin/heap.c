/* Blocks in a list, so that all of them are found from here for as long as the program runs. */
#include "admin/heap.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/say.h"
#include "system/cleanup.h"

#define LIST_FIRST 8 /* elements; from there on a list doubles */

static struct block {
    struct block *before;
    max_align_t bytes[];
} * newest;

void *heap_need(void *taken)
{
    if (taken)
        return taken;
    failure_print(&(struct failure){.cause = NULL});
    exit(EXIT_FAILURE);
}

void *heap_take(size_t size)
{
    struct block *block = heap_need(size < SIZE_MAX / 2 ? calloc(1, sizeof(*block) + size) : NULL);
    block->before = newest;
    newest = block;
    return block->bytes;
}

char *heap_cut(const char *text, size_t length)
{
    char *copy = heap_take(length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *heap_copy(const char *text)
{
    return heap_cut(text, strlen(text));
}

char *heap_printf(const char *format, ...)
{
    _cleanup_(freep) char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return heap_copy(heap_need(text));
}

char *heap_text(struct text *text)
{
    char *copy = text->failed ? heap_need(NULL) : heap_cut(text->data ? text->data : "", text->length);
    text_clear(text);
    return copy;
}

char *heap_word(const char *word)
{
    struct text text = {0};
    text_put_word(&text, word);
    return heap_text(&text);
}

void *heap_room(const void *list, size_t count, size_t width)
{
    bool full = count == 0 || (count >= LIST_FIRST && (count & (count - 1)) == 0);
    void *room = full ? heap_take((count ? 2 * count : LIST_FIRST) * width) : NULL;
    if (!room)
        return (void *)(uintptr_t)list; /* it is one of ours, and has room */
    return count ? memcpy(room, list, count * width) : room;
}
