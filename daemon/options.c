/*
 * The daemon's command line: which of its commands, with what configuration. It knows words, and nothing of
 * what the commands do.
 */
#include "options.h"

#include "admin/audit.h"
#include "admin/provision.h"
#include "settings.h"
#include "system/cleanup.h"
#include "system/log.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void usage(FILE *out)
{
    fputs("usage: fence_brokerd [-c FILE] [-v] [--check [--can USER ACTION PLUG [ATTRIBUTE=VALUE ...]]]\n"
          "  -c, --config FILE  configuration (default " SETTINGS_DEFAULT_PATH ")\n"
          "      --check        read and check the configuration, the secret and the CA, and end\n"
          "      --can          what the rules of the file say: may USER do ACTION (off, on, reboot, "
          "rehearse, read)\n"
          "                     to PLUG; pool=NAME, tag=NAME, name=NAME, vmid=NUMBER tell what the file does "
          "not know\n"
          "  -v, --verbose      log at the debug level\n"
          "  -V, --version      print the version\n"
          "  -h, --help         print this\n"
          "       fence_brokerd audit --help       who could fence what, from a copy of user.cfg\n"
          "       fence_brokerd provision --help   make what fencing takes in Proxmox\n"
          "       fence_brokerd doctor [-c FILE] [--json]  why a fence would fail, without a daemon\n"
          "Runs in the foreground. SIGHUP reloads; SIGTERM ends it.\n",
          out);
}

int options_main(int argc, char **argv, int (*run)(const char *config_path))
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"verbose", no_argument, NULL, 'v'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {"can", no_argument, NULL, 'a'},
        {NULL, 0, NULL, 0},
    };
    /* commands that run and end, each with options of its own */
    static const struct {
        const char *word;
        int (*main)(int argc, char **argv);
    } commands[] = {{"audit", audit_main}, {"provision", provision_main}, {"doctor", settings_doctor}};
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].word) == 0)
            return commands[i].main(argc - 1, argv + 1);
    }
    const char *config_path = SETTINGS_DEFAULT_PATH;
    bool check_only = false, can = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:vVh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case 'k':
            check_only = true;
            break;
        case 'a':
            can = true;
            break;
        case 'v':
            log_set_level(LOG_DEBUG);
            break;
        case 'V':
            puts("fence_brokerd " FENCE_BROKER_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (can && !check_only) {
        fputs("fence_brokerd: --can goes with --check; the running daemon is asked with fence_broker can\n",
              stderr);
        return 2;
    }
    if (can)
        return settings_check(config_path, argv + optind);
    if (optind < argc) {
        fprintf(stderr, "fence_brokerd: unexpected argument %s\n", argv[optind]);
        usage(stderr);
        return 2;
    }
    return check_only ? settings_check(config_path, NULL) : run(config_path);
}
