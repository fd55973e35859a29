/*
 * Rehearsals in simulated time: whose turn it is, and the rules that hold for each of them: one at a time,
 * never while an operation is under way, none after one was carried out. A day passes in a moment; a random
 * test lets guests be busy, move and fall silent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine_loop.h"
#include "inventory_fixture.h"

#include "fence/engine.h"
#include "fence/rehearsal.h"
#include "fence/rehearsal_memory.h"
#include "fence/rehearsal_plan.h"
#include "proxmox/poller.h"
#include "system/cleanup.h"
#include "system/config.h"

#include <string.h>

#define SECOND     1000
#define MINUTE     (60 * SECOND)
#define DAY        (24 * 60 * (int64_t)MINUTE)
#define GUESTS_MAX 700
#define FIRST_VMID 1000
#define LATENCY_MS 12

/* ---- the rooms around ---- */

struct seen {
    unsigned sent;
    int64_t last_ms, longest_ms, shortest_ms;
    unsigned busy; /* operations on it */
    char host[PVE_NODE_MAX];
};

static struct {
    struct inventory *inventory;
    struct error refusal, poll_error;
    unsigned reread, endpoints;
    bool login;
    /* Proxmox */
    enum probe_result (*answer)(int vmid, const char *host, uint64_t avoid, int *status);
    int64_t latency_ms;
    bool unreachable;
    unsigned sent, under_way;
    int64_t last_sent_ms, shortest_gap_ms;
    struct seen guests[GUESTS_MAX];
    uint64_t last_avoid;
    /* the memory */
    bool remembered;
    unsigned written;
} rooms;

static struct seen *seen(int vmid)
{
    assert_true(vmid >= FIRST_VMID && vmid < FIRST_VMID + GUESTS_MAX);
    return &rooms.guests[vmid - FIRST_VMID];
}

bool engine_guest_busy(const struct engine *engine, int vmid)
{
    (void)engine;
    return seen(vmid)->busy > 0;
}

struct inventory *poller_inventory(const struct poller *poller)
{
    (void)poller;
    return rooms.inventory;
}

const struct error *poller_refusal(const struct poller *poller)
{
    (void)poller;
    return &rooms.refusal;
}

const struct error *poller_error(const struct poller *poller)
{
    (void)poller;
    return &rooms.poll_error;
}

void poller_reread_privileges(struct poller *poller)
{
    (void)poller;
    rooms.reread++;
}

size_t endpoints_count(const struct endpoints *endpoints)
{
    (void)endpoints;
    return rooms.endpoints;
}

struct rehearsal_memory {
    char path[32];
};

struct rehearsal_memory *rehearsal_memory_new(const char *directory, struct error *error)
{
    (void)error;
    struct rehearsal_memory *memory = calloc(1, sizeof(*memory));
    snprintf(memory->path, sizeof(memory->path), "%s/ended", directory);
    return memory;
}

int rehearsal_memory_attach(struct rehearsal_memory *memory, struct event_base *base)
{
    (void)memory;
    (void)base;
    return 0;
}

void rehearsal_memory_free(struct rehearsal_memory *memory, int64_t wait_ms)
{
    (void)wait_ms;
    free(memory);
}

bool rehearsal_memory_read(const struct rehearsal_memory *memory, struct error *alarm)
{
    (void)memory;
    if (rooms.remembered)
        error_set(alarm, ERROR_PROTOCOL, "an earlier one was carried out");
    return rooms.remembered;
}

void rehearsal_memory_write(struct rehearsal_memory *memory, int vmid, const struct error *alarm)
{
    (void)memory;
    (void)vmid;
    (void)alarm;
    rooms.written++;
    rooms.remembered = true;
}

const char *rehearsal_memory_path(const struct rehearsal_memory *memory)
{
    return memory->path;
}

/* ---- Proxmox behind the probe ---- */

