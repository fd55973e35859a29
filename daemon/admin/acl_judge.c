/* What somebody may, by all permissions that they hold. On an element deny beats write, and write read; else
 * the nearest one on the way up that denies, or grants what is asked for, decides; where none does it is
 * refused. The order of the rules never matters. */
#include "admin/acl_private.h"

#include <stdlib.h>
#include <string.h>

#include "system/cleanup.h"

/* What one holds, in Pacemaker's order. */
struct hold {
    struct acl_held *list; /* owned */
    size_t count;
};

static void add_held(struct hold *hold, const struct acl_holder *holder, size_t without)
{
    hold->list = heap_need(reallocarray(hold->list, hold->count + holder->count + 1, sizeof(*hold->list)));
    for (size_t i = 0; i < holder->count; i++)
        if (holder->held[i].number != without)
            hold->list[hold->count++] = holder->held[i];
}

static int by_place(const void *one, const void *other)
{
    size_t a = ((const struct acl_held *)one)->place, b = ((const struct acl_held *)other)->place;
    return (a > b) - (a < b);
}

static struct hold collect(const struct acl *acl, const char *user, const struct acl_holder *group,
                           size_t without)
{
    struct hold hold = {.count = 0};
    for (size_t i = 0; i < acl->holder_count; i++) {
        const struct acl_holder *holder = &acl->holders[i];
        bool holds = group            ? holder == group || (holder->group && acl_is_everybody(holder->name))
                     : !holder->group ? strcmp(holder->name, user) == 0
                                      : acl_is_everybody(holder->name) ||
                                            acl_is_member(acl_group(acl, holder->name), user, false);
        if (holds)
            add_held(&hold, holder, without);
    }
    if (hold.count)
        qsort(hold.list, hold.count, sizeof(*hold.list), by_place);
    return hold;
}

static bool grants(const struct acl *acl, const struct hold *hold, size_t number, enum acl_form form,
                   bool write)
{
    unsigned bits[ACL_KIND_COUNT] = {0};
    for (size_t i = 0; i < hold->count; i++) {
        const struct acl_permission *permission = &acl->permissions[hold->list[i].number];
        const uint16_t *masks = permission->masks[form] ? permission->masks[form] : permission->masks[0];
        bits[permission->kind] |= masks[number];
    }
    for (size_t place = acl->chains[number].depth; place > 0; place--) {
        unsigned bit = 1u << (place - 1);
        if (bits[ACL_DENY] & bit)
            return false;
        if ((bits[ACL_WRITE] & bit) || (!write && (bits[ACL_READ] & bit)))
            return true;
    }
    return false;
}

struct sums {
    uint8_t *all, *some; /* bits of a node's cell: by all its chains; by at least one */
};

static void judge_form(const struct acl *acl, const struct hold *hold, enum acl_form form, struct sums *sums,
                       bool *everything)
{
    static const uint8_t bits[ACL_USE_COUNT] = {[ACL_USE_LOOK] = ACL_LOOK,
                                                [ACL_USE_POWER] = ACL_POWER,
                                                [ACL_USE_NODE] = ACL_NODE,
                                                [ACL_USE_STATE] = ACL_STATE};
    for (size_t c = 0; c < acl->chain_count; c++) {
        const struct acl_chain *chain = &acl->chains[c];
        bool granted =
            grants(acl, hold, c, form, chain->use != ACL_USE_LOOK && chain->use != ACL_USE_EVERYTHING);
        if (chain->use == ACL_USE_EVERYTHING) {
            *everything &= granted;
            continue;
        }
        sums->some[chain->node] |= granted ? bits[chain->use] : 0;
        sums->all[chain->node] &= granted ? 0xff : (uint8_t)~bits[chain->use];
    }
}

/* A cell, of what all forms and chains grant, and of what at least one does. */
static uint8_t cell(const struct acl_node *node, uint8_t all, uint8_t some)
{
    uint8_t may = all & some, bits = may & (ACL_LOOK | ACL_NODE | ACL_STATE);
    /* writing is looking in our rules, and nothing is given that is not there */
    if ((may & ACL_POWER) && (may & ACL_LOOK))
        bits |= ACL_POWER;
    else if (some & ACL_POWER)
        bits |= ACL_POWER_SOME;
    return node->nameable ? bits : bits & (uint8_t) ~(ACL_LOOK | ACL_POWER);
}

