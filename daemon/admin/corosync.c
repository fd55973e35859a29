/* corosync.conf: lines of "key: value" in sections with braces. Reads the three settings that decide what
 * happens when a cluster of two is cut apart, and the nodes' names; knows no other. */
#include "admin/corosync.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/heap.h"
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
    const char *paths[DEPTH_MAX + 1]; /* "", "quorum", "quorum.device" */
    size_t depth;
};

/* False: too deep, or `line` wants no more. */
static bool take_line(struct sections *sections, char *text, line_fn *line, void *context)
{
    const char *path = sections->paths[sections->depth];
    size_t length = strlen(text);
    char *colon = strchr(text, ':');
    if (!*text || *text == '#')
        return true;
    if (text[length - 1] == '{') {
        text[length - 1] = '\0';
        if (sections->depth == DEPTH_MAX)
            return false;
        sections->paths[++sections->depth] = heap_printf("%s%s%s", path, *path ? "." : "", trim(text));
        return true;
    }
    if (strcmp(text, "}") == 0) {
        sections->depth -= sections->depth > 0;
        return line(context, path, NULL, NULL);
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
    struct sections sections = {.paths = {""}};
    size_t size = 0;
    bool go_on = true;
    if (!file)
        return failure_set(failure, "ask as root, on a node of the cluster", "%s: %s", corosync_path(),
                           strerror(errno));
    while (go_on && getline(&text, &size, file) > 0)
        go_on = take_line(&sections, trim(text), line, context);
    bool bad = ferror(file);
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
    void (*name)(void *context, const char *name);
    void *context;
    const char *given, *address; /* of the node whose section this is */
};

static bool take_node(void *context, const char *section, const char *key, const char *value)
{
    struct naming *naming = context;
    if (strcmp(section, "nodelist.node") != 0)
        return true;
    if (key && strcmp(key, "name") == 0)
        naming->given = heap_copy(value);
    else if (key && strcmp(key, "ring0_addr") == 0)
        naming->address = heap_copy(value);
    if (key)
        return true;
    const char *known = naming->given ? naming->given : naming->address;
    naming->given = naming->address = NULL;
    if (known)
        naming->name(naming->context, known);
    return true;
}

int corosync_each_node(void (*name)(void *context, const char *name), void *context, struct failure *failure)
{
    struct naming naming = {.name = name, .context = context};
    return each_line(take_node, &naming, failure);
}
