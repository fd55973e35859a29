/* Reads a recording into memory, each word once, and plays a scenario of it to the room. */
#include "recording.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uthash.h>

#define HOSTS_MAX DEAD_HOSTS_MAX
#define GROWTH    64
#define START_MS  1000 /* the room's clock at the recording's start: for the room 0 is no time */

__attribute__((noreturn, format(printf, 2, 3))) static void give_up(const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", path);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(2);
}

static void *need(void *memory)
{
    if (!memory)
        give_up("recording", "no memory");
    return memory;
}

/* Room for one more in a list that grows by GROWTH. */
static void *grown(void *list, size_t count, size_t size)
{
    return count % GROWTH == 0 ? need(realloc(list, (count + GROWTH) * size)) : list;
}

/* ---- words ---- */

struct word {
    UT_hash_handle hh;
    char text[];
};

static const char *word_of(const char *text)
{
    static struct word *words;
    struct word *word;

    if (!text)
        return NULL;
    HASH_FIND_STR(words, text, word);
    if (!word) {
        word = need(calloc(1, sizeof(*word) + strlen(text) + 1));
        strcpy(word->text, text);
        HASH_ADD_STR(words, text, word);
    }
    return word->text;
}

static const char *string_of(struct json_object *object, const char *key)
{
    const char *text = NULL;
    return json_get_string(object, key, &text) ? word_of(text) : NULL;
}

static bool flag_of(struct json_object *object, const char *key)
{
    bool flag = false;
    return json_get_flag(object, key, &flag) && flag;
}

/* ---- a line ---- */

const struct recorded_host *recorded_host_of(const struct recorded_state *state, const char *name)
{
    static const struct recorded_host nobody;

    for (size_t i = 0; i < state->host_count; i++) {
        if (strcmp(state->hosts[i].name, name) == 0)
            return &state->hosts[i];
    }
    return &nobody;
}

static struct json_object *member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    json_get_object(object, key, &value);
    return value;
}

static void read_host(struct json_object *line, struct recorded_state *state, const char *name)
{
    struct json_object *online = member(line, "online");

    if (state->host_count == HOSTS_MAX || recorded_host_of(state, name)->name)
        return;
    struct recorded_host *host = &state->hosts[state->host_count++];
    host->name = word_of(name);
    host->listed = json_object_object_get(online, name) != NULL;
    host->online = flag_of(online, name);
    host->hastate = string_of(member(line, "node_status"), name);
    host->lrm = string_of(member(line, "lrm_status"), name);
    host->lrm_fresh = flag_of(member(line, "lrm_fresh"), name);
    host->powered = flag_of(member(line, "power"), name);
    json_get_int(member(line, "boot"), name, 0, INT64_MAX, &host->boot);
}

static void read_hosts(struct json_object *line, struct recorded_state *state)
{
    static const char *const members[] = {"online", "power"}; /* what is no member any more may have power */

    state->hosts = need(calloc(HOSTS_MAX, sizeof(*state->hosts)));
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        struct json_object *hosts = member(line, members[i]);
        if (!hosts)
            continue;
        json_object_object_foreach(hosts, name, unused)
        {
            (void)unused;
            read_host(line, state, name);
        }
    }
    state->hosts = need(realloc(state->hosts, (state->host_count + 1) * sizeof(*state->hosts)));
}

/* What is no HA resource has no state, and HA's status does not know it. */
static void read_services(struct json_object *line, struct recorded_state *state)
{
    struct json_object *services = member(line, "services");

    if (!services)
        return;
    json_object_object_foreach(services, sid, service)
    {
        const char *word = string_of(service, "state"), *host = string_of(service, "node");
        if (!word || !host)
            continue;
        state->services = grown(state->services, state->service_count, sizeof(*state->services));
        state->services[state->service_count++] =
            (struct dead_hosts_service){.sid = word_of(sid), .host = host, .state = word};
    }
}

static struct recorded_scenario *scenario_of(struct recording *recording, const char *name)
{
    for (size_t i = recording->count; i-- > 0;) {
        if (recording->scenarios[i].name == name)
            return &recording->scenarios[i];
    }
    recording->scenarios = grown(recording->scenarios, recording->count, sizeof(*recording->scenarios));
    recording->scenarios[recording->count] = (struct recorded_scenario){.name = name};
    return &recording->scenarios[recording->count++];
}

static void read_line(struct recording *recording, const char *path, const char *text, size_t length)
{
    _cleanup_(json_putp) struct json_object *line = json_parse(text, length);
    struct json_object *t = NULL;
    const char *name = string_of(line, "scenario");

    if (!name || !json_object_object_get_ex(line, "t", &t) || !member(line, "online"))
        give_up(path, "not a line of a recording: %.60s", text);
    struct recorded_scenario *scenario = scenario_of(recording, name);
    struct recorded_state state = {
        .t_ms = (int64_t)(json_object_get_double(t) * 1000 + 0.5),
        .quorate = flag_of(line, "quorate"),
        .disarmed = member(line, "disarm") != NULL,
    };
    read_hosts(line, &state);
    read_services(line, &state);
    scenario->states = grown(scenario->states, scenario->count, sizeof(*scenario->states));
    scenario->states[scenario->count++] = state;
}

struct recording recording_read(const char *path)
{
    struct recording recording = {0};
    int ends[2], status = 0;

