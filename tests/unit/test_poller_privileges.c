/* When the poller reads our own privileges again, and what an identity with more or less than needed means.
 */
#include "poller_fixture.h"

static void test_own_privileges_are_read_with_every_other_poll_and_after_a_403(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    await_all_up(world);
    assert_int_equal(grants_state(world->grants), GRANTS_ACCEPTED);
    unsigned rounds = world->rounds, before = total(world, PERMISSIONS), lists = total(world, GUESTS);
    for (int i = 0; i < 6; i++) /* first the lists, since everything has just been read */
        next_round(world);
    assert_int_equal(world->rounds, rounds + 6);
    assert_int_equal(total(world, PERMISSIONS), before + 3);
    assert_int_equal(total(world, GUESTS), lists + 3);
    for (int i = 0; i < 5; i++)
        poller_reread_privileges(world->poller);
    next_round(world);
    assert_int_equal(total(world, GUESTS), lists + 4);
    assert_int_equal(total(world, PERMISSIONS), before + 4);
    end(world);
}

static void test_a_right_that_is_lost_is_told_with_the_poll_that_reads_it(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    SET(world, data[PERMISSIONS] =
                   "{" MAY(101) ",\"/vms/102\":{\"VM.Audit\":0},"
                                "\"/pool/p\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1}}");
    next_round(world);
    assert_true(guest(world, 102)->may_power); /* this one asks for the lists */
    next_round(world);
    assert_false(guest(world, 102)->may_power);
    assert_true(guest(world, 101)->may_power);
    end(world);
}

static void test_missing_privileges_are_read_again_with_each_round_until_they_are_there(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = "{" MAY(101) "}");
    await_rounds(world, 1);
    assert_false(guest(world, 102)->may_power);
    assert_non_null(strstr(grants_missing(world->grants)->message, "VM.Audit, VM.PowerMgmt are missing on"));
    SET(world, data[PERMISSIONS] = TIDY);
    next_round(world); /* which asks for the lists */
    assert_int_equal(total(world, PERMISSIONS), 2);
    assert_true(guest(world, 102)->may_power);
    end(world);
}

static void test_an_identity_with_excess_is_refused_until_it_is_mended(void **state)
{
    (void)state;
    struct world *world = begin(); /* usual: VM.Audit on a guest that is none of the pool's */
    await_rounds(world, 1);
    assert_non_null(poller_inventory(world->poller)); /* it is shown, and not powered */
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_EXCESS_PRIVILEGES);
    assert_non_null(strstr(poller_refusal(world->poller)->message, "/vms/900"));
    SET(world, data[PERMISSIONS] = TIDY);
    poll_once(world);
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_NONE);
    end(world);
}

static void test_excess_of_an_accepted_identity_is_tolerated_until_it_is_mended(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    SET(world, data[PERMISSIONS] = usual[PERMISSIONS]);
    next_round(world);
    next_round(world);
    assert_int_equal(grants_state(world->grants), GRANTS_TOLERATED);
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_NONE);
    SET(world, data[PERMISSIONS] = TIDY);
    next_round(world);
    next_round(world);
    assert_int_equal(grants_state(world->grants), GRANTS_ACCEPTED);
    end(world);
}

static void test_privileges_are_read_for_the_guests_that_there_are(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    /* 102 leaves the pool: what was read before still names it, and must not be taken for a grant elsewhere
     */
    SET(world, data[POOL] = "{\"members\":[" GUEST(101, "pve1", "") "]}");
    SET(world, data[PERMISSIONS] =
                   "{" MAY(101) ",\"/pool/p\":{\"VM.PowerMgmt\":1,\"VM.Audit\":1,\"Pool.Audit\":1}}");
    next_round(world);
    assert_int_equal(grants_state(world->grants), GRANTS_ACCEPTED);
    await_rounds(world, 3); /* follows at once: the interval is a minute */
    assert_int_equal(total(world, PERMISSIONS), 2);
    assert_int_equal(grants_state(world->grants), GRANTS_ACCEPTED);
    end(world);
}

static void test_another_identity_is_judged_before_it_powers_anything(void **state)
{
    (void)state;
    struct world *world = begin();
    SET(world, data[PERMISSIONS] = TIDY);
    await_rounds(world, 1);
    world->config.user = (char *)(uintptr_t) "other@pve";
    SET(world, data[PERMISSIONS] = usual[PERMISSIONS]);
    assert_true(poller_set_config(world->poller, &world->config));
    assert_null(poller_inventory(world->poller));
    assert_int_equal(grants_state(world->grants), GRANTS_UNKNOWN);
    await_rounds(world, 2);
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_EXCESS_PRIVILEGES);
    world->config.excess_tolerated = true;
    assert_true(poller_set_config(world->poller, &world->config));
    assert_non_null(poller_inventory(world->poller));
    assert_int_equal(poller_refusal(world->poller)->code, ERROR_NONE);
    end(world);
}

static void test_a_pool_that_shows_nothing_for_lack_of_a_grant_gets_the_line_that_mends_it(void **state)
{
    (void)state;
    struct world *world = begin();
    world->config.token_id = (char *)(uintptr_t) "fence@pve!tok";
    assert_true(poller_set_config(world->poller, &world->config));
    SET(world, status[POOL] = 403);
    SET(world, data[PERMISSIONS] = "{}");
    await_rounds(world, 1);
    assert_int_equal(poller_error(world->poller)->code, ERROR_EMPTY_POOL);
    assert_non_null(strstr(poller_error(world->poller)->hint,
                           "pveum acl modify /pool/p --roles FenceBroker --users fence@pve "
                           "--tokens 'fence@pve!tok'"));
    end(world);
}

static void test_privileges_that_cannot_be_read_again_stay_and_are_asked_for_next_time(void **state)
{
    (void)state;
    struct world *world = begin();
    await_rounds(world, 1);
    SET(world, status[PERMISSIONS] = 500);
    poller_reread_privileges(world->poller);
    poll_once(world);
    assert_int_equal(poller_error(world->poller)->code, ERROR_NONE);
    assert_true(guest(world, 101)->may_power);
    SET(world, status[PERMISSIONS] = 0);
    poll_once(world);
    assert_true(total(world, PERMISSIONS) >= 4); /* both hosts were asked in the second round */
    end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_privileges_are_read_with_every_other_poll_and_after_a_403),
        cmocka_unit_test(test_a_right_that_is_lost_is_told_with_the_poll_that_reads_it),
        cmocka_unit_test(test_missing_privileges_are_read_again_with_each_round_until_they_are_there),
        cmocka_unit_test(test_an_identity_with_excess_is_refused_until_it_is_mended),
        cmocka_unit_test(test_excess_of_an_accepted_identity_is_tolerated_until_it_is_mended),
        cmocka_unit_test(test_privileges_are_read_for_the_guests_that_there_are),
        cmocka_unit_test(test_another_identity_is_judged_before_it_powers_anything),
        cmocka_unit_test(test_a_pool_that_shows_nothing_for_lack_of_a_grant_gets_the_line_that_mends_it),
        cmocka_unit_test(test_privileges_that_cannot_be_read_again_stay_and_are_asked_for_next_time),
    };
    return cmocka_run_group_tests_name("poller_privileges", tests, set_up, tear_down);
}