struct probe {
    struct event *event;
    struct probe_target target;
    char node[PVE_NODE_MAX];
    uint64_t avoid;
    bool under_way, on_its_way;
    int64_t asked_ms, deadline_ms;
    probe_may_go_fn *may_go;
    probe_done_fn *done;
    void *context;
};

static void finish(struct probe *probe, struct probe_answer *answer)
{
    probe->under_way = probe->on_its_way = false;
    rooms.under_way--;
    answer->endpoint_text = answer->sent ? "pve1" : "";
    answer->asked_ms = probe->asked_ms;
    answer->received_ms = loop.now_ms;
    probe->done(probe->context, answer);
}

static void note_sent(const struct probe *probe)
{
    struct seen *guest = seen(probe->target.vmid);
    assert_int_equal(guest->busy, 0); /* never while an operation is under way */
    assert_false(rooms.remembered);   /* nor after one was carried out */
    assert_string_equal(probe->node, guest->host);
    if (guest->sent > 0 && loop.now_ms - guest->last_ms > guest->longest_ms)
        guest->longest_ms = loop.now_ms - guest->last_ms;
    if (guest->sent > 0 && (guest->shortest_ms == 0 || loop.now_ms - guest->last_ms < guest->shortest_ms))
        guest->shortest_ms = loop.now_ms - guest->last_ms;
    guest->sent++;
    guest->last_ms = loop.now_ms;
    if (probe->avoid == 0 && rooms.last_sent_ms != 0 &&
        loop.now_ms - rooms.last_sent_ms < rooms.shortest_gap_ms)
        rooms.shortest_gap_ms = loop.now_ms - rooms.last_sent_ms;
    rooms.last_sent_ms = loop.now_ms;
    rooms.last_avoid = probe->avoid;
    rooms.sent++;
}

static void on_probe(evutil_socket_t fd, short what, void *context)
{
    struct probe *probe = context;
    struct probe_answer answer = {.result = PROBE_UNANSWERED};
    struct timeval latency = {.tv_sec = rooms.latency_ms / 1000, .tv_usec = rooms.latency_ms % 1000 * 1000};
    (void)fd;
    (void)what;
    if (!probe->on_its_way && !probe->may_go(probe->context)) {
        error_set(&answer.error, ERROR_ABANDONED, "not wanted any more");
        finish(probe, &answer);
    } else if (!probe->on_its_way && rooms.unreachable) {
        error_set(&answer.error, ERROR_NO_ENDPOINT, "nobody is there");
        finish(probe, &answer);
    } else if (!probe->on_its_way) {
        probe->on_its_way = true;
        note_sent(probe);
        event_add(probe->event, &latency);
    } else {
        answer.sent = true;
        answer.http_status = 400;
        answer.result = rooms.answer(probe->target.vmid, probe->node, probe->avoid, &answer.http_status);
        if (answer.result != PROBE_ACCEPTED)
            error_set(&answer.error, answer.http_status == 403 ? ERROR_NO_POWER_RIGHT : ERROR_PROTOCOL,
                      "Proxmox answered %d", answer.http_status);
        finish(probe, &answer);
    }
}

struct probe *probe_new(struct session *session)
{
    (void)session;
    struct probe *probe = calloc(1, sizeof(*probe));
    probe->event = event_new(NULL, -1, 0, on_probe, probe);
    return probe;
}

void probe_free(struct probe *probe)
{
    if (!probe)
        return;
    event_free(probe->event);
    free(probe);
}

bool probe_send(struct probe *probe, const struct probe_target *target, uint64_t avoid, int64_t deadline_ms,
                int64_t answer_timeout_ms, probe_may_go_fn *may_go, probe_done_fn *done, void *context)
{
    assert_int_equal(rooms.under_way, 0); /* one at a time */
    assert_int_equal(answer_timeout_ms, 4 * SECOND);
    *probe = (struct probe){.event = probe->event,
                            .target = *target,
                            .avoid = avoid,
                            .under_way = true,
                            .asked_ms = loop.now_ms,
                            .deadline_ms = deadline_ms,
                            .may_go = may_go,
                            .done = done,
                            .context = context};
    snprintf(probe->node, sizeof(probe->node), "%s", target->node);
    rooms.under_way++;
    event_active(probe->event, EV_TIMEOUT, 0);
    return true;
}

