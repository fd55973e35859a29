/* See record_opens.h. */
#include "fence/record_opens.h"

#include "system/json.h"

#include <stdint.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct record_opens {
    int vmid;
    bool of_others; /* the file that it stands in */
    int64_t realtime_ms;
    UT_hash_handle hh;
};

static struct record_opens *entry_of(struct record_opens **opens, int vmid)
{
    struct record_opens *entry = NULL;

    HASH_FIND_INT(*opens, &vmid, entry);
    if (entry)
        return entry;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->vmid = vmid;
    HASH_ADD_INT(*opens, vmid, entry);
    if (entry->hh.tbl)
        return entry;
    free(entry);
    return NULL;
}

bool record_opens_is_last(struct record_opens **opens, int vmid, bool of_others, struct json_object *document)
{
    struct record_opens *entry = entry_of(opens, vmid);
    int64_t realtime_ms = 0;

    (void)json_get_int(document, "ms", 0, INT64_MAX, &realtime_ms);
    if (!entry)
        return true;
    if (of_others != entry->of_others && realtime_ms < entry->realtime_ms)
        return false;
    entry->of_others = of_others;
    entry->realtime_ms = realtime_ms;
    return true;
}

void record_opens_free(struct record_opens **opens)
{
    struct record_opens *entry, *next;

    HASH_ITER (hh, *opens, entry, next) {
        HASH_DEL(*opens, entry);
        free(entry);
    }
}
