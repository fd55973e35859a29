/*
 * One guest: its status, its configuration, and the power calls.
 */
#include "api.h"
#include "fault.h"
#include "power.h"
#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

#define HUNG_STATUS_MS   3000 /* a status waits so long for a QMP that hangs, scaled */
#define GUEST_MEMORY     (512 << 20)
#define BYTES_PER_MS_IN  3 /* so that counters of a living guest move */
#define BYTES_PER_MS_OUT 2

static bool is_lxc_call(const struct call *call)
{
    return strcmp(call->segment[2], "lxc") == 0;
}

/* the guest, if this host's view has its configuration here; NULL with the error answered */
static struct guest *find(const struct sim *sim, const struct call *call, struct reply *reply)
{
    struct guest *guest = cluster_guest(sim->cluster, call->vmid);
    if (guest && guest->is_lxc == is_lxc_call(call) && cluster_config(guest, call->node)->node == call->node)
        return guest;
    api_error(sim, reply, 500, "Configuration file 'nodes/%s/%s/%s.conf' does not exist", call->node->name,
              is_lxc_call(call) ? "lxc" : "qemu-server", call->segment[3]);
    return NULL;
}

/* ---- status ------------------------------------------------------------------------------------------- */

static void out_ha(const struct guest_config *config, struct out *out)
{
    out_open(out, "ha", '{');
    out_int(out, "managed", config->ha_request != NULL);
    if (config->ha_request)
        out_string(out, "state", config->ha_state);
    out_close(out, '}');
}

/* a tap device lives as long as any process of its QEMU, whatever the status says */
static void out_nics(const struct guest *guest, struct out *out)
{
    char tap[32];
    snprintf(tap, sizeof(tap), "tap%di0", guest->vmid);
    out_open(out, "nics", '{');
    out_open(out, tap, '{');
    out_int(out, "netin", tree_age_ms(guest->tree) * BYTES_PER_MS_IN);
    out_int(out, "netout", tree_age_ms(guest->tree) * BYTES_PER_MS_OUT);
    out_close(out, '}');
    out_close(out, '}');
}

static void out_qemu(const struct guest *guest, bool running, bool lives, struct out *out)
{
    out_string(out, "qmpstatus", running ? "running" : "stopped");
    out_int(out, "netin", running ? tree_age_ms(guest->tree) * BYTES_PER_MS_IN : 0);
    out_int(out, "netout", running ? tree_age_ms(guest->tree) * BYTES_PER_MS_OUT : 0);
    out_int(out, "memhost", 0);
    if (running && !guest->hung) {
        out_string(out, "running-qemu", "11.0.0");
        out_string(out, "running-machine", "pc");
        out_open(out, "proxmox-support", '{');
        out_close(out, '}');
    }
    if (running && !guest->hung)
        out_int(out, "diskread", 0), out_int(out, "diskwrite", 0);
    if (guest->nic && lives)
        out_nics(guest, out);
}

static void out_lxc(const struct guest *guest, bool lives, struct out *out)
{
    out_string(out, "type", "lxc");
    /* the interface counts as long as a process of the container lives */
    out_int(out, "netin", lives ? 1 + tree_age_ms(guest->tree) * BYTES_PER_MS_IN : 0);
    out_int(out, "netout", lives ? 1 + tree_age_ms(guest->tree) * BYTES_PER_MS_OUT : 0);
    out_int(out, "swap", 0);
    out_int(out, "maxswap", 0);
    out_int(out, "diskread", 0);
    out_int(out, "diskwrite", 0);
}

static void out_status(const struct sim *sim, const struct call *call, const struct guest *guest,
                       struct out *out)
{
    static const char *const pressures[] = {"pressurecpusome", "pressurecpufull",    "pressurememorysome",
                                            "pressureiosome",  "pressurememoryfull", "pressureiofull"};
    const struct guest_config *config = cluster_config(guest, call->node);
    bool lives = guest_lives_on(guest, call->node), running = guest_reads_running(guest, call->node);
    out_open(out, "data", '{');
    out_string(out, "status", running ? "running" : "stopped");
    out_int(out, "vmid", guest->vmid);
    out_string(out, "name", guest->name);
    out_int(out, "uptime", running ? tree_age_ms(guest->tree) / 1000 : 0);
    if (running)
        out_int(out, "pid", tree_pid(guest->tree));
    if (config->lock)
        out_string(out, "lock", config->lock);
    if (guest->template)
        out_int(out, "template", 1);
    if (guest->tags)
        out_string(out, "tags", guest->tags);
    if (guest->is_lxc)
        out_lxc(guest, lives, out);
    else
        out_qemu(guest, running, lives, out);
    for (size_t i = 0; running && cluster_pve(sim->cluster) >= 9 && i < ARRAY_LEN(pressures); i++)
        out_int(out, pressures[i], 0);
    out_ha(config, out);
    out_int(out, "mem", 0);
    out_int(out, "maxmem", GUEST_MEMORY);
    out_int(out, "disk", 0);
    out_int(out, "maxdisk", 0);
    out_int(out, "cpu", 0);
    out_int(out, "cpus", 1);
    out_close(out, '}');
}

