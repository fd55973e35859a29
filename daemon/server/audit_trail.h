/*
 * The audit trail: denials and power requests with their peer, what decided, and the result, to the journal
 * and to the history. A flood of denials becomes a few records and a number. Decides nothing.
 */
#pragma once

#include "fence/operation.h"
#include "fence/rooms.h"
#include "policy/access.h"
#include "system/error.h"

#include <event2/event.h>

struct audit_trail;
struct history;
struct names;

/* Of each uid so many denials are recorded at once, then one in AUDIT_UID_MS; of all together AUDIT_BURST,
 * then one in AUDIT_MS. What is left out is counted, and said with the next record or within AUDIT_REST_MS.
 */
#define AUDIT_UID_BURST 10
#define AUDIT_UID_MS    30000
#define AUDIT_BURST     60
#define AUDIT_MS        10000
#define AUDIT_REST_MS   60000
/* Power requests of a uid that is not privileged: so many lines of the journal at once, then one in
 * AUDIT_POWER_MS. Whatever becomes an operation is in the history in any case. */
#define AUDIT_POWER_BURST 64
#define AUDIT_POWER_MS    1000
#define AUDIT_UIDS_MAX    256 /* remembered apart; beyond, uids share one measure */

/* `rooms`, the history and the names, is borrowed. NULL: no memory. */
struct audit_trail *audit_trail_new(struct event_base *base, const struct rooms *rooms);
void audit_trail_free(struct audit_trail *audit);

void audit_trail_denied(struct audit_trail *audit, const struct access_peer *peer,
                        enum access_verdict verdict, const char *rule, const char *asked);
/* A power request was let in. False if it is one of a flood, and was not recorded: then its answer is not,
 * either. */
bool audit_trail_asked(struct audit_trail *audit, const struct operation_peer *peer, bool privileged,
                       const char *action, const char *plug);
/* How it ended for its asker (error NULL: done; `operation` may be NULL). */
void audit_trail_answered(struct audit_trail *audit, const struct operation_peer *peer, const char *action,
                          const char *plug, const char *operation, const struct error *error);
/* A peer as the records have it, with its name as known since the configuration was loaded. */
void audit_trail_peer(const struct audit_trail *audit, const struct access_peer *peer, const char *rule,
                      struct operation_peer *out);
