/* The record of one operation: its words, its timeline and its Request-Ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/operation.h"

#include <stdio.h>
#include <string.h>

static void test_every_word_leads_back_to_its_value(void **state)
{
    (void)state;
    for (enum fence_action value = FENCE_OFF; value <= FENCE_REBOOT; value++) {
        enum fence_action found = FENCE_OFF;

        assert_true(fence_action_from_name(fence_action_name(value), &found));
        assert_int_equal(found, value);
    }
    for (enum fence_method value = FENCE_ONOFF; value <= FENCE_CYCLE; value++) {
        enum fence_method found = FENCE_ONOFF;

        assert_true(fence_method_from_name(fence_method_name(value), &found));
        assert_int_equal(found, value);
    }
    for (enum operation_outcome value = OPERATION_RUNNING; value <= OPERATION_INTERRUPTED; value++) {
        enum operation_outcome found = OPERATION_RUNNING;

        assert_true(operation_outcome_from_name(operation_outcome_name(value), &found));
        assert_int_equal(found, value);
    }
    for (enum operation_power_on value = POWER_ON_NONE; value <= POWER_ON_FAILED; value++) {
        enum operation_power_on found = POWER_ON_NONE;

        assert_true(operation_power_on_from_name(operation_power_on_name(value), &found));
        assert_int_equal(found, value);
    }
}

static void test_words_are_those_of_the_manual(void **state)
{
    (void)state;
    assert_string_equal(fence_action_name(FENCE_REBOOT), "reboot");
    assert_string_equal(fence_method_name(FENCE_CYCLE), "cycle");
    assert_string_equal(operation_state_name(OPERATION_QUEUED), "queued");
    assert_string_equal(operation_state_name(OPERATION_LOCATING), "locating");
    assert_string_equal(operation_state_name(OPERATION_STOPPING), "stopping");
    assert_string_equal(operation_state_name(OPERATION_VERIFYING), "verifying");
    assert_string_equal(operation_state_name(OPERATION_STARTING), "starting");
    assert_string_equal(operation_state_name(OPERATION_ENDED), "ended");
    assert_string_equal(operation_outcome_name(OPERATION_ABANDONED), "abandoned");
    assert_string_equal(operation_state_name((enum operation_state)77), "unknown");
}

static void test_unknown_words_are_refused_and_change_nothing(void **state)
{
    static const char *const strangers[] = {"", "OFF", "off ", "of", "unknown"};
    enum fence_action action = FENCE_ON;
    enum operation_outcome outcome = OPERATION_DONE;

    (void)state;
    for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++) {
        assert_false(fence_action_from_name(strangers[i], &action));
        assert_false(operation_outcome_from_name(strangers[i], &outcome));
    }
    assert_false(fence_action_from_name(NULL, &action));
    assert_int_equal(action, FENCE_ON);
    assert_int_equal(outcome, OPERATION_DONE);
}

static void test_a_note_stays_one_line_and_knows_its_offset(void **state)
{
    struct operation *operation = operation_new();
    const struct operation_transition *entry;

    (void)state;
    operation->requested_ms = 1000;
    entry = operation_note(operation, 1340, "refused:\r\nVM is\tlocked \x1b[31m");
    assert_non_null(entry);
    assert_int_equal(entry->offset_ms, 340);
    assert_true(entry->realtime_ms > 0);
    assert_string_equal(entry->text, "refused:??VM is?locked ?[31m");
    operation_free(operation);
}

static void test_a_timeline_is_bounded_and_keeps_its_end(void **state)
{
    struct operation *operation = operation_new();
    char text[32];

    (void)state;
    for (int i = 0; i < 3 * OPERATION_TRANSITIONS_MAX; i++) {
        snprintf(text, sizeof(text), "note %d", i);
        assert_non_null(operation_note(operation, i, text));
    }
    assert_int_equal(operation->transition_count, OPERATION_TRANSITIONS_MAX);
    assert_string_equal(operation->transitions[0].text, "note 0");
    assert_string_equal(operation->transitions[OPERATION_TRANSITIONS_MAX - 1].text, text);
    operation_free(operation);
}

static void test_a_request_id_is_kept_once(void **state)
{
    struct operation *operation = operation_new();

    (void)state;
    assert_false(operation_has_request_id(operation, "a"));
    assert_true(operation_add_request_id(operation, "a"));
    assert_true(operation_add_request_id(operation, "b"));
    assert_true(operation_add_request_id(operation, "a"));
    assert_int_equal(operation->request_id_count, 2);
    assert_true(operation_has_request_id(operation, "a"));
    assert_false(operation_has_request_id(operation, "A"));
    operation_free(operation);
}

static void test_a_request_id_is_told_to_its_own_uid_alone(void **state)
{
    char key[REQUEST_KEY_LEN + 1];

    (void)state;
    operation_request_key(key, 1000, "a-1");
    assert_string_equal(operation_request_id_of(key, 1000), "a-1");
    assert_null(operation_request_id_of(key, 0));
    assert_null(operation_request_id_of(key, 100));
    assert_null(operation_request_id_of(key, 10000));
}

static void test_request_ids_are_bounded_in_length_and_number(void **state)
{
    struct operation *operation = operation_new();
    char id[REQUEST_KEY_LEN + 2];

    (void)state;
    memset(id, 'x', sizeof(id));
    id[REQUEST_KEY_LEN + 1] = '\0';
    assert_false(operation_add_request_id(operation, id));
    id[REQUEST_KEY_LEN] = '\0';
    assert_true(operation_add_request_id(operation, id));
    assert_false(operation_add_request_id(operation, ""));
    for (int i = 1; i < OPERATION_REQUEST_IDS_MAX; i++) {
        snprintf(id, sizeof(id), "id-%d", i);
        assert_true(operation_add_request_id(operation, id));
    }
    assert_false(operation_add_request_id(operation, "one-too-many"));
    assert_true(operation_add_request_id(operation, "id-1"));
    operation_free(operation);
    operation_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_word_leads_back_to_its_value),
        cmocka_unit_test(test_words_are_those_of_the_manual),
        cmocka_unit_test(test_unknown_words_are_refused_and_change_nothing),
        cmocka_unit_test(test_a_note_stays_one_line_and_knows_its_offset),
        cmocka_unit_test(test_a_timeline_is_bounded_and_keeps_its_end),
        cmocka_unit_test(test_a_request_id_is_kept_once),
        cmocka_unit_test(test_a_request_id_is_told_to_its_own_uid_alone),
        cmocka_unit_test(test_request_ids_are_bounded_in_length_and_number),
    };

    return cmocka_run_group_tests_name("operation", tests, NULL, NULL);
}
