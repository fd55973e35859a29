/* What people run. Nearly each command is one request whose answer the broker has already laid out for the
 * screen (or as JSON), so a command is a row in a table. This room knows nothing of what the screens say. */
#include "commands.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "can.h"
#include "guess.h"
#include "keys.h"
#include "request.h"
#include "screen.h"
#include "system/cleanup.h"
#include "watch.h"

/* The options, each called by a letter: h, m, n and s are short options, too. */
static const struct option options[] = {
    {"limit", required_argument, NULL, LONG_OPTION | 'n'},
    {"since", required_argument, NULL, LONG_OPTION | 't'},
    {"evidence", no_argument, NULL, LONG_OPTION | 'e'},
    {"watch", optional_argument, NULL, LONG_OPTION | 'w'},
    {"dry-run", no_argument, NULL, LONG_OPTION | 'd'},
    {"method", required_argument, NULL, LONG_OPTION | 'm'},
    {"json", no_argument, NULL, LONG_OPTION | 'j'},
    {"socket", required_argument, NULL, LONG_OPTION | 's'},
    {"help", no_argument, NULL, LONG_OPTION | 'h'},
    {0},
};
#define LETTER(option) ((option) & ~LONG_OPTION)

/* What --help says of them, in the same order, and what is said where they do not belong (NULL: nothing). */
static const struct {
    const char *synopsis, *description, *home;
} option_help[] = {
    {"-n, --limit=NUMBER", "show at most NUMBER", "--limit and --since work with history"},
    {"--since=TIME", "only since TIME: an age (2h), a day, or RFC 3339",
     "--limit and --since work with history"},
    {"--evidence", "as JSON, what proved it off: fence-broker-admin verify", "--evidence works with explain"},
    {"--watch[=SECONDS]", "repeat, every 2 seconds by default", "--watch works with status and targets"},
    {"--dry-run", "show what would be done, and do nothing",
     "--dry-run and --method work with off, on and reboot"},
    {"--method=onoff|cycle", "for reboot: off and on (the default), or a reset",
     "--dry-run and --method work with off, on and reboot"},
    {"--json", "print the broker's JSON, see fence-broker-json(7)", "--json works with what has a JSON form"},
    {"-s, --socket=PATH", "broker's socket; default " BROKER_SOCKET, NULL},
    {"-h, --help", "print this", NULL},
};
_Static_assert(ARRAY_LEN(options) == ARRAY_LEN(option_help) + 1, "a row for each option");

/* What the command line says. */
struct call {
    const struct command *command;
    char **operands;        /* ended by NULL */
    const char *given[128]; /* by an option's letter: its value, or "1" if it takes none; NULL: not given */
};

/* Carries it out. The exit status; -1: `failure` is set. */
typedef int run_fn(const struct call *call, struct failure *failure);

static run_fn run_screen, run_power, run_can, run_rehearse, run_doctor, run_version;

static const struct command {
    const char *name, *operands; /* [what may be left out] */
    run_fn *run;
    const char *path;  /* what is asked for; of a power action, what stands behind the guest */
    const char *takes; /* letters of options */
    const char *description;
} commands[] = {
    {"status", "", run_screen, "/v1/status", "wjsh", "the broker: session, endpoints, verdict"},
    {"targets", "[PLUG]", run_screen, "/v1/guests", "wjsh",
     "all guests with verdicts; with PLUG one guest, read now"},
    {"history", "", run_screen, "/v1/operations", "ntjsh", "requests and how they ended, newest first"},
    {"explain", "ID", run_screen, "/v1/operations", "ejsh", "one operation, step by step"},
    {"doctor", "", run_doctor, NULL, "jsh", "would a fence work, and if not, why (also without a daemon)"},
    {"permissions", "", run_screen, "/v1/permissions", "jsh",
     "what Proxmox grants: too much, too little, how to fix it"},
    {"metrics", "", run_screen, "/metrics", "sh", "metrics in the Prometheus text format"},
    {"off", "PLUG", run_power, "/off", "dmjsh", "power off, and prove it"},
    {"on", "PLUG", run_power, "/on", "dmjsh", "power on"},
    {"reboot", "PLUG", run_power, "/reboot", "dmjsh", "off, proven, then on (or --method cycle)"},
    {"rehearse", "[PLUG]", run_rehearse, NULL, "jsh",
     "would Proxmox accept a stop (no PLUG: all you may power)"},
    {"whoami", "", run_screen, "/v1/whoami", "jsh",
     "who you are to the broker, and what its rules allow you"},
    {"can", "USER ACTION [PLUG]", run_can, NULL, "jsh", "may USER do this, and which rule says so"},
    {"version", "", run_version, NULL, "h", "the version of this program; status shows the broker's"},
};

