/* See fault.h. */
#include "fault.h"
#include "system/cleanup.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

struct setting {
    char *key, *value;
    struct setting *next;
};

struct fault {
    char *name;
    struct setting *settings;
    int64_t left; /* how often it still fires; -1: always */
    int64_t fired;
    struct fault *next;
};

struct faults {
    struct fault *first;
};

/* all that exist, with the keys they know beside call, guest, endpoint and count */
static const struct {
    const char *name, *keys;
} known[] = {
    {"task-ok-but-running", ""},
    {"held", ""},
    {"undead", "ms"},
    {"stop-403", ""},
    {"reply-lost-after", ""},
    {"reply-lost-before", ""},
    {"reply-late", "ms"},
    {"body-lost", ""},
    {"param-lost", "name"},
    {"param-error", "name text"},
    {"carried-out-late", "ms status answer-ms reason"},
    {"http", "status reason"},
    {"pmxcfs-down", "reason"},
    {"garbage", "text"},
    {"truncated", ""},
    {"silent", ""},
    {"refuse", ""},
    {"reset", ""},
    {"slow", "ms"},
    {"task-error", "text"},
    {"list-age", ""},
    {"got-timeout", ""},
    {"no-upid-500", "reason"},
    {"wrong-guest", "with"},
    {"tickets-expire", ""},
};

int faults_init(struct sim *sim)
{
    sim->faults = calloc(1, sizeof(*sim->faults));
    return sim->faults ? 0 : -ENOMEM;
}

static void fault_free(struct fault *fault)
{
    for (struct setting *setting; (setting = fault->settings);) {
        fault->settings = setting->next;
        free(setting->key);
        free(setting->value);
        free(setting);
    }
    free(fault->name);
    free(fault);
}

static void fault_freep(struct fault **fault)
{
    if (*fault)
        fault_free(*fault);
}

static bool is_set(const struct fault *fault, const char *key, const char *value)
{
    return strcmp(fault_text(fault, key, ""), value) == 0;
}

void fault_clear(struct sim *sim, const char *name, const char *key, const char *value)
{
    for (struct fault **at = &sim->faults->first; *at;) {
        struct fault *fault = *at;
        if ((name && strcmp(name, fault->name) != 0) || (key && !is_set(fault, key, value))) {
            at = &fault->next;
            continue;
        }
        *at = fault->next;
        fault_free(fault);
    }
}

void faults_free(struct faults *faults)
{
    struct sim sim = {.faults = faults};
    if (faults)
        fault_clear(&sim, NULL, NULL, NULL);
    free(faults);
}

static bool word_in(const char *word, const char *list)
{
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length) {
        if ((at == list || at[-1] == ' ') && (!at[length] || at[length] == ' '))
            return true;
    }
    return false;
}

/* KEY=VALUE; text= and reason= take the rest of the line */
static const char *add_setting(struct fault *fault, const char *keys, char **rest)
{
    char *key = *rest, *value = strchr(key, '=');
    if (!value || (strchr(key, ' ') && strchr(key, ' ') < value))
        return "a fault's settings are KEY=VALUE";
    *value++ = '\0';
    *rest = NULL;
    if (strcmp(key, "text") != 0 && strcmp(key, "reason") != 0) {
        char *blank = strchr(value, ' ');
        if (blank) {
            *blank = '\0';
            *rest = blank + 1;
        }
    }
    if (strcmp(key, "count") == 0) {
        fault->left = strtoll(value, NULL, 10);
        return fault->left > 0 ? NULL : "count must be a number above 0";
    }
    if (!word_in(key, "call guest endpoint") && !word_in(key, keys))
        return "this fault does not know that key; see pvesim --help";
    struct setting *setting = calloc(1, sizeof(*setting));
    if (!setting)
        return "out of memory";
    setting->next = fault->settings;
    fault->settings = setting;
    setting->key = strdup(key);
    setting->value = strdup(value);
    return setting->key && setting->value ? NULL : "out of memory";
}

const char *fault_arm(struct sim *sim, char *words)
{
    _cleanup_(fault_freep) struct fault *fault = calloc(1, sizeof(*fault));
    const char *keys = NULL, *name = words;
    char *rest = strchr(words, ' ');
    if (rest)
        *rest++ = '\0';
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i].name, name) == 0)
            keys = known[i].keys;
    }
    if (!keys)
        return "there is no such fault; see pvesim --help";
    if (!fault || !(fault->name = strdup(name)))
        return "out of memory";
    fault->left = -1;
    while (rest && *rest) {
        const char *wrong = add_setting(fault, keys, &rest);
        if (wrong)
            return wrong;
    }
    struct fault **last = &sim->faults->first;
    while (*last)
        last = &(*last)->next;
    *last = TAKE(fault);
    return NULL;
}

void fault_list(const struct sim *sim, struct evbuffer *to)
{
    for (const struct fault *fault = sim->faults->first; fault; fault = fault->next) {
        evbuffer_add_printf(to, "%s", fault->name);
        for (const struct setting *setting = fault->settings; setting; setting = setting->next)
            evbuffer_add_printf(to, " %s=%s", setting->key, setting->value);
        evbuffer_add_printf(to, " fired=%lld left=%lld\n", (long long)fault->fired, (long long)fault->left);
    }
}

const char *fault_text(const struct fault *fault, const char *key, const char *otherwise)
{
    for (const struct setting *setting = fault->settings; setting; setting = setting->next) {
        if (strcmp(setting->key, key) == 0)
            return setting->value;
    }
    return otherwise;
}

int64_t fault_int(const struct fault *fault, const char *key, int64_t otherwise)
{
    const char *text = fault_text(fault, key, NULL);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

static bool text_matches(const struct fault *fault, const char *key, const char *is)
{
    const char *wanted = fault_text(fault, key, NULL);
    return !wanted || strcmp(wanted, "*") == 0 || (is && strcmp(wanted, is) == 0);
}

static bool matches(const struct fault *fault, const char *name, const struct fault_at *at)
{
    int64_t guest = fault_int(fault, "guest", 0);
    return fault->left != 0 && strcmp(fault->name, name) == 0 && text_matches(fault, "call", at->call) &&
           text_matches(fault, "endpoint", at->endpoint) && (!guest || guest == at->vmid);
}

bool fault_is_armed(const struct sim *sim, const struct fault *fault)
{
    const struct fault *armed = sim->faults->first;
    while (armed && armed != fault)
        armed = armed->next;
    return armed != NULL;
}

const struct fault *fault_holds(const struct sim *sim, const char *name, const struct fault_at *at)
{
    for (const struct fault *fault = sim->faults->first; fault; fault = fault->next) {
        if (matches(fault, name, at))
            return fault;
    }
    return NULL;
}

const struct fault *fault_fires(struct sim *sim, const char *name, const struct fault_at *at)
{
    for (struct fault *fault = sim->faults->first; fault; fault = fault->next) {
        if (!matches(fault, name, at))
            continue;
        fault->fired++;
        if (fault->left > 0)
            fault->left--;
        return fault;
    }
    return NULL;
}
