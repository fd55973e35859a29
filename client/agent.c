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
#include "request.h"
#include "system/cleanup.h"

struct plug_names {
    char *text;   /* owned; cut into names in place */
    char **names; /* owned; point into text */
    size_t count;
};

/* One run of the agent. */
struct job {
    const struct action *action;
    const struct parameters *parameters;
    struct plug_names *plugs; /* of an action that looks at them */
    int64_t deadline_ms;      /* for all requests together, from the first one on; 0: none was sent */
    struct failure *failure;  /* set where a function fails */
};

enum plug_use {
    PLUGS_UNUSED,
    PLUGS_CHECKED, /* if there are any */
    PLUGS_NEEDED,
};

struct action {
    const char *name;
    int (*run)(struct job *job); /* the exit status, or -1; NULL: prints the metadata, whatever was given */
    enum plug_use plugs;
    const char *target;  /* GET this, for actions without a plug */
    const char *success; /* what is printed then */
    bool delayed;        /* `delay` applies */
};

/* Asks; anything but 200 is a failure. Takes `target`. */
static int ask(struct job *job, const char *method, char *target, struct answer *answer)
{
    _cleanup_(freep) char *owned = target;
    const struct parameters *parameters = job->parameters;
    const char *socket = parameters->text[KEY_SOCKET];
    /* 0 is what the fence agents mean by "no limit", so it is the default here, too */
    int64_t given = parameters->flag[KEY_DISABLE_TIMEOUT] ? 0 : parameters->number[KEY_POWER_TIMEOUT];
    int64_t wait_s = given > 0 ? given : job->action->success ? REQUEST_POWER_WAIT_S : REQUEST_READ_WAIT_S;
    if (!owned)
        return failure_set(job->failure, NULL, "out of memory");
    if (!job->deadline_ms)
        job->deadline_ms = request_now_ms() + 1000 * wait_s;
    struct request request = {.socket = socket ? socket : BROKER_SOCKET,
                              .method = method,
                              .target = owned,
                              .wait_s = wait_s,
                              .deadline_ms = job->deadline_ms};
    if (request_perform(&request, answer, job->failure) < 0)
        return -1;
    return answer->status == 200 ? 0 : answer_failure(answer, job->failure);
}

/* ---- plugs ----------------------------------------------------------------------------------------------
 */

static void plug_names_clear(struct plug_names *plugs)
{
    free(plugs->text);
    free(plugs->names);
}

/* Cuts the plug at its separator, as the contract has it: a node may consist of several guests. */
static int read_plugs(struct job *job)
{
    struct plug_names *plugs = job->plugs;
    const char *plug = parameters_plug(job->parameters);
    const char *separator = job->parameters->text[KEY_PLUG_SEPARATOR];
    if (!plug && job->action->plugs == PLUGS_NEEDED)
        return failure_set(job->failure, "say which guest: plug=NAME on standard input, or -n NAME",
                           "no plug was given");
    if (!plug || job->action->plugs == PLUGS_UNUSED)
        return 0;
    separator = separator ? separator : ",";
    size_t width = strlen(separator);
    plugs->text = strdup(plug);
    plugs->names = calloc(strlen(plug) + 1, sizeof(*plugs->names));
    if (!plugs->text || !plugs->names)
        return failure_set(job->failure, NULL, "out of memory");
    for (char *at = plugs->text; at;) {
        char *end = width ? strstr(at, separator) : NULL;
        if (end)
            *end = '\0';
        if (!*at)
            return failure_set(job->failure, "name each guest once: plug=NAME, or plug=NAME,NAME",
                               "the plug '%s' has an empty name", plug);
        plugs->names[plugs->count++] = at;
        at = end ? end + width : NULL;
    }
    return 0;
}

/* "/v1/guests/PLUG" and what comes behind it; NULL: no memory. */
static char *guest_target(const char *plug, const char *slash, const char *rest)
{
    _cleanup_(freep) char *encoded = request_encode(plug);
    return encoded ? say_text("/v1/guests/%s%s%s", encoded, slash, rest) : NULL;
}

