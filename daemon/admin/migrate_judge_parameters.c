/* Parameters one by one: what is carried over, what the broker does otherwise, and what has no counterpart.
 * A parameter that is not in the table is told by its name. */
#include "admin/migrate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

/* Carried over, or told elsewhere. */
static const char *const carried[] = {"ip",
                                      "ipaddr",
                                      "ipport",
                                      "login",
                                      "username",
                                      "passwd",
                                      "password",
                                      "passwd_script",
                                      "password_script",
                                      "realm",
                                      "port",
                                      "plug",
                                      "plug_separator",
                                      "pve_node",
                                      "pve_node_auto",
                                      "node_name",
                                      "vmtype",
                                      "method",
                                      "delay",
                                      "ssl_insecure",
                                      "pcmk_host_map",
                                      "pcmk_host_list",
                                      "pcmk_host_argument",
                                      "pcmk_delay_base",
                                      "pcmk_delay_max",
                                      "pcmk_action_limit",
                                      "pcmk_reboot_timeout",
                                      "pcmk_off_timeout",
                                      "pcmk_on_timeout",
                                      "pcmk_reboot_action"};

static const struct {
    const char *name;
    bool note; /* dropped without harm; else a person should know */
    const char *what;
} dropped[] = {
    {"nodename", true, "nodename= is overridden by Pacemaker's own"},
    {"ssl", true,
     "ssl= changes nothing with today's agent; before April 2022 it verified only with ssl or ssl_secure"},
    {"ssl_secure", true,
     "ssl_secure= changes nothing with today's agent; before April 2022 it verified only with ssl or "
     "ssl_secure"},
    {"pcmk_host_check", true, "pcmk_host_check is not needed: the broker says which nodes it can fence"},
    {"pcmk_monitor_timeout", true,
     "pcmk_monitor_timeout is not carried over: the broker answers a monitor at once"},
    {"pcmk_status_timeout", true,
     "pcmk_status_timeout is not carried over: the broker answers a status in seconds"},
    {"pcmk_list_timeout", true, "pcmk_list_timeout is not carried over: the broker answers a list at once"},
    {"power_wait", false, "power_wait has no counterpart: the broker waits for a proof, not for a time"},
    {"power_timeout", false,
     "power_timeout is not carried over: the broker's deadline is [fence] deadline (240s)"},
    {"shell_timeout", false, "shell_timeout has no counterpart: see answer-timeout in fence-broker.conf"},
    {"login_timeout", false, "login_timeout has no counterpart: the broker is logged in before"},
    {"disable_timeout", false,
     "disable_timeout=false makes power_timeout, shell_timeout and login_timeout count, which are otherwise "
     "off under Pacemaker; it is not taken over"},
    {"retry_on", true, "retry_on is not carried over: the broker tries again until its deadline"},
    {"stonith_status_sleep", true,
     "stonith_status_sleep is not carried over: the broker reads as often as it takes"},
    {"verbose", true, "verbose= can log the ticket of the session: it is dropped"},
    {"verbose_level", true, "verbose_level= can log the ticket of the session: it is dropped"},
    {"debug", false,
     "debug= writes a file that can have the session's ticket: it is dropped; remove the file from the "
     "nodes"},
    {"debug_file", false,
     "debug_file= has what can be the session's ticket: it is dropped; remove the file from the nodes"},
    {"action", false,
     "action= among the parameters is never passed on, so it changes nothing; see pcmk_reboot_action"},
    {"option", false, "option= is the old word for action=, which Pacemaker decides"},
    {"quiet", true, "quiet= is dropped"},
    {"priority", false, "priority= among the parameters does nothing; it is a meta attribute"},
};

static bool judge_known(struct migrate *migrate, const struct migrate_device *device, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(carried); i++)
        if (strcmp(carried[i], name) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
        if (strcmp(dropped[i].name, name) == 0) {
            migrate_put_told(migrate, dropped[i].note, device->id, dropped[i].what);
            return true;
        }
    return false;
}

static void judge_other(struct migrate *migrate, const struct migrate_device *device,
                        const struct cib_pair *pair)
{
    size_t length = strlen(pair->name);
    bool pcmk = strncmp(pair->name, "pcmk_", 5) == 0;
    if (pcmk && length > 8 && strcmp(pair->name + length - 8, "_retries") == 0)
        migrate_tell(migrate, device->id,
                     "%s=%s is not carried over: the broker tries again by itself, until its deadline",
                     pair->name, pair->value);
    else if (pcmk && length > 7 && strcmp(pair->name + length - 7, "_action") == 0)
        migrate_tell(migrate, device->id, "%s=%s is not carried over: confirm that nobody needs it",
                     pair->name, pair->value);
    else
        migrate_tell(migrate, device->id, "%s= has no counterpart, and is not carried over", pair->name);
}

static void judge_actions(struct migrate *migrate, const struct migrate_device *device)
{
    const char *reboot = migrate_parameter(device, "pcmk_reboot_action");
    if (reboot && strcmp(reboot, "off") == 0)
        migrate_note(migrate, device->id, "pcmk_reboot_action=off: nodes stay down after a fence");
    else if (reboot && strcmp(reboot, "reboot") != 0)
        migrate_tell(migrate, device->id, "pcmk_reboot_action=%s is not carried over", reboot);
}

/* Pacemaker waits between base and max, the agent's own delay comes on top. */
static void judge_delays(struct migrate *migrate, const struct migrate_device *device)
{
    long long most = cib_milliseconds(migrate_parameter(device, "pcmk_delay_max"));
    long long own = cib_milliseconds(migrate_value(device, "delay"));
    const char *base = migrate_parameter(device, "pcmk_delay_base");
    if (own > 0)
        migrate_tell(
            migrate, device->id,
            "delay=%lld (the agent's) comes on top of Pacemaker's delays, for all its nodes, and counts "
            "against the time-out; it becomes part of pcmk_delay_base",
            migrate_seconds(own));
    if (most > 0 && base && strpbrk(base, ":="))
        migrate_tell(
            migrate, device->id,
            "with pcmk_delay_max=%llds each node waits a random time from its pcmk_delay_base up to that: "
            "these can overlap, and two nodes shoot each other",
            migrate_seconds(most));
}

void migrate_judge_parameters(struct migrate *migrate, const struct migrate_device *device)
{
    for (size_t i = 0; i < device->view->parameters.count; i++) {
        const struct cib_pair *pair = &device->view->parameters.list[i];
        if (!judge_known(migrate, device, pair->name))
            judge_other(migrate, device, pair);
    }
    judge_actions(migrate, device);
    judge_delays(migrate, device);
}
