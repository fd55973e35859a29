/* From cibadmin's answer to the few things that decide whether a fence would work: the cluster's properties,
 * its nodes, its stonith resources with their parameters. Judges nothing. Conditions (rules) are not
 * evaluated: the first value that is written for a name is taken, as Pacemaker does without them. */
#include "admin/cib.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/tool.h"
#include "system/cleanup.h"

#define CIBADMIN "cibadmin"
#define CIB_MOST (64 * 1024 * 1024)

void *cib_grow(void *list, size_t count, size_t *size, size_t width)
{
    if (count < *size)
        return list;
    size_t more = *size ? 2 * *size : 8;
    void *grown = reallocarray(list, more, width);
    if (grown)
        *size = more;
    return grown;
}

bool cib_pairs_add(struct cib_pairs *pairs, const char *name, const char *value)
{
    struct cib_pair *list = cib_grow(pairs->list, pairs->count, &pairs->size, sizeof(*list));
    if (!list)
        return false;
    pairs->list = list;
    list[pairs->count++] = (struct cib_pair){name, value};
    return true;
}

const char *cib_pairs_get(const struct cib_pairs *pairs, const char *name)
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
                                 : cib_grow(cib->nodes, cib->node_count, &cib->node_size, sizeof(*nodes));
    if (!nodes)
        return false;
    cib->nodes = nodes;
    nodes[cib->node_count++] = (struct cib_node){name, remote};
    return true;
}

/* ---- reading --------------------------------------------------------------------------------------------
 */

/* Libxml2 gets the text as it is: nothing is fetched, and what defines entities is refused before they are
 * used. Its own bounds hold: elements 256 deep, 10 MB a value. */
#define XML_OPTIONS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NODICT)

/* Of "<!DOCTYPE", which no CIB has. */
static void refuse_types(void *context, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    (void)name;
    (void)id;
    (void)system;
    xmlStopParser(context);
}

static xmlDoc *parse(const char *text, size_t length)
{
    bool good = length <= CIB_MOST && !memchr(text, '\0', length); /* where libxml2 would take it to end */
    xmlParserCtxt *parser = good ? xmlNewParserCtxt() : NULL;
    if (!parser)
        return NULL;
    parser->sax->internalSubset = refuse_types;
    xmlDoc *document = xmlCtxtReadMemory(parser, text, (int)length, NULL, NULL, XML_OPTIONS);
    xmlFreeParserCtxt(parser);
    if (!document || xmlDocGetRootElement(document))
        return document;
    xmlFreeDoc(document); /* it was refused */
    return NULL;
}

const char *cib_get(const xmlNode *node, const char *name)
{
    const xmlAttr *attribute = xmlHasProp(node, (const xmlChar *)name);
    if (!attribute)
        return NULL;
    const xmlNode *value = attribute->children;
    return value ? (const char *)value->content : "";
}

static bool is(const xmlNode *node, const char *name)
{
    return strcmp((const char *)node->name, name) == 0;
}

/* What is around an element, and whose the nvpairs in it are. */
struct place {
    enum { PAIRS_OF_NOBODY, PAIRS_PROPERTIES, PAIRS_PARAMETERS, PAIRS_META } pairs;
    size_t device; /* its number, from 1 on; 0: it is in none */
    bool in_operation;
};

static struct cib_pairs *pairs_of(struct cib *cib, const struct place *place)
{
    switch (place->pairs) {
    case PAIRS_PROPERTIES:
        return &cib->properties;
    case PAIRS_PARAMETERS:
        return &cib->devices[place->device - 1].parameters;
    case PAIRS_META:
        return &cib->devices[place->device - 1].meta;
    case PAIRS_OF_NOBODY:
        break;
    }
    return NULL;
}