/* ---- help -----------------------------------------------------------------------------------------------
 */

void commands_print_help(void)
{
    printf("fence_broker powers guests of Proxmox VE through fence_brokerd on this node.\n\n"
           "For people:\n"
           "  fence_broker COMMAND [--json] [--socket PATH]\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int width = printf("    %s %s", commands[i].name, commands[i].operands);
        printf("%*s %s\n", width < 20 ? 20 - width : 0, "", commands[i].description);
    }
    printf("  status and targets take --watch[=SECONDS] (repeat); history takes -n,\n"
           "  --limit=NUMBER and --since=TIME; explain takes --evidence (what proved it off);\n"
           "  off, on and reboot take --dry-run (show what would be done); reboot takes\n"
           "  --method onoff|cycle. The options of a command: fence_broker COMMAND --help\n\n"
           "As a fence agent:\n"
           "  fence_broker OPTIONS, or key=value lines on standard input and no argument\n"
           "  actions: off on reboot status list list-status monitor metadata manpage\n"
           "           validate-all\n");
    parameters_print_help();
    printf("\nExit status: 0 done (status: on; can: yes); 2 off (status), no (can) or\n"
           "something needs attention (doctor); 1 everything else. See fence_broker(8).\n");
}

static int run_help(const struct call *call, struct failure *failure)
{
    const struct command *command = call->command;
    (void)failure;
    printf("usage: fence_broker %s%s%s [OPTION...]\n%s\n\n", command->name, *command->operands ? " " : "",
           command->operands, command->description);
    for (size_t i = 0; i < ARRAY_LEN(option_help); i++)
        if (strchr(command->takes, LETTER(options[i].val)))
            printf("  %-20s %s\n", option_help[i].synopsis, option_help[i].description);
    printf("\nSee fence_broker(8).\n");
    return 0;
}

void commands_print_version(void)
{
    printf("fence_broker %s\n", FENCE_BROKER_VERSION);
}

static int run_version(const struct call *call, struct failure *failure)
{
    (void)call;
    (void)failure;
    commands_print_version();
    return 0;
}

/* ---- the command line -----------------------------------------------------------------------------------
 */

bool commands_wanted(int argc, char **argv)
{
    int c;
    opterr = 0;
    do /* not -n: before a command it is the agent's */
        c = getopt_long(argc, argv, "+s:m:h", options, NULL);
    while (c != -1 && c != '?');
    bool wanted = c == -1 && optind < argc;
    optind = 0; /* from the start again */
    return wanted;
}

