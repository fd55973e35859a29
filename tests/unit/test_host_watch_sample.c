/* What Proxmox answers, as a sample of the room of dead hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/host_watch_sample.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <string.h>

#define NODE(name, status)                                                                                   \
    "{\"type\":\"node\",\"node\":\"" name "\",\"status\":\"" status "\",\"hastate\":\"online\"}"
#define QUORUM(flag)   "{\"type\":\"quorum\",\"node\":\"pve1\",\"quorate\":" flag "}"
#define FENCING(state) "{\"type\":\"fencing\",\"armed-state\":\"" state "\"}"
#define LRM                                                                                                  \
    "{\"type\":\"lrm\",\"node\":\"pve2\",\"status\":\"pve2 (active, watchdog active, Sat Nov 28 22:43:16 "   \
    "2026)\",\"timestamp\":1795905796}"
#define SERVICE "{\"type\":\"service\",\"sid\":\"vm:104\",\"node\":\"pve2\",\"crm_state\":\"started\"}"

static struct json_object *nodes, *ha;
static struct dead_hosts_sample sample;

static bool read_both(const char *nodes_text, const char *ha_text)
{
    nodes = json_parse(nodes_text, strlen(nodes_text));
    ha = ha_text ? json_parse(ha_text, strlen(ha_text)) : NULL;
    return host_watch_sample(&sample, nodes, ha, NULL, 0);
}

static void end(void)
{
    host_watch_sample_clear(&sample);
    json_putp(&nodes);
    json_putp(&ha);
}

#define HOSTS "[" NODE("pve1", "online") "," NODE("pve2", "offline") "," NODE("pve3", "unknown") "]"

static void test_hosts_and_ha_become_a_sample(void **state)
{
    (void)state;
    assert_true(read_both(HOSTS, "[" QUORUM("1") "," FENCING("armed") "," LRM "," SERVICE "]"));
    assert_true(sample.majority && sample.ha_read && sample.armed);
    assert_int_equal(sample.host_count, 3);
    assert_false(sample.hosts[1].online);
    assert_string_equal(sample.hosts[1].hastate, "online");
    assert_true(sample.hosts[2].online); /* only its statistics are missing */
    assert_int_equal(sample.agent_count, 1);
    assert_int_equal(sample.agents[0].lrm, DEAD_HOSTS_LRM_ACTIVE);
    assert_int_equal(sample.agents[0].timestamp_s, 1795905796);
    assert_int_equal(sample.service_count, 1);
    assert_string_equal(sample.services[0].state, "started");
    end();
}

static void test_neither_few_hosts_nor_one_without_quorum_speak_for_the_cluster(void **state) /* point 5 */
{
    (void)state;
    assert_true(read_both(
        "[" NODE("pve1", "online") "," NODE("pve2", "offline") "," NODE("pve3", "offline") "]", NULL));
    assert_false(sample.majority || sample.ha_read);
    end();
    assert_true(read_both(HOSTS, "[" QUORUM("0") "," FENCING("armed") "]"));
    assert_false(sample.majority);
    end();
}

static void test_what_ha_says_while_it_is_not_armed(void **state) /* rule 5 */
{
    static const struct {
        const char *ha;
        bool armed;
    } cases[] = {
        {"[" QUORUM("1") "]", true}, /* older ones cannot be disarmed */
        {"[" QUORUM("1") "," FENCING("standby") "]", true},
        {"[" QUORUM("1") "," FENCING("disarming") "]", false},
        {"[" QUORUM("1") "," FENCING("disarmed") "]", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(read_both(HOSTS, cases[i].ha));
        assert_true(sample.ha_read);
        assert_int_equal(sample.armed, cases[i].armed);
        end();
    }
}

static void test_what_is_not_understood_of_ha_is_not_read(void **state)
{
    static const char *const texts[] = {"[]",
                                        "{}",
                                        "[" FENCING("armed") "]",
                                        "[" QUORUM("\"maybe\"") "]",
                                        "[" QUORUM("1") ",{\"type\":\"fencing\"}]",
                                        "[" QUORUM("1") ",7]",
                                        "[" QUORUM("1") ",{\"type\":\"lrm\",\"node\":\"pve2\",\"status\":"
                                                        "\"pve2 (active, watchdog active)\"}]"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(read_both(HOSTS, texts[i]));
        assert_false(sample.ha_read);
        end();
    }
    assert_true(read_both(HOSTS,
                          "[" QUORUM("1") ",{\"type\":\"lrm\",\"node\":\"pve2\",\"status\":\"pve2 (unable to "
                                          "read lrm status)\"}]"));
    assert_true(sample.ha_read);
    end();
    assert_false(read_both("{}", NULL));
    end();
    assert_false(read_both("[{\"type\":\"node\"}]", NULL));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_and_ha_become_a_sample),
        cmocka_unit_test(test_neither_few_hosts_nor_one_without_quorum_speak_for_the_cluster),
        cmocka_unit_test(test_what_ha_says_while_it_is_not_armed),
        cmocka_unit_test(test_what_is_not_understood_of_ha_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
