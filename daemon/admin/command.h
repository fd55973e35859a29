/*
 * A command of fence-broker-admin: its word, its usage, and what all of them do with options, an answer and a
 * failure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/say.h"
#include "system/text.h"

#define ADMIN "fence-broker-admin"

struct command {
    const char *word, *what, *usage;
    int wrong;                                                        /* the exit status for wrong options */
    int (*run)(const struct command *command, int argc, char **argv); /* argv[0] is the word */
};

extern const struct command check_command, doctor_command, audit_command, provision_command, migrate_command,
    acl_command, verify_command, fenced_command, nodes_command;

struct command_words {
    const char **list;
    size_t count;
};

/* Where an option goes: one of the three. */
struct command_option {
    const char *name; /* NULL: the end of a table */
    bool *flag;
    const char **text;
    struct command_words *words; /* of one that can be repeated */
    char letter;                 /* '\0': it has none */
};

#define COMMAND_GO_ON (-1)
/* Or the exit status, all being said: after --help, or for wrong options. `operands`: what stands behind the
 * options goes there; NULL: nothing may. */
int command_options(const struct command *command, int argc, char **argv,
                    const struct command_option *options, char ***operands);
/* The usage on stderr; the exit status. */
int command_refuse(const struct command *command);
/* Reads a file (- is standard input) to its end. 0, or -1 and `failure` is set: it cannot be read, or is
 * longer than any `what` is. */
int command_read(const char *path, size_t most, const char *what, const char *hint, struct text *text,
                 struct failure *failure);
/* Prints an answer. 0, or -1 and `failure` is set. */
int command_put(struct text *answer, struct failure *failure);
/* The exit status: `status`, or 1 where it is negative, and then the failure is printed. */
int command_end(int status, struct failure *failure);
