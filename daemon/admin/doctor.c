/*
 * One report, by the running daemon or, where there is none, by ourselves, who ask Proxmox once as it would;
 * and what is seen of Pacemaker behind it. The verdict and the exit status are those of all of it. Powers
 * nothing, writes nothing.
 */
#include "admin/cluster.h"
#include "admin/cluster_access.h"
#include "admin/command.h"
#include "admin/doctor_private.h"
#include "admin/heap.h"
#include "client/request.h"
#include "client/screen.h"
#include "settings.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct options {
    const char *socket, *config_path; /* config_path: no daemon is asked */
    bool json;
};

static const char usage[] = "usage: " ADMIN " doctor [-s SOCKET | -c FILE] [--json]\n"
                            "  -s, --socket PATH  the broker's socket (default " BROKER_SOCKET ")\n"
                            "  -c, --config FILE  do not ask the broker: check with this configuration\n"
                            "      --json         for programs\n"
                            "Would a fence work, and if not, why? Asks the running broker, else Proxmox "
                            "with\n" SETTINGS_DEFAULT_PATH "; and looks at Pacemaker on this node.\n"
                            "Exit status: 0 fine, 1 a fence would fail, 2 it would work but something needs\n"
                            "attention.\n";

static int print(const struct diagnosis *diagnosis, bool daemon, bool json, struct failure *failure)
{
    struct text out = {0};
    struct screen screen = screen_of_stdout();
    if (json)
        diagnosis_put_json(&out, diagnosis, daemon, clock_realtime_ms());
    else
        diagnosis_put_text(&out, diagnosis, daemon);
    int rc = 0;
    if (json) {
        rc = command_put(&out, failure);
    } else {
        const char *words = heap_text(&out);
        screen_put(&screen, words, strlen(words), 0);
        rc = say_finish(failure);
    }
    return rc < 0 ? -1 : diagnosis_exit_status(diagnosis);
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

/* The exit status for wrong options is 1, for 2 would mean that a fence works. */
static int doctor(const struct command *command, int argc, char **argv)
{
    struct options options = {0};
    struct failure failure = {0};
    const struct command_option known[] = {{"socket", .text = &options.socket, .letter = 's'},
                                           {"config", .text = &options.config_path, .letter = 'c'},
                                           {"json", .flag = &options.json},
                                           {.name = NULL}};
    int status = command_options(command, argc, argv, known, NULL);
    if (status != COMMAND_GO_ON)
        return status;
    if (options.socket && options.config_path) {
        fputs(ADMIN ": --config does not ask the broker: leave out --socket\n", stderr);
        return command_refuse(command);
    }
    signal(SIGPIPE, SIG_IGN);
    status = report(&options, &failure);
    if (status < 0)
        failure_prefix(&failure, "doctor");
    return command_end(status, &failure);
}

const struct command doctor_command = {"doctor", "would a fence work, and if not, why", usage, 1, doctor};
