/* From cibadmin's answer to the few things that decide whether a fence would work: the cluster's properties,
 * its nodes, its stonith resources with what is in force of their parameters (cib_sets.c). Judges nothing. */
#include "admin/cib.h"

#include <libxml/hash.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/cib_private.h"
#include "admin/command.h"
#include "admin/heap.h"
#include "admin/tool.h"
#include "system/cleanup.h"

#define CIBADMIN "cibadmin"
#define CIB_MOST (64 * 1024 * 1024)
#define REFUSED  "start Pacemaker on this node, and ask as root or a member of haclient"

const char *cib_pairs_get(const struct cib_pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->list[i].name, name) == 0)
            return pairs->list[i].value;
    return NULL;
}

/* Of what is too much, one is kept: the CIB is refused then. */
static void add_node(struct cib *cib, const char *name, bool remote)
{
    for (size_t i = 0; i < cib->node_count; i++) {
        if (strcmp(cib->nodes[i].name, name) != 0)
            continue;
        cib->nodes[i].remote |= remote;
        return;
    }
    if (cib->node_count <= CIB_NODES_MOST)
        *heap_add(cib->nodes, cib->node_count) = (struct cib_node){name, remote};
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

bool cib_is(const xmlNode *node, const char *name)
{
    return node && node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

bool cib_says(const xmlNode *node, const char *name, const char *value)
{
    const char *said = cib_get(node, name);
    return said && strcmp(said, value) == 0;
}

const xmlNode *cib_root(const struct cib *cib)
{
    return xmlDocGetRootElement(cib->document);
}

static const xmlNode *next_of(const xmlNode *root, const xmlNode *node)
{
    if (node->children && node->type != XML_ENTITY_REF_NODE)
        return node->children;
    while (node != root && !node->next)
        node = node->parent;
    return node == root ? NULL : node->next;
}

const xmlNode *cib_after(const xmlNode *root, const xmlNode *node, const char *name)
{
    node = node ? next_of(root, node) : root;
    while (node && (name ? !cib_is(node, name) : node->type != XML_ELEMENT_NODE))
        node = next_of(root, node);
    return node;
}

const xmlNode *cib_find(const struct cib *cib, const char *id)
{
    return id ? xmlHashLookup(cib->ids, (const xmlChar *)id) : NULL;
}

/* What would steer a terminal, or begin a line of its own in what is pasted. */
static void make_printable(const xmlNode *root)
{
    for (const xmlNode *node = NULL; (node = cib_after(root, node, NULL));)
        for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
            char *value = attribute->children ? (char *)attribute->children->content : NULL;
            for (char *at = value; at && *at; at++)
                *at = (unsigned char)*at < ' ' ? ' ' : *at;
            if (value)
                text_make_printable(value);
        }
}

static void read_ids(struct cib *cib, const xmlNode *root)
{
    cib->ids = heap_need(xmlHashCreate(0));
    for (const xmlNode *node = NULL; (node = cib_after(root, node, NULL));) {
        const char *id = cib_get(node, "id");
        /* nodes have numbers, which status repeats */
        if (id && !cib_is(node, "node") && !cib_is(node, "node_state"))
            (void)xmlHashAddEntry(cib->ids, (const xmlChar *)id, (void *)(uintptr_t)node);
    }
}

static void take_resource(struct cib *cib, const xmlNode *node)
{
    const xmlNode *template = cib_find(cib, cib_get(node, "template")), *kind = template ? template : node;
    const char *class = cib_get(kind, "class"), *type = cib_get(kind, "type"), *id = cib_get(node, "id");
    const char *provider = cib_get(kind, "provider");
    if (!id || !class || !type)
        return;
    if (strcmp(class, "stonith") == 0 && cib->device_count <= CIB_DEVICES_MOST) {
        struct cib_device *device = heap_add(cib->devices, cib->device_count);
        *device = (struct cib_device){.xml = node, .template = template, .id = id, .agent = type};
        cib_read_device(cib, device);
    } else if (provider && strcmp(provider, "pacemaker") == 0 && strcmp(type, "remote") == 0) {
        add_node(cib, id, true); /* ocf:pacemaker:remote makes a node of its resource's name */
    }
}

static void read_all(struct cib *cib)
{
    const xmlNode *root = cib_root(cib);
    make_printable(root);
    read_ids(cib, root);
    for (const xmlNode *node = NULL; (node = cib_after(root, node, "rsc_defaults"));)
        cib->defaults = node;
    for (const xmlNode *node = NULL; (node = cib_after(root, node, NULL));) {
        const char *name = cib_is(node, "node") ? cib_get(node, "uname") : NULL;
        if (name)
            add_node(cib, name, cib_says(node, "type", "remote"));
        if (cib_is(node, "primitive"))
            take_resource(cib, node);
    }
    cib_read_properties(cib, root);
    cib_read_levels(cib, root);
}

int cib_read(struct cib *cib, const char *text, size_t length, struct failure *failure)
{
    *cib = (struct cib){.document = parse(text, length)};
    if (!cib->document)
        return failure_set(failure, "see what `cibadmin --query` prints",
                           "cibadmin's answer is not the XML of a CIB");
    read_all(cib);
    if (cib->node_count <= CIB_NODES_MOST && cib->device_count <= CIB_DEVICES_MOST)
        return 0;
    cib_clear(cib);
    return failure_set(failure, "is it the right cluster?",
                       "Pacemaker's configuration has more than %d nodes or %d fence devices", CIB_NODES_MOST,
                       CIB_DEVICES_MOST);
}

int cib_query(struct cib *cib, int64_t wait_ms, struct failure *failure)
{
    struct text text = {0};
    *cib = (struct cib){0};
    int rc = tool_run(TOOL_LIST(CIBADMIN, "--query", "--scope", "configuration"), wait_ms, CIB_MOST, &text,
                      REFUSED, failure);
    if (rc == 0)
        rc = cib_read(cib, text.data ? text.data : "", text.length, failure);
    text_clear(&text);
    return rc;
}

int cib_text_query(struct text *text, int64_t wait_ms, struct failure *failure)
{
    return tool_run(TOOL_LIST(CIBADMIN, "--query"), wait_ms, CIB_MOST, text, REFUSED, failure);
}

int cib_text_read(struct text *text, const char *path, struct failure *failure)
{
    return command_read(path, CIB_MOST, "CIB", "name a copy of the CIB: cibadmin --query >FILE", text,
                        failure);
}

void cib_clear(struct cib *cib)
{
    xmlHashFree(cib->ids, NULL);
    xmlFreeDoc(cib->document);
    *cib = (struct cib){0};
}

/* ---- looking up -----------------------------------------------------------------------------------------
 */

const char *cib_property(const struct cib *cib, const char *name)
{
    return cib_pairs_get(&cib->properties, name);
}

const char *cib_parameter(const struct cib_device *device, const char *name)
{
    return cib_pairs_get(&device->parameters, name);
}

const char *cib_meta(const struct cib_device *device, const char *name)
{
    return cib_pairs_get(&device->meta, name);
}

bool cib_is_enabled(const struct cib_device *device)
{
    const char *role = cib_meta(device, "target-role");
    return !role || strcasecmp(role, "Stopped") != 0;
}

#define VERSION(major, minor, patch) (((major)*1000 + (minor)) * 1000 + (patch))

/* Pacemaker's that runs; 0: not known. */
static int version_of(const struct cib *cib)
{
    const char *version = cib_property(cib, "dc-version");
    int major = 0, minor = 0, patch = 0;
    if (!version || sscanf(version, "%4d.%3d.%3d", &major, &minor, &patch) < 2)
        return 0;
    return VERSION(major, minor, patch);
}

const char *cib_argument(const struct cib *cib, const struct cib_device *device)
{
    const char *own = cib_parameter(device, "pcmk_host_argument");
    return own ? own : version_of(cib) > VERSION(3, 0, 0) ? "plug" : "port";
}

static const struct {
    const char *name, *former;
} fencings[CIB_FENCINGS] = {
    [CIB_FENCING_ENABLED] = {"fencing-enabled", "stonith-enabled"},
    [CIB_FENCING_TIMEOUT] = {"fencing-timeout", "stonith-timeout"},
    [CIB_FENCING_ACTION] = {"fencing-action", "stonith-action"},
    [CIB_FENCING_REACTION] = {"fencing-reaction", "fence-reaction"},
    [CIB_FENCING_WATCHDOG_TIMEOUT] = {"fencing-watchdog-timeout", "stonith-watchdog-timeout"},
};

static bool knows_new_names(int version)
{
    return version >= VERSION(3, 0, 2);
}

const char *cib_fencing(const struct cib *cib, enum cib_fencing which, const char **name)
{
    int version = version_of(cib);
    const char *value = version && !knows_new_names(version) ? NULL : cib_property(cib, fencings[which].name);
    if (name)
        *name = value ? fencings[which].name : fencings[which].former;
    return value ? value : cib_property(cib, fencings[which].former);
}

const char *cib_fencing_name(const struct cib *cib, enum cib_fencing which)
{
    return knows_new_names(version_of(cib)) ? fencings[which].name : fencings[which].former;
}

const char *cib_fencing_unknown(const struct cib *cib, enum cib_fencing which, const char **name)
{
    int version = version_of(cib);
    *name = fencings[which].name;
    return version && !knows_new_names(version) ? cib_property(cib, *name) : NULL;
}

struct cib_device *cib_device(const struct cib *cib, const char *id)
{
    for (size_t i = 0; i < cib->device_count; i++)
        if (strcmp(cib->devices[i].id, id) == 0)
            return &cib->devices[i];
    return NULL;
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

bool cib_has_word(const char *list, const char *word, const char *separators)
{
    size_t length = strlen(word);
    for (const char *at = list; at && *at; at += strcspn(at, separators)) {
        at += strspn(at, separators);
        if (strcspn(at, separators) == length && length && strncasecmp(at, word, length) == 0)
            return true;
    }
    return false;
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
