/* The agent's parameters. The contract of the fence agents in one table: names, options, kinds, defaults and
 * descriptions. Reading is lenient where the contract is (unknown keys are warned about, the last value wins,
 * - and _ are alike) and strict where a wrong value would be acted upon. Knows no action, and no value is
 * ever repeated in a message unless it is one of ours: other agents' passwords may stand in the same lines.
 */
#include "keys.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guess.h"
#include "request.h"
#include "system/cleanup.h"

/* more seconds than anybody waits: 31 years; and it cannot overflow in milliseconds */
#define NUMBER_MAX 1000000000

#define IGNORED_MOST 1000 /* bytes of names that are told, about */

#define HELP_HINT "/usr/sbin/fence_broker --help lists the commands"

static const char *const methods[] = {"onoff", "cycle", NULL};

const struct key_row key_rows[] = {
    {.name = "action",
     .key = KEY_ACTION,
     .option = 'o',
     .long_option = "action",
     .argument = "action",
     .default_value = "reboot",
     .description = "Fencing action"},
    {.name = "plug",
     .key = KEY_PLUG,
     .option = 'n',
     .long_option = "plug",
     .argument = "id",
     .obsoletes = "port",
     .description = "The guest: name of its Pacemaker node, VMID, or guest name"},
    {.name = "port",
     .key = KEY_PORT,
     .deprecated = true,
     .option = 'n',
     .long_option = "plug",
     .argument = "id",
     .description = "The guest: name of its Pacemaker node, VMID, or guest name"},
    {.name = "socket",
     .key = KEY_SOCKET,
     .option = 's',
     .long_option = "socket",
     .argument = "path",
     .default_value = BROKER_SOCKET,
     .description = "UNIX socket of the broker"},
    {.name = "method",
     .key = KEY_METHOD,
     .kind = KIND_SELECT,
     .option = 'm',
     .long_option = "method",
     .argument = "method",
     .default_value = "onoff",
     .choices = methods,
     .description = "How to reboot: onoff (off, verified, then on) or cycle (reset)"},
    {.name = "strict",
     .key = KEY_STRICT,
     .kind = KIND_BOOLEAN,
     .long_option = "strict",
     .default_value = "0",
     .description = "Also fail monitor if one node cannot be fenced"},
    {.name = "quiet",
     .key = KEY_QUIET,
     .kind = KIND_FLAG,
     .option = 'q',
     .long_option = "quiet",
     .description = "Print no warnings and no success message"},
    {.name = "verbose",
     .key = KEY_VERBOSE,
     .kind = KIND_FLAG,
     .option = 'v',
     .long_option = "verbose",
     .description = "Print each step to standard error"},
    {.name = "verbose_level",
     .key = KEY_VERBOSE_LEVEL,
     .kind = KIND_INTEGER,
     .long_option = "verbose-level",
     .argument = "level",
     .description = "0: not verbose, 1 or more: verbose"},
    {.name = "debug",
     .key = KEY_DEBUG_FILE,
     .deprecated = true,
     .option = 'D',
     .long_option = "debug-file",
     .argument = "debugfile",
     .description = "Append each step to this file"},
    {.name = "debug_file",
     .key = KEY_DEBUG_FILE,
     .option = 'D',
     .long_option = "debug-file",
     .argument = "debugfile",
     .obsoletes = "debug",
     .description = "Append each step to this file"},
    {.name = "version",
     .key = KEY_VERSION,
     .kind = KIND_FLAG,
     .option = 'V',
     .long_option = "version",
     .description = "Display the version and exit"},
    {.name = "help",
     .key = KEY_HELP,
     .kind = KIND_FLAG,
     .option = 'h',
     .long_option = "help",
     .description = "Display help and exit"},
    {.name = "plug_separator",
     .key = KEY_PLUG_SEPARATOR,
     .long_option = "plug-separator",
     .argument = "char",
     .default_value = ",",
     .description = "Separator between several plugs"},
    {.name = "separator",
     .key = KEY_SEPARATOR,
     .option = 'C',
     .long_option = "separator",
     .argument = "char",
     .default_value = ",",
     .description = "Field separator of list and list-status"},
    {.name = "delay",
     .key = KEY_DELAY,
     .kind = KIND_SECOND,
     .long_option = "delay",
     .argument = "seconds",
     .default_value = "0",
     .description = "Seconds to wait before off or reboot"},
    {.name = "disable_timeout",
     .key = KEY_DISABLE_TIMEOUT,
     .kind = KIND_FLAG,
     .long_option = "disable-timeout",
     .argument = "true/false",
     .description = "Ignore power_timeout"},
    {.name = "login_timeout",
     .key = KEY_LOGIN_TIMEOUT,
     .kind = KIND_SECOND,
     .long_option = "login-timeout",
     .argument = "seconds",
     .default_value = "5",
     .description = "No effect: the broker is already logged in"},
    {.name = "power_timeout",
     .key = KEY_POWER_TIMEOUT,
     .kind = KIND_SECOND,
     .long_option = "power-timeout",
     .argument = "seconds",
     .description =
         "Total seconds to wait for the answer; default: as long as the broker's operation may take"},
    {.name = "power_wait",
     .key = KEY_POWER_WAIT,
     .kind = KIND_SECOND,
     .long_option = "power-wait",
     .argument = "seconds",
     .default_value = "0",
     .description = "No effect: the broker verifies instead"},
    {.name = "shell_timeout",
     .key = KEY_SHELL_TIMEOUT,
     .kind = KIND_SECOND,
     .long_option = "shell-timeout",
     .argument = "seconds",
     .default_value = "3",
     .description = "No effect: there is no shell"},
    {.name = "stonith_status_sleep",
     .key = KEY_STATUS_SLEEP,
     .kind = KIND_SECOND,
     .long_option = "stonith-status-sleep",
     .argument = "seconds",
     .default_value = "1",
     .description = "No effect: the broker reads as needed"},
    {.name = "retry_on",
     .key = KEY_RETRY_ON,
     .kind = KIND_INTEGER,
     .long_option = "retry-on",
     .argument = "attempts",
     .default_value = "1",
     .description = "No effect: the broker retries by itself"},
    /* names that others use for the same, and what Pacemaker passes along */
    {.name = "option", .key = KEY_ACTION, .hidden = true},
    {.name = "port", .key = KEY_PORT, .hidden = true, .long_option = "port", .argument = "id"},
    {.name = "nodename", .key = KEY_NODENAME, .hidden = true, .long_option = "nodename", .argument = "id"},
    {.name = "nodeid", .key = KEY_SILENT, .hidden = true, .long_option = "nodeid", .argument = "id"},
    {.name = "agent", .key = KEY_SILENT, .hidden = true},
    {.name = "provides", .key = KEY_SILENT, .hidden = true},
    {.name = "stonith_timeout", .key = KEY_SILENT, .hidden = true},
    {.name = "crm_feature_set", .key = KEY_SILENT, .hidden = true},
};
const size_t key_row_count = ARRAY_LEN(key_rows);

