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

#include <ctype.h>
#include <stdlib.h>

static struct text expose(const struct view_facts *facts)
{
    const struct metrics_server server = {
        .denied = {[ACCESS_NOT_MEMBER] = 2}, .resident_bytes = 4096, .start_realtime_ms = 1500};
    struct text out = {0};

    metrics_write(&out, facts, &server);
    assert_false(out.failed);
    return out;
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

/* What promtool checks: HELP and TYPE before the samples, each once, _total on counters only. */
static void test_every_family_is_well_formed(void **state)
{
    _cleanup_(inventory_unrefp) struct inventory *inventory = NULL;
    struct view_facts facts = fixture_facts(inventory, NULL);
    _cleanup_(text_clear) struct text out = expose(&facts);
    char family[128] = "", type[16] = "";

    (void)state;
    assert_int_equal(out.data[out.length - 1], '\n');
    for (char *rest = out.data, *line; (line = strsep(&rest, "\n")) && *line;) {
        char name[128];

        if (sscanf(line, "# HELP %127s", name) == 1) {
            strcpy(family, name);
            type[0] = '\0';
            assert_true(strlen(line) > strlen("# HELP ") + strlen(name) + 10);
            assert_int_equal(line[strlen(line) - 1], '.');
        } else if (sscanf(line, "# TYPE %127s %15s", name, type) == 2) {
            size_t n = strlen(name);
            bool total = n > 6 && !strcmp(name + n - 6, "_total");

            assert_string_equal(name, family);
            assert_int_equal(total, !strcmp(type, "counter"));
        } else {
            size_t n = strcspn(line, "{ ");
            const char *value = strrchr(line, ' ') + 1;
            char *end;

            assert_true(strlen(family) == n && !strncmp(line, family, n) && type[0]);
            strtod(value, &end);
            assert_true(end != value && *end == '\0');
        }
    }
}

static void test_privileges_are_counted_once_they_were_read(void **state)
{
    static const char *const pools[] = {"p"};
    static const char text[] = "{\"/\":{\"Sys.Audit\":1,\"Sys.Modify\":1}}";
    const struct privileges_scope scope = {.pools = pools, .pool_count = 1, .release = 902};
    _cleanup_(json_putp) struct json_object *permissions = json_parse(text, strlen(text));
    struct view_facts facts = fixture_facts(NULL, NULL);
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
    struct view_facts facts = fixture_facts(inventory, endpoints);
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
    struct view_facts facts = fixture_facts(NULL, NULL);
    _cleanup_(text_clear) struct text out = expose(&facts);

    (void)state;
    fixture_operation_count = 0;
    for (enum fence_action action = FENCE_OFF; action <= FENCE_REBOOT; action++) {
        static const char *const results[] = {"done", "failed", "abandoned"};

        for (size_t i = 0; i < ARRAY_LEN(results); i++) {
            char line[128];

            snprintf(line, sizeof(line), "fence_broker_requests_total{action=\"%s\",result=\"%s\"} 0",
                     fence_action_name(action), results[i]);
            assert_line(&out, line);
        }
    }
    assert_line(&out, "fence_broker_joined_total 0");
    assert_line(&out, "fence_broker_power_on_failures_total 0");
    assert_line(&out, "fence_broker_denied_total{reason=\"overflow-uid\"} 0");
    assert_line(&out, "fence_broker_denied_total{reason=\"not-member\"} 2");
    assert_line(&out, "fence_broker_connections_refused_total{socket=\"metrics\"} 0");
    assert_line(&out, "fence_broker_proxmox_calls_total{call=\"stop\"} 0");
    assert_line(&out, "fence_broker_proxmox_calls_lost_total{call=\"stop\"} 0");
    assert_line(&out, "fence_broker_guests{verdict=\"blocked\"} 0");
    assert_line(&out, "fence_broker_last_fence_timestamp_seconds 0.000");
    assert_line(&out, "fence_broker_inventory_age_seconds +Inf");
    assert_line(&out, "fence_broker_build_info{version=\"" FENCE_BROKER_VERSION "\"} 1");
    assert_line(&out, "process_start_time_seconds 1.500");
    assert_line(&out, "process_resident_memory_bytes 4096");
}

static void test_guests_and_endpoints_have_their_samples(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(102, "web2", "pve1", .lock = (char *)"backup")};
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(guests, 2, 2, 1);
    struct endpoints *endpoints = fixture_endpoints();
    struct view_facts facts = fixture_facts(inventory, endpoints);
    struct engine_counters engine = {.joined = 4};
    struct transport_counters transport = {.connections = 11};

    endpoints_certificate(endpoints, 0, INT64_C(1800000000999), INT64_C(1763812800000));

    (void)state;
    engine.answered[FENCE_REBOOT][ENGINE_RESULT_FAILED] = 7;
    transport.requests[API_STOP] = 9;
    facts.engine = &engine;
    facts.transport = &transport;
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
    assert_line(&out, "fence_broker_requests_total{action=\"reboot\",result=\"failed\"} 7");
    assert_line(&out, "fence_broker_requests_in_flight 3");
    assert_line(&out, "fence_broker_joined_total 4");
    assert_line(&out, "fence_broker_proxmox_calls_total{call=\"stop\"} 9");
    assert_line(&out, "fence_broker_proxmox_connections_total 11");
    assert_line(&out, "fence_broker_inventory_age_seconds 4.000");
    assert_line(&out, "fence_broker_proxmox_nodes_online 2");
    assert_line(&out, "fence_broker_session_ready 1");
    assert_null(strstr(out.data, "\nfence_broker_session_expiry_timestamp_seconds ")); /* a token has none */
    endpoints_free(endpoints);
}

static void test_a_ticket_has_its_expiry_on_the_wall_clock(void **state)
{
    struct view_facts facts = fixture_facts(NULL, NULL);

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
    struct view_facts facts = fixture_facts(NULL, endpoints);
    _cleanup_(text_clear) struct text out = expose(&facts);

    (void)state;
    assert_line(&out, "fence_broker_proxmox_endpoint_up{endpoint=\"a\\\"b\\\\c\\nd\"} 0");
    endpoints_free(endpoints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_family_is_well_formed),
        cmocka_unit_test(test_privileges_are_counted_once_they_were_read),
        cmocka_unit_test(test_no_series_is_there_twice),
        cmocka_unit_test(test_every_counter_is_there_at_zero),
        cmocka_unit_test(test_guests_and_endpoints_have_their_samples),
        cmocka_unit_test(test_a_ticket_has_its_expiry_on_the_wall_clock),
        cmocka_unit_test(test_label_values_are_escaped),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