static bool take_resource(struct cib *cib, const xmlNode *node, struct place *place)
{
    const char *class = cib_get(node, "class"), *type = cib_get(node, "type"), *id = cib_get(node, "id");
    const char *provider = cib_get(node, "provider");
    *place = (struct place){.pairs = PAIRS_OF_NOBODY};
    if (!id)
        return true;
    /* ocf:pacemaker:remote makes a node of its resource's name */
    if (class && strcmp(class, "stonith") != 0)
        return !provider || !type || strcmp(provider, "pacemaker") != 0 || strcmp(type, "remote") != 0 ||
               add_node(cib, id, true);
    struct cib_device *devices =
        cib->device_count == CIB_DEVICES_MOST
            ? NULL
            : cib_grow(cib->devices, cib->device_count, &cib->device_size, sizeof(*devices));
    if (!devices)
        return false;
    cib->devices = devices;
    devices[cib->device_count++] = (struct cib_device){.id = id,
                                                       .agent = type,
                                                       .based_on = cib_get(node, "template"),
                                                       .stonith = class && strcmp(class, "stonith") == 0,
                                                       .is_template = is(node, "template")};
    place->device = cib->device_count;
    return true;
}

static bool take_pair(struct cib_pairs *pairs, const xmlNode *node)
{
    const char *name = cib_get(node, "name"), *value = cib_get(node, "value");
    return !pairs || !name || !value || cib_pairs_add(pairs, name, value);
}

/* What the element says, and what it is to those within. False: no memory, or too much of it. */
static bool take(struct cib *cib, const xmlNode *node, struct place *place)
{
    bool of_device = place->device && !place->in_operation;
    if (is(node, "nvpair"))
        return take_pair(pairs_of(cib, place), node);
    if (is(node, "primitive") || is(node, "template"))
        return take_resource(cib, node, place);
    if (is(node, "op"))
        place->in_operation = true;
    else if (is(node, "cluster_property_set"))
        place->pairs = PAIRS_PROPERTIES;
    else if (is(node, "instance_attributes"))
        place->pairs = of_device ? PAIRS_PARAMETERS : PAIRS_OF_NOBODY;
    else if (is(node, "meta_attributes"))
        place->pairs = of_device ? PAIRS_META : PAIRS_OF_NOBODY;
    else if (is(node, "node") && cib_get(node, "uname")) {
        const char *type = cib_get(node, "type");
        return add_node(cib, cib_get(node, "uname"), type && strcmp(type, "remote") == 0);
    }
    return true;
}

/* As deep as libxml2 lets a document be. */
static bool walk(struct cib *cib, const xmlNode *parent, const struct place *around)
{
    for (const xmlNode *node = parent->children; node; node = node->next) {
        struct place place = *around;
        if (node->type == XML_ELEMENT_NODE && (!take(cib, node, &place) || !walk(cib, node, &place)))
            return false;
    }
    return true;
}

int cib_read(struct cib *cib, const char *text, size_t length, struct failure *failure)
{
    const struct place nowhere = {.pairs = PAIRS_OF_NOBODY};
    *cib = (struct cib){.document = parse(text, length)};
    if (!cib->document)
        return failure_set(failure, "see what `cibadmin --query` prints",
                           "cibadmin's answer is not the XML of a CIB");
    if (walk(cib, (const xmlNode *)cib->document, &nowhere))
        return 0;
    bool many = cib->node_count == CIB_NODES_MOST || cib->device_count == CIB_DEVICES_MOST;
    cib_clear(cib);
    if (!many)
        return failure_set(failure, NULL, "out of memory");
    return failure_set(failure, "is it the right cluster?",
                       "Pacemaker's configuration has more than %d nodes or %d fence devices", CIB_NODES_MOST,
                       CIB_DEVICES_MOST);
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
                           "cibadmin: %s", words ? words : "it failed without a message");
    }
    int rc = cib_read(cib, output.text, output.length, failure);
    tool_output_clear(&output);
    return rc;
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
    xmlFreeDoc(cib->document);
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
    return cib_pairs_get(&cib->properties, name);
}

const char *cib_parameter(const struct cib *cib, const struct cib_device *device, const char *name)
{
    const struct cib_device *template = template_of(cib, device);
    const char *value = cib_pairs_get(&device->parameters, name);
    return value || !template ? value : cib_pairs_get(&template->parameters, name);
}

const char *cib_meta(const struct cib *cib, const struct cib_device *device, const char *name)
{
    const struct cib_device *template = template_of(cib, device);
    const char *value = cib_pairs_get(&device->meta, name);
    return value || !template ? value : cib_pairs_get(&template->meta, name);
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
