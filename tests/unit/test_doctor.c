/* The daemon's report, read by the command: what is written anew is what was written, and what is no report
 * is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "admin/doctor_private.h"
#include "system/cleanup.h"
#include "system/clock.h"

static void make_good(struct diagnosis *diagnosis)
{
    *diagnosis = (struct diagnosis){0};
    for (enum diagnosis_step step = 0; step < DIAGNOSIS_STEP_COUNT; step++) {
        diagnosis->took_us[step] = step == DIAGNOSIS_LOGIN ? -1 : 12300 * (int64_t)step;
        diagnosis_add(diagnosis, step, DIAGNOSIS_OK, DIAGNOSIS_AGE_NONE, "all is well with %s",
                      diagnosis_step_name(step));
    }
}

static void make(struct diagnosis *diagnosis)
{
    make_good(diagnosis);
    diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, 2500, "a \"quoted\" word, \xc3\xa9");
    diagnosis_hint(diagnosis, "fix it:");
    diagnosis_paste(diagnosis, "sed -i 's/a/b/' /etc/file");
    diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_UNKNOWN, 90000, "nobody knows");
}

static char *text_of(const struct diagnosis *diagnosis)
{
    struct text text = {0};
    diagnosis_put_text(&text, diagnosis, true);
    assert_false(text.failed);
    return text.data;
}

static void test_a_report_that_was_read_is_the_same(void **state)
{
    struct diagnosis wrote, read;
    _cleanup_(text_clear) struct text first = {0}, second = {0};
    int64_t now_ms = clock_realtime_ms();

    (void)state;
    make(&wrote);
    diagnosis_put_json(&first, &wrote, true, now_ms);
    assert_true(doctor_read(&read, first.data, first.length));
    assert_int_equal(read.count, wrote.count);
    for (size_t i = 0; i < read.count; i++) { /* the clock has gone on */
        assert_true(read.findings[i].age_ms >= wrote.findings[i].age_ms);
        read.findings[i].age_ms = wrote.findings[i].age_ms;
    }
    diagnosis_put_json(&second, &read, true, now_ms);
    assert_string_equal(first.data, second.data);
    _cleanup_(freep) char *screen = text_of(&wrote), *again = text_of(&read);
    assert_string_equal(screen, again);
    assert_int_equal(diagnosis_exit_status(&read), 2);
    diagnosis_clear(&wrote);
    diagnosis_clear(&read);
}

static void test_findings_of_the_cluster_stand_behind_and_count(void **state)
{
    struct diagnosis diagnosis;

    (void)state;
    make(&diagnosis);
    diagnosis_add(&diagnosis, DIAGNOSIS_CLUSTER, DIAGNOSIS_SKIPPED, DIAGNOSIS_AGE_NONE, "not looked at");
    assert_int_equal(diagnosis_exit_status(&diagnosis), 2);
    diagnosis_add(&diagnosis, DIAGNOSIS_CLUSTER, DIAGNOSIS_FAILURE, DIAGNOSIS_AGE_NONE, "nobody is fenced");
    diagnosis_hint(&diagnosis, "on one node:");
    diagnosis_paste(&diagnosis, "one `two` three"); /* it would be three lines */
    diagnosis_paste(&diagnosis, "crm_attribute --update true");
    assert_int_equal(diagnosis_exit_status(&diagnosis), 1);
    _cleanup_(freep) char *screen = text_of(&diagnosis);
    assert_non_null(strstr(screen, "Verdict: a fence would fail\n"));
    assert_non_null(strstr(screen, "\n\ncluster\n  skipped  not looked at\n  failure  nobody is fenced\n"
                                   "           hint: on one node:\n"
                                   "           paste: crm_attribute --update true\n"));
    diagnosis_clear(&diagnosis);
    make_good(&diagnosis);
    diagnosis_add(&diagnosis, DIAGNOSIS_CLUSTER, DIAGNOSIS_SKIPPED, DIAGNOSIS_AGE_NONE, "not looked at");
    assert_int_equal(diagnosis_exit_status(&diagnosis), 0);
    diagnosis_clear(&diagnosis);
}

static void test_what_is_no_report_is_refused(void **state)
{
#define STEPS                "\"steps\":[{\"step\":\"pool\",\"took_ms\":1.5}]"
#define FINDING(LEVEL, MORE) "{\"step\":\"pool\",\"level\":\"" LEVEL "\",\"message\":\"m\"" MORE "}"
    static const char *const good[] = {
        "{" STEPS ",\"findings\":[" FINDING("ok", "") "]}",
        "{\"new\":[1],\"findings\":[" FINDING("ok", ",\"more\":{}") "]," STEPS ",\"last\":true}\n",
        "{" STEPS
        ",\"findings\":[" FINDING("ok", ",\"hint\":null,\"seen_at\":\"2026-11-22T12:00:00.123Z\"") "]}",
    };
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "Verdict: fine\n",
        "{" STEPS "}",
        "{" STEPS ",\"findings\":[]}",
        "{\"findings\":[" FINDING("ok", "") "]}",
        "{" STEPS ",\"findings\":[" FINDING("fine", "") "]}",
        "{" STEPS ",\"findings\":[" FINDING("skipped", "") "]}",
        "{" STEPS ",\"findings\":[" FINDING("ok", ",\"seen_at\":\"x\"") "]}",
        "{" STEPS ",\"findings\":[{\"step\":\"cluster\",\"level\":\"ok\",\"message\":\"m\"}]}",
        "{" STEPS ",\"findings\":[{\"step\":\"pool\",\"level\":\"ok\"}]}",
        "{\"steps\":[{\"step\":\"pool\",\"took_ms\":-1.5}],\"findings\":[" FINDING("ok", "") "]}",
        "{\"steps\":[{\"step\":\"pool\",\"took_ms\":1e300}],\"findings\":[" FINDING("ok", "") "]}",
        "{\"steps\":[{\"step\":\"pool\"}],\"findings\":[" FINDING("ok", "") "]}",
        "{" STEPS ",\"findings\":[" FINDING("ok", "") "]} more",
    };
    struct diagnosis diagnosis;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!doctor_read(&diagnosis, good[i], strlen(good[i])))
            fail_msg("refused: %s", good[i]);
        assert_int_equal(diagnosis.took_us[DIAGNOSIS_POOL], 1500);
        assert_int_equal(diagnosis.took_us[DIAGNOSIS_GUESTS], -1);
        diagnosis_clear(&diagnosis);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (doctor_read(&diagnosis, bad[i], strlen(bad[i])))
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_report_that_was_read_is_the_same),
        cmocka_unit_test(test_findings_of_the_cluster_stand_behind_and_count),
        cmocka_unit_test(test_what_is_no_report_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
