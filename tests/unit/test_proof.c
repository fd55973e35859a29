/* The off-proof: from facts that prove off, one after the other is taken away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/proof.h"

static struct proof_hosts hosts;
static struct proof_facts facts;

/* Seen running, stopped by us, read stopped, and the hosts were asked after that. */
static void prove(void)
{
    hosts = (struct proof_hosts){.asked_ms = 2010, .online = 2, .required = 2, .host_online = true};
    facts = (struct proof_facts){
        .request_ms = 1000,
        .read = true,
        .asked_ms = 2000,
        .received_ms = 2010,
        .seen_running = true,
        .stopped_ok = true,
        .ended_ms = 1990,
        .killing_since_ms = 1001,
        .stop_timeout_ms = 3000,
        .hosts = &hosts,
    };
    assert_int_equal(proof_of(&facts), PROOF_OFF);
}

/* The same of a guest that Proxmox HA has stopped. */
static void prove_ha(void)
{
    prove();
    facts.ha = true;
    facts.stopped_ok = facts.seen_running = false;
    facts.ha_taken_ms = 1900;
    facts.ha_state = PROOF_HA_STOPPED;
    facts.ha_moved = true;
    assert_int_equal(proof_of(&facts), PROOF_OFF);
}

/* The guest was listed on a host that HA had fenced, and the hosts were asked after that. */
static void prove_dead(void)
{
    hosts = (struct proof_hosts){.asked_ms = 2010, .online = 2, .required = 2, .host_online = false};
    facts = (struct proof_facts){
        .request_ms = 1000,
        .dead = true,
        .dead_from_ms = 1500,
        .listed = true,
        .listed_ms = 2000,
        .listed_received_ms = 2010,
        .hosts = &hosts,
    };
    assert_int_equal(proof_of(&facts), PROOF_OFF);
}

#define LACKS(point, begin, ...)                                                                             \
    do {                                                                                                     \
        begin();                                                                                             \
        __VA_ARGS__;                                                                                         \
        assert_int_equal(proof_of(&facts), point);                                                           \
    } while (0)

static void test_each_point_is_needed(void **state) /* P1 */
{
    (void)state;
    LACKS(PROOF_NOT_READ, prove, facts.read = false);
    LACKS(PROOF_NOT_READ, prove, facts.request_ms = 2001);
    LACKS(PROOF_RUNS, prove, facts.running = true);
    LACKS(PROOF_SHOWS_LIFE, prove, facts.shows_life = true);
    LACKS(PROOF_HIDDEN, prove, facts.hidden = true);
    LACKS(PROOF_NOT_OURS, prove, facts.seen_running = facts.stopped_ok = false);
    LACKS(PROOF_NOT_OURS, prove, facts.seen_running = false; facts.ended_ms = 2001);
    LACKS(PROOF_START_MAY_COME, prove, facts.start_until_ms = 2011);
    LACKS(PROOF_START_MAY_COME, prove, facts.start_ended_ms = 2001);
    LACKS(PROOF_UNDEAD, prove, facts.killing_since_ms = 2010 - 13001);
    LACKS(PROOF_HOSTS, prove, facts.hosts = NULL);
    LACKS(PROOF_HOSTS, prove, hosts.asked_ms = 2009);
    LACKS(PROOF_HOSTS, prove, facts.hosts_under_way = true);
    LACKS(PROOF_MINORITY, prove, hosts.online = 1);
    LACKS(PROOF_HOST_OFFLINE, prove, hosts.host_online = false);
}

static void test_what_ran_on_a_dead_host_is_dead(void **state) /* P1 */
{
    (void)state;
    LACKS(PROOF_NOT_LISTED, prove_dead, facts.listed = false);
    LACKS(PROOF_NOT_LISTED, prove_dead, facts.listed_ms = 999);
    LACKS(PROOF_NOT_LISTED, prove_dead, facts.request_ms = 2001);
    LACKS(PROOF_NOT_LISTED, prove_dead, facts.dead_from_ms = 2001);
    LACKS(PROOF_HIDDEN, prove_dead, facts.listed_hidden = true);
    LACKS(PROOF_HOSTS, prove_dead, facts.hosts = NULL);
    LACKS(PROOF_HOSTS, prove_dead, hosts.asked_ms = 2009);
    LACKS(PROOF_HOSTS, prove_dead, hosts.host_online = true);
    LACKS(PROOF_MINORITY, prove_dead, hosts.online = 1);
    LACKS(PROOF_NOT_READ, prove_dead, facts.dead = false);
}

