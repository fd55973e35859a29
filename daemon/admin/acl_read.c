/* The access rules as they are written: roles with their permissions, who has them, and whether they are in
 * force. Reads them as Pacemaker does; judges nothing. */
#include "admin/acl_private.h"

#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MOST  255 /* bytes of a node's name */
#define ROLES_DEEP 8   /* roles in roles, which no schema allows */

/* ---- helpers ---- */

void acl_put_told(struct acl *acl, char *line)
{
    text_make_printable(line);
    text_printf(&acl->told, "# - %s\n", line);
}

/* ---- are they in force? ---- */

/* Its own, or that of the pair that it refers to. */
static const char *get(const struct cib *cib, const xmlNode *pair, const char *name)
{
    const char *value = cib_get(pair, name), *other = cib_get(pair, "id-ref");
    const xmlNode *node = !value && other ? cib_find(cib, other) : NULL;
    return node ? cib_get(node, name) : value;
}

/* With several sets it depends on scores, conditions and Pacemaker's version which one counts: then they are
 * taken to be in force, which allows less. */
static void read_enabled(struct acl *acl, const xmlNode *root)
{
    size_t on = 0, off = 0;
    for (const xmlNode *node = NULL; (node = cib_after(root, node, "nvpair"));) {
        const char *name = get(&acl->cib, node, "name");
        if (!name || strcmp(name, "enable-acl") != 0)
            continue;
        if (cib_is_true(get(&acl->cib, node, "value")))
            on++;
        else if (node->parent && cib_is(node->parent, "cluster_property_set"))
            off++;
    }
    acl->on = on > 0;
    acl->sets_differ = on > 0 && off > 0;
}

/* ---- permissions ---- */

/* What Pacemaker makes of the three; NULL: it would not load. */
static const char *make_xpath(const char *type, const char *reference, const char *attribute)
{
    struct text text = {0};
    text_printf(&text, "//%s", type ? type : "*");
    if (reference || attribute)
        text_puts(&text, "[");
    if (reference)
        text_printf(&text, "@id='%s'", reference);
    if (reference && attribute)
        text_puts(&text, " and ");
    if (attribute)
        text_printf(&text, "@%s", attribute);
    if (reference || attribute)
        text_puts(&text, "]");
    return heap_text(&text);
}

static const char *either(const xmlNode *xml, const char *name, const char *old)
{
    const char *value = cib_get(xml, name);
    return value ? value : cib_get(xml, old);
}

static void set_xpaths(struct acl *acl, struct acl_permission *permission, bool old_form)
{
    const xmlNode *xml = permission->xml;
    const char *xpath = cib_get(xml, "xpath"), *type = either(xml, "object-type", "tag");
    const char *reference = either(xml, "reference", "ref"), *attribute = cib_get(xml, "attribute");
    if (xpath)
        permission->xpath[ACL_AS_IT_IS] = xpath;
    else if (type || reference)
        permission->xpath[ACL_AS_IT_IS] = make_xpath(type, reference, attribute);
    if (old_form && xpath && attribute)
        permission->xpath[ACL_UPGRADED] = heap_printf("%s[@%s]", xpath, attribute);
    else if (old_form && !xpath && reference && (type || attribute))
        permission->xpath[ACL_UPGRADED] = make_xpath(NULL, reference, NULL);
    acl->upgraded |= permission->xpath[ACL_UPGRADED] != NULL;
}

static bool kind_of(const xmlNode *node, enum acl_kind *kind, bool *old_form)
{
    static const char *const words[ACL_KIND_COUNT] = {"read", "write", "deny"};
    *old_form = !cib_is(node, "acl_permission");
    const char *word = *old_form ? (const char *)node->name : cib_get(node, "kind");
    for (size_t i = 0; word && i < ACL_KIND_COUNT; i++)
        if (strcmp(word, words[i]) == 0) {
            *kind = (enum acl_kind)i;
            return true;
        }
    return false;
}

