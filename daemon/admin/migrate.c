/*
 * The options of `migrate`, and the way from a CIB to what is printed. Asks Pacemaker for its configuration
 * as the caller, or reads a copy of it; changes nothing, and asks Proxmox nothing.
 */
#include "admin/command.h"
#include "admin/migrate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: " ADMIN " migrate [--cib FILE] [--check | --json]\n"
    "      --cib FILE  a copy of the CIB, - is standard input; without it the running cluster's is asked "
    "for\n"
    "      --check     only what still hangs on fence_pve; exit 1 if anything does\n"
    "      --json      the facts, for programs\n"
    "  -h, --help      print this\n"
    "Finds the fence_pve devices of a cluster, and prints what it takes to let the broker fence instead. "
    "Changes\nnothing, and prints no password.\n";

/* ---- the document ---------------------------------------------------------------------------------------
 */

static int read_file(struct cib *cib, const char *path, struct failure *failure)
{
    struct text text = {0};
    int rc = cib_text_read(&text, path, failure);
    if (rc == 0 && cib_read(cib, text.data ? text.data : "", text.length, failure) < 0)
        rc = failure_set(failure, "name a copy of the CIB: cibadmin --query >FILE",
                         "%s is not the XML of a CIB", path);
    text_clear(&text);
    return rc;
}

/* ---- the command ----------------------------------------------------------------------------------------
 */

struct wish {
    const char *file;
    bool check, json;
};

static int print(struct migrate *migrate, const struct wish *wish, struct failure *failure)
{
    struct text out = {0};
    bool hangs = false;
    const char *slash = wish->file ? strrchr(wish->file, '/') : NULL;
    if (wish->check)
        hangs = migrate_put_check(migrate, &out);
    else if (wish->json)
        migrate_put_json(migrate, slash ? slash + 1 : wish->file, &out);
    else if (migrate->old_count || migrate->template_count)
        migrate_put_text(migrate, &out);
    else
        text_puts(&out, "There is no fence_pve device: nothing to migrate.\n");
    return command_put(&out, failure) < 0 ? -1 : hangs;
}

static int run(const struct wish *wish)
{
    struct failure failure = {0};
    struct migrate migrate = {.old_count = 0};
    int rc = wish->file ? read_file(&migrate.cib, wish->file, &failure)
                        : cib_query(&migrate.cib, CIB_WAIT_MS, &failure);
    if (rc == 0 && !cib_after(cib_root(&migrate.cib), NULL, "configuration"))
        rc = failure_set(&failure, "name a copy of the CIB: cibadmin --query >FILE",
                         "%s has no configuration of Pacemaker",
                         wish->file ? wish->file : "cibadmin's answer");
    if (rc == 0) {
        migrate_read(&migrate);
        rc = print(&migrate, wish, &failure);
    }
    cib_clear(&migrate.cib);
    return command_end(rc, &failure);
}

static int migrate(const struct command *command, int argc, char **argv)
{
    struct wish wish = {.file = NULL};
    const struct command_option options[] = {{"cib", .text = &wish.file},
                                             {"check", .flag = &wish.check},
                                             {"json", .flag = &wish.json},
                                             {.name = NULL}};
    int status = command_options(command, argc, argv, options, NULL);
    if (status != COMMAND_GO_ON)
        return status;
    return wish.check && wish.json ? command_refuse(command) : run(&wish);
}

const struct command migrate_command = {
    "migrate", "from fence_pve to the broker: what to change, and the commands", usage, 2, migrate};
