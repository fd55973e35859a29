/*
 * How long each trouble takes until a verdict tells it: brought about at a simulated Proxmox at moments that
 * are spread over the broker's periods, and looked for every tenth of a second.
 */
#pragma once

#include "fleet_brokers.h"

#include "system/cleanup.h"

#define TOLD_TRIES   20
#define TOLD_LIMIT_S 1500

struct told {
    enum reason reason;
    void (*bring)(struct pve_guest *guest);
    const char *how; /* where several ways lead to it; else NULL */
    double more_s;   /* than is promised: what the manual says of this way */
    /* of the tries, in seconds */
    double median, most;
    unsigned untold;
};

static void told_lock(struct pve_guest *guest)
{
    guest->lock = "backup";
}

static void told_migrate(struct pve_guest *guest)
{
    guest->lock = "migrate";
}

static void told_suspend(struct pve_guest *guest)
{
    guest->lock = "suspended";
}

static void told_ha_error(struct pve_guest *guest)
{
    guest->hastate = "error";
}

static void told_ha_freeze(struct pve_guest *guest)
{
    guest->hastate = "freeze";
}

static void told_ha_managed(struct pve_guest *guest)
{
    guest->hastate = "started";
}

static void told_template(struct pve_guest *guest)
{
    guest->template = true;
}

static void told_twin(struct pve_guest *guest)
{
    guest[0].name = guest[1].name = "twin";
}

static void told_no_right(struct pve_guest *guest)
{
    guest->no_right = true;
}

static void told_excess(struct pve_guest *guest)
{
    pve.pools[guest->pool].excess = true;
}

static void told_empty(struct pve_guest *guest)
{
    pve.pools[guest->pool].empty = true;
}

static void told_login(struct pve_guest *guest)
{
    pve.pools[guest->pool].unknown_login = true;
}

static void told_status(struct pve_guest *guest)
{
    guest->status_fails = 596;
}

static void told_host(struct pve_guest *guest)
{
    guest->status_fails = guest->rehearsal_fails = 596;
}

static void told_slow(struct pve_guest *guest)
{
    guest->slow_us = 2100 * 1000;
}

static void told_rehearsal(struct pve_guest *guest)
{
    guest->rehearsal_fails = 500;
}

static void told_hookscript(struct pve_guest *guest)
{
    guest->hookscript = true;
}

static void told_no_nic(struct pve_guest *guest)
{
    guest->no_nic = true;
}

static void told_undead(struct pve_guest *guest)
{
    guest->running = false;
    guest->undead = true;
}

static void told_offline(struct pve_guest *guest)
{
    pve.hosts[guest->host].offline = true;
}

static void told_maintenance(struct pve_guest *guest)
{
    pve.hosts[guest->host].maintenance = true;
}

static void told_unknown(struct pve_guest *guest)
{
    pve.hosts[guest->host].unknown = true;
}

static void told_minority(struct pve_guest *guest)
{
    pve.hosts[(guest->host + 1) % PVE_HOSTS].offline = pve.hosts[(guest->host + 2) % PVE_HOSTS].offline =
        true;
}

static void told_first_refuses(struct pve_guest *guest)
{
    (void)guest;
    pve.hosts[0].mode = PVE_REFUSES;
}

static void told_second_refuses(struct pve_guest *guest)
{
    (void)guest;
    pve.hosts[1].mode = PVE_REFUSES;
}

static void told_second_fails(struct pve_guest *guest)
{
    (void)guest;
    pve.hosts[1].mode = PVE_FAILS;
}

static void told_all_refuse(struct pve_guest *guest)
{
    (void)guest;
    for (unsigned i = 0; i < PVE_HOSTS; i++)
        pve.hosts[i].mode = PVE_REFUSES;
}

static void told_all_slow(struct pve_guest *guest)
{
    (void)guest;
    for (unsigned i = 0; i < PVE_HOSTS; i++)
        pve.hosts[i].mode = PVE_SLOW;
}

static void told_certificate(struct pve_guest *guest)
{
    (void)guest;
    pve.certificates_expire = true;
}

