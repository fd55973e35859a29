/* The document as Pacemaker reads it: of several sets of attributes that with the highest score comes first
 * (of equal ones the last that is written, as Pacemaker 2.1 does it), a device's own before its template's,
 * and what neither has may come from its group or clone; references are followed; a set with a rule is kept
 * apart, for nobody knows here whether the rule holds. */
#include "admin/migrate_private.h"

#include <libxml/hash.h>
#include <libxml/tree.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

#define SETS_MOST   256 /* of one device; the rest is not read */
#define SCORE_MOST  1000000
#define PARENTS_MAX 4

/* ---- helpers --------------------------------------------------------------------------------------------
 */

const char *migrate_text(struct migrate *migrate, const char *format, ...)
{
    _cleanup_(freep) char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    const char *copy = length < 0 ? NULL : arena_copy(&migrate->arena, text, (size_t)length);
    if (length < 0)
        text = NULL;
    migrate->failed |= !copy;
    return copy ? copy : "";
}

void *migrate_grow(struct migrate *migrate, void *list, size_t count, size_t *size, size_t width)
{
    void *grown = cib_grow(list, count, size, width);
    migrate->failed |= !grown;
    return grown;
}

bool migrate_is(const xmlNode *node, const char *name)
{
    return node && node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* The one behind `node` in the document, of those in `root`. */
const xmlNode *migrate_next(const xmlNode *root, const xmlNode *node)
{
    if (node->children && node->type != XML_ENTITY_REF_NODE)
        return node->children;
    while (node != root && !node->next)
        node = node->parent;
    return node == root ? NULL : node->next;
}

bool migrate_has_word(const char *list, const char *word, const char *separators)
{
    size_t length = strlen(word);
    for (const char *at = list; at && *at; at += strcspn(at, separators)) {
        at += strspn(at, separators);
        if (strcspn(at, separators) == length && length && strncasecmp(at, word, length) == 0)
            return true;
    }
    return false;
}

const char *migrate_parameter(const struct migrate_device *device, const char *name)
{
    return cib_pairs_get(&device->view.parameters, name);
}

const char *migrate_value(struct migrate *migrate, const struct migrate_device *device, const char *name)
{
    static const char blanks[] = " \t\r\n\v\f";
    const char *value = migrate_parameter(device, name);
    if (!value)
        return NULL;
    value += strspn(value, blanks);
    size_t length = strlen(value);
    while (length && strchr(blanks, value[length - 1]))
        length--;
    if (length > 1 && value[0] == '"' && value[length - 1] == '"')
        return migrate_text(migrate, "%.*s", (int)(length - 2), value + 1);
    return migrate_text(migrate, "%.*s", (int)length, value);
}

const char *migrate_argument(const struct migrate *migrate, const struct migrate_device *device)
{
    const char *own = migrate_parameter(device, "pcmk_host_argument");
    const char *version = cib_property(&migrate->cib, "dc-version");
    int major = 0, minor = 0, patch = 0;
    if (own)
        return own;
    if (version)
        (void)sscanf(version, "%d.%d.%d", &major, &minor, &patch);
    return major > 3 || (major == 3 && (minor > 0 || patch > 0)) ? "plug" : "port";
}

/* ---- sets of attributes ---------------------------------------------------------------------------------
 */

struct set {
    const xmlNode *xml;
    long score;
    size_t order;
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

/* What the element stands for. */
static const xmlNode *referred(const struct migrate *migrate, const xmlNode *node)
{
    const char *id = cib_get(node, "id-ref");
    const xmlNode *found = id ? xmlHashLookup(migrate->ids, (const xmlChar *)id) : NULL;
    return found ? found : node;
}

static void add_sets(struct migrate *migrate, struct sets *sets, const xmlNode *resource, const char *kind)
{
    for (const xmlNode *node = resource ? resource->children : NULL; node; node = node->next) {
        if (!migrate_is(node, kind) || sets->count == SETS_MOST)
            continue;
        const xmlNode *xml = referred(migrate, node);
        sets->list[sets->count] =
            (struct set){.xml = xml, .score = read_score(cib_get(xml, "score")), .order = sets->count};
        sets->count++;
    }
}

static int by_precedence(const void *one, const void *other)
{
    const struct set *a = one, *b = other;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->order > b->order ? -1 : a->order < b->order;
}

/* To the agent dashes and underscores are alike. */
static const char *plain_name(struct migrate *migrate, const char *name)
{
    if (!strchr(name, '-') || strncmp(name, "pcmk", 4) == 0)
        return name;
    char *copy = arena_copy(&migrate->arena, name, strlen(name));
    migrate->failed |= !copy;
    for (char *at = copy; at && *at; at++)
        *at = *at == '-' ? '_' : *at;
    return copy ? copy : name;
}

static void add_rule(struct migrate *migrate, struct migrate_device *device, struct migrate_rule rule)
{
    struct migrate_rule *rules =
        migrate_grow(migrate, device->rules, device->rule_count, &device->rule_size, sizeof(*rules));
    if (!rules)
        return;
    device->rules = rules;
    rules[device->rule_count++] = rule;
}

static const xmlNode *child(const xmlNode *parent, const char *name)
{
    for (const xmlNode *node = parent ? parent->children : NULL; node; node = node->next)
        if (migrate_is(node, name))
            return node;
    return NULL;
}

struct sink {
    struct migrate *migrate;
    struct migrate_device *device;
    struct cib_pairs *pairs;
    bool parameters; /* not meta attributes */
    size_t before;   /* pairs of sets that came before this one */
    bool equal;      /* … the last of which has the same score */
};

static void take_pair(struct sink *sink, const xmlNode *xml, const char *when)
{
    struct migrate *migrate = sink->migrate;
    const xmlNode *said = referred(migrate, xml);
    const char *name = cib_get(xml, "name") ? cib_get(xml, "name") : cib_get(said, "name");
    const char *value = cib_get(said, "value");
    if (!name || !value)
        return;
    if (sink->parameters)
        name = plain_name(migrate, name);
    if (when) {
        if (sink->parameters)
            add_rule(migrate, sink->device, (struct migrate_rule){name, value, when});
        return;
    }
    const char *known = cib_pairs_get(sink->pairs, name);
    if (known) {
        bool differs = sink->parameters && strcmp(known, value) != 0;
        sink->device->sets_disagree |= differs;
        sink->device->sets_equal |= differs && sink->equal;
        return;
    }
    migrate->failed |= !cib_pairs_add(sink->pairs, name, value);
}

static void take_sets(struct migrate *migrate, struct migrate_device *device, struct sets *sets,
                      bool parameters)
{
    struct sink sink = {.migrate = migrate,
                        .device = device,
                        .parameters = parameters,
                        .pairs = parameters ? &device->view.parameters : &device->view.meta};
    qsort(sets->list, sets->count, sizeof(*sets->list), by_precedence);
    for (size_t i = 0; i < sets->count; i++) {
        const xmlNode *rule = child(sets->list[i].xml, "rule");
        const char *when = rule ? migrate_rule(migrate, rule) : NULL;
        sink.equal = i && sets->list[i - 1].score == sets->list[i].score;
        for (const xmlNode *node = sets->list[i].xml->children; node; node = node->next)
            if (migrate_is(node, "nvpair"))
                take_pair(&sink, node, when);
    }
}

/* ---- devices --------------------------------------------------------------------------------------------
 */

static bool is_parent(const xmlNode *node)
{
    return migrate_is(node, "group") || migrate_is(node, "clone") || migrate_is(node, "master");
}

static void take_attributes(struct migrate *migrate, struct migrate_device *device, const xmlNode *template)
{
    static const char *const kinds[] = {"instance_attributes", "meta_attributes"};
    for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
        bool parameters = kind == 0;
        bool disagree = false, equal = false;
        struct sets sets = {.count = 0};
        /* a template's value that the device has, too, is no doubt */
        add_sets(migrate, &sets, device->xml, kinds[kind]);
        take_sets(migrate, device, &sets, parameters);
        disagree = device->sets_disagree;
        equal = device->sets_equal;
        if (template) {
            /* all over again, for a template's set may have the higher score */
            struct cib_pairs *pairs = parameters ? &device->view.parameters : &device->view.meta;
            pairs->count = 0;
            if (parameters)
                device->rule_count = 0;
            sets.count = 0;
            add_sets(migrate, &sets, template, kinds[kind]);
            add_sets(migrate, &sets, device->xml, kinds[kind]);
            take_sets(migrate, device, &sets, parameters);
        }
        const xmlNode *parent = device->xml->parent;
        for (size_t up = 0; up < PARENTS_MAX && is_parent(parent); up++, parent = parent->parent) {
            sets.count = 0;
            add_sets(migrate, &sets, parent, kinds[kind]);
            take_sets(migrate, device, &sets, parameters);
        }
        sets.count = 0;
        if (!parameters)
            add_sets(migrate, &sets, migrate->defaults, kinds[kind]);
        take_sets(migrate, device, &sets, parameters);
        device->sets_disagree = disagree;
        device->sets_equal = equal;
    }
}

static const char *monitor_timeout(const xmlNode *resource)
{
    const xmlNode *operations = child(resource, "operations");
    for (const xmlNode *node = operations ? operations->children : NULL; node; node = node->next)
        if (migrate_is(node, "op") && cib_get(node, "name") && strcmp(cib_get(node, "name"), "monitor") == 0)
            return cib_get(node, "timeout");
    return NULL;
}

static void take_parent(struct migrate_device *device)
{
    const xmlNode *parent = device->xml->parent;
    if (!is_parent(parent))
        return;
    device->parent = cib_get(parent, "id");
    device->parent_kind = (const char *)parent->name;
    device->parent_empties = true;
    for (const xmlNode *node = parent->children; node; node = node->next) {
        const char *type = cib_get(node, "type"), *template = cib_get(node, "template");
        if (migrate_is(node, "primitive") && !template && (!type || strcmp(type, MIGRATE_OLD) != 0))
            device->parent_empties = false;
    }
}

static void add_device(struct migrate *migrate, const xmlNode *xml, const xmlNode *template)
{
    const xmlNode *kind = template ? template : xml;
    const char *class = cib_get(kind, "class"), *type = cib_get(kind, "type"), *id = cib_get(xml, "id");
    if (!id || !type || !class || strcmp(class, "stonith") != 0 || migrate->device_count == CIB_DEVICES_MOST)
        return;
    struct migrate_device *devices = migrate_grow(migrate, migrate->devices, migrate->device_count,
                                                  &migrate->device_size, sizeof(*devices));
    if (!devices)
        return;
    migrate->devices = devices;
    struct migrate_device *device = &devices[migrate->device_count++];
    *device = (struct migrate_device){.xml = xml,
                                      .id = id,
                                      .agent = type,
                                      .template_id = template ? cib_get(template, "id") : NULL,
                                      .old = strcmp(type, MIGRATE_OLD) == 0,
                                      .broker = strcmp(type, MIGRATE_NEW) == 0};
    device->view = (struct cib_device){.id = id, .agent = type, .stonith = true};
    take_parent(device);
    take_attributes(migrate, device, template);
    device->monitor_timeout = monitor_timeout(xml);
    if (!device->monitor_timeout && template)
        device->monitor_timeout = monitor_timeout(template);
    const char *role = cib_pairs_get(&device->view.meta, "target-role"),
               *managed = cib_pairs_get(&device->view.meta, "is-managed");
    device->enabled = !role || strcasecmp(role, "Stopped") != 0;
    device->managed = !managed || cib_is_true(managed);
}

static void add_template(struct migrate *migrate, const xmlNode *xml)
{
    const char *type = cib_get(xml, "type"), *id = cib_get(xml, "id");
    if (!type || !id || strcmp(type, MIGRATE_OLD) != 0)
        return;
    const char **list = migrate_grow(migrate, migrate->templates, migrate->template_count,
                                     &migrate->template_size, sizeof(*list));
    if (!list)
        return;
    migrate->templates = list;
    list[migrate->template_count++] = id;
}

/* A password that anybody reads who may read the configuration. */
static bool tells_password(const struct migrate *migrate, const xmlNode *root)
{
    for (const xmlNode *node = root; node; node = migrate_next(root, node)) {
        const char *name = migrate_is(node, "nvpair") ? cib_get(node, "name") : NULL;
        const char *value = name ? cib_get(referred(migrate, node), "value") : NULL;
        if (value && (strcmp(name, "passwd") == 0 || strcmp(name, "password") == 0) && *value &&
            strcmp(value, "\"\"") != 0 && strncmp(value, "lrm://", 6) != 0)
            return true;
    }
    return false;
}

static void judge_passwords(struct migrate *migrate, struct migrate_device *device)
{
    const xmlNode *template =
        device->template_id ? xmlHashLookup(migrate->ids, (const xmlChar *)device->template_id) : NULL;
    device->password_in_cib = device->password == PASSWORD_CIB || tells_password(migrate, device->xml) ||
                              (template && tells_password(migrate, template));
}

static void choose_new_id(struct migrate *migrate)
{
    migrate->new_id = MIGRATE_NEW_ID;
    for (size_t i = 0; i < migrate->device_count; i++) {
        if (migrate->devices[i].broker && !migrate->new_is_there) {
            migrate->new_id = migrate->devices[i].id;
            migrate->new_is_there = true;
        }
    }
    for (int number = 2; !migrate->new_is_there && number < SETS_MOST &&
                         xmlHashLookup(migrate->ids, (const xmlChar *)migrate->new_id);
         number++)
        migrate->new_id = migrate_text(migrate, MIGRATE_NEW_ID "-%d", number);
}

static bool read_ids(struct migrate *migrate, const xmlNode *root)
{
    migrate->ids = xmlHashCreate(0);
    for (const xmlNode *node = root; migrate->ids && node; node = migrate_next(root, node)) {
        const char *id = node->type == XML_ELEMENT_NODE ? cib_get(node, "id") : NULL;
        /* nodes have numbers, which status repeats */
        if (id && !migrate_is(node, "node") && !migrate_is(node, "node_state"))
            (void)xmlHashAddEntry(migrate->ids, (const xmlChar *)id, (void *)(uintptr_t)node);
    }
    return migrate->ids;
}

int migrate_read(struct migrate *migrate)
{
    const xmlNode *root = xmlDocGetRootElement(migrate->cib.document);
    if (!read_ids(migrate, root))
        return -1;
    for (const xmlNode *node = root; node; node = migrate_next(root, node))
        if (migrate_is(node, "rsc_defaults"))
            migrate->defaults = node;
    for (const xmlNode *node = root; node; node = migrate_next(root, node)) {
        const char *template = migrate_is(node, "primitive") ? cib_get(node, "template") : NULL;
        if (migrate_is(node, "template"))
            add_template(migrate, node);
        else if (migrate_is(node, "primitive"))
            add_device(migrate, node,
                       template ? xmlHashLookup(migrate->ids, (const xmlChar *)template) : NULL);
    }
    choose_new_id(migrate);
    migrate_read_levels(migrate);
    for (size_t i = 0; i < migrate->device_count; i++) {
        struct migrate_device *device = &migrate->devices[i];
        if (!device->old)
            continue;
        migrate->old_count++;
        migrate_facts(migrate, device);
        judge_passwords(migrate, device);
        migrate_targets(migrate, device);
    }
    migrate_nodes(migrate);
    migrate_plan_levels(migrate);
    migrate_judge(migrate);
    return migrate->failed ? -1 : 0;
}

void migrate_clear(struct migrate *migrate)
{
    for (size_t i = 0; i < migrate->device_count; i++) {
        free(migrate->devices[i].view.parameters.list);
        free(migrate->devices[i].view.meta.list);
        free(migrate->devices[i].rules);
        free(migrate->devices[i].targets);
    }
    free(migrate->devices);
    free(migrate->templates);
    free(migrate->nodes);
    free(migrate->levels.list);
    free(migrate->both.list);
    free(migrate->after.list);
    free(migrate->back.list);
    free(migrate->told);
    xmlHashFree(migrate->ids, NULL);
    arena_clear(&migrate->arena);
    cib_clear(&migrate->cib);
    *migrate = (struct migrate){0};
}
