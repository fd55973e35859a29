/* Checks: whom they ask, whom they leave alone, and what they make of the answers. Session, poller and engine
 * are played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/engine.h"
#include "fence/guest_checks.h"
#include "heap.h"
#include "inventory_fixture.h"
#include "proxmox/endpoints.h"
#include "proxmox/poller.h"
#include "proxmox/session.h"
#include "system/cleanup.h"
#include "system/clock.h"
#include "system/jitter.h"
#include "system/json.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#define ASKED_MAX 64

/* ---- the other rooms ---- */

struct asked {
    uint64_t id, avoid;
    enum api_call call;
    int vmid;
    char node[PVE_NODE_MAX];
    bool apart, answered;
    int64_t timeout_ms;
};

static struct world {
    struct event_base *base;
    struct evidence *evidence;
    struct guest_checks *checks;
    struct inventory *inventory;
    struct asked asked[ASKED_MAX];
    size_t count;
    session_result_fn *done[ASKED_MAX];
    void *context[ASKED_MAX];
    unsigned endpoints_up, reread;
    bool session_ready;
    int busy_vmid, doubted_vmid, seen_vmid;
    int64_t seen_asked_ms;
    int64_t poll_ms, ease_ms;
    struct error poll_error;
    bool hurries;
    unsigned troubles, backoff;
    uint64_t elsewhere;
} world;

uint64_t session_call(struct session *session, const struct api_request *request,
                      const struct session_route *route, session_result_fn *done, void *context)
{
    (void)session;
    assert_true(world.count < ASKED_MAX);
    struct asked *asked = &world.asked[world.count];

    *asked = (struct asked){.id = world.count + 1,
                            .avoid = route->avoid,
                            .call = request->call,
                            .vmid = request->vmid,
                            .apart = route->purpose == TRAFFIC_CHECK,
                            .timeout_ms = route->deadline_ms - clock_now_ms()};
    snprintf(asked->node, sizeof(asked->node), "%s", request->node);
    world.done[world.count] = done;
    world.context[world.count++] = context;
    return asked->id;
}

void session_cancel(struct session *session, uint64_t id)
{
    (void)session;
    (void)id;
}

void session_describe(const struct session *session, struct session_description *description)
{
    (void)session;
    *description = (struct session_description){.ready = world.session_ready};
}

unsigned endpoints_up(const struct endpoints *endpoints)
{
    (void)endpoints;
    return world.endpoints_up;
}

struct inventory *poller_inventory(const struct poller *poller)
{
    (void)poller;
    return world.inventory;
}

const struct error *poller_refusal(const struct poller *poller)
{
    static const struct error none = {.code = ERROR_NONE};

    (void)poller;
    return &none;
}

int64_t poller_interval_ms(const struct poller *poller)
{
    (void)poller;
    return world.poll_ms;
}

bool poller_hurries(const struct poller *poller)
{
    (void)poller;
    return world.hurries;
}

unsigned poller_checks_backoff(const struct poller *poller)
{
    (void)poller;
    return world.backoff ? world.backoff : 1;
}

const struct error *poller_error(const struct poller *poller)
{
    (void)poller;
    return &world.poll_error;
}

int64_t poller_ease_ms(const struct poller *poller)
{
    (void)poller;
    return world.ease_ms;
}

void poller_trouble(struct poller *poller)
{
    (void)poller;
    world.troubles++;
}

uint64_t poller_elsewhere(const struct poller *poller)
{
    (void)poller;
    return world.elsewhere;
}

void poller_reread_privileges(struct poller *poller)
{
    (void)poller;
    world.reread++;
}

bool engine_guest_busy(const struct engine *engine, int vmid)
{
    (void)engine;
    return vmid == world.busy_vmid;
}

bool engine_wants_status(const struct engine *engine, int vmid)
{
    (void)engine;
    return vmid == world.doubted_vmid;
}

void engine_status_seen(struct engine *engine, enum pve_guest_type type, const struct pve_status *status,
                        int64_t asked_ms)
{
    (void)engine;
    (void)type;
    world.seen_vmid = status->vmid;
    world.seen_asked_ms = asked_ms;
}

/* ---- playing ---- */

static const struct guest four[] = {
    FIXTURE_GUEST(101, "a", "pve1", .lock = NULL), FIXTURE_GUEST(102, "b", "pve2", .lock = NULL),
    FIXTURE_GUEST(103, "c", "pve3", .lock = NULL), FIXTURE_GUEST(104, "d", "pve1", .lock = NULL)};

