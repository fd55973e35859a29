/*
 * The rooms of the daemon that ask Proxmox, on an event loop that ends after the first round. Nothing here
 * judges: fence/diagnosis does. What the daemon alone may do (write its history, remember identities, keep
 * track of one-time codes) is not done.
 */
#include "admin/doctor_private.h"

#include "admin/heap.h"
#include "fence/facts.h"
#include "fence/guest_checks.h"
#include "policy/access.h"
#include "proxmox/poller.h"
#include "proxmox/transport.h"
#include "settings.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/custody.h"
#include "system/log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define WAIT_MS        20000       /* so long Proxmox has */
#define NAMES_MS       5000        /* and the name service */
#define LOOK_MS        50          /* for probes of other endpoints, after the round */
#define STATE_BYTES    (64 * 1024) /* free in the state directory, or the history will not reach the disk */
#define LISTENING_FLAG 0x10000     /* of /proc/net/unix: __SO_ACCEPTCON */

/* What was read from outside; borrowed but for the credentials' secrets. */
struct patient {
    int64_t began_ms;            /* monotonic: before the configuration was read */
    const struct config *config; /* NULL: it could not be used, and */
    struct error error;          /* this is why */
    const char *user;            /* with whose rights it was read; NULL: the caller's */
    struct session_credentials credentials;
    struct trust_source trust;
    const struct access_policy *rules; /* NULL: not to be looked over */
    bool group_missing, names_unknown;
};

struct doctor {
    struct patient *patient;
    struct event_base *base;
    struct endpoints *endpoints;
    struct transport *transport;
    struct session *session;
    struct grants *grants;
    struct leads *leads;
    struct poller *poller;
    struct evidence *evidence;
    struct guest_checks *checks;
    struct machine machine;
    struct event *deadline, *look;
};

/* ---- this node ---- */

/* Without connecting: that could start the daemon, where systemd holds the socket. */
static bool somebody_listens(const char *path)
{
    FILE *file = fopen("/proc/net/unix", "re");
    _cleanup_(freep) char *line = NULL;
    size_t size = 0;
    bool found = false;

    for (ssize_t length; file && !found && (length = getline(&line, &size, file)) > 0;) {
        unsigned flags = 0;
        int at = 0;

        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%*[^:]: %*x %*x %x %*x %*x %*u %n", &flags, &at) == 1 && at > 0)
            found = (flags & LISTENING_FLAG) && strcmp(line + at, path) == 0;
    }
    if (file)
        fclose(file);
    return found;
}

/* As far as can be told without writing there. */
static void check_state(const char *directory, struct error *error)
{
    struct stat st;
    struct statvfs space;
    const char *wrong = NULL;

    *error = (struct error){0};
    if (stat(directory, &st) < 0)
        wrong = strerror(errno);
    else if (!S_ISDIR(st.st_mode))
        wrong = "it is not a directory";
    else if (euidaccess(directory, W_OK | X_OK) < 0)
        wrong = strerror(errno);
    else if (statvfs(directory, &space) == 0 && space.f_bavail * space.f_frsize < STATE_BYTES)
        wrong = "its file system is full";
    if (!wrong)
        return;
    error_set(error, ERROR_INTERNAL, "uid %lu cannot write to the state directory %s: %s",
              (unsigned long)geteuid(), directory, wrong);
    error_hint(error, "as root: `install -d -m 0750 -o fence-broker -g fence-broker %s`%s", directory,
               getuid() == 0 ? "" : "; and run this as root: it then checks as the daemon's user");
}

/* ---- one round ---- */

static bool all_endpoints_known(const struct endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints_count(endpoints); i++) {
        if (endpoints_get(endpoints, i)->state == ENDPOINT_UNKNOWN)
            return false;
    }
    return true;
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
    const struct timeval soon = {.tv_usec = LOOK_MS * 1000};
    struct doctor *doctor = context;

    (void)fd;
    (void)what;
    if (all_endpoints_known(doctor->endpoints) && guest_checks_settled(doctor->checks))
        event_base_loopexit(doctor->base, NULL);
    else
        event_add(doctor->look, &soon);
}

static void on_round(void *context)
{
    struct doctor *doctor = context;

    guest_checks_round_ended(doctor->checks);
    event_active(doctor->look, EV_TIMEOUT, 0);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    struct doctor *doctor = context;

    (void)fd;
    (void)what;
    event_base_loopexit(doctor->base, NULL);
}

static struct rooms rooms_of(const struct doctor *doctor)
{
    return (struct rooms){
        .session = doctor->session,
        .endpoints = doctor->endpoints,
        .grants = doctor->grants,
        .poller = doctor->poller,
        .evidence = doctor->evidence,
        .machine = &doctor->machine,
        .config = doctor->patient->config,
    };
}

static void set_up(struct doctor *doctor)
{
    struct patient *patient = doctor->patient;
    const struct config *config = patient->config;

    doctor->base = heap_need(event_base_new());
    doctor->endpoints = heap_need(endpoints_new(config->endpoints, config->endpoint_count));
    doctor->deadline = heap_need(event_new(doctor->base, -1, 0, on_deadline, doctor));
    doctor->look = heap_need(event_new(doctor->base, -1, 0, on_look, doctor));
    doctor->transport = heap_need(transport_new(doctor->base, &patient->trust));
    doctor->session =
        heap_need(session_new(doctor->base, doctor->transport, doctor->endpoints, &patient->credentials));
    doctor->poller = heap_need(poller_new(doctor->base, doctor->session, doctor->endpoints, doctor->grants,
                                          doctor->leads, config, on_round, doctor));
    doctor->evidence = heap_need(evidence_new());
    const struct rooms rooms = rooms_of(doctor);
    doctor->checks = heap_need(
        guest_checks_new(doctor->base, &rooms, config->check_interval_ms, config->answer_timeout_ms));
}

