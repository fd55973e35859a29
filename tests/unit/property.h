/*
 * Running a property test by seeds, and making a failing case small: parts of it are left out, one after the
 * other, as long as the same promise is still broken; then the smallest case is told with its trace. Knows
 * nothing of what is tested.
 *
 * SEED=n repeats one case, FIRST=n begins with that one, STEPS=n sets how many events to run, TRACE=1 tells
 * all of it. WITHOUT_FAULTS, WITHOUT_TROUBLES, WITHOUT_REQUESTS (masks), WHIMS and GUESTS (how many at most)
 * make the case of a SEED smaller.
 */
#pragma once

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROPERTY_UNLIMITED 1000000 /* more whims or guests than a case has */
#define PROPERTY_TRIES_MAX 500     /* cases that are tried to make one smaller */
#define PROPERTY_BITS      64
#define PROPERTY_TEXT_MAX  1024

enum property_part { PROPERTY_FAULTS, PROPERTY_TROUBLES, PROPERTY_REQUESTS, PROPERTY_PARTS };
enum property_limit { PROPERTY_WHIMS, PROPERTY_GUESTS, PROPERTY_LIMITS };

/* One case: a seed, and what is left out of what comes from it. */
struct property_case {
    uint64_t seed;
    uint64_t without[PROPERTY_PARTS];  /* a bit for each one that is left out */
    unsigned at_most[PROPERTY_LIMITS]; /* so many of each */
    uint64_t parts[PROPERTY_PARTS];    /* out: those that were there */
    unsigned used[PROPERTY_LIMITS];    /* out: how many of each there were */
};

/* Plays one case, fills its `out` members, counts its events in *events, and calls property_break() where a
 * promise does not hold. */
typedef void property_play_fn(struct property_case *one, uint64_t *events);
/* Forgets a case that was left in the middle. */
typedef void property_forget_fn(void);

static struct {
    jmp_buf out;
    const char *promise; /* that was broken; NULL: none */
    char text[PROPERTY_TEXT_MAX];
    bool trace;
} property;

/* A promise is broken: the case ends here. `promise` lives on. */
__attribute__((noreturn, format(printf, 2, 3))) static void property_break(const char *promise,
                                                                           const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(property.text, sizeof(property.text), format, arguments);
    va_end(arguments);
    property.promise = promise;
    longjmp(property.out, 1);
}

/* The promise that the case breaks, or NULL. */
static const char *property_try(struct property_case *one, property_play_fn *play, property_forget_fn *forget,
                                uint64_t *events)
{
    property.promise = NULL;
    if (setjmp(property.out) == 0)
        play(one, events);
    else
        forget();
    return property.promise;
}

struct property_search {
    struct property_case best;
    const char *promise;
    property_play_fn *play;
    property_forget_fn *forget;
    unsigned tries;
};

/* Is this smaller case still one that breaks the same promise? Then it is the best so far. */
static bool property_take(struct property_search *search, struct property_case smaller)
{
    uint64_t events = 0;
    if (++search->tries > PROPERTY_TRIES_MAX)
        return false;
    const char *promise = property_try(&smaller, search->play, search->forget, &events);
    if (!promise || strcmp(promise, search->promise) != 0)
        return false;
    search->best = smaller;
    return true;
}

static bool property_drop_parts(struct property_search *search)
{
    bool dropped = false;
    for (unsigned part = 0; part < PROPERTY_PARTS; part++) {
        for (unsigned bit = 0; bit < PROPERTY_BITS; bit++) {
            struct property_case smaller = search->best;
            smaller.without[part] |= UINT64_C(1) << bit;
            if (search->best.parts[part] & UINT64_C(1) << bit)
                dropped |= property_take(search, smaller);
        }
    }
    return dropped;
}

static bool property_lower_limits(struct property_search *search)
{
    bool lowered = false;
    for (unsigned which = 0; which < PROPERTY_LIMITS; which++) {
        for (unsigned cut = search->best.used[which]; cut > 0; cut /= 2) {
            struct property_case smaller = search->best;
            while (smaller.used[which] >= cut) {
                smaller.at_most[which] = smaller.used[which] - cut;
                if (!property_take(search, smaller))
                    break;
                lowered = true;
                smaller = search->best;
            }
        }
    }
    return lowered;
}

/* A small case that breaks the same promise as this one does. */
static struct property_case property_minimise(const struct property_case *failing, const char *promise,
                                              property_play_fn *play, property_forget_fn *forget)
{
    struct property_search search = {.best = *failing, .promise = promise, .play = play, .forget = forget};
    bool trace = property.trace;
    property.trace = false;
    while (search.tries < PROPERTY_TRIES_MAX &&
           (property_drop_parts(&search) || property_lower_limits(&search)))
        ;
    property.trace = trace;
    return search.best;
}

static inline uint64_t property_number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

static struct property_case property_case_of(uint64_t seed)
{
    return (struct property_case){.seed = seed,
                                  .without = {property_number("WITHOUT_FAULTS", 0),
                                              property_number("WITHOUT_TROUBLES", 0),
                                              property_number("WITHOUT_REQUESTS", 0)},
                                  .at_most = {(unsigned)property_number("WHIMS", PROPERTY_UNLIMITED),
                                              (unsigned)property_number("GUESTS", PROPERTY_UNLIMITED)}};
}

/* Tells the smallest case, and fails with its words. */
static inline void property_report(const struct property_case *failing, property_play_fn *play,
                                   property_forget_fn *forget)
{
    uint64_t events = 0;
    char first[PROPERTY_TEXT_MAX];
    snprintf(first, sizeof(first), "%s", property.text);
    struct property_case small = property_minimise(failing, property.promise, play, forget);
    fprintf(stderr, "seed %" PRIu64 " made small; its trace:\n", failing->seed);
    property.trace = true;
    (void)property_try(&small, play, forget, &events);
    fail_msg("%s\nfirst: %s\nSEED=%" PRIu64 " WITHOUT_FAULTS=%#" PRIx64 " WITHOUT_TROUBLES=%#" PRIx64
             " WITHOUT_REQUESTS=%#" PRIx64 " WHIMS=%u GUESTS=%u repeats it (faults %#" PRIx64
             ", troubles %#" PRIx64 ", requests %#" PRIx64 ", %" PRIu64 " events)",
             property.promise ? property.text : "it did not fail again", first, small.seed,
             small.without[PROPERTY_FAULTS], small.without[PROPERTY_TROUBLES],
             small.without[PROPERTY_REQUESTS], small.at_most[PROPERTY_WHIMS], small.at_most[PROPERTY_GUESTS],
             small.parts[PROPERTY_FAULTS], small.parts[PROPERTY_TROUBLES], small.parts[PROPERTY_REQUESTS],
             events);
}

/* Plays cases, seed after seed, until so many events are over. Returns how many cases that were; 0: only the
 * one of SEED. */
static inline uint64_t property_run(uint64_t steps, property_play_fn *play, property_forget_fn *forget,
                                    uint64_t *events)
{
    bool one_only = getenv("SEED") != NULL;
    uint64_t first = one_only ? property_number("SEED", 1) : property_number("FIRST", 1);
    uint64_t count = 0;
    property.trace = getenv("TRACE") != NULL;
    for (uint64_t seed = first; count == 0 || (!one_only && *events < steps); seed++, count++) {
        struct property_case one = property_case_of(seed);
        if (property_try(&one, play, forget, events))
            property_report(&one, play, forget);
    }
    return one_only ? 0 : count;
}
