/* pcmk_host_map, pcmk_host_list, pcmk_host_check and pcmk_host_argument, with Pacemaker's own rules: entries
 * of the map are "NODE:PLUG" (or with "="), separated by semicolons or blanks, and a backslash takes the
 * meaning of what follows it and is dropped; the last entry of a node counts; names compare without regard to
 * case; whoever is in the map is in the list. The plug goes into one parameter, unless the device itself has
 * a value for it, and all parameters of the device are passed on. Knows no guests. */
#include "admin/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/heap.h"
#include "system/cleanup.h"

#define BLANKS     " \t\r\n"
#define LIST_SEPS  ",;" BLANKS
#define HOSTS_MOST 4096 /* more than any cluster has nodes; the rest is not read */

/* Where the agent finds its plug, the first one first (settings_plug() in keys.c). */
static const char *const plug_keys[] = {"plug", "port", "nodename"};

static struct host *find(const struct hosts *hosts, const char *node)
{
    for (size_t i = 0; i < hosts->count; i++)
        if (strcasecmp(hosts->list[i].node, node) == 0)
            return &hosts->list[i];
    return NULL;
}

static void add(struct hosts *hosts, const char *node, const char *plug)
{
    struct host *known = find(hosts, node);
    if (known)
        known->plug = plug;
    else
        *heap_add(hosts->list, hosts->count) = (struct host){heap_copy(node), plug};
}

/* ---- the map --------------------------------------------------------------------------------------------
 */

/* Is the character behind `at` to be taken as it is? */
static bool escapes(const char *at)
{
    return *at == '\\' && at[1];
}

/* [from, to) without backslashes, and without commas around it. */
static void add_mapped(struct hosts *hosts, const char *node, const char *from, const char *to)
{
    const char *first = from + strspn(from, ",");
    while (to > first && to[-1] == ',')
        to--;
    hosts->commas |= first != from || *to == ',';
    if (first >= to)
        return;
    char *plug = heap_cut(first, (size_t)(to - first)), *end = plug;
    for (const char *at = plug; *at; at++)
        if (*at != '\\')
            *end++ = *at;
    *end = '\0';
    add(hosts, node, plug);
}

/* One entry, NUL-terminated. "n1:101,n2:102" are two that should have been separated otherwise; of any other
 * "a:b:c" Pacemaker takes the last two. */
static void read_entry(struct hosts *hosts, char *entry)
{
    char *node = NULL, *from = entry, *comma = NULL;
    for (char *at = entry; *at; at++) {
        if (escapes(at)) {
            hosts->backslashes = true;
            at++;
        } else if (*at == ',') {
            comma = at;
        } else if (*at == ':' || *at == '=') {
            *at = '\0';
            if (node && comma && comma >= from) {
                hosts->commas = true;
                add_mapped(hosts, node, from, comma);
                from = comma + 1;
            }
            node = *from ? from : node;
            from = at + 1;
        }
    }
    if (node)
        add_mapped(hosts, node, from, from + strlen(from));
}

static void read_map(struct hosts *hosts, const char *map)
{
    for (char *at = heap_copy(map); *at && hosts->count < HOSTS_MOST;) {
        char *entry = at;
        while (*at && *at != ';' && !strchr(BLANKS, *at))
            at += escapes(at) ? 2 : 1;
        if (*at)
            *at++ = '\0';
        read_entry(hosts, entry);
    }
}

/* ---- the rest -------------------------------------------------------------------------------------------
 */

static void read_list(struct hosts *hosts, const char *list)
{
    char *rest = heap_copy(list);
    for (const char *node; hosts->count < HOSTS_MOST && (node = strsep(&rest, LIST_SEPS));)
        if (*node && !find(hosts, node))
            add(hosts, node, NULL);
}

static enum host_check read_check(const char *check, bool named)
{
    if (!check)
        return named ? HOST_CHECK_STATIC : HOST_CHECK_DYNAMIC;
    if (strcasecmp(check, "static-list") == 0)
        return HOST_CHECK_STATIC;
    return strcasecmp(check, "dynamic-list") == 0 ? HOST_CHECK_DYNAMIC : HOST_CHECK_ALL;
}

static const struct hosts *read_hosts(const struct cib *cib, struct cib_device *device, const char *map)
{
    const char *list = cib_parameter(device, "pcmk_host_list");
    struct hosts *hosts = heap_take(sizeof(*hosts));
    *hosts = (struct hosts){.device = device, .argument = cib_argument(cib, device)};
    hosts->check = read_check(cib_parameter(device, "pcmk_host_check"), map || list);
    if (map)
        read_map(hosts, map);
    if (list)
        read_list(hosts, list);
    return hosts;
}

const struct hosts *hosts_of(const struct cib *cib, struct cib_device *device)
{
    if (!device->hosts)
        device->hosts = read_hosts(cib, device, cib_parameter(device, "pcmk_host_map"));
    return device->hosts;
}

bool hosts_name(const struct hosts *hosts, const char *node)
{
    return find(hosts, node);
}

const char *hosts_alias(const struct hosts *hosts, const char *node)
{
    const struct host *host = find(hosts, node);
    return host && host->plug ? host->plug : node;
}

const char *hosts_plug(const struct hosts *hosts, const char *node, const char **source)
{
    for (size_t i = 0; i < ARRAY_LEN(plug_keys); i++) {
        const char *own = cib_parameter(hosts->device, plug_keys[i]);
        if (!own && strcmp(plug_keys[i], hosts->argument) == 0) {
            const char *alias = hosts_alias(hosts, node);
            *source = alias == node ? NULL : "pcmk_host_map";
            return alias;
        }
        *source = plug_keys[i];
        if (own && *own)
            return own;
    }
    *source = NULL;
    return node; /* Pacemaker's nodename */
}

long long hosts_delay_base(const struct cib *cib, struct cib_device *device, const char *node)
{
    const char *value = cib_parameter(device, "pcmk_delay_base");
    if (!value || !strpbrk(value, ":="))
        return cib_milliseconds(value);
    if (!device->delays)
        device->delays = read_hosts(cib, device, value); /* it has the form of a map */
    const char *own = hosts_alias(device->delays, node);
    return own == node ? -1 : cib_milliseconds(own);
}

const char *hosts_separator(const struct hosts *hosts)
{
    const char *separator = cib_parameter(hosts->device, "plug_separator");
    return separator ? separator : ",";
}

bool hosts_argument_known(const struct hosts *hosts)
{
    for (size_t i = 0; i < ARRAY_LEN(plug_keys); i++)
        if (strcmp(hosts->argument, plug_keys[i]) == 0)
            return true;
    return strcasecmp(hosts->argument, "none") == 0;
}
