/*
 * The room of dead hosts, exception by exception: what was seen, or can be, while a host that was cut off
 * went on running its guests, and must not be taken for its death.
 */
#include "dead_hosts_world.h"

/* ---- what is claimed ---- */

static void test_host_without_power_is_fenced_once_its_lock_has_expired(void **state)
{
    (void)state;
    struct world world = world_watched();
    lose(&world);
    poll(&world, 100000);
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME);
    struct dead_hosts_answer answer = ask(&world);
    assert_true(answer.watched);
    assert_int_equal(answer.left_ms, 1130000);
    assert_int_equal(answer.due_ms, 1260000);
    poll(&world, ROUND_MS);
    answer = ask(&world);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    assert_int_equal(answer.reason, DEAD_HOSTS_LOCK_EXPIRED);
    assert_int_equal(answer.fenced_ms, 1260000);
    assert_int_equal(answer.seen_ms, 1260000);
    dead_hosts_free(world.room);
}

static void test_host_is_fenced_when_ha_recovers_its_services(void **state)
{
    (void)state;
    struct world world = world_lost();
    poll(&world, 40000);
    world.state = world.hastate = "fence";
    poll(&world, 40000);
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME);
    world.state = "started";
    world.host = "pve1";
    world.hastate = "unknown";
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    assert_int_equal(ask(&world).reason, DEAD_HOSTS_RECOVERED);
    dead_hosts_free(world.room);
}

static void test_service_that_no_other_host_may_take_stays_a_witness(void **state)
{
    (void)state;
    struct world world = world_lost();
    poll(&world, 40000);
    world.state = world.hastate = "fence";
    poll(&world, 40000);
    world.state = "recovery";
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    dead_hosts_free(world.room);
}

static void test_manager_on_the_dead_host_is_no_disarm(void **state)
{
    (void)state;
    struct world world = world_watched();
    assert_true(dead_hosts_armed("standby"));
    lose(&world);
    world.hastate = "online"; /* nobody is there who would change it */
    dead_hosts_free(world.room);
    world = world_watched();
    world.online = false;
    poll(&world, 110000);
    world.hastate = "unknown";
    poll(&world, 30000);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    dead_hosts_free(world.room);
}

static void test_claim_stands_whatever_becomes_of_its_services(void **state)
{
    (void)state;
    struct world world = world_fenced();
    world.state = NULL;
    world.armed = false;
    poll(&world, 300000);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    dead_hosts_free(world.room);
}

static void test_online_host_tells_beforehand_whether_it_is_watched(void **state)
{
    (void)state;
    struct world world = world_new();
    see(&world);
    expect(&world, DEAD_HOSTS_ONLINE, DEAD_HOSTS_SHORTLY);
    poll(&world, 20000);
    expect(&world, DEAD_HOSTS_ONLINE, DEAD_HOSTS_SHORTLY);
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_ONLINE, DEAD_HOSTS_NOTHING);
    assert_true(ask(&world).watched);
    world.state = NULL;
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_ONLINE, DEAD_HOSTS_UNWATCHED);
    assert_false(ask(&world).watched);
    world.state = "started";
    world.armed = false;
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_ONLINE, DEAD_HOSTS_DISARMED);
    dead_hosts_free(world.room);
}

/* ---- who does not count as watched ---- */

static void test_idle_lrm_has_no_watchdog(void **state)
{
    (void)state;
    struct world world = world_new();
    world.lrm = "pve2 (idle, watchdog standby, Sat Nov 28 22:43:26 2026)";
    see(&world);
    poll(&world, 120000);
    lose(&world);
    expect_never(&world, DEAD_HOSTS_UNWATCHED);
}

static void test_lrm_waiting_for_its_lock_has_no_watchdog(void **state)
{
    (void)state;
    struct world world = world_new();
    world.lrm = "pve2 (wait_for_agent_lock, watchdog standby, Sat Nov 28 22:43:26 2026)";
    see(&world);
    poll(&world, 120000);
    lose(&world);
    expect_never(&world, DEAD_HOSTS_UNWATCHED);
}

static void test_lrm_that_died_is_still_called_active_for_30_seconds(void **state)
{
    (void)state;
    struct world world = world_watched();
    world.lrm = old_lrm;
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_ONLINE, DEAD_HOSTS_UNWATCHED);
    lose(&world);
    expect_never(&world, DEAD_HOSTS_UNWATCHED);
}

static void test_lrm_active_only_since_a_moment_may_be_an_old_word(void **state)
{
    (void)state;
    struct world world = world_new();
    world.lrm = "pve2 (restart mode, watchdog active, Sat Nov 28 22:43:26 2026)";
    see(&world);
    poll(&world, 120000);
    world.lrm = "pve2 (active, watchdog active, Sat Nov 28 22:43:26 2026)";
    poll(&world, 30000);
    lose(&world);
    expect_never(&world, DEAD_HOSTS_SHORTLY);
}

