/* See control.h. */
#include "control.h"
#include "auth.h"
#include "fault.h"
#include "ha.h"
#include "ha_hosts.h"
#include "power.h"
#include "server.h"
#include "system/cleanup.h"
#include "task.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LINE_MAX_BYTES  65536
#define WAIT_DEFAULT_MS 10000

struct control {
    struct evconnlistener *listener;
    struct peer *peers;
    char *path;
};

/* a client of the control socket */
struct peer {
    struct sim *sim;
    struct bufferevent *bev;
    struct event *timer; /* of a wait */
    const struct guest *waits_for;
    const struct wanted *wanted;
    bool done;
    struct peer *next, **at;
};

static struct evbuffer *output(struct peer *peer)
{
    return bufferevent_get_output(peer->bev);
}

static void peer_free(struct peer *peer)
{
    *peer->at = peer->next;
    if (peer->next)
        peer->next->at = peer->at;
    if (peer->timer)
        event_free(peer->timer);
    bufferevent_free(peer->bev);
    free(peer);
}

/* ---- words -------------------------------------------------------------------------------------------- */

/* A handler answers "ok…" itself and returns NULL, or returns what is wrong. */
typedef const char *handler(struct peer *peer, char *rest);

static const char *ok(struct peer *peer)
{
    evbuffer_add_printf(output(peer), "ok\n");
    return NULL;
}

static struct guest *take_guest(struct peer *peer, char **rest)
{
    const char *word = strsep(rest, " ");
    return cluster_guest(peer->sim->cluster, word ? strtoll(word, NULL, 10) : 0);
}

static bool take_number(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    *out = text ? strtoll(text, &end, 10) : 0;
    return text && *text && !*end && !errno;
}

static const char *do_guests(struct peer *peer, char *rest)
{
    (void)rest;
    ok(peer);
    for (const struct guest *guest = peer->sim->cluster->guests; guest; guest = guest->hh.next) {
        char pid[16] = "-", payload[16] = "-";
        if (guest->tree) {
            snprintf(pid, sizeof(pid), "%d", (int)tree_pid(guest->tree));
            pid_t of_payload = tree_payload_pid(guest->tree);
            if (of_payload)
                snprintf(payload, sizeof(payload), "%d", (int)of_payload);
        }
        evbuffer_add_printf(output(peer), "%d %s %s %s pid=%s payload=%s lock=%s ha=%s alive=%d name=%s\n",
                            guest->vmid, guest_type(guest), guest->config.node->name,
                            guest_reads_running(guest, guest->config.node) ? "running" : "stopped", pid,
                            payload, guest->config.lock ? guest->config.lock : "",
                            guest->config.ha_state ? guest->config.ha_state : "",
                            guest->tree ? tree_alive(guest->tree) : 0, guest->name);
    }
    return NULL;
}

static const char *do_set(struct peer *peer, char *rest)
{
    struct guest *guest = take_guest(peer, &rest);
    if (!guest || !rest)
        return "usage: set VMID KEY=VALUE…";
    for (char *word; (word = strsep(&rest, " "));) {
        char *value = strchr(word, '=');
        if (!value)
            return "usage: set VMID KEY=VALUE…";
        *value++ = '\0';
        if (cluster_guest_set(peer->sim->cluster, guest, word, value) < 0)
            return "no such key, or not such a value; see pvesim --help";
    }
    return ok(peer);
}

/* as root@pam would do it, with a task of its own */
static const char *power(struct peer *peer, char *rest,
                         struct task *(*begin)(struct sim *sim, const struct power_call *call, char **error))
{
    struct guest *guest = take_guest(peer, &rest);
    _cleanup_(freep) char *error = NULL;
    int64_t timeout_ms = -1;
    if (!guest || (rest && !take_number(rest, &timeout_ms)))
        return "usage: start|stop|shutdown VMID [TIMEOUT_MS], of a guest that is there";
    struct power_call call = {.node = guest->config.node,
                              .vmid = guest->vmid,
                              .is_lxc = guest->is_lxc,
                              .user = "root@pam",
                              .timeout_ms = timeout_ms};
    const struct task *task = begin(peer->sim, &call, &error);
    if (!task) {
        evbuffer_add_printf(output(peer), "error: %s\n", error ? error : "out of memory");
        return NULL;
    }
    evbuffer_add_printf(output(peer), "ok\n%s\n", task->upid);
    return NULL;
}

