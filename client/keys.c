/* The agent's parameters. The contract of the fence agents in one table: names, options, kinds, defaults and
 * descriptions. Reading is lenient where the contract is (unknown keys are warned about, the last value wins,
 * - and _ are alike) and strict where a wrong value would be acted upon. Knows no action, and no value is
 * ever repeated in a message unless it is one of ours: other agents' passwords may stand in the same lines.
 */
#include "keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "guess.h"
#include "request.h"
#include "system/cleanup.h"

/* more seconds than anybody waits: 31 years; and it cannot overflow in milliseconds */
#define NUMBER_MAX 1000000000

#define IGNORED_MOST 1000 /* bytes of names that are told, about */
#define NAME_SIZE    24   /* of the longest name, with its NUL */
#define HELP_COLUMN  34

enum key_kind {
    KIND_STRING,
    KIND_METHOD,
    KIND_SECOND,  /* whole seconds */
    KIND_INTEGER, /* a whole number, not negative */
    KIND_BOOLEAN, /* a bad value is an error */
    KIND_FLAG,    /* a bad value is warned about: nothing that matters hangs on it */
};

static const struct key_row {
    char name[NAME_SIZE]; /* on standard input; as an option with '-' for '_' */
    enum key key;         /* several names may mean one key */
    enum key_kind kind;
    const char *description;   /* NULL: not in metadata and help; these rows come last */
    const char *default_value; /* or NULL */
    const char *argument;      /* what the option takes; NULL: nothing */
    const char *obsoletes;     /* an old name, or NULL */
    char option;               /* short option, or 0 */
} key_rows[] = {
    {"action", KEY_ACTION, KIND_STRING, .description = "Fencing action", .option = 'o', .argument = "action",
     .default_value = "reboot"},
    {"plug", KEY_PLUG, KIND_STRING,
     .description = "The guest: name of its Pacemaker node, VMID, or guest name", .option = 'n',
     .argument = "id", .obsoletes = "port"},
    {"socket", KEY_SOCKET, KIND_STRING, .description = "UNIX socket of the broker", .option = 's',
     .argument = "path", .default_value = BROKER_SOCKET},
    {"method", KEY_METHOD, KIND_METHOD,
     .description = "How to reboot: onoff (off, verified, then on) or cycle (reset)", .option = 'm',
     .argument = "method", .default_value = "onoff"},
    {"strict", KEY_STRICT, KIND_BOOLEAN, .description = "Also fail monitor if one node cannot be fenced",
     .default_value = "0"},
    {"quiet", KEY_QUIET, KIND_FLAG, .description = "Print no warnings and no success message", .option = 'q'},
    {"verbose", KEY_VERBOSE, KIND_FLAG, .description = "Print each step to standard error", .option = 'v'},
    {"verbose_level", KEY_VERBOSE_LEVEL, KIND_INTEGER, .description = "0: not verbose, 1 or more: verbose",
     .argument = "level"},
    {"debug_file", KEY_DEBUG_FILE, KIND_STRING, .description = "Append each step to this file", .option = 'D',
     .argument = "debugfile", .obsoletes = "debug"},
    {"version", KEY_VERSION, KIND_FLAG, .description = "Display the version and exit", .option = 'V'},
    {"help", KEY_HELP, KIND_FLAG, .description = "Display help and exit", .option = 'h'},
    {"plug_separator", KEY_PLUG_SEPARATOR, KIND_STRING, .description = "Separator between several plugs",
     .argument = "char", .default_value = ","},
    {"separator", KEY_SEPARATOR, KIND_STRING, .description = "Field separator of list and list-status",
     .option = 'C', .argument = "char", .default_value = ","},
    {"delay", KEY_DELAY, KIND_SECOND, .description = "Seconds to wait before off or reboot",
     .default_value = "0"},
    {"disable_timeout", KEY_DISABLE_TIMEOUT, KIND_FLAG, .description = "Ignore power_timeout",
     .argument = "true/false"},
    {"login_timeout", KEY_LOGIN_TIMEOUT, KIND_SECOND,
     .description = "No effect: the broker is already logged in", .default_value = "5"},
    {"power_timeout", KEY_POWER_TIMEOUT, KIND_SECOND,
     .description =
         "Total seconds to wait for the answer; default: as long as the broker's operation may take"},
    {"power_wait", KEY_POWER_WAIT, KIND_SECOND, .description = "No effect: the broker verifies instead",
     .default_value = "0"},
    {"shell_timeout", KEY_SHELL_TIMEOUT, KIND_SECOND, .description = "No effect: there is no shell",
     .default_value = "3"},
    {"stonith_status_sleep", KEY_STATUS_SLEEP, KIND_SECOND,
     .description = "No effect: the broker reads as needed", .default_value = "1"},
    {"retry_on", KEY_RETRY_ON, KIND_INTEGER, .description = "No effect: the broker retries by itself",
     .argument = "attempts", .default_value = "1"},
    /* names that others use for the same, and what Pacemaker passes along */
    {"option", .key = KEY_ACTION},
    {"debug", .key = KEY_DEBUG_FILE},
    {"port", .key = KEY_PORT, .argument = "id"},
    {"nodename", .key = KEY_NODENAME, .argument = "id"},
    {"nodeid", .key = KEY_SILENT, .argument = "id"},
    {"agent", .key = KEY_SILENT},
    {"provides", .key = KEY_SILENT},
    {"stonith_timeout", .key = KEY_SILENT},
    {"crm_feature_set", .key = KEY_SILENT},
};

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
    if (length > IGNORED_MOST)
        return;
    bool full = length + strlen(name) > IGNORED_MOST;
    char *names = say_text("%s%s%.*s%s", before, length ? ", " : "", IGNORED_MOST, name, full ? " ..." : "");
    if (!names)
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
    for (size_t i = 0; i < ARRAY_LEN(key_rows); i++)
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

