/* "Did you mean": of words that could have been meant the one that differs least. */
#pragma once

#include <stddef.h>

struct guess {
    const char *word, *best; /* best: NULL while nothing is near enough */
    size_t distance;         /* of the best */
};

/* `length` bytes of the word, at most GUESS_MOST count. */
#define GUESS_MOST 24
void guess_try(struct guess *guess, const char *candidate);
/* "did you mean BEST? ", or nothing; for `before` see the callers: what stands before the word. Never NULL. */
