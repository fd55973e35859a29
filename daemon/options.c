/*
 * The command lines of fence_brokerd and of fence-broker-admin, which are one program under two names: what
 * to do, with what configuration. It knows words, and nothing of what the commands do.
 *
 * What people run has a name of its own, with dashes, because Pacemaker takes every fence_* in /usr/sbin for
 * an agent and runs it for its metadata; the daemon lies outside of PATH for the same reason.
 */
#include "options.h"

#include "admin/audit.h"
#include "admin/provision.h"
#include "fence/history_files.h"
#include "fence/rehearsal_memory.h"
#include "settings.h"
#include "system/cleanup.h"
#include "system/log.h"

#include <errno.h>
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

static void check_usage(FILE *out)
{
    fputs("usage: " ADMIN " check [-c FILE] [--can USER ACTION PLUG [ATTRIBUTE=VALUE ...]]\n"
          "  -c, --config FILE  configuration (default " SETTINGS_DEFAULT_PATH ")\n"
          "      --can          what the rules of the file say: may USER do ACTION (off, on, reboot, "
          "rehearse, read)\n"
          "                     to PLUG; pool=NAME, tag=NAME, name=NAME, vmid=NUMBER tell what the file does "
          "not know\n"
          "  -h, --help         print this\n"
          "Reads the configuration, the secret and the CA as the daemon would, and asks Proxmox nothing.\n",
          out);
}

static int check_main(int argc, char **argv)
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
            check_usage(stdout);
            return 0;
        default:
            check_usage(stderr);
            return 2;
        }
    }
    if (!can && optind < argc) {
        fprintf(stderr, ADMIN " check: unexpected argument %s\n", argv[optind]);
        check_usage(stderr);
        return 2;
    }
    return settings_check(config_path, can ? argv + optind : NULL);
}

/* What runs and ends, each with options of its own. */
static const struct {
    const char *word, *what;
    int (*main)(int argc, char **argv);
} commands[] = {
    {"check", "read and check the configuration, the secret and the CA", check_main},
    {"doctor", "why a fence would fail, without a daemon", settings_doctor},
    {"audit", "who could fence what, from a copy of user.cfg", audit_main},
    {"provision", "make what fencing takes in Proxmox VE", provision_main},
};

static void admin_usage(FILE *out)
{
    fputs("usage: " ADMIN " COMMAND [OPTION ...]\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-16s %s\n", commands[i].word, commands[i].what);
    fputs("  -V, --version    print the version\n"
          "  -h, --help       print this; COMMAND --help prints the options of a command\n"
          "What the running broker knows: fence_broker --help\n",
          out);
}

/* The index of a command; ARRAY_LEN(commands) if it is none. */
static size_t find_command(const char *word)
{
    size_t i = 0;
    while (i < ARRAY_LEN(commands) && strcmp(word, commands[i].word) != 0)
        i++;
    return i;
}

static int admin_main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    size_t command = find_command(word);
    if (command < ARRAY_LEN(commands))
        return commands[command].main(argc - 1, argv + 1);
    if (!strcmp(word, "-V") || !strcmp(word, "--version") || !strcmp(word, "version"))
        return puts(ADMIN " " FENCE_BROKER_VERSION) < 0;
    bool help = !strcmp(word, "-h") || !strcmp(word, "--help") || !strcmp(word, "help");
    if (!help && *word)
        fprintf(stderr, ADMIN ": there is no command %s\n", word);
    admin_usage(help ? stdout : stderr);
    return help ? 0 : 2;
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
    if (strcmp(program_invocation_short_name, ADMIN) == 0)
        return admin_main(argc, argv);
    if (argc > 1 && find_command(argv[1]) < ARRAY_LEN(commands)) {
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
    return check_only ? settings_check(config_path, NULL) : run(config_path);
}