bool probe_can_go(const struct probe *probe)
{
    (void)probe;
    return rooms.login;
}

const char *probe_result_name(enum probe_result result)
{
    static const char *const names[] = {"accepted", "refused", "unanswered", "carried-out"};
    return names[result];
}

/* ---- the fixture ---- */

static struct {
    struct rehearsals *rehearsals;
    struct evidence *evidence;
    struct config config;
    unsigned answers;
    struct rehearsal_report report;
    struct error error, reported;
} here;

static enum probe_result accept_all(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    (void)status;
    return PROBE_ACCEPTED;
}

/* The guests 1000 … on pve1 to pve3 in turn, of which `offline` is not there. */
static void show_guests(unsigned count, const char *offline)
{
    static const char *const hosts[] = {"pve1", "pve2", "pve3"};
    struct inventory_builder *builder = inventory_builder_new(NULL);
    for (unsigned i = 0; i < count; i++) {
        struct seen *guest = &rooms.guests[i];
        char name[16];
        if (!guest->host[0])
            snprintf(guest->host, sizeof(guest->host), "%s", hosts[i % 3]);
        snprintf(name, sizeof(name), "vm%u", FIRST_VMID + i);
        const struct guest one = FIXTURE_GUEST(FIRST_VMID + (int)i, name, guest->host, .lock = NULL);
        assert_true(inventory_builder_guest(builder, &one));
    }
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        assert_true(inventory_builder_node(builder, hosts[i], !offline || strcmp(offline, hosts[i]) != 0));
    inventory_unref(rooms.inventory);
    rooms.inventory = inventory_builder_finish(builder, loop.now_ms);
    assert_non_null(rooms.inventory);
    evidence_keep(here.evidence, rooms.inventory);
    if (here.rehearsals)
        rehearsals_round_ended(here.rehearsals);
}

static void start(unsigned guests, int64_t interval_ms)
{
    struct error error;
    struct inventory *none = NULL;
    memset(&rooms, 0, sizeof(rooms));
    memset(&here, 0, sizeof(here));
    loop.now_ms = 1000000;
    rooms.inventory = none;
    rooms.login = true;
    rooms.endpoints = 2;
    rooms.answer = accept_all;
    rooms.latency_ms = LATENCY_MS;
    rooms.shortest_gap_ms = INT64_MAX;
    here.evidence = evidence_new();
    here.config = (struct config){.rehearse_interval_ms = interval_ms, .answer_timeout_ms = 4 * SECOND};
    here.rehearsals = rehearsals_new("/state", &error);
    assert_non_null(here.rehearsals);
    const struct rehearsal_rooms with = {.probe = probe_new(NULL), .evidence = here.evidence};
    assert_true(rehearsals_start(here.rehearsals, NULL, &with, &here.config));
    if (guests > 0)
        show_guests(guests, NULL);
}

static void stop(void)
{
    rehearsals_free(here.rehearsals, 0);
    evidence_free(here.evidence);
    inventory_unref(rooms.inventory);
    assert_int_equal(loop.alive, 0);
}

static void pass(int64_t ms)
{
    int64_t until_ms = loop.now_ms + ms;
    while (loop_turn(until_ms))
        ;
}

static void on_report(void *context, const struct rehearsal_report *report, const struct error *error)
{
    (void)context;
    here.answers++;
    here.report = report ? *report : (struct rehearsal_report){0};
    here.reported = report && report->error ? *report->error : (struct error){0};
    here.error = error ? *error : (struct error){0};
}

static uint64_t ask(int vmid)
{
    char plug[16];
    snprintf(plug, sizeof(plug), "%d", vmid);
    return rehearsals_ask(here.rehearsals, plug, on_report, NULL, &here.error);
}

