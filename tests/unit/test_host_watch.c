/*
 * A fence of a guest on a dead host: the engine, host_watch and dead_hosts as they are, with a Proxmox of
 * three hosts in the place of the session. pve1 is the guests' host, and the one that dies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine_stage.h"

#include "fence/host_watch.h"

#define VMID      101
#define DEAD_MS   (DEAD_HOSTS_LOCK_MS + 2 * HOST_WATCH_REST_MS) /* after which it is called fenced */
#define WATCHED_S 120
#define LOOK_MS   3000 /* within which a fence has looked at a dead host, if nothing is in its way */

static struct {
    struct host_watch *watch;
    bool offline, list_silent, ha_silent;
    size_t ha_endpoint; /* which answers what is asked of HA; all else the first one does */
    int64_t paused_s;   /* how long this machine's clocks stood still */
    int64_t written_s;  /* by the LRM of pve1; 0: it writes */
} pve;

/* ---- Proxmox ---- */

static int64_t cluster_s(void)
{
    return clock_now_ms() / 1000 + pve.paused_s;
}

static struct json_object *host_named(const char *name)
{
    return listed_host(name, !pve.offline || strcmp(name, "pve1") != 0);
}

static struct json_object *list_all_hosts(void)
{
    struct json_object *list = json_object_new_array();
    for (char name[] = "pve1"; name[3] <= '3'; name[3]++)
        json_object_array_add(list, host_named(name));
    return list;
}

static struct json_object *list_resources(void)
{
    struct json_object *list = list_all_hosts();
    json_object_array_add(list, listed_guest(VMID, "qemu", "pve1"));
    return list;
}

static struct json_object *lrm_of(const char *name)
{
    bool dead = pve.offline && strcmp(name, "pve1") == 0;
    int64_t written_s = dead ? pve.written_s : cluster_s() / 10 * 10;
    struct json_object *entry = json_object_new_object();
    char status[96];

    snprintf(status, sizeof(status), "%s (%s, watchdog active, Sat Nov 28 22:43:16 2026)", name,
             cluster_s() - written_s > 30 ? "old timestamp - dead?" : "active");
    json_put(entry, "type", json_word("lrm"));
    json_put(entry, "node", json_word(name));
    json_put(entry, "status", json_word(status));
    json_put(entry, "timestamp", json_object_new_int64(written_s));
    return entry;
}

static struct json_object *ha_status(void)
{
    struct json_object *list = json_tokener_parse(
        "[{\"type\":\"quorum\",\"node\":\"pve2\",\"quorate\":1,\"status\":\"OK\"},"
        "{\"type\":\"fencing\",\"node\":\"pve2\",\"armed-state\":\"armed\",\"status\":\"armed\"},"
        "{\"type\":\"service\",\"sid\":\"vm:104\",\"node\":\"pve1\",\"crm_state\":\"started\"}]");
    for (char name[] = "pve1"; name[3] <= '3'; name[3]++)
        json_object_array_add(list, lrm_of(name));
    return list;
}

static void on_dead_landing(evutil_socket_t fd, short what, void *context)
{
    struct flight *flight = context;
    struct api_result result = {.outcome = API_OK, .http_status = 200};
    (void)fd;
    (void)what;

    if (flight->call == API_NODES)
        result.data = list_all_hosts();
    else if (flight->call == API_RESOURCES && !pve.list_silent)
        result.data = list_resources();
    else if (flight->call == API_HA_STATUS && !pve.ha_silent)
        result = (struct api_result){
            .outcome = API_OK, .http_status = 200, .endpoint = pve.ha_endpoint, .data = ha_status()};
    else
        result = (struct api_result){.outcome = API_REFUSED,
                                     .http_status = 595,
                                     .reason = "No route to host",
                                     .endpoint_text = "pve2"};
    flight_land(flight, &result);
}

static void on_watched_call(struct flight *flight)
{
    bool ours = flight->call == API_NODES || flight->call == API_RESOURCES || flight->call == API_HA_STATUS ||
                (pve.offline && flight->call == API_STATUS);
    if (!ours) {
        on_call(flight);
        return;
    }
    flight->event = event_new(NULL, -1, 0, on_dead_landing, flight);
    event_add(flight->event, &(struct timeval){.tv_usec = CALL_MS * 1000});
}

static void leave(void)
{
    pve.written_s = cluster_s() / 10 * 10;
    pve.offline = true;
}

/* ---- set up ---- */

