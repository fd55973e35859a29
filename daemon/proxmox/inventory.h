/*
 * The guests of the pool and the cluster's hosts as last seen: an immutable, reference-counted snapshot that
 * answers share. Filled by the poller; a fence reads it to find its victim and never trusts it for P1.
 */
#pragma once

#include "proxmox/api.h"
#include "system/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest {
    int vmid;
    enum pve_guest_type type;
    char *name;    /* NULL if Proxmox gave none */
    char *node;    /* host */
    char *pool;    /* which of the configured pools; NULL: known by our privileges only (no Pool.Audit) */
    char *status;  /* "running", "stopped", "unknown": up to 10 s (300 s) old, never proof */
    char *lock;    /* NULL: none */
    char *hastate; /* NULL: not managed by HA */
    char *tags;    /* as Proxmox writes them, "a;b"; NULL: none */
    bool template;
    bool name_shared;  /* another guest of the inventory is called the same */
    bool name_settled; /* a line of [nodes] says who is meant by its name */
    /* A name that leads here led to another guest before, or the other way round: it leads nowhere
     * (ERROR_NAME_MOVED, which names both); NULL: none. */
    const struct error *moved;
    const struct guest *moved_with;
    bool may_power; /* our privileges: VM.PowerMgmt */
    bool may_audit; /* VM.Audit */
    char **aliases; /* Pacemaker node names from [nodes] */
    size_t alias_count;
    char label[12]; /* the VMID in digits; see guest_label() */
};

/* A line of [nodes] whose target is no guest of the pool, or (ambiguous) a name that several have. */
struct unresolved_alias {
    const char *node, *target;
    bool ambiguous;
};

struct inventory;

struct inventory *inventory_ref(struct inventory *inventory);
void inventory_unref(struct inventory *inventory); /* NULL is fine */
void inventory_unrefp(struct inventory **inventory);

size_t inventory_count(const struct inventory *inventory);
const struct guest *inventory_get(const struct inventory *inventory, size_t index); /* ordered by VMID */
const struct guest *inventory_by_vmid(const struct inventory *inventory, int vmid);
/* Its name, or its VMID in digits if it has none. NULL gives "". */
const char *guest_label(const struct guest *guest);

/* Two lines of [nodes] with names of two nodes lead to it: the first line, and one that differs from it by
 * more than a domain; NULL: no. */
const char *guest_second_alias(const struct guest *guest);

/* Which guest a plug means, in this order: alias, exact VMID, name, short name (the guest's or the alias', up
 * to its first dot); names without regard to case. The first of these that matches decides: an alias that
 * leads to no guest ends the search, for the guest that happens to have its name is not the one that was
 * meant. Digits alone are a VMID and never a name. A plug with a domain does not match a guest named without
 * one ("web1.a" and "web1.b" would be the same guest): the hint has the line for [nodes]. A name that led to
 * another guest before, which is still there, leads nowhere before [nodes] says whom it means. NULL and
 * *error (ERROR_UNKNOWN_PLUG, ERROR_AMBIGUOUS_NAME with the candidates, ERROR_NAME_MOVED) otherwise. That a
 * guest is there and in none of the pools is said if Proxmox shows it to us. */
const struct guest *inventory_find(const struct inventory *inventory, const char *plug, struct error *error);
/* The same without a word about why not, which costs more than the search. */
const struct guest *inventory_leads(const struct inventory *inventory, const char *plug);
/* Proxmox shows a guest that is none of ours, of a pool below this one ("prod/nfs" below "prod"): which, and
 * the line that mends it. False: none, and *error is untouched. */
bool inventory_say_below(const struct inventory *inventory, const char *pool, struct error *error);
/* Why it has no guests, by that; NULL: it has some, or nothing is known. */
const struct error *inventory_empty_cause(const struct inventory *inventory);
/* Both guests of ERROR_NAME_MOVED. False: this plug has not moved. */
bool inventory_moved(const struct inventory *inventory, const char *plug, const struct guest **before,
                     const struct guest **now);
/* Lines of [nodes] that lead nowhere, in configured order: for a warning. NULL beyond the end. Valid as long
 * as the inventory. */
size_t inventory_unresolved_alias_count(const struct inventory *inventory);
const struct unresolved_alias *inventory_unresolved_alias_get(const struct inventory *inventory,
                                                              size_t index);

/* Hosts, from cluster/resources?type=node: every one that was ever seen (so many at most; what comes then is
 * none, until some are forgotten), and which are online. */
