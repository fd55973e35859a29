/* Sets of attributes as Pacemaker reads them: of several sets that with the highest score comes first (of
 * equal ones the last that is written, as Pacemaker 2.1 does it), a device's own before its template's, and
 * what neither has may come from its group or clone, and from the defaults; references are followed; a set
 * with a rule is kept apart, for nobody knows here whether the rule holds. */
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#include "admin/cib_private.h"
#include "admin/heap.h"

#define SETS_MOST   256 /* of one device; the rest is not read */
#define SCORE_MOST  1000000
#define PARENTS_MAX 4
#define FIRST_SET   "cib-bootstrap-options" /* of the cluster: before all others, whatever their scores */

struct set {
    const xmlNode *xml;
    long score;
    size_t order;
    bool first;
};

struct sets {
    struct set list[SETS_MOST];
    size_t count;
};

static long read_score(const char *score)
{
    if (!score)
        return 0;
    if (strcasestr(score, "INFINITY"))
        return *score == '-' ? -SCORE_MOST : SCORE_MOST;
    long value = strtol(score, NULL, 10);
    return value > SCORE_MOST ? SCORE_MOST : value < -SCORE_MOST ? -SCORE_MOST : value;
}

const xmlNode *cib_referred(const struct cib *cib, const xmlNode *node)
{
    const xmlNode *found = cib_find(cib, cib_get(node, "id-ref"));
    return found ? found : node;
}

static void add_set(const struct cib *cib, struct sets *sets, const xmlNode *node)
{
    if (sets->count == SETS_MOST)
        return;
    const xmlNode *xml = cib_referred(cib, node);
    const char *id = cib_get(xml, "id");
    sets->list[sets->count] = (struct set){.xml = xml,
                                           .score = read_score(cib_get(xml, "score")),
                                           .order = sets->count,
                                           .first = id && strcmp(id, FIRST_SET) == 0};
    sets->count++;
}

static void add_sets(const struct cib *cib, struct sets *sets, const xmlNode *resource, const char *kind)
{
    for (const xmlNode *node = resource ? resource->children : NULL; node; node = node->next)
        if (cib_is(node, kind))
            add_set(cib, sets, node);
}

static int by_precedence(const void *one, const void *other)
{
    const struct set *a = one, *b = other;
    if (a->first != b->first)
        return a->first ? -1 : 1;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->order > b->order ? -1 : a->order < b->order;
}

/* To an agent dashes and underscores are alike. */
static const char *plain_name(const char *name)
{
    if (!strchr(name, '-') || strncmp(name, "pcmk", 4) == 0)
        return name;
    char *copy = heap_copy(name);
    for (char *at = copy; *at; at++)
        *at = *at == '-' ? '_' : *at;
    return copy;
}

struct sink {
    struct cib *cib;
    struct cib_pairs *pairs;
    struct cib_rules *rules;   /* NULL: what has one is dropped */
    bool parameters;           /* of an agent */
    size_t equals;             /* pairs from here on come from sets with the score of this one */
    struct cib_device *doubts; /* whose sets' differences matter; NULL: nobody's */
};

static void take_pair(const struct sink *sink, const xmlNode *xml, const xmlNode *rule)
{
    const xmlNode *said = cib_referred(sink->cib, xml);
    const char *name = cib_get(xml, "name") ? cib_get(xml, "name") : cib_get(said, "name");
    const char *value = cib_get(said, "value");
    if (!name || !value)
        return;
    if (sink->parameters)
        name = plain_name(name);
    if (rule) {
        if (sink->rules)
            *heap_add(sink->rules->list, sink->rules->count) = (struct cib_rule){name, value, rule};
        return;
    }
    const char *known = cib_pairs_get(sink->pairs, name);
    if (!known)
        *heap_add(sink->pairs->list, sink->pairs->count) = (struct cib_pair){name, value};
    if (!known || !sink->doubts || strcmp(known, value) == 0)
        return;
    sink->doubts->disagree = true;
    for (size_t i = sink->equals; i < sink->pairs->count; i++)
        sink->doubts->equal |= strcmp(sink->pairs->list[i].name, name) == 0;
}

static const xmlNode *rule_of(const xmlNode *set)
{
    for (const xmlNode *node = set->children; node; node = node->next)
        if (cib_is(node, "rule"))
            return node;
    return NULL;
}

static void take_sets(struct sink *sink, struct sets *sets)
{
    qsort(sets->list, sets->count, sizeof(*sets->list), by_precedence);
    for (size_t i = 0; i < sets->count; i++) {
        const xmlNode *set = sets->list[i].xml, *rule = rule_of(set);
        if (i == 0 || sets->list[i - 1].score != sets->list[i].score)
            sink->equals = sink->pairs->count;
        for (const xmlNode *node = set->children; node; node = node->next)
            if (cib_is(node, "nvpair"))
                take_pair(sink, node, rule);
    }
    sets->count = 0;
}

static bool is_parent(const xmlNode *node)
{
    return cib_is(node, "group") || cib_is(node, "clone") || cib_is(node, "master");
}

static void read_attributes(struct cib *cib, struct cib_device *device, bool parameters)
{
    const char *kind = parameters ? "instance_attributes" : "meta_attributes";
    const xmlNode *parent = device->xml->parent;
    struct sets sets = {.count = 0};
    struct sink sink = {.cib = cib,
                        .pairs = parameters ? &device->parameters : &device->meta,
                        .rules = parameters ? &device->rules : NULL,
                        .parameters = parameters,
                        .doubts = parameters ? device : NULL};
    add_sets(cib, &sets, device->xml, kind);
    take_sets(&sink, &sets);
    sink.doubts = NULL; /* a template's value that the device has, too, is no doubt */
    if (device->template) {
        /* all over again, for a template's set may have the higher score */
        sink.pairs->count = 0;
        if (parameters)
            device->rules.count = 0;
        add_sets(cib, &sets, device->template, kind);
        add_sets(cib, &sets, device->xml, kind);
        take_sets(&sink, &sets);
    }
    for (size_t up = 0; up < PARENTS_MAX && is_parent(parent); up++, parent = parent->parent) {
        add_sets(cib, &sets, parent, kind);
        take_sets(&sink, &sets);
    }
    if (!parameters)
        add_sets(cib, &sets, cib->defaults, kind);
    take_sets(&sink, &sets);
}

void cib_read_device(struct cib *cib, struct cib_device *device)
{
    read_attributes(cib, device, true);
    read_attributes(cib, device, false);
}

void cib_read_properties(struct cib *cib, const xmlNode *root)
{
    struct sets sets = {.count = 0};
    struct sink sink = {.cib = cib, .pairs = &cib->properties, .rules = &cib->property_rules};
    for (const xmlNode *node = NULL; (node = cib_after(root, node, "cluster_property_set"));)
        add_set(cib, &sets, node);
    take_sets(&sink, &sets);
}
