/*
 * pvesim: a stand-in for Proxmox VE with real guests. Options, wiring, signals, and nothing else.
 */
#include "auth.h"
#include "cluster.h"
#include "control.h"
#include "fault.h"
#include "ha.h"
#include "ha_hosts.h"
#include "help.h"
#include "power.h"
#include "server.h"
#include "sim.h"
#include "system/cleanup.h"
#include "task.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void signal_cb(evutil_socket_t number, short what, void *context)
{
    struct sim *sim = context;
    (void)number, (void)what;
    event_base_loopbreak(sim->base);
}

static void guest_changed(struct guest *guest)
{
    power_guest_changed(guest);
    ha_guest_changed(guest);
    control_guest_changed(guest);
}

static void start_guests(struct sim *sim)
{
    for (struct guest *guest = sim->cluster->guests; guest; guest = guest->hh.next) {
        int error = guest->autostart ? guest_start(guest) : 0;
        if (error)
            fprintf(stderr, "pvesim: cannot start guest %d: %s\n", guest->vmid, strerror(-error));
    }
}

/* Everything up, or a message on stderr. */
static int open_all(struct sim *sim, const char *command, char **listens, int listen_count)
{
    _cleanup_(freep) char *message = NULL;
    int error = cluster_load(sim, &message);
    if (!error && command)
        error = cluster_string_set(&sim->cluster->command, command);
    for (int i = 0; i < listen_count && !error; i++) {
        struct node *node = sim->cluster->nodes;
        for (int skip = i; node && skip; skip--)
            node = node->next;
        error = node ? cluster_string_set(&node->listen, listens[i]) : -EINVAL;
        if (error && asprintf(&message, "more --listen than hosts in cluster.conf") < 0)
            message = NULL;
    }
    if (!error)
        error = auth_load(sim, &message);
    if (!error && !(error = faults_init(sim)) && !(error = tasks_init(sim)) && !(error = ha_hosts_open(sim)))
        error = server_open(sim);
    if (!error && (error = control_open(sim)) && asprintf(&message, "control.sock: %s", strerror(-error)) < 0)
        message = NULL;
    if (message)
        fprintf(stderr, "pvesim: %s\n", message);
    if (!error) {
        sim->cluster->changed = guest_changed;
        start_guests(sim);
        error = server_announce(sim);
    }
    return error;
}

static void close_all(struct sim *sim)
{
    control_free(TAKE(sim->control));
    server_free(TAKE(sim->server));
    ha_hosts_free(TAKE(sim->ha));
    cluster_free(TAKE(sim->cluster));
    tasks_free(TAKE(sim->tasks));
    faults_free(TAKE(sim->faults));
    auth_free(TAKE(sim->auth));
    event_base_free(sim->base);
}

static int serve(struct sim *sim, const char *command, char **listens, int listen_count)
{
    sim->base = event_base_new();
    if (!sim->base)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    struct event *term = evsignal_new(sim->base, SIGTERM, signal_cb, sim);
    struct event *interrupt = evsignal_new(sim->base, SIGINT, signal_cb, sim);
    sim->namespaces = tree_namespaces_work();
    int error = term && interrupt ? open_all(sim, command, listens, listen_count) : -ENOMEM;
    if (!error) {
        event_add(term, NULL);
        event_add(interrupt, NULL);
        printf("pvesim: ready, guests in %s\n",
               sim->namespaces ? "PID namespaces" : "process groups (no right to make namespaces)");
        fflush(stdout);
        event_base_dispatch(sim->base);
    }
    if (term)
        event_free(term);
    if (interrupt)
        event_free(interrupt);
    close_all(sim);
    return error ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"guest-command", required_argument, NULL, 'g'},
                                            {"scale", required_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    struct sim sim = {.scale = 1, .denied_delay_ms = -1};
    _cleanup_(freep) char **listens = calloc((size_t)argc, sizeof(*listens));
    const char *command = NULL;
    int listen_count = 0;

    if (argc > 3 && strcmp(argv[1], "ctl") == 0)
        return control_client(argv[2], argc - 3, argv + 3);
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'd':
            sim.dir = optarg;
            break;
        case 'l':
            listens[listen_count++] = optarg;
            break;
        case 'g':
            command = optarg;
            break;
        case 's':
            sim.scale = strtod(optarg, NULL);
            break;
        case 'h':
            fputs(pvesim_help, stdout);
            return 0;
        case 'v':
            puts("pvesim " FENCE_BROKER_VERSION);
            return 0;
        default:
            return 2;
        }
    }
    if (!sim.dir || optind < argc) {
        fprintf(stderr,
                "usage: pvesim --dir DIR [--listen HOST:PORT]… | pvesim ctl DIR WORDS… | pvesim --help\n");
        return 2;
    }
    return serve(&sim, command, listens, listen_count);
}
