/*
 * fence_brokerd: signals, wiring, and the order of start and end. Everything else has a room of its
 * own.
 *
 * Order at the start: what forks (recorders) before what may have threads (libcurl's resolver), what other
 * rooms borrow before them. The end is the reverse, with Proxmox transfers before the event loop.
 */
#include "fence/dead_hosts_memory.h"
#include "fence/engine.h"
#include "fence/evidence.h"
#include "fence/facts.h"
#include "fence/guest_checks.h"
#include "fence/history.h"
#include "fence/host_watch.h"
#include "fence/rehearsal.h"
#include "fence/rooms.h"
#include "fence/status_line.h"
#include "fence/verdict_log.h"
#include "options.h"
#include "proxmox/endpoints.h"
#include "proxmox/grants.h"
#include "proxmox/poller.h"
#include "proxmox/probe.h"
#include "proxmox/session.h"
#include "proxmox/transport.h"
#include "server/server.h"
#include "server/visibility.h"
#include "settings.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/config_value.h"
#include "system/descriptors.h"
#include "system/jitter.h"
#include "system/log.h"
#include "system/loop.h"
#include "system/machine.h"
#include "system/memory.h"
#include "system/names.h"
#include "system/notify.h"
#include "system/text.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define READY_WAIT_MS    15000 /* Pacemaker must not wait for the network's sake */
#define DRAIN_WAIT_MS    5000  /* operations under way may end */
#define FLUSH_WAIT_MS    1000  /* their answers may be written */
#define RECORDER_WAIT_MS 1000  /* records may reach the disk */
#define NAMES_WAIT_MS    5000  /* at the start; after it only root may ask, until the name service answers */

struct broker {
    const char *config_path;
    struct settings *settings;
    struct settings *coming; /* of a reload, until the name service has told who is who */
    struct names_lookup *names;
    bool guests_linted; /* the rules were held against the guests */
    struct event_base *base;
    struct rooms rooms;
    struct leads *leads;
    struct dead_hosts_memory *dead_hosts_memory; /* NULL: dead-host = fail at the start */
    struct machine machine;
    struct guest_checks *checks;
    struct verdict_log *verdict_log;
    struct server *server;
    struct event *on_term, *on_int, *on_hup, *on_watchdog, *on_ready_wait, *on_flush, *on_names_wait,
        *on_checking;
    int codes; /* which TOTP codes were used, in memory that systemd keeps over a restart; -1: none */
    bool ready, stopping;
    int64_t flush_until_ms;
};

/* ---- what systemd is told ---- */

/* It is to be what the status screen says: while guests are being checked it is told again soon. */
static void tell_status(struct broker *broker)
{
    struct facts facts;
    int64_t left_ms;
    facts_gather(&facts, &broker->rooms);
    _cleanup_(text_clear) struct text line = {0};
    status_line(&line, &facts);
    if (line.data && !line.failed)
        notify_status("%s", line.data);
    if (readiness_unchecked(&facts.readiness, &left_ms) > 0)
        loop_arm(broker->on_checking, 1000);
}

static void on_checking(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct broker *broker = context;
    if (!broker->stopping)
        tell_status(broker);
}

static void tell_verdicts(struct broker *broker)
{
    struct facts facts;
    facts_gather(&facts, &broker->rooms);
    verdict_log_observe(broker->verdict_log, &facts.readiness);
}

/* ---- oddities of the rules ---- */

/* Once for each load, when the guests are known. */
static void lint_guests(struct broker *broker)
{
    const struct inventory *inventory = poller_inventory(broker->rooms.poller);
    size_t count = inventory ? inventory_count(inventory) : 0;
    if (broker->guests_linted || count == 0 || !broker->settings->policy.enable_acl)
        return;
    _cleanup_(freep) struct access_guest *guests = calloc(count, sizeof(*guests));
    for (size_t i = 0; guests && i < count; i++)
        visibility_guest_of(inventory_get(inventory, i), &guests[i]);
    if (guests)
        settings_lint_guests(broker->settings, guests, count);
    broker->guests_linted = guests != NULL;
}