void parameters_clear(struct parameters *parameters)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        free(parameters->text[i]);
    free(parameters->ignored);
    *parameters = (struct parameters){0};
}

static int store(struct parameters *parameters, enum key key, const char *value, struct failure *failure)
{
    char *copy = strdup(value);
    if (!copy)
        return failure_set(failure, NULL, "out of memory");
    free(parameters->text[key]);
    parameters->text[key] = copy;
    return 0;
}

/* Remembers a name (never its value) for one warning about all of them. */
static void note_ignored(struct parameters *parameters, const char *name)
{
    const char *before = parameters->ignored ? parameters->ignored : "";
    size_t length = strlen(before);
    char *names = NULL;
    if (length > IGNORED_MOST)
        return;
    bool full = length + strlen(name) > IGNORED_MOST;
    if (asprintf(&names, "%s%s%.*s%s", before, length ? ", " : "", IGNORED_MOST, name, full ? " ..." : "") <
        0)
        return;
    free(parameters->ignored);
    parameters->ignored = names;
}

/* ---- standard input -------------------------------------------------------------------------------------
 */

static char *strip(char *text)
{
    static const char blanks[] = " \t\r\n\v\f";
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]))
        length--;
    text[length] = '\0';
    return text;
}

static char *unquote(char *text)
{
    size_t length = strlen(text);
    if (length < 2 || text[0] != '"' || text[length - 1] != '"')
        return text;
    text[length - 1] = '\0';
    return text + 1;
}

static const struct key_row *row_by_name(const char *name)
{
    for (size_t i = 0; i < key_row_count; i++)
        if (strcmp(key_rows[i].name, name) == 0)
            return &key_rows[i];
    return NULL;
}