static const char *do_start(struct peer *peer, char *rest)
{
    return power(peer, rest, power_start);
}

static const char *do_stop(struct peer *peer, char *rest)
{
    return power(peer, rest, power_stop);
}

static const char *do_shutdown(struct peer *peer, char *rest)
{
    return power(peer, rest, power_shutdown);
}

static const char *do_kill(struct peer *peer, char *rest)
{
    struct guest *guest = take_guest(peer, &rest);
    if (!guest)
        return "no such guest";
    guest_kill(guest);
    return ok(peer);
}

static const char *do_node(struct peer *peer, char *rest)
{
    static const char *const states[] = {[NODE_ONLINE] = "online", [NODE_DEAD] = "dead", [NODE_CUT] = "cut"};
    const char *name = strsep(&rest, " ");
    struct node *node = name ? cluster_node(peer->sim->cluster, name) : NULL;
    if (node && rest && strncmp(rest, "hastate=", 8) == 0)
        return cluster_string_set(&node->ha_state, rest[8] ? rest + 8 : NULL) < 0 ? "out of memory"
                                                                                  : ok(peer);
    if (node && rest && (strcmp(rest, "pvestatd=hangs") == 0 || strcmp(rest, "pvestatd=runs") == 0)) {
        node->pvestatd_hangs = strcmp(rest, "pvestatd=hangs") == 0;
        return ok(peer);
    }
    if (node && rest && (strcmp(rest, "watchdog=none") == 0 || strcmp(rest, "watchdog=works") == 0)) {
        node->ha.no_watchdog = strcmp(rest, "watchdog=none") == 0;
        return ok(peer);
    }
    bool corosync_died = rest && strcmp(rest, "corosync-died") == 0;
    for (size_t i = 0; node && rest && i < ARRAY_LEN(states); i++) {
        if (strcmp(corosync_died ? "cut" : rest, states[i]) != 0)
            continue;
        cluster_node_set(peer->sim, node, (enum node_state)i);
        node->corosync_died = corosync_died;
        server_update(peer->sim);
        ha_node_changed(peer->sim, node);
        return ok(peer);
    }
    return "usage: node NAME "
           "online|dead|cut|corosync-died|hastate=STATE|pvestatd=hangs|runs|watchdog=none|works";
}

static const char *do_ha(struct peer *peer, char *rest)
{
    if (!rest || (strcmp(rest, "arm") != 0 && strcmp(rest, "disarm") != 0))
        return "usage: ha arm|disarm";
    ha_hosts_arm(peer->sim->ha, strcmp(rest, "arm") == 0);
    return ok(peer);
}

static const char *do_certificate(struct peer *peer, char *rest)
{
    const char *name = strsep(&rest, " "), *shown_name = NULL;
    const struct node *node = name ? cluster_node(peer->sim->cluster, name) : NULL;
    struct tls_life life = {0};
    for (char *word; (word = strsep(&rest, " "));) {
        if (strncmp(word, "days=", 5) == 0)
            life.days = strtol(word + 5, NULL, 10);
        else if (strncmp(word, "from=", 5) == 0)
            life.from = strtol(word + 5, NULL, 10);
        else if (strncmp(word, "name=", 5) == 0)
            shown_name = word + 5;
        else
            node = NULL;
    }
    if (!node || server_renew_certificate(peer->sim, node, shown_name, life) < 0)
        return "usage: certificate NODE [days=N] [from=N] [name=NAME], of a host with an endpoint";
    ok(peer);
    evbuffer_add_printf(output(peer), "%s\n", server_fingerprint(peer->sim->server, node));
    return NULL;
}

/* ---- faults ------------------------------------------------------------------------------------------- */

static const char *do_fault(struct peer *peer, char *rest)
{
    struct sim *sim = peer->sim;
    if (!rest)
        return "usage: fault NAME KEY=VALUE…";
    const char *wrong = fault_arm(sim, rest);
    if (wrong)
        return wrong;
    if (strcmp(rest, "tickets-expire") == 0) {
        auth_expire_tickets(sim);
        fault_clear(sim, rest, NULL, NULL);
    } else if (strcmp(rest, "list-age") == 0) {
        cluster_freeze_lists(sim->cluster, true);
    }
    server_update(sim);
    return ok(peer);
}

