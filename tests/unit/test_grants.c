/* Which identity may be used, and what is remembered of it: in this process, and by the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "files.h"
#include "proxmox/grants.h"
#include "system/cleanup.h"
#include "system/json.h"
#include "system/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WAIT_MS 5000
#define TIDY    "{\"/pool/p\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1},\"/vms/101\":" ON_GUEST "}"
#define EXCESS                                                                                               \
    "{\"/pool/p\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1},\"/vms/101\":" ON_GUEST               \
    ",\"/nodes\":{\"Sys.Audit\":1}}"
#define ON_GUEST "{\"VM.PowerMgmt\":0,\"VM.Audit\":0,\"Pool.Audit\":0}"

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_CRIT);
    return make_directory("accepted.jsonl");
}

static struct grants *begin(const char *where)
{
    struct error error = {0};
    struct grants *grants = grants_new(where, &error);
    assert_non_null(grants);
    assert_int_equal(error.code, ERROR_NONE);
    return grants;
}

static void take(struct grants *grants, const char *text)
{
    static const char *const pools[] = {"p"};
    static const struct privileges_guest guests[] = {{101, "p"}};
    const struct privileges_scope scope = {
        .pools = pools, .pool_count = 1, .guests = guests, .guest_count = 1, .release = 902};
    _cleanup_(json_putp) struct json_object *permissions = json_parse(text, strlen(text));
    assert_non_null(permissions);
    assert_true(grants_take(grants, permissions, &scope, 7000));
}

static enum grants_state judged(struct grants *grants, const char *identity, bool enforce, const char *text)
{
    assert_true(grants_set_policy(grants, identity, enforce));
    take(grants, text);
    return grants_state(grants);
}

/* ---- the judgement ---- */

static void test_the_minimal_set_is_accepted_and_more_is_refused(void **state)
{
    struct grants *grants = begin(NULL);
    (void)state;
    assert_true(grants_set_policy(grants, "fence@pve", true));
    assert_int_equal(grants_state(grants), GRANTS_UNKNOWN);
    assert_null(grants_report(grants));
    assert_int_equal(judged(grants, "fence@pve", true, TIDY), GRANTS_ACCEPTED);
    assert_int_equal(grants_excess(grants)->code, ERROR_NONE);
    assert_int_equal(grants_read_ms(grants), 7000);
    assert_int_equal(judged(grants, "other@pve", true, EXCESS), GRANTS_REFUSED);
    assert_int_equal(grants_excess(grants)->code, ERROR_EXCESS_PRIVILEGES);
    assert_string_equal(
        grants_excess(grants)->message,
        "other@pve: more than fencing needs on /nodes: Sys.Audit; it reaches the QEMU monitor of the guests");
    assert_string_equal(
        grants_excess(grants)->hint,
        "on a Proxmox host: pveum acl delete /nodes --roles ROLE --users other@pve (ROLE: see "
        "`pveum acl list`)");
    grants_free(grants, 0);
}

static void test_who_was_accepted_goes_on_when_more_is_granted(void **state)
{
    struct grants *grants = begin(NULL);
    (void)state;
    judged(grants, "fence@pve", true, TIDY);
    take(grants, EXCESS);
    assert_int_equal(grants_state(grants), GRANTS_TOLERATED);
    assert_int_equal(grants_excess(grants)->code, ERROR_EXCESS_PRIVILEGES);
    take(grants, TIDY);
    assert_int_equal(grants_state(grants), GRANTS_ACCEPTED);
    grants_free(grants, 0);
}

static void test_warn_uses_it_from_the_start_and_enforce_refuses_it_again(void **state)
{
    struct grants *grants = begin(NULL);
    (void)state;
    assert_int_equal(judged(grants, "fence@pve", false, EXCESS), GRANTS_TOLERATED);
    assert_false(grants_remembered(grants));
    assert_true(grants_set_policy(grants, "fence@pve", true)); /* the same privileges, another policy */
    assert_int_equal(grants_state(grants), GRANTS_REFUSED);
    grants_free(grants, 0);
}

static void test_who_holds_nothing_yet_is_not_remembered(void **state)
{
    struct grants *grants = begin(NULL);
    (void)state;
    assert_int_equal(judged(grants, "fence@pve", true, "{}"), GRANTS_ACCEPTED);
    assert_int_equal(grants_missing(grants)->code, ERROR_NO_POWER_RIGHT);
    assert_non_null(strstr(grants_missing(grants)->hint, "on a Proxmox host: pveum "));
    assert_false(grants_remembered(grants));
    take(grants, EXCESS); /* "here, take Administrator": the first real judgement */
    assert_int_equal(grants_state(grants), GRANTS_REFUSED);
    grants_free(grants, 0);
}

