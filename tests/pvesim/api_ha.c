/*
 * cluster/ha/status/current, in the form of the real one.
 */
#include "api.h"
#include "ha.h"
#include "ha_hosts.h"
#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define OLD_S 30 /* a timestamp that is older makes the host a dead one */

static const char *date_of(int64_t unix_s, char text[static 32])
{
    time_t seconds = (time_t)unix_s;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(text, 32, "%a %b %e %H:%M:%S %Y", &utc);
    return text;
}

static void out_format(struct out *out, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void out_format(struct out *out, const char *key, const char *format, ...)
{
    _cleanup_(freep) char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    out_string(out, key, text);
}

static void out_quorum(const struct sim *sim, const struct call *call, struct out *out)
{
    bool quorate = cluster_quorate(sim->cluster, call->endpoint);
    out_open(out, NULL, '{');
    out_string(out, "id", "quorum");
    out_string(out, "type", "quorum");
    out_string(out, "node", call->endpoint->name);
    out_string(out, "status", quorate ? "OK" : "No quorum!");
    out_int(out, "quorate", quorate);
    out_close(out, '}');
}

static void out_manager(const struct sim *sim, const struct node *master, struct out *out)
{
    static const char *const words[] = {"armed", "disarming", "disarmed"};
    enum ha_armed armed = ha_hosts_armed(sim->ha);
    const char *word = words[armed], *mode = armed == HA_ARMED ? "" : ", resource mode: ignore";
    char date[32];
    out_open(out, NULL, '{');
    out_string(out, "id", "master");
    out_string(out, "type", "master");
    out_string(out, "node", master->name);
    out_format(out, "status", "%s (active, %s)%s%s%s", master->name, date_of(ha_hosts_now_s(sim->ha), date),
               armed == HA_ARMED ? "" : " - ", armed == HA_ARMED ? "" : word, mode);
    out_int(out, "timestamp", ha_hosts_now_s(sim->ha));
    out_close(out, '}');
    if (!cluster_at_least(sim->cluster, 9, 0))
        return;
    out_open(out, NULL, '{');
    out_string(out, "id", "fencing");
    out_string(out, "type", "fencing");
    out_string(out, "node", master->name);
    out_string(out, "armed-state", word);
    if (armed != HA_ARMED)
        out_string(out, "resource_mode", "ignore");
    out_format(out, "status", "%s%s (CRM watchdog %s)", word, mode,
               armed == HA_DISARMED ? "released" : "active");
    out_close(out, '}');
}

static void out_lrm(const struct sim *sim, const struct node *node, struct out *out)
{
    int64_t written_s = ha_hosts_written_s(sim->ha, node);
    bool old = ha_hosts_now_s(sim->ha) - written_s > OLD_S;
    bool disarmed = ha_hosts_armed(sim->ha) == HA_DISARMED;
    const char *word = old               ? "old timestamp - dead?, watchdog standby"
                       : disarmed        ? "disarm mode, watchdog released"
                       : node->ha.active ? "active, watchdog active"
                                         : "idle, watchdog standby";
    char date[32];
    out_open(out, NULL, '{');
    out_format(out, "id", "lrm:%s", node->name);
    out_string(out, "type", "lrm");
    out_string(out, "node", node->name);
    out_format(out, "status", "%s (%s, %s)", node->name, word, date_of(written_s, date));
    out_int(out, "timestamp", written_s);
    out_close(out, '}');
}

static void out_service(const struct guest *guest, const struct guest_config *config, struct out *out)
{
    const char *state = config->ha_state ? config->ha_state : "queued";
    const char *type = guest->is_lxc ? "ct" : "vm";
    out_open(out, NULL, '{');
    out_format(out, "id", "service:%s:%d", type, guest->vmid);
    out_format(out, "sid", "%s:%d", type, guest->vmid);
    out_string(out, "type", "service");
    out_string(out, "node", config->node->name);
    if (config->ha_state)
        out_string(out, "crm_state", config->ha_state);
    out_string(out, "request_state", config->ha_request);
    out_string(out, "state", state);
    out_format(out, "status", "%s:%d (%s, %s)", type, guest->vmid, config->node->name, state);
    out_int(out, "max_restart", 1);
    out_int(out, "max_relocate", 1);
    out_int(out, "failback", 1);
    out_close(out, '}');
}

void api_ha_status(struct sim *sim, struct call *call, struct reply *reply)
{
    const struct node *master = ha_hosts_master(sim, call->endpoint);
    struct out out = api_data(reply);
    out_open(&out, "data", '[');
    out_quorum(sim, call, &out);
    if (master)
        out_manager(sim, master, &out);
    for (const struct node *node = sim->cluster->nodes; node; node = node->next)
        out_lrm(sim, node, &out);
    for (const struct guest *guest = sim->cluster->guests; guest; guest = guest->hh.next) {
        const struct guest_config *config = cluster_config(guest, call->endpoint);
        if (config->ha_request)
            out_service(guest, config, &out);
    }
    out_close(&out, ']');
    api_data_end(&out);
}
