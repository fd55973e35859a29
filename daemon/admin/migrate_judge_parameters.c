/* Parameters one by one: what is carried over, what the broker does otherwise, and what has no counterpart.
 * A parameter that is not in the table is told by its name. */
#include "admin/migrate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

enum fate {
    FATE_KNOWN,  /* told elsewhere, or carried over */
    FATE_CANNOT, /* a person should know */
    FATE_NOTE,   /* dropped without harm */
};

static const struct {
    const char *name;
    enum fate fate;
    const char *what;
} parameters[] = {
    {"ip", FATE_KNOWN, NULL},
    {"ipaddr", FATE_KNOWN, NULL},
    {"ipport", FATE_KNOWN, NULL},
    {"login", FATE_KNOWN, NULL},
    {"username", FATE_KNOWN, NULL},
    {"passwd", FATE_KNOWN, NULL},
    {"password", FATE_KNOWN, NULL},
    {"passwd_script", FATE_KNOWN, NULL},
    {"password_script", FATE_KNOWN, NULL},
    {"realm", FATE_KNOWN, NULL},
    {"port", FATE_KNOWN, NULL},
    {"plug", FATE_KNOWN, NULL},
    {"plug_separator", FATE_KNOWN, NULL},
    {"pve_node", FATE_KNOWN, NULL},
    {"pve_node_auto", FATE_KNOWN, NULL},
    {"node_name", FATE_KNOWN, NULL},
    {"nodename", FATE_NOTE, "nodename= is overridden by Pacemaker's own"},
    {"vmtype", FATE_KNOWN, NULL},
    {"method", FATE_KNOWN, NULL},
    {"delay", FATE_KNOWN, NULL},
    {"ssl_insecure", FATE_KNOWN, NULL},
    {"ssl", FATE_NOTE,
     "ssl= changes nothing with today's agent; before April 2022 it verified only with ssl or ssl_secure"},
    {"ssl_secure", FATE_NOTE,
     "ssl_secure= changes nothing with today's agent; before April 2022 it verified only with ssl or "
     "ssl_secure"},
    {"pcmk_host_map", FATE_KNOWN, NULL},
    {"pcmk_host_list", FATE_KNOWN, NULL},
    {"pcmk_host_check", FATE_NOTE, "pcmk_host_check is not needed: the broker says which nodes it can fence"},
    {"pcmk_host_argument", FATE_KNOWN, NULL},
    {"pcmk_delay_base", FATE_KNOWN, NULL},
    {"pcmk_delay_max", FATE_KNOWN, NULL},
    {"pcmk_action_limit", FATE_KNOWN, NULL},
    {"pcmk_reboot_timeout", FATE_KNOWN, NULL},
    {"pcmk_off_timeout", FATE_KNOWN, NULL},
    {"pcmk_on_timeout", FATE_KNOWN, NULL},
    {"pcmk_reboot_action", FATE_KNOWN, NULL},
    {"pcmk_monitor_timeout", FATE_NOTE,
     "pcmk_monitor_timeout is not carried over: the broker answers a monitor at once"},
    {"pcmk_status_timeout", FATE_NOTE,
     "pcmk_status_timeout is not carried over: the broker answers a status in seconds"},
    {"pcmk_list_timeout", FATE_NOTE,
     "pcmk_list_timeout is not carried over: the broker answers a list at once"},
    {"power_wait", FATE_CANNOT,
     "power_wait has no counterpart: the broker waits for a proof, not for a time"},
    {"power_timeout", FATE_CANNOT,
     "power_timeout is not carried over: the broker's deadline is [fence] deadline (240s)"},
    {"shell_timeout", FATE_CANNOT,
     "shell_timeout has no counterpart: see answer-timeout in fence-broker.conf"},
    {"login_timeout", FATE_CANNOT, "login_timeout has no counterpart: the broker is logged in before"},
    {"disable_timeout", FATE_CANNOT,
     "disable_timeout=false makes power_timeout, shell_timeout and login_timeout count, which are otherwise "
     "off under Pacemaker; it is not taken over"},
    {"retry_on", FATE_NOTE, "retry_on is not carried over: the broker tries again until its deadline"},
    {"stonith_status_sleep", FATE_NOTE,
     "stonith_status_sleep is not carried over: the broker reads as often as it takes"},
    {"verbose", FATE_NOTE, "verbose= can log the ticket of the session: it is dropped"},
    {"verbose_level", FATE_NOTE, "verbose_level= can log the ticket of the session: it is dropped"},
    {"debug", FATE_CANNOT,
     "debug= writes a file that can have the session's ticket: it is dropped; remove the file from the "
     "nodes"},
    {"debug_file", FATE_CANNOT,
     "debug_file= has what can be the session's ticket: it is dropped; remove the file from the nodes"},
    {"action", FATE_CANNOT,
     "action= among the parameters is never passed on, so it changes nothing; see pcmk_reboot_action"},
    {"option", FATE_CANNOT, "option= is the old word for action=, which Pacemaker decides"},
    {"quiet", FATE_NOTE, "quiet= is dropped"},
    {"priority", FATE_CANNOT, "priority= among the parameters does nothing; it is a meta attribute"},
};

static bool judge_known(struct migrate *migrate, const struct migrate_device *device, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
        if (strcmp(parameters[i].name, name) != 0)
            continue;
        if (parameters[i].fate == FATE_CANNOT)
            migrate_tell(migrate, device->id, "%s", parameters[i].what);
        else if (parameters[i].fate == FATE_NOTE)
            migrate_note(migrate, device->id, "%s", parameters[i].what);
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