static void use_guests(const struct guest *guests, size_t count)
{
    inventory_unref(world.inventory);
    world.inventory = fixture_inventory(guests, count, 3, 1);
    guest_checks_round_ended(world.checks);
}

static int make_world(void **state)
{
    const struct rooms rooms = {.engine = (struct engine *)&world};
    struct rooms with_evidence = rooms;

    (void)state;
    memset(&world, 0, sizeof(world));
    world.base = event_base_new();
    world.evidence = with_evidence.evidence = evidence_new();
    world.endpoints_up = 2;
    world.session_ready = true;
    world.poll_ms = 600000;
    /* even checks come so seldom that the test sees the urgent ones alone */
    world.checks = guest_checks_new(world.base, &with_evidence, 600000, 4000);
    return world.base && world.evidence && world.checks ? 0 : -1;
}

static int leave_world(void **state)
{
    (void)state;
    guest_checks_free(world.checks);
    evidence_free(world.evidence);
    inventory_unref(world.inventory);
    event_base_free(world.base);
    return 0;
}

static void run_for(int64_t ms)
{
    const struct timeval while_tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_base_loopexit(world.base, &while_tv);
    event_base_dispatch(world.base);
}

/* Until none of the urgent ones is asked for any more. */
static void run(void)
{
    run_for(10 * GUEST_CHECKS_HURRY_MS);
}

/* … and none of those that are due. */
static void run_due(void)
{
    run_for(3 * GUEST_CHECKS_GAP_MIN_MS);
}

static struct asked *find(enum api_call call, int vmid)
{
    for (size_t i = world.count; i-- > 0;) {
        if (world.asked[i].call == call && world.asked[i].vmid == vmid && !world.asked[i].answered)
            return &world.asked[i];
    }
    fail_msg("guest %d was not asked for", vmid);
    return NULL;
}

static bool waits(enum api_call call, int vmid)
{
    for (size_t i = 0; i < world.count; i++) {
        if (world.asked[i].call == call && world.asked[i].vmid == vmid && !world.asked[i].answered)
            return true;
    }
    return false;
}

static unsigned times(int vmid)
{
    unsigned count = 0;

    for (size_t i = 0; i < world.count; i++)
        count += world.asked[i].vmid == vmid;
    return count;
}

static void answer(enum api_call call, int vmid, const struct api_result *result)
{
    struct asked *asked = find(call, vmid);
    size_t at = (size_t)(asked - world.asked);

    asked->answered = true;
    world.done[at](world.context[at], asked->id, result);
}

static void answer_document(enum api_call call, int vmid, const char *text)
{
    struct json_object *data = json_parse(text, strlen(text));
    const struct api_result result = {.outcome = API_OK,
                                      .data = data,
                                      .http_status = 200,
                                      .reason = "OK",
                                      .endpoint_text = "e1",
                                      .asked_ms = 1000,
                                      .received_ms = 1017};

    assert_non_null(data);
    answer(call, vmid, &result);
    json_object_put(data);
}

static void answer_status_more(int vmid, const char *more)
{
    char text[256];

    snprintf(text, sizeof(text), "{\"vmid\":%d,%s}", vmid, more);
    answer_document(API_STATUS, vmid, text);
}

static void answer_status(int vmid)
{
    answer_status_more(vmid, "\"status\":\"running\"");
}

static void answer_failure(enum api_call call, int vmid, enum api_outcome outcome, int http_status,
                           const char *reason)
{
    struct api_result result = {.outcome = outcome,
                                .http_status = http_status,
                                .reason = reason,
                                .endpoint = 1,
                                .endpoint_text = "e1"};

    error_set(&result.error, http_status == 403 ? ERROR_NO_POWER_RIGHT : ERROR_PROTOCOL, "said %s", reason);
    answer(call, vmid, &result);
}

static const struct evidence_entry *entry(int vmid, enum evidence_kind kind)
{
    static const struct evidence_entry none;
    const struct evidence_guest *known = evidence_of(world.evidence, vmid);

    return known ? &known->entries[kind] : &none;
}

/* ---- tests ---- */