static int read_line(struct parameters *parameters, char *line, unsigned long number, struct failure *failure)
{
    line = strip(line);
    if (!*line || *line == '#')
        return 0;
    char *value = strchr(line, '=');
    if (!value) {
        char where[64];
        snprintf(where, sizeof(where), "line %lu (it has no '=')", number);
        note_ignored(parameters, where);
        return 0;
    }
    *value++ = '\0';
    char *name = strip(line);
    for (char *p = name; *p; p++)
        if (*p == '-')
            *p = '_';
    const struct key_row *row = row_by_name(name);
    if (row)
        return store(parameters, row->key, unquote(strip(value)), failure);
    /* Pacemaker's own keys, should it ever pass them on */
    if (strncmp(name, "pcmk_", 5) != 0 && strncmp(name, "CRM_meta_", 9) != 0)
        note_ignored(parameters, name);
    return 0;
}

int parameters_read_lines(struct parameters *parameters, FILE *in, struct failure *failure)
{
    _cleanup_(freep) char *line = NULL;
    size_t size = 0;
    unsigned long number = 0;
    ssize_t length;
    errno = 0;
    while ((length = getline(&line, &size, in)) >= 0) {
        number++;
        if (strlen(line) != (size_t)length)
            return failure_set(failure, "pass key=value lines of text",
                               "line %lu of standard input holds a NUL byte", number);
        if (read_line(parameters, line, number, failure) < 0)
            return -1;
    }
    if (!feof(in))
        return failure_set(failure, "pass key=value lines, or options (see --help)",
                           "cannot read standard input: %s", strerror(errno));
    return 0;
}

/* ---- options --------------------------------------------------------------------------------------------
 */

/* Rows are told apart by getopt's return value: a short option's letter, or this plus the row's number. */
#define LONG_BASE 256

static int row_of_option(int c)
{
    if (c >= LONG_BASE)
        return c - LONG_BASE;
    for (size_t i = 0; i < key_row_count; i++)
        if (key_rows[i].option == c && !key_rows[i].deprecated)
            return (int)i;
    return -1;
}

/* Fills getopt's two tables from ours. A deprecated row shares its option with the row that replaces it. */
static void option_tables(struct option *longs, char *shorts)
{
    *shorts++ = ':'; /* tell a missing argument from an unknown option */
    for (size_t i = 0; i < key_row_count; i++) {
        const struct key_row *row = &key_rows[i];
        if (row->deprecated || !row->long_option)
            continue;
        *longs++ = (struct option){.name = row->long_option,
                                   .has_arg = row->argument ? required_argument : no_argument,
                                   .val = LONG_BASE + (int)i};
        if (!row->option)
            continue;
        *shorts++ = row->option;
        if (row->argument)
            *shorts++ = ':';
    }
    *longs = (struct option){0};
    *shorts = '\0';
}

/* `word` begins with "--"; what may stand behind its '=' is not repeated. */
static int unknown_option(const char *word, const struct option *longs, struct failure *failure)
{
    struct guess guess = {.word = word + 2, .length = strcspn(word, "=") - 2};
    for (; strlen(word) > 2 && longs->name; longs++)
        guess_try(&guess, longs->name);
    failure_set(failure, HELP_HINT, "unknown or misused option %.*s", (int)strcspn(word, "="), word);
    return guess_tell(&guess, "--", failure);
}

int parameters_read_options(struct parameters *parameters, int argc, char **argv, struct failure *failure)
{
    struct option longs[ARRAY_LEN(key_rows) + 1];
    char shorts[2 * ARRAY_LEN(key_rows) + 2];
    option_tables(longs, shorts);
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        int row = c == '?' || c == ':' ? -1 : row_of_option(c);
        if (c == ':')
            return failure_set(failure, HELP_HINT, "option %s needs a value", argv[optind - 1]);
        if (row < 0) {
            /* a long one may carry somebody's password behind its '=' */
            const char *word = argv[optind - 1];
            if (optopt && optopt < LONG_BASE)
                return failure_set(failure, HELP_HINT, "unknown option -%c", optopt);
            return unknown_option(word, longs, failure);
        }
        if (store(parameters, key_rows[row].key, optarg ? optarg : "1", failure) < 0)
            return -1;
    }
    if (optind < argc)
        return failure_set(failure, HELP_HINT, "unexpected argument '%s' after the options", argv[optind]);
    return 0;
}

