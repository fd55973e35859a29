/* The distance of two words is the number of letters to change, add or remove (two that changed places are
 * one), and what differs by more than a third of its letters was hardly meant. */
#include "guess.h"

#include <string.h>

#include "system/cleanup.h"

#define WORD_MOST 24 /* nothing here is called by a longer one */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][WORD_MOST + 1]; /* by i modulo 3 */
    for (size_t i = 0; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t k = 1; k <= b_length; k++) {
            if (i == 0) {
                row[k] = k;
                continue;
            }
            row[k] = least(above[k - 1] + (a[i - 1] != b[k - 1]), least(above[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = least(row[k], two_above[k - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

void guess_try(struct guess *guess, const char *candidate)
{
    size_t length = strlen(candidate);
    if (guess->length > WORD_MOST || length > WORD_MOST)
        return;
    size_t apart = distance(guess->word, guess->length, candidate, length);
    if (apart > (length + 2) / 3 || (guess->best && apart >= guess->distance))
        return;
    guess->best = candidate;
    guess->distance = apart;
}

int guess_tell(const struct guess *guess, const char *prefix, struct failure *failure)
{
    char *hint = guess->best ? say_text("did you mean %s%s? %s", prefix, guess->best,
                                        failure->hint ? failure->hint : "")
                             : NULL;
    if (hint) {
        free(failure->hint);
        failure->hint = hint;
    }
    return -1;
}

int guess_option(int c, char **argv, const struct option *longs, struct failure *failure)
{
    const char *word = argv[optind - 1];
    if (c == ':')
        return failure_set(failure, HELP_HINT, "option %s needs a value", word);
    if (optopt && optopt < LONG_OPTION)
        return failure_set(failure, HELP_HINT, "unknown option -%c", optopt);
    /* behind its '=' may stand somebody's password */
    int length = (int)strcspn(word, "=");
    failure_set(failure, HELP_HINT, "unknown or misused option %.*s", length, word);
    struct guess guess = {.word = word + 2, .length = (size_t)length - 2};
    for (; length > 2 && longs->name; longs++)
        guess_try(&guess, longs->name);
    return guess_tell(&guess, "--", failure);
}