void api_status(struct sim *sim, struct call *call, struct reply *reply)
{
    const struct guest *guest = find(sim, call, reply);
    struct fault_at at = {.call = call->name, .vmid = call->vmid, .endpoint = call->endpoint->name};
    const struct fault *wrong = NULL;
    if (!guest)
        return;
    if ((wrong = fault_fires(sim, "wrong-guest", &at))) {
        const struct guest *other = cluster_guest(sim->cluster, fault_int(wrong, "with", 0));
        guest = other ? other : guest->hh.next ? guest->hh.next : sim->cluster->guests;
    }
    if (guest->hung && guest_reads_running(guest, call->node))
        reply->delay_ms = sim_scaled(sim, HUNG_STATUS_MS);
    struct out out = api_data(reply);
    out_status(sim, call, guest, &out);
    api_data_end(&out);
}

void api_config(struct sim *sim, struct call *call, struct reply *reply)
{
    const struct guest *guest = find(sim, call, reply);
    if (!guest)
        return;
    const struct guest_config *config = cluster_config(guest, call->node);
    _cleanup_(freep) char *smbios = NULL;
    struct out out = api_data(reply);
    out_open(&out, "data", '{');
    out_string(&out, guest->is_lxc ? "hostname" : "name", guest->name);
    out_string(&out, "digest", "9fc2c563a6869694cf89ef305a832700a3b11b04");
    out_int(&out, "cores", 1);
    out_string(&out, "memory", "512");
    out_string(&out, "ostype", guest->is_lxc ? "debian" : "l26");
    if (guest->uuid && asprintf(&smbios, "uuid=%s", guest->uuid) >= 0)
        out_string(&out, "smbios1", smbios);
    if (guest->nic)
        out_string(&out, "net0",
                   guest->is_lxc ? "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth"
                                 : "virtio=BC:24:11:00:00:01,bridge=vmbr0");
    if (guest->hookscript)
        out_string(&out, "hookscript", guest->hookscript);
    if (config->lock)
        out_string(&out, "lock", config->lock);
    if (guest->template)
        out_int(&out, "template", 1);
    if (guest->tags)
        out_string(&out, "tags", guest->tags);
    out_close(&out, '}');
    api_data_end(&out);
}

/* ---- power -------------------------------------------------------------------------------------------- */

static bool flag(const struct call *call, const char *name)
{
    const char *value = call_param(call, name);
    return value && strcmp(value, "1") == 0;
}

void api_power(struct sim *sim, struct call *call, struct reply *reply)
{
    static const struct {
        const char *action;
        struct task *(*begin)(struct sim *sim, const struct power_call *call, char **error);
    } actions[] = {{"start", power_start},
                   {"stop", power_stop},
                   {"reset", power_reset},
                   {"shutdown", power_shutdown},
                   {"reboot", power_reboot}};
    const struct guest *guest = cluster_guest(sim->cluster, call->vmid);
    const char *timeout = call_param(call, "timeout");
    struct power_call power = {.node = call->node,
                               .vmid = call->vmid,
                               .is_lxc = is_lxc_call(call),
                               .user = call->id,
                               .timeout_ms = timeout ? strtoll(timeout, NULL, 10) * 1000 : -1,
                               .skiplock = flag(call, "skiplock"),
                               .overrule_shutdown = flag(call, "overrule-shutdown")};
    if (power.overrule_shutdown && guest && guest->config.ha_request) {
        api_param_error(sim, reply, "overrule-shutdown", "Not applicable for HA resources.");
        return;
    }
    _cleanup_(freep) char *error = NULL;
    struct task *task = NULL;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (strcmp(call->row->name, actions[i].action) == 0)
            task = actions[i].begin(sim, &power, &error);
    }
    if (!task) {
        api_error(sim, reply, 500, "%s", error ? error : "out of memory");
        return;
    }
    struct out out = api_data(reply);
    out_string(&out, "data", task->upid);
    api_data_end(&out);
}
