/*
 * dead_host: what the broker would have claimed of hosts in a recording. The real room
 * (daemon/fence/dead_hosts.c) is fed with samples of it as polls would have seen them. --help has the form of
 * both.
 */
#include "recording.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MS 10000

static const char help[] =
    "Usage: dead_host FILE.jsonl[.gz] [--interval SECONDS] [--phase SECONDS] [--only SID,...]\n"
    "\n"
    "Feeds the broker's room of dead hosts with samples of a recording, and prints a line for each claim "
    "that a host\n"
    "has been fenced by Proxmox HA, and was not online since:\n"
    "\n"
    "    SCENARIO HOST FROM TO\n"
    "\n"
    "FROM is the time (in seconds of the recording) of the sample that made the claim, TO that of the one "
    "that ended\n"
    "it, or of the recording's end. No line: no claim. The exit status is 0, or 2 if the recording cannot be "
    "read.\n"
    "\n"
    "  --interval SECONDS  between two samples (10; a fraction is fine)\n"
    "  --phase SECONDS     when the first sample is taken (0)\n"
    "  --only SID,...      the guests in our pool (all). HA's status names the services of everybody, so a "
    "host's\n"
    "                      witnesses, and the claims, are the same\n"
    "\n"
    "The recording has a JSON object a line, the whole state, with what a poll sees: scenario, t, online, "
    "node_status,\n"
    "services, quorate, disarm, lrm_status and lrm_fresh. What is true (power, boot) is not looked at.\n";

static bool read_seconds(const char *text, int64_t least_ms, int64_t *ms)
{
    char *end = NULL;
    errno = 0;
    double seconds = strtod(text, &end);

    if (errno || end == text || *end || !(seconds >= 0 && seconds <= 1e9))
        return false;
    *ms = (int64_t)(seconds * 1000 + 0.5);
    return *ms >= least_ms;
}

/* Seconds, with a fraction where there is one. */
static const char *seconds_of(int64_t ms, char text[static 32])
{
    if (ms % 1000 == 0)
        snprintf(text, 32, "%" PRId64, ms / 1000);
    else
        snprintf(text, 32, "%" PRId64 ".%03" PRId64, ms / 1000, ms % 1000);
    return text;
}

static void print_claim(void *context, const struct recorded_claim *claim)
{
    char from[32], to[32];

    (void)context;
    printf("%s %s %s %s\n", claim->scenario, claim->host, seconds_of(claim->from_ms, from),
           seconds_of(claim->to_ms, to));
}

static const struct option options[] = {
    {"interval", required_argument, NULL, 'i'},
    {"phase", required_argument, NULL, 'p'},
    {"only", required_argument, NULL, 'o'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

int main(int argc, char *argv[])
{
    int64_t interval_ms = INTERVAL_MS, phase_ms = 0;
    bool understood = true;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h')
            return fputs(help, stdout) < 0;
        understood &= option == 'o' || (option == 'i' && read_seconds(optarg, 1, &interval_ms)) ||
                      (option == 'p' && read_seconds(optarg, 0, &phase_ms));
    }
    if (!understood || optind + 1 != argc) {
        fputs(help, stderr);
        return 2;
    }
    struct recording recording = recording_read(argv[optind]);
    for (size_t i = 0; i < recording.count; i++)
        recording_play(&recording.scenarios[i], interval_ms, phase_ms, print_claim, NULL);
    recording_free(&recording);
    return fflush(stdout) == 0 ? 0 : 2;
}
