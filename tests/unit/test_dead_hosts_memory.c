/* Fenced hosts over a restart of the broker: what is written and when, and what is made of it at the start.
 */
#include "dead_hosts_world.h"
#include "fence/dead_hosts_memory.h"
#include "files.h"
#include "system/cleanup.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 20000
#define HERE    "https://pve1:8006\n"
#define THERE   "https://pve7:8006\n"

static int set_up(void **state)
{
    (void)state;
    return make_directory("dead-hosts.jsonl");
}

static struct dead_hosts_memory *begin(void)
{
    struct error error = {0};
    struct dead_hosts_memory *memory = dead_hosts_memory_new(directory, &error);

    assert_non_null(memory);
    return memory;
}

static void end(struct dead_hosts_memory *memory)
{
    dead_hosts_memory_free(memory, WAIT_MS);
}

/* A sample, and what is written down after it. */
static void see_and_keep(struct world *world, struct dead_hosts_memory *memory, int64_t ms)
{
    pass(world, ms);
    see(world);
    dead_hosts_memory_keep(memory, world->room);
}

/* The broker is restarted: a new room, and what the file says. */
static struct dead_hosts_memory *restart(struct world *world, struct dead_hosts_memory *memory,
                                         const char *cluster)
{
    end(memory);
    dead_hosts_free(world->room);
    world->room = dead_hosts_new();
    memory = begin();
    dead_hosts_memory_recall(memory, world->room, cluster);
    return memory;
}

static struct dead_hosts_memory *fenced_and_kept(struct world *world)
{
    struct dead_hosts_memory *memory = begin();

    *world = world_new();
    dead_hosts_memory_recall(memory, world->room, HERE);
    dead_hosts_free(world->room);
    *world = world_fenced();
    see_and_keep(world, memory, ROUND_MS);
    return memory;
}

static void done(struct world *world, struct dead_hosts_memory *memory)
{
    dead_hosts_free(world->room);
    end(memory);
}

static void test_a_fenced_host_outlives_a_restart_and_another(void **state)
{
    struct world world;
    struct dead_hosts_memory *memory = fenced_and_kept(&world);

    (void)state;
    for (int i = 0; i < 2; i++) {
        memory = restart(&world, memory, HERE);
        see_and_keep(&world, memory, ROUND_MS);
        expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    }
    done(&world, memory);
}

static void test_its_last_line_is_younger_than_a_restart_may_take(void **state)
{
    struct world world;
    struct dead_hosts_memory *memory = fenced_and_kept(&world);

    (void)state;
    for (int i = 0; i < 30; i++)
        see_and_keep(&world, memory, ROUND_MS);
    memory = restart(&world, memory, HERE);
    see_and_keep(&world, memory, ROUND_MS);
    expect(&world, DEAD_HOSTS_FENCED, DEAD_HOSTS_NOTHING);
    done(&world, memory);
}

/* A fence reads the hosts many times a second. */
static void test_a_line_comes_each_few_seconds_at_most(void **state)
{
    struct world world;
    struct dead_hosts_memory *memory = fenced_and_kept(&world);

    (void)state;
    for (int i = 0; i < 100; i++)
        see_and_keep(&world, memory, 100);
    end(memory);
    assert_in_range(lines(file), 2, 3);
    dead_hosts_free(world.room);
}

/* Seen online after it was written down, and gone again without a trace when the next broker looks: nothing
 * of it may come back. */
static void comes_back_and_leaves(struct world *world, struct dead_hosts_memory *memory)
{
    int64_t written_s = world->timestamp_s;

    world->online = true;
    see_and_keep(world, memory, 3000);
    memory = restart(world, memory, HERE);
    set_lost(world);
    world->timestamp_s = written_s;
    see_and_keep(world, memory, 3000);
    expect_never(world, DEAD_HOSTS_UNSEEN);
    end(memory);
}

static void test_a_host_that_came_back_is_not_recalled(void **state)
{
    struct world world;
    struct dead_hosts_memory *memory = fenced_and_kept(&world);

    (void)state;
    comes_back_and_leaves(&world, memory);
}

static void test_a_recalled_host_that_is_back_is_not_recalled_once_more(void **state)
{
    struct world world;
    struct dead_hosts_memory *memory = fenced_and_kept(&world);

    (void)state;
    memory = restart(&world, memory, HERE);
    comes_back_and_leaves(&world, memory);
}

/* dead-host = fail, and trust-ha again: the claim is forgotten, and its line is still there. */
static void test_a_host_that_came_back_after_a_reload_is_not_recalled(void **state) /* P1 */
{
    struct world world;
    struct dead_hosts_memory *memory = fenced_and_kept(&world);

    (void)state;
    dead_hosts_forget(world.room);
    dead_hosts_memory_use(memory, HERE);
    comes_back_and_leaves(&world, memory);
}

