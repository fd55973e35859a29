/*
 * The calls that there are, with their parameters and the privileges they need. A table and nothing else.
 */
#include "api.h"
#include "system/cleanup.h"

static const struct param_rule no_params[] = {{0}};
static const struct param_rule ticket_params[] = {{"username", PARAM_STRING, true, false, 0, 0},
                                                  {"password", PARAM_STRING, true, false, 0, 0},
                                                  {"realm", PARAM_STRING, false, false, 0, 0},
                                                  {"otp", PARAM_STRING, false, false, 0, 0},
                                                  {"path", PARAM_STRING, false, false, 0, 0},
                                                  {"privs", PARAM_STRING, false, false, 0, 0},
                                                  {"new-format", PARAM_BOOLEAN, false, false, 0, 0},
                                                  {"tfa-challenge", PARAM_STRING, false, false, 0, 0},
                                                  {0}};
static const struct param_rule permissions_params[] = {
    {"userid", PARAM_STRING, false, false, 0, 0}, {"path", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule resources_params[] = {{"type", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule pools_params[] = {
    {"poolid", PARAM_STRING, false, false, 8, 1}, {"type", PARAM_STRING, false, false, 8, 1}, {0}};
static const struct param_rule config_params[] = {
    {"current", PARAM_BOOLEAN, false, false, 0, 0}, {"snapshot", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule qemu_stop_params[] = {{"timeout", PARAM_INTEGER, false, false, 0, 0},
                                                     {"skiplock", PARAM_BOOLEAN, false, true, 0, 0},
                                                     {"migratedfrom", PARAM_STRING, false, true, 0, 0},
                                                     {"keepActive", PARAM_BOOLEAN, false, true, 0, 0},
                                                     {"overrule-shutdown", PARAM_BOOLEAN, false, false, 8, 2},
                                                     {0}};
static const struct param_rule lxc_stop_params[] = {{"skiplock", PARAM_BOOLEAN, false, true, 0, 0},
                                                    {"overrule-shutdown", PARAM_BOOLEAN, false, false, 8, 2},
                                                    {0}};
static const struct param_rule qemu_start_params[] = {{"timeout", PARAM_INTEGER, false, false, 0, 0},
                                                      {"skiplock", PARAM_BOOLEAN, false, true, 0, 0},
                                                      {"migratedfrom", PARAM_STRING, false, true, 0, 0},
                                                      {"migration_type", PARAM_STRING, false, true, 0, 0},
                                                      {"migration_network", PARAM_STRING, false, true, 0, 0},
                                                      {"stateuri", PARAM_STRING, false, true, 0, 0},
                                                      {"machine", PARAM_STRING, false, false, 0, 0},
                                                      {"force-cpu", PARAM_STRING, false, true, 0, 0},
                                                      {"targetstorage", PARAM_STRING, false, true, 0, 0},
                                                      {0}};
static const struct param_rule lxc_start_params[] = {
    {"skiplock", PARAM_BOOLEAN, false, true, 0, 0}, {"debug", PARAM_BOOLEAN, false, false, 0, 0}, {0}};
static const struct param_rule reset_params[] = {{"skiplock", PARAM_BOOLEAN, false, true, 0, 0}, {0}};
static const struct param_rule reboot_params[] = {{"timeout", PARAM_INTEGER, false, false, 0, 0}, {0}};
static const struct param_rule shutdown_params[] = {{"timeout", PARAM_INTEGER, false, false, 0, 0},
                                                    {"skiplock", PARAM_BOOLEAN, false, true, 0, 0},
                                                    {"forceStop", PARAM_BOOLEAN, false, false, 0, 0},
                                                    {"keepActive", PARAM_BOOLEAN, false, true, 0, 0},
                                                    {0}};
static const struct param_rule tasks_params[] = {{"vmid", PARAM_INTEGER, false, false, 0, 0},
                                                 {"limit", PARAM_INTEGER, false, false, 0, 0},
                                                 {"start", PARAM_INTEGER, false, false, 0, 0},
                                                 {"since", PARAM_INTEGER, false, false, 0, 0},
                                                 {"until", PARAM_INTEGER, false, false, 0, 0},
                                                 {"errors", PARAM_BOOLEAN, false, false, 0, 0},
                                                 {"source", PARAM_STRING, false, false, 0, 0},
                                                 {"typefilter", PARAM_STRING, false, false, 0, 0},
                                                 {"userfilter", PARAM_STRING, false, false, 0, 0},
                                                 {"statusfilter", PARAM_STRING, false, false, 0, 0},
                                                 {0}};

static const struct param_rule role_create_params[] = {
    {"roleid", PARAM_STRING, true, false, 0, 0}, {"privs", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule role_params[] = {{"privs", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule pool_create_params[] = {
    {"poolid", PARAM_STRING, true, false, 0, 0}, {"comment", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule pool_update_params[] = {{"poolid", PARAM_STRING, false, false, 8, 1},
                                                       {"comment", PARAM_STRING, false, false, 0, 0},
                                                       {"vms", PARAM_STRING, false, false, 0, 0},
                                                       {"storage", PARAM_STRING, false, false, 0, 0},
                                                       {"delete", PARAM_BOOLEAN, false, false, 0, 0},
                                                       {"allow-move", PARAM_BOOLEAN, false, false, 8, 1},
                                                       {0}};
static const struct param_rule pool_delete_params[] = {{"poolid", PARAM_STRING, false, false, 8, 1}, {0}};
static const struct param_rule group_create_params[] = {
    {"groupid", PARAM_STRING, true, false, 0, 0}, {"comment", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule user_create_params[] = {
    {"userid", PARAM_STRING, true, false, 0, 0},    {"groups", PARAM_STRING, false, false, 0, 0},
    {"enable", PARAM_BOOLEAN, false, false, 0, 0},  {"expire", PARAM_INTEGER, false, false, 0, 0},
    {"comment", PARAM_STRING, false, false, 0, 0},  {"email", PARAM_STRING, false, false, 0, 0},
    {"password", PARAM_STRING, false, false, 0, 0}, {0}};
static const struct param_rule user_update_params[] = {
    {"groups", PARAM_STRING, false, false, 0, 0}, {"append", PARAM_BOOLEAN, false, false, 0, 0}, {0}};
static const struct param_rule token_params[] = {{"privsep", PARAM_BOOLEAN, false, false, 0, 0},
                                                 {"expire", PARAM_INTEGER, false, false, 0, 0},
                                                 {"comment", PARAM_STRING, false, false, 0, 0},
                                                 {0}};
static const struct param_rule acl_params[] = {
    {"path", PARAM_STRING, true, false, 0, 0},     {"roles", PARAM_STRING, true, false, 0, 0},
    {"users", PARAM_STRING, false, false, 0, 0},   {"groups", PARAM_STRING, false, false, 0, 0},
    {"tokens", PARAM_STRING, false, false, 0, 0},  {"propagate", PARAM_BOOLEAN, false, false, 0, 0},
    {"delete", PARAM_BOOLEAN, false, false, 0, 0}, {0}};

#define VM_CONFIG                                                                                            \
    "VM.Config.Disk|VM.Config.CDROM|VM.Config.CPU|VM.Config.Memory|VM.Config.Network|VM.Config.HWType|"      \
    "VM.Config.Options|VM.Config.Cloudinit"

const struct api_row api_rows[] = {
    {"version", "GET", "/version", 0, NULL, NULL, no_params, api_version},
    {"domains", "GET", "/access/domains", API_NO_LOGIN, NULL, NULL, no_params, api_domains},
    {"ticket", "POST", "/access/ticket", API_NO_LOGIN, NULL, NULL, ticket_params, api_ticket},
    {"permissions", "GET", "/access/permissions", 0, NULL, NULL, permissions_params, api_permissions},
    {"ha-status", "GET", "/cluster/ha/status/current", 0, "/", "Sys.Audit", no_params, api_ha_status},
    {"resources", "GET", "/cluster/resources", 0, NULL, NULL, resources_params, api_resources},
    {"pools", "GET", "/pools", 0, NULL, NULL, pools_params, api_pools},
    {"pool", "GET", "/pools/{poolid}", 0, NULL, NULL, no_params, api_pool},
    {"nodes", "GET", "/nodes", 0, NULL, NULL, no_params, api_nodes},
    {"status", "GET", "/nodes/{node}/{type}/{vmid}/status/current", API_PROXIED, "/vms/%", "VM.Audit",
     no_params, api_status},
    {"config", "GET", "/nodes/{node}/{type}/{vmid}/config", API_PROXIED, "/vms/%", "VM.Audit", config_params,
     api_config},
    {"start", "POST", "/nodes/{node}/qemu/{vmid}/status/start", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     qemu_start_params, api_power},
    {"stop", "POST", "/nodes/{node}/qemu/{vmid}/status/stop", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     qemu_stop_params, api_power},
    {"reset", "POST", "/nodes/{node}/qemu/{vmid}/status/reset", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     reset_params, api_power},
    {"shutdown", "POST", "/nodes/{node}/qemu/{vmid}/status/shutdown", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     shutdown_params, api_power},
    {"reboot", "POST", "/nodes/{node}/qemu/{vmid}/status/reboot", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     reboot_params, api_power},
    {"start", "POST", "/nodes/{node}/lxc/{vmid}/status/start", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     lxc_start_params, api_power},
    {"stop", "POST", "/nodes/{node}/lxc/{vmid}/status/stop", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     lxc_stop_params, api_power},
    {"shutdown", "POST", "/nodes/{node}/lxc/{vmid}/status/shutdown", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     shutdown_params, api_power},
    {"reboot", "POST", "/nodes/{node}/lxc/{vmid}/status/reboot", API_PROXIED, "/vms/%", "VM.PowerMgmt",
     reboot_params, api_power},
    {"tasks", "GET", "/nodes/{node}/tasks", API_PROXIED, NULL, NULL, tasks_params, api_tasks},
    {"task", "GET", "/nodes/{node}/tasks/{upid}/status", API_PROXIED, NULL, NULL, no_params, api_task_status},
    /* what an administrator needs to make pool, group, user, role, grant and token */
    {"roles", "GET", "/access/roles", 0, NULL, NULL, no_params, api_roles},
    {"role", "GET", "/access/roles/{roleid}", 0, NULL, NULL, no_params, api_role},
    {"create-role", "POST", "/access/roles", 0, "/access", "Sys.Modify", role_create_params, api_change_role},
    {"modify-role", "PUT", "/access/roles/{roleid}", 0, "/access", "Sys.Modify", role_params,
     api_change_role},
    {"delete-role", "DELETE", "/access/roles/{roleid}", 0, "/access", "Sys.Modify", no_params,
     api_change_role},
    {"create-pool", "POST", "/pools", 0, NULL, NULL, pool_create_params, api_create_pool},
    {"update-pool", "PUT", "/pools", 0, NULL, NULL, pool_update_params, api_update_pool},
    {"update-pool", "PUT", "/pools/{poolid}", 0, NULL, NULL, pool_update_params, api_update_pool},
    {"delete-pool", "DELETE", "/pools", 0, NULL, NULL, pool_delete_params, api_delete_pool},
    {"delete-pool", "DELETE", "/pools/{poolid}", 0, NULL, NULL, no_params, api_delete_pool},
    {"groups", "GET", "/access/groups", 0, "/access/groups", "User.Modify|Sys.Audit", no_params, api_groups},
    {"create-group", "POST", "/access/groups", 0, "/access/groups", "Group.Allocate", group_create_params,
     api_change_group},
    {"delete-group", "DELETE", "/access/groups/{groupid}", 0, "/access/groups", "Group.Allocate", no_params,
     api_change_group},
    {"create-user", "POST", "/access/users", 0, "/access/groups", "User.Modify", user_create_params,
     api_create_user},
    {"user", "GET", "/access/users/{userid}", 0, "/access/groups", "User.Modify|Sys.Audit", no_params,
     api_user},
    {"update-user", "PUT", "/access/users/{userid}", 0, "/access/groups", "User.Modify", user_update_params,
     api_update_user},
    {"delete-user", "DELETE", "/access/users/{userid}", 0, "/access/groups", "User.Modify", no_params,
     api_delete_user},
    {"create-token", "POST", "/access/users/{userid}/token/{tokenid}", 0, "/access/groups", "User.Modify",
     token_params, api_token},
    {"token", "GET", "/access/users/{userid}/token/{tokenid}", 0, "/access/groups", "User.Modify|Sys.Audit",
     no_params, api_token},
    {"delete-token", "DELETE", "/access/users/{userid}/token/{tokenid}", 0, "/access/groups", "User.Modify",
     no_params, api_token},
    {"acl", "GET", "/access/acl", 0, "/access", "Sys.Audit", no_params, api_acl},
    {"update-acl", "PUT", "/access/acl", 0, NULL, NULL, acl_params, api_change_acl},
    /* calls of real hosts that are here only to be refused */
    {"destroy", "DELETE", "/nodes/{node}/qemu/{vmid}", API_PROXIED, "/vms/%", "VM.Allocate", NULL, NULL},
    {"set-config", "PUT", "/nodes/{node}/qemu/{vmid}/config", API_PROXIED, "/vms/%", VM_CONFIG, NULL, NULL},
    {"node-command", "POST", "/nodes/{node}/status", API_PROXIED, "/nodes/%", "Sys.PowerMgmt", NULL, NULL},
    {"console", "POST", "/nodes/{node}/qemu/{vmid}/vncproxy", API_PROXIED, "/vms/%", "VM.Console", NULL,
     NULL},
};

const size_t api_row_count = ARRAY_LEN(api_rows);
