/* The fence agent: actions of the fence agents' contract, carried out by asking the broker. Success is only
 * what the broker has called success in so many words; nothing is concluded here. The room knows what each
 * action asks and how its answer is told to Pacemaker; how parameters are read (keys) and how the broker is
 * reached (request) it does not. */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "admin.h"
#include "commands.h"
#include "keys.h"
#include "metadata.h"
#include "request.h"
#include "system/cleanup.h"

struct action {
    const char *name;
    int (*run)(const struct action *action, const struct parameters *parameters, struct failure *failure);
    const char *target;  /* GET this, for actions without a plug */
    const char *success; /* what is printed then */
    bool delayed;        /* `delay` applies */
    bool offline;        /* needs neither valid parameters nor the broker */
};

static const char *socket_path(const struct parameters *parameters)
{
    return parameters->text[KEY_SOCKET] ? parameters->text[KEY_SOCKET] : BROKER_SOCKET;
}

/* 0 is what the fence agents mean by "no limit", so it is the default here, too. */
static int64_t wait_seconds(const struct parameters *parameters, int64_t usual)
{
    int64_t given = parameters->flag[KEY_DISABLE_TIMEOUT] ? 0 : parameters->number[KEY_POWER_TIMEOUT];
    return given > 0 ? given : usual;
}

/* Asks; anything but 200 is a failure. Takes `target`. */
static int ask(const struct parameters *parameters, const char *method, char *target, int64_t wait_s,
               int64_t deadline_ms, struct answer *answer, struct failure *failure)
{
    _cleanup_(freep) char *owned = target;
    if (!owned)
        return failure_set(failure, NULL, "out of memory");
    struct request request = {.socket = socket_path(parameters),
                              .method = method,
                              .target = owned,
                              .wait_s = wait_s,
                              .deadline_ms = deadline_ms};
    if (request_perform(&request, answer, failure) < 0)
        return -1;
    return answer->status == 200 ? 0 : answer_failure(answer, failure);
}

static int done(const struct parameters *parameters, const char *what)
{
    /* the operation is done whether or not anybody reads this, so a failed write changes nothing */
    if (!parameters->flag[KEY_QUIET])
        printf("%s\n", what);
    return AGENT_OK;
}

/* ---- plugs ----------------------------------------------------------------------------------------------
 */

struct plug_names {
    char *text;   /* owned; cut into names in place */
    char **names; /* owned; point into text */
    size_t count;
};

static void plug_names_clear(struct plug_names *plugs)
{
    free(plugs->text);
    free(plugs->names);
}

/* Cuts the plug at `separator`, as the contract has it: a node may consist of several guests. */
static int plug_names_split(struct plug_names *plugs, const char *text, const char *separator,
                            struct failure *failure)
{
    size_t width = strlen(separator);
    plugs->text = strdup(text);
    plugs->names = calloc(strlen(text) + 1, sizeof(*plugs->names));
    if (!plugs->text || !plugs->names)
        return failure_set(failure, NULL, "out of memory");
    for (char *at = plugs->text; at;) {
        char *end = width ? strstr(at, separator) : NULL;
        if (end)
            *end = '\0';
        if (!*at)
            return failure_set(failure, "name each guest once: plug=NAME, or plug=NAME,NAME",
                               "the plug '%s' has an empty name", text);
        plugs->names[plugs->count++] = at;
        at = end ? end + width : NULL;
    }
    return 0;
}

static int plug_names_of(const struct parameters *parameters, struct plug_names *plugs,
                         struct failure *failure)
{
    const char *plug = parameters_plug(parameters);
    const char *separator = parameters->text[KEY_PLUG_SEPARATOR];
    if (!plug)
        return failure_set(failure, "say which guest: plug=NAME on standard input, or -n NAME",
                           "no plug was given");
    return plug_names_split(plugs, plug, separator ? separator : ",", failure);
}

static char *guest_target(const char *plug, const char *rest)
{
    char *target = NULL;
    _cleanup_(freep) char *encoded = request_encode(plug);
    return encoded && asprintf(&target, "/v1/guests/%s%s", encoded, rest) >= 0 ? target : NULL;
}

/* ---- actions --------------------------------------------------------------------------------------------
 */

static int power_one(const struct parameters *parameters, const char *plug, const char *verb,
                     int64_t deadline_ms, struct failure *failure)
{
    struct answer answer = {0};
    int64_t wait_s = wait_seconds(parameters, REQUEST_POWER_WAIT_S);
    _cleanup_(freep) char *rest = NULL;
    if (asprintf(&rest, "/%s", verb) < 0)
        rest = NULL;
    int rc = ask(parameters, "POST", rest ? guest_target(plug, rest) : NULL, wait_s, deadline_ms, &answer,
                 failure);
    answer_clear(&answer);
    return rc < 0 ? failure_prefix(failure, "%.*s %s", (int)strcspn(verb, "?"), verb, plug) : 0;
}