/* ---- values ---------------------------------------------------------------------------------------------
 */

static int parse_boolean(const char *value)
{
    static const char *const words[][2] = {{"0", "1"}, {"no", "yes"}, {"off", "on"}, {"false", "true"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        for (int truth = 0; truth < 2; truth++)
            if (strcasecmp(value, words[i][truth]) == 0)
                return truth;
    return -1;
}

static int64_t parse_number(const char *value)
{
    if (!*value || value[strspn(value, "0123456789")])
        return -1;
    errno = 0;
    long long n = strtoll(value, NULL, 10);
    return errno || n > NUMBER_MAX ? -1 : n;
}

static bool is_choice(const char *value, const char *const *choices)
{
    for (; *choices; choices++)
        if (strcasecmp(value, *choices) == 0)
            return true;
    return false;
}

/* "60s" is 60, for a hint; what cannot be guessed is `otherwise`. */
static int64_t guess_number(const char *value, int64_t otherwise)
{
    _cleanup_(freep) char *digits = strndup(value, strspn(value, "0123456789"));
    int64_t n = digits && strcasecmp(value + strlen(digits), "s") == 0 ? parse_number(digits) : -1;
    return n >= 0 ? n : otherwise;
}

static int check_number(struct parameters *parameters, const struct key_row *row, const char *value,
                        struct failure *failure)
{
    int64_t n = value ? parse_number(value) : -1;
    parameters->number[row->key] = n;
    if (!value || n >= 0)
        return 0;
    char hint[96];
    bool seconds = row->kind == KIND_SECOND;
    snprintf(hint, sizeof(hint), "give %s, as in %s=%lld",
             seconds ? "whole seconds without a unit" : "a whole number", row->name,
             (long long)guess_number(value, seconds ? 60 : 1));
    return failure_set(failure, hint, "%s=%s is not a number from 0 to %d", row->name, value, NUMBER_MAX);
}

static int check_row(struct parameters *parameters, const struct key_row *row, struct failure *failure)
{
    const char *value = parameters->text[row->key] ? parameters->text[row->key] : row->default_value;
    int truth = value ? parse_boolean(value) : 0;
    switch (row->kind) {
    case KIND_STRING:
        return 0;
    case KIND_SELECT:
        if (value && !is_choice(value, row->choices))
            return failure_set(failure, "use onoff or cycle", "%s=%s is not known", row->name, value);
        return 0;
    case KIND_SECOND:
    case KIND_INTEGER:
        return check_number(parameters, row, value, failure);
    case KIND_BOOLEAN:
        parameters->flag[row->key] = truth == 1;
        if (truth < 0)
            return failure_set(failure, "use 1, yes, on, true or 0, no, off, false",
                               "%s=%s is neither yes nor no", row->name, value);
        return 0;
    case KIND_FLAG:
        parameters->flag[row->key] = truth == 1;
        if (truth < 0)
            say_warning("%s=%s is neither yes nor no and is ignored", row->name, value);
        return 0;
    }
    return 0;
}

void parameters_apply_speech(struct parameters *parameters)
{
    static const enum key speech[] = {KEY_QUIET, KEY_VERBOSE, KEY_HELP, KEY_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(speech); i++) {
        const char *value = parameters->text[speech[i]];
        parameters->flag[speech[i]] = value && parse_boolean(value) == 1;
    }
    const char *level = parameters->text[KEY_VERBOSE_LEVEL];
    int64_t n = level ? parse_number(level) : -1;
    bool verbose = n >= 0 ? n > 0 : parameters->flag[KEY_VERBOSE];
    say_setup(parameters->flag[KEY_QUIET], verbose, parameters->text[KEY_DEBUG_FILE]);
    if (parameters->ignored)
        say_warning("unknown parameters, ignored: %s", parameters->ignored);
}

int parameters_check(struct parameters *parameters, struct failure *failure)
{
    for (size_t i = 0; i < key_row_count; i++)
        if (check_row(parameters, &key_rows[i], failure) < 0)
            return -1;
    const char *path = parameters->text[KEY_SOCKET];
    return path ? request_socket_check(path, failure) : 0;
}

const char *parameters_plug(const struct parameters *parameters)
{
    static const enum key order[] = {KEY_PLUG, KEY_PORT, KEY_NODENAME};
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (parameters->text[order[i]] && *parameters->text[order[i]])
            return parameters->text[order[i]];
    return NULL;
}