static void test_who_was_not_seen_yet_is_checked_at_once_status_first_then_configuration(void **state)
{
    (void)state;
    use_guests(four, 3);
    assert_false(guest_checks_settled(world.checks));
    run();
    assert_int_equal(world.count, 3);
    answer_status(101);
    assert_int_equal(entry(101, EVIDENCE_STATUS)->took_ms, 17);
    assert_string_equal(entry(101, EVIDENCE_STATUS)->node, "pve1");
    assert_string_equal(entry(101, EVIDENCE_STATUS)->endpoint, "e1");
    assert_null(entry(101, EVIDENCE_STATUS)->error);
    answer_document(API_CONFIG, 101, "{\"hookscript\":\"local:x\",\"net0\":\"virtio\"}");
    assert_true(evidence_of(world.evidence, 101)->has_hookscript);
    assert_true(evidence_of(world.evidence, 101)->has_nic);
    assert_true(world.asked[0].apart && world.asked[0].timeout_ms < 4000);
    assert_false(guest_checks_settled(world.checks));
    for (int vmid = 102; vmid <= 103; vmid++) {
        answer_status(vmid);
        answer_document(API_CONFIG, vmid, "{}");
    }
    assert_true(guest_checks_settled(world.checks));
    guest_checks_round_ended(world.checks);
    run();
    assert_int_equal(world.count, 6); /* they have been seen: nobody is in a hurry */
}

static void test_who_was_left_in_doubt_is_checked_soon_and_the_engine_told(void **state)
{
    (void)state;
    use_guests(four, 2);
    run();
    for (int vmid = 101; vmid <= 102; vmid++) {
        answer_status(vmid);
        answer_document(API_CONFIG, vmid, "{}");
    }
    world.doubted_vmid = 102;
    world.seen_vmid = 0;
    guest_checks_round_ended(world.checks);
    run();
    assert_int_equal(times(102), 3);
    answer_document(API_STATUS, 102, "{\"vmid\":101,\"status\":\"running\"}"); /* of another guest */
    assert_int_equal(world.seen_vmid, 0);
    answer_document(API_CONFIG, 102, "{}");
    guest_checks_round_ended(world.checks);
    run();
    answer_status(102);
    assert_int_equal(world.seen_vmid, 102);
    assert_int_equal(world.seen_asked_ms, 1000);
}

#define STOPPED_WITH_DEVICES "\"status\":\"stopped\",\"nics\":{\"tap102i0\":{\"netin\":1,\"netout\":2}}"

/* What a check of guest 102 that is told this makes of it. */
static const struct error *status_of_102(const char *more)
{
    guest_checks_round_ended(world.checks);
    run();
    answer_status_more(102, more);
    if (waits(API_CONFIG, 102))
        answer_document(API_CONFIG, 102, "{}");
    return entry(102, EVIDENCE_STATUS)->error;
}

static void test_a_process_that_survived_a_stop_speaks_against_a_fence_and_is_looked_at_soon(void **state)
{
    (void)state;
    use_guests(&four[1], 1);
    run();
    assert_null(status_of_102(STOPPED_WITH_DEVICES)); /* it may be about to end */
    assert_null(status_of_102(STOPPED_WITH_DEVICES));
    assert_false(guest_checks_settled(world.checks));
    evidence_remains(world.evidence, 102, false, 0);
    evidence_remains(world.evidence, 102, true, clock_boottime_ms() - 1500);
    assert_null(status_of_102(STOPPED_WITH_DEVICES));
    evidence_remains(world.evidence, 102, false, 0);
    evidence_remains(world.evidence, 102, true, clock_boottime_ms() - 2100);
    const struct error *error = status_of_102(STOPPED_WITH_DEVICES);
    assert_non_null(error);
    assert_int_equal(error->code, ERROR_UNPROVEN);
    assert_true(guest_checks_settled(world.checks));
    assert_string_equal(error->message, "pve2 says that guest 102 is stopped, but its network devices are "
                                        "still there: so is a process of it");
    assert_null(status_of_102("\"status\":\"stopped\""));
    unsigned before = times(102);
    guest_checks_round_ended(world.checks);
    run();
    assert_int_equal(times(102), before); /* nobody is in a hurry any more */
}

static void test_who_runs_with_its_devices_is_no_survivor(void **state)
{
    (void)state;
    use_guests(four, 2);
    run();
    evidence_remains(world.evidence, 102, true, clock_boottime_ms() - 60000);
    answer_status_more(102, "\"status\":\"running\",\"nics\":{\"tap102i0\":{\"netin\":1,\"netout\":2}}");
    assert_null(entry(102, EVIDENCE_STATUS)->error);
    assert_int_equal(evidence_of(world.evidence, 102)->remains_since_ms, 0);
    assert_true(evidence_of(world.evidence, 102)->devices_ms > 0);
    evidence_devices(world.evidence, 102, false, clock_boottime_ms());
    assert_int_equal(evidence_of(world.evidence, 102)->devices_ms, 0);
}