static void test_a_host_of_another_cluster_is_not_recalled(void **state)
{
    struct world world;
    struct dead_hosts_memory *memory = fenced_and_kept(&world);

    (void)state;
    memory = restart(&world, memory, THERE);
    see_and_keep(&world, memory, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
    end(memory);
}

/* What cannot be read may be what ended the rest. */
static void test_a_file_that_cannot_be_read_ends_all(void **state)
{
    struct world world;
    struct dead_hosts_memory *memory = fenced_and_kept(&world);

    (void)state;
    end(memory);
    assert_int_equal(rename(file, older), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    dead_hosts_free(world.room);
    world.room = dead_hosts_new();
    memory = begin();
    dead_hosts_memory_recall(memory, world.room, HERE);
    see_and_keep(&world, memory, ROUND_MS);
    expect_never(&world, DEAD_HOSTS_UNSEEN);
    end(memory);
}

/* P1: it may be the end of that host's claim, as a newer version writes it. */
static void test_what_cannot_be_read_ends_what_stands_above_it(void **state)
{
    static const char *const garbage[] = {"{\"v\":9}\n", "{\"v\":2,\"where\":\"\n", "[\n"};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct world world;
        char written[8192] = "";
        bool below = i % 2;

        end(fenced_and_kept(&world));
        FILE *in = fopen(file, "r");
        assert_non_null(in);
        written[fread(written, 1, sizeof(written) - 1, in)] = '\0';
        fclose(in);
        FILE *out = fopen(file, "w");
        assert_non_null(out);
        fprintf(out, "%s%s%s", below ? "" : garbage[i / 2], written, below ? garbage[i / 2] : "");
        fclose(out);
        struct dead_hosts_memory *memory = restart(&world, begin(), HERE);
        see_and_keep(&world, memory, ROUND_MS);
        expect(&world, below ? DEAD_HOSTS_OFFLINE : DEAD_HOSTS_FENCED,
               below ? DEAD_HOSTS_UNSEEN : DEAD_HOSTS_NOTHING);
        done(&world, memory);
    }
}

static bool has_an_end(void)
{
    char text[8192] = "";
    FILE *in = fopen(file, "r");

    if (in) {
        text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
        fclose(in);
    }
    return strstr(text, "\"ended\":true");
}

/* The disk was not there when the host came back, and is now. */
static void test_an_end_is_written_until_it_is_on_disk(void **state)
{
    struct event_base *base = event_base_new();
    struct dead_hosts_memory *memory;
    struct world world;

    (void)state;
    assert_int_equal(rmdir(directory), 0);
    memory = fenced_and_kept(&world);
    assert_int_equal(dead_hosts_memory_attach(memory, base), 0);
    world.online = true;
    for (int i = 0; i < 20; i++) { /* the failure comes back meanwhile */
        see_and_keep(&world, memory, 1000);
        event_base_loop(base, EVLOOP_NONBLOCK);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(mkdir(directory, 0700), 0);
    for (int i = 0; i < 2000 && !has_an_end(); i++) {
        see_and_keep(&world, memory, 1000);
        event_base_loop(base, EVLOOP_NONBLOCK);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_true(has_an_end());
    done(&world, memory);
    event_base_free(base);
}

static void test_a_broker_without_a_memory_knows_nothing_and_goes_on(void **state)
{
    struct world world = world_fenced();

    (void)state;
    dead_hosts_memory_use(NULL, HERE);
    dead_hosts_memory_keep(NULL, world.room);
    dead_hosts_memory_recall(NULL, world.room, HERE);
    assert_int_equal(dead_hosts_memory_attach(NULL, NULL), 0);
    done(&world, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_fenced_host_outlives_a_restart_and_another),
        TEST(test_its_last_line_is_younger_than_a_restart_may_take),
        TEST(test_a_line_comes_each_few_seconds_at_most),
        TEST(test_a_host_that_came_back_is_not_recalled),
        TEST(test_a_recalled_host_that_is_back_is_not_recalled_once_more),
        TEST(test_a_host_that_came_back_after_a_reload_is_not_recalled),
        TEST(test_a_host_of_another_cluster_is_not_recalled),
        TEST(test_a_file_that_cannot_be_read_ends_all),
        TEST(test_what_cannot_be_read_ends_what_stands_above_it),
        TEST(test_an_end_is_written_until_it_is_on_disk),
        TEST(test_a_broker_without_a_memory_knows_nothing_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
