/*
 * Views: const snapshots of the other rooms → text for people, or JSON for programs. Each takes facts that
 * were gathered once for this answer, so that no screen contradicts itself. They change nothing and ask
 * nobody.
 *
 * Screens show ages, JSON shows RFC 3339 times with an age beside. Verdicts, reasons, error codes and
 * outcomes are the same words everywhere. JSON only grows: fields are added, never changed.
 */
#pragma once

#include "fence/facts.h"
#include "fence/history.h"
#include "fence/operation.h"
#include "fence/readiness.h"
#include "fence/rehearsal.h"
#include "proxmox/endpoints.h"
#include "proxmox/grants.h"
#include "proxmox/inventory.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"
#include "proxmox/transport.h"
#include "server/http.h"
#include "server/visibility.h"
#include "system/config.h"
#include "system/error.h"
#include "system/json_put.h"
#include "system/text.h"

/* ---- errors ---- */
/* "CODE: MESSAGE\nhint: HINT\n", or {"error": {…}}. `operation` may be NULL: the id of the one that failed.
 */
void view_error(struct text *out, enum http_form form, const struct error *error, const char *operation);

/* ---- guests (view_guests.c) ---- */
void view_guests(struct text *out, enum http_form form, const struct facts *facts);
/* For Pacemaker's list and list-status: VMID,NAME[,STATUS] a line, then the same with each alias. */
void view_list(struct text *out, enum http_form form, const struct facts *facts);
void view_list_status(struct text *out, enum http_form form, const struct facts *facts);
/* Those that may be rehearsed: VMID,NAME a line, each guest once. */
void view_rehearsable(struct text *out, enum http_form form, const struct facts *facts);
/* A rehearsal: its first word is its result; in JSON what `fence_broker rehearse` ends with comes first. */
void view_rehearsal(struct text *out, enum http_form form, const struct facts *facts,
                    const struct rehearsal_report *report);
/* A live read. `guest` is what the inventory knows of it, or NULL if it has just left the pool. */
void view_guest_power(struct text *out, enum http_form form, const struct facts *facts,
                      const struct guest *guest, enum engine_power power, const struct pve_status *status,
                      const char *node);

/* ---- operations (view_operations.c) ---- */
/* Of the operations, and of what was denied, `most` each (0: all), and none from before `since_ms`. */
struct view_choice {
    size_t most;
    int64_t since_ms;
};
void view_operations(struct text *out, enum http_form form, const struct facts *facts,
                     const struct view_choice *choice);
void view_operation(struct text *out, enum http_form form, const struct facts *facts,
                    const struct operation *operation);
/* What proved it off: {"evidence": {…}}, in no other form. */
void view_evidence(struct text *out, const struct operation *operation);
/* What an asker reads when its operation is done: one line, or {"operation": {…}}. */
void view_done(struct text *out, enum http_form form, const struct facts *facts,
               const struct operation *operation);

/* ---- status (view_status.c) ---- */
void view_status(struct text *out, enum http_form form, const struct facts *facts);

/* ---- the doctor's report (view_doctor.c) ---- */
void view_doctor(struct text *out, enum http_form form, const struct facts *facts);

/* ---- whom names lead to (view_plugs.c) ---- */
/* `plugs`: names, separated by commas. readiness.inventory must be there. */
void view_plugs(struct text *out, enum http_form form, const struct facts *facts, const char *plugs);

/* ---- own privileges (view_permissions.c) ---- */
void view_permissions(struct text *out, enum http_form form, const struct facts *facts);

/* ---- shared by the views (view.c) ---- */
/* JSON, beside what json_put.h has. "KEY_at": RFC 3339 and "KEY_age_s": seconds, both null for realtime 0. */
void view_put_time(struct text *out, const char *key, int64_t realtime_ms, const struct facts *facts);
/* Null for NULL and for ERROR_NONE. */
void view_put_error_object(struct text *out, const char *key, const struct error *error);
/* "reasons". `guest` NULL: of the broker as a whole. */
void view_put_reason_objects(struct text *out, const struct facts *facts, const struct guest *guest,
                             reason_set reasons);
void view_put_end(struct text *out); /* of the object that the document is */
/* Those of all guests, each with its cause and the way out. */
void view_put_reason_lines(struct text *out, const struct facts *facts, reason_set reasons);
/* "ha-managed, locked"; "-" for none. */
void view_put_reasons(struct text *out, reason_set reasons);
/* What lies behind a reason of a guest (NULL: of all) in Proxmox's or the network's own words, or NULL: its
 * own evidence knows better than what concerns all. */
const struct error *view_guest_cause(const struct facts *facts, const struct guest *guest,
                                     enum reason reason);
/* A cell of a table: no tab or newline can break out of it; "-" for NULL or "". */
void view_put_cell(struct text *out, const char *value);
