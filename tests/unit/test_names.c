/* The name service: what it knows, what it does not know, and the thread that asks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "system/names.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define AWAIT_MS 20000

static char root[] = "root", ghost[] = "no-such-user-of-fence-broker";
static char *users[] = {root, ghost};

/* The names of the groups that this test looks up: the one of gid 0 has other names elsewhere. */
static struct names_wanted wanted(char **groups)
{
    static char name[256];
    const struct group *group = getgrgid(0);

    assert_non_null(group);
    strncpy(name, group->gr_name, sizeof(name) - 1);
    groups[0] = name;
    groups[1] = ghost;
    return (struct names_wanted){.users = users, .user_count = 2, .groups = groups, .group_count = 2};
}

static void check(const struct names *names, const char *group)
{
    uid_t uid = 77;
    gid_t gid = 77;

    assert_non_null(names);
    assert_int_equal(names_user(names, "root", &uid), NAMES_FOUND);
    assert_int_equal(uid, 0);
    assert_int_equal(names_group(names, group, &gid), NAMES_FOUND);
    assert_int_equal(gid, 0);
    assert_int_equal(names_user(names, ghost, &uid), NAMES_NONE);
    assert_int_equal(names_group(names, ghost, &gid), NAMES_NONE);
    assert_int_equal(names_user(names, "daemon", &uid), NAMES_FAILED); /* not asked: not known */
    assert_string_equal(names_of_uid(names, 0), "root");
    assert_string_equal(names_of_gid(names, 0), group);
    assert_null(names_of_uid(names, 54321));
    assert_null(names_of_uid(NULL, 54321));
    assert_string_equal(names_of_uid(NULL, 0), "root");
}

static void test_names_are_found_or_known_not_to_be_there(void **state)
{
    char *groups[2];
    const struct names_wanted all = wanted(groups);
    struct names *names = names_look_up(&all);

    (void)state;
    check(names, groups[0]);
    names_free(names);
    names_free(NULL);
}

struct loop {
    struct event_base *base;
    struct names *names;
    unsigned calls;
};

static void on_done(void *context, struct names *names)
{
    struct loop *loop = context;

    loop->names = names;
    loop->calls++;
    event_base_loopbreak(loop->base);
}

static void test_the_thread_answers_through_the_loop_once(void **state)
{
    struct loop loop = {.base = event_base_new()};
    char *groups[2];
    const struct names_wanted all = wanted(groups);

    (void)state;
    assert_non_null(names_begin(loop.base, &all, on_done, &loop));
    event_base_dispatch(loop.base);
    assert_int_equal(loop.calls, 1);
    check(loop.names, groups[0]);
    names_free(loop.names);
    event_base_free(loop.base);
}

static void test_who_waits_for_it_is_not_called(void **state)
{
    struct loop loop = {.base = event_base_new()};
    struct names *names = NULL;
    char *groups[2];
    const struct names_wanted all = wanted(groups);
    struct names_lookup *lookup = names_begin(loop.base, &all, on_done, &loop);

    (void)state;
    assert_non_null(lookup);
    assert_true(names_await(&lookup, AWAIT_MS, &names));
    assert_null(lookup);
    check(names, groups[0]);
    event_base_loop(loop.base, EVLOOP_NONBLOCK);
    assert_int_equal(loop.calls, 0);
    names_free(names);
    event_base_free(loop.base);
}

static void test_an_abandoned_lookup_calls_nobody_and_frees_itself(void **state)
{
    struct loop loop = {.base = event_base_new()};
    char *groups[2];
    const struct names_wanted all = wanted(groups);

    (void)state;
    for (int i = 0; i < 50; i++)
        names_abandon(names_begin(loop.base, &all, on_done, &loop));
    names_abandon(NULL);
    event_base_loop(loop.base, EVLOOP_NONBLOCK);
    assert_int_equal(loop.calls, 0);
    event_base_free(loop.base);
    /* a thread that still runs must have its say before the leak checker looks */
    struct names *names = names_look_up(&all);
    names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found_or_known_not_to_be_there),
        cmocka_unit_test(test_the_thread_answers_through_the_loop_once),
        cmocka_unit_test(test_who_waits_for_it_is_not_called),
        cmocka_unit_test(test_an_abandoned_lookup_calls_nobody_and_frees_itself),
    };

    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