static int set_up_watch(void **state)
{
    static struct config_endpoint endpoint = {.text = (char *)(uintptr_t) "pve2:8006"};
    const struct config config = {.trust_ha = true, .endpoints = &endpoint, .endpoint_count = 1};

    set_up(state);
    memset(&pve, 0, sizeof(pve));
    rooms.on_call = on_watched_call;
    pve.watch = host_watch_new(NULL, &(struct rooms){0}, NULL, &config);
    assert_non_null(pve.watch);
    engine_use_host_watch(stage.engine, pve.watch);
    run_for(WATCHED_S * 1000);
    return 0;
}

static int tear_down_watch(void **state)
{
    host_watch_free(pve.watch);
    return tear_down(state);
}

/* ---- the tests ---- */

static void test_a_guest_of_a_host_that_was_fenced_is_off(void **state)
{
    (void)state;
    leave();
    run_for(DEAD_MS);
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_for(LOOK_MS);
    assert_answered(off, ERROR_NONE);
}

/* P1: this machine was paused and its clocks with it, the host was back meanwhile, and has left again. Every
 * moment between two samples. */
static void test_a_fence_does_not_believe_what_was_so_before_a_pause(void **state)
{
    (void)state;
    leave();
    run_for(DEAD_MS);
    for (int i = 0; i < 2 * HOST_WATCH_REST_MS / 700; i++) {
        assert_int_equal(host_watch_ask(pve.watch, "pve1", 0).host.state, DEAD_HOSTS_FENCED);
        pve.paused_s += 600;
        pve.written_s = cluster_s() - 60;
        struct asker_record *off = ask(FENCE_OFF, "101");
        run_for(LOOK_MS);
        assert_answered(off, ERROR_NODE_OFFLINE);

        pve.offline = false; /* it is back, and dies once more */
        run_for(WATCHED_S * 1000 + i * 700);
        leave();
        run_for(DEAD_MS);
    }
}

static void test_who_joins_after_a_pause_does_not_believe_it_either(void **state)
{
    (void)state;
    leave();
    run_for(DEAD_MS);
    pve.list_silent = true;
    struct asker_record *first = ask(FENCE_OFF, "101");
    run_for(LOOK_MS);
    assert_int_equal(first->answers,
                     0); /* it knows that the host is dead, and not yet that the guest died with it */
    pve.list_silent = false;
    pve.paused_s += 600;
    pve.written_s = cluster_s() - 60;
    struct asker_record *second = ask(FENCE_OFF, "101");
    run_for(LOOK_MS);
    assert_answered(first, ERROR_NODE_OFFLINE);
    assert_answered(second, ERROR_NODE_OFFLINE);
}

/* P1: the first endpoint may be one that was cut off, and shows who was online then. */
static void test_the_quorum_of_another_endpoint_makes_no_sample_whole(void **state)
{
    (void)state;
    leave();
    run_for(DEAD_MS);
    pve.ha_endpoint = 1;
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_for(DEAD_HOSTS_GAP_MS + LOOK_MS);
    assert_answered(off, ERROR_NODE_OFFLINE);
}

/* One sample more, asked for at once, is all that a fence costs. */
static void test_a_fence_has_the_dead_host_looked_at_once(void **state)
{
    (void)state;
    leave();
    run_for(DEAD_MS);
    while (rooms.flights) /* just after a sample */
        run_for(1);
    unsigned before = rooms.made[API_HA_STATUS];
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_for(LOOK_MS);
    assert_answered(off, ERROR_NONE);
    assert_in_range(rooms.made[API_HA_STATUS] - before, 1, 2);
}

/* It cannot be proven any more, and the next level is to have its turn (rule 8). */
static void test_a_fence_does_not_wait_for_what_nobody_can_read(void **state)
{
    (void)state;
    leave();
    run_for(DEAD_MS);
    pve.ha_silent = true;
    struct asker_record *off = ask(FENCE_OFF, "101");
    run_for(DEAD_HOSTS_GAP_MS + LOOK_MS);
    assert_answered(off, ERROR_NODE_OFFLINE);
    assert_int_equal(host_watch_ask(pve.watch, "pve1", 0).host.state, DEAD_HOSTS_UNKNOWN);
}

#define WATCH_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_watch, tear_down_watch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WATCH_TEST(test_a_guest_of_a_host_that_was_fenced_is_off),
        WATCH_TEST(test_a_fence_does_not_believe_what_was_so_before_a_pause),
        WATCH_TEST(test_who_joins_after_a_pause_does_not_believe_it_either),
        WATCH_TEST(test_the_quorum_of_another_endpoint_makes_no_sample_whole),
        WATCH_TEST(test_a_fence_has_the_dead_host_looked_at_once),
        WATCH_TEST(test_a_fence_does_not_wait_for_what_nobody_can_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
