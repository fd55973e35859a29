/*
 * What a fleet of brokers asks of one Proxmox, by the daemon's own schedules over a simulated clock: at rest,
 * after they have all started in one moment, after an outage, and while some of them fence.
 *
 *   fleet BROKERS [GUESTS]   the tables of so many, with so many guests each (3)
 *   fleet told               how long each trouble takes until its verdict tells it, 20 times
 *
 * $FLEET_JITTER=0: as if all brokers were one machine's. $FLEET_SEED: other machines.
 */
#include "fleet_brokers.h"
#include "fleet_told.h"

#include <math.h>
#include <time.h>

#define REST_S      1200 /* everything is read in it, and tickets are not renewed */
#define OUTAGE_S    60
#define LIMIT_S     900
#define FENCERS_MAX 100

static double seconds_since(int64_t us)
{
    return (double)(loop.now_us - us) / 1e6;
}

static int by_size(const void *a, const void *b)
{
    unsigned one = *(const unsigned *)a, other = *(const unsigned *)b;
    return (one > other) - (one < other);
}

/* Requests a second since pve_count(), of all hosts or of one. */
static void show_rate(const char *what, unsigned first, unsigned last)
{
    static unsigned all[PVE_SECONDS];
    size_t seconds = (size_t)seconds_since(pve.since_us);
    double sum = 0;
    seconds = seconds < PVE_SECONDS ? seconds : PVE_SECONDS;
    for (size_t i = 0; i < seconds; i++) {
        all[i] = 0;
        for (unsigned host = first; host <= last; host++)
            all[i] += pve.hosts[host].requests[i];
        sum += all[i];
    }
    qsort(all, seconds, sizeof(all[0]), by_size);
    if (seconds)
        printf("  %-34s %9.2f %9u %9u\n", what, sum / (double)seconds, all[seconds - 1 - seconds / 100],
               all[seconds - 1]);
}

static void show_rates(void)
{
    printf("  %-34s %9s %9s %9s\n", "requests a second", "mean", "p99", "most");
    show_rate("of all hosts", 0, PVE_HOSTS - 1);
    show_rate("of pve1", 0, 0);
}

static void show_costs(void)
{
    double minutes = seconds_since(pve.since_us) / 60 * fleet.count;
    uint64_t requests = 0, handshakes = 0;
    printf("  %-34s %9s %9s\n", "a broker and minute", "requests", "handshakes");
    for (enum traffic_purpose purpose = 0; purpose < TRAFFIC_PURPOSE_COUNT; purpose++) {
        printf("  %-34s %9.2f %9.2f\n", traffic_purpose_name(purpose),
               (double)pve.requests[purpose] / minutes, (double)pve.handshakes[purpose] / minutes);
        requests += pve.requests[purpose];
        handshakes += pve.handshakes[purpose];
    }
    printf("  %-34s %9.2f %9.2f\n", "all", (double)requests / minutes, (double)handshakes / minutes);
    printf("  %-34s %9.1f\n", "ms of the hosts' CPU", (double)pve.cpu_us / 1000 / minutes);
}

static void run_s(int64_t seconds)
{
    fleet_run_until(loop.now_us + seconds * SECOND_US);
}

static double ready_after(size_t place, int64_t began_us)
{
    static double took[PVE_BROKERS_MAX];
    for (unsigned i = 0; i < fleet.count; i++)
        took[i] = fleet.brokers[i].ready_us ? (double)(fleet.brokers[i].ready_us - began_us) / 1e6 : INFINITY;
    qsort(took, fleet.count, sizeof(took[0]), told_by_size);
    return took[place];
}

static void say_why_not(void)
{
    unsigned counts[REASON_COUNT] = {0};
    for (unsigned i = 0; i < fleet.count; i++) {
        reason_set reasons = 0;
        for (unsigned j = 0; !fleet.brokers[i].ready_us && j < fleet.guests; j++)
            reasons |= fleet_reasons(&fleet.brokers[i], j);
        for (enum reason r = 0; r < REASON_COUNT; r++)
            counts[r] += (unsigned)(reasons >> r & 1);
    }
    for (enum reason r = 0; r < REASON_COUNT; r++) {
        if (counts[r])
            printf("  %u are %s\n", counts[r], reason_name(r));
    }
}

