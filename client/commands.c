/* What people run. Each command is one request whose answer the broker has already laid out for the screen
 * (or as JSON), so a command is a row in a table. This room knows nothing of what the screens say. */
#include "commands.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "admin.h"
#include "can.h"
#include "guess.h"
#include "metadata.h"
#include "rehearse.h"
#include "request.h"
#include "screen.h"
#include "system/cleanup.h"
#include "watch.h"

#define HELP_HINT "/usr/sbin/fence_broker --help lists the commands"

enum operand {
    OPERAND_NONE,
    OPERAND_OPTIONAL,
    OPERAND_NEEDED,
};

struct command {
    const char *name;
    const char *path; /* %s: the operand's place, with its slash */
    enum operand operand;
    bool power;     /* POST; takes --dry-run and --method */
    bool text_only; /* no JSON form */
    bool verdict;   /* USER ACTION [PLUG]; the answer is yes or no, and so is the exit status */
    bool doctor;    /* is fence-broker-admin's, see admin.c */
    bool watched;   /* takes --watch */
    bool rehearsal; /* one request a guest, see rehearse.c */
    bool cut;       /* takes --limit and --since */
    bool proven;    /* takes --evidence */
    bool alone;     /* asks nobody */
    const char *synopsis, *description;
};

static const struct command commands[] = {
    {.name = "status",
     .path = "/v1/status%s",
     .watched = true,
     .synopsis = "status",
     .description = "the broker: session, endpoints, verdict"},
    {.name = "targets",
     .path = "/v1/guests%s",
     .operand = OPERAND_OPTIONAL,
     .watched = true,
     .synopsis = "targets [PLUG]",
     .description = "all guests with verdicts; with PLUG one guest, read now"},
    {.name = "history",
     .path = "/v1/operations%s",
     .cut = true,
     .synopsis = "history",
     .description = "requests and how they ended, newest first"},
    {.name = "explain",
     .path = "/v1/operations%s",
     .operand = OPERAND_NEEDED,
     .proven = true,
     .synopsis = "explain ID",
     .description = "one operation, step by step"},
    {.name = "doctor",
     .doctor = true,
     .synopsis = "doctor",
     .description = "would a fence work, and if not, why (also without a daemon)"},
    {.name = "permissions",
     .path = "/v1/permissions%s",
     .synopsis = "permissions",
     .description = "what Proxmox grants: too much, too little, how to fix it"},
    {.name = "metrics",
     .path = "/metrics%s",
     .text_only = true,
     .synopsis = "metrics",
     .description = "metrics in the Prometheus text format"},
    {.name = "off",
     .path = "/v1/guests%s/off",
     .operand = OPERAND_NEEDED,
     .power = true,
     .synopsis = "off PLUG",
     .description = "power off, and prove it"},
    {.name = "on",
     .path = "/v1/guests%s/on",
     .operand = OPERAND_NEEDED,
     .power = true,
     .synopsis = "on PLUG",
     .description = "power on"},
    {.name = "reboot",
     .path = "/v1/guests%s/reboot",
     .operand = OPERAND_NEEDED,
     .power = true,
     .synopsis = "reboot PLUG",
     .description = "off, proven, then on (or --method cycle)"},
    {.name = "rehearse",
     .path = "/v1/guests%s/rehearse",
     .operand = OPERAND_OPTIONAL,
     .rehearsal = true,
     .synopsis = "rehearse [PLUG]",
     .description = "would Proxmox accept a stop (no PLUG: all you may power)"},
    {.name = "whoami",
     .path = "/v1/whoami%s",
     .synopsis = "whoami",
     .description = "who you are to the broker, and what its rules allow you"},
    {.name = "can", /* its target is made of three operands, see can.c */
     .path = "/v1/can%s",
     .verdict = true,
     .synopsis = "can USER ACTION [PLUG]",
     .description = "may USER do this, and which rule says so"},
    {.name = "version",
     .alone = true,
     .text_only = true,
     .synopsis = "version",
     .description = "the version of this program; status shows the broker's"},
};

enum { OPTION_JSON = 256, OPTION_DRY_RUN, OPTION_WATCH, OPTION_SINCE, OPTION_EVIDENCE };