/* The name of the row's long option. */
static const char *long_name(const struct key_row *row, char name[static NAME_SIZE])
{
    memcpy(name, row->name, NAME_SIZE);
    for (char *p = name; (p = strchr(p, '_'));)
        *p = '-';
    return name;
}

static const char *argument_of(const struct key_row *row)
{
    return row->kind == KIND_SECOND ? "seconds" : row->argument;
}

int parameters_read_options(struct parameters *parameters, int argc, char **argv, struct failure *failure)
{
    char names[ARRAY_LEN(key_rows)][NAME_SIZE];
    struct option longs[ARRAY_LEN(key_rows) + 1], *next = longs;
    char shorts[2 * ARRAY_LEN(key_rows) + 2], *letter = shorts;
    enum key keys[LONG_OPTION + ARRAY_LEN(key_rows)] = {0};
    *letter++ = ':'; /* tell a missing argument from an unknown option */
    for (size_t i = 0; i < ARRAY_LEN(key_rows); i++) {
        const struct key_row *row = &key_rows[i];
        bool argument = argument_of(row);
        if (!row->description && !argument)
            continue;
        *next++ = (struct option){.name = long_name(row, names[i]),
                                  .has_arg = argument ? required_argument : no_argument,
                                  .val = LONG_OPTION + (int)i};
        keys[LONG_OPTION + i] = keys[(int)row->option] = row->key;
        if (!row->option)
            continue;
        *letter++ = row->option;
        if (argument)
            *letter++ = ':';
    }
    *next = (struct option){0};
    *letter = '\0';
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        if (c == '?' || c == ':')
            return guess_option(c, argv, longs, failure);
        if (store(parameters, keys[c], optarg ? optarg : "1", failure) < 0)
            return -1;
    }
    if (optind < argc)
        return failure_set(failure, HELP_HINT, "unexpected argument '%s' after the options", argv[optind]);
    return 0;
}

/* ---- what is said of them -------------------------------------------------------------------------------
 */