/* So long from its beginning on, for the rates; they may be ready sooner. */
static void see_ready(int64_t seconds)
{
    int64_t began_us = loop.now_us;
    fleet_forget_ready();
    if (getenv("FLEET_WHY") && !fleet_await_ready(30))
        say_why_not();
    if (!fleet_await_ready(seconds))
        say_why_not();
    fleet_run_until(began_us + seconds * SECOND_US);
    show_rates();
    show_costs();
    fleet_await_ready(LIMIT_S);
    printf("  ready after %.1f s (median), %.1f s (99 %%), %.1f s (all)\n",
           ready_after(fleet.count / 2, began_us), ready_after((size_t)fleet.count * 99 / 100, began_us),
           ready_after(fleet.count - 1, began_us));
}

static void set_mode(enum pve_mode mode)
{
    for (unsigned i = 0; i < PVE_HOSTS; i++)
        pve.hosts[i].mode = mode;
}

static void show_outage(const char *title, enum pve_mode mode)
{
    printf("\n%s for %d s: while it lasts\n", title, OUTAGE_S);
    pve_count();
    set_mode(mode);
    run_s(OUTAGE_S);
    show_costs();
    printf("then, for two minutes\n");
    pve_count();
    set_mode(PVE_UP);
    see_ready(120);
    run_s(600);
}

static void show_fences(void)
{
    static unsigned took[FENCERS_MAX];
    unsigned fencers = fleet.count < FENCERS_MAX ? fleet.count : FENCERS_MAX, failed = 0;
    printf("\n%u of them fence in one moment (QEMU takes %d ms to end), for a minute\n", fencers,
           PVE_STOP_US / 1000);
    pve_count();
    for (unsigned i = 0; i < fencers; i++)
        fleet_fence(&fleet.brokers[i * (fleet.count / fencers)]);
    run_s(60);
    for (unsigned i = 0; i < fencers; i++) {
        int64_t us = fleet.brokers[i * (fleet.count / fencers)].fence_us;
        failed += us <= 0;
        took[i] = us > 0 ? (unsigned)(us / 1000) : 0;
    }
    qsort(took, fencers, sizeof(took[0]), by_size);
    printf("  off was proven after %u ms (median), %u ms at most; %u failed\n", took[fencers / 2],
           took[fencers - 1], failed);
    show_rates();
}

static int show_fleet(unsigned count, unsigned guests)
{
    struct timespec began, ended;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
    printf("%u broker%s with %u guests each, on %d hosts\n\nall start in one moment: for two minutes\n",
           count, count == 1 ? "" : "s", guests, PVE_HOSTS);
    fleet_start(count, guests);
    see_ready(120);
    run_s(600);
    printf("\nat rest, for %d minutes\n", REST_S / 60);
    pve_count();
    run_s(REST_S);
    show_rates();
    show_costs();
    printf("  %u of them ready\n", fleet_ready_now());
    show_outage("the API refuses connections", PVE_REFUSES);
    show_outage("the API is silent", PVE_SILENT);
    show_outage("the API answers 500", PVE_FAILS);
    show_fences();
    uint64_t callbacks = loop.callbacks;
    fleet_stop();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    printf("\n(%.1f s of CPU, %" PRIu64 " callbacks)\n",
           (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9, callbacks);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *jitter = getenv("FLEET_JITTER"), *seed = getenv("FLEET_SEED");
    fleet_loop.no_jitter = jitter && strcmp(jitter, "0") == 0;
    fleet_loop.seed = seed ? strtoull(seed, NULL, 10) : 1;
    if (argc > 1 && strcmp(argv[1], "told") == 0)
        return told_show();
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0, guests = argc > 2 ? strtol(argv[2], NULL, 10) : 3;
    if (count < 1 || count > PVE_BROKERS_MAX || guests < 1) {
        fprintf(stderr, "usage: fleet BROKERS [GUESTS] | fleet told\n");
        return 2;
    }
    return show_fleet((unsigned)count, (unsigned)guests);
}
