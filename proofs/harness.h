/*
 * The words of a proof. A harness makes a value by leaving it without one: CBMC takes it for any value that
 * there is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef ONLY_COMPILED /* by the build, so that no harness falls behind the code that it is about */
void __CPROVER_assume(bool condition);
void __CPROVER_assert(bool condition, const char *words);
#endif

/* What the code is given, and nobody proves here: each one stands with its reason. */
#define ASSUME(condition) __CPROVER_assume(condition)
/* What is proven. */
#define CLAIM(condition, words) __CPROVER_assert(condition, words)
/* A proof of what never happens is none: this must be possible here (--cover cover). */
#ifdef REACHING
#define REACHED(condition) __CPROVER_cover(condition)
#else
#define REACHED(condition) ((void)(condition))
#endif

/* CBMC takes a bool for any byte; where one is counted with, it has to be 0 or 1, as in C. */
#define MAKE_BOOL(value) ((value) = (value) ? true : false)

void prove(void);