static void tear_down(struct doctor *doctor)
{
    guest_checks_free(doctor->checks);
    poller_free(doctor->poller);
    evidence_free(doctor->evidence);
    session_free(doctor->session);
    transport_free(doctor->transport);
    endpoints_free(doctor->endpoints);
    leads_free(doctor->leads, 0);
    grants_free(doctor->grants, 0);
    event_free(doctor->deadline);
    event_free(doctor->look);
    event_base_free(doctor->base);
}

/* ---- the whole ---- */

/* Proxmox takes a one-time code once, and the daemon keeps account of those that it has used. */
static bool would_take_codes(const struct patient *patient, const struct diagnosis_facts *facts)
{
    return patient->credentials.totp && !facts->nobody_listens;
}

/* False: what the daemon remembers cannot be read. */
static bool examine(struct patient *patient, struct diagnosis_facts *facts, struct diagnosis *diagnosis)
{
    const struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    struct doctor doctor = {.patient = patient};
    const char *directory = patient->config->state_directory;
    struct error error = {0};
    struct facts known;

    doctor.grants = grants_new_reading(directory, &error);
    doctor.leads = doctor.grants ? leads_new_reading(directory, &error) : NULL;
    if (!doctor.leads) {
        fprintf(stderr, "fence-broker-admin: %s\n", error.message);
        grants_free(doctor.grants, 0);
        return false;
    }
    machine_read(&doctor.machine);
    set_up(&doctor);
    event_add(doctor.deadline, &wait);
    event_base_dispatch(doctor.base);
    const struct rooms rooms = rooms_of(&doctor);
    facts_gather(&known, &rooms);
    known.readiness.history_failing = facts->state_error->code != ERROR_NONE;
    facts->known = &known;
    diagnosis_make(diagnosis, facts);
    tear_down(&doctor);
    return true;
}

static bool run(struct patient *patient, struct diagnosis *diagnosis)
{
    struct error state_error = {0};
    const struct facts known = {.now_ms = clock_now_ms(),
                                .boottime_ms = clock_boottime_ms(),
                                .realtime_ms = clock_realtime_ms(),
                                .config = patient->config};
    struct diagnosis_facts facts = {
        .known = &known,
        .config_error = &patient->error,
        .config_user = patient->user,
        .rules = patient->rules,
        .state_error = &state_error,
        .group_missing = patient->group_missing,
        .names_unknown = patient->names_unknown,
        .configuration_ms = clock_now_ms() - patient->began_ms,
    };
    int64_t began_ms = clock_now_ms();

    if (patient->config) {
        facts.nobody_listens = !somebody_listens(patient->config->socket_path);
        const char *user = custody_enter();
        check_state(patient->config->state_directory, &state_error);
        custody_leave(user);
    }
    facts.local_ms = clock_now_ms() - began_ms;
    if (!patient->config) {
        facts.not_asked = "the configuration must be fixed first";
    } else if (would_take_codes(patient, &facts)) {
        facts.not_asked = "a daemon is running, and a second login would use up one of its one-time codes; "
                          "ask the daemon: /usr/sbin/fence_broker doctor";
    } else {
        log_set_level(LOG_CRIT); /* the report says it all */
        return examine(patient, &facts, diagnosis);
    }
    diagnosis_make(diagnosis, &facts);
    return true;
}

/* Whoever gives up waiting is not called back. */
static void no_names(void *context, struct names *names)
{
    (void)context;
    names_free(names);
}

/* A directory may hang, and then that is a finding. */
static void ask_names(struct settings *settings)
{
    struct event_base *base = heap_need(event_base_new());
    struct names_lookup *lookup = NULL;
    struct names_wanted wanted;
    struct names *names = NULL;

    if (settings_wanted_names(settings, &wanted)) {
        lookup = names_begin(base, &wanted, no_names, NULL);
        settings_wanted_clear(&wanted);
    }
    if (lookup && names_await(&lookup, NAMES_MS, &names))
        settings_take_names(settings, names);
    names_abandon(lookup);
    event_base_free(base);
}

bool doctor_alone(struct diagnosis *diagnosis, const char *config_path, int64_t *deadline_ms)
{
    struct patient patient = {.began_ms = clock_now_ms()};
    *deadline_ms = 0;
    if (transport_global_init(&patient.error) < 0) {
        settings_print_error(&patient.error);
        return false;
    }
    _cleanup_(settings_freep) struct settings *settings =
        settings_load_as_service(config_path, &patient.user, &patient.error);
    if (settings) {
        ask_names(settings);
        patient.config = settings->config;
        *deadline_ms = settings->config->deadline_ms;
        patient.credentials = (struct session_credentials){.token_id = settings->config->token_id,
                                                           .user = settings->config->user,
                                                           .secret = settings->secret,
                                                           .totp = settings->totp};
        patient.trust = (struct trust_source){.ca_pem = settings->ca_pem,
                                              .fingerprints = settings->config->fingerprints,
                                              .fingerprint_count = settings->config->fingerprint_count};
        patient.rules = settings->names ? &settings->policy : NULL;
        patient.group_missing = settings->group_missing;
        patient.names_unknown = !settings->names;
    }
    bool good = run(&patient, diagnosis);
    if (settings) { /* what the session has taken over is gone from here */
        settings->secret = patient.credentials.secret;
        settings->totp = patient.credentials.totp;
    }
    transport_global_cleanup();
    return good;
}
