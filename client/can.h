/* "can USER ACTION [PLUG]": who is meant, in numbers, and what the answer was. */
#pragma once

#include <stdbool.h>

#include "answer.h"
#include "say.h"

#define CAN_NO 2 /* the exit status for a no */

/* The target of the request for these operands, malloc'd (NULL without memory, and then 0 as well). -1 and
 * *failure for a user whom the name service does not know. */
int can_make_target(char *const *operands, char **target, struct failure *failure);
bool can_is_yes(const struct answer *answer);
