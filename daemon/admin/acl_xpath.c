/* Which elements a permission is about. Pacemaker evaluates an XPath on the document, without a context node,
 * and marks what it finds; an attribute or a text stands for its element, the document for its first child.
 * What decides about a node are the elements from the root down to it, and to its attribute standby. Where
 * that is not there yet, Pacemaker judges the document as it would be then: so it is made, looked at, and
 * taken away again. */
#include "admin/acl_private.h"

#include <libxml/tree.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

#define WAYS 2 /* in which standby may be made */

/* ---- an expression for people ---- */

/* Its string tells no more than a name: "@name='standby'". */
static bool is_of_name(const char *xpath, const char *quote)
{
    static const char *const names[] = {"@id",   "@name", "@uname", "@rsc",
                                        "@node", "@type", "@class", "@crmd"};
    const char *end = quote;
    while (end > xpath && strchr("=! ", end[-1]))
        end--;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        if (end < quote && (size_t)(end - xpath) >= length && memcmp(end - length, names[i], length) == 0)
            return true;
    }
    return false;
}

void acl_put_xpath(struct text *out, const char *xpath)
{
    enum { SHOWN_MOST = 200 };
    for (const char *at = xpath; *at;) {
        if (at - xpath > SHOWN_MOST) {
            text_puts(out, "...");
            return;
        }
        if (*at != '\'' && *at != '"') {
            text_append(out, at++, 1);
            continue;
        }
        const char *end = strchr(at + 1, *at);
        size_t length = end ? (size_t)(end - at) + 1 : strlen(at);
        if (is_of_name(xpath, at) && length < SHOWN_MOST)
            text_append(out, at, length);
        else
            text_puts(out, "'...'");
        at += length;
    }
}

/* ---- one expression on one document ---- */

/* The element that Pacemaker marks for it; NULL: none. */
static xmlNode *element_of(xmlNode *found)
{
    if (!found || found->type == XML_NAMESPACE_DECL)
        return NULL;
    if (found->type == XML_DOCUMENT_NODE)
        found = found->children;
    else if (found->type != XML_ELEMENT_NODE)
        found = found->parent;
    return found && found->type == XML_ELEMENT_NODE ? found : NULL;
}

static void note_first(struct acl_permission *permission, const xmlNode *element)
{
    if (permission->matches++ > 0)
        return;
    permission->about = (const char *)element->name;
    permission->about_name = cib_get(element, "name");
}

/* It is no XPath, and not only too much of one. */
static bool is_invalid(int code)
{
    return code != 0 && code != (int)XML_XPATH_EXPRESSION_OK + XPATH_OP_LIMIT_EXCEEDED &&
           code != (int)XML_XPATH_EXPRESSION_OK + XPATH_RECURSION_LIMIT_EXCEEDED &&
           code != XML_XPATH_MEMORY_ERROR && code != XML_ERR_NO_MEMORY;
}

/* What the expression finds; *found is NULL, or to be freed. */
static enum acl_trouble find(xmlDoc *document, const char *xpath, xmlXPathObject **found)
{
    *found = NULL;
    if (!xpath)
        return ACL_INVALID;
    if (strlen(xpath) > ACL_XPATH_MOST)
        return ACL_TOO_MUCH;
    xmlXPathContext *context = xmlXPathNewContext(document);
    if (!context)
        return ACL_TOO_MUCH;
    context->opLimit = ACL_XPATH_STEPS;
    *found = xmlXPathEvalExpression((const xmlChar *)xpath, context);
    enum acl_trouble trouble = *found                                ? ACL_FINE
                               : is_invalid(context->lastError.code) ? ACL_INVALID
                                                                     : ACL_TOO_MUCH;
    xmlXPathFreeContext(context);
    return trouble;
}

static int count_of(const xmlXPathObject *found)
{
    return found && found->type == XPATH_NODESET && found->nodesetval ? found->nodesetval->nodeNr : 0;
}

/* Marks what it finds with `mark`. */
static enum acl_trouble evaluate(xmlDoc *document, const char *xpath, uintptr_t mark,
                                 struct acl_permission *note)
{
    xmlXPathObject *found;
    enum acl_trouble trouble = find(document, xpath, &found);
    for (int i = 0; i < count_of(found); i++) {
        xmlNode *element = element_of(found->nodesetval->nodeTab[i]);
        if (!element)
            continue;
        if (note)
            note_first(note, element);
        element->_private = (void *)mark; /* NOLINT: a number that no pointer is made of again */
    }
    xmlXPathFreeObject(found);
    return trouble;
}

/* ---- chains ---- */

