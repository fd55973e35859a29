/* The gate at the socket, and the shares of connections behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "policy/access.h"
#include "server/quota.h"
#include "system/cleanup.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GROUP     ((gid_t)500)
#define HACLUSTER ((uid_t)189)
#define OVERFLOW  ((uid_t)65534)

static const struct access_gate gate = {.group = GROUP, .hacluster = HACLUSTER, .overflow_uid = OVERFLOW};
static const struct access_gate bare_gate = {
    .group = ACCESS_NO_GID, .hacluster = ACCESS_NOBODY, .overflow_uid = OVERFLOW};

static void test_the_gate_lets_in_whom_design_names(void **state)
{
    gid_t with[] = {7, GROUP, 9}, without[] = {7, 8, 9}, zero[] = {0};
    const struct {
        struct access_peer peer;
        enum access_verdict verdict, bare_verdict;
    } cases[] = {
        {{.uid = 0, .gid = 0}, ACCESS_PRIVILEGED, ACCESS_PRIVILEGED},
        {{.uid = 0, .gid = 77}, ACCESS_PRIVILEGED, ACCESS_PRIVILEGED},
        {{.uid = HACLUSTER, .gid = 1}, ACCESS_PRIVILEGED, ACCESS_NOT_MEMBER},
        {{.uid = 1000, .gid = GROUP}, ACCESS_MEMBER, ACCESS_NOT_MEMBER},
        {{.uid = 1000, .gid = 1, .groups = with, .group_count = 3}, ACCESS_MEMBER, ACCESS_NOT_MEMBER},
        {{.uid = 1000, .gid = 1, .groups = without, .group_count = 3}, ACCESS_NOT_MEMBER, ACCESS_NOT_MEMBER},
        {{.uid = 1000, .gid = 0, .groups = zero, .group_count = 1}, ACCESS_NOT_MEMBER, ACCESS_NOT_MEMBER},
        {{.uid = 1000, .gid = 1}, ACCESS_NOT_MEMBER, ACCESS_NOT_MEMBER},
        {{.uid = OVERFLOW, .gid = GROUP}, ACCESS_OVERFLOW_UID, ACCESS_OVERFLOW_UID},
        {{.uid = OVERFLOW, .gid = 1, .groups = with, .group_count = 3},
         ACCESS_OVERFLOW_UID,
         ACCESS_OVERFLOW_UID},
        {{.uid = ACCESS_NOBODY, .gid = ACCESS_NO_GID}, ACCESS_OVERFLOW_UID, ACCESS_OVERFLOW_UID},
        {{.uid = 1000, .gid = ACCESS_NO_GID}, ACCESS_NOT_MEMBER, ACCESS_NOT_MEMBER},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *rule = NULL;

        assert_int_equal(access_gate(&cases[i].peer, &gate, &rule), cases[i].verdict);
        assert_non_null(rule);
        assert_int_equal(access_gate(&cases[i].peer, &bare_gate, NULL), cases[i].bare_verdict);
    }
}

static void test_a_hacluster_that_is_the_overflow_uid_is_nobody(void **state)
{
    const struct access_gate odd = {.group = GROUP, .hacluster = OVERFLOW, .overflow_uid = OVERFLOW};
    const struct access_peer peer = {.uid = OVERFLOW, .gid = GROUP};

    (void)state;
    assert_int_equal(access_gate(&peer, &odd, NULL), ACCESS_OVERFLOW_UID);
}

static void test_the_last_of_very_many_groups_counts(void **state)
{
    enum { MANY = 70000 };
    struct access_peer peer = {
        .uid = 1000, .gid = 1, .groups = calloc(MANY, sizeof(gid_t)), .group_count = MANY};

    (void)state;
    assert_non_null(peer.groups);
    assert_int_equal(access_gate(&peer, &gate, NULL), ACCESS_NOT_MEMBER);
    peer.groups[MANY - 1] = GROUP;
    assert_int_equal(access_gate(&peer, &gate, NULL), ACCESS_MEMBER);
    access_peer_clear(&peer);
    assert_null(peer.groups);
    access_peer_clear(&peer);
}

static void test_verdicts_have_the_words_of_the_metrics(void **state)
{
    (void)state;
    assert_string_equal(access_verdict_name(ACCESS_NOT_MEMBER), "not-member");
    assert_string_equal(access_verdict_name(ACCESS_OVERFLOW_UID), "overflow-uid");
}

/* ---- shares ---- */

static const struct quota_limits limits = {.total = 10, .per_uid = 3, .reserve = 4};

static void test_one_uid_cannot_take_more_than_its_share(void **state)
{
    struct quota *quota = quota_new(&limits);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(quota_take(quota, 1000, false), QUOTA_TAKEN);
    assert_int_equal(quota_take(quota, 1000, false), QUOTA_PER_UID);
    assert_int_equal(quota_take(quota, 1001, false), QUOTA_TAKEN);
    quota_give(quota, 1000, false);
    assert_int_equal(quota_take(quota, 1000, false), QUOTA_TAKEN);
    assert_int_equal(quota_used(quota), 4);
    quota_free(quota);
}

static void test_no_flood_by_others_takes_the_reserve(void **state)
{
    struct quota *quota = quota_new(&limits);
    unsigned taken = 0;

    (void)state;
    for (uid_t uid = 1000; uid < 1100; uid++)
        taken += quota_take(quota, uid, false) == QUOTA_TAKEN;
    assert_int_equal(taken, limits.total - limits.reserve);
    for (unsigned i = 0; i < limits.reserve; i++)
        assert_int_equal(quota_take(quota, 0, true), QUOTA_TAKEN);
    assert_int_equal(quota_take(quota, 0, true), QUOTA_TOTAL);
    quota_free(quota);
}

static void test_what_was_given_back_can_be_taken_again(void **state)
{
    struct quota *quota = quota_new(&limits);

    (void)state;
    for (int round = 0; round < 1000; round++) {
        uid_t uid = (uid_t)(round % 50);

        assert_int_equal(quota_take(quota, uid, uid == 0), QUOTA_TAKEN);
        quota_give(quota, uid, uid == 0);
    }
    assert_int_equal(quota_used(quota), 0);
    quota_free(quota);
    quota_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_gate_lets_in_whom_design_names),
        cmocka_unit_test(test_a_hacluster_that_is_the_overflow_uid_is_nobody),
        cmocka_unit_test(test_the_last_of_very_many_groups_counts),
        cmocka_unit_test(test_verdicts_have_the_words_of_the_metrics),
        cmocka_unit_test(test_one_uid_cannot_take_more_than_its_share),
        cmocka_unit_test(test_no_flood_by_others_takes_the_reserve),
        cmocka_unit_test(test_what_was_given_back_can_be_taken_again),
    };

    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
