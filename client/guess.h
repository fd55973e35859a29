/* "Did you mean": of the words that could have been meant the one that differs least. */
#pragma once

#include <stddef.h>

#include "say.h"

struct guess {
    const char *word;
    size_t length;    /* of it, in bytes */
    const char *best; /* NULL while nothing is near enough */
    size_t distance;  /* of the best */
};

void guess_try(struct guess *guess, const char *candidate);
/* Puts "did you mean PREFIXBEST?" before the failure's hint, if there is a best one. Always returns -1. */
int guess_tell(const struct guess *guess, const char *prefix, struct failure *failure);
