/*
 * The guest's host is offline, and dead-host = trust-ha (rule 8): it is waited for, found dead, or hopeless,
 * by script. The word on the host is a script's, too; dead_hosts has tests of its own.
 */
#include "ha_script.h"

static struct dead_hosts_word word;

static struct dead_hosts_word unwatched(void)
{
    return (struct dead_hosts_word){.trusted = true,
                                    .host = {.state = DEAD_HOSTS_ONLINE, .missing = DEAD_HOSTS_UNWATCHED}};
}

static struct dead_hosts_word watched(int64_t left_ms)
{
    return (struct dead_hosts_word){.trusted = true,
                                    .host = {.state = DEAD_HOSTS_OFFLINE,
                                             .missing = DEAD_HOSTS_TIME,
                                             .watched = true,
                                             .left_ms = left_ms,
                                             .due_ms = left_ms + DEAD_HOSTS_LOCK_MS}};
}

static struct dead_hosts_word fenced(int64_t left_ms, int64_t fenced_ms)
{
    return (struct dead_hosts_word){.trusted = true,
                                    .host = {.state = DEAD_HOSTS_FENCED,
                                             .reason = DEAD_HOSTS_RECOVERED,
                                             .left_ms = left_ms,
                                             .fenced_ms = fenced_ms}};
}

static void hosts_tell(unsigned online, bool host_online)
{
    struct api_result result = result_of(SCRIPT_HOSTS);
    assert_true(step.asks[ASK_HOSTS].busy);
    handle(&(struct step_event){.kind = STEP_EVENT_HOSTS,
                                .result = &result,
                                .decoded = true,
                                .census = {online, 3, host_online, "pve2"},
                                .node = hosts_node,
                                .word = word});
}

static void listed_by(unsigned online, const char *node, const char *ha_state, const char *lock)
{
    place_is((struct step_event){.node = node,
                                 .type = PVE_QEMU,
                                 .ha_state = ha_state,
                                 .with_hosts = true,
                                 .census = {online, 3, strcmp(node, "pve1") != 0, "pve2"},
                                 .lock = lock});
}

static void listed(const char *node, const char *ha_state, const char *lock)
{
    listed_by(2, node, ha_state, lock);
}

static bool noted(const char *text)
{
    for (unsigned i = 0; i < effects.note_count; i++) {
        if (strstr(effects.notes[i], text))
            return true;
    }
    return false;
}

/* What does not answer does not answer, until then. */
static void nothing_answers(int64_t until_ms)
{
    for (int64_t at = now_ms - T0; at <= until_ms && step.phase != STEP_ENDED; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy)
            status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
        if (step.asks[ASK_POWER].busy)
            power_refused(595, "No route to host");
        if (step.asks[ASK_HOSTS].busy)
            hosts_tell(2, false);
    }
}

static void lose(struct step_params wanted, struct dead_hosts_word known)
{
    word = known;
    begin_with(wanted);
    go(10);
    power_refused(595, "No route to host");
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_tell(2, false);
}

/* ---- waiting, or failing at once ---- */

static void test_without_the_option_a_host_that_is_offline_fails_at_once(void **state) /* rule 8 */
{
    (void)state;
    lose(params(FENCE_OFF), (struct dead_hosts_word){.trusted = false});
    assert_int_equal(effects.error.code, ERROR_NODE_OFFLINE);
    assert_null(strstr(effects.error.message, "HA"));
}

static void test_a_host_that_nobody_watches_fails_at_once(void **state) /* rule 8 */
{
    (void)state;
    lose(params(FENCE_OFF), unwatched());
    assert_int_equal(effects.error.code, ERROR_NODE_OFFLINE);
    assert_non_null(strstr(effects.error.message, "no HA service was started there"));
}

static void test_a_host_that_cannot_be_fenced_in_time_fails_at_once(void **state) /* rule 8 */
{
    (void)state;
    struct step_params wanted = params(FENCE_OFF);
    wanted.deadline_ms = T0 + DEAD_HOSTS_RECOVERED_MS;
    lose(wanted, watched(T0));
    assert_int_equal(effects.error.code, ERROR_NODE_OFFLINE);
    wanted.deadline_ms = T0 + DEAD_HOSTS_RECOVERED_MS + 1;
    lose(wanted, watched(T0));
    assert_false(effects.ended);
}

static void test_a_watched_host_is_waited_for(void **state) /* rule 8 */
{
    (void)state;
    lose(params(FENCE_OFF), watched(T0));
    assert_false(effects.ended);
    assert_true(noted("waiting until Proxmox HA is seen to have fenced it, for 130 s at most"));
    nothing_answers(100000);
    assert_false(effects.ended);
    assert_int_equal(stops, 1);
}

