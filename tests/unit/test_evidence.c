/* Evidence is kept by VMID, over new lists of guests, with its age; what is old or of another host is not
 * fresh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/evidence.h"
#include "inventory_fixture.h"
#include "system/cleanup.h"

#include <string.h>

#define PERIOD_MS 10000

static struct evidence_answer answer_at(int64_t at_ms, const struct error *error)
{
    return (struct evidence_answer){
        .node = "pve1", .endpoint = "pve1.example.com", .at_ms = at_ms, .took_ms = 7, .error = error};
}

static void post_status(struct evidence *evidence, int vmid, int64_t at_ms)
{
    const struct evidence_answer answer = answer_at(at_ms, NULL);

    assert_true(evidence_status(evidence, vmid, &answer));
}

static enum evidence_state state_of(const struct evidence *evidence, int vmid, enum evidence_kind kind,
                                    const char *node, int64_t now_ms)
{
    return evidence_state(evidence, evidence_of(evidence, vmid), kind, node, now_ms);
}

static void test_what_nobody_collects_is_not_missed(void **state)
{
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();

    (void)state;
    for (enum evidence_kind kind = 0; kind < EVIDENCE_KIND_COUNT; kind++) {
        assert_int_equal(state_of(evidence, 101, kind, "pve1", 1000), EVIDENCE_NOT_NEEDED);
        evidence_expect(evidence, kind, PERIOD_MS);
        assert_int_equal(evidence_period_ms(evidence, kind), PERIOD_MS);
        assert_int_equal(state_of(evidence, 101, kind, "pve1", 1000), EVIDENCE_MISSING);
    }
    assert_int_equal(evidence_state(NULL, NULL, EVIDENCE_STATUS, NULL, 1000), EVIDENCE_NOT_NEEDED);
    assert_null(evidence_of(NULL, 101));
}

static void test_evidence_is_old_after_more_than_three_periods(void **state)
{
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();

    (void)state;
    evidence_expect(evidence, EVIDENCE_STATUS, PERIOD_MS);
    post_status(evidence, 101, 1000);
    assert_int_equal(evidence_age_ms(evidence_of(evidence, 101), EVIDENCE_STATUS, 31000), 30000);
    assert_int_equal(state_of(evidence, 101, EVIDENCE_STATUS, "pve1", 31000), EVIDENCE_FRESH);
    assert_int_equal(state_of(evidence, 101, EVIDENCE_STATUS, "pve1", 31001), EVIDENCE_OLD);
    /* stretched for many guests, it is not old so soon */
    evidence_expect(evidence, EVIDENCE_STATUS, 2 * PERIOD_MS);
    assert_int_equal(state_of(evidence, 101, EVIDENCE_STATUS, "pve1", 31001), EVIDENCE_FRESH);
    assert_int_equal(evidence_age_ms(evidence_of(evidence, 101), EVIDENCE_CONFIG, 31000), -1);
    assert_int_equal(evidence_age_ms(NULL, EVIDENCE_CONFIG, 31000), -1);
}

static void test_a_status_from_the_host_that_the_guest_has_left_is_none(void **state)
{
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();
    const struct evidence_answer answer = answer_at(1000, NULL);

    (void)state;
    evidence_expect(evidence, EVIDENCE_STATUS, PERIOD_MS);
    evidence_expect(evidence, EVIDENCE_REHEARSAL, PERIOD_MS);
    post_status(evidence, 101, 1000);
    assert_true(evidence_rehearsed(evidence, 101, &answer));
    assert_int_equal(state_of(evidence, 101, EVIDENCE_STATUS, "pve2", 1000), EVIDENCE_MISSING);
    assert_int_equal(state_of(evidence, 101, EVIDENCE_STATUS, NULL, 1000), EVIDENCE_FRESH);
    assert_int_equal(state_of(evidence, 101, EVIDENCE_REHEARSAL, "pve2", 1000), EVIDENCE_FRESH);
}

