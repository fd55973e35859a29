/*
 * Memory of a command, which runs and ends: what it takes it keeps until then, and where there is none it
 * ends, with status 1 and the line that says so. What is large and soon done with is not for this room.
 */
#pragma once

#include <stddef.h>

#include "system/text.h"

void *heap_take(size_t size); /* zeroed; none of these is ever NULL */
char *heap_copy(const char *text);
char *heap_cut(const char *text, size_t length);
char *heap_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *heap_text(struct text *text); /* what was written to it, which is empty then */
char *heap_word(const char *word);  /* as one word of a shell, quoted where that is needed */
/* What others gave, or NULL: then it ends. */
void *heap_need(void *taken);
/* The new last element of a list, all zero; the list may have moved. In `*heap_add(list, count) = …` what is
 * on the right must not look at the list. */
#define heap_add(list, count)                                                                                \
    __extension__({                                                                                          \
        (list) = heap_room((list), (count), sizeof(*(list)));                                                \
        &(list)[(count)++];                                                                                  \
    })
void *heap_room(const void *list, size_t count, size_t width);
