/* The exposition: its form, its samples at zero from the start, and what its labels may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/metrics.h"
#include "server_fixture.h"
#include "system/cleanup.h"
#include "system/json.h"
#include "system/log.h"

#include <stdlib.h>

static struct text expose_as(enum metrics_format format, const struct facts *facts)
{
    const struct metrics_server server = {.denied = {[ACCESS_NOT_MEMBER] = 2},
                                          .process = {.resident_bytes = 4096,
                                                      .virtual_bytes = -1,
                                                      .cpu_ms = 1250,
                                                      .open_fds = 7,
                                                      .max_fds = 1024},
                                          .loop_stall_ms = 31,
                                          .start_realtime_ms = 1500};
    struct text out = {0};

    metrics_put_all(&out, format, &server, facts);
    assert_false(out.failed);
    return out;
}

static struct text expose(const struct facts *facts)
{
    return expose_as(METRICS_TEXT, facts);
}

static void assert_line(const struct text *out, const char *line)
{
    size_t length = strlen(line);

    for (const char *at = out->data; (at = strstr(at, line)); at++) {
        if ((at == out->data || at[-1] == '\n') && at[length] == '\n')
            return;
    }
    fail_msg("no line '%s' in:\n%s", line, out->data);
}

/* ---- form ---- */

/* The family that a sample's name belongs to by the rules of the format, or NULL. */
static const struct metrics_family *family_of(const char *name, size_t length)
{
    size_t count;
    const struct metrics_family *families = metrics_families(&count);
    static const char *const endings[] = {"", "_bucket", "_sum", "_count"};

    for (size_t i = 0; i < count; i++) {
        size_t stem = strlen(families[i].name);

        for (size_t k = 0; k < ARRAY_LEN(endings); k++) {
            if ((k > 0) == (families[i].type == METRICS_HISTOGRAM) && length == stem + strlen(endings[k]) &&
                !strncmp(name, families[i].name, stem) &&
                !strncmp(name + stem, endings[k], strlen(endings[k])))
                return &families[i];
        }
    }
    return NULL;
}

/* The labels of a sample are those of the table, in its order; a histogram's buckets have "le" besides. */
static void assert_labels(const struct metrics_family *family, const char *labels, const char *sample)
{
    char names[256] = "";

    if (*labels == '{')
        labels++;
    while (*labels && *labels != '}' && *labels != ' ') {
        size_t n = strcspn(labels, "=");

        if (strncmp(labels, "le=", 3) != 0)
            snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%.*s", *names ? " " : "",
                     (int)n, labels);
        for (labels += n + 2; *labels != '"'; labels++)
            labels += *labels == '\\';
        labels += labels[1] == ',' ? 2 : 1;
    }
    if (strcmp(names, family->labels) != 0)
        fail_msg("labels '%s', not '%s', in %s", names, family->labels, sample);
}

/* What promtool checks, and more: HELP and TYPE before the samples, each family once and in one piece. */
static void assert_well_formed(const struct text *out, bool openmetrics)
{
    const struct metrics_family *family = NULL;
    size_t count, next = 0;
    const struct metrics_family *families = metrics_families(&count);
    char *copy = strdup(out->data);

    assert_int_equal(out->data[out->length - 1], '\n');
    for (char *rest = copy, *line; (line = strsep(&rest, "\n")) && *line;) {
        char name[128], type[16];

        if (!strcmp(line, "# EOF")) {
            assert_true(openmetrics && *rest == '\0');
        } else if (sscanf(line, "# HELP %127s", name) == 1) {
            assert_true(next < count);
            family = &families[next++];
            size_t n = strlen(name);
            assert_true(!strncmp(name, family->name, n));
            assert_string_equal(family->name + n,
                                openmetrics && family->type == METRICS_COUNTER ? "_total" : "");
            assert_true(strlen(family->help) > 10 && family->help[strlen(family->help) - 1] == '.');
            assert_null(strpbrk(family->help, "\\\"\n"));
        } else if (sscanf(line, "# TYPE %127s %15s", name, type) == 2) {
            assert_string_equal(type, metrics_type_name(family->type));
        } else {
            size_t n = strcspn(line, "{ ");
            const char *value = strrchr(line, ' ') + 1;
            char *end;

            if (family_of(line, n) != family)
                fail_msg("not of the family %s: %s", family->name, line);
            assert_labels(family, line + n, line);
            strtod(value, &end);
            assert_true(end != value && *end == '\0');
        }
    }
    assert_int_equal(next, count);
    free(copy);
}