static void become_ready(struct broker *broker)
{
    if (broker->ready)
        return;
    broker->ready = true;
    event_del(broker->on_ready_wait);
    notify_ready();
}

static void on_round(void *context)
{
    struct broker *broker = context;
    if (broker->stopping)
        return;
    if (poller_inventory(broker->rooms.poller))
        evidence_keep(broker->rooms.evidence, poller_inventory(broker->rooms.poller));
    guest_checks_round_ended(broker->checks);
    engine_round_ended(broker->rooms.engine);
    rehearsals_round_ended(broker->rooms.rehearsals);
    server_round_ended(broker->server);
    tell_status(broker);
    tell_verdicts(broker);
    lint_guests(broker);
    if (poller_error(broker->rooms.poller)->code == ERROR_NONE &&
        grants_state(broker->rooms.grants) != GRANTS_REFUSED)
        become_ready(broker);
}

static void on_ready_wait(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct broker *broker = context;
    if (grants_state(broker->rooms.grants) == GRANTS_REFUSED) {
        const struct error *excess = grants_excess(broker->rooms.grants);
        log_say(KIND_NOT_READY, (const struct log_field[]){LOG_ERROR_CODE(excess), {NULL, NULL}},
                "not ready: %s; %s", excess->message, excess->hint);
        return;
    }
    log_say(KIND_STARTED_BLIND,
            (const struct log_field[]){LOG_ERROR_CODE(poller_error(broker->rooms.poller)), {NULL, NULL}},
            "Proxmox could not be used within %d s after the start; still trying", READY_WAIT_MS / 1000);
    become_ready(broker);
}

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    notify_watchdog();
}

/* ---- settings become the rooms' own ---- */

static struct engine_settings engine_settings_of(const struct config *config)
{
    return (struct engine_settings){
        .deadline_ms = config->deadline_ms,
        .lock_wait_ms = config->lock_wait_ms,
        .stop_timeout_ms = config->stop_timeout_ms,
        .answer_timeout_ms = config->answer_timeout_ms,
        .min_online_nodes = config->min_online_nodes,
    };
}

/* A restart must not use a code again: Proxmox would count it as a failure, and locks a second factor for a
 * few of those. */
static void remember_codes(struct broker *broker, struct totp *totp)
{
    if (broker->codes < 0)
        broker->codes = notify_take_stored("totp-used");
    if (broker->codes < 0) {
        broker->codes = totp_memory_new();
        if (broker->codes >= 0 && !notify_store("totp-used", broker->codes))
            log_debug("nobody keeps the memory of used TOTP codes over a restart");
    }
    if (broker->codes >= 0)
        totp_remember_in(totp, broker->codes);
}

static struct session_credentials credentials_of(struct broker *broker, struct settings *settings)
{
    if (settings->totp)
        remember_codes(broker, settings->totp);
    return (struct session_credentials){
        .token_id = settings->config->token_id,
        .user = settings->config->user,
        .secret = TAKE(settings->secret),
        .totp = TAKE(settings->totp),
    };
}

static struct trust_source trust_of(const struct settings *settings)
{
    return (struct trust_source){
        .ca_pem = settings->ca_pem,
        .fingerprints = settings->config->fingerprints,
        .fingerprint_count = settings->config->fingerprint_count,
    };
}

/* After each change of the settings' names or rules. */
static void use_policy(struct broker *broker)
{
    broker->rooms.config = broker->settings->config;
    broker->rooms.names = broker->settings->names;
    server_set_policy(broker->server, &broker->settings->policy);
    broker->guests_linted = false;
}

static bool same_word(const char *one, const char *other)
{
    return one && other ? !strcmp(one, other) : one == other;
}

/* What the former identity was shown says nothing about this one. */
static void forget_other_identity(struct broker *broker, const struct config *old, const struct config *new)
{
    if (same_word(old->token_id, new->token_id) && same_word(old->user, new->user))
        return;
    guest_checks_set_interval(broker->checks, 0,
                              new->answer_timeout_ms); /* none under way ends as evidence */
    rehearsals_forget(broker->rooms.rehearsals);
    evidence_forget(broker->rooms.evidence);
}

