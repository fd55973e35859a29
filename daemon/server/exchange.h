/*
 * Shared by server.c and requests.c, by nobody else: one request and what it waits for.
 */
#pragma once

#include "server/connection.h"
#include "server/http.h"
#include "server/server.h"
#include "server/view.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum exchange_wait {
    WAIT_NONE,
    WAIT_ENGINE, /* for engine_submit() or engine_read_power(): `asker` */
    WAIT_ROUND,  /* for knowledge from the poller, until hold_until_ms: `resume` */
};

struct exchange {
    uint64_t id; /* of the connection */
    struct server *server;
    struct connection *connection; /* owned */
    enum server_socket socket;
    enum access_verdict verdict; /* at accept; decides from which share the connection is counted */
    enum http_form form;
    enum exchange_wait wait;
    uint64_t asker;
    char *plug; /* of a live read */
    bool bare;  /* a live read's answer is the word alone; a list has the state; a monitor is strict */
    int64_t hold_until_ms;
    void (*resume)(struct server *server, struct exchange *exchange);
    UT_hash_handle hh;
};

const struct server_parts *server_parts(const struct server *server);
/* Facts of this moment, for one answer. *poll_error etc. are borrowed from the rooms. */
void server_facts(const struct server *server, struct view_facts *facts);
void server_write_metrics(const struct server *server, struct text *out);
int64_t server_age_ms(const struct server *server); /* since server_new() */

/* Answer with this body (taken over), or with an error. `status` 0: the error code's own. */
void exchange_answer(struct exchange *exchange, int status, const char *content_type, struct text *body);
void exchange_answer_error(struct exchange *exchange, int status, const char *allow,
                           const struct error *error, const char *operation);
/* Wait for the poller's next round, at most until hold_until_ms (monotonic); then resume() is called, which
 * answers or holds again. */
void exchange_hold(struct exchange *exchange, int64_t hold_until_ms,
                   void (*resume)(struct server *server, struct exchange *exchange));
