/* Is the other end of the socket the broker? */
#pragma once

#include "say.h"

/* `fd` is connected to the socket at `path`. 0 if its listener may be trusted to be the broker, else -1 and
 * `failure` is set. */
int peer_check(int fd, const char *path, struct failure *failure) __attribute__((warn_unused_result));