/* The numbers of its elements from the root on; false: it is too deep. */
static bool add_chain(struct acl *acl, enum acl_use use, size_t node, const xmlNode *element)
{
    struct acl_chain *chain = heap_add(acl->chains, acl->chain_count);
    *chain = (struct acl_chain){.use = use, .node = node};
    for (const xmlNode *at = element; at && at->type == XML_ELEMENT_NODE; at = at->parent)
        chain->depth++;
    if (chain->depth > ACL_DEPTH_MOST)
        return false;
    size_t place = chain->depth;
    for (const xmlNode *at = element; place > 0; at = at->parent)
        chain->elements[--place] = at;
    return true;
}

static const xmlNode *child(const xmlNode *parent, const char *name)
{
    for (const xmlNode *node = parent ? parent->children : NULL; node; node = node->next)
        if (cib_is(node, name))
            return node;
    return NULL;
}

/* The attributes standby that the node has. */
static bool add_standbys(struct acl *acl, size_t number, const xmlNode *node, bool *found)
{
    *found = false;
    for (const xmlNode *set = node->children; set; set = set->next) {
        if (cib_is(set, "instance_attributes") && !add_chain(acl, ACL_USE_SET, number, set))
            return false;
        for (const xmlNode *pair = cib_is(set, "instance_attributes") ? set->children : NULL; pair;
             pair = pair->next) {
            if (!cib_is(pair, "nvpair") || !cib_says(pair, "name", "standby"))
                continue;
            *found = true;
            if (!add_chain(acl, ACL_USE_POWER, number, pair))
                return false;
        }
    }
    return true;
}