static const struct option options[] = {
    {"socket", required_argument, NULL, 's'},
    {"method", required_argument, NULL, 'm'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"help", no_argument, NULL, 'h'},
    {"watch", optional_argument, NULL, OPTION_WATCH},
    {"limit", required_argument, NULL, 'n'},
    {"since", required_argument, NULL, OPTION_SINCE},
    {"evidence", no_argument, NULL, OPTION_EVIDENCE},
    {0},
};

struct call {
    const char *socket;
    const char *method;
    const char *limit, *since;
    bool json, dry_run, help, evidence;
    bool watch;
    int interval_ms; /* of watch */
};

void commands_print_version(void)
{
    printf("fence_broker %s\n", FENCE_BROKER_VERSION);
}

void commands_print_help(void)
{
    printf("fence_broker powers guests of Proxmox VE through fence_brokerd on this node.\n\n"
           "For people:\n"
           "  fence_broker COMMAND [--json] [--socket PATH]\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("    %-16s %s\n", commands[i].synopsis, commands[i].description);
    printf("  status and targets take --watch[=SECONDS] (repeat); history takes -n,\n"
           "  --limit=NUMBER and --since=TIME; explain takes --evidence (what proved it off);\n"
           "  off, on and reboot take --dry-run (show what would be done); reboot takes\n"
           "  --method onoff|cycle. The options of a command: fence_broker COMMAND --help\n\n"
           "As a fence agent:\n"
           "  fence_broker OPTIONS, or key=value lines on standard input and no argument\n"
           "  actions: off on reboot status list list-status monitor metadata manpage\n"
           "           validate-all\n");
    metadata_print_options();
    printf("\nExit status: 0 done (status: on; can: yes); 2 off (status), no (can) or\n"
           "something needs attention (doctor); 1 everything else. See fence_broker(8).\n");
}

static void print_option(bool taken, const char *option, const char *description)
{
    if (taken)
        printf("  %-20s %s\n", option, description);
}

/* What --help says behind a command. */
static void print_command_help(const struct command *command)
{
    printf("usage: fence_broker %s [OPTION...]\n%s\n\n", command->synopsis, command->description);
    print_option(command->cut, "-n, --limit=NUMBER", "show at most NUMBER");
    print_option(command->cut, "--since=TIME", "only since TIME: an age (2h), a day, or RFC 3339");
    print_option(command->proven, "--evidence", "as JSON, what proved it off: fence-broker-admin verify");
    print_option(command->watched, "--watch[=SECONDS]", "repeat, every 2 seconds by default");
    print_option(command->power, "--dry-run", "show what would be done, and do nothing");
    print_option(command->power, "--method=onoff|cycle", "for reboot: off and on (the default), or a reset");
    print_option(!command->text_only, "--json", "print the broker's JSON, see fence-broker-json(7)");
    print_option(!command->alone, "-s, --socket=PATH", "broker's socket; default " BROKER_SOCKET);
    print_option(true, "-h, --help", "print this");
    printf("\nSee fence_broker(8).\n");
}

bool commands_wanted(int argc, char **argv)
{
    static const char *const with_value[] = {"-s", "--socket", "-m", "--method"};
    static const char *const alone[] = {"--json", "--dry-run", "--watch", "--evidence", "--help", "-h"};
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            return true;
        bool ours = strncmp(argv[i], "--socket=", 9) == 0 || strncmp(argv[i], "--method=", 9) == 0 ||
                    strncmp(argv[i], "--watch=", 8) == 0;
        for (size_t k = 0; k < ARRAY_LEN(alone); k++)
            ours = ours || strcmp(argv[i], alone[k]) == 0;
        for (size_t k = 0; k < ARRAY_LEN(with_value) && !ours; k++)
            if (strcmp(argv[i], with_value[k]) == 0) {
                ours = true;
                i++;
                break;
            }
        if (!ours)
            return false;
    }
    return false;
}

static int unknown_option(const char *word, struct failure *failure)
{
    bool is_long = strncmp(word, "--", 2) == 0;
    struct guess guess = {.word = word + (is_long ? 2 : 0)};
    guess.length = strcspn(guess.word, "=");
    for (const struct option *option = options; is_long && option->name; option++)
        guess_try(&guess, option->name);
    failure_set(failure, HELP_HINT, "unknown or misused option %s", word);
    return guess_tell(&guess, "--", failure);
}