/* ---- actions --------------------------------------------------------------------------------------------
 */

static int power_one(struct job *job, const char *plug, const char *verb)
{
    struct answer answer = {0};
    int rc = ask(job, "POST", guest_target(plug, "/", verb), &answer);
    answer_clear(&answer);
    return rc < 0 ? failure_prefix(job->failure, "%.*s %s", (int)strcspn(verb, "?"), verb, plug) : 0;
}

static int power_all(struct job *job, const char *verb)
{
    for (size_t i = 0; i < job->plugs->count; i++)
        if (power_one(job, job->plugs->names[i], verb) < 0)
            return -1;
    return 0;
}

/* A node of several guests is off only while all of them are: so all off first, then all on. */
static int reboot_several(struct job *job)
{
    if (power_all(job, "off") < 0)
        return -1;
    for (size_t i = 0; i < job->plugs->count; i++) {
        if (power_one(job, job->plugs->names[i], "on") == 0)
            continue;
        /* fenced it is: by the contract a reboot succeeds with its off part */
        say_warning("%s; %s", job->failure->cause ? job->failure->cause : "out of memory",
                    job->failure->hint ? job->failure->hint : "");
        failure_clear(job->failure);
    }
    return 0;
}

static int run_power(struct job *job)
{
    bool reboot = strcmp(job->action->name, "reboot") == 0;
    bool cycle = reboot && job->parameters->flag[KEY_METHOD];
    int rc = reboot && !cycle && job->plugs->count > 1
                 ? reboot_several(job)
                 : power_all(job, cycle ? "reboot?method=cycle" : job->action->name);
    if (rc < 0)
        return -1;
    /* the operation is done whether or not anybody reads this, so a failed write changes nothing */
    if (!job->parameters->flag[KEY_QUIET])
        printf("%s\n", job->action->success);
    return AGENT_OK;
}

/* 1 on, 0 off, -1 unknown. */
static int read_power(struct job *job, const char *plug)
{
    struct answer answer = {0};
    int on = ask(job, "GET", guest_target(plug, "?", "view=power"), &answer);
    if (on == 0) {
        bool is_on = answer.length == 3 && memcmp(answer.body, "on\n", 3) == 0;
        bool is_off = answer.length == 4 && memcmp(answer.body, "off\n", 4) == 0;
        on = is_on;
        if (!is_on && !is_off)
            on = failure_set(job->failure, "client and daemon must have the same version",
                             "the broker's answer is neither on nor off");
    }
    answer_clear(&answer);
    return on < 0 ? failure_prefix(job->failure, "status %s", plug) : on;
}

