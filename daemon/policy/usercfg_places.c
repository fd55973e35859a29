/*
 * The paths of a user.cfg and the walk over those that concern a class; see usercfg_places.h.
 *
 * A class can only hold something at or below a path where it is named, and on members of a pool where it
 * holds something. Both are found by binary search; what is held there is asked of usercfg.c.
 */
#include "policy/usercfg_places.h"

#include "system/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
    char *path;
    unsigned walk; /* the last walk that looked at it */
};

struct place_pool {
    char *path; /* /pool/NAME */
    struct usercfg_pool pool;
    int64_t *plain; /* guests that no grant names */
    size_t plain_count;
    size_t *special; /* places: guests that a grant names, and storages */
    size_t special_count, special_room;
    unsigned walk,
        mentioned; /* the last one that looked at its plain guests; whose class is granted something on it */
};

struct usercfg_places {
    const struct usercfg *cfg;
    struct place *places; /* sorted, each path once */
    size_t count, room;
    struct place_pool *pools; /* sorted by path */
    size_t pool_count, pool_room;
    unsigned walk;
};

/* '/' before all others, so that a path is followed by all that lies below it; "/" is above everything. */
static int compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    if (!*a || !*b)
        return (*a != '\0') - (*b != '\0');
    return *a == '/' ? -1 : *b == '/' ? 1 : (unsigned char)*a - (unsigned char)*b;
}

static bool is_at_or_below(const char *path, const char *top)
{
    size_t length = strlen(top);
    return length == 1 || (strncmp(path, top, length) == 0 && (path[length] == '/' || !path[length]));
}

static int compare_places(const void *a, const void *b)
{
    return compare(((const struct place *)a)->path, ((const struct place *)b)->path);
}

static int compare_pools(const void *a, const void *b)
{
    return compare(((const struct place_pool *)a)->path, ((const struct place_pool *)b)->path);
}

/* ---- building ---- */

