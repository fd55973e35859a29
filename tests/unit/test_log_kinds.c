/* system/log_kinds: each kind has a name and an id of its own that the journal takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/log_kinds.h"

#include <string.h>
#include <syslog.h>
#include <systemd/sd-id128.h>

static void test_each_kind_has_an_id_that_systemd_reads_and_could_have_made(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        const char *text = log_kind_row((enum log_kind)kind)->id;
        char again[SD_ID128_STRING_MAX];
        sd_id128_t id;
        assert_non_null(text);
        assert_int_equal(sd_id128_from_string(text, &id), 0);
        assert_string_equal(sd_id128_to_string(id, again), text); /* lower case, no dashes */
        assert_int_equal(id.bytes[6] & 0xf0, 0x40);               /* a random one */
        assert_int_equal(id.bytes[8] & 0xc0, 0x80);
    }
}

static void test_names_are_words_with_dashes(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        const char *name = log_kind_row((enum log_kind)kind)->name;
        assert_non_null(name);
        assert_true(name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz-") == strlen(name));
    }
}

static void test_no_two_kinds_share_a_name_or_an_id(void **state)
{
    (void)state;
    for (unsigned a = 0; a < KIND_COUNT; a++) {
        for (unsigned b = 0; b < a; b++) {
            assert_string_not_equal(log_kind_row((enum log_kind)a)->name,
                                    log_kind_row((enum log_kind)b)->name);
            assert_string_not_equal(log_kind_row((enum log_kind)a)->id, log_kind_row((enum log_kind)b)->id);
        }
    }
}

static void test_priorities_are_those_of_a_daemon_that_goes_on(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        assert_in_range(log_kind_row((enum log_kind)kind)->priority, LOG_CRIT, LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_has_an_id_that_systemd_reads_and_could_have_made),
        cmocka_unit_test(test_names_are_words_with_dashes),
        cmocka_unit_test(test_no_two_kinds_share_a_name_or_an_id),
        cmocka_unit_test(test_priorities_are_those_of_a_daemon_that_goes_on),
    };
    return cmocka_run_group_tests_name("log_kinds", tests, NULL, NULL);
}