/* As the contract has it, several plugs are off when each of them is. */
static int run_status(struct job *job)
{
    bool any = false;
    for (size_t i = 0; i < job->plugs->count; i++) {
        int on = read_power(job, job->plugs->names[i]);
        if (on < 0)
            return -1;
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

static int run_list(struct job *job)
{
    struct answer answer = {0};
    const char *separator = job->parameters->text[KEY_SEPARATOR];
    int rc = ask(job, "GET", strdup(job->action->target), &answer);
    if (rc == 0) {
        disarm(answer.body, "invalid");
        disarm(answer.body, "variable");
    }
    for (size_t i = 0; rc == 0 && i < answer.length; i++) {
        if (answer.body[i] == ',')
            fputs(separator ? separator : ",", stdout);
        else
            putchar(answer.body[i]);
    }
    answer_clear(&answer);
    return rc < 0 ? failure_prefix(job->failure, "%s", job->action->name) : AGENT_OK;
}

static int run_monitor(struct job *job)
{
    struct answer answer = {0};
    bool strict = job->parameters->flag[KEY_STRICT];
    _cleanup_(freep) char *nodes = strict ? admin_node_names() : NULL;
    int rc = ask(job, "GET",
                 say_text("%s%s%s%s", job->action->target, strict ? "&strict=1" : "", nodes ? "&nodes=" : "",
                          nodes ? nodes : ""),
                 &answer);
    answer_clear(&answer);
    return rc < 0 ? failure_prefix(job->failure, "%s", job->action->name) : AGENT_OK;
}

/* The parameters were checked before; the broker need not run where a device is only being configured. */
static int run_validate(struct job *job)
{
    (void)job;
    return AGENT_OK;
}

static const struct action actions[] = {
    {"reboot", run_power, PLUGS_NEEDED, .success = "Success: Rebooted", .delayed = true},
    {"off", run_power, PLUGS_NEEDED, .success = "Success: Powered OFF", .delayed = true},
    {"on", run_power, PLUGS_NEEDED, .success = "Success: Powered ON"},
    {"status", run_status, .plugs = PLUGS_NEEDED},
    {"list", run_list, .target = "/v1/guests?view=list"},
    {"list-status", run_list, .target = "/v1/guests?view=list-status"},
    {"monitor", run_monitor, .target = "/v1/status?view=monitor"},
    {.name = "metadata"},
    {.name = "manpage"},
    {"validate-all", run_validate, .plugs = PLUGS_CHECKED},
    {.name = "meta-data"}, /* the last one: an old name, of which the metadata has no word */
};

/* pacemaker-controld asks for it as hacluster, and a failure there delays fencing: nothing here needs a file,
 * a right or the broker. The order of elements and attributes is what the fence agents' metadata.rng wants.
 * No action is automatic: that would turn the device into an unfencing one. */
static void print_metadata(void)
{
    printf(
        "<?xml version=\"1.0\"?>\n"
        "<resource-agent name=\"fence_broker\" shortdesc=\"Fence agent for guests of Proxmox VE, through "
        "fence_brokerd\">\n"
        "<longdesc>fence_broker powers the Proxmox VE guests that are nodes of this cluster. It asks "
        "fence_brokerd on the same node over a UNIX socket; the daemon is logged in to Proxmox VE and knows "
        "the guests of its pool. Addresses, users and secrets belong in the configuration of the daemon "
        "(/etc/fence-broker/fence-broker.conf), not in the parameters of the device. A device needs no "
        "parameters: without pcmk_host_list and pcmk_host_map, Pacemaker asks the broker which guests it can "
        "fence. Off and reboot succeed only when the guest is proven to be off.</longdesc>\n"
        "<vendor-url>https://www.proxmox.com/</vendor-url>\n<parameters>\n");
    parameters_print_xml();
    printf("</parameters>\n<actions>\n");
    for (size_t i = 0; i < ARRAY_LEN(actions) - 1; i++)
        printf("\t<action name=\"%s\"/>\n", actions[i].name);
    printf("</actions>\n</resource-agent>\n");
}

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

/* -1: `failure` is set; else the exit status. */
static int run(struct parameters *parameters, struct failure *failure)
{
    _cleanup_(plug_names_clear) struct plug_names plugs = {0};
    parameters_apply_speech(parameters);
    if (parameters->flag[KEY_HELP] || parameters->flag[KEY_VERSION]) {
        if (parameters->flag[KEY_HELP])
            commands_print_help();
        else
            commands_print_version();
        return say_finish(failure);
    }
    const struct action *action = find_action(parameters, failure);
    struct job job = {.action = action, .parameters = parameters, .plugs = &plugs, .failure = failure};
    if (!action)
        return -1;
    if (!action->run) {
        print_metadata();
        return say_finish(failure);
    }
    if (parameters_check(parameters, failure) < 0 || read_plugs(&job) < 0)
        return -1;
    if (action->delayed)
        sleep_seconds(parameters->number[KEY_DELAY]);
    int rc = action->run(&job);
    /* a power action is done even when its line of success cannot be written */
    return rc >= 0 && !action->success && say_finish(failure) < 0 ? -1 : rc;
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
    if (rc == 0)
        rc = run(&parameters, failure);
    return rc < 0 ? AGENT_FAILED : rc;
}