static const char *do_clear(struct peer *peer, char *rest)
{
    const char *name = strsep(&rest, " "), *key = strsep(&rest, "=");
    bool all = !name || !*name;
    if (key && !rest)
        return "usage: clear [NAME [KEY=VALUE]]";
    fault_clear(peer->sim, all ? NULL : name, key, rest);
    if (all || strcmp(name, "list-age") == 0)
        cluster_freeze_lists(peer->sim->cluster, false);
    tasks_release(peer->sim);
    server_update(peer->sim);
    return ok(peer);
}

static const char *do_faults(struct peer *peer, char *rest)
{
    (void)rest;
    ok(peer);
    fault_list(peer->sim, output(peer));
    return NULL;
}

/* ---- times, figures ----------------------------------------------------------------------------------- */

static const char *do_scale(struct peer *peer, char *rest)
{
    char *end = NULL;
    double scale = rest ? strtod(rest, &end) : -1;
    if (scale < 0 || *end)
        return "usage: scale FACTOR";
    peer->sim->scale = scale;
    return ok(peer);
}

static const char *do_denied_delay(struct peer *peer, char *rest)
{
    return take_number(rest, &peer->sim->denied_delay_ms) ? ok(peer)
                                                          : "usage: 401-delay MS (-1: the usual one)";
}

static const char *do_idle(struct peer *peer, char *rest)
{
    int64_t ms = 0;
    if (!take_number(rest, &ms))
        return "usage: idle-ms MS";
    server_idle_ms(peer->sim, ms);
    return ok(peer);
}

static const char *do_clock(struct peer *peer, char *rest)
{
    int64_t seconds = 0;
    if (!take_number(rest, &seconds))
        return "usage: clock [+|-]SECONDS";
    peer->sim->clock_offset_s += seconds;
    return ok(peer);
}

static const char *do_ticket_life(struct peer *peer, char *rest)
{
    int64_t seconds = 0;
    if (!take_number(rest, &seconds))
        return "usage: ticket-life SECONDS";
    auth_ticket_life(peer->sim, seconds);
    return ok(peer);
}

static const char *do_stats(struct peer *peer, char *rest)
{
    if (rest && strcmp(rest, "reset") == 0) {
        server_stats_reset(peer->sim);
        return ok(peer);
    }
    ok(peer);
    server_stats(peer->sim, output(peer));
    return NULL;
}

static const char *do_log(struct peer *peer, char *rest)
{
    (void)rest;
    ok(peer);
    server_log(peer->sim, output(peer));
    return NULL;
}

static const char *do_tasks(struct peer *peer, char *rest)
{
    (void)rest;
    ok(peer);
    for (const struct task *task = task_newest(peer->sim); task; task = task->older)
        evbuffer_add_printf(output(peer), "%s %s\n", task->upid,
                            task->exitstatus ? task->exitstatus : "running");
    return NULL;
}

static const char *do_reload(struct peer *peer, char *rest)
{
    (void)rest;
    auth_refresh(peer->sim, true);
    return ok(peer);
}

/* ---- waiting ------------------------------------------------------------------------------------------ */

static bool is_running(const struct guest *guest)
{
    return guest->tree != NULL;
}

static bool is_stopped(const struct guest *guest)
{
    return guest->tree == NULL;
}

static const struct wanted {
    const char *state;
    bool (*is)(const struct guest *guest);
} wanted[] = {{"running", is_running}, {"stopped", is_stopped}, {"held", task_is_held}};

static void wait_timeout(evutil_socket_t fd, short what, void *context)
{
    struct peer *peer = context;
    (void)fd, (void)what;
    evbuffer_add_printf(output(peer), "error: guest %d is not %s yet\n", peer->waits_for->vmid,
                        peer->wanted->state);
    peer->waits_for = NULL;
    peer->done = true;
}

static const char *do_wait(struct peer *peer, char *rest)
{
    const struct guest *guest = take_guest(peer, &rest);
    const char *state = strsep(&rest, " ");
    int64_t ms = WAIT_DEFAULT_MS;
    for (size_t i = 0; state && i < ARRAY_LEN(wanted); i++) {
        if (strcmp(wanted[i].state, state) == 0)
            peer->wanted = &wanted[i];
    }
    if (!guest || !peer->wanted || (rest && !take_number(rest, &ms)))
        return "usage: wait VMID running|stopped|held [TIMEOUT_MS]";
    if (peer->wanted->is(guest))
        return ok(peer);
    struct timeval delay = sim_timeval(ms);
    peer->timer = event_new(peer->sim->base, -1, 0, wait_timeout, peer);
    if (!peer->timer || event_add(peer->timer, &delay) < 0)
        return "out of memory";
    peer->waits_for = guest;
    return NULL;
}