static struct facts busy_facts(struct inventory **inventory, struct endpoints **endpoints)
{
    const struct guest guests[] = {FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(102, "web2", "pve1", .lock = (char *)"backup")};

    *inventory = fixture_inventory(guests, 2, 2, 1);
    *endpoints = fixture_endpoints();
    return fixture_facts(*inventory, *endpoints);
}

static void test_every_family_is_well_formed_in_both_formats(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
    struct endpoints *endpoints = NULL;
    struct facts facts[] = {fixture_facts(NULL, NULL), busy_facts(&inventory, &endpoints)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        _cleanup_(text_clear) struct text plain = expose_as(METRICS_TEXT, &facts[i]);
        _cleanup_(text_clear) struct text open = expose_as(METRICS_OPENMETRICS, &facts[i]);

        assert_well_formed(&plain, false);
        assert_well_formed(&open, true);
        assert_null(strstr(plain.data, "# EOF"));
        assert_string_equal(open.data + open.length - strlen("\n# EOF\n"), "\n# EOF\n");
    }
    endpoints_free(endpoints);
}

static void test_the_table_has_the_form_that_prometheus_asks_for(void **state)
{
    size_t count;
    const struct metrics_family *families = metrics_families(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(families[i].name);
        bool total = n > 6 && !strcmp(families[i].name + n - 6, "_total");

        assert_int_equal(total, families[i].type == METRICS_COUNTER);
        assert_true(!strncmp(families[i].name, "fence_broker_", 13) ||
                    !strncmp(families[i].name, "process_", 8));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(families[i].name, families[k].name);
    }
}

/* The formats hold the same samples, in the same order. */
static void test_both_formats_have_the_same_samples(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
    struct endpoints *endpoints = NULL;
    struct facts facts = busy_facts(&inventory, &endpoints);
    _cleanup_(text_clear) struct text plain = expose_as(METRICS_TEXT, &facts);
    _cleanup_(text_clear) struct text open = expose_as(METRICS_OPENMETRICS, &facts);
    char *one = plain.data, *other = open.data;

    (void)state;
    while (*one) {
        size_t n = strcspn(one, "\n") + 1;

        if (*one != '#')
            assert_memory_equal(one, other, n);
        one += n;
        other += strcspn(other, "\n") + 1;
    }
    endpoints_free(endpoints);
}

/* ---- values ---- */

static void test_privileges_are_counted_once_they_were_read(void **state)
{
    static const char *const pools[] = {"p"};
    static const char text[] = "{\"/\":{\"Sys.Audit\":1,\"Sys.Modify\":1}}";
    const struct privileges_scope scope = {.pools = pools, .pool_count = 1, .release = 902};
    _cleanup_(json_putp) struct json_object *permissions = json_parse(text, strlen(text));
    struct facts facts = fixture_facts(NULL, NULL);
    struct error error = {0};
    struct grants *grants = grants_new(NULL, &error);

    (void)state;
    log_set_level(LOG_CRIT);
    grants_set_policy(grants, "fence@pve", false);
    facts.grants = grants;
    _cleanup_(text_clear) struct text before = expose(&facts);
    assert_null(strstr(before.data, "\nfence_broker_excess_privileges "));
    grants_take(grants, permissions, &scope, 1);
    _cleanup_(text_clear) struct text after = expose(&facts);
    assert_line(&after, "fence_broker_excess_privileges 2");
    assert_line(&after, "fence_broker_missing_privileges 2");
    grants_free(grants, 0);
}

