/* What inventory.c (answers), inventory_builder.c (fills) and nothing else share: the inside of a snapshot.
 */
#pragma once

#include "proxmox/inventory.h"
#include "system/arena.h"

/* Several guests may share a key: they lie side by side, in order of VMID. The order of keys is that of their
 * hashes: numbers are sorted and found much faster than ten thousand names that begin alike. */
struct name_entry {
    uint64_t hash;   /* name_hash() of the key */
    const char *key; /* a name as written, borrowed; compared without regard to case (ASCII, as in DNS) */
    size_t length;   /* of the key: a short name is the beginning of the name */
    size_t guest;    /* index into guests; in by_alias: into aliases */
};

struct name_index {
    struct name_entry *entries;
    size_t count;
};

struct alias {
    const char *node, *target;
    bool resolved, ambiguous;
    size_t guest; /* index into guests, if resolved */
};

/* A name that led to a guest which is still there, and does not lead to it any more. */
struct moved_name {
    const char *name;
    const struct guest *before;
    const struct guest *now; /* whom it would lead to; NULL: to nobody */
    struct error *error;     /* NULL with `now` */
};

struct node {
    const char *name;
    bool online;
    bool maintenance;
    bool unknown; /* its status, by the last list */
    bool listed;  /* by the fresh list: only while building */
};

/* A guest that Proxmox shows us and that is in none of the pools. */
struct other_guest {
    int vmid;
    const char *name; /* NULL: none */
    const char *pool; /* NULL: none, or not told */
};

struct other_guests {
    struct other_guest *list;
    size_t count, size;
};

struct inventory {
    unsigned references;
    int64_t taken_ms;
    struct guest *guests; /* by VMID */
    size_t guest_count;
    struct alias *aliases; /* as configured */
    size_t alias_count;
    struct unresolved_alias *unresolved; /* borrows its texts from aliases */
    size_t unresolved_count;
    struct node *nodes; /* by name */
    size_t node_count;
    struct name_index by_name, by_short, by_alias, by_alias_short;
    struct moved_name *moved;
    size_t moved_count;
    struct other_guests others;
    struct error below; /* of a pool below one of ours are some of them */
    struct arena texts; /* all strings that the others point to */
};

enum match { MATCH_NONE, MATCH_ONE, MATCH_SEVERAL };

/* What a plug leads to, moved or not. */
struct lookup {
    enum match match;
    bool aliased;                        /* by a line of [nodes] */
    const struct guest *guest;           /* MATCH_ONE; NULL: `alias` decides, and leads nowhere */
    const struct alias *alias;           /* if it decides */
    const struct name_entry *candidates; /* MATCH_SEVERAL without aliases */
    size_t count;
};

/* By VMID, name or short name, without aliases. */
void match_guest(const struct inventory *inventory, const char *plug, struct lookup *lookup);
void match_plug(const struct inventory *inventory, const char *plug, struct lookup *lookup);
/* inventory_moved.c */
const struct moved_name *moved_find(const struct inventory *inventory, const char *plug);
bool moved_judge(struct inventory *inventory, const char *name, int vmid); /* false: no memory */
void moved_clear(struct inventory *inventory);
const struct node *inventory_node(const struct inventory *inventory, const char *name); /* NULL: unknown */
/* Of the first `length` bytes, without regard to case. */
uint64_t name_hash(const char *name, size_t length);
/* <0, 0, >0: by hash, and by the names themselves where that is equal. */
int name_compare(const struct name_entry *a, const struct name_entry *b);
/* inventory_others.c: who is called so, by VMID, name or short name; NULL: nobody. */
const struct other_guest *other_guests_find(const struct other_guests *others, const char *plug);
void strangers_forget_guests(struct inventory *inventory); /* those that turned out to be in a pool */
struct inventory *inventory_builder_made(struct inventory_builder *builder); /* under construction */
bool is_digits(const char *text); /* at least one, and nothing else */