static void test_two_checks_in_a_row_must_have_seen_a_survivor(void **state)
{
    (void)state;
    use_guests(four, 2);
    world.doubted_vmid = 102; /* so that each round checks it */
    run();
    evidence_remains(world.evidence, 102, true, clock_boottime_ms() - 60000);
    answer_document(API_STATUS, 102, "{\"vmid\":101,\"status\":\"stopped\"}"); /* another guest's */
    answer_document(API_CONFIG, 102, "{}");
    assert_null(status_of_102(STOPPED_WITH_DEVICES));
    evidence_remains(world.evidence, 102, false, 0);
    evidence_remains(world.evidence, 102, true, clock_boottime_ms() - 60000);
    guest_checks_round_ended(world.checks);
    run();
    answer_failure(API_STATUS, 102, API_REFUSED, 500, "internal");
    assert_null(status_of_102(STOPPED_WITH_DEVICES));
}

static void test_one_error_of_the_only_endpoint_that_is_up_is_not_believed(void **state) /* P10 */
{
    (void)state;
    world.endpoints_up = 1;
    use_guests(four, 2);
    run();
    answer_failure(API_STATUS, 102, API_REFUSED, 500, "internal");
    assert_int_equal(entry(102, EVIDENCE_STATUS)->at_ms, 0);
    answer_failure(API_STATUS, 102, API_REFUSED, 500, "internal");
    assert_non_null(entry(102, EVIDENCE_STATUS)->error);
}

static void test_of_one_host_one_guest_at_a_time_is_asked_for(void **state)
{
    (void)state;
    use_guests(four, 4);
    run();
    assert_int_equal(times(101) + times(104), 1);
    answer_status(101);
    run();
    assert_int_equal(times(104), 0);
    answer_document(API_CONFIG, 101, "{}");
    run();
    assert_int_equal(times(104), 1);
}

static void test_who_cannot_or_must_not_be_asked_is_left_alone(void **state)
{
    const struct guest guests[] = {FIXTURE_GUEST(101, "busy", "pve1", .lock = NULL),
                                   FIXTURE_GUEST(102, "offline", "pve9", .lock = NULL),
                                   {.vmid = 103, .node = (char *)"pve2", .may_power = true}};

    (void)state;
    world.busy_vmid = 101;
    use_guests(guests, 3);
    run();
    assert_int_equal(world.count, 0);
    world.busy_vmid = 0;
    guest_checks_round_ended(world.checks);
    run();
    assert_int_equal(world.count, 1);
    assert_int_equal(world.asked[0].vmid, 101);
}

static void test_without_a_session_or_an_endpoint_nobody_is_asked(void **state)
{
    (void)state;
    world.session_ready = false;
    use_guests(four, 4);
    run();
    world.session_ready = true;
    world.endpoints_up = 0;
    guest_checks_round_ended(world.checks);
    run();
    assert_int_equal(world.count, 0);
}

static void test_silence_counts_when_two_endpoints_were_asked_in_vain(void **state)
{
    (void)state;
    use_guests(four, 1);
    run();
    answer_failure(API_STATUS, 101, API_LOST, 0, "");
    assert_int_equal(world.count, 2);
    assert_int_equal(world.asked[1].avoid, 1 << 1);
    assert_int_equal(entry(101, EVIDENCE_STATUS)->at_ms, 0);
    answer_failure(API_STATUS, 101, API_LOST, 0, "");
    assert_int_equal(world.count, 2);
    assert_non_null(entry(101, EVIDENCE_STATUS)->error);
    assert_int_equal(entry(101, EVIDENCE_STATUS)->error->code, ERROR_PROTOCOL);
}

static void test_endpoints_that_are_not_reached_say_nothing_of_the_host_and_another_one_is_asked(void **state)
{
    (void)state;
    use_guests(four, 1);
    run();
    answer_failure(API_STATUS, 101, API_UNSENT, 0, "");
    assert_int_equal(world.count, 2);
    assert_int_equal(world.asked[1].avoid, 1 << 1);
    answer_failure(API_STATUS, 101, API_UNSENT, 0, "");
    run();
    assert_int_equal(world.count, 2);
    assert_int_equal(entry(101, EVIDENCE_STATUS)->at_ms, 0);
    /* the next round asks again, and the other one knows */
    guest_checks_round_ended(world.checks);
    run();
    assert_int_equal(world.count, 3);
    answer_failure(API_STATUS, 101, API_UNSENT, 0, "");
    answer_status(101);
    assert_null(entry(101, EVIDENCE_STATUS)->error);
    assert_int_equal(entry(101, EVIDENCE_STATUS)->took_ms, 17);
}