static size_t permission_of(struct acl *acl, const xmlNode *node, enum acl_kind kind, bool old_form)
{
    for (size_t i = 0; i < acl->permission_count; i++)
        if (acl->permissions[i].xml == node)
            return i;
    if (acl->permission_count == ACL_PERMISSIONS_MOST)
        return SIZE_MAX;
    const char *id = cib_get(node, "id");
    const char *where = cib_get(node->parent, "id"), *name = cib_get(node->parent, "name");
    struct acl_permission *permission = heap_add(acl->permissions, acl->permission_count);
    *permission = (struct acl_permission){.xml = node,
                                          .kind = kind,
                                          .id = id ? id : "",
                                          .role = where  ? where
                                                  : name ? name
                                                         : ""};
    set_xpaths(acl, permission, old_form);
    return acl->permission_count - 1;
}

static bool add_permission(struct acl *acl, struct acl_holder *holder, size_t number)
{
    if (number == SIZE_MAX || acl->places == ACL_HELD_MOST)
        return false;
    *heap_add(holder->held, holder->count) = (struct acl_held){number, acl->places++};
    return true;
}

static const xmlNode *find_role(const xmlNode *acls, const char *id)
{
    for (const xmlNode *node = acls->children; node; node = node->next)
        if (cib_is(node, "acl_role") && cib_says(node, "id", id))
            return node;
    return NULL;
}

static bool read_entries(struct acl *acl, struct acl_holder *holder, const xmlNode *acls,
                         const xmlNode *entry, unsigned deep)
{
    for (const xmlNode *node = entry->children; node; node = node->next) {
        enum acl_kind kind;
        bool old_form;
        if (node->type != XML_ELEMENT_NODE)
            continue;
        if (cib_is(node, "role") || cib_is(node, "role_ref")) {
            const char *id = cib_get(node, "id");
            const xmlNode *role = id ? find_role(acls, id) : NULL;
            if (deep == 0) {
                holder->role =
                    holder->role_count == 0 || (id && holder->role && !strcmp(holder->role, id)) ? id : NULL;
                holder->role_count++;
            }
            if (!role)
                acl_tell(acl, "%s %s has the role %s, which is not there: it gives nothing",
                         holder->group ? "group" : "user", holder->name, id ? id : "without an id");
            else if (deep == ROLES_DEEP)
                return false; /* round and round */
            else if (!read_entries(acl, holder, acls, role, deep + 1))
                return false;
        } else if (kind_of(node, &kind, &old_form)) {
            if (deep == 0) {
                holder->role = NULL;
                holder->role_count++;
            }
            if (!add_permission(acl, holder, permission_of(acl, node, kind, old_form)))
                return false;
        } else {
            acl_tell(acl, "%s in %s has no kind that Pacemaker knows: it gives nothing",
                     (const char *)node->name, cib_get(entry, "id") ? cib_get(entry, "id") : holder->name);
        }
    }
    return true;
}

/* ---- who has them ---- */

static struct acl_holder *holder_of(struct acl *acl, bool group, const char *name)
{
    for (size_t i = 0; i < acl->holder_count; i++)
        if (acl->holders[i].group == group && strcmp(acl->holders[i].name, name) == 0)
            return &acl->holders[i];
    if (acl->holder_count == ACL_HOLDERS_MOST)
        return NULL;
    struct acl_holder *holder = heap_add(acl->holders, acl->holder_count);
    *holder = (struct acl_holder){.group = group, .name = name};
    return holder;
}

static bool read_holders(struct acl *acl, const xmlNode *acls)
{
    for (const xmlNode *node = acls->children; node; node = node->next) {
        bool group = cib_is(node, "acl_group");
        if (!group && !cib_is(node, "acl_target") && !cib_is(node, "acl_user"))
            continue;
        const char *name = cib_get(node, "name") ? cib_get(node, "name") : cib_get(node, "id");
        if (!name)
            continue;
        if (!group && (strcmp(name, "root") == 0 || strcmp(name, "hacluster") == 0)) {
            acl_tell(acl, "user %s may do everything, in Pacemaker and here, whatever rules say", name);
            continue;
        }
        struct acl_holder *holder = holder_of(acl, group, name);
        if (!holder || !read_entries(acl, holder, acls, node, 0))
            return false;
    }
    return true;
}

