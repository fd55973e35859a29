/* pcmk_host_map, pcmk_host_list and pcmk_host_check, with Pacemaker's own rules: entries of the map are
 * "NODE:PLUG[,PLUG…]" (or with "="), separated by semicolons or blanks; names compare without regard to case;
 * whoever is in the map is in the list. Knows no guests. */
#include "hosts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

#define BLANKS    " \t\r\n"
#define MAP_SEPS  ";" BLANKS
#define LIST_SEPS ",;" BLANKS

static bool add(struct hosts *hosts, const char *node, const char *plug)
{
    if (hosts->count == hosts->size) {
        size_t size = hosts->size ? 2 * hosts->size : 8;
        struct host *list = reallocarray(hosts->list, size, sizeof(*list));
        if (!list)
            return false;
        hosts->list = list;
        hosts->size = size;
    }
    struct host host = {strdup(node), plug ? strdup(plug) : NULL};
    hosts->list[hosts->count++] = host;
    return host.node && (host.plug || !plug);
}

static bool read_map(struct hosts *hosts, const char *map)
{
    _cleanup_(freep) char *copy = strdup(map);
    char *rest = copy;
    if (!copy)
        return false;
    for (char *entry; (entry = strsep(&rest, MAP_SEPS));) {
        char *plugs = entry + strcspn(entry, ":=");
        if (!*plugs || plugs == entry)
            continue;
        *plugs++ = '\0';
        for (const char *plug; (plug = strsep(&plugs, ","));)
            if (*plug && !add(hosts, entry, plug))
                return false;
    }
    return true;
}

static bool read_list(struct hosts *hosts, const char *list)
{
    _cleanup_(freep) char *copy = strdup(list);
    char *rest = copy;
    if (!copy)
        return false;
    for (const char *node; (node = strsep(&rest, LIST_SEPS));)
        if (*node && !hosts_name(hosts, node) && !add(hosts, node, NULL))
            return false;
    return true;
}

static enum host_check read_check(const char *check, bool named)
{
    if (!check)
        return named ? HOST_CHECK_STATIC : HOST_CHECK_DYNAMIC;
    if (strcasecmp(check, "static-list") == 0)
        return HOST_CHECK_STATIC;
    return strcasecmp(check, "dynamic-list") == 0 ? HOST_CHECK_DYNAMIC : HOST_CHECK_ALL;
}

int hosts_read(struct hosts *hosts, const struct cib *cib, const struct cib_device *device)
{
    const char *map = cib_parameter(cib, device, "pcmk_host_map");
    const char *list = cib_parameter(cib, device, "pcmk_host_list");
    *hosts = (struct hosts){.device = device};
    hosts->check = read_check(cib_parameter(cib, device, "pcmk_host_check"), map || list);
    return (map && !read_map(hosts, map)) || (list && !read_list(hosts, list)) ? -1 : 0;
}

void hosts_clear(struct hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        free(hosts->list[i].node);
        free(hosts->list[i].plug);
    }
    free(hosts->list);
    *hosts = (struct hosts){0};
}

bool hosts_name(const struct hosts *hosts, const char *node)
{
    for (size_t i = 0; i < hosts->count; i++)
        if (strcasecmp(hosts->list[i].node, node) == 0)
            return true;
    return false;
}

const char *hosts_plug(const struct hosts *hosts, const char *node, size_t index)
{
    size_t found = 0;
    for (size_t i = 0; i < hosts->count; i++)
        if (hosts->list[i].plug && strcasecmp(hosts->list[i].node, node) == 0 && found++ == index)
            return hosts->list[i].plug;
    return found == 0 && index == 0 ? node : NULL;
}
