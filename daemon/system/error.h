/*
 * What a user must read when something does not work: a stable code, what was seen, and the way out.
 *
 * The codes are the same words in JSON, text, metrics, log and manual. Each has its HTTP status and a default
 * hint in one table in error.c. The texts are bounded and embedded by value, so that the pure state machine
 * can copy them without an allocation that could fail.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#define ERROR_MESSAGE_MAX 512
#define ERROR_HINT_MAX    384

enum error_code {
    ERROR_NONE = 0,
    /* the request itself */
    ERROR_BAD_REQUEST,
    ERROR_METHOD_NOT_ALLOWED,
    ERROR_NOT_FOUND,
    ERROR_REQUEST_TIMEOUT,
    ERROR_BODY_TOO_LARGE,
    ERROR_HEAD_TOO_LARGE,
    ERROR_NOT_IMPLEMENTED,
    ERROR_TOO_MANY,
    /* who and what */
    ERROR_DENIED,
    ERROR_UNKNOWN_PLUG,
    ERROR_AMBIGUOUS_NAME,
    ERROR_NAME_MOVED,
    /* the broker cannot reach or use Proxmox */
    ERROR_NO_SESSION,
    ERROR_NO_ENDPOINT,
    ERROR_NO_INVENTORY,
    ERROR_EMPTY_POOL,
    ERROR_STALE,
    ERROR_CERTIFICATE,
    ERROR_CLOCK_WRONG,
    ERROR_PROTOCOL,
    /* Proxmox will not do it */
    ERROR_NO_POWER_RIGHT,
    ERROR_EXCESS_PRIVILEGES,
    ERROR_LOCKED,
    ERROR_SUSPENDED,
    ERROR_TEMPLATE,
    ERROR_NODE_OFFLINE,
    ERROR_MINORITY,
    ERROR_HA_MANAGED,
    ERROR_HA_ERROR,
    ERROR_HA_FROZEN,
    ERROR_HA_UNSERVED,
    ERROR_TASK_FAILED,
    ERROR_START_FAILED,
    /* how an operation ended */
    ERROR_UNPROVEN,
    ERROR_DEADLINE,
    ERROR_ABANDONED,
    ERROR_INTERRUPTED,
    ERROR_INTERNAL,
    ERROR_CODE_COUNT,
};

struct error {
    enum error_code code;
    char message[ERROR_MESSAGE_MAX]; /* one line, printable, what was seen */
    char hint[ERROR_HINT_MAX];       /* one line, the way out; may be empty */
    bool names_guests; /* of the pool, whoever asks: not for those whom access rules keep from some */
};

/* Both replace what was there. Control characters in the formatted text (a reason phrase from the network,
 * say) and what is no UTF-8 become '?', and an over-long text ends in "...". The arguments may point into
 * *error itself
 * ("endpoint %s: %s" around its own message). error_set() also sets the code's default hint. */
void error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void error_hint(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *error_code_name(enum error_code code);      /* "locked"; "none" for ERROR_NONE */
int error_code_http_status(enum error_code code);       /* 200 for ERROR_NONE */
enum error_code error_code_from_name(const char *name); /* ERROR_INTERNAL if unknown */
