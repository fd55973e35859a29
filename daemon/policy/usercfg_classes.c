/*
 * Sorts identities into classes; see usercfg_classes.h.
 *
 * What an identity holds follows from what each node of the tree says about it, and that from the grants that
 * name it or its groups. So the grants are gone through once, each identity collects the nodes that name it
 * with what they say, and equal collections make a class. How privileges are added up stays with usercfg.c.
 */
#include "policy/usercfg_classes.h"

#include "policy/usercfg_model.h"
#include "system/cleanup.h"

#include <errno.h>
#include <string.h>

/* What one node says about an identity. Compared as bytes: made from zeroed memory, without padding that
 * counts. */
struct mention {
    const struct acl *acl;
    uint64_t says[2]; /* whether it says anything, and NoAccess: below, final */
    struct usercfg_privileges sum[2], no_access_sum[2];
};

/* An identity with privileges of its own: a user, or a token with privilege separation. */
struct holder {
    const char *id;
    const struct token *token; /* NULL for users */
    bool root;
    struct mention *mentions;
    size_t count, room;
    struct class_entry *class;
    UT_hash_handle hh;
};

struct class_entry {
    struct usercfg_class public; /* first: what callers get is what is freed */
    void *key;
    UT_hash_handle hh;
};

struct sorting {
    const struct usercfg *cfg;
    struct holder *holders;
    struct class_entry *classes;
    struct usercfg_classes *out;
};

static int grow(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return 0;
    size_t wanted = *room ? *room * 2 : 4;
    void *grown = reallocarray(*(void **)array, wanted, size);
    if (!grown)
        return -ENOMEM;
    *(void **)array = grown;
    *room = wanted;
    return 0;
}

static struct holder *holder_get(struct sorting *sorting, const char *id, const struct token *token)
{
    struct holder *holder = NULL;
    HASH_FIND_STR(sorting->holders, id, holder);
    if (holder)
        return holder;
    holder = calloc(1, sizeof(*holder));
    if (!holder)
        return NULL;
    holder->id = id;
    holder->token = token;
    holder->root = strcmp(id, "root@pam") == 0;
    HASH_ADD_KEYPTR(hh, sorting->holders, id, strlen(id), holder);
    if (holder->hh.tbl)
        return holder;
    free(holder);
    return NULL;
}

static int mention(struct sorting *sorting, const struct acl *acl, const char *id)
{
    struct holder *holder = holder_get(sorting, id, NULL);
    if (!holder)
        return -ENOMEM;
    if (holder->root || (holder->count && holder->mentions[holder->count - 1].acl == acl))
        return 0;
    if (grow(&holder->mentions, holder->count, &holder->room, sizeof(*holder->mentions)))
        return -ENOMEM;
    struct mention *one = &holder->mentions[holder->count++];
    memset(one, 0, sizeof(*one));
    one->acl = acl;
    for (int final = 0; final < 2; final++) {
        struct roles roles = {0};
        bool any = usercfg_visit(sorting->cfg, acl, id, holder->token != NULL, final, &roles);
        one->says[final] = (uint64_t)any | (uint64_t)roles.no_access << 1;
        one->sum[final] = roles.sum;
        one->no_access_sum[final] = roles.no_access_sum;
    }
    return 0;
}

static int add_holders(struct sorting *sorting)
{
    for (const struct user *user = sorting->cfg->users; user; user = user->hh.next) {
        if (!holder_get(sorting, user->name, NULL))
            return -ENOMEM;
        for (const struct token *token = user->tokens; token; token = token->next) {
            if (token->privsep && !holder_get(sorting, token->id, token))
                return -ENOMEM;
        }
    }
    return 0;
}

static int add_mentions(struct sorting *sorting)
{
    int error = 0;
    for (const struct acl *acl = sorting->cfg->acls; acl && !error; acl = acl->hh.next) {
        for (int kind = 0; kind < SUBJECT_KINDS; kind++) {
            for (const struct subject *subject = acl->subjects[kind]; subject && !error;
                 subject = subject->hh.next) {
                struct group *group = NULL;
                if (kind == SUBJECT_GROUP) {
                    HASH_FIND_STR(sorting->cfg->groups, subject->name, group);
                    for (const struct member *member = group ? group->members : NULL; member && !error;
                         member = member->hh.next)
                        error = mention(sorting, acl, member->user);
                } else if (kind == SUBJECT_USER) {
                    error = mention(sorting, acl, subject->name);
                } else {
                    struct holder *holder = NULL; /* a token without separation has no use for its grants */
                    HASH_FIND_STR(sorting->holders, subject->name, holder);
                    error = holder ? mention(sorting, acl, subject->name) : 0;
                }
            }
        }
    }
    return error;
}

