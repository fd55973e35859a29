/* The audit trail: what is recorded, and that a flood of denials is not. Time is set by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fence/history.h"
#include "server/audit_trail.h"
#include "system/clock.h"
#include "system/log.h"

#include <string.h>

static struct {
    unsigned denials, lines;
    struct denial last;
    int64_t now_ms;
} seen;

void history_add_denial(struct history *history, const struct denial *denial)
{
    (void)history;
    seen.denials++;
    seen.last = *denial;
}

int64_t clock_now_ms(void)
{
    return seen.now_ms;
}

int64_t clock_realtime_ms(void)
{
    return 1763812800000;
}

void log_say(enum log_kind kind, const struct log_field *fields, const char *format, ...)
{
    (void)kind;
    (void)fields;
    (void)format;
    seen.lines++;
}

static struct audit_trail *begin(struct event_base **base)
{
    static char any;
    static const struct rooms rooms = {.history = (struct history *)(void *)&any};
    struct audit_trail *audit;

    memset(&seen, 0, sizeof(seen));
    seen.now_ms = 1000000;
    *base = event_base_new();
    audit = audit_trail_new(*base, &rooms);
    assert_non_null(audit);
    return audit;
}

static void end(struct audit_trail *audit, struct event_base *base)
{
    audit_trail_free(audit);
    event_base_free(base);
}

static void deny(struct audit_trail *audit, uid_t uid)
{
    const struct access_peer peer = {.uid = uid, .gid = 1, .pid = 2};

    audit_trail_denied(audit, &peer, ACCESS_NO_RULE, "no rule matches", "off web1");
}

static void test_a_denial_is_recorded_with_who_what_and_why(void **state)
{
    struct event_base *base;
    struct audit_trail *audit = begin(&base);

    (void)state;
    deny(audit, 1001);
    assert_int_equal(seen.denials, 1);
    assert_int_equal(seen.last.peer.uid, 1001);
    assert_string_equal(seen.last.reason, "no-rule");
    assert_string_equal(seen.last.request, "off web1");
    assert_string_equal(seen.last.peer.rule, "no rule matches");
    assert_int_equal(seen.last.unrecorded, 0);
    end(audit, base);
}

static void test_a_flood_of_one_user_is_a_few_records_and_leaves_the_others_theirs(void **state)
{
    struct event_base *base;
    struct audit_trail *audit = begin(&base);

    (void)state;
    for (int i = 0; i < 100000; i++)
        deny(audit, 1001);
    assert_int_equal(seen.denials, AUDIT_UID_BURST);
    deny(audit, 1002);
    assert_int_equal(seen.denials, AUDIT_UID_BURST + 1);
    assert_int_equal(seen.last.unrecorded, 100000 - AUDIT_UID_BURST);
    seen.now_ms += AUDIT_UID_MS;
    deny(audit, 1001);
    deny(audit, 1001);
    assert_int_equal(seen.denials, AUDIT_UID_BURST + 2);
    end(audit, base);
}

/* However many users there are, and for as long as they like: the file of the history lasts for days. */
static void test_a_flood_of_all_users_is_bounded(void **state)
{
    struct event_base *base;
    struct audit_trail *audit = begin(&base);
    const int64_t day_ms = 24 * 3600 * INT64_C(1000);

    (void)state;
    for (uid_t uid = 0; uid < 100000; uid++)
        deny(audit, uid);
    assert_int_equal(seen.denials, AUDIT_BURST);
    for (int64_t begin_ms = seen.now_ms; seen.now_ms < begin_ms + day_ms; seen.now_ms += 500)
        deny(audit, (uid_t)(seen.now_ms / 500 % 1000));
    assert_in_range(seen.denials, AUDIT_BURST, AUDIT_BURST + day_ms / AUDIT_MS);
    end(audit, base);
}

static void test_whoever_was_quiet_may_be_recorded_again_in_full(void **state)
{
    struct event_base *base;
    struct audit_trail *audit = begin(&base);

    (void)state;
    for (int i = 0; i < 50; i++)
        deny(audit, 1001);
    seen.now_ms += (int64_t)AUDIT_UID_BURST * AUDIT_UID_MS * 10;
    seen.denials = 0;
    for (int i = 0; i < 50; i++)
        deny(audit, 1001);
    assert_int_equal(seen.denials, AUDIT_UID_BURST);
    end(audit, base);
}

static void test_power_requests_of_root_are_never_left_out_and_a_members_flood_is(void **state)
{
    const struct operation_peer root = {.uid = 0}, member = {.uid = 1001};
    struct event_base *base;
    struct audit_trail *audit = begin(&base);
    unsigned recorded = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(audit_trail_asked(audit, &root, true, "off", "web1"));
        recorded += audit_trail_asked(audit, &member, false, "off", "web1");
    }
    assert_int_equal(recorded, AUDIT_POWER_BURST);
    assert_int_equal(seen.lines, 1000 + AUDIT_POWER_BURST);
    end(audit, base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_denial_is_recorded_with_who_what_and_why),
        cmocka_unit_test(test_a_flood_of_one_user_is_a_few_records_and_leaves_the_others_theirs),
        cmocka_unit_test(test_a_flood_of_all_users_is_bounded),
        cmocka_unit_test(test_whoever_was_quiet_may_be_recorded_again_in_full),
        cmocka_unit_test(test_power_requests_of_root_are_never_left_out_and_a_members_flood_is),
    };

    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
