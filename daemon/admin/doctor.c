/*
 * The command: one report, by the running daemon or, where there is none, by ourselves, and what is seen of
 * Pacemaker behind it. The verdict and the exit status are those of all of it.
 */
#include "admin/doctor.h"

#include "admin/cluster.h"
#include "admin/cluster_access.h"
#include "admin/doctor_private.h"
#include "client/request.h"
#include "client/screen.h"
#include "settings.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/text.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#define ADMIN "fence-broker-admin"

struct options {
    const char *socket, *config_path; /* config_path: no daemon is asked */
    bool json;
};

static void usage(FILE *out)
{
    fputs("usage: " ADMIN " doctor [-s SOCKET | -c FILE] [--json]\n"
          "  -s, --socket PATH  the broker's socket (default " BROKER_SOCKET ")\n"
          "  -c, --config FILE  do not ask the broker: check with this configuration\n"
          "      --json         for programs\n"
          "Would a fence work, and if not, why? Asks the running broker, else Proxmox "
          "with\n" SETTINGS_DEFAULT_PATH "; and looks at Pacemaker on this node.\n"
          "Exit status: 0 fine, 1 a fence would fail, 2 it would work but something needs\n"
          "attention.\n",
          out);
}

/* -1: go on; else the exit status (0 after --help, 1 for wrong options: 2 would mean that a fence works). */
static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"socket", required_argument, NULL, 's'},
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){0};
    for (int option; (option = getopt_long(argc, argv, "s:c:h", known, NULL)) != -1;) {
        switch (option) {
        case 's':
            options->socket = optarg;
            break;
        case 'c':
            options->config_path = optarg;
            break;
        case 'j':
            options->json = true;
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 1;
        }
    }
    if (optind == argc && !(options->socket && options->config_path))
        return -1;
    if (optind < argc)
        fprintf(stderr, ADMIN ": unexpected argument %s\n", argv[optind]);
    else
        fputs(ADMIN ": --config does not ask the broker: leave out --socket\n", stderr);
    usage(stderr);
    return 1;
}

static int print(const struct diagnosis *diagnosis, bool daemon, bool json, struct failure *failure)
{
    _cleanup_(text_clear) struct text out = {0};
    struct screen screen = screen_of_stdout();
    if (json)
        diagnosis_put_json(&out, diagnosis, daemon, clock_realtime_ms());
    else
        diagnosis_put_text(&out, diagnosis, daemon);
    if (out.failed)
        return failure_set(failure, NULL, "out of memory");
    if (json)
        fwrite(out.data, 1, out.length, stdout);
    else
        screen_put(&screen, out.data, out.length, 0);
    return say_finish(failure) < 0 ? -1 : diagnosis_exit_status(diagnosis);
}

/* The exit status; -1: there is no report, and `failure` says why, or all was said. */
static int report(const struct options *options, struct failure *failure)
{
    _cleanup_(diagnosis_clear) struct diagnosis diagnosis = {0};
    const char *socket = options->socket ? options->socket : BROKER_SOCKET, *config = options->config_path;
    int64_t deadline_ms = 0;
    bool daemon = !config && doctor_ask(&diagnosis, socket, options->json, failure) == 0;
    if (!config && !daemon && !failure->no_daemon)
        return -1;
    failure_clear(failure); /* that no daemon runs is in the report */
    if (!daemon && !doctor_alone(&diagnosis, config ? config : SETTINGS_DEFAULT_PATH, &deadline_ms)) {
        failure->told = true;
        return -1;
    }
    if (cluster_examine(&diagnosis, daemon ? socket : NULL, deadline_ms))
        cluster_compare_access(&diagnosis, config ? config : SETTINGS_DEFAULT_PATH, daemon ? socket : NULL);
    return print(&diagnosis, daemon, options->json, failure);
}

int doctor_main(int argc, char **argv)
{
    struct options options;
    struct failure failure = {0};
    int status = read_options(argc, argv, &options);
    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN);
    say_as(ADMIN);
    status = report(&options, &failure);
    fflush(stdout);
    if (status < 0 && !failure.told && !failure.no_reader) {
        failure_prefix(&failure, "doctor");
        failure_print(&failure);
    }
    failure_clear(&failure);
    return status < 0 ? 1 : status;
}