static void test_no_series_is_there_twice(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(102, "web2", "pve1", .lock = NULL)};
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(guests, 2, 2, 1);
    struct endpoints *endpoints = fixture_endpoints();
    struct facts facts = fixture_facts(inventory, endpoints);
    _cleanup_(text_clear) struct text out = expose(&facts);

    (void)state;
    for (const char *line = out.data; *line; line = strchr(line, '\n') + 1) {
        size_t series = strcspn(line, "\n");

        while (series > 0 && line[series] != ' ')
            series--;
        for (const char *later = strchr(line, '\n') + 1; *line != '#' && *later;
             later = strchr(later, '\n') + 1)
            assert_false(!strncmp(line, later, series + 1));
    }
    endpoints_free(endpoints);
}

static void test_every_counter_is_there_at_zero(void **state)
{
    static const char *const lines[] = {
        "fence_broker_requests_total{action=\"off\",target=\"101\",result=\"done\"} 0",
        "fence_broker_requests_total{action=\"on\",target=\"102\",result=\"abandoned\"} 0",
        "fence_broker_requests_total{action=\"reboot\",target=\"unknown\",result=\"failed\"} 0",
        "fence_broker_requests_total{action=\"reboot\",target=\"101\",result=\"left\"} 0",
        "fence_broker_request_duration_seconds_bucket{action=\"off\",result=\"done\",le=\"0.005\"} 0",
        "fence_broker_request_duration_seconds_bucket{action=\"reboot\",result=\"left\",le=\"180.0\"} 0",
        "fence_broker_request_duration_seconds_count{action=\"on\",result=\"done\"} 0",
        "fence_broker_joined_total 0",
        "fence_broker_power_on_failures_total 0",
        "fence_broker_denied_total{reason=\"overflow-uid\"} 0",
        "fence_broker_denied_total{reason=\"not-member\"} 2",
        "fence_broker_connections_refused_total{socket=\"metrics\"} 0",
        "fence_broker_proxmox_requests_total{endpoint=\"pve1\",call=\"stop\",code=\"200\"} 0",
        "fence_broker_proxmox_requests_total{endpoint=\"192.0.2.12 as pve2\",call=\"pool\",code=\"lost\"} 0",
        "fence_broker_proxmox_request_duration_seconds_bucket{call=\"stop\",le=\"+Inf\"} 0",
        "fence_broker_guests{verdict=\"degraded\"} 0",
        "fence_broker_target_blocked_reason{target=\"101\",reason=\"locked\"} 0",
        "fence_broker_target_blocked_reason{target=\"101\",reason=\"excess-privileges\"} 0",
        "fence_broker_last_fence_timestamp_seconds{target=\"101\"} 0.000",
        "fence_broker_history_write_errors_total 3",
    };
    _cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
    struct endpoints *endpoints = NULL;
    struct facts facts = busy_facts(&inventory, &endpoints);
    _cleanup_(text_clear) struct text out = expose(&facts);

    (void)state;
    fixture_operation_count = 0;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_line(&out, lines[i]);
    endpoints_free(endpoints);
}

static void test_before_the_first_inventory_its_age_is_endless(void **state)
{
    struct facts facts = fixture_facts(NULL, NULL);
    _cleanup_(text_clear) struct text out = expose(&facts);

    (void)state;
    assert_line(&out, "fence_broker_inventory_age_seconds +Inf");
    assert_line(&out, "fence_broker_guests{verdict=\"blocked\"} 0");
    assert_line(&out, "fence_broker_requests_total{action=\"off\",target=\"unknown\",result=\"failed\"} 0");
}

static void test_the_process_has_the_names_of_all_client_libraries(void **state)
{
    struct facts facts = fixture_facts(NULL, NULL);
    _cleanup_(text_clear) struct text out = expose(&facts);

    (void)state;
    assert_line(&out, "fence_broker_build_info{version=\"" FENCE_BROKER_VERSION "\"} 1");
    assert_line(&out, "fence_broker_loop_stall_seconds_max 0.031");
    assert_line(&out, "process_start_time_seconds 1.500");
    assert_line(&out, "process_cpu_seconds_total 1.250");
    assert_line(&out, "process_open_fds 7");
    assert_line(&out, "process_max_fds 1024");
    assert_line(&out, "process_resident_memory_bytes 4096");
    assert_null(strstr(out.data, "\nprocess_virtual_memory_bytes ")); /* not known */
}

