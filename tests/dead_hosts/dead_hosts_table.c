/*
 * dead_hosts_table FILE...: plays recordings at many intervals and phases, holds each claim against what
 * really happened, and prints the table of doc/dead-hosts.md. Exit status 1, with lines on stderr, if a claim
 * was false.
 *
 * The truth is read from the recording alone, here, and the room has no part in it: a claim is false if in
 * any state while it stands the host has power and was not switched on since it left.
 */
#include "recording.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PHASES     3
#define CLAIMS_MAX 1000000
#define NAME_MAX_  64

/* When a host left, and what became of it by the time it was back, or at the recording's end. */
struct departure {
    size_t at; /* the first state without it */
    size_t back;
    int64_t boot;
    bool died;
};

struct row {
    char name[NAME_MAX_];
    unsigned timelines, died, lived, claims;
};

/* Beyond DEAD_HOSTS_GAP_MS nothing is to be claimed: HA may have been disarmed and armed again in between. */
static const int64_t intervals_s[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 22};

static struct {
    const struct recorded_scenario *scenario;
    struct row *row;
    int64_t interval_ms, phase_ms;
    int64_t delays[CLAIMS_MAX];
    size_t claims, recovered, wrong;
} table;

/* ---- the truth ---- */

static bool is_away(const struct recorded_state *state, const char *name)
{
    const struct recorded_host *host = recorded_host_of(state, name);
    return host->listed && !host->online && recorded_majority(state);
}

/* The next one from a state on; false: none. */
static bool find_departure(const struct recorded_scenario *scenario, const char *name, size_t from,
                           struct departure *departure)
{
    bool was_online = false;

    for (size_t i = from; i < scenario->count; i++) {
        const struct recorded_host *host = recorded_host_of(&scenario->states[i], name);
        if (was_online && is_away(&scenario->states[i], name)) {
            departure->at = departure->back = i;
            departure->died = false;
            while (departure->back < scenario->count) {
                host = recorded_host_of(&scenario->states[departure->back], name);
                departure->died |= !host->powered || host->boot != departure->boot;
                if (host->online)
                    break;
                departure->back++;
            }
            return true;
        }
        was_online |= host->online;
        departure->boot = host->online ? host->boot : departure->boot;
    }
    return false;
}

/* The last one before a claim. */
static bool departure_of_claim(const struct recorded_claim *claim, struct departure *departure)
{
    struct departure next;
    bool found = false;

    for (size_t from = 0; find_departure(table.scenario, claim->host, from, &next) &&
                          table.scenario->states[next.at].t_ms <= claim->from_ms;
         from = next.back) {
        *departure = next;
        found = true;
    }
    return found;
}

static bool is_true(const struct recorded_claim *claim, const struct departure *departure)
{
    const struct recorded_scenario *scenario = table.scenario;

    for (size_t i = departure->at; i < scenario->count && scenario->states[i].t_ms < claim->to_ms; i++) {
        const struct recorded_host *host = recorded_host_of(&scenario->states[i], claim->host);
        bool over = i + 1 < scenario->count && scenario->states[i + 1].t_ms <= claim->from_ms;
        if (!over && host->powered && host->boot == departure->boot)
            return false;
    }
    return true;
}

/* ---- playing ---- */

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void judge(void *context, const struct recorded_claim *claim)
{
    struct departure departure = {0};

    (void)context;
    if (!departure_of_claim(claim, &departure) || !is_true(claim, &departure)) {
        fprintf(stderr,
                "false: %s %s %" PRId64 " %" PRId64 " ms (sampled each %" PRId64 " ms from %" PRId64 " ms)\n",
                claim->scenario, claim->host, claim->from_ms, claim->to_ms, table.interval_ms,
                table.phase_ms);
        table.wrong++;
        return;
    }
    if (table.claims < CLAIMS_MAX)
        table.delays[table.claims++] = claim->from_ms - table.scenario->states[departure.at].t_ms;
    table.recovered += claim->reason == DEAD_HOSTS_RECOVERED;
    if (table.row)
        table.row->claims++;
}

static void play_all(const struct recording *recordings, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < recordings[k].count; i++) {
            table.scenario = &recordings[k].scenarios[i];
            recording_play(table.scenario, table.interval_ms, table.phase_ms, judge, NULL);
        }
    }
}

