/*
 * What comes in answer to a round's questions: checked, kept, and turned into the round's error where it is
 * not what it should be. Knows neither when a question is asked nor what is made of the answers.
 *
 * Membership of a pool is read from the pool itself; without Pool.Audit (403) by the query that needs none,
 * and where Proxmox knows no such query from our own privileges, if they can come from that pool alone (P2).
 */
#include "proxmox/poller_private.h"

#include "policy/privileges.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <stdio.h>
#include <string.h>

void poller_put_json(struct json_object **slot)
{
    if (*slot)
        json_object_put(*slot);
    *slot = NULL;
}

static void take_version(struct poller *poller, struct json_object *data)
{
    const char *text = NULL;
    int major = 0, minor = 0;
    if (!json_get_string(data, "version", &text) || strlen(text) >= POLLER_VERSION_MAX ||
        sscanf(text, "%3d.%2d", &major, &minor) != 2 || major < 0 || minor < 0)
        return;
    poller->version_ms = poller->began_ms;
    if (poller->version && strcmp(poller->version, text) == 0)
        return;
    char *copy = strdup(text);
    if (!copy)
        return;
    free(poller->version);
    poller->version = copy;
    poller->release = major * 100 + minor;
}

/* The error that a user should read: the first one of the round that is not a mere consequence. */
static void note_error(struct poller *poller, const struct error *error)
{
    if (poller->round_error.code == ERROR_NONE)
        poller->round_error = *error;
}

static void take_resources(struct poller *poller, const struct api_result *result)
{
    poller->guests_ms = result->asked_ms;
    if (result->outcome != API_OK) {
        note_error(poller, &result->error);
        return;
    }
    poller->guests = guest_list_ref(result->guests);
    poller->nodes = json_object_get(result->data);
}

static void take_permissions(struct poller *poller, const struct api_result *result)
{
    if (result->outcome != API_OK) {
        if (!poller->permissions)
            note_error(poller, &result->error);
        poller->permissions_due = true;
    } else {
        poller_put_json(&poller->permissions);
        poller->permissions = json_object_get(result->data);
        poller->permissions_ms = result->received_ms;
        poller->permissions_read = true;
    }
}

/* Proxmox does not tell: our privileges have to, or the configuration is wrong. */
static void take_pool_by_privileges(struct poller *poller, struct pool_answer *pool)
{
    struct error error = {0};
    _cleanup_(freep) const char **names = calloc(poller->pool_count, sizeof(*names));
    for (size_t i = 0; names && i < poller->pool_count; i++)
        names[i] = poller->pools[i].name;
    pool->by_privileges =
        names && privileges_stand_for_pool(poller->permissions, pool->name, names, poller->pool_count);
    if (pool->by_privileges)
        return;
    poller->pool_hidden = true;
    error_set(&error, ERROR_EMPTY_POOL, "pool %s does not exist, or we may not see its members", pool->name);
    error_hint(
        &error,
        "check pool = %s in fence-broker.conf, and grant Pool.Audit with the other privileges on /pool/%s",
        pool->name, pool->name);
    note_error(poller, &error);
}

/* False: the pool is to be asked once more, in another way. */
static bool take_pool(struct poller *poller, struct pool_answer *pool, const struct api_result *result)
{
    struct error error = {0};
    pool->by_privileges = false;
    pool->asked = true;
    if (result->outcome == API_REFUSED && result->http_status == 403 && !pool->by_query) {
        pool->by_query = true;
        return false;
    }
    if (result->outcome == API_REFUSED && result->http_status == 500 &&
        strstr(result->reason, "does not exist")) {
        error_set(&error, ERROR_EMPTY_POOL, "pool %s does not exist", pool->name);
        error_hint(&error,
                   "check pool = %s in fence-broker.conf; `pveum pool list` on a Proxmox host names them; to "
                   "create it: `pveum pool add %s; pveum pool modify %s --vms VMID,VMID`",
                   pool->name, pool->name, pool->name);
        note_error(poller, &error);
        return true;
    }
    if (result->outcome == API_REFUSED &&
        (result->http_status == 400 || result->http_status == 403 || result->http_status == 501)) {
        take_pool_by_privileges(poller, pool);
        return true;
    }
    if (result->outcome != API_OK) {
        note_error(poller, &result->error);
        return true;
    }
    if (!result->guests) {
        error_set(&error, ERROR_PROTOCOL, "Proxmox at %s answered pool %s without its members",
                  result->endpoint_text, pool->name);
        note_error(poller, &error);
        return true;
    }
    pool->members = guest_list_ref(result->guests);
    return true;
}

void poller_take_answer(struct poller *poller, const struct api_result *result)
{
    switch (poller->question) {
    case ASK_VERSION:
        if (result->outcome == API_OK)
            take_version(poller, result->data);
        else
            note_error(poller, &result->error);
        break;
    case ASK_PERMISSIONS:
        take_permissions(poller, result);
        break;
    case ASK_RESOURCES:
        take_resources(poller, result);
        break;
    case ASK_POOLS:
        if (!take_pool(poller, &poller->pools[poller->pool], result))
            return; /* the same pool again */
        if (++poller->pool < poller->pool_count)
            return;
        break;
    case ASK_NOTHING:
        return;
    }
    poller->question++;
}