static void test_a_container_that_did_not_run_is_read_twice(void **state) /* point 4 */
{
    (void)state;
    prove();
    facts.seen_running = facts.stopped_ok = false;
    facts.idle = true;
    assert_int_equal(proof_of(&facts), PROOF_READ_AGAIN);
    facts.idle_ms = 1;
    assert_int_equal(proof_of(&facts), PROOF_READ_AGAIN);
    facts.asked_ms = facts.idle_ms + PROOF_CONTAINER_GAP_MS;
    facts.ended_ms = 1;
    assert_int_equal(proof_of(&facts), PROOF_OFF);
    facts.ended_ms = facts.asked_ms + 1;
    assert_int_equal(proof_of(&facts), PROOF_NOT_OURS);
}

static void test_a_service_of_ha_is_stopped_by_its_manager(void **state) /* point 6 */
{
    (void)state;
    LACKS(PROOF_NOT_TAKEN, prove_ha, facts.ha_taken_ms = 0);
    LACKS(PROOF_NOT_TAKEN, prove_ha, facts.ha_taken_ms = 2001);
    LACKS(PROOF_HA_UNDECIDED, prove_ha, facts.ha_state = PROOF_HA_OTHER);
    LACKS(PROOF_HA_UNDECIDED, prove_ha, facts.ha_state = PROOF_HA_REQUEST_STOP);
    LACKS(PROOF_OFF, prove_ha, facts.ha_state = PROOF_HA_REQUEST_STOP; facts.ha_stopping = true);
    LACKS(PROOF_HA_UNDECIDED, prove_ha, facts.ha_moved = false);
    LACKS(PROOF_OFF, prove_ha, facts.ha_moved = false; facts.ha_taken_ms = 2000 - PROOF_HA_ROUND_MS;
          facts.killing_since_ms = 0);
    LACKS(PROOF_UNDEAD, prove_ha, facts.killing_since_ms = 2010 - 13001);
}

static void test_what_may_have_been_killed_is_to_have_shown_devices(void **state) /* point 7 */
{
    (void)state;
    prove();
    facts.killing_since_ms = 2010 - 13001;
    facts.devices = true;
    assert_int_equal(proof_of(&facts), PROOF_OFF);
    facts.devices = false;
    facts.ha_calm_ms = 2000;
    assert_int_equal(proof_of(&facts), PROOF_OFF);
    facts.ha_calm_ms = 0;
    facts.stopped_ms = 2009;
    assert_int_equal(proof_of(&facts), PROOF_OFF);
}

static void test_a_silence_in_which_a_stop_may_have_come_is_a_gap(void **state) /* point 7 */
{
    const struct proof_between quiet = {.asked_ms = 1000, .received_ms = 14001, .stop_timeout_ms = 3000};
    struct proof_between between = quiet;
    (void)state;
    assert_false(proof_is_gap(&between));
    between.others = true;
    assert_true(proof_is_gap(&between));
    between.received_ms--;
    assert_false(proof_is_gap(&between));
    between = quiet;
    between.under_way = true;
    assert_true(proof_is_gap(&between));
    between = quiet;
    between.until_ms = 1001;
    assert_true(proof_is_gap(&between));
    between = quiet;
    between.ended_ms = 14001;
    assert_true(proof_is_gap(&between));
    between.ended_ms--;
    assert_false(proof_is_gap(&between));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_point_is_needed),
        cmocka_unit_test(test_what_ran_on_a_dead_host_is_dead),
        cmocka_unit_test(test_a_container_that_did_not_run_is_read_twice),
        cmocka_unit_test(test_a_service_of_ha_is_stopped_by_its_manager),
        cmocka_unit_test(test_what_may_have_been_killed_is_to_have_shown_devices),
        cmocka_unit_test(test_a_silence_in_which_a_stop_may_have_come_is_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
