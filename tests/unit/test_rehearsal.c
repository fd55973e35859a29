/*
 * Rehearsals in simulated time: whose turn it is, and who asks for one. A day passes in a moment; a random
 * test lets guests be busy, move and fall silent.
 */
#include "rehearsal_rooms.h"

#include "heap.h"

#include "system/jitter.h"

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

static void rehearse_invented_host(struct rehearsal_plan *plan, unsigned number)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);
    char host[16];
    const struct guest guest = FIXTURE_GUEST(FIRST_VMID, "a", host, .lock = NULL);

    snprintf(host, sizeof(host), "invented%04u", number);
    assert_true(inventory_builder_guest(builder, &guest));
    assert_true(inventory_builder_node(builder, host, true));
    struct inventory *inventory = inventory_builder_finish(builder, FIXTURE_TAKEN_MS);
    rehearsal_plan_follow(plan, inventory);
    rehearsal_plan_ended(plan, FIRST_VMID, PROBE_UNANSWERED, true, true, 0);
    inventory_unref(inventory);
}

static void test_hosts_that_are_invented_with_each_list_are_forgotten_again(void **state) /* P7 */
{
    struct rehearsal_plan *plan = rehearsal_plan_new();
    (void)state;
    rehearsal_plan_set_interval(plan, MINUTE);
    for (unsigned number = 0; number < 20; number++)
        rehearse_invented_host(plan, number);
    size_t before = heap_in_use();
    for (unsigned number = 20; number < 1000; number++)
        rehearse_invented_host(plan, number);
    assert_in_range(heap_in_use(), 0, before + 2048);
    rehearsal_plan_free(plan);
}

static void test_the_turns_of_many_brokers_are_spread_after_the_first_ones(void **state)
{
    unsigned counts[10] = {0};
    (void)state;
    for (unsigned broker = 0; broker < 200; broker++) {
        char id[16];
        snprintf(id, sizeof(id), "%u", broker);
        jitter_begin((const char *const[]){id}, 1);
        start(4, 2 * MINUTE);
        while (rooms.sent < 4) /* all of these at once */
            pass(10);
        int64_t last_ms = rooms.last_sent_ms;
        while (rooms.sent == 4)
            pass(10);
        assert_in_range(rooms.last_sent_ms - last_ms, 1, 30 * SECOND);
        counts[(rooms.last_sent_ms - last_ms - 1) * 10 / (30 * SECOND)]++;
        last_ms = rooms.last_sent_ms;
        while (rooms.sent == 5)
            pass(10);
        assert_in_range(rooms.last_sent_ms - last_ms, 29 * SECOND, 30 * SECOND); /* evenly from then on */
        stop();
    }
    jitter_begin(NULL, 0);
    for (unsigned i = 1; i < 10; i++) /* what is due at once comes a little later: the first part has more */
        assert_in_range(counts[i], 8, 35);
}

static void test_turns_that_are_seldom_come_with_a_round_of_polls(void **state)
{
    (void)state;
    start(3, 2 * MINUTE);
    rooms.poll_ms = 14 * SECOND;
    show_guests(3, NULL);
    pass(2 * SECOND);
    assert_int_equal(rooms.sent, 3);
    for (int64_t left = 4 * 60 * MINUTE; left > 0; left -= rooms.poll_ms) {
        unsigned before = rooms.sent;
        pass(rooms.poll_ms - SECOND);
        assert_int_equal(rooms.sent, before); /* not between two of them */
        show_guests(3, NULL);
        pass(SECOND);
    }
    assert_in_range(rooms.sent, 3 + 4 * 60 / 2 * 3 * 9 / 10, 3 + 4 * 60 / 2 * 3);
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(rooms.guests[i].longest_ms, 2 * MINUTE - 14 * SECOND, 2 * MINUTE + 14 * SECOND);
    unsigned before = rooms.sent; /* and if rounds do not end any more, all the same */
    pass(10 * MINUTE);
    assert_in_range(rooms.sent, before + 10, before + 15);
    stop();
}

