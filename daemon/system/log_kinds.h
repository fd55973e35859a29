/*
 * The kinds of what the log says: each line that an operator may act on is of one of them, and has its name
 * and its MESSAGE_ID, by which journalctl finds all lines of the kind, and its entry in the catalog
 * (systemd/fence-broker.catalog). Both are for ever: a kind that is not said any more leaves the table, and
 * its id is not given to another one.
 *
 * A new kind takes a name here, a row in log_kinds.c (systemd-id128 new makes the id), an entry in the
 * catalog and one in fence_brokerd(8), EVENTS; tests hold them against each other.
 */
#pragma once

enum log_kind {
    /* life */
    KIND_STARTED,
    KIND_ENDING,
    KIND_ENDED,
    KIND_NOT_STARTED,
    KIND_STARTED_BLIND,
    KIND_NOT_READY,
    KIND_RELOADED,
    KIND_RELOAD_REFUSED,
    KIND_RELOAD_INCOMPLETE,
    KIND_RESTART_NEEDED,
    KIND_GROUP_MISSING,
    KIND_NAME_SERVICE_SILENT,
    KIND_RULE_ODD,
    KIND_KEY_RENAMED,
    KIND_MEMORY_NOT_LOCKED,
    KIND_LOG_LOST,
    /* Proxmox */
    KIND_SESSION_BEGUN,
    KIND_LOGIN_FAILED,
    KIND_TICKET_NOT_RENEWED,
    KIND_ENDPOINT_LOST,
    KIND_ENDPOINT_BACK,
    KIND_CERTIFICATE_REFUSED,
    KIND_CERTIFICATE_EXPIRES,
    KIND_POLLING_FAILED,
    KIND_POLLING_RESUMED,
    KIND_ALIAS_UNMATCHED,
    KIND_ALIAS_TWICE,
    KIND_NAMES_NOT_KEPT,
    KIND_DEAD_HOSTS_NOT_KEPT,
    /* own privileges */
    KIND_PRIVILEGES_FINE,
    KIND_PRIVILEGES_REFUSED,
    KIND_PRIVILEGES_TOLERATED,
    KIND_PRIVILEGE_EXCESS,
    KIND_PRIVILEGE_MISSING,
    KIND_PRIVILEGE_HINT,
    KIND_ACCEPTANCE_NOT_KEPT,
    /* rehearsals */
    KIND_REHEARSALS_ENDED,
    KIND_REHEARSALS_RESUMED,
    KIND_REHEARSALS_END_NOT_KEPT,
    /* readiness */
    KIND_VERDICT_BLOCKED,
    KIND_VERDICT_DEGRADED,
    KIND_VERDICT_READY,
    /* requests */
    KIND_REQUEST_ALLOWED,
    KIND_REQUEST_ANSWERED,
    KIND_REQUEST_DENIED,
    KIND_REQUEST_NOT_BEGUN,
    KIND_REQUESTS_UNRECORDED,
    /* operations */
    KIND_OPERATION_STEP,
    KIND_OPERATION_DONE,
    KIND_OPERATION_FAILED,
    KIND_OPERATION_ABANDONED,
    KIND_OPERATION_INTERRUPTED,
    KIND_POWER_ON_FAILED,
    KIND_INTENT_LATE,
    KIND_FENCE_UNPROVEN,
    /* history */
    KIND_HISTORY_NOT_WRITTEN,
    KIND_HISTORY_WRITTEN_AGAIN,
    KIND_HISTORY_UNREADABLE,
    KIND_HISTORY_HELD,
    /* the socket */
    KIND_CONNECTION_REFUSED,
    KIND_ACCEPT_PAUSED,
    KIND_PEER_UNKNOWN,
    KIND_SOCKET_GROUP,
    KIND_NO_ROOT_SOCKET,
    KIND_COUNT,
};

struct log_kind_row {
    const char *name; /* "operation-failed": FENCE_EVENT */
    const char *id;   /* 32 hexadecimal digits: MESSAGE_ID */
    int priority;     /* LOG_ERR … LOG_INFO */
};

/* Never NULL. */
const struct log_kind_row *log_kind_row(enum log_kind kind);
