/* What is counted for the metrics: requests by guest, calls by endpoint, durations in buckets, and the state
 * of loop and process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/request_stats.h"
#include "proxmox/traffic.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/process.h"
#include "system/stall.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t count_of(const struct histogram *histogram)
{
    uint64_t sum = 0;

    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        sum += histogram->counts[i];
    return sum;
}

static void test_a_bound_belongs_to_its_bucket(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    histogram_add(&histogram, -3);
    histogram_add(&histogram, 5);
    histogram_add(&histogram, 6);
    histogram_add(&histogram, 180000);
    histogram_add(&histogram, 180001);
    assert_int_equal(histogram.counts[0], 2);
    assert_int_equal(histogram.counts[1], 1);
    assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS - 1], 1);
    assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS], 1);
    assert_int_equal(count_of(&histogram), 5);
    assert_int_equal(histogram.sum_ms, 5 + 6 + 180000 + 180001);
    histogram_merge(&histogram, &histogram);
    assert_int_equal(count_of(&histogram), 10);
}

static void test_bounds_are_written_as_they_are_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        struct histogram histogram = {0};
        double seconds;

        assert_int_equal(sscanf(histogram_bound_text(i), "%lf", &seconds), 1);
        assert_non_null(strchr(histogram_bound_text(i), '.'));
        histogram_add(&histogram, (int64_t)(seconds * 1000 + 0.5));
        assert_int_equal(histogram.counts[i], 1);
        histogram_add(&histogram, (int64_t)(seconds * 1000 + 0.5) + 1);
        assert_int_equal(histogram.counts[i + 1], 1);
    }
}

static void test_guests_beyond_the_limit_are_counted_without_their_name(void **state)
{
    struct request_stats stats = {0};

    (void)state;
    for (int vmid = 100; vmid < 100 + REQUEST_STATS_TARGETS_MAX + 3; vmid++)
        request_stats_add(&stats, vmid, FENCE_OFF, REQUEST_STATS_DONE, 1);
    assert_int_equal(HASH_COUNT(stats.targets), REQUEST_STATS_TARGETS_MAX);
    assert_int_equal(stats.no_target.answered[FENCE_OFF][REQUEST_STATS_DONE], 3);
    assert_int_equal(count_of(&stats.durations[FENCE_OFF][REQUEST_STATS_DONE]),
                     REQUEST_STATS_TARGETS_MAX + 3);
    request_stats_add(&stats, 100, FENCE_OFF, REQUEST_STATS_DONE, 1);
    assert_int_equal(request_stats_find(&stats, 100)->answered[FENCE_OFF][REQUEST_STATS_DONE], 2);
    assert_null(request_stats_find(&stats, 99));
    request_stats_clear(&stats);
}

static void test_every_answer_of_proxmox_has_a_code_of_the_closed_list(void **state)
{
    static const struct {
        enum api_outcome outcome;
        int status;
        const char *code;
    } cases[] = {
        {API_OK, 200, "200"},        {API_OK, 204, "other"},    {API_REFUSED, 400, "400"},
        {API_REFUSED, 401, "401"},   {API_REFUSED, 403, "403"}, {API_REFUSED, 500, "500"},
        {API_REFUSED, 501, "501"},   {API_REFUSED, 595, "595"}, {API_REFUSED, 596, "596"},
        {API_REFUSED, 597, "597"},   {API_REFUSED, 599, "599"}, {API_REFUSED, 0, "other"},
        {API_REFUSED, 418, "other"}, {API_LOST, 200, "lost"},   {API_LOST, 0, "lost"},
        {API_UNSENT, 0, "unsent"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct api_result result = {.outcome = cases[i].outcome, .http_status = cases[i].status};

        assert_string_equal(traffic_code_name(traffic_code_of(&result)), cases[i].code);
    }
}

static void test_what_was_not_sent_took_no_time(void **state)
{
    struct traffic traffic = {0};
    const struct api_result unsent = {.outcome = API_UNSENT, .asked_ms = 10, .received_ms = 5000};
    const struct api_result lost = {.outcome = API_LOST, .asked_ms = 10, .received_ms = 4010};

    (void)state;
    traffic_add(&traffic, "pve1", TRAFFIC_FENCE, API_STOP, &unsent, 0);
    traffic_add(&traffic, "pve1", TRAFFIC_FENCE, API_STOP, &lost, 1);
    assert_int_equal(traffic_find(&traffic, "pve1")->calls[API_STOP][TRAFFIC_UNSENT], 1);
    assert_int_equal(traffic_find(&traffic, "pve1")->calls[API_STOP][TRAFFIC_LOST], 1);
    assert_int_equal(count_of(&traffic.durations[API_STOP]), 1);
    assert_int_equal(traffic.durations[API_STOP].sum_ms, 4000);
    traffic_clear(&traffic);
}

static void test_endpoints_beyond_the_limit_are_counted_together(void **state)
{
    struct traffic traffic = {0};
    const struct api_result result = {.outcome = API_OK, .http_status = 200};

    (void)state;
    for (int i = 0; i < TRAFFIC_ENDPOINTS_MAX + 2; i++) {
        char text[32];

        snprintf(text, sizeof(text), "pve%d", i);
        traffic_add(&traffic, text, TRAFFIC_CHECK, API_STATUS, &result, 0);
    }
    assert_int_equal(HASH_COUNT(traffic.endpoints), TRAFFIC_ENDPOINTS_MAX);
    assert_int_equal(traffic.others.calls[API_STATUS][TRAFFIC_200], 2);
    traffic_clear(&traffic);
}

/* ---- loop and process ---- */

