/* From cibadmin's answer to the few things that decide whether a fence would work: the cluster's properties,
 * its nodes, its stonith resources with their parameters. Judges nothing. Conditions (rules) are not
 * evaluated: the first value that is written for a name is taken, as Pacemaker does without them. */
#include "cib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"
#include "tool.h"
#include "xml.h"

#define CIBADMIN "cibadmin"
#define CIB_MOST (64 * 1024 * 1024)

static void *grow(void *list, size_t count, size_t *size, size_t width)
{
    if (count < *size)
        return list;
    size_t more = *size ? 2 * *size : 8;
    void *grown = reallocarray(list, more, width);
    if (grown)
        *size = more;
    return grown;
}

static bool add_pair(struct cib_pairs *pairs, const char *name, const char *value)
{
    struct cib_pair *list = grow(pairs->list, pairs->count, &pairs->size, sizeof(*list));
    if (!list)
        return false;
    pairs->list = list;
    list[pairs->count++] = (struct cib_pair){name, value};
    return true;
}

static const char *find_pair(const struct cib_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->list[i].name, name) == 0)
            return pairs->list[i].value;
    return NULL;
}

static bool add_node(struct cib *cib, const char *name, bool remote)
{
    for (size_t i = 0; i < cib->node_count; i++) {
        if (strcmp(cib->nodes[i].name, name) != 0)
            continue;
        cib->nodes[i].remote |= remote;
        return true;
    }
    struct cib_node *nodes = cib->node_count == CIB_NODES_MOST
                                 ? NULL
                                 : grow(cib->nodes, cib->node_count, &cib->node_size, sizeof(*nodes));
    if (!nodes)
        return false;
    cib->nodes = nodes;
    nodes[cib->node_count++] = (struct cib_node){name, remote};
    return true;
}

/* ---- reading --------------------------------------------------------------------------------------------
 */

/* Where in the document the reader is. */
struct place {
    struct cib *cib;
    struct cib_pairs *pairs; /* those that a nvpair belongs to; NULL: it is of no interest */
    size_t pairs_depth;      /* of the element that holds them */
    bool in_resource;
    size_t resource_depth, op_depth; /* op_depth: 0 while outside of an operation */
};

static bool open_resource(struct place *place, const struct xml *xml)
{
    struct cib *cib = place->cib;
    const char *class = xml_get(xml, "class"), *type = xml_get(xml, "type"), *id = xml_get(xml, "id");
    const char *provider = xml_get(xml, "provider");
    bool other = class && strcmp(class, "stonith") != 0;
    place->pairs = NULL; /* those of a device may move */
    if (!id)
        return true;
    /* ocf:pacemaker:remote makes a node of its resource's name */
    if (other)
        return !provider || !type || strcmp(provider, "pacemaker") != 0 || strcmp(type, "remote") != 0 ||
               add_node(cib, id, true);
    struct cib_device *devices =
        cib->device_count == CIB_DEVICES_MOST
            ? NULL
            : grow(cib->devices, cib->device_count, &cib->device_size, sizeof(*devices));
    if (!devices)
        return false;
    cib->devices = devices;
    devices[cib->device_count++] = (struct cib_device){.id = id,
                                                       .agent = type,
                                                       .based_on = xml_get(xml, "template"),
                                                       .stonith = class && strcmp(class, "stonith") == 0,
                                                       .is_template = strcmp(xml->name, "template") == 0};
    place->in_resource = true;
    place->resource_depth = xml->depth;
    return true;
}

static bool open_pair(struct place *place, const struct xml *xml)
{
    const char *name = xml_get(xml, "name"), *value = xml_get(xml, "value");
    return !place->pairs || !name || !value || add_pair(place->pairs, name, value);
}

static void open_pairs(struct place *place, const struct xml *xml, struct cib_pairs *pairs)
{
    place->pairs = pairs;
    place->pairs_depth = xml->depth;
}

static bool open_element(struct place *place, const struct xml *xml)
{
    struct cib *cib = place->cib;
    struct cib_device *device = place->in_resource ? &cib->devices[cib->device_count - 1] : NULL;
    bool of_device = device && !place->op_depth;
    if (strcmp(xml->name, "nvpair") == 0)
        return open_pair(place, xml);
    if (strcmp(xml->name, "primitive") == 0 || strcmp(xml->name, "template") == 0)
        return open_resource(place, xml);
    if (strcmp(xml->name, "op") == 0 && device)
        place->op_depth = xml->depth;
    else if (strcmp(xml->name, "cluster_property_set") == 0)
        open_pairs(place, xml, &cib->properties);
    else if (strcmp(xml->name, "instance_attributes") == 0)
        open_pairs(place, xml, of_device ? &device->parameters : NULL);
    else if (strcmp(xml->name, "meta_attributes") == 0)
        open_pairs(place, xml, of_device ? &device->meta : NULL);
    else if (strcmp(xml->name, "node") == 0 && xml_get(xml, "uname")) {
        const char *type = xml_get(xml, "type");
        return add_node(cib, xml_get(xml, "uname"), type && strcmp(type, "remote") == 0);
    }
    return true;
}