static size_t node_number(const struct acl *acl, const char *name)
{
    for (size_t i = 0; name && i < acl->node_count; i++)
        if (strcasecmp(acl->nodes[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

/* ---- masks ---- */

/* Everything of a deny that nobody can evaluate, nothing of anything else. */
static uint16_t unknown_mask(const struct acl_permission *permission)
{
    return permission->kind == ACL_DENY ? UINT16_MAX : 0;
}

static uint16_t mask_of(const struct acl_chain *chain, uintptr_t mark)
{
    uint16_t mask = 0;
    for (size_t i = 0; i < chain->depth; i++)
        if ((uintptr_t)chain->elements[i]->_private == mark)
            mask |= (uint16_t)(1u << i);
    return mask;
}

/* All permissions on the document as it stands, for the chains [from, to). */
static void match_all(struct acl *acl, size_t from, size_t to, uintptr_t *mark, bool first)
{
    for (size_t p = 0; p < acl->permission_count; p++) {
        struct acl_permission *permission = &acl->permissions[p];
        for (enum acl_form form = ACL_AS_IT_IS; form < ACL_FORM_COUNT; form++) {
            if (form == ACL_UPGRADED && !permission->xpath[form])
                continue;
            uint16_t **masks = &permission->masks[form];
            *masks = heap_need(reallocarray(*masks, acl->chain_count, sizeof(**masks)));
            enum acl_trouble trouble = evaluate(acl->cib.document, permission->xpath[form], ++*mark,
                                                first && form == ACL_AS_IT_IS ? permission : NULL);
            if (trouble > permission->trouble && (form == ACL_AS_IT_IS || trouble == ACL_TOO_MUCH))
                permission->trouble = trouble;
            for (size_t c = from; c < to; c++)
                (*masks)[c] =
                    trouble == ACL_TOO_MUCH ? unknown_mask(permission) : mask_of(&acl->chains[c], *mark);
        }
    }
}

/* ---- as it would be ---- */

static xmlNode *add_element(xmlNode *parent, const char *name, const char *id)
{
    xmlNode *element = heap_need(xmlNewChild(parent, NULL, (const xmlChar *)name, NULL));
    heap_need(xmlNewProp(element, (const xmlChar *)"id", (const xmlChar *)id));
    return element;
}

/* What denied on the way down before it was made goes on to deny. */
static void keep_denies(struct acl *acl, const xmlNode *parent)
{
    size_t made = acl->chain_count - 1;
    for (size_t c = 0; c < made; c++) {
        const struct acl_chain *chain = &acl->chains[c];
        if ((chain->use != ACL_USE_SET && chain->use != ACL_USE_LOOK) ||
            chain->elements[chain->depth - 1] != parent)
            continue;
        for (size_t p = 0; p < acl->permission_count; p++)
            for (enum acl_form form = ACL_AS_IT_IS; form < ACL_FORM_COUNT; form++)
                if (acl->permissions[p].kind == ACL_DENY && acl->permissions[p].masks[form])
                    acl->permissions[p].masks[form][made] |= acl->permissions[p].masks[form][c];
    }
}

/* One way to make standby in this set (NULL: in a new one), matched and taken away. */
static bool match_made(struct acl *acl, size_t number, xmlNode *node, xmlNode *set, unsigned way,
                       uintptr_t *mark)
{
    const char *id = cib_get(node, "id");
    const char *set_id = way ? "fence-broker-set" : heap_printf("nodes-%s", id ? id : "");
    const char *pair_id =
        way ? "fence-broker-pair"
            : heap_printf("%s-standby", set && cib_get(set, "id") ? cib_get(set, "id") : set_id);
    xmlNode *made = set ? NULL : add_element(node, "instance_attributes", set_id);
    xmlNode *pair = add_element(set ? set : made, "nvpair", pair_id), *top = made ? made : pair;
    heap_need(xmlNewProp(pair, (const xmlChar *)"name", (const xmlChar *)"standby"));
    heap_need(xmlNewProp(pair, (const xmlChar *)"value", (const xmlChar *)(way ? "off" : "on")));
    bool good = add_chain(acl, ACL_USE_POWER, number, pair);
    if (good) {
        match_all(acl, acl->chain_count - 1, acl->chain_count, mark, false);
        keep_denies(acl, set ? set : node);
    }
    xmlUnlinkNode(top);
    xmlFreeNode(top);
    return good;
}

static bool match_standby_of(struct acl *acl, size_t number, xmlNode *node, uintptr_t *mark)
{
    bool sets = false;
    for (unsigned way = 0; way < WAYS; way++) {
        for (xmlNode *set = node->children; set; set = set->next) {
            if (!cib_is(set, "instance_attributes"))
                continue;
            sets = true;
            if (!match_made(acl, number, node, set, way, mark))
                return false;
        }
        if (!sets && !match_made(acl, number, node, NULL, way, mark))
            return false;
    }
    return true;
}

/* ---- all of it ---- */

/* One whose standby is still to be made. */
struct to_make {
    xmlNode *node;
    size_t number;
};

static bool add_nodes(struct acl *acl, const xmlNode *nodes, struct to_make **list, size_t *count)
{
    for (xmlNode *node = nodes ? nodes->children : NULL; node; node = node->next) {
        size_t number = cib_is(node, "node") ? node_number(acl, cib_get(node, "uname")) : SIZE_MAX;
        bool has_it;
        if (number == SIZE_MAX)
            continue;
        acl->nodes[number].elsewhere = false;
        if (!add_chain(acl, ACL_USE_LOOK, number, node) || !add_chain(acl, ACL_USE_NODE, number, node) ||
            !add_standbys(acl, number, node, &has_it))
            return false;
        if (!has_it)
            *heap_add(*list, *count) = (struct to_make){node, number};
    }
    return true;
}

static bool add_rest(struct acl *acl, const xmlNode *root, const xmlNode *configuration)
{
    const xmlNode *status = child(root, "status"), *properties = child(configuration, "crm_config");
    for (const xmlNode *state = status ? status->children : NULL; state; state = state->next) {
        size_t number = cib_is(state, "node_state") ? node_number(acl, cib_get(state, "uname")) : SIZE_MAX;
        if (number != SIZE_MAX && !add_chain(acl, ACL_USE_STATE, number, state))
            return false;
    }
    return add_chain(acl, ACL_USE_EVERYTHING, SIZE_MAX, root) &&
           (!properties || add_chain(acl, ACL_USE_EVERYTHING, SIZE_MAX, properties)) &&
           (!status || add_chain(acl, ACL_USE_EVERYTHING, SIZE_MAX, status));
}

int acl_match(struct acl *acl, struct failure *failure)
{
    const xmlNode *root = xmlDocGetRootElement(acl->cib.document),
                  *configuration = child(root, "configuration");
    struct to_make *list = NULL;
    size_t count = 0;
    uintptr_t mark = 0;
    bool good =
        add_nodes(acl, child(configuration, "nodes"), &list, &count) && add_rest(acl, root, configuration);
    if (good)
        match_all(acl, 0, acl->chain_count, &mark, true);
    for (size_t i = 0; good && i < count; i++)
        good = match_standby_of(acl, list[i].number, list[i].node, &mark);
    return good ? 0 : failure_set(failure, NULL, "the CIB is too deep");
}

/* ---- the answer to a query ---- */

#define FLAG(kind) ((uintptr_t)1 << (kind))

static uintptr_t flags_of(const xmlNode *element)
{
    return (uintptr_t)element->_private;
}

static void add_flag(xmlNode *element, uintptr_t flag)
{
    element->_private = (void *)(flags_of(element) | flag); /* NOLINT */
}

static void clear_flags(xmlNode *element)
{
    element->_private = NULL;
    for (xmlNode *node = element->children; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE)
            clear_flags(node);
}

static void flag_all(struct acl *acl, const struct acl_held *held, size_t count)
{
    clear_flags(xmlDocGetRootElement(acl->cib.document));
    for (size_t i = 0; i < count; i++) {
        const struct acl_permission *permission = &acl->permissions[held[i].number];
        xmlXPathObject *found;
        (void)find(acl->cib.document, permission->xpath[ACL_AS_IT_IS], &found);
        for (int k = 0; k < count_of(found); k++) {
            xmlNode *element = element_of(found->nodesetval->nodeTab[k]);
            if (element)
                add_flag(element, FLAG(permission->kind));
        }
        xmlXPathFreeObject(found);
    }
}

/* The copy has the same shape. Chains to a <node> get theirs in `nodes`. */
static void pair_up(const struct acl *acl, const xmlNode *original, xmlNode *copy, xmlNode **nodes)
{
    copy->_private = original->_private;
    for (size_t c = 0; cib_is(original, "node") && c < acl->chain_count; c++)
        if (acl->chains[c].use == ACL_USE_LOOK &&
            acl->chains[c].elements[acl->chains[c].depth - 1] == original)
            nodes[c] = copy;
    const xmlNode *one = original->children;
    for (xmlNode *other = copy->children; one && other; one = one->next, other = other->next)
        if (one->type == XML_ELEMENT_NODE)
            pair_up(acl, one, other, nodes);
}

/* What may be read stays, and what leads to it, without its attributes. True: something stays. */
static bool purge(xmlNode *element, xmlNode *bin)
{
    uintptr_t flags = flags_of(element);
    bool stays = false;
    if (!(flags & FLAG(ACL_DENY)) && (flags & (FLAG(ACL_READ) | FLAG(ACL_WRITE))))
        return true;
    for (xmlAttr *attribute = element->properties, *next; attribute; attribute = next) {
        next = attribute->next;
        if (strcmp((const char *)attribute->name, "id") != 0)
            xmlRemoveProp(attribute);
    }
    for (xmlNode *node = element->children, *next; node; node = next) {
        next = node->next;
        stays |= node->type == XML_ELEMENT_NODE && purge(node, bin);
    }
    if (!stays) {
        xmlUnlinkNode(element);
        xmlAddChild(bin, element);
    }
    return stays;
}

static bool is_linked(const xmlNode *element)
{
    while (element && element->type == XML_ELEMENT_NODE)
        element = element->parent;
    return element && element->type == XML_DOCUMENT_NODE;
}

/* What is found is kept before anything is taken away: libxml2 frees what it finds as soon as that goes. */
static void take_away(xmlDoc *copy, const char *xpath, xmlNode *bin)
{
    xmlXPathObject *found;
    (void)find(copy, xpath, &found);
    int count = count_of(found);
    _cleanup_(freep) xmlNode **elements = heap_need(calloc((size_t)count + 1, sizeof(xmlNode *)));
    for (int i = 0; i < count; i++)
        elements[i] = element_of(found->nodesetval->nodeTab[i]);
    xmlXPathFreeObject(found);
    for (int i = 0; i < count; i++)
        if (elements[i] && is_linked(elements[i]))
            purge(elements[i], bin);
}

void acl_filter(struct acl *acl, const struct acl_held *held, size_t count, bool *seen)
{
    _cleanup_(freep) xmlNode **nodes = heap_need(calloc(acl->chain_count + 1, sizeof(xmlNode *)));
    xmlDoc *copy = heap_need(xmlCopyDoc(acl->cib.document, 1));
    xmlNode *bin = heap_need(xmlNewDocNode(copy, NULL, (const xmlChar *)"bin", NULL));
    flag_all(acl, held, count);
    pair_up(acl, xmlDocGetRootElement(acl->cib.document), xmlDocGetRootElement(copy), nodes);
    for (size_t i = 0; i < count; i++)
        if (acl->permissions[held[i].number].kind == ACL_DENY)
            take_away(copy, acl->permissions[held[i].number].xpath[ACL_AS_IT_IS], bin);
    if (xmlDocGetRootElement(copy))
        purge(xmlDocGetRootElement(copy), bin);
    for (size_t c = 0; c < acl->chain_count; c++)
        seen[c] = nodes[c] && is_linked(nodes[c]) && cib_get(nodes[c], "uname");
    xmlFreeNode(bin);
    xmlFreeDoc(copy);
}
