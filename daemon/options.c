/*
 * The command line of fence_brokerd: what to do, with what configuration. It knows words, and nothing of what
 * is done. What people run is another program, fence-broker-admin (admin/main.c).
 */
#include "options.h"

#include "fence/history_files.h"
#include "fence/rehearsal_memory.h"
#include "settings.h"
#include "system/cleanup.h"
#include "system/log.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ADMIN "fence-broker-admin"

static void usage(FILE *out)
{
    fputs("usage: fence_brokerd [-c FILE] [-v] [--check]\n"
          "  -c, --config FILE  configuration (default " SETTINGS_DEFAULT_PATH ")\n"
          "      --check        read and check the configuration, the secret and the CA, and end\n"
          "  -v, --verbose      log at the debug level\n"
          "  -V, --version      print the version\n"
          "  -h, --help         print this\n"
          "Runs in the foreground. SIGHUP reloads; SIGTERM ends it. Commands for people: " ADMIN ".\n",
          out);
}

/* Not for people: see recorder_set_program(). */
static int be_recorder(int argc, char **argv)
{
    static const struct recorder_sink *const sinks[] = {&log_sink, &recorder_file_sink, &history_files_sink,
                                                        &rehearsal_memory_sink};

    return recorder_main(argc, argv, sinks, ARRAY_LEN(sinks));
}

int options_main(int argc, char **argv, int (*run)(const char *config_path))
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"verbose", no_argument, NULL, 'v'},      {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    if (argc > 1 && !strcmp(argv[1], "recorder"))
        return be_recorder(argc - 1, argv + 1);
    if (argc > 1 && argv[1][0] != '-') {
        fprintf(stderr, "fence_brokerd: the daemon has no command %s; run `" ADMIN " %s ...`\n", argv[1],
                argv[1]);
        return 2;
    }
    const char *config_path = SETTINGS_DEFAULT_PATH;
    bool check_only = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:vVh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case 'k':
            check_only = true;
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
    if (optind < argc) {
        fprintf(stderr, "fence_brokerd: unexpected argument %s\n", argv[optind]);
        usage(stderr);
        return 2;
    }
    if (!check_only && strcmp(config_path, "-") == 0) {
        fputs("fence_brokerd: the daemon reads its configuration again at each reload: name a file\n",
              stderr);
        return 2;
    }
    return check_only ? settings_check(config_path) : run(config_path);
}
