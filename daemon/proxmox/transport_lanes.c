/*
 * libcurl's multi interface on libevent, and the generations of connections: the lanes' connections, and TLS
 * sessions that the lanes share, under one trust. Curl's callbacks only arm events. Knows nothing of what a
 * transfer is for.
 */
#include "proxmox/transport_private.h"

#include "system/cleanup.h"

/* ---- curl's callbacks, and ours ---- */

static void on_socket_event(evutil_socket_t fd, short what, void *context)
{
    struct lane *lane = context;
    int action = ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);
    int running = 0;
    curl_multi_socket_action(lane->multi, fd, action, &running);
    transport_drain(lane);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct lane *lane = context;
    int running = 0;
    curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    transport_drain(lane);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    struct lane *lane = context;
    if (timeout_ms < 0) {
        event_del(lane->timer);
        return 0;
    }
    struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
    event_add(lane->timer, &tv);
    return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket_context)
{
    (void)easy;
    struct lane *lane = context;
    struct event *event = socket_context;
    if (event)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        short events = EV_PERSIST;
        events |= (what & CURL_POLL_IN) ? EV_READ : 0;
        events |= (what & CURL_POLL_OUT) ? EV_WRITE : 0;
        event = event_new(lane->generation->transport->base, fd, events, on_socket_event, lane);
        if (event)
            event_add(event, NULL);
    }
    curl_multi_assign(lane->multi, fd, event);
    return 0;
}

/* ---- generations ---- */

void transport_generation_free(struct generation *generation)
{
    if (!generation)
        return;
    for (size_t i = 0; i < ARRAY_LEN(generation->lanes); i++) {
        struct lane *lane = &generation->lanes[i];
        if (lane->multi)
            curl_multi_cleanup(lane->multi);
        if (lane->timer)
            event_free(lane->timer);
    }
    if (generation->share) /* after the lanes, whose connections use it */
        curl_share_cleanup(generation->share);
    trust_free(generation->trust);
    free(generation);
}

static bool lane_init(struct lane *lane, struct generation *generation, long host_connections)
{
    lane->generation = generation;
    lane->multi = curl_multi_init();
    lane->timer = event_new(generation->transport->base, -1, 0, on_timer, lane);
    if (!lane->multi || !lane->timer)
        return false;
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
    curl_multi_setopt(lane->multi, CURLMOPT_MAX_HOST_CONNECTIONS, host_connections);
    return true;
}

struct generation *transport_generation_new(struct transport *transport, const struct trust_source *source)
{
    static const long host_connections[TRANSPORT_LANE_COUNT] = {
        [TRANSPORT_FENCES] = 0, /* no limit: the engine has its own */
        [TRANSPORT_POLLS] = 5,  /* checks to four hosts, and a poll */
        [TRANSPORT_REHEARSALS] = 1,
    };
    struct generation *generation = calloc(1, sizeof(*generation));
    if (!generation)
        return NULL;
    generation->transport = transport;
    generation->share = curl_share_init();
    generation->trust = trust_new(source);
    bool good = generation->share && generation->trust;
    for (size_t i = 0; good && i < ARRAY_LEN(generation->lanes); i++)
        good = lane_init(&generation->lanes[i], generation, host_connections[i]);
    if (!good) {
        transport_generation_free(generation);
        return NULL;
    }
    curl_share_setopt(generation->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return generation;
}
