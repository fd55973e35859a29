/*
 * The API: which calls there are, who may make them, with which parameters, and what they answer.
 *
 * Order as in the real one: login, call, privilege, way to the host, parameters, work. Knows no connections.
 */
#pragma once

#include "call.h"
#include "cluster.h"

enum param_type { PARAM_STRING, PARAM_INTEGER, PARAM_BOOLEAN };

struct param_rule {
    const char *name;
    enum param_type type;
    bool required;
    bool root_only;
    int since_major, since_minor; /* 0: always known */
};

/* Answers a call that has passed all checks; reply->status is 200 and its body empty. */
typedef void api_handler(struct sim *sim, struct call *call, struct reply *reply);

enum { API_NO_LOGIN = 1, API_PROXIED = 2 };

struct api_row {
    const char *name; /* for faults, statistics and log */
    const char *method, *path;
    unsigned flags;
    const char *check_path; /* "/vms/%": with the vmid; NULL: the handler decides */
    const char *privileges; /* one of these, separated by | */
    const struct param_rule *params;
    api_handler *handler; /* NULL: outside what is simulated */
};

extern const struct api_row api_rows[];
extern const size_t api_row_count;

/* Find the row, the call's name, its node and guest. Before any check. */
void api_route(const struct sim *sim, struct call *call);
/* Run all checks and the call. */
void api_run(struct sim *sim, struct call *call, struct reply *reply);
/* Names of all calls, for statistics; NULL from `index` on that is not there. */
const char *api_call_name(size_t index);

/* for handlers */
void api_error(const struct sim *sim, struct reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void api_param_error(const struct sim *sim, struct reply *reply, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* how late a 401 comes */
int64_t api_denied_delay_ms(const struct sim *sim);
/* Refuse with 403 unless the caller holds one of the privileges; true if it may. */
bool api_require(const struct sim *sim, const struct call *call, struct reply *reply, const char *path,
                 const char *privileges);
/* {"data": … : the handler goes on from here and ends with api_data_end() */
struct out api_data(struct reply *reply);
void api_data_end(struct out *out);

/* api_access.c */
api_handler api_version, api_domains, api_ticket, api_permissions;
/* api_lists.c */
api_handler api_resources, api_pools, api_pool, api_nodes;
/* api_guest.c */
api_handler api_status, api_config, api_power;
/* api_ha.c */
api_handler api_ha_status;
/* api_provision.c */
api_handler api_roles, api_role, api_change_role, api_create_pool, api_update_pool, api_delete_pool;
api_handler api_groups, api_update_user, api_change_group, api_create_user, api_user, api_delete_user,
    api_token, api_acl, api_change_acl;
/* api_tasks.c */
api_handler api_tasks, api_task_status;