void control_guest_changed(struct guest *guest)
{
    for (struct peer *peer = guest->sim->control ? guest->sim->control->peers : NULL; peer;
         peer = peer->next) {
        if (peer->waits_for != guest || !peer->wanted->is(guest))
            continue;
        peer->waits_for = NULL;
        peer->done = true;
        event_del(peer->timer);
        ok(peer);
    }
}

/* ---- socket ------------------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    handler *handle;
} words[] = {
    {"guests", do_guests},
    {"set", do_set},
    {"start", do_start},
    {"stop", do_stop},
    {"shutdown", do_shutdown},
    {"kill", do_kill},
    {"node", do_node},
    {"ha", do_ha},
    {"fault", do_fault},
    {"clear", do_clear},
    {"faults", do_faults},
    {"scale", do_scale},
    {"401-delay", do_denied_delay},
    {"idle-ms", do_idle},
    {"clock", do_clock},
    {"ticket-life", do_ticket_life},
    {"stats", do_stats},
    {"log", do_log},
    {"tasks", do_tasks},
    {"reload", do_reload},
    {"wait", do_wait},
    {"certificate", do_certificate},
};

static void read_cb(struct bufferevent *bev, void *context)
{
    struct peer *peer = context;
    struct evbuffer *input = bufferevent_get_input(bev);
    _cleanup_(freep) char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF);
    if (!line && evbuffer_get_length(input) > LINE_MAX_BYTES)
        peer_free(peer);
    if (!line || peer->done || peer->waits_for)
        return;
    const char *wrong = "unknown word; see pvesim --help";
    char *rest = line, *word = strsep(&rest, " ");
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, word) == 0)
            wrong = words[i].handle(peer, rest);
    }
    if (wrong)
        evbuffer_add_printf(output(peer), "error: %s\n", wrong);
    peer->done = !peer->waits_for;
}

static void written_cb(struct bufferevent *bev, void *context)
{
    struct peer *peer = context;
    if (peer->done && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        peer_free(peer);
}

static void event_cb(struct bufferevent *bev, short what, void *context)
{
    (void)bev;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        peer_free(context);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int length,
                      void *context)
{
    struct sim *sim = context;
    struct peer *peer = calloc(1, sizeof(*peer));
    (void)listener, (void)from, (void)length;
    if (peer)
        peer->bev = bufferevent_socket_new(sim->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!peer || !peer->bev) {
        free(peer);
        close(fd);
        return;
    }
    peer->sim = sim;
    peer->at = &sim->control->peers;
    peer->next = sim->control->peers;
    if (peer->next)
        peer->next->at = &peer->next;
    sim->control->peers = peer;
    bufferevent_setcb(peer->bev, read_cb, written_cb, event_cb, peer);
    bufferevent_enable(peer->bev, EV_READ | EV_WRITE);
}

static int address_of(const char *dir, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(address->sun_path, sizeof(address->sun_path), "%s/control.sock", dir);
    return length < 0 || (size_t)length >= sizeof(address->sun_path) ? -ENAMETOOLONG : 0;
}

int control_open(struct sim *sim)
{
    struct sockaddr_un address;
    sim->control = calloc(1, sizeof(*sim->control));
    if (!sim->control)
        return -ENOMEM;
    int error = address_of(sim->dir, &address);
    if (error)
        return error;
    sim->control->path = strdup(address.sun_path);
    unlink(address.sun_path);
    sim->control->listener =
        evconnlistener_new_bind(sim->base, accept_cb, sim, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1,
                                (struct sockaddr *)&address, sizeof(address));
    return sim->control->listener ? 0 : -errno;
}

void control_free(struct control *control)
{
    if (!control)
        return;
    while (control->peers)
        peer_free(control->peers);
    if (control->listener)
        evconnlistener_free(control->listener);
    if (control->path)
        unlink(control->path);
    free(control->path);
    free(control);
}