static struct told told[] = {
    {REASON_LOCKED, told_lock, NULL, 0, 0, 0, 0},
    {REASON_MIGRATING, told_migrate, "a migration", 0, 0, 0, 0},
    {REASON_SUSPENDED, told_suspend, NULL, 0, 0, 0, 0},
    {REASON_TEMPLATE, told_template, NULL, 0, 0, 0, 0},
    {REASON_AMBIGUOUS_NAME, told_twin, NULL, 0, 0, 0, 0},
    {REASON_HA_ERROR, told_ha_error, NULL, 0, 0, 0, 0},
    {REASON_HA_FROZEN, told_ha_freeze, NULL, 0, 0, 0, 0},
    {REASON_HA_MANAGED, told_ha_managed, NULL, 0, 0, 0, 0},
    {REASON_NO_POWER_RIGHT, told_no_right, NULL, 0, 0, 0, 0},
    {REASON_EXCESS_PRIVILEGES, told_excess, NULL, 0, 0, 0, 0},
    {REASON_EMPTY_POOL, told_empty, NULL, 0, 0, 0, 0},
    {REASON_NO_SESSION, told_login, NULL, 0, 0, 0, 0},
    {REASON_HOST_SILENT, told_host, NULL, 0, 0, 0, 0},
    {REASON_HOST_SILENT, told_status, "its status alone", 14, 0, 0, 0},
    {REASON_NODE_OFFLINE, told_offline, NULL, 0, 0, 0, 0},
    {REASON_NODE_MAINTENANCE, told_maintenance, NULL, 0, 0, 0, 0},
    {REASON_NODE_UNKNOWN, told_unknown, NULL, 0, 0, 0, 0},
    {REASON_MINORITY, told_minority, NULL, 0, 0, 0, 0},
    {REASON_ONE_ENDPOINT, told_first_refuses, "the first refuses", 0, 0, 0, 0},
    {REASON_ONE_ENDPOINT, told_second_refuses, "the second refuses", 0, 0, 0, 0},
    {REASON_ONE_ENDPOINT, told_second_fails, "the second answers 500", 0, 0, 0, 0},
    {REASON_NO_ENDPOINT, told_all_refuse, NULL, 0, 0, 0, 0},
    {REASON_STALE, told_all_refuse, "no endpoint answers", 0, 0, 0, 0},
    {REASON_CERTIFICATE_EXPIRES, told_certificate, NULL, 0, 0, 0, 0},
    {REASON_PROXMOX_SLOW, told_all_slow, "answers take 3 s", 4, 0, 0, 0},
    {REASON_HOST_SLOW, told_slow, NULL, 0, 0, 0, 0},
    {REASON_UNPROVEN, told_undead, NULL, 0, 0, 0, 0},
    {REASON_REHEARSAL_FAILED, told_rehearsal, NULL, 0, 0, 0, 0},
    {REASON_HOOKSCRIPT, told_hookscript, NULL, 0, 0, 0, 0},
    {REASON_NO_NIC, told_no_nic, NULL, 0, 0, 0, 0},
};

/* What is promised, in seconds, with the default intervals. */
static double told_promised_s(enum reason reason)
{
    double count = 0;
    char unit[32] = "";
    if (sscanf(reason_seen(reason), "%lf %31[a-z]", &count, unit) != 2)
        return -1;
    return count * (strncmp(unit, "poll", 4) == 0 ? 14 : 120);
}

static double told_once(const struct told *trouble, unsigned try)
{
    fleet_start(1, 3);
    const struct broker *broker = &fleet.brokers[0];
    if (!fleet_await_ready(600))
        abort();
    /* at rest, and everything has been read once since; then evenly over the longest period there is */
    fleet_run_until(loop.now_us + 300 * SECOND_US + (int64_t)try * 127 * SECOND_US / TOLD_TRIES * 5);
    if (fleet_ready_now() != 1)
        abort();
    int64_t began_us = loop.now_us;
    trouble->bring(&pve.pools[0].guests[0]);
    pve_changed(0);
    double took = -1;
    while (took < 0 && loop.now_us < began_us + TOLD_LIMIT_S * SECOND_US) {
        fleet_run_until(loop.now_us + SECOND_US / 10);
        if (fleet_reasons(broker, 0) & ((reason_set)1 << trouble->reason))
            took = (double)(loop.now_us - began_us) / 1e6;
    }
    fleet_stop();
    return took;
}

static int told_by_size(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static void told_measure(struct told *trouble, unsigned tries)
{
    double took[TOLD_TRIES];
    for (unsigned i = 0; i < tries; i++) {
        fleet_loop.seed = i + 1;
        took[i] = told_once(trouble, i * (TOLD_TRIES / tries));
        trouble->untold += took[i] < 0;
    }
    qsort(took, tries, sizeof(took[0]), told_by_size);
    trouble->median = took[tries / 2];
    trouble->most = took[tries - 1];
}

static inline int told_show(void)
{
    int worst = 0;
    printf("%-22s %-24s %9s %9s %9s  s\n", "REASON", "HOW", "MEDIAN", "MOST", "PROMISED");
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        told_measure(&told[i], TOLD_TRIES);
        double promised = told_promised_s(told[i].reason) + told[i].more_s;
        bool kept = told[i].untold == 0 && told[i].most <= promised;
        printf("%-22s %-24s %9.1f %9.1f %9.0f%s\n", reason_name(told[i].reason),
               told[i].how ? told[i].how : "", told[i].median, told[i].most, promised,
               kept ? "" : "  NOT KEPT");
        worst |= !kept;
    }
    return worst;
}