static int add_place(const char *path, void *context)
{
    struct usercfg_places *places = context;
    if (places->count == places->room) {
        size_t room = places->room ? places->room * 2 : 64;
        struct place *grown = reallocarray(places->places, room, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        places->places = grown;
        places->room = room;
    }
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    places->places[places->count++] = (struct place){.path = copy};
    return 0;
}

static int add_pool(const char *name, void *context)
{
    struct usercfg_places *places = context;
    if (places->pool_count == places->pool_room) {
        size_t room = places->pool_room ? places->pool_room * 2 : 64;
        struct place_pool *grown = reallocarray(places->pools, room, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        places->pools = grown;
        places->pool_room = room;
    }
    struct place_pool *pool = &places->pools[places->pool_count];
    *pool = (struct place_pool){0};
    if (!usercfg_pool(places->cfg, name, &pool->pool) || asprintf(&pool->path, "/pool/%s", name) < 0)
        return -ENOMEM;
    places->pool_count++;
    for (size_t i = 0; i < pool->pool.storage_count; i++) {
        if (add_place(pool->pool.storage_paths[i], places))
            return -ENOMEM;
    }
    return 0;
}

static void sort_places(struct usercfg_places *places)
{
    size_t kept = 0;
    qsort(places->places, places->count, sizeof(*places->places), compare_places);
    for (size_t i = 0; i < places->count; i++) {
        if (kept && strcmp(places->places[kept - 1].path, places->places[i].path) == 0)
            free(places->places[i].path);
        else
            places->places[kept++] = places->places[i];
    }
    places->count = kept;
    if (places->pool_count)
        qsort(places->pools, places->pool_count, sizeof(*places->pools), compare_pools);
}

static struct place *find_place(const struct usercfg_places *places, const char *path)
{
    struct place key = {.path = (char *)path};
    return bsearch(&key, places->places, places->count, sizeof(key), compare_places);
}

static int add_special(struct place_pool *pool, size_t place)
{
    if (pool->special_count == pool->special_room) {
        size_t room = pool->special_room ? pool->special_room * 2 : 8;
        size_t *grown = reallocarray(pool->special, room, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        pool->special = grown;
        pool->special_room = room;
    }
    pool->special[pool->special_count++] = place;
    return 0;
}

/* Which of the pool's members are places of their own. */
static int divide_members(const struct usercfg_places *places, struct place_pool *pool)
{
    char path[sizeof("/vms/") + 20];
    int error = 0;
    pool->plain = calloc(pool->pool.vmid_count + 1, sizeof(*pool->plain));
    if (!pool->plain)
        return -ENOMEM;
    for (size_t i = 0; i < pool->pool.vmid_count; i++) {
        snprintf(path, sizeof(path), "/vms/%lld", (long long)pool->pool.vmids[i]);
        if (!find_place(places, path))
            pool->plain[pool->plain_count++] = pool->pool.vmids[i];
    }
    for (size_t i = 0; i < pool->pool.storage_count && !error; i++) {
        const struct place *place = find_place(places, pool->pool.storage_paths[i]);
        error = add_special(pool, (size_t)(place - places->places));
    }
    return error;
}

/* Guests that grants name, "/vms/100" and "/vms/0100" alike, belong to their pools. */
static int divide_guests(const struct usercfg_places *places)
{
    int error = 0;
    for (size_t i = 0; i < places->count && !error; i++) {
        const char *path = places->places[i].path, *digits = path + strlen("/vms/");
        if (strncmp(path, "/vms/", strlen("/vms/")) != 0 || !*digits || digits[strspn(digits, "0123456789")])
            continue;
        errno = 0;
        long long vmid = strtoll(digits, NULL, 10);
        const char *name = errno ? NULL : usercfg_pool_of(places->cfg, vmid);
        _cleanup_(freep) char *of_pool = NULL;
        if (!name)
            continue;
        if (asprintf(&of_pool, "/pool/%s", name) < 0) {
            of_pool = NULL;
            return -ENOMEM;
        }
        struct place_pool key = {.path = of_pool};
        error = add_special(bsearch(&key, places->pools, places->pool_count, sizeof(key), compare_pools), i);
    }
    return error;
}

int usercfg_places_new(const struct usercfg *cfg, struct usercfg_places **out)
{
    static const char *const top[] = {"/",     "/access", "/access/groups", "/nodes",
                                      "/pool", "/sdn",    "/storage",       "/vms"};
    _cleanup_(usercfg_places_freep) struct usercfg_places *places = calloc(1, sizeof(*places));
    int error = places ? 0 : -ENOMEM;
    if (error)
        return error;
    places->cfg = cfg;
    for (size_t i = 0; i < ARRAY_LEN(top) && !error; i++)
        error = add_place(top[i], places);
    if (!error)
        error = usercfg_each_acl_path(cfg, add_place, places);
    if (!error)
        error = usercfg_each_pool(cfg, add_pool, places);
    if (error)
        return error;
    sort_places(places);
    for (size_t i = 0; i < places->pool_count && !error; i++)
        error = divide_members(places, &places->pools[i]);
    if (!error)
        error = divide_guests(places);
    if (error)
        return error;
    *out = TAKE(places);
    return 0;
}

void usercfg_places_free(struct usercfg_places *places)
{
    if (!places)
        return;
    for (size_t i = 0; i < places->count; i++)
        free(places->places[i].path);
    for (size_t i = 0; i < places->pool_count; i++) {
        free(places->pools[i].path);
        free(places->pools[i].plain);
        free(places->pools[i].special);
    }
    free(places->places);
    free(places->pools);
    free(places);
}

/* ---- walking ---- */

struct walk {
    struct usercfg_places *places;
    const struct usercfg_class *class;
    const struct usercfg_walker *walker;
    struct usercfg_privileges common; /* see held_on_plain() */
    bool knows_common;
};

static struct usercfg_privileges held_on(const struct walk *walk, const char *path)
{
    return usercfg_privileges(walk->places->cfg, walk->class->ids[0], path);
}

static void look_at(const struct walk *walk, struct place *place)
{
    if (place->walk == walk->places->walk)
        return;
    place->walk = walk->places->walk;
    walk->walker->path(walk->walker->context, place->path, held_on(walk, place->path));
}

/* the first one at or behind `path` */
static size_t first_place(const struct usercfg_places *places, const char *path)
{
    size_t low = 0, high = places->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(places->places[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t first_pool(const struct usercfg_places *places, const char *path)
{
    size_t low = 0, high = places->pool_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(places->pools[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void look_below(const struct walk *walk, const char *top)
{
    struct usercfg_places *places = walk->places;
    size_t at = strcmp(top, "/") == 0 ? 0 : first_place(places, top);
    for (; at < places->count && is_at_or_below(places->places[at].path, top); at++)
        look_at(walk, &places->places[at]);
}

/* Pools below `top` that it may give something to, or to whose members it may. */
static void each_pool_below(struct walk *walk, const char *top,
                            void (*look)(struct walk *walk, struct place_pool *pool))
{
    struct usercfg_places *places = walk->places;
    bool all = strcmp(top, "/") == 0 || strcmp(top, "/vms") == 0;
    for (size_t at = all ? 0 : first_pool(places, top);
         at < places->pool_count && (all || is_at_or_below(places->pools[at].path, top)); at++)
        look(walk, &places->pools[at]);
}

static void look_at_specials(struct walk *walk, struct place_pool *pool)
{
    for (size_t i = 0; i < pool->special_count; i++)
        look_at(walk, &walk->places->places[pool->special[i]]);
}

static void mention(struct walk *walk, struct place_pool *pool)
{
    pool->mentioned = walk->places->walk;
}

/* Pools that no grant of the class names, or one above them but /, /vms and /pool, give the same to their
 * guests. */
static struct usercfg_privileges held_on_plain(struct walk *walk, const struct place_pool *pool)
{
    char path[sizeof("/vms/") + 20];
    bool mentioned = pool->mentioned == walk->places->walk;
    if (!mentioned && walk->knows_common)
        return walk->common;
    snprintf(path, sizeof(path), "/vms/%lld", (long long)pool->plain[0]);
    struct usercfg_privileges set = held_on(walk, path);
    if (!mentioned) {
        walk->common = set;
        walk->knows_common = true;
    }
    return set;
}

static void look_at_plain(struct walk *walk, struct place_pool *pool)
{
    if (pool->walk == walk->places->walk || !pool->plain_count)
        return;
    pool->walk = walk->places->walk;
    walk->walker->guests(walk->walker->context, &pool->pool, pool->plain, pool->plain_count,
                         held_on_plain(walk, pool));
}

void usercfg_places_walk(struct usercfg_places *places, const struct usercfg_class *class,
                         const struct usercfg_walker *walker)
{
    static const char *const everywhere[] = {"/"};
    struct walk walk = {.places = places, .class = class, .walker = walker};
    const char *const *tops = class->root ? everywhere : (const char *const *)class->paths;
    size_t count = class->root ? 1 : class->path_count;
    places->walk++;
    for (size_t i = 0; i < count; i++) {
        look_below(&walk, tops[i]);
        if (strncmp(tops[i], "/pool/", strlen("/pool/")) == 0)
            each_pool_below(&walk, tops[i], mention);
    }
    for (size_t i = 0; i < count; i++)
        each_pool_below(&walk, tops[i], look_at_specials);
    for (size_t i = 0; i < count; i++)
        each_pool_below(&walk, tops[i], look_at_plain);
}