static void apply(struct broker *broker, struct settings *settings)
{
    struct session_credentials credentials = credentials_of(broker, settings);
    struct engine_settings engine_settings = engine_settings_of(settings->config);
    struct trust_source trust = trust_of(settings);
    bool good = transport_set_trust(broker->rooms.transport, &trust) == 0;
    good &= endpoints_reconfigure(broker->rooms.endpoints, settings->config->endpoints,
                                  settings->config->endpoint_count) == 0;
    good &= session_set_credentials(broker->rooms.session, &credentials);
    good &= poller_set_config(broker->rooms.poller, settings->config);
    good &= host_watch_set_config(broker->rooms.host_watch, settings->config);
    if (!good)
        log_say(KIND_RELOAD_INCOMPLETE, NULL,
                "no memory to take over all of the new configuration; reload again");
    secret_free(credentials.secret);
    totp_free(credentials.totp);
    engine_set_settings(broker->rooms.engine, &engine_settings);
    forget_other_identity(broker, broker->settings->config, settings->config);
    guest_checks_set_interval(broker->checks, settings->config->check_interval_ms,
                              settings->config->answer_timeout_ms);
    rehearsals_set_config(broker->rooms.rehearsals, settings->config);
    settings_warn_of_restart(broker->settings->config, settings->config);
    struct settings *old = broker->settings;
    broker->settings = settings;
    use_policy(broker);
    settings_free(old); /* not before nobody has its rules any more */
    settings_warn(settings);
}

/* ---- names: asked for in a thread, because a directory may hang ---- */

static void take_over(struct broker *broker)
{
    apply(broker, TAKE(broker->coming));
    log_say(KIND_RELOADED, NULL, "reloaded %s", broker->config_path);
    if (broker->settings->credential_secrets)
        log_say(KIND_RESTART_NEEDED, NULL,
                "a changed systemd credential takes effect at the next restart, not on a reload");
    if (broker->ready)
        notify_ready();
}

static void on_names(void *context, struct names *names)
{
    struct broker *broker = context;
    broker->names = NULL;
    if (broker->stopping) {
        names_free(names);
        return;
    }
    if (!names)
        log_say(KIND_RELOAD_INCOMPLETE, NULL, "no memory for the names of users and groups; reload again");
    if (broker->coming) {
        settings_take_names(broker->coming, names);
        take_over(broker);
        return;
    }
    settings_take_names(broker->settings, names); /* those of the start, late */
    use_policy(broker);
    settings_warn(broker->settings);
}

/* A reload that waits for the name service is no reason for systemd to wait. */
static void on_names_wait(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct broker *broker = context;
    if (!broker->names || !broker->coming)
        return;
    log_say(KIND_NAME_SERVICE_SILENT, NULL,
            "the name service does not answer: the old configuration stays in force until it does");
    if (broker->ready)
        notify_ready();
}

/* False without memory: then it does not answer. */
static bool ask_names(struct broker *broker, const struct settings *settings)
{
    struct names_wanted wanted;
    names_abandon(TAKE(broker->names));
    if (!settings_wanted_names(settings, &wanted))
        return false;
    broker->names = names_begin(broker->base, &wanted, on_names, broker);
    settings_wanted_clear(&wanted);
    return broker->names != NULL;
}

/* A bad file changes nothing and is reported. What is good counts as soon as its names are known. */
static void on_hup(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct broker *broker = context;
    struct error error = {0};
    if (broker->stopping)
        return;
    notify_reloading();
    struct settings *settings = settings_load(broker->config_path, &error);
    if (settings && ask_names(broker, settings)) {
        settings_free(broker->coming);
        broker->coming = settings;
        loop_arm(broker->on_names_wait, NAMES_WAIT_MS);
        return;
    }
    if (settings)
        error_set(&error, ERROR_INTERNAL, "no memory or thread to ask for users and groups");
    settings_free(settings);
    log_say(KIND_RELOAD_REFUSED, (const struct log_field[]){LOG_ERROR_CODE(&error), {NULL, NULL}},
            "not reloaded, the old configuration stays in force: %s%s%s", error.message,
            error.hint[0] ? "; " : "", error.hint);
    if (broker->ready)
        notify_ready();
}