/* ---- guests ---- */

static void test_requests_are_counted_by_guest_also_when_it_left_the_pool(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
    struct endpoints *endpoints = NULL;
    struct facts facts = busy_facts(&inventory, &endpoints);
    struct request_stats stats = {0};

    (void)state;
    request_stats_add(&stats, 101, FENCE_REBOOT, REQUEST_STATS_FAILED, 4000);
    request_stats_add(&stats, 777, FENCE_OFF, REQUEST_STATS_DONE, 5);
    request_stats_add(&stats, REQUEST_STATS_NO_TARGET, FENCE_ON, REQUEST_STATS_FAILED, 1);
    facts.stats = &stats;
    _cleanup_(text_clear) struct text out = expose(&facts);
    assert_line(&out, "fence_broker_requests_total{action=\"reboot\",target=\"101\",result=\"failed\"} 1");
    assert_line(&out, "fence_broker_requests_total{action=\"off\",target=\"777\",result=\"done\"} 1");
    assert_line(&out, "fence_broker_requests_total{action=\"on\",target=\"unknown\",result=\"failed\"} 1");
    assert_line(
        &out, "fence_broker_request_duration_seconds_bucket{action=\"off\",result=\"done\",le=\"0.005\"} 1");
    assert_line(
        &out,
        "fence_broker_request_duration_seconds_bucket{action=\"reboot\",result=\"failed\",le=\"2.5\"} 0");
    assert_line(
        &out,
        "fence_broker_request_duration_seconds_bucket{action=\"reboot\",result=\"failed\",le=\"5.0\"} 1");
    assert_line(&out, "fence_broker_request_duration_seconds_sum{action=\"reboot\",result=\"failed\"} 4.000");
    request_stats_clear(&stats);
    endpoints_free(endpoints);
}

static void test_each_guest_has_the_time_of_its_last_fence(void **state)
{
    const struct operation newest = {
        .vmid = 101, .action = FENCE_OFF, .outcome = OPERATION_FAILED, .requested_realtime_ms = 9000};
    const struct operation on = {.vmid = 101,
                                 .action = FENCE_ON,
                                 .outcome = OPERATION_DONE,
                                 .verified_ms = 5,
                                 .requested_realtime_ms = 8000};
    const struct operation proven = {.vmid = 101,
                                     .action = FENCE_REBOOT,
                                     .outcome = OPERATION_DONE,
                                     .verified_ms = 5,
                                     .requested_realtime_ms = 7000};
    const struct operation former = {.vmid = 101,
                                     .action = FENCE_OFF,
                                     .outcome = OPERATION_DONE,
                                     .verified_ms = 5,
                                     .requested_realtime_ms = 6000};
    const struct operation stranger = {.vmid = 777,
                                       .action = FENCE_OFF,
                                       .outcome = OPERATION_DONE,
                                       .verified_ms = 5,
                                       .requested_realtime_ms = 5000};
    const struct operation *const operations[] = {&newest, &on, &proven, &former, &stranger};
    _cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
    struct endpoints *endpoints = NULL;
    struct facts facts = busy_facts(&inventory, &endpoints);

    (void)state;
    fixture_operations = operations;
    fixture_operation_count = ARRAY_LEN(operations);
    _cleanup_(text_clear) struct text out = expose(&facts);
    fixture_operation_count = 0;
    assert_line(&out, "fence_broker_last_fence_timestamp_seconds{target=\"101\"} 7.000");
    assert_line(&out, "fence_broker_last_fence_timestamp_seconds{target=\"102\"} 0.000");
    assert_null(strstr(out.data, "last_fence_timestamp_seconds{target=\"777\"}"));
    endpoints_free(endpoints);
}

