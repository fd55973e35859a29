/*
 * fence-broker-admin: what people run beside the daemon, each command with options of its own. It knows
 * words, and nothing of what the commands do.
 *
 * Its name has dashes, because Pacemaker takes every fence_* in /usr/sbin for an agent and runs it for its
 * metadata; the daemon lies outside of PATH for the same reason.
 */
#include "admin/acl.h"
#include "admin/audit.h"
#include "admin/check.h"
#include "admin/doctor.h"
#include "admin/fenced.h"
#include "admin/migrate.h"
#include "admin/nodes.h"
#include "admin/provision.h"
#include "admin/verify.h"
#include "system/cleanup.h"
#include "system/secret.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ADMIN "fence-broker-admin"

static const struct {
    const char *word, *what;
    int (*main)(int argc, char **argv);
} commands[] = {
    {"check", "read and check the configuration, the secret and the CA", check_main},
    {"doctor", "would a fence work, and if not, why", doctor_main},
    {"audit", "who could fence what, from a copy of user.cfg", audit_main},
    {"provision", "set up in Proxmox VE what fencing needs", provision_main},
    {"migrate", "from fence_pve to the broker: what to change, and the commands", migrate_main},
    {"acl", "Pacemaker's access rules as the broker's", acl_main},
    {"verify", "the evidence of a fence, judged again", verify_main},
    {"fenced", "has the broker evidence of a fence (for Pacemaker's alerts)", fenced_main},
    {"nodes", "the nodes that monitor with strict=1 checks", nodes_main},
};

static void usage(FILE *out)
{
    fputs("usage: " ADMIN " COMMAND [OPTION ...]\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-16s %s\n", commands[i].word, commands[i].what);
    fputs("  -V, --version    print the version\n"
          "  -h, --help       print this; COMMAND --help prints the options of a command\n"
          "To ask the running broker: fence_broker --help\n",
          out);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    secret_protect_process();
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(word, commands[i].word) == 0)
            return commands[i].main(argc - 1, argv + 1);
    }
    if (!strcmp(word, "-V") || !strcmp(word, "--version") || !strcmp(word, "version"))
        return puts(ADMIN " " FENCE_BROKER_VERSION) < 0;
    bool help = !strcmp(word, "-h") || !strcmp(word, "--help") || !strcmp(word, "help");
    if (!help && *word)
        fprintf(stderr, ADMIN ": there is no command %s\n", word);
    usage(help ? stdout : stderr);
    return help ? 0 : 2;
}