static void test_a_denial_makes_the_privileges_read_anew(void **state)
{
    (void)state;
    use_guests(four, 1);
    run();
    answer_failure(API_STATUS, 101, API_REFUSED, 403, "Permission check failed");
    assert_int_equal(world.count, 1);
    assert_int_equal(world.reread, 1);
    assert_int_equal(entry(101, EVIDENCE_STATUS)->error->code, ERROR_NO_POWER_RIGHT);
}

static void test_what_says_nothing_of_the_guest_is_no_evidence_and_not_asked_all_the_time(void **state)
{
    static const struct {
        enum api_outcome outcome;
        int http_status;
        const char *reason;
    } cases[] = {
        {API_REFUSED, 401, "authentication failure"},
        {API_REFUSED, 500, "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist"},
    };

    (void)state;
    use_guests(four, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        guest_checks_round_ended(world.checks);
        run();
        assert_int_equal(world.count, i + 1);
        answer_failure(API_STATUS, 101, cases[i].outcome, cases[i].http_status, cases[i].reason);
        run();
        assert_int_equal(world.count, i + 1);
        assert_int_equal(entry(101, EVIDENCE_STATUS)->at_ms, 0);
    }
}

static void test_an_answer_about_another_guest_or_without_sense_speaks_against_a_fence(void **state)
{
    static const struct {
        const char *text;
        enum error_code code;
    } cases[] = {
        {"{\"vmid\":102,\"status\":\"running\"}", ERROR_PROTOCOL},
        {"{\"vmid\":101}", ERROR_PROTOCOL},
        {"{\"vmid\":101,\"status\":\"running\",\"ha\":{\"managed\":1}}", ERROR_HA_UNSERVED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        use_guests(four, 1);
        evidence_forget(world.evidence);
        guest_checks_round_ended(world.checks);
        run();
        answer_document(API_STATUS, 101, cases[i].text);
        assert_int_equal(entry(101, EVIDENCE_STATUS)->error->code, cases[i].code);
        answer_document(API_CONFIG, 101, "[]");
        assert_int_equal(entry(101, EVIDENCE_CONFIG)->error->code, ERROR_PROTOCOL);
    }
}

static void test_while_proxmox_suffers_checks_are_rarer_and_none_is_missed_for_it(void **state)
{
    (void)state;
    use_guests(four, 2);
    assert_int_equal(evidence_period_ms(world.evidence, EVIDENCE_STATUS), 600000);
    world.backoff = 2;
    guest_checks_round_ended(world.checks);
    assert_int_equal(evidence_period_ms(world.evidence, EVIDENCE_STATUS), 1200000);
    assert_int_equal(evidence_period_ms(world.evidence, EVIDENCE_CONFIG),
                     GUEST_CHECKS_CONFIG_EVERY * 1200000);
    world.backoff = 1;
    guest_checks_round_ended(world.checks);
    assert_int_equal(evidence_period_ms(world.evidence, EVIDENCE_STATUS), 600000);
}

static void test_no_interval_is_no_check_and_nobody_misses_them(void **state)
{
    (void)state;
    guest_checks_set_interval(world.checks, 0, 4000);
    use_guests(four, 4);
    run();
    assert_int_equal(world.count, 0);
    assert_true(guest_checks_settled(world.checks));
    assert_int_equal(evidence_period_ms(world.evidence, EVIDENCE_STATUS), 0);
    guest_checks_set_interval(world.checks, 20000, 4000);
    assert_int_equal(evidence_period_ms(world.evidence, EVIDENCE_STATUS), 20000);
    assert_int_equal(evidence_period_ms(world.evidence, EVIDENCE_CONFIG), GUEST_CHECKS_CONFIG_EVERY * 20000);
}

/* Else a host that was silent when checks were switched off would keep its guests blocked for ever. */
static void test_what_the_last_checks_have_shown_ends_with_them(void **state)
{
    (void)state;
    use_guests(four, 4);
    run();
    answer_document(API_STATUS, 101, "{\"garbled\":1}");
    assert_non_null(entry(101, EVIDENCE_STATUS)->error);
    guest_checks_set_interval(world.checks, 0, 4000);
    assert_null(entry(101, EVIDENCE_STATUS)->error);
    assert_int_equal(entry(101, EVIDENCE_STATUS)->at_ms, 0);
    answer_document(API_CONFIG, 101, "{}"); /* nobody waits for it any more */
    assert_false(evidence_of(world.evidence, 101)->config_known);
    guest_checks_set_interval(world.checks, 20000, 4000);
    assert_false(guest_checks_settled(world.checks)); /* they begin anew */
}

static void test_many_guests_stretch_the_interval(void **state)
{
    (void)state;
    assert_int_equal(guest_checks_period_ms(20000, 0), 20000);
    assert_int_equal(guest_checks_period_ms(20000, 200), 20000);
    assert_int_equal(guest_checks_period_ms(20000, 10000), 1000000);
    assert_int_equal(guest_checks_period_ms(0, 10000), 0);
}

/* ---- what is due ---- */

#define POLL_MS 2800 /* checks come 100 ms apart then */

static void answer_all(void)
{
    void (*let)(void) = world.poll_ms == POLL_MS ? run_due : run;

    let();
    for (int vmid = 101; vmid <= 104; vmid++) {
        if (waits(API_STATUS, vmid))
            answer_status_more(vmid, "\"status\":\"running\",\"uptime\":86400");
        if (waits(API_CONFIG, vmid))
            answer_document(API_CONFIG, vmid, "{}");
    }
    let();
}

/* As if all that is known of it were so much older. */
static void make_older(int vmid, int64_t ms)
{
    const struct evidence_answer answer = {.node = inventory_by_vmid(world.inventory, vmid)->node,
                                           .endpoint = "e1",
                                           .at_ms = clock_boottime_ms() - ms};

    evidence_status(world.evidence, vmid, &answer);
    evidence_config(world.evidence, vmid, &answer, NULL);
    evidence_tried(world.evidence, vmid, answer.at_ms);
}

/* All are known, and two calls were made of each. */
static void begin_known(void)
{
    use_guests(four, 4);
    answer_all();
    answer_all(); /* 104 is on the host of 101 */
    assert_int_equal(world.count, 8);
    world.poll_ms = POLL_MS;
}

static void test_of_a_host_that_nobody_asked_for_two_polls_one_guest_is_checked(void **state)
{
    (void)state;
    begin_known();
    guest_checks_round_ended(world.checks);
    run_due();
    assert_int_equal(world.count, 8);
    make_older(101, POLL_MS - 100); /* they are younger at the next poll than two of them */
    make_older(104, POLL_MS - 50);
    guest_checks_round_ended(world.checks);
    run_due();
    assert_int_equal(world.count, 8);
    make_older(101, 2 * POLL_MS - 100);
    make_older(104, 2 * POLL_MS - 50);
    guest_checks_round_ended(world.checks);
    run_due();
    assert_int_equal(world.count, 9);
    assert_int_equal(world.asked[8].vmid, 104); /* it has waited longest */
    assert_int_equal(world.asked[8].call, API_STATUS);
    answer_all();
    assert_int_equal(world.count, 9); /* the configuration is known */
}

static void test_half_of_many_brokers_check_a_round_sooner_once(void **state)
{
    unsigned sooner = 0;

    for (unsigned broker = 0; broker < 6; broker++) {
        char id[16];

        snprintf(id, sizeof(id), "%u", broker);
        jitter_begin((const char *const[]){id}, 1);
        bool soon = jitter_ms(JITTER_CHECK_ROUND, 2) == 1;
        sooner += soon;
        if (broker > 0) {
            assert_int_equal(leave_world(state), 0);
            assert_int_equal(make_world(state), 0);
        }
        if (broker == 0 && soon) { /* the first world was made without */
            assert_int_equal(leave_world(state), 0);
            assert_int_equal(make_world(state), 0);
        }
        begin_known();
        make_older(101, POLL_MS - 100);
        make_older(104, POLL_MS - 50);
        guest_checks_round_ended(world.checks);
        answer_all();
        assert_int_equal(world.count, soon ? 9 : 8);
        make_older(101, POLL_MS - 100);
        make_older(104, POLL_MS - 50);
        guest_checks_round_ended(world.checks);
        answer_all();
        assert_int_equal(world.count, soon ? 9 : 8);
    }
    jitter_begin(NULL, 0);
    assert_in_range(sooner, 1, 5);
}

static void test_a_rehearsal_stands_for_the_check_of_a_host(void **state)
{
    const struct evidence_answer answer = {.node = "pve1", .at_ms = clock_boottime_ms()};

    (void)state;
    begin_known();
    make_older(101, 2 * POLL_MS - 100);
    make_older(104, 2 * POLL_MS - 50);
    guest_checks_round_ended(world.checks);
    evidence_rehearsed(world.evidence, 101, &answer); /* in the moment that a check leaves it */
    run_due();
    assert_int_equal(world.count, 8);
}

static void test_a_guest_is_checked_when_its_interval_is_over_however_well_its_host_is_known(void **state)
{
    (void)state;
    begin_known();
    make_older(101, 600000 - POLL_MS); /* of 600 s */
    guest_checks_round_ended(world.checks);
    run_due();
    assert_int_equal(world.count, 8);
    make_older(101, 600000 - POLL_MS / 4); /* with the next poll it would be late */
    guest_checks_round_ended(world.checks);
    run_due();
    assert_int_equal(world.count, 9);
}

static void test_while_the_poller_hurries_all_are_checked_more_often(void **state)
{
    (void)state;
    begin_known();
    world.hurries = true;
    make_older(101, GUEST_CHECKS_HURRIED_MS);
    make_older(104, GUEST_CHECKS_HURRIED_MS);
    guest_checks_round_ended(world.checks);
    run_due();
    answer_all();
    guest_checks_round_ended(world.checks);
    for (int i = 0; i < 4; i++)
        answer_all();
    assert_int_equal(world.count, 10);
}

static void test_the_configuration_is_read_when_the_guest_was_started_or_moved_or_after_long(void **state)
{
    static const struct guest elsewhere = FIXTURE_GUEST(101, "a", "pve2", .lock = NULL);
    struct evidence_answer answer = {.node = "pve1", .endpoint = "e1"};

    (void)state;
    use_guests(four, 1);
    answer_all();
    assert_int_equal(world.count, 2);
    evidence_forget(world.evidence);
    answer.at_ms = clock_boottime_ms() - 60000;
    evidence_config(world.evidence, 101, &answer, NULL);
    guest_checks_round_ended(world.checks);
    run_due();
    answer_status_more(101, "\"status\":\"running\",\"uptime\":30"); /* started since */
    assert_true(waits(API_CONFIG, 101));
    answer_document(API_CONFIG, 101, "{}");

    evidence_config(world.evidence, 101, &answer, NULL);
    use_guests(&elsewhere, 1);
    run_due();
    answer_status_more(101, "\"status\":\"running\",\"uptime\":3000");
    assert_true(waits(API_CONFIG, 101));
    answer_document(API_CONFIG, 101, "{}");

    answer.node = "pve2";
    answer.at_ms = clock_boottime_ms() - INT64_C(600000) * GUEST_CHECKS_CONFIG_EVERY;
    evidence_config(world.evidence, 101, &answer, NULL);
    world.doubted_vmid = 101;
    guest_checks_round_ended(world.checks);
    run_due();
    answer_status_more(101, "\"status\":\"stopped\"");
    assert_true(waits(API_CONFIG, 101));
}

static void fail_status(int vmid)
{
    answer_failure(API_STATUS, vmid, API_REFUSED, 500, "internal");
}

static void test_a_host_that_falls_silent_or_comes_back_is_asked_for_all_its_guests(void **state)
{
    (void)state;
    begin_known();
    make_older(101, 2 * POLL_MS - 100);
    make_older(104, 2 * POLL_MS - 50);
    guest_checks_round_ended(world.checks);
    run_due();
    fail_status(104);
    assert_int_equal(world.troubles, 1);
    assert_null(entry(101, EVIDENCE_STATUS)->error);
    run_due();
    fail_status(101); /* soon, and not when its interval is over */
    assert_int_equal(world.troubles, 2);
    size_t before = world.count;
    guest_checks_round_ended(world.checks); /* what does not answer is asked less than what does, … */
    run_due();
    assert_int_equal(world.count, before);
    world.poll_error.code = ERROR_NO_ENDPOINT;
    guest_checks_round_ended(world.checks);
    world.poll_error.code = ERROR_NONE;
    guest_checks_round_ended(world.checks); /* … until the trouble of polls has ended, too */
    run_due();
    assert_int_equal(world.count, before + 1);
    assert_true(waits(API_STATUS, 101) != waits(API_STATUS, 104));
    answer_all();
    answer_all();
    assert_null(entry(101, EVIDENCE_STATUS)->error);
    assert_null(entry(104, EVIDENCE_STATUS)->error);
}

static void test_a_check_goes_where_the_poll_has_left_a_connection(void **state)
{
    (void)state;
    world.elsewhere = ~UINT64_C(2);
    use_guests(four, 1);
    run_due();
    assert_true(world.asked[0].avoid == ~UINT64_C(2));
    answer_failure(API_STATUS, 101, API_LOST, 0, "");
    assert_true(world.asked[1].avoid == 2); /* and elsewhere, if that has failed */
}

/* A list that shows one guest, on a host that nobody has heard of before. */
static void check_invented_host(unsigned number)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);
    char host[16];
    const struct guest guest = FIXTURE_GUEST(101, "a", host, .lock = NULL);
    int64_t last_ms = clock_boottime_ms();

    while (clock_boottime_ms() == last_ms) /* the last check was before this round */
        ;
    snprintf(host, sizeof(host), "invented%04u", number);
    assert_true(inventory_builder_guest(builder, &guest));
    assert_true(inventory_builder_node(builder, host, true));
    inventory_unref(world.inventory);
    world.inventory = inventory_builder_finish(builder, FIXTURE_TAKEN_MS);
    world.count = 0;
    guest_checks_round_ended(world.checks);
    while (world.count == 0)
        event_base_loop(world.base, EVLOOP_ONCE);
    answer_status(101);
    answer_document(API_CONFIG, 101, "{}");
}

