/* corosync.conf: lines of "key: value" in sections with braces. Reads the three settings that decide what
 * happens when a cluster of two is cut apart, and the nodes' names; knows no other. */
#include "admin/corosync.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/cleanup.h"

#define DEPTH_MAX 8

const char *corosync_path(void)
{
    const char *path = getenv("COROSYNC_MAIN_CONFIG_FILE");
    return path && *path ? path : COROSYNC_CONF;
}

static void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* Told of each line: "quorum.device" and key; of the end of a section with key NULL. False ends it. */
typedef bool line_fn(void *context, const char *section, const char *key, const char *value);

struct sections {
    char *names[DEPTH_MAX];
    size_t depth;
};

static char *joined(const struct sections *sections)
{
    char *path = strdup("");
    for (size_t i = 0; path && i < sections->depth; i++) {
        char *longer = NULL;
        if (asprintf(&longer, "%s%s%s", path, i ? "." : "", sections->names[i]) < 0)
            longer = NULL;
        free(path);
        path = longer;
    }
    return path;
}

/* False: no memory, too deep, or `line` wants no more. */
static bool take_line(struct sections *sections, char *text, line_fn *line, void *context)
{
    size_t length = strlen(text);
    char *colon = strchr(text, ':');
    if (!*text || *text == '#')
        return true;
    if (text[length - 1] == '{') {
        text[length - 1] = '\0';
        if (sections->depth == DEPTH_MAX)
            return false;
        sections->names[sections->depth] = strdup(trim(text));
        return sections->names[sections->depth++];
    }
    _cleanup_(freep) char *path = joined(sections);
    if (!path)
        return false;
    if (strcmp(text, "}") == 0) {
        bool go_on = line(context, path, NULL, NULL);
        if (sections->depth > 0)
            free(sections->names[--sections->depth]);
        return go_on;
    }
    if (!colon)
        return true;
    *colon = '\0';
    return line(context, path, trim(text), trim(colon + 1));
}

static int each_line(line_fn *line, void *context, struct failure *failure)
{
    _cleanup_(close_file) FILE *file = fopen(corosync_path(), "re");
    _cleanup_(freep) char *text = NULL;
    struct sections sections = {.depth = 0};
    size_t size = 0;
    bool go_on = true;
    if (!file)
        return failure_set(failure, "ask as root, on a node of the cluster", "%s: %s", corosync_path(),
                           strerror(errno));
    while (go_on && getline(&text, &size, file) > 0)
        go_on = take_line(&sections, trim(text), line, context);
    bool bad = ferror(file);
    while (sections.depth > 0)
        free(sections.names[--sections.depth]);
    return bad ? failure_set(failure, "see what it is", "%s cannot be read", corosync_path()) : 0;
}

static bool take_quorum(void *context, const char *section, const char *key, const char *value)
{
    struct corosync *corosync = context;
    if (!key) {
        corosync->device |= strcmp(section, "quorum.device") == 0;
        return true;
    }
    if (strcmp(section, "quorum") != 0)
        return true;
    if (strcmp(key, "two_node") == 0)
        corosync->two_node = strcmp(value, "1") == 0;
    else if (strcmp(key, "wait_for_all") == 0)
        corosync->wait_for_all = strcmp(value, "1") == 0;
    return true;
}

int corosync_read(struct corosync *corosync, struct failure *failure)
{
    *corosync = (struct corosync){.wait_for_all = -1};
    return each_line(take_quorum, corosync, failure);
}

struct naming {
    bool (*name)(void *context, const char *name);
    void *context;
    char *given, *address; /* of the node whose section this is */
    bool failed;
};

static bool take_node(void *context, const char *section, const char *key, const char *value)
{
    struct naming *naming = context;
    if (strcmp(section, "nodelist.node") != 0)
        return true;
    char **slot = !key                             ? NULL
                  : strcmp(key, "name") == 0       ? &naming->given
                  : strcmp(key, "ring0_addr") == 0 ? &naming->address
                                                   : NULL;
    if (key && slot) {
        free(*slot);
        *slot = strdup(value);
        naming->failed |= !*slot;
    }
    if (key)
        return !naming->failed;
    const char *known = naming->given ? naming->given : naming->address;
    bool go_on = !known || naming->name(naming->context, known);
    free(naming->given);
    free(naming->address);
    naming->given = naming->address = NULL;
    return go_on;
}

int corosync_each_node(bool (*name)(void *context, const char *name), void *context, struct failure *failure)
{
    struct naming naming = {.name = name, .context = context};
    int rc = each_line(take_node, &naming, failure);
    free(naming.given);
    free(naming.address);
    return rc < 0 || !naming.failed ? rc : failure_set(failure, NULL, "out of memory");
}
