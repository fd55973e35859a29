/*
 * The options of `check`. What is read and judged is the daemon's own business (settings.h), and what its
 * rules decide is can's.
 */
#include "admin/check.h"

#include "admin/can.h"
#include "settings.h"
#include "system/cleanup.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#define ADMIN "fence-broker-admin"

static void usage(FILE *out)
{
    fputs("usage: " ADMIN " check [-c FILE]\n"
          "           [--can USER ACTION PLUG [ATTRIBUTE=VALUE ...]]\n"
          "  -c, --config FILE  configuration (default " SETTINGS_DEFAULT_PATH ");\n"
          "                     - is standard input: one that is not in its place yet\n"
          "      --can          may USER do ACTION (off, on, reboot, rehearse, read) to\n"
          "                     PLUG by the rules of the file? pool=NAME, tag=NAME,\n"
          "                     name=NAME, vmid=NUMBER tell what the file does not know\n"
          "  -h, --help         print this\n"
          "Reads the configuration, the secret and the CA as the daemon would. Does not ask\n"
          "Proxmox.\n",
          out);
}

static int decide(const char *config_path, char *const *arguments)
{
    struct error error = {0};
    const char *user = NULL;
    _cleanup_(settings_freep) struct settings *settings =
        settings_load_with_names(config_path, &user, &error);
    if (settings)
        return can_run(settings->config, &settings->policy, arguments);
    settings_print_error(&error);
    return 1;
}

int check_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"can", no_argument, NULL, 'a'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *config_path = SETTINGS_DEFAULT_PATH;
    bool can = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case 'a':
            can = true;
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (!can && optind < argc) {
        fprintf(stderr, ADMIN " check: unexpected argument %s\n", argv[optind]);
        usage(stderr);
        return 2;
    }
    return can ? decide(config_path, argv + optind) : settings_check(config_path);
}