static const struct evidence_entry *evidence_for(int vmid)
{
    const struct evidence_guest *guest = evidence_of(here.evidence, vmid);
    return guest && guest->entries[EVIDENCE_REHEARSAL].at_ms ? &guest->entries[EVIDENCE_REHEARSAL] : NULL;
}

/* ---- turns ---- */

static void test_a_day_is_spread_evenly(void **state)
{
    (void)state;
    start(4, MINUTE);
    pass(2 * SECOND);
    assert_int_equal(rooms.sent, 4); /* the first time sooner: nothing is known yet */
    for (int vmid = FIRST_VMID; vmid < FIRST_VMID + 4; vmid++)
        assert_non_null(evidence_for(vmid));
    memset(rooms.guests, 0, sizeof(rooms.guests));
    rooms.sent = 0;
    rooms.shortest_gap_ms = INT64_MAX;
    for (int64_t left = DAY; left > 0; left -= 10 * SECOND) {
        show_guests(4, NULL); /* a poll */
        pass(10 * SECOND);
    }
    assert_in_range(rooms.sent, DAY / MINUTE * 4 - 4, DAY / MINUTE * 4 + 4);
    assert_int_equal(rooms.shortest_gap_ms, MINUTE / 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(rooms.guests[i].longest_ms, MINUTE);
        assert_int_equal(rooms.guests[i].shortest_ms, MINUTE);
    }
    stop();
}

static void test_many_guests_stretch_the_interval_to_a_rate_that_is_named(void **state)
{
    (void)state;
    start(GUESTS_MAX, MINUTE);
    int64_t period_ms = evidence_period_ms(here.evidence, EVIDENCE_REHEARSAL);
    assert_int_equal(period_ms, (int64_t)GUESTS_MAX * REHEARSAL_GAP_MIN_MS);
    pass(period_ms + SECOND);
    for (unsigned i = 0; i < GUESTS_MAX; i++)
        assert_in_range(rooms.guests[i].sent, 1, 2);
    assert_int_equal(rooms.shortest_gap_ms, REHEARSAL_GAP_MIN_MS);
    stop();
    start(3, MINUTE);
    assert_int_equal(evidence_period_ms(here.evidence, EVIDENCE_REHEARSAL), MINUTE);
    stop();
}

static void test_never_is_never(void **state)
{
    (void)state;
    start(4, 0);
    pass(DAY);
    assert_int_equal(rooms.sent, 0);
    assert_int_equal(evidence_period_ms(here.evidence, EVIDENCE_REHEARSAL), 0);
    assert_true(ask(FIRST_VMID) > 0); /* but on demand */
    pass(SECOND);
    assert_int_equal(here.answers, 1);
    assert_int_equal(rooms.sent, 1);
    here.config.rehearse_interval_ms = MINUTE; /* a reload */
    rehearsals_set_config(here.rehearsals, &here.config);
    pass(2 * SECOND);
    assert_int_equal(rooms.sent, 4); /* the others soon, this one in its turn */
    stop();
}

static void test_a_guest_that_is_busy_has_its_turn_when_it_is_not_any_more(void **state)
{
    (void)state;
    start(2, MINUTE);
    seen(1000)->busy = 1;
    pass(10 * MINUTE);
    assert_int_equal(seen(1000)->sent, 0);
    assert_in_range(seen(1001)->sent, 10, 21);
    seen(1000)->busy = 0;
    pass(MINUTE);
    assert_in_range(seen(1000)->sent, 1, 2);
    stop();
}

static void test_a_guest_that_moved_is_asked_soon_where_it_is_now(void **state)
{
    (void)state;
    start(4, 60 * MINUTE);
    pass(5 * SECOND);
    assert_int_equal(rooms.sent, 4);
    strcpy(seen(1002)->host, "pve1");
    show_guests(4, NULL);
    pass(REHEARSAL_GAP_FIRST_MS + SECOND);
    assert_int_equal(seen(1002)->sent, 2);
    assert_int_equal(rooms.sent, 5);
    assert_string_equal(evidence_for(1002)->node, "pve1");
    stop();
}