static void test_one_that_has_only_just_left_is_waited_for(void **state) /* rule 8 */
{
    (void)state;
    word = unwatched();
    word.host.missing = DEAD_HOSTS_NOTHING;
    word.host.watched = true; /* it would be fenced if it left */
    lose(params(FENCE_OFF), word);
    assert_false(effects.ended);
}

static void test_evidence_that_is_lost_ends_the_wait(void **state) /* rule 8 */
{
    (void)state;
    lose(params(FENCE_OFF), watched(T0));
    word = watched(T0);
    word.disarmed = true;
    word.host.watched = false;
    word.host.missing = DEAD_HOSTS_DISARMED;
    nothing_answers(3000);
    assert_int_equal(effects.error.code, ERROR_NODE_OFFLINE);
    assert_non_null(strstr(effects.error.message, "disarmed"));
}

static void test_the_deadline_says_what_was_waited_for(void **state)
{
    (void)state;
    lose(params(FENCE_OFF), watched(T0));
    nothing_answers(DEADLINE + 1000);
    assert_int_equal(effects.error.code, ERROR_NODE_OFFLINE);
    assert_false(verified);
}

static void test_a_host_that_is_back_is_asked_as_ever(void **state)
{
    (void)state;
    lose(params(FENCE_OFF), watched(T0));
    go(5000);
    if (step.asks[ASK_STATUS].busy)
        status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_tell(3, true);
    assert_int_equal(step.death.told_ms, 0);
    go(6000);
    reads_running();
    assert_int_equal(stops, 2);
}

/* ---- dead ---- */

static void test_off_of_a_guest_of_a_dead_host(void **state) /* P1 */
{
    (void)state;
    lose(params(FENCE_OFF), watched(T0));
    nothing_answers(120000);
    word = fenced(T0, T0 + 120000);
    nothing_answers(122000);
    assert_false(verified); /* not listed there since */
    listed("pve1", NULL, NULL);
    assert_false(verified); /* no hosts since */
    go(now_ms - T0 + 1000);
    if (step.asks[ASK_STATUS].busy)
        status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_tell(2, false);
    assert_true(verified);
    assert_true(effects.ended);
    assert_int_equal(effects.error.code, ERROR_NONE);
    assert_true(noted("pve1 was fenced by Proxmox HA 3 s ago: its guests are off") ||
                noted("pve1 was fenced by Proxmox HA 2 s ago: its guests are off"));
}

/* It is dead already, and the guest is listed there. */
static void find_dead(struct step_params wanted, const char *lock)
{
    lose(wanted, fenced(T0 - 200000, T0 - 94000));
    assert_false(verified);
    listed("pve1", NULL, lock);
    go(now_ms - T0 + 10);
    if (step.asks[ASK_HOSTS].busy)
        hosts_tell(2, false);
}

static void test_host_that_was_dead_before_the_request(void **state) /* P1 */
{
    (void)state;
    find_dead(params(FENCE_OFF), NULL);
    assert_true(verified);
    assert_true(noted("fenced by Proxmox HA 94 s ago"));
}

/* Its guest is read running there once, and later HA counts the host as fenced. */
static void read_running_at(int64_t at_ms)
{
    lose(params(FENCE_OFF), watched(T0));
    nothing_answers(at_ms);
    while (!step.asks[ASK_STATUS].busy)
        go(now_ms - T0 + 100);
    reads_running();
    nothing_answers(120000);
    word = fenced(T0, T0 + 120000);
    nothing_answers(122000);
}

static void test_a_host_that_was_cut_off_runs_its_guests_until_it_is_reset(void **state)
{
    (void)state;
    read_running_at(70000);
    listed("pve1", NULL, NULL);
    nothing_answers(124000);
    assert_true(verified);
}

/* Its watchdog does nothing, say. */
static void test_a_host_is_not_dead_if_its_guest_was_read_running_when_it_must_be(void **state) /* P1 */
{
    (void)state;
    read_running_at(95000);
    assert_true(effects.ended);
    assert_false(verified);
    assert_int_equal(effects.error.code, ERROR_NODE_OFFLINE);
    assert_non_null(strstr(effects.error.message, "may go on running it: it was back since"));
}

static void test_guest_of_a_dead_host_whose_lock_hides_it(void **state) /* point 3 */
{
    (void)state;
    find_dead(params(FENCE_OFF), "suspended");
    nothing_answers(7000);
    assert_false(verified);
    assert_int_equal(effects.error.code, ERROR_SUSPENDED);
    find_dead(params(FENCE_OFF), "migrate");
    nothing_answers(DEADLINE + 1000);
    assert_false(verified);
    assert_int_equal(effects.error.code, ERROR_LOCKED);
}