static void print_parameter(const struct key_row *row, const char *name)
{
    static const char *const types[] = {
        [KIND_STRING] = "string",   [KIND_METHOD] = "select",   [KIND_SECOND] = "second",
        [KIND_INTEGER] = "integer", [KIND_BOOLEAN] = "boolean", [KIND_FLAG] = "boolean",
    };
    char option[NAME_SIZE];
    const char *argument = argument_of(row);
    printf("\t<parameter name=\"%s\" unique=\"0\" required=\"0\"", name);
    if (name != row->name)
        printf(" deprecated=\"1\"");
    else if (row->obsoletes)
        printf(" obsoletes=\"%s\"", row->obsoletes);
    printf(">\n\t\t<getopt mixed=\"");
    if (row->option)
        printf("-%c, ", row->option);
    printf(argument ? "--%s=[%s]" : "--%s", long_name(row, option), argument);
    printf("\"/>\n\t\t<content type=\"%s\"", types[row->kind]);
    if (row->default_value)
        printf(" default=\"%s\"", row->default_value);
    printf(row->kind != KIND_METHOD ? "/>\n"
                                    : ">\n\t\t\t<option value=\"onoff\"/>\n\t\t\t<option value=\"cycle\"/>\n"
                                      "\t\t</content>\n");
    printf("\t\t<shortdesc lang=\"en\">%s</shortdesc>\n\t</parameter>\n", row->description);
}

void parameters_print_xml(void)
{
    for (const struct key_row *row = key_rows; row->description; row++) {
        if (row->obsoletes)
            print_parameter(row, row->obsoletes);
        print_parameter(row, row->name);
    }
}

void parameters_print_help(void)
{
    char option[NAME_SIZE];
    for (const struct key_row *row = key_rows; row->description; row++) {
        const char *argument = argument_of(row);
        int width = printf(row->option ? "  -%c, " : "      ", row->option);
        width += printf(argument ? "--%s=%s" : "--%s", long_name(row, option), argument);
        printf("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", row->description);
    }
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

int method_read(const char *text)
{
    return strcasecmp(text, "cycle") == 0 ? 1 : strcasecmp(text, "onoff") == 0 ? 0 : -1;
}

static int64_t parse_number(const char *value)
{
    if (!*value || value[strspn(value, "0123456789")])
        return -1;
    errno = 0;
    long long n = strtoll(value, NULL, 10);
    return errno || n > NUMBER_MAX ? -1 : n;
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
    bool seconds = row->kind == KIND_SECOND;
    _cleanup_(freep) char *hint =
        say_text("give %s, as in %s=%lld", seconds ? "whole seconds without a unit" : "a whole number",
                 row->name, (long long)guess_number(value, seconds ? 60 : 1));
    return failure_set(failure, hint, "%s=%s is not a number from 0 to %d", row->name, value, NUMBER_MAX);
}

static int check_row(struct parameters *parameters, const struct key_row *row, struct failure *failure)
{
    const char *value = parameters->text[row->key] ? parameters->text[row->key] : row->default_value;
    int truth = !value ? 0 : row->kind == KIND_METHOD ? method_read(value) : parse_boolean(value);
    switch (row->kind) {
    case KIND_STRING:
        return 0;
    case KIND_SECOND:
    case KIND_INTEGER:
        return check_number(parameters, row, value, failure);
    case KIND_METHOD:
        if (truth < 0)
            return failure_set(failure, "use onoff or cycle", "%s=%s is not known", row->name, value);
        break;
    case KIND_BOOLEAN:
        if (truth < 0)
            return failure_set(failure, "use 1, yes, on, true or 0, no, off, false",
                               "%s=%s is neither yes nor no", row->name, value);
        break;
    case KIND_FLAG:
        if (truth < 0)
            say_warning("%s=%s is neither yes nor no and is ignored", row->name, value);
        break;
    }
    parameters->flag[row->key] = truth > 0;
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
    for (size_t i = 0; i < ARRAY_LEN(key_rows); i++)
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