static void test_service_started_there_just_before_is_no_witness(void **state)
{
    (void)state;
    struct world world = world_new();
    world.state = "request_start";
    see(&world);
    poll(&world, 120000);
    world.state = "started";
    poll(&world, 30000);
    lose(&world);
    expect_never(&world, DEAD_HOSTS_SHORTLY);
}

static void test_service_that_moved_there_just_before_is_no_witness(void **state)
{
    (void)state;
    struct world world = world_new();
    world.host = "pve1";
    see(&world);
    poll(&world, 120000);
    expect(&world, DEAD_HOSTS_ONLINE, DEAD_HOSTS_UNWATCHED);
    world.host = "pve2";
    poll(&world, 20000);
    lose(&world);
    expect_never(&world, DEAD_HOSTS_SHORTLY);
}

static void test_newer_service_does_not_stand_in_for_an_older_one(void **state)
{
    (void)state;
    struct world world = world_watched();
    world.state2 = "started";
    poll(&world, ROUND_MS);
    world.online = false;
    world.state = "freeze"; /* only vm:105 is still started there */
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_WITNESS_LOST);
}

static void test_services_of_ha_that_are_stopped_or_ignored_are_no_witnesses(void **state)
{
    (void)state;
    static const char *const states[] = {"stopped", "request_stop", "freeze", "error", "migrate", "fence"};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct world world = world_new();
        world.state = states[i];
        see(&world);
        poll(&world, 120000);
        lose(&world);
        expect_never(&world, DEAD_HOSTS_UNWATCHED);
    }
}

static void test_service_that_ha_has_not_taken_yet_is_no_witness(void **state)
{
    (void)state;
    struct world world = world_new();
    world.state = NULL;
    see(&world);
    poll(&world, 120000);
    lose(&world);
    expect_never(&world, DEAD_HOSTS_UNWATCHED);
}

/* ---- just before it left ---- */

static void test_lrm_restarted_between_the_last_two_samples(void **state)
{
    (void)state;
    struct world world = world_watched();
    set_lost(&world);
    world.lrm = "pve2 (wait_for_agent_lock, watchdog standby, Sat Nov 28 22:43:26 2026)";
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_LRM_CHANGED);
}

static void test_lrm_wrote_something_else_and_nobody_saw_what(void **state)
{
    (void)state;
    struct world world = world_watched();
    world.timestamp_s += 5; /* written since, and old by now */
    set_lost(&world);
    world.lrm = old_lrm;
    pass(&world, DEAD_HOSTS_GAP_MS - 1000);
    see(&world);
    expect_never(&world, DEAD_HOSTS_LRM_CHANGED);
}

static void test_lrm_wrote_nothing_since_it_was_seen(void **state)
{
    (void)state;
    struct world world = world_watched();
    set_lost(&world);
    world.lrm = old_lrm;
    pass(&world, DEAD_HOSTS_GAP_MS - 1000);
    see(&world);
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME);
    poll(&world, 130000);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    dead_hosts_free(world.room);
}

static void test_without_timestamps_there_must_be_no_time_for_a_restart(void **state)
{
    (void)state;
    for (int64_t gap_ms = DEAD_HOSTS_LEAVE_MS; gap_ms <= DEAD_HOSTS_LEAVE_MS + 1; gap_ms++) {
        struct world world = world_watched();
        world.timestamp_s = 0;
        see(&world);
        set_lost(&world);
        world.lrm = old_lrm;
        world.now_ms += gap_ms;
        see(&world);
        expect(&world, DEAD_HOSTS_OFFLINE,
               gap_ms == DEAD_HOSTS_LEAVE_MS ? DEAD_HOSTS_TIME : DEAD_HOSTS_LRM_CHANGED);
        dead_hosts_free(world.room);
    }
}

static void test_maintenance_gives_the_watchdog_back(void **state)
{
    (void)state;
    struct world world = world_watched();
    set_lost(&world);
    world.lrm = "pve2 (maintenance mode, watchdog standby, Sat Nov 28 22:43:26 2026)";
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_LRM_CHANGED);
}

static void test_services_frozen_in_the_first_sample_without_the_host(void **state)
{
    (void)state;
    struct world world = world_watched();
    set_lost(&world);
    world.state = "freeze";
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_WITNESS_LOST);
}

static void test_service_moved_away_before_the_host_left(void **state)
{
    (void)state;
    struct world world = world_watched();
    set_lost(&world);
    world.host = "pve1";
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_WITNESS_LOST);
}

static void test_disarmed_when_it_left(void **state)
{
    (void)state;
    struct world world = world_watched();
    set_lost(&world);
    world.armed = false;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_DISARMED);
}