/* Pacemaker loads the older form under pacemaker-1.2 and 1.3 only, and today's from 2.0 on. */
static int check_form(struct acl *acl, const xmlNode *root, const xmlNode *acls, struct failure *failure)
{
    const char *schema = cib_get(root, "validate-with");
    bool older = false, newer = false;
    for (const xmlNode *node = NULL; acls && (node = cib_after(acls, node, NULL));) {
        older |= cib_is(node, "acl_user") || cib_is(node, "role_ref") || cib_is(node, "read") ||
                 cib_is(node, "write") || cib_is(node, "deny");
        newer |= cib_is(node, "acl_target") || cib_is(node, "acl_group") || cib_is(node, "acl_permission");
    }
    acl->older = older;
    if (!schema || strncmp(schema, "pacemaker-", 10) != 0 || (schema[10] < '0' || schema[10] > '9'))
        return 0;
    bool old_schema = strcmp(schema, "pacemaker-1.2") == 0 || strcmp(schema, "pacemaker-1.3") == 0;
    bool first = strncmp(schema, "pacemaker-1.", 12) == 0;
    if ((older && !old_schema) || (newer && first))
        return failure_set(
            failure, "mend it with the tools of that cluster, then ask again",
            "the access rules are of another form than validate-with=%.40s allows: Pacemaker does "
            "not load this CIB",
            schema);
    return 0;
}

/* Digits are a VMID in our rules, and blanks end a word there. */
static bool is_nameable(const char *name)
{
    size_t length = strlen(name);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return false;
    return length > 0 && length <= NAME_MOST && name[strspn(name, "0123456789")] && text_is_printable(name);
}

static void read_nodes(struct acl *acl)
{
    for (size_t i = 0; i < acl->cib.node_count; i++)
        *heap_add(acl->nodes, acl->node_count) =
            (struct acl_node){.name = acl->cib.nodes[i].name,
                              .nameable = is_nameable(acl->cib.nodes[i].name),
                              .elsewhere = true};
}

/* Pacemaker keeps none of the blanks between elements. */
static void drop_texts(xmlNode *root)
{
    for (xmlNode *node = root->children, *following; node; node = following) {
        following = node->next;
        if (node->type == XML_ELEMENT_NODE) {
            drop_texts(node);
        } else if (node->type == XML_TEXT_NODE) {
            xmlUnlinkNode(node);
            xmlFreeNode(node);
        }
    }
}

int acl_read(struct acl *acl, struct failure *failure)
{
    xmlNode *root = xmlDocGetRootElement(acl->cib.document);
    const xmlNode *acls = NULL;
    size_t found = 0;
    if (!cib_is(root, "cib"))
        return failure_set(failure, "name a copy of the whole CIB: cibadmin --query >FILE",
                           "this is not a whole CIB: its first element is <%.40s>", (const char *)root->name);
    drop_texts(root);
    for (const xmlNode *node = NULL; (node = cib_after(root, node, "acls")); found++)
        acls = node;
    read_enabled(acl, root);
    if (!acl->on)
        return 0;
    if (found > 1)
        return failure_set(failure, "keep one of them", "the CIB has more than one <acls>");
    if (acls && check_form(acl, root, acls, failure) < 0)
        return -1;
    if (acls && !read_holders(acl, acls))
        return failure_set(failure, "is it the right cluster?",
                           "roles within roles, or more than %d permissions or %d users and groups",
                           ACL_PERMISSIONS_MOST, ACL_HOLDERS_MOST);
    read_nodes(acl);
    return 0;
}

void acl_clear(struct acl *acl)
{
    for (size_t i = 0; i < acl->permission_count; i++)
        for (size_t k = 0; k < ACL_FORM_COUNT; k++)
            free(acl->permissions[i].masks[k]);
    text_clear(&acl->told);
    cib_clear(&acl->cib);
    *acl = (struct acl){.on = false};
}
