/* A request to the broker, over its UNIX socket. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "say.h"

#define BROKER_SOCKET "/run/fence-broker/broker.sock"
/* Beside it is root's own door, at which no number of others can stand in line; an older broker has none. */
#define BROKER_ROOT_SUFFIX ".root"

/* How long an answer is waited for. A power operation ends by its own deadline in the daemon; the first only
 * guards against a daemon that is stuck. The second covers monitor, too, which may be held back for 15 s just
 * after the daemon's start. */
#define REQUEST_POWER_WAIT_S 600
#define REQUEST_READ_WAIT_S  60
#define REQUEST_WATCH_WAIT_S 10 /* an answer that is asked for again anyway */

struct request {
    const char *socket;  /* path; see request_socket_check() */
    const char *method;  /* GET or POST */
    const char *target;  /* path and query, percent-encoded */
    bool json;           /* ask for JSON instead of text */
    int64_t wait_s;      /* how long to wait, the repetition included */
    int64_t deadline_ms; /* on request_now_ms(), for one of several requests that share their wait; 0: wait_s
                            from now */
};

/* Monotonic milliseconds. */
int64_t request_now_ms(void);

/* Waits until `fd` is ready for `events`, as poll() has them. False: the deadline came first. */
bool request_wait(int fd, short events, int64_t deadline_ms);

/* Is `path` one that a socket can have? Looks at its form alone. 0, or -1 and `failure` is set. */
int request_socket_check(const char *path, struct failure *failure) __attribute__((warn_unused_result));

/* Percent-encodes `text` as one segment of a path. The caller frees; NULL: no memory. */
char *request_encode(const char *text);

/* Asks and waits. 0: `answer` is complete, whatever its status (answer_clear() it); -1: there is no answer,
 * and `failure` says why. An answer that was cut off is asked for once more with the same Request-Id. */
int request_perform(const struct request *request, struct answer *answer, struct failure *failure)
    __attribute__((warn_unused_result));