static int read_options(struct call *call, int argc, char **argv, struct failure *failure)
{
    call->given['s'] = BROKER_SOCKET;
    for (int c; (c = getopt_long(argc, argv, ":s:m:hn:", options, NULL)) != -1;) {
        if (c == '?' || c == ':')
            return guess_option(c, argv, options, failure);
        call->given[LETTER(c)] = optarg ? optarg : LETTER(c) == 'w' ? WATCH_USUAL : "1";
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

/* Is there an operand for each word of "USER ACTION [PLUG]", but for those in brackets? */
static int check_operands(const struct call *call, struct failure *failure)
{
    const char *name = call->command->name, *words = call->command->operands;
    char *const *operand = call->operands;
    for (const char *word = words; *word; word += strspn(word, " ")) {
        if (!*operand && *word != '[')
            return failure_set(failure, HELP_HINT, "'%s' needs an argument: %s %s", name, name, words);
        if (*operand && !**operand)
            return failure_set(failure, HELP_HINT, "an argument of '%s' is empty: %s %s", name, name, words);
        operand += *operand != NULL;
        word += strcspn(word, " ");
    }
    if (*operand)
        return failure_set(failure, HELP_HINT, "too many arguments for '%s': %s%s%s", name, name,
                           *words ? " " : "", words);
    return 0;
}

/* Does the command take what it was given? */
static int check_call(const struct call *call, struct failure *failure)
{
    const char *method = call->given['m'];
    if (check_operands(call, failure) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(option_help); i++) {
        int letter = LETTER(options[i].val);
        if (call->given[letter] && option_help[i].home && !strchr(call->command->takes, letter))
            return failure_set(failure, HELP_HINT, "%s, not with '%s'", option_help[i].home,
                               call->command->name);
    }
    if (method && method_read(method) < 0)
        return failure_set(failure, "use onoff or cycle", "--method %s is not known", method);
    return request_socket_check(call->given['s'], failure);
}

int commands_run(int argc, char **argv, struct failure *failure)
{
    struct call call = {0};
    if (read_options(&call, argc, argv, failure) < 0)
        return 1;
    char **words = argv + optind;
    if (strcmp(*words, "help") == 0) {
        call.given['h'] = *words;
        words++;
    }
    if (call.given['h'] && !*words) {
        commands_print_help();
        return 0;
    }
    call.command = find_command(*words, failure);
    call.operands = words + 1;
    if (!call.command || (!call.given['h'] && check_call(&call, failure) < 0))
        return 1;
    run_fn *run = call.given['h'] ? run_help : call.command->run;
    int rc = run(&call, failure);
    /* a power action is done even when its answer cannot be written */
    if (rc >= 0 && (run == run_power || say_finish(failure) == 0))
        return rc;
    const char *operand = call.operands[0];
    failure_prefix(failure, "%s%s%s", call.command->name, operand ? " " : "", operand ? operand : "");
    failure->told |= failure->no_reader;
    return 1;
}

/* ---- questions ------------------------------------------------------------------------------------------
 */

/* One question to the broker, and what its answer is to be. */
struct question {
    struct request request;
    bool json;            /* as --json has it: an error is an answer, too */
    bool plain;           /* not for the screen */
    const char *yes;      /* how an answer that is a yes begins; NULL: any is one */
    const char *yes_json; /* what it has as JSON */
};

/* The broker's screen as the terminal can show it; JSON and metrics as they came. */
static void put_answer(const struct answer *answer, bool plain, unsigned max_lines)
{
    struct screen screen = screen_of_stdout();
    if (!answer->json && !plain) {
        screen_put(&screen, answer->body, answer->length, max_lines);
        return;
    }
    fwrite(answer->body, 1, answer->length, stdout);
    if (answer->length > 0 && answer->body[answer->length - 1] != '\n')
        putchar('\n');
}

static bool is_yes(const struct answer *answer, const struct question *question)
{
    return answer->json ? strstr(answer->body, question->yes_json) != NULL
                        : strncmp(answer->body, question->yes, strlen(question->yes)) == 0;
}

/* Asks and shows. 0; 1: the answer is not a yes; -1: `failure` is set. */
static int show(const void *context, unsigned max_lines, struct failure *failure)
{
    const struct question *question = context;
    struct answer answer = {0};
    int rc = request_perform(&question->request, &answer, failure);
    if (rc == 0 && answer.status != 200)
        rc = answer_failure(&answer, failure);
    /* the body goes where the caller parses, the failure's line to stderr */
    if (answer.body && (rc == 0 || (question->json && answer.json)))
        put_answer(&answer, question->plain, max_lines);
    if (rc == 0 && question->yes)
        rc = is_yes(&answer, question) ? 0 : 1;
    answer_clear(&answer);
    return rc;
}

/* Takes `target`; the rest as show(). */
static int ask(const struct call *call, const char *method, char *target, struct question question,
               struct failure *failure)
{
    _cleanup_(freep) char *owned = target;
    const char *watch = call->given['w'];
    if (!owned)
        return failure_set(failure, NULL, "out of memory");
    question.json = call->given['j'];
    question.plain = !strchr(call->command->takes, 'j');
    question.request = (struct request){.socket = call->given['s'],
                                        .method = method,
                                        .target = owned,
                                        .json = call->given['j'] || call->given['e'],
                                        .wait_s = strcmp(method, "POST") == 0 ? REQUEST_POWER_WAIT_S
                                                  : watch                     ? REQUEST_WATCH_WAIT_S
                                                                              : REQUEST_READ_WAIT_S};
    return watch ? watch_run(call->command->name, watch, question.json, show, &question, failure)
                 : show(&question, 0, failure);
}

/* Path, operand and what comes behind it; NULL: no memory. */
static char *make_target(const char *path, const char *operand, const char *behind)
{
    _cleanup_(freep) char *encoded = request_encode(operand ? operand : "");
    return encoded ? say_text("%s%s%s%s", path, operand ? "/" : "", encoded, behind) : NULL;
}

/* Takes `target` and adds "?KEY=VALUE" or "&KEY=VALUE", if there is a value. NULL: no memory. */
static char *add_query(char *target, const char *key, const char *value)
{
    _cleanup_(freep) char *former = target, *encoded = value ? request_encode(value) : NULL;
    if (!value || !target)
        return TAKE(former);
    return encoded ? say_text("%s%c%s=%s", target, strchr(target, '?') ? '&' : '?', key, encoded) : NULL;
}

static int run_screen(const struct call *call, struct failure *failure)
{
    char *target = make_target(call->command->path, call->operands[0], "");
    target = add_query(target, "view", call->given['e'] ? "evidence" : NULL);
    target = add_query(target, "limit", call->given['n']);
    target = add_query(target, "since", call->given['t']);
    return ask(call, "GET", target, (struct question){0}, failure);
}

static int run_power(const struct call *call, struct failure *failure)
{
    const char *method = call->given['m'];
    bool cycle = method && method_read(method) > 0 && strcmp(call->command->name, "reboot") == 0;
    char *target = make_target("/v1/guests", call->operands[0], call->command->path);
    target = add_query(target, "method", cycle ? "cycle" : NULL);
    target = add_query(target, "dry-run", call->given['d']);
    return ask(call, "POST", target, (struct question){0}, failure);
}

static int run_can(const struct call *call, struct failure *failure)
{
    char *target = NULL;
    if (can_make_target(call->operands, &target, failure) < 0)
        return -1;
    int rc =
        ask(call, "GET", target, (struct question){.yes = "yes", .yes_json = "\"allowed\":true"}, failure);
    return rc > 0 ? 2 : rc;
}

static int run_doctor(const struct call *call, struct failure *failure)
{
    return admin_doctor(call->given['s'], call->given['j'], failure);
}

/* ---- rehearsals -----------------------------------------------------------------------------------------
 */

static int rehearse_one(const struct call *call, const char *plug, struct failure *failure)
{
    return ask(call, "POST", make_target("/v1/guests", plug, "/rehearse"),
               (struct question){.yes = "accepted: ", .yes_json = "\"exit_status\":0,"}, failure);
}

/* The guests of the list, "VMID,NAME" a line. An error about one of them is said, and the next one's turn
 * comes. */
static int rehearse_each(const struct call *call, char *list)
{
    int worst = 0;
    const char *separator = "";
    for (char *line, *rest = list; (line = strsep(&rest, "\n"));) {
        struct failure failure = {0};
        line[strcspn(line, ",")] = '\0';
        if (!*line)
            continue;
        if (call->given['j'])
            fputs(separator, stdout);
        separator = ",";
        int rc = rehearse_one(call, line, &failure);
        if (rc < 0) {
            failure_prefix(&failure, "rehearse %s", line);
            fflush(stdout);
            failure_print(&failure);
        }
        failure_clear(&failure);
        worst = rc != 0 ? 1 : worst;
    }
    return worst;
}

static int rehearse_all(const struct call *call, struct failure *failure)
{
    struct answer answer = {0};
    const struct request request = {.socket = call->given['s'],
                                    .method = "GET",
                                    .target = "/v1/guests?view=rehearse",
                                    .wait_s = REQUEST_READ_WAIT_S};
    int rc = request_perform(&request, &answer, failure);
    if (rc == 0 && answer.status != 200)
        rc = answer_failure(&answer, failure);
    if (rc == 0 && answer.length == 0)
        rc = failure_set(failure, "/usr/sbin/fence_broker whoami shows what you may do",
                         "there is no guest that you may rehearse");
    if (rc == 0) {
        fputs(call->given['j'] ? "{\"rehearsals\":[" : "", stdout);
        rc = rehearse_each(call, answer.body);
        fputs(call->given['j'] ? "]}\n" : "", stdout);
    }
    answer_clear(&answer);
    return rc;
}

static int run_rehearse(const struct call *call, struct failure *failure)
{
    const char *plug = call->operands[0];
    int rc = plug ? rehearse_one(call, plug, failure) : rehearse_all(call, failure);
    failure->told = rc > 0;
    return rc;
}