#define INVENTORY_HOSTS_MAX 4096
bool inventory_node_online(const struct inventory *inventory, const char *node);
/* HA has put it into maintenance mode, by the last list. */
bool inventory_node_maintenance(const struct inventory *inventory, const char *node);
/* Its pvestatd has told nothing for five minutes, by the last list: its status there is "unknown". Online or
 * not is another question (nodes_is_member()). */
bool inventory_node_unknown(const struct inventory *inventory, const char *node);
/* Online by its statistics, and no other one is: for its own guests the others do not count as online
 * (nodes_take_census()). */
bool inventory_node_vouches_alone(const struct inventory *inventory, const char *node);
unsigned inventory_nodes_online(const struct inventory *inventory);
unsigned inventory_nodes_known(const struct inventory *inventory);
int64_t inventory_taken_ms(const struct inventory *inventory); /* CLOCK_MONOTONIC of the guest list */

/* ---- building one: by the poller, a round at a time ---- */

struct inventory_builder;

/* Remembers the hosts that `previous` (may be NULL) knew, and what its guests were called; takes a reference
 * of its own. NULL: no memory. */
struct inventory_builder *inventory_builder_new(struct inventory *previous);
void inventory_builder_free(struct inventory_builder *builder); /* NULL is fine */
void inventory_builder_freep(struct inventory_builder **builder);
/* Each copies, and returns false when memory ran out. A VMID given twice: the later one counts. Aliases
 * within `guest` are ignored. A guest without a name, as Proxmox lists those of a dead host, keeps the name,
 * the tags and the mark of a template that the previous inventory had for it; one that was not in it has
 * the name that led to it last. */
bool inventory_builder_guest(struct inventory_builder *builder, const struct guest *guest);
/* A guest that Proxmox shows and that may be of none of the pools: known by name only, for errors. Only VMID,
 * name and pool of `guest` count. */
bool inventory_builder_stranger(struct inventory_builder *builder, const struct guest *guest);
/* One of ours, given behind all others. */
void inventory_builder_pool(struct inventory_builder *builder, const char *pool);
bool inventory_builder_alias(struct inventory_builder *builder, const char *node, const char *target);
/* This name led to that guest before. `name` is borrowed until the builder ends. */
bool inventory_builder_lead(struct inventory_builder *builder, const char *name, int vmid);
/* Of the fresh list. A name that no host can have is passed over. */
bool inventory_builder_node(struct inventory_builder *builder, const char *node, bool online);
/* Of a host that was given with inventory_builder_node(); of others nothing. */
void inventory_builder_maintenance(struct inventory_builder *builder, const char *node);
void inventory_builder_unknown(struct inventory_builder *builder, const char *node);
/* Ends the builder in any case; the caller owns one reference. A remembered host that the fresh list does not
 * name is forgotten only if that list shows a majority of the remembered ones online. NULL: no memory. */
struct inventory *inventory_builder_finish(struct inventory_builder *builder, int64_t taken_ms);

/* ---- the hosts' word within a fence (point 5 of the off-proof); pure ---- */

struct node_census {
    unsigned online; /* by this list */
    unsigned known;  /* listed now, or remembered: a host that the list leaves out still counts against the
                        majority */
    bool host_online;
    char other[PVE_NODE_MAX]; /* a host that is online and not `host`; "" if there is none */
};

/* `data` is that of cluster/resources?type=node. Where `host` is the only one whose status is "online", the
 * unknown ones do not count as such: if its corosync died, it would say just that. False, and *census
 * untouched, if it is not such a list (an entry without name or status, a host listed twice), or without
 * memory: then nothing is known. `previous` may be NULL. */
bool nodes_take_census(const struct inventory *previous, struct json_object *data, const char *host,
                       struct node_census *census);
/* Is a host a member of corosync's membership, by its status in a list of `listed` hosts? "online" says so.
 * So does "unknown": Proxmox writes "offline" over it for whoever is no member, and "unknown" remains where
 * only the statistics of pvestatd are missing. But a host that knows no member list (or not itself in it)
 * lists itself alone as "unknown", too: alone it is a member only where no other host was ever seen. */
bool nodes_is_member(const struct inventory *previous, const char *name, const char *status, size_t listed);
/* How many must be online; min_online_nodes 0 means a majority of `known`. */
unsigned nodes_required(int min_online_nodes, unsigned known);
