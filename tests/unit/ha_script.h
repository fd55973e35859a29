/*
 * Scripts for guests of Proxmox HA: what their host says of guest and service, and the tasks of the manager's
 * requests. For test_step_ha.c and test_step_ha_hosts.c.
 */
#pragma once

#include "step_script.h"

#define HASTOP_UPID         "UPID:pve1:00000005:00000005:00000005:hastop:100:fence@pve!t:"
#define HASTOP2_UPID        "UPID:pve1:00000006:00000006:00000006:hastop:100:fence@pve!t:"
#define HASTOP_ON_PVE2_UPID "UPID:pve2:00000005:00000005:00000005:hastop:100:fence@pve!t:"
#define HASTART_UPID        "UPID:pve1:00000007:00000007:00000007:hastart:100:fence@pve!t:"

__attribute__((unused)) static void reads_with(bool running, const char *state, const char *lock)
{
    struct pve_status status = {
        .running = running, .nics = running, .uptime_s = running ? 5000 : 0, .ha_managed = true};
    snprintf(status.ha_state, sizeof(status.ha_state), "%s", state);
    snprintf(status.lock, sizeof(status.lock), "%s", lock);
    status_is(status);
}

__attribute__((unused)) static void reads(bool running, const char *state)
{
    reads_with(running, state, "");
}

/* Time passes, and the guest reads the same all the while. */
__attribute__((unused)) static void keeps(int64_t until_ms, bool running, const char *state)
{
    for (int64_t at = now_ms - T0; at < until_ms && step.phase != STEP_ENDED && !step.asks[ASK_POWER].busy;
         at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            reads(running, state);
    }
}

static struct step_params managed(enum fence_action action)
{
    struct step_params wanted = params(action);
    wanted.ha_managed = true;
    return wanted;
}

__attribute__((unused)) static void task_ends(const char *upid, int64_t at_ms)
{
    go(at_ms);
    if (!step.asks[ASK_TASK].busy)
        go(at_ms + 600);
    task_is(upid, "OK");
}

/* It was read running, and its hastop's task is over. */
__attribute__((unused)) static void hastop_is_taken(enum fence_action action)
{
    begin_with(managed(action));
    go(10);
    reads(true, "started");
    power_taken(HASTOP_UPID);
    task_ends(HASTOP_UPID, 1000);
}

__attribute__((unused)) static void hosts_confirm(void)
{
    go(now_ms - T0 + 10);
    hosts_are(3, 3, true);
}

__attribute__((unused)) static void prove_off_of_a_service(const char *service)
{
    hastop_is_taken(FENCE_REBOOT);
    keeps(3000, true, "request_stop");
    keeps(4000, false, service);
    hosts_confirm();
    assert_true(verified);
    assert_false(effects.ended);
}