/* In a large pool only what is not 0, so that a scrape stays small. */
static void test_a_large_pool_has_no_samples_that_are_zero(void **state)
{
    size_t count = METRICS_TARGETS_FULL + 1;
    struct guest *guests = calloc(count, sizeof(*guests));
    struct request_stats stats = {0};

    (void)state;
    assert_non_null(guests);
    for (size_t i = 0; i < count; i++)
        guests[i] = (struct guest)FIXTURE_GUEST((int)(1000 + i), NULL, "pve1",
                                                .lock = i == 3 ? (char *)"backup" : NULL,
                                                .hastate = i == 0 ? (char *)"started" : NULL);
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(guests, count, 2, 1);
    struct facts facts = fixture_facts(inventory, NULL);
    request_stats_add(&stats, 1005, FENCE_OFF, REQUEST_STATS_DONE, 5);
    facts.stats = &stats;
    _cleanup_(text_clear) struct text out = expose(&facts);
    assert_line(&out, "fence_broker_target_ready{target=\"1000\"} 1");
    assert_line(&out, "fence_broker_target_ready{target=\"1003\"} 0");
    assert_line(&out, "fence_broker_target_blocked_reason{target=\"1003\",reason=\"locked\"} 1");
    assert_line(&out, "fence_broker_requests_total{action=\"off\",target=\"1005\",result=\"done\"} 1");
    assert_null(strstr(out.data, "blocked_reason{target=\"1000\""));
    assert_line(&out, "fence_broker_target_degraded_reason{target=\"1000\",reason=\"ha-managed\"} 1");
    assert_null(strstr(out.data, "{target=\"1000\",reason=\"hookscript\""));
    assert_line(&out, "fence_broker_reasons{reason=\"locked\",verdict=\"blocked\"} 1");
    assert_line(&out, "fence_broker_reasons{reason=\"stale\",verdict=\"degraded\"} 0");
    assert_null(strstr(out.data, "target=\"1005\",result=\"failed\""));
    assert_null(strstr(out.data, "last_fence_timestamp_seconds{"));
    request_stats_clear(&stats);
    free(guests);
}

static void test_guests_and_endpoints_have_their_samples(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(102, "web2", "pve1", .lock = (char *)"backup")};
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(guests, 2, 2, 1);
    struct endpoints *endpoints = fixture_endpoints();
    struct facts facts = fixture_facts(inventory, endpoints);
    struct engine_counters engine = {.joined = 4};
    struct traffic traffic = {.endpoints = NULL};

    endpoints_certificate(endpoints, 0, INT64_C(1800000000999), INT64_C(1763812800000));

    (void)state;
    const struct api_result accepted = {
        .outcome = API_OK, .http_status = 200, .asked_ms = 1, .received_ms = 41};
    traffic_add(&traffic, "pve1", TRAFFIC_FENCE, API_STOP, &accepted, 1);
    traffic_add(&traffic, "pve1", TRAFFIC_POLL, API_POOL, &accepted, 2);
    traffic_add(&traffic, "pve1", TRAFFIC_POLL, API_POOL_NESTED, &accepted, 0);
    facts.engine = &engine;
    facts.traffic = &traffic;
    facts.operations_running = 3;
    _cleanup_(text_clear) struct text out = expose(&facts);
    assert_line(&out, "fence_broker_guests{verdict=\"ready\"} 1");
    assert_line(&out, "fence_broker_guests{verdict=\"blocked\"} 1");
    assert_line(&out, "fence_broker_target_ready{target=\"101\"} 1");
    assert_line(&out, "fence_broker_target_ready{target=\"102\"} 0");
    assert_line(&out, "fence_broker_proxmox_endpoint_up{endpoint=\"pve1\"} 1");
    assert_line(&out, "fence_broker_proxmox_endpoint_up{endpoint=\"192.0.2.12 as pve2\"} 0");
    assert_line(&out, "fence_broker_certificate_expiry_timestamp_seconds{endpoint=\"pve1\"} 1800000000");
    assert_null(strstr(out.data, "expiry_timestamp_seconds{endpoint=\"192.0.2.12 as pve2\"}")); /* not seen */
    assert_line(&out, "fence_broker_target_blocked_reason{target=\"102\",reason=\"locked\"} 1");
    assert_line(&out, "fence_broker_requests_in_flight 3");
    assert_line(&out, "fence_broker_joined_total 4");
    assert_line(&out, "fence_broker_proxmox_requests_total{endpoint=\"pve1\",call=\"stop\",code=\"200\"} 1");
    assert_line(&out, "fence_broker_proxmox_requests_total{endpoint=\"pve1\",call=\"pool\",code=\"200\"} 2");
    assert_line(&out, "fence_broker_proxmox_request_duration_seconds_bucket{call=\"stop\",le=\"0.025\"} 0");
    assert_line(&out, "fence_broker_proxmox_request_duration_seconds_bucket{call=\"stop\",le=\"0.05\"} 1");
    assert_line(&out, "fence_broker_proxmox_request_duration_seconds_count{call=\"pool\"} 2");
    assert_line(&out, "fence_broker_proxmox_requests_by_purpose_total{purpose=\"poll\"} 2");
    assert_line(&out, "fence_broker_proxmox_requests_by_purpose_total{purpose=\"check\"} 0");
    assert_line(&out, "fence_broker_proxmox_requests_by_purpose_total{purpose=\"fence\"} 1");
    assert_line(&out, "fence_broker_proxmox_connections_total{purpose=\"poll\"} 2");
    assert_line(&out, "fence_broker_proxmox_connections_total{purpose=\"login\"} 0");
    assert_line(&out, "fence_broker_proxmox_connections_total{purpose=\"fence\"} 1");
    assert_line(&out, "fence_broker_proxmox_backoff 1");
    assert_line(&out, "fence_broker_inventory_age_seconds 4.000");
    assert_line(&out, "fence_broker_proxmox_nodes_online 2");
    assert_line(&out, "fence_broker_session_ready 1");
    assert_null(strstr(out.data, "\nfence_broker_session_expiry_timestamp_seconds ")); /* a token has none */
    traffic_clear(&traffic);
    endpoints_free(endpoints);
}

