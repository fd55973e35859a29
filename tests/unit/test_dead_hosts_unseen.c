/*
 * The room of dead hosts: what ends a claim, what happens where nobody looked, what is remembered over a
 * restart, and how much.
 */
#include "dead_hosts_world.h"

#define HERE "0b1f6b32-6a44-4f33-9d9c-0a3a4b1f0c11.0011223344556677"

/* ---- life ---- */

static void test_online_again_ends_the_claim(void **state)
{
    (void)state;
    struct world world = world_fenced();
    world.online = true;
    poll(&world, ROUND_MS);
    assert_int_equal(ask(&world).state, DEAD_HOSTS_ONLINE);
    assert_int_equal(ask(&world).fenced_ms, 0);
    set_lost(&world);
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNWATCHED);
}

static void test_online_again_begins_the_watch_anew(void **state)
{
    (void)state;
    struct world world = world_lost();
    world.online = true;
    world.lrm = "pve2 (active, watchdog active, Sat Nov 28 22:43:26 2026)";
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_ONLINE, DEAD_HOSTS_SHORTLY);
    lose(&world);
    expect_never(&world, DEAD_HOSTS_SHORTLY);
}

static void test_lrm_wrote_again_between_two_samples(void **state)
{
    (void)state;
    struct world world = world_lost();
    world.timestamp_s += 20;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_CAME_BACK);
    world = world_fenced();
    world.timestamp_s += 200;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_CAME_BACK);
}

static void test_lrm_young_again_without_a_timestamp(void **state)
{
    (void)state;
    struct world world = world_watched();
    world.timestamp_s = 0;
    see(&world);
    set_lost(&world);
    world.lrm = old_lrm;
    pass(&world, ROUND_MS);
    world.timestamp_s = 0;
    see(&world);
    poll(&world, ROUND_MS);
    world.lrm = "pve2 (active, watchdog active, Sat Nov 28 22:43:26 2026)";
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_CAME_BACK);
}

static void test_clocks_of_the_hosts_that_answer_may_differ(void **state)
{
    (void)state;
    struct world world = world_watched();
    set_lost(&world);
    poll(&world, ROUND_MS);
    world.lrm = old_lrm; /* by one clock, and not by the next */
    poll(&world, ROUND_MS);
    world.lrm = "pve2 (active, watchdog active, Sat Nov 28 22:43:26 2026)";
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME);
    dead_hosts_free(world.room);
}

static void test_ha_took_it_for_online_again(void **state)
{
    (void)state;
    struct world world = world_lost();
    poll(&world, ROUND_MS);
    world.hastate = "online";
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_CAME_BACK);
}

static void test_any_answer_that_shows_it_online_ends_the_claim(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct world world = world_fenced();
        world.online = true;
        world.majority = kind != 0; /* itself, cut off */
        world.ha_read = kind != 1;
        if (kind == 2) /* late: asked for before the last sample */
            sample_at(&world, world.now_ms - 1, world.now_ms + 1000);
        else
            see(&world);
        set_lost(&world);
        world.majority = world.ha_read = true;
        poll(&world, ROUND_MS);
        expect_never(&world, DEAD_HOSTS_CAME_BACK);
    }
}

static void test_host_that_is_no_member_any_more_is_not_dead(void **state)
{
    (void)state;
    struct world world = world_fenced();
    world.unlisted = true;
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_UNKNOWN, DEAD_HOSTS_NOT_LISTED);
    world.unlisted = false;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

/* ---- nobody looked ---- */

static void test_host_never_seen_online(void **state)
{
    (void)state;
    struct world world = world_new();
    expect(&world, DEAD_HOSTS_UNKNOWN, DEAD_HOSTS_NO_MAJORITY);
    set_lost(&world);
    see(&world);
    poll(&world, 200000);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_few_lost_samples_are_bridged(void **state)
{
    (void)state;
    struct world world = world_lost();
    pass(&world, DEAD_HOSTS_GAP_MS);
    see(&world);
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME);
    poll(&world, ROUND_MS);
    dead_hosts_free(world.room);
}

