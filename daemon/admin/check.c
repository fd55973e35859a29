/*
 * The options of `check`. What is read and judged is the daemon's own business (settings.h), and what its
 * rules decide is can's.
 */
#include "admin/can.h"
#include "admin/command.h"
#include "settings.h"
#include "system/cleanup.h"

#include <stdbool.h>
#include <stdio.h>

static const char usage[] =
    "usage: " ADMIN " check [-c FILE]\n"
    "           [--can USER ACTION PLUG [ATTRIBUTE=VALUE ...]]\n"
    "  -c, --config FILE  configuration (default " SETTINGS_DEFAULT_PATH ");\n"
    "                     - is standard input: one that is not in its place yet\n"
    "      --can          may USER do ACTION (off, on, reboot, rehearse, read) to\n"
    "                     PLUG by the rules of the file? pool=NAME, tag=NAME,\n"
    "                     name=NAME, vmid=NUMBER tell what the file does not know\n"
    "  -h, --help         print this\n"
    "Reads the configuration, the secret and the CA as the daemon would. Does not ask\n"
    "Proxmox.\n";

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

static int check(const struct command *command, int argc, char **argv)
{
    const char *config_path = SETTINGS_DEFAULT_PATH;
    bool can = false;
    char **operands;
    const struct command_option options[] = {
        {"config", .text = &config_path, .letter = 'c'}, {"can", .flag = &can}, {.name = NULL}};
    int status = command_options(command, argc, argv, options, &operands);
    if (status != COMMAND_GO_ON)
        return status;
    if (!can && *operands) {
        fprintf(stderr, ADMIN " check: unexpected argument %s\n", *operands);
        return command_refuse(command);
    }
    return can ? decide(config_path, operands) : settings_check(config_path);
}

const struct command check_command = {"check", "read and check the configuration, the secret and the CA",
                                      usage, 2, check};
