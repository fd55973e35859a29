/* "can USER ACTION [PLUG]": who is meant, in numbers. */
#pragma once

#include "say.h"

/* The target of the request for these operands, malloc'd (NULL without memory, and then 0 as well). -1 and
 * *failure for a user whom the name service does not know. */
int can_make_target(char *const *operands, char **target, struct failure *failure);