static int read_options(struct call *call, int argc, char **argv, struct failure *failure)
{
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":s:m:hn:", options, NULL)) != -1;) {
        switch (c) {
        case 's':
            call->socket = optarg;
            break;
        case 'm':
            call->method = optarg;
            break;
        case 'h':
            call->help = true;
            break;
        case 'n':
            call->limit = optarg;
            break;
        case OPTION_SINCE:
            call->since = optarg;
            break;
        case OPTION_EVIDENCE:
            call->evidence = true;
            break;
        case OPTION_JSON:
            call->json = true;
            break;
        case OPTION_DRY_RUN:
            call->dry_run = true;
            break;
        case OPTION_WATCH:
            call->watch = true;
            if (watch_read_interval(optarg, &call->interval_ms, failure) < 0)
                return -1;
            break;
        case ':':
            return failure_set(failure, HELP_HINT, "option %s needs a value", argv[optind - 1]);
        default:
            return unknown_option(argv[optind - 1], failure);
        }
    }
    return 0;
}

static const struct command *find_command(const char *name, struct failure *failure)
{
    struct guess guess = {.word = name, .length = strlen(name)};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        guess_try(&guess, commands[i].name);
    }
    failure_set(failure, HELP_HINT, "unknown command '%s'", name);
    guess_tell(&guess, "", failure);
    return NULL;
}

/* Does the command take what it was given? */
static int check_call(const struct command *command, const struct call *call, int operands,
                      const char *operand, struct failure *failure)
{
    int most = command->verdict ? 3 : command->operand == OPERAND_NONE ? 0 : 1;
    int least = command->verdict ? 2 : command->operand == OPERAND_NEEDED ? 1 : 0;
    if (operands < least)
        return failure_set(failure, HELP_HINT, "'%s' needs an argument: %s", command->name,
                           command->synopsis);
    if (operands > most)
        return failure_set(failure, HELP_HINT, "too many arguments for '%s': %s", command->name,
                           command->synopsis);
    if (operand && !*operand)
        return failure_set(failure, HELP_HINT, "the argument of '%s' is empty: %s", command->name,
                           command->synopsis);
    if (call->json && command->text_only)
        return failure_set(failure, "leave out --json", "'%s' has no JSON form", command->name);
    if (call->watch && !command->watched)
        return failure_set(failure, HELP_HINT, "--watch works with status and targets, not with '%s'",
                           command->name);
    if ((call->limit || call->since) && !command->cut)
        return failure_set(failure, HELP_HINT, "--limit and --since work with history, not with '%s'",
                           command->name);
    if (call->evidence && !command->proven)
        return failure_set(failure, HELP_HINT, "--evidence works with explain, not with '%s'", command->name);
    if (!command->power && (call->dry_run || call->method))
        return failure_set(failure, HELP_HINT,
                           "--dry-run and --method work with off, on and reboot, not with '%s'",
                           command->name);
    if (call->method && strcasecmp(call->method, "onoff") != 0 && strcasecmp(call->method, "cycle") != 0)
        return failure_set(failure, "use onoff or cycle", "--method %s is not known", call->method);
    return request_socket_check(call->socket, failure);
}

/* Adds "?KEY=VALUE" or "&KEY=VALUE". False: no memory. */
static bool add_query(char **target, const char *key, const char *value)
{
    _cleanup_(freep) char *encoded = request_encode(value), *former = *target;
    if (!encoded || asprintf(target, "%s%c%s=%s", former, strchr(former, '?') ? '&' : '?', key, encoded) < 0)
        *target = NULL;
    return *target;
}

/* Path, operand and query; NULL: no memory. */
static char *make_target(const struct command *command, const struct call *call, const char *operand)
{
    bool cycle =
        call->method && strcasecmp(call->method, "cycle") == 0 && strcmp(command->name, "reboot") == 0;
    _cleanup_(freep) char *encoded = request_encode(operand ? operand : "");
    _cleanup_(freep) char *target = NULL;
    const char *slash = strstr(command->path, "%s");
    if (!encoded || asprintf(&target, "%.*s%s%s%s", (int)(slash - command->path), command->path,
                             operand ? "/" : "", encoded, slash + 2) < 0) {
        target = NULL;
        return NULL;
    }
    bool good = (!cycle || add_query(&target, "method", "cycle")) &&
                (!call->dry_run || add_query(&target, "dry-run", "1")) &&
                (!call->evidence || add_query(&target, "view", "evidence")) &&
                (!call->limit || add_query(&target, "limit", call->limit)) &&
                (!call->since || add_query(&target, "since", call->since));
    return good ? TAKE(target) : NULL;
}