static void test_evidence_under_way_does_not_outlast_a_gap(void **state)
{
    (void)state;
    struct world world = world_lost();
    pass(&world, DEAD_HOSTS_GAP_MS + 1000);
    expect(&world, DEAD_HOSTS_UNKNOWN, DEAD_HOSTS_NO_MAJORITY);
    see(&world);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_host_left_in_a_gap(void **state)
{
    (void)state;
    struct world world = world_watched();
    set_lost(&world);
    world.lrm = old_lrm;
    pass(&world, DEAD_HOSTS_GAP_MS + 1000);
    see(&world);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_watch_begins_anew_after_a_gap(void **state)
{
    (void)state;
    struct world world = world_watched();
    pass(&world, DEAD_HOSTS_GAP_MS + 1000);
    see(&world);
    expect(&world, DEAD_HOSTS_ONLINE, DEAD_HOSTS_SHORTLY);
    dead_hosts_free(world.room);
}

static void test_pause_in_which_our_own_clock_stood_still(void **state)
{
    (void)state;
    struct world world = world_lost();
    world.clock_s += 300; /* a snapshot of this guest, say */
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

/* A host that was paused answers, and has not heard yet what became of its cluster. */
static void test_answer_of_a_minute_ago(void **state) /* P1 */
{
    (void)state;
    struct world world = world_fenced();
    world.clock_s -= 60;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

/* The cluster's clock is what the LRMs write that run: the timestamp of one that has stopped stands still. */
static void test_pause_is_seen_though_a_timestamp_of_the_future_stands_there(void **state) /* P1 */
{
    static const char *const words[] = {
        "pve4 (detected time drift!, watchdog standby, Sat Nov 28 23:43:26 2026)",
        "pve4 (old timestamp - dead?, watchdog standby, Sat Nov 28 23:43:26 2026)",
    };
    char record[DEAD_HOSTS_RECORD_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct world world = world_new();
        world.lrm4 = words[i];
        see(&world);
        poll(&world, 120000);
        lose(&world);
        poll(&world, 130000);
        expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
        assert_true(dead_hosts_write(world.room, "pve2", HERE, record));
        world.clock_s += 300;
        pass(&world, ROUND_MS);
        see(&world);
        expect_never(&world, DEAD_HOSTS_UNSEEN);
        world.room = dead_hosts_new();
        assert_true(dead_hosts_read(world.room, HERE, record, strlen(record)));
        world.online = false;
        world.now_ms -= 260000;
        see(&world);
        expect_never(&world, DEAD_HOSTS_UNSEEN);
    }
}

/* Nothing tells any more whether our own clock stood still. */
static void test_cluster_s_clock_is_not_shown_any_more(void **state) /* P1 */
{
    (void)state;
    struct world world = world_fenced();
    world.clock_s = 0;
    see(&world);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_minority_is_as_good_as_no_answer(void **state)
{
    (void)state;
    struct world world = world_lost();
    world.majority = false;
    poll(&world, DEAD_HOSTS_GAP_MS - ROUND_MS);
    world.majority = true;
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME);
    world.majority = false;
    poll(&world, 40000);
    expect(&world, DEAD_HOSTS_UNKNOWN, DEAD_HOSTS_NO_MAJORITY);
    world.majority = true;
    see(&world);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_minority_s_own_hosts_are_not_offline(void **state)
{
    (void)state;
    struct world world = world_watched();
    set_lost(&world);
    world.majority = false;
    poll(&world, 20000);
    assert_int_equal(ask(&world).state, DEAD_HOSTS_ONLINE);
    dead_hosts_free(world.room);
}

static void test_without_ha_s_status_there_is_no_evidence(void **state)
{
    (void)state;
    struct world world = world_new();
    world.ha_read = false;
    see(&world);
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_UNKNOWN, DEAD_HOSTS_HA_NOT_READ);
    dead_hosts_free(world.room);
    world = world_lost();
    world.ha_read = false;
    poll(&world, 40000);
    world.ha_read = true;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

/* No fence would believe it (dead_hosts_ask_since): it is not to be told either. */
static void test_claim_does_not_live_by_lists_of_hosts_alone(void **state) /* P10 */
{
    (void)state;
    struct world world = world_fenced();
    world.ha_read = false;
    poll(&world, DEAD_HOSTS_GAP_MS);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    pass(&world, 1000);
    see(&world);
    expect(&world, DEAD_HOSTS_UNKNOWN, DEAD_HOSTS_HA_NOT_READ);
    world.ha_read = true;
    see(&world);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

/* The host may have been back, without its LRM: after a boot that did not start it, say. */
static void test_claim_does_not_outlast_a_gap(void **state)
{
    (void)state;
    struct world world = world_fenced();
    pass(&world, DEAD_HOSTS_GAP_MS);
    see(&world);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    pass(&world, DEAD_HOSTS_GAP_MS + 1000);
    expect(&world, DEAD_HOSTS_UNKNOWN, DEAD_HOSTS_NO_MAJORITY);
    see(&world);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_slow_answers_count_for_the_shorter_time(void **state)
{
    (void)state;
    struct world world = world_watched();
    world.took_ms = 4000;
    set_lost(&world);
    poll(&world, ROUND_MS);
    poll(&world, 130000); /* offline for 126 s at least */
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME);
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    dead_hosts_free(world.room);
}

static void test_late_answer_changes_nothing_of_a_host_that_is_offline(void **state)
{
    (void)state;
    struct world world = world_lost();
    world.state = NULL;
    sample_at(&world, world.now_ms - 1, world.now_ms + 2000);
    world.state = "started";
    poll(&world, 130000);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    dead_hosts_free(world.room);
}

/* ---- words and bounds ---- */

static void test_words_of_an_lrm(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        enum dead_hosts_lrm lrm;
    } words[] = {
        {"pve2 (active, watchdog active, Sat Nov 28 22:43:26 2026)", DEAD_HOSTS_LRM_ACTIVE},
        {"pve2 (active, Sat Nov 28 22:43:26 2026)", DEAD_HOSTS_LRM_ACTIVE},
        {"pve2 (idle, watchdog standby, Sat Nov 28 22:43:26 2026)", DEAD_HOSTS_LRM_OTHER},
        {"pve2 (lost_agent_lock, Sat Nov 28 22:43:26 2026)", DEAD_HOSTS_LRM_OTHER},
        {"pve2 (disarm mode, watchdog released, Sat Nov 28 22:43:26 2026)", DEAD_HOSTS_LRM_OTHER},
        {"pve2 (detected time drift!, watchdog standby, Sat Nov 28 22:43:26 2026)", DEAD_HOSTS_LRM_DRIFT},
        {"pve2 (active mode, Sat Nov 28 22:43:26 2026)", DEAD_HOSTS_LRM_OTHER},
        {"pve2 (old timestamp - dead?, watchdog standby, Sat Nov 28 22:43:26 2026)", DEAD_HOSTS_LRM_OLD},
        {"pve2 (unable to read lrm status)", DEAD_HOSTS_LRM_UNKNOWN},
        {"pve2 (", DEAD_HOSTS_LRM_UNKNOWN},
        {"active", DEAD_HOSTS_LRM_UNKNOWN},
        {"", DEAD_HOSTS_LRM_UNKNOWN},
        {NULL, DEAD_HOSTS_LRM_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        assert_int_equal(dead_hosts_lrm_of(words[i].status), words[i].lrm);
}

static void test_only_known_words_mean_armed(void **state)
{
    (void)state;
    assert_true(dead_hosts_armed(NULL)); /* before 9.2 nobody can disarm it */
    assert_true(dead_hosts_armed("armed"));
    assert_true(dead_hosts_armed("standby"));
    assert_false(dead_hosts_armed("disarming"));
    assert_false(dead_hosts_armed("disarmed"));
    assert_false(dead_hosts_armed("unknown"));
    assert_false(dead_hosts_armed(""));
}

static void test_more_hosts_and_services_than_there_is_room_for(void **state)
{
    (void)state;
    enum { HOSTS = DEAD_HOSTS_MAX + 1, SERVICES = DEAD_HOSTS_WITNESSES + 1 };
    static char names[HOSTS][16], sids[SERVICES][16];
    static struct dead_hosts_host hosts[HOSTS];
    static struct dead_hosts_service services[SERVICES + 1];
    struct dead_hosts *room = dead_hosts_new();
    const struct dead_hosts_agent agent = {.host = names[0], .lrm = DEAD_HOSTS_LRM_ACTIVE};
    for (size_t i = 0; i < HOSTS; i++) {
        snprintf(names[i], sizeof(names[i]), "host%zu", i);
        hosts[i] = (struct dead_hosts_host){.name = names[i], .hastate = "online", .online = true};
    }
    services[0] = (struct dead_hosts_service){
        .sid = "vm:10000000000000000000000000000000", .host = names[0], .state = "started"};
    for (size_t i = 0; i < SERVICES; i++) {
        snprintf(sids[i], sizeof(sids[i]), "vm:%zu", i);
        services[i + 1] = (struct dead_hosts_service){.sid = sids[i], .host = names[0], .state = "started"};
    }
    for (int64_t t_ms = 1000; t_ms <= 61000; t_ms += 10000) {
        const struct dead_hosts_sample sample = {
            .asked_ms = t_ms,
            .came_ms = t_ms,
            .majority = true,
            .hosts = hosts,
            .host_count = HOSTS,
            .ha_read = true,
            .armed = true,
            .agents = &agent,
            .agent_count = 1,
            .services = services,
            .service_count = t_ms < 31000 ? SERVICES + 1 : 2, /* a moment later only one is left */
        };
        dead_hosts_take(room, &sample);
    }
    assert_true(dead_hosts_ask(room, names[0], 61000).watched);
    assert_int_equal(dead_hosts_ask(room, names[1], 61000).missing, DEAD_HOSTS_UNWATCHED);
    assert_int_equal(dead_hosts_ask(room, names[HOSTS - 1], 61000).missing, DEAD_HOSTS_NOT_LISTED);
    dead_hosts_free(room);
}

/* ---- over a restart ---- */

static bool write_record(const struct world *world, char record[static DEAD_HOSTS_RECORD_MAX])
{
    return dead_hosts_write(world->room, "pve2", HERE, record);
}

static bool read_record(struct world *world, const char *record)
{
    dead_hosts_free(world->room);
    world->room = dead_hosts_new();
    return dead_hosts_read(world->room, HERE, record, strlen(record));
}

/* Fenced, and the broker has just been restarted. */
static struct world world_restarted(void)
{
    char record[DEAD_HOSTS_RECORD_MAX];
    struct world world = world_fenced();

    assert_true(write_record(&world, record));
    assert_true(read_record(&world, record));
    return world;
}

static void test_fenced_host_is_remembered_over_a_restart(void **state)
{
    (void)state;
    char record[DEAD_HOSTS_RECORD_MAX];
    struct world world = world_fenced();
    struct dead_hosts_answer before = ask(&world);
    assert_true(write_record(&world, record));
    assert_true(read_record(&world, record));
    expect(&world, DEAD_HOSTS_OFFLINE,
           DEAD_HOSTS_TIME); /* not before it is seen offline, but who asks may wait */
    assert_true(ask(&world).watched);
    assert_false(write_record(&world, record)); /* nor is it written again */
    world.ha_read = false;
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME); /* nor before its LRM's timestamp is */
    world.ha_read = true;
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    assert_int_equal(ask(&world).left_ms, before.left_ms);
    assert_int_equal(ask(&world).fenced_ms, before.fenced_ms);
    assert_int_equal(ask(&world).reason, before.reason);
    assert_true(write_record(&world, record));
    dead_hosts_free(world.room);
}

static void test_restart_host_was_back_and_its_lrm_wrote(void **state)
{
    (void)state;
    struct world world = world_restarted();
    world.timestamp_s += 60;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

/* It may have been back, without its LRM: after a boot that did not start it, say. */
static void test_restart_took_longer_than_two_samples_are_apart(void **state)
{
    (void)state;
    struct world world = world_restarted();
    pass(&world, DEAD_HOSTS_GAP_MS);
    see(&world);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    dead_hosts_free(world.room);
    world = world_restarted();
    pass(&world, DEAD_HOSTS_GAP_MS + 1000);
    expect(&world, DEAD_HOSTS_UNKNOWN, DEAD_HOSTS_NO_MAJORITY); /* who asks need not wait any more */
    see(&world);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_restart_in_a_pause_in_which_our_own_clock_stood_still(void **state)
{
    (void)state;
    struct world world = world_restarted();
    world.clock_s += 300; /* a snapshot of this guest, say */
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_restart_and_an_answer_of_a_minute_ago(void **state) /* P1 */
{
    (void)state;
    struct world world = world_restarted();
    world.clock_s -= 60;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_restart_record_of_a_time_to_come(void **state)
{
    (void)state;
    struct world world = world_restarted();
    world.now_ms -= 60000; /* this guest was rolled back, and the disk of its state was not */
    expect(&world, DEAD_HOSTS_UNKNOWN, DEAD_HOSTS_NO_MAJORITY);
    see(&world);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_restart_host_is_online(void **state)
{
    (void)state;
    struct world world = world_restarted();
    world.online = true;
    poll(&world, ROUND_MS);
    set_lost(&world);
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNWATCHED);
}

static void test_restart_host_is_no_member_any_more(void **state)
{
    (void)state;
    struct world world = world_restarted();
    world.unlisted = true;
    poll(&world, ROUND_MS);
    world.unlisted = false;
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_restart_minority_sees_it_offline(void **state)
{
    (void)state;
    struct world world = world_restarted();
    world.majority = false;
    poll(&world, ROUND_MS);
    expect(&world, DEAD_HOSTS_OFFLINE, DEAD_HOSTS_TIME);
    world.majority = true;
    pass(&world, ROUND_MS + 1000);
    see(&world);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

/* It was seen online after the record, and left again. */
static void test_restart_record_that_was_ended(void **state)
{
    (void)state;
    char end[DEAD_HOSTS_RECORD_MAX];
    struct world world = world_restarted();
    assert_true(dead_hosts_write_end("pve2", HERE, end));
    assert_true(dead_hosts_read(world.room, HERE, end, strlen(end)));
    poll(&world, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
}

static void test_evidence_under_way_is_not_written_down(void **state)
{
    (void)state;
    char record[DEAD_HOSTS_RECORD_MAX];
    struct world world = world_lost();
    assert_false(write_record(&world, record));
    dead_hosts_free(world.room);
    world = world_fenced();
    world.timestamp_s = 0; /* nothing to know a return by */
    poll(&world, ROUND_MS);
    assert_true(write_record(&world, record)); /* that of the first sample without it counts */
    world.clock_s = START_S - 1000;            /* nothing to know a pause by */
    poll(&world, ROUND_MS);
    assert_false(write_record(&world, record));
    dead_hosts_free(world.room);
}

#define REST "\"reason\":\"recovered\",\"left\":1,\"fenced\":2,\"seen\":3,\"lrm\":4,\"newest\":5}"

static void test_records_that_are_not_ours(void **state)
{
    (void)state;
    static const char *const records[] = {
        "",
        "{}",
        "null",
        "{\"v\":1,\"where\":\"" HERE "\",\"host\":\"pve2\"," REST,
        "{\"v\":3,\"where\":\"" HERE "\",\"host\":\"pve2\"," REST,
        "{\"v\":2,\"where\":\"another boot\",\"host\":\"pve2\"," REST,
        "{\"v\":2,\"where\":\"0b1f6b32-6a44-4f33-9d9c-0a3a4b1f0c11.another\",\"host\":\"pve2\"," REST,
        "{\"v\":2,\"where\":\"" HERE "\",\"host\":\"\"," REST,
        "{\"v\":2,\"where\":\"" HERE "\",\"host\":\"pve2\",\"reason\":\"rumour\",\"left\":1,\"fenced\":2,"
        "\"seen\":3,\"lrm\":4,\"newest\":5}",
        "{\"v\":2,\"where\":\"" HERE "\",\"host\":\"pve2\",\"reason\":\"recovered\",\"left\":3,\"fenced\":2,"
        "\"seen\":3,\"lrm\":4,\"newest\":5}",
        "{\"v\":2,\"where\":\"" HERE "\",\"host\":\"pve2\",\"reason\":\"recovered\",\"left\":1,\"fenced\":2,"
        "\"seen\":3,\"lrm\":0,\"newest\":5}",
        "{\"v\":2,\"where\":\"" HERE "\",\"host\":\"pve2\",\"reason\":\"recovered\",\"left\":1,\"fenced\":2,"
        "\"seen\":3,\"lrm\":4}",
    };
    struct world world = world_new();
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
        assert_false(read_record(&world, records[i]));
    static const char record[] = "{\"v\":2,\"where\":\"" HERE "\",\"host\":\"pve2\"," REST;
    assert_true(read_record(&world, record));
    see(&world);
    assert_false(dead_hosts_read(world.room, HERE, record, strlen(record))); /* too late */
    dead_hosts_free(world.room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_online_again_ends_the_claim),
        cmocka_unit_test(test_online_again_begins_the_watch_anew),
        cmocka_unit_test(test_lrm_wrote_again_between_two_samples),
        cmocka_unit_test(test_lrm_young_again_without_a_timestamp),
        cmocka_unit_test(test_clocks_of_the_hosts_that_answer_may_differ),
        cmocka_unit_test(test_ha_took_it_for_online_again),
        cmocka_unit_test(test_any_answer_that_shows_it_online_ends_the_claim),
        cmocka_unit_test(test_host_that_is_no_member_any_more_is_not_dead),
        cmocka_unit_test(test_host_never_seen_online),
        cmocka_unit_test(test_few_lost_samples_are_bridged),
        cmocka_unit_test(test_evidence_under_way_does_not_outlast_a_gap),
        cmocka_unit_test(test_host_left_in_a_gap),
        cmocka_unit_test(test_watch_begins_anew_after_a_gap),
        cmocka_unit_test(test_pause_in_which_our_own_clock_stood_still),
        cmocka_unit_test(test_answer_of_a_minute_ago),
        cmocka_unit_test(test_pause_is_seen_though_a_timestamp_of_the_future_stands_there),
        cmocka_unit_test(test_cluster_s_clock_is_not_shown_any_more),
        cmocka_unit_test(test_minority_is_as_good_as_no_answer),
        cmocka_unit_test(test_minority_s_own_hosts_are_not_offline),
        cmocka_unit_test(test_without_ha_s_status_there_is_no_evidence),
        cmocka_unit_test(test_claim_does_not_live_by_lists_of_hosts_alone),
        cmocka_unit_test(test_claim_does_not_outlast_a_gap),
        cmocka_unit_test(test_slow_answers_count_for_the_shorter_time),
        cmocka_unit_test(test_late_answer_changes_nothing_of_a_host_that_is_offline),
        cmocka_unit_test(test_words_of_an_lrm),
        cmocka_unit_test(test_only_known_words_mean_armed),
        cmocka_unit_test(test_more_hosts_and_services_than_there_is_room_for),
        cmocka_unit_test(test_fenced_host_is_remembered_over_a_restart),
        cmocka_unit_test(test_restart_host_was_back_and_its_lrm_wrote),
        cmocka_unit_test(test_restart_took_longer_than_two_samples_are_apart),
        cmocka_unit_test(test_restart_in_a_pause_in_which_our_own_clock_stood_still),
        cmocka_unit_test(test_restart_and_an_answer_of_a_minute_ago),
        cmocka_unit_test(test_restart_record_of_a_time_to_come),
        cmocka_unit_test(test_restart_host_is_online),
        cmocka_unit_test(test_restart_host_is_no_member_any_more),
        cmocka_unit_test(test_restart_minority_sees_it_offline),
        cmocka_unit_test(test_restart_record_that_was_ended),
        cmocka_unit_test(test_evidence_under_way_is_not_written_down),
        cmocka_unit_test(test_records_that_are_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