/* xml->depth is that of what is around the element that has ended. */
static void close_element(struct place *place, const struct xml *xml)
{
    if (place->pairs && xml->depth + 1 == place->pairs_depth)
        place->pairs = NULL;
    if (place->op_depth == xml->depth + 1)
        place->op_depth = 0;
    if (place->in_resource && xml->depth + 1 == place->resource_depth)
        place->in_resource = false;
}

int cib_read(struct cib *cib, char *text, size_t length, struct failure *failure)
{
    struct place place = {.cib = cib};
    struct xml xml;
    enum xml_event event;
    *cib = (struct cib){.text = text};
    xml_begin(&xml, text, length);
    while ((event = xml_next(&xml)) == XML_OPEN || event == XML_CLOSE) {
        if (event == XML_CLOSE)
            close_element(&place, &xml);
        else if (!open_element(&place, &xml))
            break;
    }
    xml_clear(&xml);
    if (event == XML_END)
        return 0;
    bool many = cib->node_count == CIB_NODES_MOST || cib->device_count == CIB_DEVICES_MOST;
    cib_clear(cib);
    if (event == XML_OPEN && many)
        return failure_set(failure, "is it the right cluster?",
                           "Pacemaker's configuration has more than %d nodes or %d fence devices",
                           CIB_NODES_MOST, CIB_DEVICES_MOST);
    if (event == XML_OPEN)
        return failure_set(failure, NULL, "out of memory");
    return failure_set(failure, "see what `cibadmin --query` prints",
                       "cibadmin's answer is not the XML of a CIB");
}

int cib_query(struct cib *cib, int64_t wait_ms, struct failure *failure)
{
    char program[] = CIBADMIN, query[] = "--query", scope[] = "--scope", part[] = "configuration";
    char *arguments[] = {program, query, scope, part, NULL};
    struct tool_output output;
    _cleanup_(freep) char *words = NULL;
    *cib = (struct cib){0};
    if (tool_run(program, arguments, wait_ms, CIB_MOST, &output, &words, failure) < 0)
        return -1;
    if (output.status != 0) {
        tool_output_clear(&output);
        return failure_set(failure, "start Pacemaker on this node, and ask as root or a member of haclient",
                           "cibadmin: %s", words ? words : "it failed without a word");
    }
    return cib_read(cib, TAKE(output.text), output.length, failure);
}

void cib_clear(struct cib *cib)
{
    for (size_t i = 0; i < cib->device_count; i++) {
        free(cib->devices[i].parameters.list);
        free(cib->devices[i].meta.list);
    }
    free(cib->devices);
    free(cib->nodes);
    free(cib->properties.list);
    free(cib->text);
    *cib = (struct cib){0};
}

/* ---- looking up -----------------------------------------------------------------------------------------
 */

static const struct cib_device *template_of(const struct cib *cib, const struct cib_device *device)
{
    for (size_t i = 0; device->based_on && i < cib->device_count; i++)
        if (cib->devices[i].is_template && strcmp(cib->devices[i].id, device->based_on) == 0)
            return &cib->devices[i];
    return NULL;
}

const char *cib_property(const struct cib *cib, const char *name)
{
    return find_pair(&cib->properties, name);
}

const char *cib_parameter(const struct cib *cib, const struct cib_device *device, const char *name)
{
    const struct cib_device *template = template_of(cib, device);
    const char *value = find_pair(&device->parameters, name);
    return value || !template ? value : find_pair(&template->parameters, name);
}

const char *cib_meta(const struct cib *cib, const struct cib_device *device, const char *name)
{
    const struct cib_device *template = template_of(cib, device);
    const char *value = find_pair(&device->meta, name);
    return value || !template ? value : find_pair(&template->meta, name);
}

bool cib_is_device(const struct cib *cib, const struct cib_device *device, const char *agent)
{
    const struct cib_device *kind = device->based_on ? template_of(cib, device) : device;
    return !device->is_template && kind && kind->stonith && kind->agent &&
           (!agent || strcmp(kind->agent, agent) == 0);
}

const struct cib_node *cib_node(const struct cib *cib, const char *name)
{
    for (size_t i = 0; i < cib->node_count; i++)
        if (strcasecmp(cib->nodes[i].name, name) == 0)
            return &cib->nodes[i];
    return NULL;
}

size_t cib_members(const struct cib *cib)
{
    size_t members = 0;
    for (size_t i = 0; i < cib->node_count; i++)
        members += !cib->nodes[i].remote;
    return members;
}

bool cib_is_true(const char *value)
{
    static const char *const words[] = {"true", "on", "yes", "y", "1"};
    for (size_t i = 0; value && i < ARRAY_LEN(words); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

long long cib_milliseconds(const char *value)
{
    static const struct {
        const char *unit;
        long long ms;
    } units[] = {{"", 1000},   {"s", 1000},    {"sec", 1000},  {"ms", 1},      {"msec", 1},
                 {"m", 60000}, {"min", 60000}, {"h", 3600000}, {"hr", 3600000}};
    char *end = NULL;
    long long number;
    if (!value)
        return -1;
    value += strspn(value, " \t");
    if (*value < '0' || *value > '9')
        return -1;
    number = strtoll(value, &end, 10);
    end += strspn(end, " \t");
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcasecmp(end, units[i].unit) == 0)
            return number > 1000000000 ? -1 : number * units[i].ms;
    return -1;
}