static void test_guest_that_has_left_the_dead_host(void **state) /* P1: it runs where it is now */
{
    (void)state;
    lose(params(FENCE_OFF), fenced(T0 - 200000, T0 - 94000));
    listed("pve3", NULL, NULL);
    assert_string_equal(step.place.node, "pve3");
    go(1000);
    if (strcmp(status_node, "pve3") != 0)
        status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    go(2000);
    reads_running();
    assert_false(verified);
}

static void test_guest_that_leaves_the_dead_host_before_the_hosts_were_asked(void **state) /* P1 */
{
    (void)state;
    lose(params(FENCE_OFF), fenced(T0 - 200000, T0 - 94000));
    listed("pve1", NULL, NULL);
    go(now_ms - T0 + 1100);
    listed("pve3", NULL, NULL);
    assert_string_equal(step.place.node, "pve3");
    assert_false(verified);
}

static void test_a_list_from_before_the_newest_request_proves_nothing_to_it(void **state) /* point 1 */
{
    (void)state;
    lose(params(FENCE_OFF), fenced(T0 - 200000, T0 - 94000));
    go(now_ms - T0 + 10);
    tell(STEP_EVENT_JOINED); /* while it is under way */
    listed("pve1", NULL, NULL);
    go(now_ms - T0 + 10);
    if (step.asks[ASK_HOSTS].busy)
        hosts_tell(2, false);
    assert_false(verified);
}

static void test_a_list_of_a_minority_says_nothing_of_a_dead_host(void **state) /* P1, point 5 */
{
    (void)state;
    lose(params(FENCE_OFF), fenced(T0 - 200000, T0 - 94000));
    assert_true(effects.with_hosts);
    listed_by(1, "pve1", NULL, NULL); /* where it was once */
    go(now_ms - T0 + 1000);
    if (step.asks[ASK_STATUS].busy)
        status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_tell(2, false);
    assert_false(verified);
}

static void test_minority_proves_no_death(void **state) /* point 5 */
{
    (void)state;
    lose(params(FENCE_OFF), fenced(T0 - 200000, T0 - 94000));
    listed("pve1", NULL, NULL);
    go(now_ms - T0 + 10);
    hosts_tell(1, false);
    assert_false(verified);
}

static void test_reboot_is_answered_and_its_power_on_goes_on(void **state) /* rule 8, rule 11 */
{
    (void)state;
    find_dead(params(FENCE_REBOOT), NULL);
    assert_true(verified);
    assert_false(effects.ended);
    nothing_answers(DEADLINE + STEP_START_ROOM_MS + 1000);
    assert_ended(OPERATION_DONE, ERROR_START_FAILED);
    assert_true(starts > 0);
}

static void test_cycle_of_a_guest_whose_host_is_being_fenced(void **state) /* rule 10 */
{
    (void)state;
    struct step_params wanted = params(FENCE_REBOOT);
    wanted.method = FENCE_CYCLE;
    word = fenced(T0 - 200000, T0 - 94000);
    begin_with(wanted);
    go(10);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_tell(2, false);
    listed("pve1", NULL, NULL);
    nothing_answers(3000);
    assert_true(verified);
    assert_int_equal(resets, 0);
}

static void test_on_of_a_guest_of_a_dead_host_fails_at_once(void **state) /* rule 8 */
{
    (void)state;
    word = fenced(T0 - 200000, T0 - 94000);
    begin(FENCE_ON);
    go(10);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_tell(2, false);
    assert_int_equal(effects.error.code, ERROR_NODE_OFFLINE);
}

/* ---- guests of HA ---- */

static void lose_ha(enum fence_action action, struct dead_hosts_word known)
{
    word = known;
    begin_with(managed(action));
    go(10);
    status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
    hosts_tell(2, false);
}

/* So it is listed until then. */
static void stays_listed(int64_t until_ms, const char *node, const char *state)
{
    for (int64_t at = now_ms - T0; at <= until_ms && step.phase != STEP_ENDED; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy && strcmp(status_node, "pve1") == 0)
            status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
        if (step.asks[ASK_HOSTS].busy)
            hosts_tell(2, false);
        if (step.phase != STEP_ENDED && step.asks[ASK_PLACE].busy)
            listed(node, state, NULL);
    }
}

static void test_ha_guest_is_off_with_its_host(void **state) /* P1, rule 5 */
{
    (void)state;
    lose_ha(FENCE_OFF, watched(T0 - 50000));
    stays_listed(70000, "pve1", "fence");
    stays_listed(72000, "pve3", "started"); /* HA has brought it up before we were told that it is fenced */
    assert_string_equal(step.place.node, "pve1");
    assert_false(effects.ended);
    word = fenced(T0 - 50000, T0 + 71000);
    stays_listed(75000, "pve3", "started");
    assert_true(verified);
    assert_int_equal(stops, 0); /* P4: what runs there now is healthy */
    assert_int_equal(effects.outcome, OPERATION_DONE);
}