static void end_loop(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    event_base_loopexit(context, NULL);
}

static void block(evutil_socket_t fd, short what, void *context)
{
    struct timespec pause = {.tv_nsec = 900 * 1000 * 1000};

    (void)fd;
    (void)what;
    nanosleep(&pause, context);
}

/* A callback that takes 900 ms keeps the timer waiting at least 900 - STALL_TICK_MS; how much more, a busy
 * machine decides. */
static void test_a_callback_that_blocks_is_seen(void **state)
{
    struct event_base *base = event_base_new();
    struct stall *stall = stall_new(base);

    (void)state;
    assert_int_equal(stall_max_ms(stall), 0);
    event_base_once(base, -1, EV_TIMEOUT, block, NULL, &(struct timeval){.tv_usec = 20000});
    event_base_once(base, -1, EV_TIMEOUT, end_loop, base, &(struct timeval){.tv_sec = 1, .tv_usec = 300000});
    event_base_dispatch(base);
    assert_true(stall_max_ms(stall) >= 900 - STALL_TICK_MS);
    stall_free(stall);
    event_base_free(base);
}

static void test_the_process_is_looked_at_without_opening_files(void **state)
{
    struct process *process = process_open();
    struct process_facts facts, later;
    int fd;

    (void)state;
    process_read(process, &facts);
    assert_true(facts.resident_bytes > 4096 && facts.virtual_bytes >= facts.resident_bytes);
    assert_true(facts.open_fds >= 3 && facts.max_fds >= facts.open_fds && facts.cpu_ms >= 0);
    fd = dup(0);
    process_read(process, &later);
    assert_int_equal(later.open_fds, facts.open_fds + 1);
    close(fd);
    process_close(process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bound_belongs_to_its_bucket),
        cmocka_unit_test(test_bounds_are_written_as_they_are_meant),
        cmocka_unit_test(test_guests_beyond_the_limit_are_counted_without_their_name),
        cmocka_unit_test(test_every_answer_of_proxmox_has_a_code_of_the_closed_list),
        cmocka_unit_test(test_what_was_not_sent_took_no_time),
        cmocka_unit_test(test_endpoints_beyond_the_limit_are_counted_together),
        cmocka_unit_test(test_a_callback_that_blocks_is_seen),
        cmocka_unit_test(test_the_process_is_looked_at_without_opening_files),
    };

    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