static void test_a_guest_on_a_host_that_is_offline_waits_for_it(void **state)
{
    (void)state;
    start(0, MINUTE);
    show_guests(3, "pve2");
    pass(10 * MINUTE);
    assert_int_equal(seen(1001)->sent, 0);
    assert_in_range(seen(1000)->sent, 10, 32); /* and the others' turns do not come faster for it */
    show_guests(3, NULL);
    pass(SECOND);
    assert_int_equal(seen(1001)->sent, 1);
    show_guests(3, "pve2");
    pass(10 * MINUTE);
    assert_int_equal(seen(1001)->sent, 1);
    show_guests(3, NULL); /* what was learnt before is too old */
    pass(SECOND);
    assert_int_equal(seen(1001)->sent, 2);
    stop();
}

static enum probe_result silent_pve2(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)avoid;
    *status = strcmp(host, "pve2") == 0 ? 595 : 400;
    return *status == 595 ? PROBE_UNANSWERED : PROBE_ACCEPTED;
}

static void test_a_host_that_does_not_answer_is_asked_more_and_more_seldom(void **state)
{
    (void)state;
    start(30, MINUTE);
    rooms.answer = silent_pve2;
    pass(10 * MINUTE);
    unsigned there = 0, elsewhere = 0;
    for (unsigned i = 0; i < 30; i++)
        *(strcmp(rooms.guests[i].host, "pve2") == 0 ? &there : &elsewhere) += rooms.guests[i].sent;
    assert_in_range(there, 10, 40); /* ten guests, each ten times, twice: 200 without pauses */
    assert_true(elsewhere >= 190);
    rooms.answer = accept_all;
    memset(rooms.guests, 0, sizeof(rooms.guests));
    show_guests(30, NULL);
    pass(3 * MINUTE); /* mended: all of them again */
    for (unsigned i = 0; i < 30; i++)
        assert_true(rooms.guests[i].sent > 0);
    stop();
}

static void test_where_nobody_is_reached_all_wait_and_nothing_is_posted(void **state)
{
    (void)state;
    start(10, MINUTE);
    rooms.unreachable = true;
    pass(10 * MINUTE);
    assert_int_equal(rooms.sent, 0);
    for (int vmid = FIRST_VMID; vmid < FIRST_VMID + 10; vmid++)
        assert_null(evidence_for(vmid));
    rooms.unreachable = false;
    pass(MINUTE + 5 * SECOND); /* the longest pause is the interval */
    assert_in_range(rooms.sent, 10, 21);
    rooms.login = false;
    rooms.sent = 0;
    pass(10 * MINUTE);
    assert_int_equal(rooms.sent, 0);
    rooms.login = true;
    pass(MINUTE);
    assert_true(rooms.sent >= 9);
    stop();
}

/* ---- answers ---- */

static enum probe_result refuse_all(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    *status = 403;
    return PROBE_REFUSED;
}

static void test_what_proxmox_says_becomes_evidence(void **state)
{
    (void)state;
    start(1, MINUTE);
    rooms.answer = refuse_all;
    pass(SECOND);
    const struct evidence_entry *entry = evidence_for(1000);
    assert_int_equal(entry->error->code, ERROR_NO_POWER_RIGHT);
    assert_int_equal(entry->took_ms, LATENCY_MS);
    assert_string_equal(entry->endpoint, "pve1");
    assert_int_equal(rooms.reread, 1); /* our privileges are others than we know */
    rooms.answer = accept_all;
    pass(MINUTE);
    assert_null(evidence_for(1000)->error);
    assert_int_equal(rehearsals_count(here.rehearsals, 1000, PROBE_REFUSED), 1);
    assert_int_equal(rehearsals_count(here.rehearsals, 1000, PROBE_ACCEPTED), 1);
    stop();
}

static enum probe_result second_endpoint_only(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    *status = avoid ? 400 : 595;
    return avoid ? PROBE_ACCEPTED : PROBE_UNANSWERED;
}

