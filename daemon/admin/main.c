/*
 * fence-broker-admin: what people run beside the daemon, each command with options of its own. It knows
 * words, and nothing of what the commands do.
 *
 * Its name has dashes, because Pacemaker takes every fence_* in /usr/sbin for an agent and runs it for its
 * metadata; the daemon lies outside of PATH for the same reason.
 */
#include "admin/command.h"
#include "system/cleanup.h"
#include "system/secret.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
    &check_command, &doctor_command, &audit_command,  &provision_command, &migrate_command,
    &acl_command,   &verify_command, &fenced_command, &nodes_command,
};

static void usage(FILE *out)
{
    fputs("usage: " ADMIN " COMMAND [OPTION ...]\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-16s %s\n", commands[i]->word, commands[i]->what);
    fputs("  -V, --version    print the version\n"
          "  -h, --help       print this; COMMAND --help prints the options of a command\n"
          "To ask the running broker: fence_broker --help\n",
          out);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    secret_protect_process();
    say_as(ADMIN);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(word, commands[i]->word) == 0)
            return commands[i]->run(commands[i], argc - 1, argv + 1);
    if (!strcmp(word, "-V") || !strcmp(word, "--version") || !strcmp(word, "version"))
        return puts(ADMIN " " FENCE_BROKER_VERSION) < 0;
    bool help = !strcmp(word, "-h") || !strcmp(word, "--help") || !strcmp(word, "help");
    if (!help && *word)
        fprintf(stderr, ADMIN ": there is no command %s\n", word);
    usage(help ? stdout : stderr);
    return help ? 0 : 2;
}