/* ---- the end ---- */

static void on_flush(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct broker *broker = context;
    if (server_connections(broker->server) == 0 || clock_now_ms() >= broker->flush_until_ms)
        event_base_loopexit(broker->base, NULL);
    else
        loop_arm(broker->on_flush, 10);
}

static void on_drained(void *context)
{
    struct broker *broker = context;
    server_drop_waiting(broker->server);
    broker->flush_until_ms = clock_now_ms() + FLUSH_WAIT_MS;
    event_active(broker->on_flush, EV_TIMEOUT, 0);
}

static void on_term(evutil_socket_t signal_number, short what, void *context)
{
    (void)what;
    struct broker *broker = context;
    if (broker->stopping)
        return;
    broker->stopping = true;
    log_say(KIND_ENDING, NULL, "%s: stopping, %u operations under way", strsignal((int)signal_number),
            engine_running(broker->rooms.engine));
    notify_stopping();
    notify_status("stopping; %u operations under way", engine_running(broker->rooms.engine));
    server_close_listeners(broker->server);
    rehearsals_stop(broker->rooms.rehearsals);
    engine_drain(broker->rooms.engine, DRAIN_WAIT_MS, on_drained, broker);
}

static void free_events(struct broker *broker)
{
    struct event *events[] = {broker->on_term,       broker->on_int,        broker->on_hup,
                              broker->on_watchdog,   broker->on_ready_wait, broker->on_flush,
                              broker->on_names_wait, broker->on_checking};
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (events[i])
            event_free(events[i]);
    }
}

static void tear_down(struct broker *broker)
{
    server_free(broker->server);
    verdict_log_free(broker->verdict_log);
    guest_checks_free(broker->checks);
    rehearsals_free(broker->rooms.rehearsals, RECORDER_WAIT_MS);
    engine_free(broker->rooms.engine);
    host_watch_free(broker->rooms.host_watch);
    poller_free(broker->rooms.poller);
    evidence_free(broker->rooms.evidence);
    session_free(broker->rooms.session);
    transport_free(broker->rooms.transport);
    endpoints_free(broker->rooms.endpoints);
    leads_free(broker->leads, RECORDER_WAIT_MS);
    dead_hosts_memory_free(broker->dead_hosts_memory, RECORDER_WAIT_MS);
    grants_free(broker->rooms.grants, RECORDER_WAIT_MS);
    history_free(broker->rooms.history, RECORDER_WAIT_MS);
    log_stop(RECORDER_WAIT_MS);
    names_abandon(TAKE(broker->names));
    settings_free(TAKE(broker->coming));
    free_events(broker);
    if (broker->base)
        event_base_free(broker->base);
    settings_free(broker->settings);
    if (broker->codes >= 0)
        close(broker->codes);
    transport_global_cleanup();
    libevent_global_shutdown();
}

/* ---- the start ---- */

static bool make_events(struct broker *broker)
{
    struct event_base *base = broker->base;
    broker->on_term = evsignal_new(base, SIGTERM, on_term, broker);
    broker->on_int = evsignal_new(base, SIGINT, on_term, broker);
    broker->on_hup = evsignal_new(base, SIGHUP, on_hup, broker);
    broker->on_watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, broker);
    broker->on_ready_wait = event_new(base, -1, 0, on_ready_wait, broker);
    broker->on_flush = event_new(base, -1, 0, on_flush, broker);
    broker->on_names_wait = event_new(base, -1, 0, on_names_wait, broker);
    broker->on_checking = event_new(base, -1, 0, on_checking, broker);
    if (!broker->on_term || !broker->on_int || !broker->on_hup || !broker->on_watchdog ||
        !broker->on_ready_wait || !broker->on_flush || !broker->on_names_wait || !broker->on_checking)
        return false;
    evsignal_add(broker->on_term, NULL);
    evsignal_add(broker->on_int, NULL);
    evsignal_add(broker->on_hup, NULL);
    loop_arm(broker->on_ready_wait, READY_WAIT_MS);
    int64_t watchdog_ms = notify_watchdog_interval_ms();
    if (watchdog_ms > 0)
        loop_arm(broker->on_watchdog, watchdog_ms);
    return true;
}

