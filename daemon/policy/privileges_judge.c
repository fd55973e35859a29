/*
 * Own privileges against the minimal set: what is too much, what is missing, and what could be better.
 *
 * Proxmox lists effective privileges, not grants: one grant on / shows on every path, one on a pool on each
 * of its guests and storages. A path is blamed only for what it does not have from another one, so that a
 * finding stands where the grant is to be mended. Knows no calls and no words (privileges_words.c has those).
 */
#include "policy/privileges_private.h"

#include "system/cleanup.h"
#include "system/json.h"

#include <stdio.h>
#include <string.h>

#define POWER   "VM.PowerMgmt"
#define AUDIT   "VM.Audit"
#define MONITOR "VM.Monitor"
#define MEMBERS "Pool.Audit"
#define STATUS  PRIVILEGES_HA

/* A path that is listed. */
struct place {
    const char *path;
    struct json_object *held;
    int vmid;                           /* of "/vms/100", else 0 */
    const struct privileges_guest *own; /* that guest, if it is of our pools */
    bool by_unlisted_pool;
};

struct judge {
    struct json_object *permissions;
    const struct privileges_scope *scope;
    struct privileges_report *report;
    struct place *places; /* those that are no guests first, and sorted; then the guests as they came */
    size_t place_count, guests_from;
    struct json_object **held_on; /* each of scope->guests; NULL: it is not listed */
    struct json_object *by_pool;  /* the names of excess privileges on pools and above them */
    char *folder;                 /* the one that `above` is about */
    struct json_object *above;    /* the names of excess privileges that come to it from above */
    const char **privileges;      /* room for those of one path */
    size_t room;
    bool failed;
};

/* ---- paths ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_places(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->path, ((const struct place *)b)->path);
}

static struct json_object *listed(const struct judge *judge, const char *path)
{
    struct json_object *held = NULL;
    return json_get_object(judge->permissions, path, &held) ? held : NULL;
}

static const char *own_pool(const struct judge *judge, const char *path)
{
    for (size_t i = 0; strncmp(path, "/pool/", 6) == 0 && i < judge->scope->pool_count; i++) {
        if (strcmp(path + 6, judge->scope->pools[i]) == 0)
            return judge->scope->pools[i];
    }
    return NULL;
}

/* The VMID of "/vms/100", else 0. */
static int vmid_of(const char *path)
{
    char *end = NULL;
    long vmid =
        strncmp(path, "/vms/", 5) == 0 && path[5] >= '1' && path[5] <= '9' ? strtol(path + 5, &end, 10) : 0;
    return end && !*end && vmid <= 999999999 ? (int)vmid : 0;
}

static int compare_guests(const void *key, const void *entry)
{
    int left = *(const int *)key, right = ((const struct privileges_guest *)entry)->vmid;
    return (left > right) - (left < right);
}

static const struct privileges_guest *own_guest(const struct judge *judge, int vmid)
{
    const struct privileges_scope *scope = judge->scope;
    return vmid && scope->guest_count
               ? bsearch(&vmid, scope->guests, scope->guest_count, sizeof(*scope->guests), compare_guests)
               : NULL;
}

