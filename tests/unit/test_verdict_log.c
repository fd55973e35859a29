/* Changes of verdicts are told once: worse at once, better after a few equal observations, flapping never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/verdict_log.h"
#include "inventory_fixture.h"
#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>

static char told[4096];

static void note(void *context, const struct verdict_change *change)
{
    char line[128];

    (void)context;
    if (change->more)
        snprintf(line, sizeof(line), "%zu more; ", change->more);
    else
        snprintf(line, sizeof(line), "%s %s>%s %s; ", change->guest ? guest_label(change->guest) : "all",
                 verdict_name(change->old), verdict_name(change->new),
                 change->reason == REASON_COUNT ? "-" : reason_name(change->reason));
    strncat(told, line, sizeof(told) - strlen(told) - 1);
}

struct room {
    struct verdict_log *log;
    struct readiness_facts facts;
};

static int make_room(void **state)
{
    static struct room room;

    told[0] = '\0';
    room.log = verdict_log_new(note, NULL);
    room.facts = (struct readiness_facts){.session_ready = true,
                                          .endpoints_up = 2,
                                          .endpoints_total = 2,
                                          .inventory_age_ms = 0,
                                          .poll_interval_ms = 10000};
    *state = &room;
    return room.log ? 0 : -1;
}

static int leave_room(void **state)
{
    verdict_log_free(((struct room *)*state)->log);
    return 0;
}

/* The guest as it stands in this round, and in the same way in all of `times` rounds. */
static void observe(struct room *room, const char *lock, unsigned times)
{
    const struct guest guest = FIXTURE_GUEST(101, "web1", "pve1", .lock = (char *)(uintptr_t)lock);
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&guest, 1, 3, 0);

    room->facts.inventory = inventory;
    while (times--)
        verdict_log_observe(room->log, &room->facts);
    room->facts.inventory = NULL;
}

static void assert_told(const char *expected)
{
    assert_string_equal(told, expected);
    told[0] = '\0';
}

static void test_what_is_ready_from_the_start_is_not_told(void **state)
{
    observe(*state, NULL, 10);
    assert_told("");
}

static void test_worse_is_told_at_once_and_once(void **state)
{
    observe(*state, NULL, 1);
    observe(*state, "backup", 1);
    assert_told("web1 ready>blocked locked; ");
    observe(*state, "backup", 10);
    assert_told("");
}

static void test_better_is_told_when_it_was_seen_often_enough(void **state)
{
    observe(*state, "backup", 1);
    assert_told("web1 ready>blocked locked; ");
    observe(*state, NULL, VERDICT_LOG_STEADY - 1);
    assert_told("");
    observe(*state, NULL, 1);
    assert_told("web1 blocked>ready locked; ");
    observe(*state, NULL, 10);
    assert_told("");
}

static void test_what_flaps_is_told_once(void **state)
{
    observe(*state, "backup", 1);
    for (int i = 0; i < 10; i++) {
        observe(*state, NULL, VERDICT_LOG_STEADY - 1);
        observe(*state, "backup", 1);
    }
    assert_told("web1 ready>blocked locked; ");
}

static void test_another_reason_of_the_same_gravity_must_stay_to_be_told(void **state)
{
    observe(*state, "backup", 1);
    assert_told("web1 ready>blocked locked; ");
    observe(*state, "suspended", VERDICT_LOG_STEADY - 1);
    observe(*state, "backup", 1);
    assert_told("");
    observe(*state, "suspended", VERDICT_LOG_STEADY);
    assert_told("web1 blocked>blocked suspended; ");
}

static void test_what_concerns_all_is_told_once_for_all(void **state)
{
    struct room *room = *state;

    observe(room, NULL, 1);
    room->facts.endpoints_up = 0;
    observe(room, NULL, 2);
    assert_told("all ready>blocked no-endpoint; ");
    observe(room, "backup", 1); /* what a guest has of its own is told all the same */
    assert_told("web1 ready>blocked locked; ");
    room->facts.endpoints_up = 2;
    observe(room, "backup", VERDICT_LOG_STEADY);
    assert_told("all blocked>ready no-endpoint; ");
}

static void test_nothing_is_told_of_a_guest_that_was_not_tried_yet(void **state)
{
    struct room *room = *state;
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();
    const struct evidence_answer answer = {.node = "pve1", .at_ms = 1000};
    const struct evidence_config bare = {.has_nic = false};

    evidence_expect(evidence, EVIDENCE_CONFIG, 10000);
    room->facts.evidence = evidence;
    room->facts.boottime_ms = 1000;
    observe(room, NULL, 5);
    assert_told("");
    observe(room, "backup", 1); /* but what is known already */
    assert_told("web1 ready>blocked locked; ");
    assert_true(evidence_config(evidence, 101, &answer, &bare));
    observe(room, NULL, VERDICT_LOG_STEADY);
    assert_told("web1 blocked>degraded no-nic; ");
    evidence_forget(evidence);
    observe(room, NULL, 10); /* not known any more is not better */
    assert_told("");
}

static void test_many_guests_at_once_are_counted(void **state)
{
    struct room *room = *state;
    struct guest guests[VERDICT_LOG_LINES_MAX + 5];
    char names[ARRAY_LEN(guests)][16];
    unsigned lines = 0;

    for (size_t i = 0; i < ARRAY_LEN(guests); i++) {
        snprintf(names[i], sizeof(names[i]), "web%zu", i);
        guests[i] = (struct guest)FIXTURE_GUEST((int)(200 + i), names[i], "pve1", .lock = (char *)"backup");
    }
    _cleanup_(inventory_unrefp) struct inventory *inventory =
        fixture_inventory(guests, ARRAY_LEN(guests), 3, 0);
    room->facts.inventory = inventory;
    verdict_log_observe(room->log, &room->facts);
    for (const char *at = told; (at = strstr(at, "blocked locked; ")); at++)
        lines++;
    assert_int_equal(lines, VERDICT_LOG_LINES_MAX);
    assert_non_null(strstr(told, "; 5 more; "));
    told[0] = '\0';
    verdict_log_observe(room->log, &room->facts); /* those are told, too */
    assert_told("");
}

static void test_a_guest_that_comes_back_begins_anew(void **state)
{
    struct room *room = *state;
    _cleanup_(inventory_unrefp) struct inventory *empty = fixture_inventory(NULL, 0, 3, 0);

    observe(room, "backup", 1);
    told[0] = '\0';
    room->facts.inventory = empty;
    verdict_log_observe(room->log, &room->facts);
    assert_told("all ready>blocked empty-pool; ");
    observe(room, "backup", 1);
    assert_told("web1 ready>blocked locked; ");
}

int main(void)
{
#define ROOM_TEST(name) cmocka_unit_test_setup_teardown(name, make_room, leave_room)
    const struct CMUnitTest tests[] = {
        ROOM_TEST(test_what_is_ready_from_the_start_is_not_told),
        ROOM_TEST(test_worse_is_told_at_once_and_once),
        ROOM_TEST(test_better_is_told_when_it_was_seen_often_enough),
        ROOM_TEST(test_what_flaps_is_told_once),
        ROOM_TEST(test_another_reason_of_the_same_gravity_must_stay_to_be_told),
        ROOM_TEST(test_what_concerns_all_is_told_once_for_all),
        ROOM_TEST(test_nothing_is_told_of_a_guest_that_was_not_tried_yet),
        ROOM_TEST(test_many_guests_at_once_are_counted),
        ROOM_TEST(test_a_guest_that_comes_back_begins_anew),
    };

    return cmocka_run_group_tests_name("verdicts", tests, NULL, NULL);
}