    if (access(path, R_OK) != 0 || pipe(ends) != 0)
        give_up(path, "%s", strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp("gzip", "gzip", "-dcf", "--", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *in = child < 0 ? NULL : fdopen(ends[0], "r");
    if (!in)
        give_up(path, "%s", strerror(errno));
    char *text = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&text, &size, in)) > 0)
        read_line(&recording, path, text, (size_t)(text[length - 1] == '\n' ? length - 1 : length));
    free(text);
    fclose(in);
    if (waitpid(child, &status, 0) < 0 || status != 0)
        give_up(path, "gzip -dcf failed");
    return recording;
}

void recording_free(struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++) {
        struct recorded_scenario *scenario = &recording->scenarios[i];
        for (size_t k = 0; k < scenario->count; k++) {
            free(scenario->states[k].hosts);
            free(scenario->states[k].services);
        }
        free(scenario->states);
    }
    free(recording->scenarios);
    *recording = (struct recording){0};
}

/* ---- playing ---- */

bool recorded_majority(const struct recorded_state *state)
{
    size_t listed = 0, online = 0;

    for (size_t i = 0; i < state->host_count; i++) {
        listed += state->hosts[i].listed;
        online += state->hosts[i].listed && state->hosts[i].online;
    }
    return state->quorate && 2 * online > listed;
}

/* What HA's status would print of it. */
static enum dead_hosts_lrm lrm_of(const struct recorded_host *host)
{
    const char *mode = host->lrm ? strchr(host->lrm, '/') : NULL;

    if (!mode)
        return DEAD_HOSTS_LRM_UNKNOWN;
    if (host->lrm_fresh)
        return strcmp(host->lrm, "active/active") == 0 ? DEAD_HOSTS_LRM_ACTIVE : DEAD_HOSTS_LRM_OTHER;
    return strcmp(mode, "/maintenance") == 0 || strcmp(mode, "/disarm") == 0 ? DEAD_HOSTS_LRM_OTHER
                                                                             : DEAD_HOSTS_LRM_OLD;
}

static void feed(struct dead_hosts *room, const struct recorded_state *state, int64_t t_ms)
{
    struct dead_hosts_host hosts[HOSTS_MAX];
    struct dead_hosts_agent agents[HOSTS_MAX];
    struct dead_hosts_sample sample = {
        .asked_ms = START_MS + t_ms,
        .came_ms = START_MS + t_ms,
        .majority = recorded_majority(state),
        .hosts = hosts,
        .ha_read = true,
        .armed = !state->disarmed,
        .agents = agents,
        .services = state->services,
        .service_count = state->service_count,
    };

    for (size_t i = 0; i < state->host_count; i++) {
        const struct recorded_host *host = &state->hosts[i];
        if (host->listed)
            hosts[sample.host_count++] = (struct dead_hosts_host){
                .name = host->name, .hastate = host->hastate, .online = host->online};
        if (lrm_of(host) != DEAD_HOSTS_LRM_UNKNOWN)
            agents[sample.agent_count++] = (struct dead_hosts_agent){.host = host->name, .lrm = lrm_of(host)};
    }
    dead_hosts_take(room, &sample);
}

/* One claim for each host at a time. */
struct player {
    const char *scenario;
    const char *names[HOSTS_MAX];
    size_t count;
    bool open[HOSTS_MAX];
    struct recorded_claim claims[HOSTS_MAX];
    recording_claim_fn *tell;
    void *context;
};

static void meet_hosts(struct player *player, const struct recorded_state *state)
{
    for (size_t i = 0; i < state->host_count; i++) {
        size_t k = 0;
        while (k < player->count && player->names[k] != state->hosts[i].name)
            k++;
        if (k == player->count && k < HOSTS_MAX)
            player->names[player->count++] = state->hosts[i].name;
    }
}

static void close_claim(struct player *player, size_t i, int64_t t_ms)
{
    if (!player->open[i])
        return;
    player->open[i] = false;
    player->claims[i].to_ms = t_ms;
    player->tell(player->context, &player->claims[i]);
}

static void follow(struct player *player, const struct dead_hosts *room, int64_t t_ms)
{
    for (size_t i = 0; i < player->count; i++) {
        struct dead_hosts_answer answer = dead_hosts_ask(room, player->names[i], START_MS + t_ms);
        if (answer.state != DEAD_HOSTS_FENCED) {
            close_claim(player, i, t_ms);
        } else if (!player->open[i]) {
            player->open[i] = true;
            player->claims[i] = (struct recorded_claim){.scenario = player->scenario,
                                                        .host = player->names[i],
                                                        .from_ms = t_ms,
                                                        .reason = answer.reason};
        }
    }
}

void recording_play(const struct recorded_scenario *scenario, int64_t interval_ms, int64_t phase_ms,
                    recording_claim_fn *tell, void *context)
{
    struct dead_hosts *room = need(dead_hosts_new());
    struct player player = {.scenario = scenario->name, .tell = tell, .context = context};
    int64_t end_ms = scenario->states[scenario->count - 1].t_ms;
    size_t at = 0;

    for (int64_t t_ms = phase_ms; t_ms <= end_ms; t_ms += interval_ms) {
        while (at + 1 < scenario->count && scenario->states[at + 1].t_ms <= t_ms)
            at++;
        if (scenario->states[at].t_ms > t_ms)
            continue;
        feed(room, &scenario->states[at], t_ms);
        meet_hosts(&player, &scenario->states[at]);
        follow(&player, room, t_ms);
    }
    for (size_t i = 0; i < player.count; i++)
        close_claim(&player, i, end_ms);
    dead_hosts_free(room);
}