static void test_hosts_that_are_invented_with_each_list_are_forgotten_again(void **state) /* P7 */
{
    size_t before;

    (void)state;
    for (unsigned number = 0; number < 20; number++)
        check_invented_host(number);
    before = heap_in_use();
    for (unsigned number = 20; number < 100; number++)
        check_invented_host(number);
    assert_in_range(heap_in_use(), 0, before + 2048);
}

int main(void)
{
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, make_world, leave_world)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_who_was_not_seen_yet_is_checked_at_once_status_first_then_configuration),
        WORLD_TEST(test_who_was_left_in_doubt_is_checked_soon_and_the_engine_told),
        WORLD_TEST(test_a_process_that_survived_a_stop_speaks_against_a_fence_and_is_looked_at_soon),
        WORLD_TEST(test_who_runs_with_its_devices_is_no_survivor),
        WORLD_TEST(test_two_checks_in_a_row_must_have_seen_a_survivor),
        WORLD_TEST(test_one_error_of_the_only_endpoint_that_is_up_is_not_believed),
        WORLD_TEST(test_of_one_host_one_guest_at_a_time_is_asked_for),
        WORLD_TEST(test_who_cannot_or_must_not_be_asked_is_left_alone),
        WORLD_TEST(test_without_a_session_or_an_endpoint_nobody_is_asked),
        WORLD_TEST(test_silence_counts_when_two_endpoints_were_asked_in_vain),
        WORLD_TEST(test_endpoints_that_are_not_reached_say_nothing_of_the_host_and_another_one_is_asked),
        WORLD_TEST(test_a_denial_makes_the_privileges_read_anew),
        WORLD_TEST(test_what_says_nothing_of_the_guest_is_no_evidence_and_not_asked_all_the_time),
        WORLD_TEST(test_an_answer_about_another_guest_or_without_sense_speaks_against_a_fence),
        WORLD_TEST(test_while_proxmox_suffers_checks_are_rarer_and_none_is_missed_for_it),
        WORLD_TEST(test_no_interval_is_no_check_and_nobody_misses_them),
        WORLD_TEST(test_what_the_last_checks_have_shown_ends_with_them),
        WORLD_TEST(test_many_guests_stretch_the_interval),
        WORLD_TEST(test_of_a_host_that_nobody_asked_for_two_polls_one_guest_is_checked),
        WORLD_TEST(test_half_of_many_brokers_check_a_round_sooner_once),
        WORLD_TEST(test_a_rehearsal_stands_for_the_check_of_a_host),
        WORLD_TEST(test_a_guest_is_checked_when_its_interval_is_over_however_well_its_host_is_known),
        WORLD_TEST(test_while_the_poller_hurries_all_are_checked_more_often),
        WORLD_TEST(test_the_configuration_is_read_when_the_guest_was_started_or_moved_or_after_long),
        WORLD_TEST(test_a_host_that_falls_silent_or_comes_back_is_asked_for_all_its_guests),
        WORLD_TEST(test_a_check_goes_where_the_poll_has_left_a_connection),
        WORLD_TEST(test_hosts_that_are_invented_with_each_list_are_forgotten_again),
    };

    return cmocka_run_group_tests_name("checks", tests, NULL, NULL);
}
