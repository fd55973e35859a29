/* How many files this process may have open. */
#pragma once

#include "system/error.h"

#include <stdbool.h>

#define DESCRIPTORS_WANTED 1024 /* the limit is raised to so many, if it may be */
#define DESCRIPTORS_MIN    256  /* with less the daemon does not start */

/* Raise the limit to what is wanted, as far as that is allowed. False, with *error, if it is too low then. */
bool descriptors_raise(struct error *error);
/* The limit of this moment, at most `most`. */
unsigned descriptors_limit(unsigned most);