static void test_while_proxmox_suffers_turns_are_rarer(void **state)
{
    (void)state;
    start(4, MINUTE);
    pass(2 * SECOND);
    rooms.backoff = 2;
    show_guests(4, NULL);
    assert_int_equal(evidence_period_ms(here.evidence, EVIDENCE_REHEARSAL), 2 * MINUTE);
    rooms.sent = 0;
    pass(20 * MINUTE);
    assert_in_range(rooms.sent, 39, 41);
    rooms.backoff = 1;
    show_guests(4, NULL);
    assert_int_equal(evidence_period_ms(here.evidence, EVIDENCE_REHEARSAL), MINUTE);
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

static enum probe_result refuse_all(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    *status = 500;
    return PROBE_REFUSED;
}

static enum probe_result silence(int vmid, const char *host, uint64_t avoid, int *status)
{
    (void)vmid;
    (void)host;
    (void)avoid;
    *status = 0;
    return PROBE_UNANSWERED;
}

static void outage(enum probe_result (*answer)(int vmid, const char *host, uint64_t avoid, int *status))
{
    start(3, 2 * MINUTE);
    pass(4 * MINUTE);
    rooms.answer = answer;
    error_set(&rooms.poll_error, ERROR_NO_ENDPOINT, "500");
    show_guests(3, NULL);
    rooms.sent = 0;
    pass(15 * MINUTE);
    assert_in_range(rooms.sent, 10, 30); /* each at two endpoints; turns of all would be 45 */
    rooms.answer = accept_all;
    rooms.poll_error = (struct error){0};
    show_guests(3, NULL);
    pass(5 * SECOND);
    for (int vmid = FIRST_VMID; vmid < FIRST_VMID + 3; vmid++)
        assert_null(evidence_for(vmid)->error);
    stop();
}

static void test_where_polls_fail_too_no_guest_is_asked_the_sooner_for_it(void **state)
{
    (void)state;
    outage(refuse_all);
}

static void test_where_nobody_answered_all_are_asked_anew_as_soon_as_polls_are_good(void **state) /* P10 */
{
    (void)state;
    outage(silence);
}

/* A pool that is gone fails them for ever, and fences work. */
static void test_where_only_polls_fail_turns_come_as_ever(void **state) /* P10 */
{
    (void)state;
    start(3, 2 * MINUTE);
    pass(4 * MINUTE);
    error_set(&rooms.poll_error, ERROR_EMPTY_POOL, "gone");
    show_guests(3, NULL);
    rooms.sent = 0;
    pass(20 * MINUTE);
    assert_in_range(rooms.sent, 28, 32);
    stop();
}

static enum probe_result refuse_first(int vmid, const char *host, uint64_t avoid, int *status)
{
    return vmid == FIRST_VMID ? refuse_all(vmid, host, avoid, status) : PROBE_ACCEPTED;
}

/* Of many brokers that have another turn at once the polls would have their answers late. */
static void test_where_polls_fail_nobody_has_another_turn_before_its_time(void **state)
{
    (void)state;
    start(3, 2 * MINUTE);
    pass(4 * MINUTE);
    error_set(&rooms.poll_error, ERROR_NO_ENDPOINT, "500");
    rooms.answer = refuse_first;
    show_guests(3, NULL);
    seen(FIRST_VMID)->sent = 0;
    pass(20 * MINUTE);
    assert_in_range(seen(FIRST_VMID)->sent, 9, 11);
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
        cmocka_unit_test(test_hosts_that_are_invented_with_each_list_are_forgotten_again),
        cmocka_unit_test(test_the_turns_of_many_brokers_are_spread_after_the_first_ones),
        cmocka_unit_test(test_turns_that_are_seldom_come_with_a_round_of_polls),
        cmocka_unit_test(test_while_proxmox_suffers_turns_are_rarer),
        cmocka_unit_test(test_many_guests_stretch_the_interval_to_a_rate_that_is_named),
        cmocka_unit_test(test_never_is_never),
        cmocka_unit_test(test_a_guest_that_is_busy_has_its_turn_when_it_is_not_any_more),
        cmocka_unit_test(test_a_guest_that_moved_is_asked_soon_where_it_is_now),
        cmocka_unit_test(test_a_guest_on_a_host_that_is_offline_waits_for_it),
        cmocka_unit_test(test_a_host_that_does_not_answer_is_asked_more_and_more_seldom),
        cmocka_unit_test(test_where_nobody_is_reached_all_wait_and_nothing_is_posted),
        cmocka_unit_test(test_where_polls_fail_too_no_guest_is_asked_the_sooner_for_it),
        cmocka_unit_test(test_where_nobody_answered_all_are_asked_anew_as_soon_as_polls_are_good),
        cmocka_unit_test(test_where_only_polls_fail_turns_come_as_ever),
        cmocka_unit_test(test_where_polls_fail_nobody_has_another_turn_before_its_time),
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