static void print_interval(const struct recording *recordings, size_t count, int64_t interval_ms)
{
    table.claims = table.recovered = table.wrong = 0;
    table.interval_ms = interval_ms;
    for (unsigned phase = 0; phase < PHASES; phase++) {
        table.phase_ms = interval_ms * phase / PHASES;
        play_all(recordings, count);
    }
    qsort(table.delays, table.claims, sizeof(table.delays[0]), by_size);
    size_t claims = table.claims;
    printf("| %" PRId64 " s | %zu | %zu | %zu | %" PRId64 " s | %" PRId64 " s | %" PRId64 " s |\n",
           interval_ms / 1000, claims, table.wrong, table.recovered, claims ? table.delays[0] / 1000 : 0,
           claims ? table.delays[claims / 2] / 1000 : 0, claims ? table.delays[claims - 1] / 1000 : 0);
}

/* ---- by scenario ---- */

static struct row *row_of(struct row *rows, size_t *count, const char *scenario)
{
    char name[NAME_MAX_];

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(scenario, "."), scenario);
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    strcpy(rows[*count].name, name);
    return &rows[(*count)++];
}

static void count_departures(struct row *row, const struct recorded_scenario *scenario)
{
    const struct recorded_state *first = &scenario->states[0];

    row->timelines++;
    for (size_t i = 0; i < first->host_count; i++) {
        struct departure departure;
        for (size_t from = 0; find_departure(scenario, first->hosts[i].name, from, &departure);
             from = departure.back) {
            row->died += departure.died;
            row->lived += !departure.died;
        }
    }
}

/* One sampling of each: 10 s, from the start. */
static size_t count_scenarios(const struct recording *recordings, size_t count, struct row *rows,
                              struct row *sum)
{
    size_t row_count = 0;

    table.interval_ms = 10000;
    table.phase_ms = 0;
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < recordings[k].count; i++) {
            table.scenario = &recordings[k].scenarios[i];
            table.row = row_of(rows, &row_count, table.scenario->name);
            count_departures(table.row, table.scenario);
            recording_play(table.scenario, table.interval_ms, table.phase_ms, judge, NULL);
        }
    }
    table.row = NULL;
    for (size_t i = 0; i < row_count; i++) {
        sum->timelines += rows[i].timelines;
        sum->died += rows[i].died;
        sum->lived += rows[i].lived;
        sum->claims += rows[i].claims;
    }
    return row_count;
}

int main(int argc, char *argv[])
{
    struct row sum = {.name = ""};
    size_t count = (size_t)(argc - 1), scenarios = 0, wrong = 0;
    struct recording *recordings = calloc(count + 1, sizeof(*recordings));

    if (count == 0 || !recordings) {
        fputs("usage: dead_hosts_table FILE.jsonl[.gz]...\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        recordings[i] = recording_read(argv[i + 1]);
        scenarios += recordings[i].count;
    }
    struct row *rows = calloc(scenarios + 1, sizeof(*rows));
    if (!rows)
        return 2;
    size_t row_count = count_scenarios(recordings, count, rows, &sum);
    printf("In %u recorded timelines hosts left their cluster %u times: %u times they died, %u times they "
           "went on "
           "running.\n\n",
           sum.timelines, sum.died + sum.lived, sum.died, sum.lived);
    printf("| sampled every | claims in %d phases | of them false | of them when HA recovered | soonest | "
           "median | "
           "latest |\n|---|---|---|---|---|---|---|\n",
           PHASES);
    for (size_t i = 0; i < sizeof(intervals_s) / sizeof(intervals_s[0]); i++) {
        print_interval(recordings, count, intervals_s[i] * 1000);
        wrong += table.wrong;
    }
    printf("\n| scenario | timelines | died | claimed | went on running |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < row_count; i++) {
        if (rows[i].died + rows[i].lived > 0)
            printf("| %s | %u | %u | %u | %u |\n", rows[i].name, rows[i].timelines, rows[i].died,
                   rows[i].claims, rows[i].lived);
    }
    printf("| all | %u | %u | %u | %u |\n", sum.timelines, sum.died, sum.claims, sum.lived);
    for (size_t i = 0; i < count; i++)
        recording_free(&recordings[i]);
    free(recordings);
    free(rows);
    return fflush(stdout) != 0 ? 2 : wrong > 0;
}