static void test_a_ticket_has_its_expiry_on_the_wall_clock(void **state)
{
    struct facts facts = fixture_facts(NULL, NULL);

    (void)state;
    facts.session.expires_ms = FIXTURE_NOW_MS + 3600000;
    _cleanup_(text_clear) struct text out = expose(&facts);
    assert_line(&out, "fence_broker_session_expiry_timestamp_seconds 1763816400.000");
}

static void test_label_values_are_escaped(void **state)
{
    struct config_endpoint configured = {
        .address = (char *)"a", .name = (char *)"a", .port = 8006, .text = (char *)"a\"b\\c\nd"};
    struct endpoints *endpoints = endpoints_new(&configured, 1);
    struct facts facts = fixture_facts(NULL, endpoints);
    _cleanup_(text_clear) struct text out = expose(&facts);

    (void)state;
    assert_line(&out, "fence_broker_proxmox_endpoint_up{endpoint=\"a\\\"b\\\\c\\nd\"} 0");
    endpoints_free(endpoints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_family_is_well_formed_in_both_formats),
        cmocka_unit_test(test_the_table_has_the_form_that_prometheus_asks_for),
        cmocka_unit_test(test_both_formats_have_the_same_samples),
        cmocka_unit_test(test_privileges_are_counted_once_they_were_read),
        cmocka_unit_test(test_no_series_is_there_twice),
        cmocka_unit_test(test_every_counter_is_there_at_zero),
        cmocka_unit_test(test_before_the_first_inventory_its_age_is_endless),
        cmocka_unit_test(test_the_process_has_the_names_of_all_client_libraries),
        cmocka_unit_test(test_requests_are_counted_by_guest_also_when_it_left_the_pool),
        cmocka_unit_test(test_each_guest_has_the_time_of_its_last_fence),
        cmocka_unit_test(test_a_large_pool_has_no_samples_that_are_zero),
        cmocka_unit_test(test_guests_and_endpoints_have_their_samples),
        cmocka_unit_test(test_a_ticket_has_its_expiry_on_the_wall_clock),
        cmocka_unit_test(test_label_values_are_escaped),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
