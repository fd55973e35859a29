/* What the files of the room share: transport.c (transfers, from the request to the callback),
 * transport_lanes.c (curl on libevent), transport_answer.c (what has come back). */
#pragma once

#include "proxmox/transport.h"

#include "proxmox/listing.h"
#include "system/json.h"

#include <curl/curl.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define TRANSPORT_REASON_MAX 512

/* Sets of connections, so that polls do not stand in a fence's way. What was agreed in a TLS handshake on
 * one of them is resumed on the others. */
enum transport_lane {
    TRANSPORT_FENCES, /* as many connections as are asked for at the same time */
    TRANSPORT_POLLS,  /* and checks: what is asked one after the other takes one handshake; a few connections
                         to an endpoint, so that a host that hangs does not keep a poll waiting */
    TRANSPORT_REHEARSALS, /* a connection for each, and no other call: neither may travel by the other's lane
                           */
    TRANSPORT_LANE_COUNT,
};

/* The connections of one. */
struct lane {
    struct generation *generation;
    CURLM *multi;
    struct event *timer;
};

struct generation {
    struct transport *transport;
    struct lane lanes[TRANSPORT_LANE_COUNT];
    CURLSH *share; /* TLS sessions, so that a fence resumes what a poll began */
    unsigned active;
    struct trust *trust;
};

struct transfer {
    uint64_t id;
    struct lane *lane;
    enum traffic_purpose purpose;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    bool address_known; /* without asking a resolver */
    char *body;
    struct event *timeout;
    enum api_call call;
    struct api_request request; /* that its answer must fit; of its strings only node and upid, our own */
    char node[PVE_NODE_MAX], upid[PVE_UPID_MAX];
    size_t endpoint;
    char *endpoint_text;
    int64_t asked_ms, timeout_ms;
    char *answer;
    size_t answer_length, answer_size;
    struct listing *listing; /* takes a long answer in; NULL: it is kept in `answer` */
    size_t received;         /* bytes of the answer's body */
    bool head_ended;         /* the whole head has come … */
    bool has_length;         /* … and says where the body ends: else the connection's end is its end */
    bool too_long;           /* the answer: more than TRANSPORT_BODY_MAX */
    bool broken;             /* what was received is no answer of Proxmox's, whatever follows */
    struct trust_seen seen;  /* if there was a full handshake */
    char reason[TRANSPORT_REASON_MAX];
    char curl_error[CURL_ERROR_SIZE];
    transport_done_fn *done;
    void *context;
    UT_hash_handle hh;
};

struct transport {
    struct event_base *base;
    struct generation *current;
    struct transfer *transfers;
    uint64_t last_id;
    struct traffic traffic;
};

/* transport_lanes.c: NULL if memory ran out. Freed when it is an old one and has no transfer any more. */
struct generation *transport_generation_new(struct transport *transport, const struct trust_source *source);
void transport_generation_free(struct generation *generation);
/* transport.c: end the transfers that curl has ended. May free the lane. */
void transport_drain(struct lane *lane);

/* transport_answer.c: curl's callbacks for what comes in; the context is the transfer */
size_t transport_on_body(char *data, size_t size, size_t count, void *context);
size_t transport_on_header(char *data, size_t size, size_t count, void *context);
/* What a transfer that has ended amounts to; http_status is set and transfer->easy still there. *document,
 * and the result's guests, must be released after the callback. */
void transport_judge_answer(const struct transfer *transfer, struct api_result *result,
                            struct json_object **document);
/* What curl calls an error was the usual end of an answer without a length. */
bool transport_ended_by_close(const struct transfer *transfer, CURLcode code);
void transport_judge_failure(const struct transfer *transfer, CURLcode code, bool timed_out,
                             struct api_result *result);
/* `connected`: it made a connection of its own. */
struct timings transport_timings(const struct transfer *transfer, bool connected);
