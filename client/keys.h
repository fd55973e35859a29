/* The agent's parameters: one table that standard input, options, metadata and help are made of. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "say.h"

enum key {
    KEY_ACTION,
    KEY_PLUG,
    KEY_PORT,
    KEY_NODENAME,
    KEY_SOCKET,
    KEY_METHOD,
    KEY_STRICT,
    KEY_QUIET,
    KEY_VERBOSE,
    KEY_VERBOSE_LEVEL,
    KEY_DEBUG_FILE,
    KEY_VERSION,
    KEY_HELP,
    KEY_PLUG_SEPARATOR,
    KEY_SEPARATOR,
    KEY_DELAY,
    KEY_DISABLE_TIMEOUT,
    KEY_LOGIN_TIMEOUT,
    KEY_POWER_TIMEOUT,
    KEY_POWER_WAIT,
    KEY_SHELL_TIMEOUT,
    KEY_STATUS_SLEEP,
    KEY_RETRY_ON,
    KEY_SILENT, /* accepted without a word, and forgotten */
    KEY_COUNT
};

/* What was said. Only what parameters_check() has passed may be read from number and flag. */
struct parameters {
    char *text[KEY_COUNT];     /* owned; NULL: not given */
    int64_t number[KEY_COUNT]; /* given or default; -1: neither */
    bool flag[KEY_COUNT];      /* KEY_METHOD: cycle */
    char *ignored;             /* owned; names that mean nothing here */
};

void parameters_clear(struct parameters *parameters);

/* Reads `key=value` lines to the end of `in`. 0, or -1 and `failure` is set. */
int parameters_read_lines(struct parameters *parameters, FILE *in, struct failure *failure)
    __attribute__((warn_unused_result));

/* Reads the options of a command line. 0, or -1 and `failure` is set. */
int parameters_read_options(struct parameters *parameters, int argc, char **argv, struct failure *failure)
    __attribute__((warn_unused_result));

/* What metadata and --help say of the parameters, to stdout. */
void parameters_print_xml(void);
void parameters_print_help(void);

/* Reads -q, -v and the like alone, so that say_setup() can come first. */
void parameters_apply_speech(struct parameters *parameters);

/* Validates every value; a bad one is named. 0, or -1 and `failure` is set. */
int parameters_check(struct parameters *parameters, struct failure *failure)
    __attribute__((warn_unused_result));

/* A reboot's method. 1: cycle, 0: onoff, -1: neither of them. */
int method_read(const char *text);

/* The plug: plug, port or nodename, in this order; NULL if none was given. */
const char *parameters_plug(const struct parameters *parameters);