static void test_the_newest_answer_of_a_kind_counts(void **state)
{
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();
    struct error error = {0};
    struct evidence_answer answer = answer_at(1000, &error);

    (void)state;
    error_set(&error, ERROR_NO_POWER_RIGHT, "Permission check failed (/vms/101, VM.PowerMgmt)");
    assert_true(evidence_rehearsed(evidence, 101, &answer));
    post_status(evidence, 101, 1500);
    const struct evidence_guest *guest = evidence_of(evidence, 101);
    assert_int_equal(guest->vmid, 101);
    assert_string_equal(guest->entries[EVIDENCE_REHEARSAL].error->message, error.message);
    assert_string_equal(guest->entries[EVIDENCE_REHEARSAL].endpoint, "pve1.example.com");
    assert_int_equal(guest->entries[EVIDENCE_REHEARSAL].took_ms, 7);
    assert_null(guest->entries[EVIDENCE_STATUS].error);
    error.code = ERROR_NONE; /* nothing speaks against it */
    answer.at_ms = 2000;
    assert_true(evidence_rehearsed(evidence, 101, &answer));
    guest = evidence_of(evidence, 101);
    assert_null(guest->entries[EVIDENCE_REHEARSAL].error);
    assert_int_equal(guest->entries[EVIDENCE_REHEARSAL].at_ms, 2000);
    assert_int_equal(guest->entries[EVIDENCE_STATUS].at_ms, 1500);
}

static void test_a_configuration_that_cannot_be_read_leaves_what_was_known(void **state)
{
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();
    const struct evidence_config config = {.has_nic = true, .uuid = "4C4C4544-0038-3510-8056-B4C04F475031"};
    const struct evidence_config odd = {.has_hookscript = true, .uuid = "not one"};
    struct error error = {0};
    struct evidence_answer answer = answer_at(1000, NULL);

    (void)state;
    assert_true(evidence_config(evidence, 101, &answer, &config));
    error_set(&error, ERROR_STALE, "no answer");
    answer = answer_at(2000, &error);
    assert_true(evidence_config(evidence, 101, &answer, NULL));
    const struct evidence_guest *guest = evidence_of(evidence, 101);
    assert_true(guest->config_known && guest->has_nic && !guest->has_hookscript);
    assert_string_equal(guest->uuid, "4c4c4544-0038-3510-8056-b4c04f475031");
    assert_string_equal(guest->entries[EVIDENCE_CONFIG].error->message, "no answer");
    answer = answer_at(3000, NULL);
    assert_true(evidence_config(evidence, 101, &answer, &odd));
    guest = evidence_of(evidence, 101);
    assert_true(guest->has_hookscript && !guest->has_nic);
    assert_string_equal(guest->uuid, "");
}

static void test_a_new_list_keeps_its_guests_and_forgets_those_that_left(void **state)
{
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();
    const struct guest stays = FIXTURE_GUEST(101, "web1", "pve1", .lock = NULL);
    _cleanup_(inventory_unrefp) struct inventory *inventory = fixture_inventory(&stays, 1, 3, 0);

    (void)state;
    for (int vmid = 100; vmid < 1100; vmid++)
        post_status(evidence, vmid, vmid);
    evidence_keep(evidence, inventory);
    assert_int_equal(evidence_of(evidence, 101)->entries[EVIDENCE_STATUS].at_ms, 101);
    assert_null(evidence_of(evidence, 100));
    assert_null(evidence_of(evidence, 102));
    evidence_forget(evidence);
    assert_null(evidence_of(evidence, 101));
}

static void test_after_the_alarm_no_guest_misses_a_rehearsal(void **state)
{
    _cleanup_(evidence_freep) struct evidence *evidence = evidence_new();
    struct error alarm = {0};

    (void)state;
    evidence_expect(evidence, EVIDENCE_REHEARSAL, PERIOD_MS);
    assert_null(evidence_rehearsals_alarm(evidence));
    error_set(&alarm, ERROR_INTERNAL, "a rehearsal of web1 was carried out");
    evidence_rehearsals_unsafe(evidence, &alarm);
    assert_string_equal(evidence_rehearsals_alarm(evidence)->message, alarm.message);
    assert_int_equal(state_of(evidence, 101, EVIDENCE_REHEARSAL, NULL, 1), EVIDENCE_NOT_NEEDED);
    evidence_rehearsals_unsafe(evidence, NULL);
    assert_null(evidence_rehearsals_alarm(evidence));
    assert_int_equal(state_of(evidence, 101, EVIDENCE_REHEARSAL, NULL, 1), EVIDENCE_MISSING);
    assert_null(evidence_rehearsals_alarm(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_nobody_collects_is_not_missed),
        cmocka_unit_test(test_evidence_is_old_after_more_than_three_periods),
        cmocka_unit_test(test_a_status_from_the_host_that_the_guest_has_left_is_none),
        cmocka_unit_test(test_the_newest_answer_of_a_kind_counts),
        cmocka_unit_test(test_a_configuration_that_cannot_be_read_leaves_what_was_known),
        cmocka_unit_test(test_a_new_list_keeps_its_guests_and_forgets_those_that_left),
        cmocka_unit_test(test_after_the_alarm_no_guest_misses_a_rehearsal),
    };

    return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