static void test_reboot_of_an_ha_guest_is_done_when_ha_has_started_it(void **state) /* rule 5 */
{
    (void)state;
    lose_ha(FENCE_REBOOT, watched(T0 - 50000));
    stays_listed(70000, "pve1", "fence");
    word = fenced(T0 - 50000, T0 + 71000);
    stays_listed(73000, "pve3", "started");
    assert_true(verified);
    for (int64_t at = 73000; at < 76000 && step.phase != STEP_ENDED; at += 100) {
        go(at);
        if (step.asks[ASK_STATUS].busy && strcmp(status_node, "pve3") == 0)
            reads(true, "started");
        else if (step.asks[ASK_STATUS].busy)
            status_fails(refusal(SCRIPT_STATUS, 595, "No route to host"));
        if (step.asks[ASK_HOSTS].busy)
            hosts_tell(3, true);
        if (step.asks[ASK_PLACE].busy)
            listed("pve3", "started", NULL);
    }
    assert_true(effects.ended);
    assert_true(effects.running);
    assert_int_equal(starts, 0);
}

static void test_ha_guest_that_moved_before_the_request_is_followed(void **state) /* P1 */
{
    (void)state;
    lose_ha(FENCE_OFF, fenced(T0 - 200000, T0 - 94000));
    listed("pve3", "started", NULL); /* an old list had it on the dead host */
    assert_string_equal(step.place.node, "pve3");
    assert_false(verified);
}

/* No request is needed any more that could be lost, or ruin the service. */
static void test_ha_guest_is_off_with_its_host_whatever_its_service_is_in(void **state) /* rule 5 */
{
    static const char *const states[] = {"error", "freeze", "stopped", "started", "fence", "recovery", NULL};
    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        lose_ha(FENCE_OFF, fenced(T0 - 200000, T0 - 94000));
        stays_listed(5000, "pve1", states[i]);
        if (!verified || effects.error.code != ERROR_NONE)
            fail_msg("%s: %s", states[i] ? states[i] : "none", effects.error.message);
    }
}

static void test_nothing_counts_while_ha_is_disarmed(void **state) /* rule 5 */
{
    (void)state;
    struct dead_hosts_word disarmed = unwatched();
    disarmed.disarmed = true;
    lose_ha(FENCE_OFF, disarmed);
    assert_int_equal(effects.error.code, ERROR_NODE_OFFLINE);
    assert_non_null(strstr(effects.error.message, "disarmed"));
    assert_int_equal(stops, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_the_option_a_host_that_is_offline_fails_at_once),
        cmocka_unit_test(test_a_host_that_nobody_watches_fails_at_once),
        cmocka_unit_test(test_a_host_that_cannot_be_fenced_in_time_fails_at_once),
        cmocka_unit_test(test_a_watched_host_is_waited_for),
        cmocka_unit_test(test_one_that_has_only_just_left_is_waited_for),
        cmocka_unit_test(test_evidence_that_is_lost_ends_the_wait),
        cmocka_unit_test(test_the_deadline_says_what_was_waited_for),
        cmocka_unit_test(test_a_host_that_is_back_is_asked_as_ever),
        cmocka_unit_test(test_off_of_a_guest_of_a_dead_host),
        cmocka_unit_test(test_host_that_was_dead_before_the_request),
        cmocka_unit_test(test_a_host_that_was_cut_off_runs_its_guests_until_it_is_reset),
        cmocka_unit_test(test_a_host_is_not_dead_if_its_guest_was_read_running_when_it_must_be),
        cmocka_unit_test(test_guest_of_a_dead_host_whose_lock_hides_it),
        cmocka_unit_test(test_guest_that_has_left_the_dead_host),
        cmocka_unit_test(test_guest_that_leaves_the_dead_host_before_the_hosts_were_asked),
        cmocka_unit_test(test_a_list_from_before_the_newest_request_proves_nothing_to_it),
        cmocka_unit_test(test_a_list_of_a_minority_says_nothing_of_a_dead_host),
        cmocka_unit_test(test_minority_proves_no_death),
        cmocka_unit_test(test_reboot_is_answered_and_its_power_on_goes_on),
        cmocka_unit_test(test_cycle_of_a_guest_whose_host_is_being_fenced),
        cmocka_unit_test(test_on_of_a_guest_of_a_dead_host_fails_at_once),
        cmocka_unit_test(test_ha_guest_is_off_with_its_host),
        cmocka_unit_test(test_reboot_of_an_ha_guest_is_done_when_ha_has_started_it),
        cmocka_unit_test(test_ha_guest_that_moved_before_the_request_is_followed),
        cmocka_unit_test(test_ha_guest_is_off_with_its_host_whatever_its_service_is_in),
        cmocka_unit_test(test_nothing_counts_while_ha_is_disarmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