static int power_all(const struct parameters *parameters, const struct plug_names *plugs, const char *verb,
                     int64_t deadline_ms, struct failure *failure)
{
    for (size_t i = 0; i < plugs->count; i++)
        if (power_one(parameters, plugs->names[i], verb, deadline_ms, failure) < 0)
            return -1;
    return 0;
}

/* A node of several guests is off only while all of them are: so all off first, then all on. */
static int reboot_several(const struct parameters *parameters, const struct plug_names *plugs,
                          int64_t deadline_ms, struct failure *failure)
{
    if (power_all(parameters, plugs, "off", deadline_ms, failure) < 0)
        return -1;
    for (size_t i = 0; i < plugs->count; i++) {
        if (power_one(parameters, plugs->names[i], "on", deadline_ms, failure) == 0)
            continue;
        /* fenced it is: by the contract a reboot succeeds with its off part */
        say_warning("%s; %s", failure->cause ? failure->cause : "out of memory",
                    failure->hint ? failure->hint : "");
        failure_clear(failure);
    }
    return 0;
}

static int run_power(const struct action *action, const struct parameters *parameters,
                     struct failure *failure)
{
    _cleanup_(plug_names_clear) struct plug_names plugs = {0};
    if (plug_names_of(parameters, &plugs, failure) < 0)
        return AGENT_FAILED;
    bool reboot = strcmp(action->name, "reboot") == 0;
    bool cycle =
        reboot && parameters->text[KEY_METHOD] && strcasecmp(parameters->text[KEY_METHOD], "cycle") == 0;
    int64_t deadline_ms = request_now_ms() + 1000 * wait_seconds(parameters, REQUEST_POWER_WAIT_S);
    int rc = reboot && !cycle && plugs.count > 1
                 ? reboot_several(parameters, &plugs, deadline_ms, failure)
                 : power_all(parameters, &plugs, cycle ? "reboot?method=cycle" : action->name, deadline_ms,
                             failure);
    return rc < 0 ? AGENT_FAILED : done(parameters, action->success);
}

/* 1 on, 0 off, -1 unknown. */
static int read_power(const struct parameters *parameters, const char *plug, int64_t deadline_ms,
                      struct failure *failure)
{
    struct answer answer = {0};
    int on = ask(parameters, "GET", guest_target(plug, "?view=power"),
                 wait_seconds(parameters, REQUEST_READ_WAIT_S), deadline_ms, &answer, failure);
    if (on == 0) {
        bool is_on = answer.length == 3 && memcmp(answer.body, "on\n", 3) == 0;
        bool is_off = answer.length == 4 && memcmp(answer.body, "off\n", 4) == 0;
        on = is_on;
        if (!is_on && !is_off)
            on = failure_set(failure, "client and daemon must have the same version",
                             "the broker's answer is neither on nor off");
    }
    answer_clear(&answer);
    return on < 0 ? failure_prefix(failure, "status %s", plug) : on;
}

/* As the contract has it, several plugs are off when each of them is. */
static int run_status(const struct action *action, const struct parameters *parameters,
                      struct failure *failure)
{
    (void)action;
    _cleanup_(plug_names_clear) struct plug_names plugs = {0};
    if (plug_names_of(parameters, &plugs, failure) < 0)
        return AGENT_FAILED;
    int64_t deadline_ms = request_now_ms() + 1000 * wait_seconds(parameters, REQUEST_READ_WAIT_S);
    bool any = false;
    for (size_t i = 0; i < plugs.count; i++) {
        int on = read_power(parameters, plugs.names[i], deadline_ms, failure);
        if (on < 0)
            return AGENT_FAILED;
        any = any || on;
    }
    printf("Status: %s\n", any ? "ON" : "OFF");
    return any ? AGENT_OK : AGENT_OFF;
}

/* Pacemaker takes a line with one of these words for an agent's complaint and drops it, and a guest may be
 * called so. It looks for lower case, and compares names without regard to case: a capital saves the guest.
 */
static void disarm(char *text, const char *word)
{
    for (char *at = text; (at = strstr(at, word)); at++)
        *at = (char)(*at - 'a' + 'A');
}

static int run_list(const struct action *action, const struct parameters *parameters, struct failure *failure)
{
    struct answer answer = {0};
    const char *separator = parameters->text[KEY_SEPARATOR] ? parameters->text[KEY_SEPARATOR] : ",";
    if (ask(parameters, "GET", strdup(action->target), wait_seconds(parameters, REQUEST_READ_WAIT_S), 0,
            &answer, failure) < 0) {
        failure_prefix(failure, "%s", action->name);
        answer_clear(&answer);
        return AGENT_FAILED;
    }
    disarm(answer.body, "invalid");
    disarm(answer.body, "variable");
    for (size_t i = 0; i < answer.length; i++) {
        if (answer.body[i] == ',')
            fputs(separator, stdout);
        else
            putchar(answer.body[i]);
    }
    answer_clear(&answer);
    return AGENT_OK;
}

