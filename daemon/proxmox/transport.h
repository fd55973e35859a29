/*
 * HTTPS to Proxmox: the running daemon's only room that knows libcurl (commands that end have admin/https).
 *
 * Takes rows of the closed list (api.h) and nothing else. Tells apart what certainly was not sent
 * (API_UNSENT) from what may have been (API_LOST). Knows no sessions, chooses no endpoint, repeats nothing.
 */
#pragma once

#include "proxmox/api.h"
#include "proxmox/endpoints.h"
#include "proxmox/traffic.h"
#include "proxmox/trust.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#define TRANSPORT_BODY_MAX (32 * 1024 * 1024) /* of one answer; 10,000 guests are about 4 MiB */

struct transport;

/* What proves who we are; NULL members are left out. Borrowed for the call. */
struct transport_auth {
    const char *authorization; /* header value of an API token */
    const char *ticket;        /* cookie */
    const char *csrf;
};

/* From the loop, never from inside transport_send(). `address` is the numeric address that was connected, or
 * "". Both are valid only during the call. */
typedef void transport_done_fn(void *context, uint64_t id, const struct api_result *result,
                               const char *address);

/* Once per process, before threads: 0, or -ENOTSUP with *error if this libcurl is not built with OpenSSL. */
int transport_global_init(struct error *error);
void transport_global_cleanup(void);

struct transport *transport_new(struct event_base *base, const struct trust_source *trust);
/* Transfers under way end without a callback. */
void transport_free(struct transport *transport);
/* Believe others: connections and TLS sessions made under the old ones are not used for new requests. 0 or
 * -ENOMEM. */
int transport_set_trust(struct transport *transport, const struct trust_source *trust);

/* Send one call to one endpoint, on the connections that are for its purpose. Without an answer after
 * timeout_ms it counts as lost (or unsent). Returns an id, or 0 if the request cannot be built, is none for
 * that purpose (a rehearsal alone is for TRAFFIC_REHEARSAL), or memory ran out. */
uint64_t transport_send(struct transport *transport, enum traffic_purpose purpose,
                        const struct endpoint *endpoint, size_t endpoint_index,
                        const struct api_request *request, const struct transport_auth *auth,
                        int64_t timeout_ms, transport_done_fn *done, void *context);
/* No callback any more; the transfer itself goes on to its end, because a power call cannot be taken back. */
void transport_forget(struct transport *transport, uint64_t id);

const struct traffic *transport_traffic(const struct transport *transport); /* what has ended */