static void judge(const struct acl *acl, const struct hold *hold, struct acl_table *table)
{
    size_t count = acl->node_count;
    _cleanup_(freep) uint8_t *all = heap_need(malloc(count + 1)), *some = heap_need(calloc(count + 1, 1));
    *table = (struct acl_table){.nodes = heap_need(calloc(count + 1, 1)), .everything = true};
    struct sums sums = {all, some};
    memset(all, 0xff, count + 1);
    for (enum acl_form form = ACL_AS_IT_IS; form < (acl->upgraded ? ACL_FORM_COUNT : ACL_UPGRADED); form++)
        judge_form(acl, hold, form, &sums, &table->everything);
    for (size_t i = 0; i < count; i++) {
        table->nodes[i] = cell(&acl->nodes[i], all[i], some[i]);
        table->everything &= (table->nodes[i] & ACL_LOOK) != 0 || acl->nodes[i].elsewhere;
    }
}

void acl_judge(struct acl *acl, const char *user, const struct acl_holder *group, size_t without,
               struct acl_table *table)
{
    struct hold hold = collect(acl, user, group, without);
    judge(acl, &hold, table);
    free(hold.list);
}

/* What a query does not show is not looked at, and so not powered. */
static void hide(const struct acl *acl, const bool *seen, struct acl_table *table)
{
    for (size_t c = 0; c < acl->chain_count; c++) {
        const struct acl_chain *chain = &acl->chains[c];
        uint8_t *bits = chain->use == ACL_USE_LOOK ? &table->nodes[chain->node] : NULL;
        if (!bits || seen[c] || !(*bits & ACL_LOOK))
            continue;
        *bits |= ACL_HIDDEN | (*bits & ACL_POWER ? ACL_POWER_SOME : 0);
        *bits &= (uint8_t) ~(ACL_LOOK | ACL_POWER);
        table->everything = false;
    }
}

/* A whole document is copied and searched for it: once for all who hold the same. */
static const bool *seen_by(struct acl *acl, const struct hold *hold)
{
    for (const struct acl_answer *answer = acl->answers; answer; answer = answer->next) {
        bool same = answer->count == hold->count;
        for (size_t i = 0; same && i < hold->count; i++)
            same = answer->held[i].number == hold->list[i].number;
        if (same)
            return answer->seen;
    }
    struct acl_answer *answer = heap_take(sizeof(*answer) + hold->count * sizeof(answer->held[0]));
    *answer = (struct acl_answer){
        .next = acl->answers, .seen = heap_take(acl->chain_count + 1), .count = hold->count};
    memcpy(answer->held, hold->list, hold->count * sizeof(answer->held[0]));
    acl_filter(acl, hold->list, hold->count, answer->seen);
    acl->answers = answer;
    return answer->seen;
}

void acl_judge_query(struct acl *acl, const char *user, const struct acl_holder *group,
                     struct acl_table *table)
{
    struct hold hold = collect(acl, user, group, SIZE_MAX);
    bool denies = false;
    judge(acl, &hold, table);
    for (size_t i = 0; i < hold.count; i++)
        denies |= acl->permissions[hold.list[i].number].kind == ACL_DENY;
    if (denies && !acl_table_is_empty(acl, table))
        hide(acl, seen_by(acl, &hold), table);
    free(hold.list);
}

void acl_table_clear(struct acl_table *table)
{
    free(table->nodes);
    *table = (struct acl_table){.nodes = NULL};
}

bool acl_table_is_empty(const struct acl *acl, const struct acl_table *table)
{
    bool empty = !table->everything;
    for (size_t i = 0; i < acl->node_count; i++)
        empty &= (table->nodes[i] & (ACL_LOOK | ACL_POWER)) == 0;
    return empty;
}

bool acl_table_equal(const struct acl *acl, const struct acl_table *one, const struct acl_table *other)
{
    bool equal = one->everything == other->everything;
    for (size_t i = 0; i < acl->node_count; i++)
        equal &= ((one->nodes[i] ^ other->nodes[i]) & (ACL_LOOK | ACL_POWER)) == 0;
    return equal;
}

/* ---- everybody who is named ---- */

static int compare(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

const char **acl_users(const struct acl *acl, size_t *count)
{
    const char **users = NULL;
    size_t found = 0, kept = 0;
    for (size_t i = 0; i < acl->holder_count; i++)
        if (!acl->holders[i].group)
            *heap_add(users, found) = acl->holders[i].name;
    for (size_t i = 0; i < acl->group_count; i++) {
        for (size_t k = 0; k < acl->groups[i].member_count; k++)
            *heap_add(users, found) = acl->groups[i].members[k];
        for (size_t k = 0; k < acl->groups[i].primary_count; k++)
            *heap_add(users, found) = acl->groups[i].primary[k];
    }
    if (found)
        qsort(users, found, sizeof(*users), compare);
    for (size_t i = 0; i < found; i++)
        if ((kept == 0 || strcmp(users[kept - 1], users[i]) != 0) && strcmp(users[i], "root") != 0 &&
            strcmp(users[i], "hacluster") != 0)
            users[kept++] = users[i];
    *count = kept;
    return users;
}