static int run_monitor(const struct action *action, const struct parameters *parameters,
                       struct failure *failure)
{
    struct answer answer = {0};
    bool strict = parameters->flag[KEY_STRICT];
    _cleanup_(freep) char *nodes = strict ? admin_node_names() : NULL;
    char *target = NULL;
    if (asprintf(&target, "%s%s%s%s", action->target, strict ? "&strict=1" : "", nodes ? "&nodes=" : "",
                 nodes ? nodes : "") < 0)
        target = NULL;
    int rc =
        ask(parameters, "GET", target, wait_seconds(parameters, REQUEST_READ_WAIT_S), 0, &answer, failure);
    answer_clear(&answer);
    if (rc < 0)
        failure_prefix(failure, "%s", action->name);
    return rc < 0 ? AGENT_FAILED : AGENT_OK;
}

static int run_metadata(const struct action *action, const struct parameters *parameters,
                        struct failure *failure)
{
    (void)action;
    (void)parameters;
    (void)failure;
    metadata_print();
    return AGENT_OK;
}

/* The parameters were checked before; the broker need not run where a device is only being configured. */
static int run_validate(const struct action *action, const struct parameters *parameters,
                        struct failure *failure)
{
    (void)action;
    _cleanup_(plug_names_clear) struct plug_names plugs = {0};
    if (parameters_plug(parameters) && plug_names_of(parameters, &plugs, failure) < 0)
        return AGENT_FAILED;
    return AGENT_OK;
}

static const struct action actions[] = {
    {.name = "reboot", .run = run_power, .success = "Success: Rebooted", .delayed = true},
    {.name = "off", .run = run_power, .success = "Success: Powered OFF", .delayed = true},
    {.name = "on", .run = run_power, .success = "Success: Powered ON"},
    {.name = "status", .run = run_status},
    {.name = "list", .run = run_list, .target = "/v1/guests?view=list"},
    {.name = "list-status", .run = run_list, .target = "/v1/guests?view=list-status"},
    {.name = "monitor", .run = run_monitor, .target = "/v1/status?view=monitor"},
    {.name = "metadata", .run = run_metadata, .offline = true},
    {.name = "meta-data", .run = run_metadata, .offline = true},
    {.name = "manpage", .run = run_metadata, .offline = true},
    {.name = "validate-all", .run = run_validate},
};

static const struct action *find_action(const struct parameters *parameters, struct failure *failure)
{
    const char *name = parameters->text[KEY_ACTION] ? parameters->text[KEY_ACTION] : actions[0].name;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (strcasecmp(name, actions[i].name) == 0)
            return &actions[i];
    failure_set(failure, "use off, on, reboot, status, list, list-status, monitor, metadata or validate-all",
                "unsupported action '%s'", name);
    return NULL;
}

static void sleep_seconds(int64_t seconds)
{
    if (seconds <= 0)
        return;
    say_debug("waiting %lld s before asking", (long long)seconds);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

static int run(struct parameters *parameters, struct failure *failure)
{
    parameters_apply_speech(parameters);
    if (parameters->flag[KEY_HELP] || parameters->flag[KEY_VERSION]) {
        if (parameters->flag[KEY_HELP])
            commands_print_help();
        else
            commands_print_version();
        return say_finish(failure) < 0 ? AGENT_FAILED : AGENT_OK;
    }
    const struct action *action = find_action(parameters, failure);
    if (!action)
        return AGENT_FAILED;
    if (!action->offline && parameters_check(parameters, failure) < 0)
        return AGENT_FAILED;
    if (action->delayed)
        sleep_seconds(parameters->number[KEY_DELAY]);
    int rc = action->run(action, parameters, failure);
    /* a power action is done even when its line of success cannot be written */
    if (rc != AGENT_FAILED && !action->success && say_finish(failure) < 0)
        rc = AGENT_FAILED;
    return rc;
}

int agent_run(int argc, char **argv, struct failure *failure)
{
    _cleanup_(parameters_clear) struct parameters parameters = {0};
    if (argc <= 1 && isatty(STDIN_FILENO))
        fputs("fence_broker: reading key=value lines from the terminal up to Ctrl-D; --help shows the other "
              "ways to run it\n",
              stderr);
    int rc = argc > 1 ? parameters_read_options(&parameters, argc, argv, failure)
                      : parameters_read_lines(&parameters, stdin, failure);
    return rc < 0 ? AGENT_FAILED : run(&parameters, failure);
}