static void test_another_endpoint_is_asked_once_if_there_is_one(void **state)
{
    (void)state;
    start(1, MINUTE);
    rooms.answer = second_endpoint_only;
    pass(SECOND);
    assert_int_equal(rooms.sent, REHEARSAL_ATTEMPTS);
    assert_true(rooms.last_avoid == 1);
    assert_null(evidence_for(1000)->error);
    stop();
    start(1, MINUTE);
    rooms.answer = second_endpoint_only;
    rooms.endpoints = 1;
    pass(SECOND);
    assert_int_equal(rooms.sent, 1);
    assert_non_null(evidence_for(1000)->error);
    stop();
}

static enum probe_result busy_meanwhile(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)host;
    (void)avoid;
    seen(vmid)->busy = 1; /* an operation came while the first attempt was under way */
    *status = 596;
    return PROBE_UNANSWERED;
}

static void test_no_second_attempt_when_an_operation_has_begun(void **state)
{
    (void)state;
    start(1, MINUTE);
    rooms.answer = busy_meanwhile;
    pass(SECOND);
    assert_int_equal(rooms.sent, 1);
    assert_null(evidence_for(1000));
    stop();
}

static enum probe_result leave_meanwhile(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    show_guests(0, NULL);
    *status = 596;
    return PROBE_UNANSWERED;
}

static void test_no_second_attempt_for_a_guest_that_has_left_the_pool(void **state)
{
    (void)state;
    start(1, MINUTE);
    rooms.answer = leave_meanwhile;
    ask(1000);
    pass(SECOND);
    assert_int_equal(rooms.sent, 1);
    assert_int_equal(here.error.code, ERROR_ABANDONED);
    stop();
}

static enum probe_result carry_out(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    *status = 200;
    return PROBE_CARRIED_OUT;
}

static void test_one_that_is_carried_out_ends_all_of_them_for_good(void **state)
{
    (void)state;
    start(5, MINUTE);
    pass(5 * SECOND);
    rooms.answer = carry_out;
    ask(1003);
    ask(1001);
    pass(DAY);
    assert_int_equal(rooms.sent, 6);
    assert_int_equal(here.answers, 2); /* the second one is told why not */
    assert_int_equal(here.error.code, ERROR_PROTOCOL);
    assert_int_equal(rooms.written, 1);
    assert_non_null(rehearsals_alarm(here.rehearsals));
    assert_non_null(strstr(rehearsals_alarm(here.rehearsals)->message, "guest 1003"));
    assert_non_null(strstr(rehearsals_alarm(here.rehearsals)->hint, "rm /state/ended"));
    assert_non_null(evidence_rehearsals_alarm(here.evidence));
    assert_null(evidence_for(1003)->error);               /* against a fence it does not speak */
    rehearsals_set_config(here.rehearsals, &here.config); /* no reload takes it back */
    assert_int_equal(ask(1000), 0);
    show_guests(5, NULL);
    pass(DAY);
    assert_int_equal(rooms.sent, 6);
    rooms.remembered = false; /* but an administrator does */
    rooms.answer = accept_all;
    rehearsals_set_config(here.rehearsals, &here.config);
    pass(MINUTE);
    assert_true(rooms.sent > 6);
    assert_null(rehearsals_alarm(here.rehearsals));
    assert_null(evidence_rehearsals_alarm(here.evidence));
    stop();
}

static void test_what_an_earlier_daemon_met_counts(void **state)
{
    (void)state;
    start(0, MINUTE);
    rooms.remembered = true;
    rehearsals_set_config(here.rehearsals, &here.config);
    show_guests(5, NULL);
    pass(DAY);
    assert_int_equal(rooms.sent, 0);
    assert_non_null(rehearsals_alarm(here.rehearsals));
    stop();
}

/* ---- on demand ---- */