/* Own mentions; for a token its user's as well, because it holds what both hold. */
static void *key_of(const struct sorting *sorting, const struct holder *holder, size_t *size)
{
    struct holder *user = NULL;
    if (holder->token)
        HASH_FIND_STR(sorting->holders, holder->token->user->name, user);
    size_t own = holder->count * sizeof(struct mention),
           its = user ? user->count * sizeof(struct mention) : 0;
    struct {
        uint64_t token, root, count;
    } head = {holder->token != NULL, holder->root || (user && user->root), holder->count};
    *size = sizeof(head) + own + its;
    char *key = malloc(*size);
    if (!key)
        return NULL;
    memcpy(key, &head, sizeof(head));
    if (own)
        memcpy(key + sizeof(head), holder->mentions, own);
    if (its)
        memcpy(key + sizeof(head) + own, user->mentions, its);
    return key;
}

static void class_free(struct class_entry *class)
{
    if (!class)
        return;
    free(class->public.ids);
    free(class->public.paths);
    free(class->key);
    free(class);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct class_entry *class_new(struct sorting *sorting, const struct holder *holder, void *key,
                                     size_t size)
{
    struct class_entry *class = calloc(1, sizeof(*class));
    if (!class) {
        free(key);
        return NULL;
    }
    class->key = key;
    class->public.root = holder->root;
    class->public.paths = calloc(holder->count + 1, sizeof(*class->public.paths));
    for (size_t i = 0; class->public.paths && i < holder->count; i++)
        class->public.paths[class->public.path_count++] = holder->mentions[i].acl->path;
    if (class->public.path_count > 1)
        qsort(class->public.paths, class->public.path_count, sizeof(*class->public.paths), compare_paths);
    if (!class->public.paths ||
        grow(&sorting->out->list, sorting->out->count, &sorting->out->room, sizeof(*sorting->out->list))) {
        class_free(class);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, sorting->classes, key, size, class);
    if (!class->hh.tbl) {
        class_free(class);
        return NULL;
    }
    sorting->out->list[sorting->out->count++] = &class->public;
    return class;
}

static int class_add(struct class_entry *class, const char *id)
{
    struct usercfg_class *public = &class->public;
    if (grow(&public->ids, public->count, &public->room, sizeof(*public->ids)))
        return -ENOMEM;
    public->ids[public->count++] = id;
    return 0;
}

static int sort_holder(struct sorting *sorting, struct holder *holder)
{
    size_t size = 0;
    void *key = key_of(sorting, holder, &size);
    if (!key)
        return -ENOMEM;
    HASH_FIND(hh, sorting->classes, key, size, holder->class);
    if (holder->class)
        free(key);
    else
        holder->class = class_new(sorting, holder, key, size);
    return holder->class ? class_add(holder->class, holder->id) : -ENOMEM;
}

/* users with their tokens in file order, then the ones that only grants or groups name */
static int sort_all(struct sorting *sorting)
{
    struct holder *holder = NULL;
    int error = 0;
    for (const struct user *user = sorting->cfg->users; user && !error; user = user->hh.next) {
        HASH_FIND_STR(sorting->holders, user->name, holder);
        error = sort_holder(sorting, holder);
        const struct class_entry *of_user = holder->class;
        for (const struct token *token = user->tokens; token && !error; token = token->next) {
            HASH_FIND_STR(sorting->holders, token->id, holder);
            error =
                holder ? sort_holder(sorting, holder) : class_add((struct class_entry *)of_user, token->id);
        }
    }
    for (holder = sorting->holders; holder && !error; holder = holder->hh.next) {
        if (!holder->class)
            error = sort_holder(sorting, holder);
    }
    return error;
}

/* The tables go; the classes stay with the caller. */
static void sorting_clear(struct sorting *sorting)
{
    struct holder *holder = NULL, *next = NULL;
    HASH_ITER (hh, sorting->holders, holder, next) {
        HASH_DEL(sorting->holders, holder);
        free(holder->mentions);
        free(holder);
    }
    HASH_CLEAR(hh, sorting->classes);
}

int usercfg_classes_new(const struct usercfg *cfg, struct usercfg_classes **out)
{
    _cleanup_(usercfg_classes_freep) struct usercfg_classes *classes = calloc(1, sizeof(*classes));
    _cleanup_(sorting_clear) struct sorting sorting = {.cfg = cfg};
    if (!classes)
        return -ENOMEM;
    sorting.out = classes;
    int error = add_holders(&sorting);
    if (!error)
        error = add_mentions(&sorting);
    if (!error)
        error = sort_all(&sorting);
    if (error)
        return error;
    *out = TAKE(classes);
    return 0;
}

void usercfg_classes_free(struct usercfg_classes *classes)
{
    for (size_t i = 0; classes && i < classes->count; i++)
        class_free((struct class_entry *)classes->list[i]);
    if (classes)
        free(classes->list);
    free(classes);
}
