/*
 * One walk over what a class holds. Minimal is VM.PowerMgmt, VM.Audit and Pool.Audit on a pool and its
 * members (VM.Monitor, which the guides for Proxmox VE 7 and 8 add, is tolerated); the rest is excess, told
 * once where it comes from and not again where it only arrives.
 */
#include "admin/audit_summary.h"

#include "admin/heap.h"

#include <stdlib.h>
#include <string.h>

struct taking {
    const struct audit *audit;
    struct summary *summary;
};

/* Room for one more. All of it is given back with its class: an administrator of a large cluster holds much.
 */
static void *grown(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    *room = *room ? *room * 2 : 8;
    return heap_need(reallocarray(list, *room, size));
}

/* ---- power ---- */

static void add_powered(struct taking *taking, const struct usercfg_pool *pool, size_t count)
{
    struct summary *summary = taking->summary;
    for (size_t i = summary->pool_count; i > 0; i--) {
        if (strcmp(summary->pools[i - 1].name, pool->name) == 0) {
            summary->pools[i - 1].powered += count;
            return;
        }
    }
    summary->pools = grown(summary->pools, summary->pool_count, &summary->pool_room, sizeof(*summary->pools));
    summary->pools[summary->pool_count++] =
        (struct summary_pool){.name = pool->name, .powered = count, .total = pool->vmid_count};
}

static void add_powered_guest(struct taking *taking, int64_t vmid)
{
    struct summary *summary = taking->summary;
    struct usercfg_pool pool;
    const char *name = usercfg_pool_of(taking->audit->cfg, vmid);
    if (name && usercfg_pool(taking->audit->cfg, name, &pool)) {
        add_powered(taking, &pool, 1);
        return;
    }
    summary->vmids = grown(summary->vmids, summary->vmid_count, &summary->vmid_room, sizeof(*summary->vmids));
    summary->vmids[summary->vmid_count++] = vmid;
}

/* ---- excess ---- */

static uint64_t minimal_on(const struct audit *audit, const char *path)
{
    struct usercfg_pool pool;
    if (!audit_concerns(audit, path))
        return 0;
    if (strncmp(path, "/pool/", strlen("/pool/")) == 0)
        return usercfg_pool(audit->cfg, path + strlen("/pool/"), &pool) ? audit->minimal : 0;
    if (audit_vmid(path) >= 0 || strncmp(path, "/storage/", strlen("/storage/")) == 0)
        return audit->minimal; /* a pool gives its members what it has */
    return 0;
}

/* What dead-host = trust-ha takes. */
static uint64_t minimal_on_top(const struct audit *audit, const char *path, struct usercfg_privileges set)
{
    return strcmp(path, "/") == 0 ? audit->on_top & ~set.propagates : 0;
}

static bool is_below(const char *path, const char *top)
{
    size_t length = strlen(top);
    return length == 1 || (strncmp(path, top, length) == 0 && path[length] == '/');
}

/* Does it only arrive here, from a path above or from the pool? */
static bool is_told(const struct summary *summary, const char *path, const char *pool, uint64_t excess)
{
    for (size_t i = 0; i < summary->excess_count; i++) {
        const struct summary_excess *above = &summary->excess[i];
        bool by_pool = pool && strncmp(above->path, "/pool/", strlen("/pool/")) == 0 &&
                       strcmp(above->path + strlen("/pool/"), pool) == 0;
        uint64_t arrives = by_pool                       ? above->set.held
                           : is_below(path, above->path) ? above->set.propagates
                                                         : 0;
        if (!(excess & ~arrives))
            return true;
    }
    return false;
}

static void add_excess(struct taking *taking, const char *path, const char *pool, bool members,
                       uint64_t excess, struct usercfg_privileges set)
{
    struct summary *summary = taking->summary;
    if (!excess || is_told(summary, path, pool, excess))
        return;
    summary->excess =
        grown(summary->excess, summary->excess_count, &summary->excess_room, sizeof(*summary->excess));
    summary->excess[summary->excess_count++] =
        (struct summary_excess){.path = heap_need(strdup(path)),
                                .pool = members ? pool : NULL,
                                .set = {excess, set.propagates & excess}};
}

/* ---- the walk ---- */

static void on_path(void *context, const char *path, struct usercfg_privileges set)
{
    struct taking *taking = context;
    bool power = set.held & taking->audit->power;
    int64_t vmid = audit_vmid(path);
    if (power && vmid >= 0 && audit_concerns(taking->audit, path))
        add_powered_guest(taking, vmid);
    if ((strcmp(path, "/") == 0 || strcmp(path, "/vms") == 0) && set.propagates & taking->audit->power)
        taking->summary->everywhere = true;
    add_excess(taking, path, vmid >= 0 ? usercfg_pool_of(taking->audit->cfg, vmid) : NULL, false,
               set.held & ~minimal_on(taking->audit, path) & ~minimal_on_top(taking->audit, path, set), set);
}

static void on_guests(void *context, const struct usercfg_pool *pool, const int64_t *vmids, size_t count,
                      struct usercfg_privileges set)
{
    struct taking *taking = context;
    const struct audit *audit = taking->audit;
    bool concerns = !audit->pool || strcmp(audit->pool, pool->name) == 0;
    (void)vmids;
    if (set.held & audit->power && concerns)
        add_powered(taking, pool, count);
    add_excess(taking, "/vms/*", pool->name, true, set.held & ~(concerns ? audit->minimal : 0), set);
}

void summary_take(const struct audit *audit, const struct usercfg_class *class, struct summary *summary)
{
    struct taking taking = {.audit = audit, .summary = summary};
    struct usercfg_walker walker = {.path = on_path, .guests = on_guests, .context = &taking};
    *summary = (struct summary){0};
    usercfg_places_walk(audit->places, class, &walker);
}

bool summary_can_fence(const struct summary *summary)
{
    return summary->everywhere || summary->pool_count || summary->vmid_count;
}

void summary_clear(struct summary *summary)
{
    for (size_t i = 0; i < summary->excess_count; i++)
        free(summary->excess[i].path);
    free(summary->excess);
    free(summary->pools);
    free(summary->vmids);
    *summary = (struct summary){0};
}