static void test_a_demand_does_not_wait_for_its_turn(void **state)
{
    (void)state;
    start(3, 60 * MINUTE);
    pass(5 * SECOND);
    rooms.sent = 0;
    assert_true(ask(1001) > 0);
    assert_int_equal(here.answers, 0); /* never from inside */
    pass(SECOND);
    assert_int_equal(here.answers, 1);
    assert_int_equal(here.error.code, ERROR_NONE);
    assert_int_equal(here.report.vmid, 1001);
    assert_int_equal(here.report.result, PROBE_ACCEPTED);
    assert_int_equal(here.report.took_ms, LATENCY_MS);
    assert_int_equal(rooms.sent, 1);
    assert_int_equal(rehearsals_ask(here.rehearsals, "nobody", on_report, NULL, &here.error), 0);
    assert_int_equal(here.error.code, ERROR_UNKNOWN_PLUG);
    stop();
}

static void test_those_who_ask_for_the_same_guest_share_an_answer(void **state)
{
    (void)state;
    start(3, 60 * MINUTE);
    pass(5 * SECOND);
    rooms.sent = 0;
    ask(1001);
    ask(1001);
    uint64_t leaver = ask(1001);
    ask(1002);
    rehearsals_leave(here.rehearsals, leaver);
    pass(SECOND);
    assert_int_equal(rooms.sent, 2);
    assert_int_equal(here.answers, 3);
    assert_true(rooms.shortest_gap_ms >= REHEARSAL_GAP_MIN_MS);
    stop();
}

static void test_a_demand_for_a_busy_guest_is_refused(void **state)
{
    (void)state;
    start(3, 60 * MINUTE);
    pass(5 * SECOND);
    seen(1001)->busy = 1;
    assert_int_equal(ask(1001), 0);
    assert_int_equal(here.error.code, ERROR_TOO_MANY);
    assert_true(ask(1002) > 0);
    seen(1002)->busy = 1; /* before it is sent */
    pass(SECOND);
    assert_int_equal(here.answers, 1);
    assert_int_equal(here.error.code, ERROR_TOO_MANY);
    assert_non_null(strstr(here.error.message, "under way"));
    stop();
}

static void test_demands_have_a_bound(void **state)
{
    (void)state;
    start(3, 60 * MINUTE);
    pass(5 * SECOND);
    for (unsigned i = 0; i < REHEARSALS_WAITING_MAX; i++)
        assert_true(ask(1001) > 0);
    assert_int_equal(ask(1001), 0);
    assert_int_equal(here.error.code, ERROR_TOO_MANY);
    pass(SECOND);
    assert_int_equal(here.answers, REHEARSALS_WAITING_MAX);
    stop();
}

static void test_nothing_is_rehearsed_with_an_identity_that_is_refused(void **state)
{
    (void)state;
    start(0, MINUTE);
    error_set(&rooms.refusal, ERROR_EXCESS_PRIVILEGES, "holds too much");
    show_guests(3, NULL);
    pass(DAY);
    assert_int_equal(ask(1001), 0);
    assert_int_equal(here.error.code, ERROR_EXCESS_PRIVILEGES);
    assert_int_equal(rooms.sent, 0);
    stop();
}

static void test_the_end_of_the_daemon_answers_who_waits(void **state)
{
    (void)state;
    start(3, MINUTE);
    pass(5 * SECOND);
    rooms.sent = 0;
    ask(1001);
    rehearsals_stop(here.rehearsals);
    pass(DAY);
    assert_int_equal(here.answers, 1);
    assert_int_equal(here.error.code, ERROR_INTERRUPTED);
    assert_int_equal(rooms.sent, 0);
    stop();
}

/* ---- by chance ---- */

static uint64_t random_state;

static unsigned random_below(unsigned bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % bound;
}

static enum probe_result answer_by_chance(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    static const struct {
        enum probe_result result;
        int status;
    } answers[] = {{PROBE_ACCEPTED, 400}, {PROBE_REFUSED, 403}, {PROBE_UNANSWERED, 595},
                   {PROBE_UNANSWERED, 0}, {PROBE_REFUSED, 401}, {PROBE_REFUSED, 500}};
    unsigned which = random_below(10);
    which = which < ARRAY_LEN(answers) ? which : 0;
    *status = answers[which].status;
    rooms.latency_ms = 1 + random_below(4000);
    return answers[which].result;
}