static int compare_numbers(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

static bool other_guest(const struct judge *judge, int vmid)
{
    const struct privileges_scope *scope = judge->scope;
    return vmid && scope->other_count &&
           bsearch(&vmid, scope->others, scope->other_count, sizeof(*scope->others), compare_numbers);
}

static bool is_minimal(const char *privilege)
{
    return strcmp(privilege, POWER) == 0 || strcmp(privilege, AUDIT) == 0 ||
           strcmp(privilege, MEMBERS) == 0 || strcmp(privilege, MONITOR) == 0;
}

/* Part of what fencing takes, or an inevitable shadow of it: what is granted on a pool lands on its storages,
 * where these privileges mean nothing, and on
 * guests that it lists though they are no more. */
static bool allowed(const struct judge *judge, const struct place *place, const char *privilege,
                    bool propagates)
{
    if (judge->scope->ha_status && !propagates && strcmp(place->path, "/") == 0 &&
        strcmp(privilege, STATUS) == 0)
        return true;
    if (!is_minimal(privilege))
        return false;
    if (place->own || own_pool(judge, place->path))
        return true;
    if (propagates)
        return false;
    return place->vmid ? judge->scope->members_unknown || !other_guest(judge, place->vmid)
                       : strncmp(place->path, "/storage/", 9) == 0;
}

static struct place place_of(const struct judge *judge, const char *path, struct json_object *held)
{
    int vmid = vmid_of(path);

    return (struct place){.path = path, .held = held, .vmid = vmid, .own = own_guest(judge, vmid)};
}

static bool add_name(struct json_object *names, const char *name)
{
    return json_object_object_add(names, name, json_object_new_boolean(1)) == 0;
}

/* Adds what propagates from there, and is blamed there. */
static bool add_blamed(const struct judge *judge, const char *path, struct json_object *names)
{
    const struct place place = place_of(judge, path, listed(judge, path));
    if (!place.held)
        return true;
    json_object_object_foreach(place.held, privilege, value)
    {
        bool propagates = false;
        if (json_flag(value, &propagates) && propagates && !allowed(judge, &place, privilege, true) &&
            !add_name(names, privilege))
            return false;
    }
    return true;
}

/* The names of what comes from above to all that lies in the path's folder: the same for 10,000 guests. */
static struct json_object *from_above(struct judge *judge, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t length = !slash || !path[1] ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (judge->folder && strlen(judge->folder) == length && strncmp(judge->folder, path, length) == 0)
        return judge->above;
    json_object_put(judge->above);
    free(judge->folder);
    judge->above = json_object_new_object();
    judge->folder = strndup(path, length);
    _cleanup_(freep) char *above = strndup(path, length);
    judge->failed |= !judge->above || !judge->folder || !above;
    while (!judge->failed && *above) {
        judge->failed |= !add_blamed(judge, above, judge->above);
        char *end = strrchr(above, '/');
        if (!end || !above[1])
            break;
        end[end == above] = '\0';
    }
    return judge->above;
}

/* It comes from a pool that is blamed for it. Such privileges do not propagate. */
static bool from_pool(const struct judge *judge, const struct place *place, const char *privilege,
                      bool propagates)
{
    return !propagates && (place->vmid || strncmp(place->path, "/storage/", 9) == 0) &&
           json_object_object_get_ex(judge->by_pool, privilege, NULL);
}

/* Puts the excess of a path that it is to be blamed for into judge->privileges; its number. */
static size_t excess_on(struct judge *judge, const struct place *place)
{
    struct json_object *above = from_above(judge, place->path);
    bool from_nowhere = json_object_object_length(above) == 0;
    size_t count = 0;
    json_object_object_foreach(place->held, privilege, value)
    {
        bool propagates = false;
        if ((!from_nowhere && json_object_object_get_ex(above, privilege, NULL)) ||
            !json_flag(value, &propagates) || allowed(judge, place, privilege, propagates) ||
            from_pool(judge, place, privilege, propagates))
            continue;
        if (count == judge->room) {
            size_t room = judge->room ? judge->room * 2 : 64;
            const char **larger = reallocarray(judge->privileges, room, sizeof(*larger));
            if (!larger) {
                judge->failed = true;
                return 0;
            }
            judge->privileges = larger;
            judge->room = room;
        }
        judge->privileges[count++] = privilege;
    }
    if (count)
        qsort(judge->privileges, count, sizeof(*judge->privileges), compare_names);
    return count;
}

/* ---- findings ---- */

static void finding_clear(struct privileges_finding *finding)
{
    for (size_t i = 0; i < finding->privilege_count; i++)
        free(finding->privileges[i]);
    free(finding->privileges);
    free(finding->path);
    free(finding->message);
    free(finding->mend);
}

static bool copy_privileges(struct privileges_finding *finding, const struct privileges_case *found)
{
    finding->privileges = calloc(found->count, sizeof(*finding->privileges));
    for (; finding->privileges && finding->privilege_count < found->count; finding->privilege_count++) {
        char *copy = strdup(found->privileges[finding->privilege_count]);
        if (!copy)
            return false;
        finding->privileges[finding->privilege_count] = copy;
    }
    return finding->privileges != NULL;
}

static void add(struct judge *judge, const struct privileges_case *found)
{
    struct privileges_report *report = judge->report;
    if (judge->failed)
        return;
    if ((report->count & (report->count - 1)) == 0) { /* 0 and the powers of two */
        struct privileges_finding *larger =
            reallocarray(report->findings, report->count ? report->count * 2 : 1, sizeof(*larger));
        if (!larger) {
            judge->failed = true;
            return;
        }
        report->findings = larger;
    }
    struct privileges_finding *finding = &report->findings[report->count];
    *finding = (struct privileges_finding){
        .kind = found->kind, .path = strdup(found->path), .minor = found->what == CASE_NO_HA_STATUS};
    if (!finding->path || !copy_privileges(finding, found) ||
        !privileges_describe(found, judge->scope, finding)) {
        finding_clear(finding);
        judge->failed = true;
        return;
    }
    report->count++;
    size_t *counts[] = {[PRIVILEGES_EXCESS] = &report->excess,
                        [PRIVILEGES_MISSING] = &report->missing,
                        [PRIVILEGES_HINT] = &report->hints};
    *counts[found->kind] += found->count;
}

/* ---- too much ---- */

static void add_excess(struct judge *judge, const struct place *place)
{
    const char *path = place->path;
    struct privileges_case found = {.kind = PRIVILEGES_EXCESS, .path = path, .held = place->held};
    found.count = excess_on(judge, place);
    found.privileges = judge->privileges;
    found.pool = own_pool(judge, path);
    if (!found.count)
        return;
    if (place->vmid) {
        found.what = place->own ? CASE_OWN_GUEST : CASE_OTHER_GUEST;
        found.vmids = &place->vmid;
        found.vmid_count = 1;
    } else if (found.pool) {
        found.what = CASE_OWN_POOL;
    } else if (strncmp(path, "/pool/", 6) == 0) {
        found.what = CASE_OTHER_POOL;
    } else {
        found.what = strcmp(path, "/") == 0 ? CASE_EVERYWHERE : CASE_ELSEWHERE;
    }
    add(judge, &found);
}

/* Guests that are none of ours, with what fencing takes, and not by a grant of their own: some pool gives it,
 * and none is listed for it. That is how pools below a configured one look. */
static bool by_unlisted_pool(struct judge *judge, const struct place *place)
{
    bool propagates = false;
    return place->vmid && !place->own && json_get_flag(place->held, POWER, &propagates) && !propagates &&
           !allowed(judge, place, POWER, false) &&
           !json_object_object_get_ex(from_above(judge, place->path), POWER, NULL) &&
           !from_pool(judge, place, POWER, false);
}

static void add_guests_by_pool(struct judge *judge, const struct place *places, size_t count)
{
    static const char *power[] = {POWER};
    _cleanup_(freep) int *vmids = calloc(count ? count : 1, sizeof(*vmids));
    struct privileges_case found = {.kind = PRIVILEGES_EXCESS,
                                    .what = CASE_GUESTS_BY_POOL,
                                    .privileges = power,
                                    .count = 1,
                                    .vmids = vmids,
                                    .pool = judge->scope->pools[0]};
    for (size_t i = 0; vmids && i < count; i++) {
        if (!places[i].by_unlisted_pool)
            continue;
        if (!found.path)
            found.path = places[i].path;
        vmids[found.vmid_count++] = places[i].vmid;
    }
    judge->failed |= !vmids;
    if (found.vmid_count)
        add(judge, &found);
}

static bool is_pool_or_above(const char *path)
{
    return strcmp(path, "/") == 0 || strcmp(path, "/pool") == 0 || strncmp(path, "/pool/", 6) == 0;
}

static void find_excess_of_pools(struct judge *judge)
{
    for (size_t i = 0; i < judge->guests_from; i++) {
        const struct place *place = &judge->places[i];
        size_t count = is_pool_or_above(place->path) ? excess_on(judge, place) : 0;
        for (size_t k = 0; k < count; k++)
            judge->failed |= !add_name(judge->by_pool, judge->privileges[k]);
    }
}

/* Moves the guests that are to be blamed to the front of the guests; their number. Mostly there are none, and
 * only they need be sorted. */
static size_t choose_guests(struct judge *judge)
{
    size_t chosen = 0;
    for (size_t i = judge->guests_from; i < judge->place_count; i++) {
        struct place place = judge->places[i];
        place.by_unlisted_pool = by_unlisted_pool(judge, &place);
        if (place.by_unlisted_pool || excess_on(judge, &place) > 0)
            judge->places[judge->guests_from + chosen++] = place;
    }
    return chosen;
}

/* Pools first: what is blamed there is not blamed on their guests. Findings are sorted by path. */
static void find_excess(struct judge *judge)
{
    find_excess_of_pools(judge);
    size_t count = judge->guests_from + choose_guests(judge);
    if (count > judge->guests_from)
        qsort(judge->places, count, sizeof(*judge->places), compare_places);
    for (size_t i = 0; i < count; i++) {
        if (!judge->places[i].by_unlisted_pool)
            add_excess(judge, &judge->places[i]);
    }
    add_guests_by_pool(judge, judge->places, count);
}

/* ---- too little ---- */

/* Effective on a path that need not be listed itself: what is listed nearest above it decides. */
static bool holds(const struct judge *judge, const char *pool, const char *privilege)
{
    _cleanup_(freep) char *path = malloc(strlen(pool) + sizeof("/pool/"));
    if (!path)
        return false;
    memcpy(path, "/pool/", sizeof("/pool/"));
    memcpy(path + 6, pool, strlen(pool) + 1);
    bool propagates = false;
    struct json_object *held = listed(judge, path);
    if (held)
        return json_get_flag(held, privilege, &propagates);
    for (char *slash; (slash = strrchr(path, '/'));) {
        slash[slash == path] = '\0';
        held = listed(judge, path);
        if (held)
            return json_get_flag(held, privilege, &propagates) && propagates;
        if (!path[1])
            break;
    }
    return false;
}

struct lack {
    const char *privilege;
    size_t members, lacking;
    int *vmids; /* the lacking ones */
};

static bool holds_on_guest(struct judge *judge, size_t index, const char *privilege)
{
    bool propagates = false;
    if (judge->held_on[index])
        return json_get_flag(judge->held_on[index], privilege, &propagates);
    return privileges_on_guest(judge->permissions, judge->scope->guests[index].vmid, privilege);
}

static bool count_lacking(struct judge *judge, const char *pool, struct lack *lack)
{
    const struct privileges_scope *scope = judge->scope;
    lack->vmids = calloc(scope->guest_count ? scope->guest_count : 1, sizeof(*lack->vmids));
    for (size_t i = 0; lack->vmids && i < scope->guest_count; i++) {
        const struct privileges_guest *guest = &scope->guests[i];
        if (!guest->pool || strcmp(guest->pool, pool) != 0)
            continue;
        lack->members++;
        if (!holds_on_guest(judge, i, lack->privilege))
            lack->vmids[lack->lacking++] = guest->vmid;
    }
    return lack->vmids != NULL;
}

/* What a pool does not give is missing there; what it gives and a guest has not was taken away by NoAccess,
 * which takes all away. */
static void find_lack(struct judge *judge, const char *pool, const char *path)
{
    struct lack lacks[] = {{.privilege = AUDIT}, {.privilege = POWER}};
    const char *on_pool[ARRAY_LEN(lacks)], *on_guests[ARRAY_LEN(lacks)];
    char guest[32];
    struct privileges_case whole = {.kind = PRIVILEGES_MISSING,
                                    .what = CASE_POOL_LACKS,
                                    .path = path,
                                    .pool = pool,
                                    .privileges = on_pool,
                                    .held = listed(judge, path)};
    struct privileges_case some = {.kind = PRIVILEGES_MISSING,
                                   .what = CASE_GUESTS_LACK,
                                   .path = guest,
                                   .pool = pool,
                                   .privileges = on_guests};
    for (size_t i = 0; i < ARRAY_LEN(lacks) && !judge->failed; i++) {
        judge->failed = !count_lacking(judge, pool, &lacks[i]);
        bool given = holds(judge, pool, lacks[i].privilege);
        if (!given && (lacks[i].lacking || !lacks[i].members))
            on_pool[whole.count++] = lacks[i].privilege;
        if (given && lacks[i].lacking) {
            on_guests[some.count++] = lacks[i].privilege;
            some.vmids = lacks[i].vmids;
            some.vmid_count = lacks[i].lacking;
            snprintf(guest, sizeof(guest), "/vms/%d", lacks[i].vmids[0]);
        }
    }
    if (whole.count)
        add(judge, &whole);
    if (some.count)
        add(judge, &some);
    for (size_t i = 0; i < ARRAY_LEN(lacks); i++)
        free(lacks[i].vmids);
}

/* What is listed for / is effective there, whether it propagates or not. */
static void find_lack_of_status(struct judge *judge)
{
    static const char *status[] = {STATUS};
    bool propagates = false;
    struct privileges_case found = {
        .kind = PRIVILEGES_MISSING, .what = CASE_NO_HA_STATUS, .path = "/", .privileges = status, .count = 1};
    if (judge->scope->ha_status && !json_get_flag(listed(judge, "/"), STATUS, &propagates))
        add(judge, &found);
}

/* ---- what could be better ---- */

static bool is_blamed(const struct judge *judge, const char *path)
{
    for (size_t i = 0; i < judge->report->count; i++) {
        if (strcmp(judge->report->findings[i].path, path) == 0)
            return true;
    }
    return false;
}

static void find_hints(struct judge *judge, const char *pool, const char *path)
{
    static const char *members[] = {MEMBERS}, *monitor[] = {MONITOR};
    struct privileges_case found = {
        .kind = PRIVILEGES_HINT, .path = path, .pool = pool, .count = 1, .held = listed(judge, path)};
    bool propagates = false;
    if (is_blamed(judge, path)) /* to be mended anyway */
        return;
    if (!holds(judge, pool, MEMBERS)) {
        found.what = CASE_NO_POOL_AUDIT;
        found.privileges = members;
        add(judge, &found);
    }
    if (json_get_flag(found.held, MONITOR, &propagates)) {
        found.what = CASE_MONITOR;
        found.privileges = monitor;
        add(judge, &found);
    }
}

static bool may_fence(struct judge *judge)
{
    for (size_t i = 0; i < judge->scope->guest_count; i++) {
        if (holds_on_guest(judge, i, POWER) && holds_on_guest(judge, i, AUDIT))
            return true;
    }
    return false;
}

/* ---- the whole ---- */

static void for_each_pool(struct judge *judge,
                          void (*find)(struct judge *, const char *pool, const char *path))
{
    for (size_t i = 0; i < judge->scope->pool_count; i++) {
        const char *pool = judge->scope->pools[i];
        _cleanup_(freep) char *path = malloc(strlen(pool) + sizeof("/pool/"));
        if (!path) {
            judge->failed = true;
            return;
        }
        memcpy(path, "/pool/", sizeof("/pool/"));
        memcpy(path + 6, pool, strlen(pool) + 1);
        find(judge, pool, path);
    }
}

/* The places that are guests, or those that are none. */
static void add_places(struct judge *judge, bool guests)
{
    json_object_object_foreach(judge->permissions, path, held)
    {
        if (!json_object_is_type(held, json_type_object) || (vmid_of(path) != 0) != guests)
            continue;
        struct place place = place_of(judge, path, held);
        if (place.own)
            judge->held_on[place.own - judge->scope->guests] = held;
        judge->places[judge->place_count++] = place;
    }
}

static bool collect_places(struct judge *judge)
{
    bool is_object = json_object_is_type(judge->permissions, json_type_object);
    size_t count = is_object ? (size_t)json_object_object_length(judge->permissions) : 0;
    judge->places = calloc(count ? count : 1, sizeof(*judge->places));
    judge->held_on =
        calloc(judge->scope->guest_count ? judge->scope->guest_count : 1, sizeof(*judge->held_on));
    judge->by_pool = json_object_new_object();
    if (!judge->places || !judge->held_on || !judge->by_pool)
        return false;
    if (!count)
        return true;
    add_places(judge, false);
    qsort(judge->places, judge->place_count, sizeof(*judge->places), compare_places);
    judge->guests_from = judge->place_count;
    add_places(judge, true);
    return true;
}

struct privileges_report *privileges_judge(struct json_object *permissions,
                                           const struct privileges_scope *scope)
{
    _cleanup_(privileges_report_freep) struct privileges_report *report = calloc(1, sizeof(*report));
    struct judge judge = {.permissions = permissions, .scope = scope, .report = report};
    judge.failed = !report || !collect_places(&judge);
    if (!judge.failed)
        find_excess(&judge);
    if (!judge.failed)
        for_each_pool(&judge, find_lack);
    if (!judge.failed)
        find_lack_of_status(&judge);
    if (!judge.failed)
        for_each_pool(&judge, find_hints);
    if (!judge.failed)
        report->may_fence = may_fence(&judge);
    free(judge.places);
    free(judge.held_on);
    free(judge.privileges);
    json_object_put(judge.by_pool);
    json_object_put(judge.above);
    free(judge.folder);
    return judge.failed ? NULL : TAKE(report);
}

void privileges_report_free(struct privileges_report *report)
{
    for (size_t i = 0; report && i < report->count; i++)
        finding_clear(&report->findings[i]);
    if (report)
        free(report->findings);
    free(report);
}

void privileges_report_freep(struct privileges_report **report)
{
    privileges_report_free(*report);
    *report = NULL;
}

static bool same_finding(const struct privileges_finding *a, const struct privileges_finding *b)
{
    bool same = a->kind == b->kind && a->privilege_count == b->privilege_count &&
                strcmp(a->path, b->path) == 0 && strcmp(a->message, b->message) == 0 &&
                strcmp(a->mend, b->mend) == 0;
    for (size_t i = 0; same && i < a->privilege_count; i++)
        same = strcmp(a->privileges[i], b->privileges[i]) == 0;
    return same;
}

bool privileges_report_same(const struct privileges_report *a, const struct privileges_report *b)
{
    bool same = !a == !b && (!a || a->count == b->count);
    for (size_t i = 0; same && a && i < a->count; i++)
        same = same_finding(&a->findings[i], &b->findings[i]);
    return same;
}

const struct privileges_finding *privileges_first(const struct privileges_report *report,
                                                  enum privileges_kind kind)
{
    for (size_t i = 0; report && i < report->count; i++) {
        if (report->findings[i].kind == kind && !report->findings[i].minor)
            return &report->findings[i];
    }
    return NULL;
}

const char *privileges_kind_name(enum privileges_kind kind)
{
    static const char *const names[] = {
        [PRIVILEGES_EXCESS] = "excess", [PRIVILEGES_MISSING] = "missing", [PRIVILEGES_HINT] = "hint"};
    return (size_t)kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}
