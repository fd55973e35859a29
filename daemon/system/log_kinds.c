/*
 * The table of the log's kinds. Knows nothing of what is said with them.
 */
#include "system/log_kinds.h"

#include <assert.h>
#include <syslog.h>

static const struct log_kind_row rows[KIND_COUNT] = {
    /* life */
    [KIND_STARTED] = {"started", "2893d9f0cb604b66bed33208defe8cd1", LOG_NOTICE},
    [KIND_ENDING] = {"ending", "c56d4e5d4c9d45f5b59cf4063b0ad13f", LOG_NOTICE},
    [KIND_ENDED] = {"ended", "766c502bf10a4676b96cd6341aef55db", LOG_NOTICE},
    [KIND_NOT_STARTED] = {"not-started", "3f74c8590df34ab8ac9ebc9090da8c28", LOG_ERR},
    [KIND_STARTED_BLIND] = {"started-blind", "1e775f98cacd4854a08d3691c292eead", LOG_WARNING},
    [KIND_NOT_READY] = {"not-ready", "2366ebc58a14412b9310fce4e881228e", LOG_ERR},
    [KIND_RELOADED] = {"reloaded", "ae8b7dbebd3a4489a643d29c1ccf92c2", LOG_NOTICE},
    [KIND_RELOAD_REFUSED] = {"reload-refused", "ea049ebb377a4139a5c8067f09a9f9f8", LOG_ERR},
    [KIND_RELOAD_INCOMPLETE] = {"reload-incomplete", "07509898b72443f799412619a44409a7", LOG_ERR},
    [KIND_RESTART_NEEDED] = {"restart-needed", "e72248e46ac547a69a45d6523da9a179", LOG_NOTICE},
    [KIND_GROUP_MISSING] = {"group-missing", "1cea2c3c5d434671a6ddd4cddd1d3231", LOG_WARNING},
    [KIND_NAME_SERVICE_SILENT] = {"name-service-silent", "5b9a3ac956df44a48e0b30a2740a91f6", LOG_WARNING},
    [KIND_KEY_RENAMED] = {"key-renamed", "a8b751f5a074436c8f2fb957dce514ff", LOG_WARNING},
    [KIND_RULE_ODD] = {"rule-odd", "e72778c43edb4b81890f35dcd7ce1c03", LOG_WARNING},
    [KIND_MEMORY_NOT_LOCKED] = {"memory-not-locked", "1589bc47ec3f4f998b560ed383c6ee6e", LOG_WARNING},
    [KIND_LOG_LOST] = {"log-lost", "4b1bfbc1cc34465ca4fb737888c5eef5", LOG_WARNING},
    /* Proxmox */
    [KIND_SESSION_BEGUN] = {"session-begun", "2b8729f2471142d0b9de62a9ee483bd8", LOG_INFO},
    [KIND_LOGIN_FAILED] = {"login-failed", "1087e1a9853241dc86b38b76e28c1137", LOG_ERR},
    [KIND_TICKET_NOT_RENEWED] = {"ticket-not-renewed", "f23bb608a6074462ac6eedf58321c27a", LOG_WARNING},
    [KIND_ENDPOINT_LOST] = {"endpoint-lost", "5b82a218b8b44f78a792f52689befc49", LOG_WARNING},
    [KIND_ENDPOINT_BACK] = {"endpoint-back", "508783febfe64067b0d45e8cf5b78f3a", LOG_NOTICE},
    [KIND_CERTIFICATE_REFUSED] = {"certificate-refused", "2624e33aead84f599b8633c891940e10", LOG_WARNING},
    [KIND_CERTIFICATE_EXPIRES] = {"certificate-expires", "c46905d5fd8943ffbc61070cb87549f3", LOG_WARNING},
    [KIND_POLLING_FAILED] = {"polling-failed", "a316a93a947b4dceb0638bdd7d72f18a", LOG_WARNING},
    [KIND_POLLING_RESUMED] = {"polling-resumed", "63b252cbf430419880a14ac82fa991c7", LOG_NOTICE},
    [KIND_ALIAS_UNMATCHED] = {"alias-unmatched", "cd40d64514a8477c97da4aa96cab74d6", LOG_WARNING},
    [KIND_ALIAS_TWICE] = {"alias-twice", "04f69f04e03f42308095c27101a73acd", LOG_WARNING},
    [KIND_NAMES_NOT_KEPT] = {"names-not-kept", "3fa01b487fc24838b0426e886e7d1f6a", LOG_WARNING},
    [KIND_DEAD_HOSTS_NOT_KEPT] = {"dead-hosts-not-kept", "0c89aab779834918b1c356ebf8baa02b", LOG_WARNING},
    /* own privileges */
    [KIND_PRIVILEGES_FINE] = {"privileges-fine", "9d9132c16fe84b8a8f875f3c3275a9d2", LOG_INFO},
    [KIND_PRIVILEGES_REFUSED] = {"privileges-refused", "d172034db1174d488b26e82ef8c59398", LOG_ERR},
    [KIND_PRIVILEGES_TOLERATED] = {"privileges-tolerated", "30f1c528f1d84321a86331e2a3845d5d", LOG_WARNING},
    [KIND_PRIVILEGE_EXCESS] = {"privilege-excess", "a0dbd6a457cc4b788633864d18f13ffe", LOG_WARNING},
    [KIND_PRIVILEGE_MISSING] = {"privilege-missing", "943ba88e682b4b62971a9c235dea0b09", LOG_WARNING},
    [KIND_PRIVILEGE_HINT] = {"privilege-hint", "e0d60efa151d4743b46603247b4919fb", LOG_NOTICE},
    [KIND_ACCEPTANCE_NOT_KEPT] = {"acceptance-not-kept", "8a374d3fec8c41aabd58bdc2ef368bf5", LOG_WARNING},
    /* rehearsals */
    [KIND_REHEARSALS_ENDED] = {"rehearsals-ended", "c6fbb6f710e04b37823a4ee87ba50608", LOG_CRIT},
    [KIND_REHEARSALS_RESUMED] = {"rehearsals-resumed", "6988e973cc1240bc91145e57b9f6b5ed", LOG_NOTICE},
    [KIND_REHEARSALS_END_NOT_KEPT] = {"rehearsals-end-not-kept", "de72d1c2dc2240048214ed2e7f52bead", LOG_ERR},
    /* readiness */
    [KIND_VERDICT_BLOCKED] = {"verdict-blocked", "8812e1e569584c3ba6d22f3511e68fba", LOG_ERR},
    [KIND_VERDICT_DEGRADED] = {"verdict-degraded", "64bc9715719e4a41a52a7186b10a54b6", LOG_WARNING},
    [KIND_VERDICT_READY] = {"verdict-ready", "c8ddf0e04b3b473095f88b90fddb56b7", LOG_NOTICE},
    /* requests */
    [KIND_REQUEST_ALLOWED] = {"request-allowed", "f402e9fcf848480cbf9943475dd3453c", LOG_INFO},
    [KIND_REQUEST_ANSWERED] = {"request-answered", "e92b51facd4f4468a62a697a92c1953b", LOG_INFO},
    [KIND_REQUEST_DENIED] = {"request-denied", "8ac0415907954f07be7573b00e30e416", LOG_WARNING},
    [KIND_REQUEST_NOT_BEGUN] = {"request-not-begun", "338ebf8df1234690a1413337479cdbdb", LOG_WARNING},
    [KIND_REQUESTS_UNRECORDED] = {"requests-unrecorded", "53851edf34084f9ab1084d6e4296d2f0", LOG_WARNING},
    /* operations */
    [KIND_OPERATION_STEP] = {"operation-step", "2272118b4e1c4b248eff1c40b01744da", LOG_INFO},
    [KIND_OPERATION_DONE] = {"operation-done", "ff2ef16d6b144cfc8142cacfe91d9bfa", LOG_NOTICE},
    [KIND_OPERATION_FAILED] = {"operation-failed", "322da28d3f834bf2a3ce5f4301a3acef", LOG_ERR},
    [KIND_OPERATION_ABANDONED] = {"operation-abandoned", "076dbf11f350424fba8a48a539ff31fd", LOG_ERR},
    [KIND_OPERATION_INTERRUPTED] = {"operation-interrupted", "79b7dd6d63324d4fbe151b8f7d96abbd", LOG_ERR},
    [KIND_POWER_ON_FAILED] = {"power-on-failed", "2f4bc31ba7cf44979b40de57a04a381b", LOG_ERR},
    [KIND_INTENT_LATE] = {"intent-late", "a443fb6d17ea45e4a435ec73f952a74c", LOG_WARNING},
    [KIND_FENCE_UNPROVEN] = {"fence-unproven", "180b04516869469fa4612739f79417fe", LOG_ERR},
    /* history */
    [KIND_HISTORY_NOT_WRITTEN] = {"history-not-written", "2fc983e02c5a44ddb28374132f43395a", LOG_ERR},
    [KIND_HISTORY_WRITTEN_AGAIN] = {"history-written-again", "32580a085e9a4be0932fb0e48907d760", LOG_NOTICE},
    [KIND_HISTORY_UNREADABLE] = {"history-unreadable", "141ba1bf825d49e489ec1cd86740e8cd", LOG_WARNING},
    [KIND_HISTORY_HELD] = {"history-held", "e969d6703de74f51b3f0761a65bd8ca4", LOG_WARNING},
    /* the socket */
    [KIND_CONNECTION_REFUSED] = {"connection-refused", "b9dba807725b410b9b8f16f112967c71", LOG_WARNING},
    [KIND_ACCEPT_PAUSED] = {"accept-paused", "586d1e48d2a24b0fb15b435756af7982", LOG_WARNING},
    [KIND_PEER_UNKNOWN] = {"peer-unknown", "3db32290b51249a5b9e5edb13d53992a", LOG_WARNING},
    [KIND_SOCKET_GROUP] = {"socket-group", "e0bd2e5a282e493fba531540df80843d", LOG_WARNING},
    [KIND_NO_ROOT_SOCKET] = {"no-root-socket", "7e0f95581bd74401a2b7e847075a51a4", LOG_WARNING},
};

const struct log_kind_row *log_kind_row(enum log_kind kind)
{
    assert((unsigned)kind < KIND_COUNT);
    return &rows[kind];
}