static void test_another_identity_is_unknown_until_it_is_judged(void **state)
{
    struct grants *grants = begin(NULL);
    (void)state;
    judged(grants, "fence@pve", true, TIDY);
    assert_true(grants_set_policy(grants, "other@pve", true));
    assert_int_equal(grants_state(grants), GRANTS_UNKNOWN);
    assert_null(grants_listing(grants));
    assert_int_equal(grants_missing(grants)->code, ERROR_NONE);
    take(grants, EXCESS);
    assert_int_equal(grants_state(grants), GRANTS_REFUSED);
    assert_int_equal(judged(grants, "fence@pve", true, EXCESS), GRANTS_TOLERATED); /* back again */
    grants_free(grants, 0);
}

/* ---- the memory ---- */

static void test_the_next_daemon_remembers_who_was_accepted(void **state)
{
    struct grants *grants = begin(directory);
    (void)state;
    judged(grants, "fence@pve!broker", true, TIDY);
    judged(grants, "refused@pve", true, EXCESS);
    grants_free(grants, WAIT_MS);
    assert_int_equal(lines(file), 1);

    grants = begin(directory);
    assert_int_equal(judged(grants, "fence@pve!broker", true, EXCESS), GRANTS_TOLERATED);
    assert_int_equal(judged(grants, "refused@pve", true, EXCESS), GRANTS_REFUSED);
    assert_int_equal(judged(grants, "fence@pve", true, EXCESS),
                     GRANTS_REFUSED); /* its user is somebody else */
    judged(grants, "fence@pve!broker", true, TIDY);
    grants_free(grants, WAIT_MS);
    assert_int_equal(lines(file), 1); /* what is known is not written again */
}

static void test_lines_that_are_no_records_accept_nobody(void **state)
{
    (void)state;
    put_file(file, "{\"v\":1,\"accepted\":\"torn@pve\nfence@pve\n\n{\"accepted\":7}\n[]\n"
                   "{\"v\":1,\"accepted\":\"good@pve\",\"later\":\"fields\"}\n{\"v\":2,\"accepted\":"
                   "\"revoked@pve\"}\n{\"v\":1,\"accepted\":\"half@p");
    put_file(older, "{\"v\":1,\"accepted\":\"old@pve\"}\n");
    struct grants *grants = begin(directory);
    assert_int_equal(judged(grants, "torn@pve", true, EXCESS), GRANTS_REFUSED);
    assert_int_equal(judged(grants, "fence@pve", true, EXCESS), GRANTS_REFUSED);
    assert_int_equal(judged(grants, "revoked@pve", true, EXCESS), GRANTS_REFUSED); /* a newer version's */
    assert_int_equal(judged(grants, "good@pve", true, EXCESS), GRANTS_TOLERATED);
    assert_int_equal(judged(grants, "old@pve", true, EXCESS), GRANTS_TOLERATED);
    judged(grants, "new@pve", true, TIDY);
    grants_free(grants, WAIT_MS);
    grants = begin(directory); /* the half line has not spoilt the new one */
    assert_int_equal(judged(grants, "new@pve", true, EXCESS), GRANTS_TOLERATED);
    grants_free(grants, WAIT_MS);
}

static void test_what_is_no_file_accepts_nobody_and_is_not_waited_for(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(file, 0600), 0);
    struct grants *grants = begin(directory);
    assert_int_equal(judged(grants, "fence@pve", true, EXCESS), GRANTS_REFUSED);
    assert_int_equal(judged(grants, "fence@pve", true, TIDY), GRANTS_ACCEPTED); /* remembered here and now */
    take(grants, EXCESS);
    assert_int_equal(grants_state(grants), GRANTS_TOLERATED);
    grants_free(grants, WAIT_MS);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_minimal_set_is_accepted_and_more_is_refused),
        TEST(test_who_was_accepted_goes_on_when_more_is_granted),
        TEST(test_warn_uses_it_from_the_start_and_enforce_refuses_it_again),
        TEST(test_who_holds_nothing_yet_is_not_remembered),
        TEST(test_another_identity_is_unknown_until_it_is_judged),
        TEST(test_the_next_daemon_remembers_who_was_accepted),
        TEST(test_lines_that_are_no_records_accept_nobody),
        TEST(test_what_is_no_file_accepts_nobody_and_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("grants", tests, NULL, NULL);
}