static void test_armed_again_just_before_it_left(void **state)
{
    (void)state;
    struct world world = world_watched();
    world.armed = false;
    poll(&world, ROUND_MS);
    world.armed = true;
    poll(&world, 20000);
    lose(&world);
    expect_never(&world, DEAD_HOSTS_SHORTLY);
}

/* ---- while it is offline ---- */

static void test_disarmed_while_it_is_offline(void **state)
{
    (void)state;
    struct world world = world_lost();
    world.armed = false;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_DISARMED);
}

static void test_lock_that_was_free_is_nobodys_death(void **state)
{
    (void)state;
    struct world world = world_lost(); /* offline for 20 s */
    poll(&world, 40000);
    world.state = "fence";
    poll(&world, ROUND_MS);
    world.state = "recovery"; /* at 70 s: the LRM cannot have held it */
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_WITNESS_LOST);
}

static void test_service_that_moves_at_once_was_not_recovered(void **state)
{
    (void)state;
    struct world world = world_lost();
    world.host = "pve3";
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_WITNESS_LOST);
}

static void test_recovery_counts_only_after_fence_was_seen(void **state)
{
    (void)state;
    struct world world = world_lost();
    poll(&world, 80000);
    world.host = "pve1";
    poll(&world, ROUND_MS); /* at 110 s */
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME);
    poll(&world, 20000);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    dead_hosts_free(world.room);
}

static void test_service_stopped_removed_or_unfenced_while_it_is_offline(void **state)
{
    (void)state;
    static const char *const states[] = {"request_stop", "stopped", "freeze", "error", NULL};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct world world = world_lost();
        world.state = states[i];
        poll(&world, ROUND_MS);
        expect_never(&world, DEAD_HOSTS_WITNESS_LOST);
    }
    struct world world = world_lost();
    world.state = "fence";
    poll(&world, ROUND_MS);
    world.state = "started";
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_WITNESS_LOST);
}

static void test_one_service_is_enough(void **state)
{
    (void)state;
    struct world world = world_watched();
    world.state2 = "started";
    poll(&world, 40000);
    lose(&world);
    world.state = NULL;
    poll(&world, 130000);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    dead_hosts_free(world.room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_without_power_is_fenced_once_its_lock_has_expired),
        cmocka_unit_test(test_host_is_fenced_when_ha_recovers_its_services),
        cmocka_unit_test(test_service_that_no_other_host_may_take_stays_a_witness),
        cmocka_unit_test(test_manager_on_the_dead_host_is_no_disarm),
        cmocka_unit_test(test_claim_stands_whatever_becomes_of_its_services),
        cmocka_unit_test(test_online_host_tells_beforehand_whether_it_is_watched),
        cmocka_unit_test(test_idle_lrm_has_no_watchdog),
        cmocka_unit_test(test_lrm_waiting_for_its_lock_has_no_watchdog),
        cmocka_unit_test(test_lrm_that_died_is_still_called_active_for_30_seconds),
        cmocka_unit_test(test_lrm_active_only_since_a_moment_may_be_an_old_word),
        cmocka_unit_test(test_service_started_there_just_before_is_no_witness),
        cmocka_unit_test(test_service_that_moved_there_just_before_is_no_witness),
        cmocka_unit_test(test_newer_service_does_not_stand_in_for_an_older_one),
        cmocka_unit_test(test_services_of_ha_that_are_stopped_or_ignored_are_no_witnesses),
        cmocka_unit_test(test_service_that_ha_has_not_taken_yet_is_no_witness),
        cmocka_unit_test(test_lrm_restarted_between_the_last_two_samples),
        cmocka_unit_test(test_lrm_wrote_something_else_and_nobody_saw_what),
        cmocka_unit_test(test_lrm_wrote_nothing_since_it_was_seen),
        cmocka_unit_test(test_without_timestamps_there_must_be_no_time_for_a_restart),
        cmocka_unit_test(test_maintenance_gives_the_watchdog_back),
        cmocka_unit_test(test_services_frozen_in_the_first_sample_without_the_host),
        cmocka_unit_test(test_service_moved_away_before_the_host_left),
        cmocka_unit_test(test_disarmed_when_it_left),
        cmocka_unit_test(test_armed_again_just_before_it_left),
        cmocka_unit_test(test_disarmed_while_it_is_offline),
        cmocka_unit_test(test_lock_that_was_free_is_nobodys_death),
        cmocka_unit_test(test_service_that_moves_at_once_was_not_recovered),
        cmocka_unit_test(test_recovery_counts_only_after_fence_was_seen),
        cmocka_unit_test(test_service_stopped_removed_or_unfenced_while_it_is_offline),
        cmocka_unit_test(test_one_service_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