static bool make_rooms(struct broker *broker, struct error *error)
{
    struct settings *settings = broker->settings;
    struct config *config = settings->config;
    struct session_credentials credentials = credentials_of(broker, settings);
    struct engine_settings engine_settings = engine_settings_of(config);

    error_set(error, ERROR_INTERNAL, "no memory at the start");
    broker->rooms.machine = &broker->machine;
    broker->rooms.config = config;
    broker->rooms.names = settings->names;
    broker->rooms.evidence = evidence_new();
    broker->rooms.endpoints = endpoints_new(config->endpoints, config->endpoint_count);
    struct trust_source trust = trust_of(settings);
    broker->rooms.transport = transport_new(broker->base, &trust);
    if (broker->rooms.evidence && broker->rooms.endpoints && broker->rooms.transport)
        broker->rooms.session =
            session_new(broker->base, broker->rooms.transport, broker->rooms.endpoints, &credentials);
    secret_free(credentials.secret);
    totp_free(credentials.totp);
    if (!broker->rooms.session)
        return false;
    broker->rooms.poller = poller_new(broker->base, broker->rooms.session, broker->rooms.endpoints,
                                      broker->rooms.grants, broker->leads, config, on_round, broker);
    if (!broker->rooms.poller)
        return false;
    broker->rooms.engine = engine_new(broker->base, broker->rooms.session, broker->rooms.poller,
                                      broker->rooms.history, &engine_settings);
    if (!rehearsals_start(broker->rooms.rehearsals, broker->base, probe_new(broker->rooms.session),
                          &broker->rooms, config) ||
        !broker->rooms.engine)
        return false;
    broker->rooms.host_watch =
        host_watch_new(broker->base, &broker->rooms, broker->dead_hosts_memory, config);
    engine_use_evidence(broker->rooms.engine, broker->rooms.evidence);
    engine_use_host_watch(broker->rooms.engine, broker->rooms.host_watch);
    broker->checks =
        guest_checks_new(broker->base, &broker->rooms, config->check_interval_ms, config->answer_timeout_ms);
    broker->verdict_log = verdict_log_new(NULL, NULL);
    if (!broker->rooms.host_watch || !broker->checks || !broker->verdict_log)
        return false;
    broker->server = server_new(broker->base, &broker->rooms, &settings->policy);
    return broker->server != NULL;
}

/* A socket of systemd's, else our own at `path`. */
static bool listen_at(struct broker *broker, enum server_door door, const char *name, const char *path,
                      struct error *error)
{
    int fd = notify_take_socket(name);

    if (fd < 0)
        return server_listen_at(broker->server, door, path, broker->settings->policy.gate.group, error) == 0;
    int result = server_listen(broker->server, door, fd);
    if (result < 0)
        error_set(error, ERROR_INTERNAL, "the %s socket of systemd cannot be used: %s", name,
                  strerror(-result));
    return result == 0;
}

/* Root can do without a door of its own (an older unit passes none), as long as nobody crowds the other. */
static bool listen_everywhere(struct broker *broker, struct error *error)
{
    const struct config *config = broker->settings->config;
    char root[sizeof(((struct sockaddr_un *)0)->sun_path)];

    snprintf(root, sizeof(root), "%s" CONFIG_ROOT_SUFFIX, config->socket_path);
    if (!listen_at(broker, SERVER_DOOR_BROKER, "broker", config->socket_path, error) ||
        !listen_at(broker, SERVER_DOOR_METRICS, "metrics", config->metrics_path, error))
        return false;
    if (!listen_at(broker, SERVER_DOOR_ROOT, "root", root, error))
        log_say(KIND_NO_ROOT_SOCKET, NULL,
                "root has no socket of its own and waits in line with the group: %s%s%s", error->message,
                error->hint[0] ? "; " : "", error->hint);
    return true;
}