/* One request of a command, and where its answer is shown. */
struct showing {
    const struct command *command;
    const struct call *call;
    struct request request;
};

/* The broker's screen as the terminal can show it; JSON and metrics as they came. */
static void put_answer(const struct showing *showing, const struct screen *screen, unsigned max_lines,
                       const struct answer *answer)
{
    if (answer->json || showing->command->text_only) {
        fwrite(answer->body, 1, answer->length, stdout);
        if (answer->length > 0 && answer->body[answer->length - 1] != '\n')
            putchar('\n');
    } else {
        screen_put(screen, answer->body, answer->length, max_lines);
    }
}

/* Asks and shows. -1: `failure` is set; else the exit status. */
static int show(const struct showing *showing, const struct screen *screen, unsigned max_lines,
                struct failure *failure)
{
    const struct command *command = showing->command;
    bool json = showing->call->json;
    struct answer answer = {0};
    int rc = request_perform(&showing->request, &answer, failure);
    if (rc == 0 && answer.status != 200)
        rc = answer_failure(&answer, failure);
    /* with --json the broker's error is an answer, too: the body goes where the caller parses, the line to
     * stderr */
    if (answer.body && (rc == 0 || (json && answer.json))) {
        put_answer(showing, screen, max_lines, &answer);
        if (rc == 0 && answer.length == 0 && command->power)
            puts("done");
    }
    int said = rc == 0 && command->verdict && !can_is_yes(&answer) ? CAN_NO : 0;
    answer_clear(&answer);
    return rc == 0 ? said : rc;
}

static int show_again(void *context, const struct screen *screen, unsigned max_lines, struct failure *failure)
{
    return show(context, screen, max_lines, failure);
}

/* Runs what was asked for. -1: `failure` is set; else the exit status. */
static int carry_out(const struct command *command, const struct call *call, char *const *operands,
                     struct failure *failure)
{
    _cleanup_(freep) char *target = NULL;
    struct screen screen = screen_of_stdout();
    if (command->doctor)
        return admin_doctor(call->socket, call->json, failure);
    if (command->rehearsal) {
        int rc = rehearse_show(call->socket, operands[0], call->json, &screen, failure);
        return rc >= 0 && say_finish(failure) < 0 ? -1 : rc;
    }
    if (command->verdict && can_make_target(operands, &target, failure) < 0)
        return -1;
    if (!command->verdict)
        target = make_target(command, call, operands[0]);
    if (!target)
        return failure_set(failure, NULL, "out of memory");
    struct showing showing = {.command = command,
                              .call = call,
                              .request = {.socket = call->socket,
                                          .method = command->power ? "POST" : "GET",
                                          .target = target,
                                          .json = call->json || call->evidence,
                                          .wait_s = command->power ? REQUEST_POWER_WAIT_S
                                                    : call->watch  ? REQUEST_WATCH_WAIT_S
                                                                   : REQUEST_READ_WAIT_S}};
    if (call->watch)
        return watch_run(command->name, call->interval_ms, call->json, show_again, &showing, failure);
    int rc = show(&showing, &screen, 0, failure);
    if (rc >= 0 && !command->power && say_finish(failure) < 0)
        return -1;
    return rc;
}

int commands_run(int argc, char **argv, struct failure *failure)
{
    struct call call = {.socket = BROKER_SOCKET};
    if (read_options(&call, argc, argv, failure) < 0)
        return 1;
    if (strcmp(argv[optind], "help") == 0) {
        call.help = true;
        optind++;
    }
    if (call.help && !argv[optind]) {
        commands_print_help();
        return 0;
    }
    const struct command *command = find_command(argv[optind], failure);
    const char *operand = command ? argv[optind + 1] : NULL;
    if (command && call.help) {
        print_command_help(command);
        return 0;
    }
    if (!command || check_call(command, &call, argc - optind - 1, operand, failure) < 0)
        return 1;
    if (command->alone) {
        commands_print_version();
        return 0;
    }
    int rc = carry_out(command, &call, argv + optind + 1, failure);
    if (rc >= 0)
        return rc;
    failure_prefix(failure, "%s%s%s", command->name, operand ? " " : "", operand ? operand : "");
    failure->told |= failure->no_reader;
    return 1;
}
