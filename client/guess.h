/* "Did you mean": of the words that could have been meant the one that differs least. */
#pragma once

#include <getopt.h>
#include <stddef.h>

#include "say.h"

#define HELP_HINT "/usr/sbin/fence_broker --help lists the commands"
#define LONG_OPTION                                                                                          \
    256 /* what a long option gives to getopt_long() is this and more; a short one its letter */

struct guess {
    const char *word;
    size_t length;    /* of it, in bytes */
    const char *best; /* NULL while nothing is near enough */
    size_t distance;  /* of the best */
};

void guess_try(struct guess *guess, const char *candidate);
/* Puts "did you mean PREFIXBEST?" before the failure's hint, if there is a best one. Always returns -1. */
int guess_tell(const struct guess *guess, const char *prefix, struct failure *failure);

/* What getopt_long(), with ':' before its short options, calls `c`: ':' for a value that is missing, '?' for
 * an option that is none of `longs`. Always returns -1. */
int guess_option(int c, char **argv, const struct option *longs, struct failure *failure);