static bool start(struct broker *broker, struct error *error)
{
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    notify_init();
    if (!descriptors_raise(error))
        return false;
    machine_read(&broker->machine);
    /* several brokers of one machine have files of their own */
    jitter_begin((const char *const[]){broker->machine.id, broker->machine.name, broker->machine.uuid,
                                       broker->config_path},
                 4);
    recorder_set_program(open("/proc/self/exe", O_PATH | O_CLOEXEC));
    int result = log_start();
    if (result < 0) {
        errno = -result;
        recorder_say_not_started(error, "the log");
        return false;
    }
    broker->rooms.history = history_new(broker->settings->config->state_directory, error);
    if (!broker->rooms.history)
        return false;
    broker->rooms.grants = grants_new(broker->settings->config->state_directory, error);
    if (broker->rooms.grants)
        broker->leads = leads_new(broker->settings->config->state_directory, error);
    if (broker->leads)
        broker->rooms.rehearsals = rehearsals_new(broker->settings->config->state_directory, error);
    if (broker->rooms.rehearsals && broker->settings->config->trust_ha &&
        !(broker->dead_hosts_memory =
              dead_hosts_memory_new(broker->settings->config->state_directory, error)))
        return false;
    if (!broker->rooms.rehearsals || transport_global_init(error) < 0)
        return false;
    broker->base = loop_new();
    if (!broker->base) {
        error_set(error, ERROR_INTERNAL, "no event loop");
        return false;
    }
    log_attach(broker->base);
    history_attach(broker->rooms.history, broker->base);
    grants_attach(broker->rooms.grants, broker->base);
    leads_attach(broker->leads, broker->base);
    dead_hosts_memory_attach(broker->dead_hosts_memory, broker->base);
    if (!make_events(broker)) {
        error_set(error, ERROR_INTERNAL, "no memory at the start");
        return false;
    }
    struct names *names = NULL;
    if (ask_names(broker, broker->settings) && names_await(&broker->names, NAMES_WAIT_MS, &names))
        settings_take_names(broker->settings, names);
    settings_warn(broker->settings);
    if (!make_rooms(broker, error) || !listen_everywhere(broker, error))
        return false;
    struct error unlocked = {0};
    if (!memory_lock("fence_broker", &unlocked))
        log_say(KIND_MEMORY_NOT_LOCKED, NULL, "%s; %s", unlocked.message, unlocked.hint);
    tell_status(broker);
    return true;
}

static void tell_not_started(const struct error *error)
{
    if (log_choose())
        log_say(KIND_NOT_STARTED, (const struct log_field[]){LOG_ERROR_CODE(error), {NULL, NULL}},
                "not started: %s%s%s", error->message, error->hint[0] ? "; " : "", error->hint);
    else
        settings_print_error(error);
}

static int run(const char *config_path)
{
    struct broker broker = {.config_path = config_path, .codes = -1};
    struct error error = {0};
    broker.settings = settings_load(config_path, &error);
    if (!broker.settings) {
        tell_not_started(&error);
        return 1;
    }
    bool started = start(&broker, &error);
    if (started) {
        log_say(KIND_STARTED, NULL, "fence_brokerd " FENCE_BROKER_VERSION " serves at %s",
                broker.settings->config->socket_path);
        event_base_dispatch(broker.base);
        log_say(KIND_ENDED, NULL, "ended");
    } else {
        tell_not_started(&error);
    }
    tear_down(&broker);
    return started ? 0 : 1;
}

int main(int argc, char **argv)
{
    secret_protect_process();
    memory_keep_small();
    return options_main(argc, argv, run);
}