static void trouble(unsigned guests)
{
    unsigned which = random_below(guests);
    char(*host)[PVE_NODE_MAX] = &rooms.guests[which].host;
    switch (random_below(6)) {
    case 0:
        rooms.guests[which].busy ^= 1;
        break;
    case 1:
        snprintf(*host, sizeof(*host), "pve%u", 1 + random_below(3));
        break;
    case 2:
        rooms.unreachable = random_below(4) == 0;
        break;
    case 3:
        rooms.login = random_below(4) != 0;
        break;
    case 4:
        ask(FIRST_VMID + (int)which);
        break;
    default:
        break;
    }
    show_guests(guests, random_below(3) ? NULL : "pve2");
}

/* The rules are asserted where a rehearsal is sent; here, that after all troubles everybody has a turn. */
static void test_whatever_happens_the_rules_hold_and_everybody_has_a_turn_afterwards(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        random_state = seed;
        unsigned guests = 1 + random_below(12);
        start(guests, 10 * SECOND);
        rooms.answer = answer_by_chance;
        for (unsigned i = 0; i < 300; i++) {
            trouble(guests);
            pass(random_below(5000));
        }
        rooms.answer = accept_all;
        rooms.latency_ms = LATENCY_MS;
        rooms.unreachable = false;
        rooms.login = true;
        for (unsigned i = 0; i < guests; i++)
            rooms.guests[i].busy = rooms.guests[i].sent = 0;
        show_guests(guests, NULL);
        pass(30 * SECOND); /* the longest pause, a period, and an attempt under way */
        for (unsigned i = 0; i < guests; i++) {
            if (rooms.guests[i].sent == 0)
                fail_msg("seed %llu: guest %u had no turn", (unsigned long long)seed, FIRST_VMID + i);
        }
        assert_true(rooms.shortest_gap_ms >= REHEARSAL_GAP_MIN_MS);
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_day_is_spread_evenly),
        cmocka_unit_test(test_many_guests_stretch_the_interval_to_a_rate_that_is_named),
        cmocka_unit_test(test_never_is_never),
        cmocka_unit_test(test_a_guest_that_is_busy_has_its_turn_when_it_is_not_any_more),
        cmocka_unit_test(test_a_guest_that_moved_is_asked_soon_where_it_is_now),
        cmocka_unit_test(test_a_guest_on_a_host_that_is_offline_waits_for_it),
        cmocka_unit_test(test_a_host_that_does_not_answer_is_asked_more_and_more_seldom),
        cmocka_unit_test(test_where_nobody_is_reached_all_wait_and_nothing_is_posted),
        cmocka_unit_test(test_what_proxmox_says_becomes_evidence),
        cmocka_unit_test(test_another_endpoint_is_asked_once_if_there_is_one),
        cmocka_unit_test(test_no_second_attempt_when_an_operation_has_begun),
        cmocka_unit_test(test_no_second_attempt_for_a_guest_that_has_left_the_pool),
        cmocka_unit_test(test_one_that_is_carried_out_ends_all_of_them_for_good),
        cmocka_unit_test(test_what_an_earlier_daemon_met_counts),
        cmocka_unit_test(test_a_demand_does_not_wait_for_its_turn),
        cmocka_unit_test(test_those_who_ask_for_the_same_guest_share_an_answer),
        cmocka_unit_test(test_a_demand_for_a_busy_guest_is_refused),
        cmocka_unit_test(test_demands_have_a_bound),
        cmocka_unit_test(test_nothing_is_rehearsed_with_an_identity_that_is_refused),
        cmocka_unit_test(test_the_end_of_the_daemon_answers_who_waits),
        cmocka_unit_test(test_whatever_happens_the_rules_hold_and_everybody_has_a_turn_afterwards),
    };
    return cmocka_run_group_tests_name("rehearsal", tests, NULL, NULL);
}
