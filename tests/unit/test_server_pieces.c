/*
 * Answers about many guests, which are written a piece a turn of the loop: who else gets his answer
 * meanwhile, and what may happen before the last piece.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server_world.h"

#define MANY 3000

static struct inventory *many_guests(const char *name)
{
    struct inventory_builder *builder = inventory_builder_new(NULL);

    for (int i = 0; i < MANY; i++) {
        const struct guest guest = FIXTURE_GUEST(1000 + i, name, "pve1", .lock = (char *)"a-lock");

        assert_true(inventory_builder_guest(builder, &guest));
    }
    return inventory_builder_finish(builder, FIXTURE_TAKEN_MS);
}

static void know_many(const char *name)
{
    inventory_unref(rooms.inventory);
    rooms.inventory = many_guests(name);
}

/* Without EVLOOP_ONCE it goes on as long as there is something to do. */
static void turn_loop(unsigned times)
{
    while (times-- > 0)
        event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static size_t count_of(const struct text *text, const char *part)
{
    size_t count = 0;

    for (const char *at = text->data; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

static bool is_silent(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

static const char *const long_answers[] = {
    "GET /v1/guests HTTP/1.0\r\n\r\n",
    "GET /v1/guests?view=list HTTP/1.0\r\n\r\n",
    "GET /metrics HTTP/1.0\r\n\r\n",
    TEXT_REQUEST("GET /v1/guests"),
    TEXT_REQUEST("GET /v1/guests?view=rehearse"),
};

static void test_a_small_thing_does_not_wait_for_a_long_answer(void **state)
{
    (void)state;
    know_many("web");
    for (size_t i = 0; i < ARRAY_LEN(long_answers); i++) {
        int list = ask(long_answers[i]);

        turn_loop(3);
        expect(ask(TEXT_REQUEST("POST /v1/guests/web1/off?dry-run=1")), "HTTP/1.1 200 OK\r\n",
               "would be tried");
        if (i != 2) /* which has fewer pieces */
            assert_true(is_silent(list));
        expect(list, "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
    }
}

static void test_many_long_answers_are_as_many_pieces_one_after_the_other(void **state)
{
    int lists[3]; /* not so many that a busy machine has no time to hear them all */

    (void)state;
    know_many("web");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        lists[i] = ask("GET /v1/guests HTTP/1.0\r\n\r\n");
    turn_loop(4);
    expect(ask(TEXT_REQUEST("GET /v1/guests/x/power")), "HTTP/1.1 404 ", "");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        assert_true(is_silent(lists[i]));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        expect(lists[i], "HTTP/1.1 200 OK\r\n", "\"vmid\":3999");
}

static void test_an_answer_is_of_the_guests_that_were_there_when_it_was_begun(void **state)
{
    int list = ask("GET /v1/guests HTTP/1.0\r\n\r\n"), text = ask(TEXT_REQUEST("GET /v1/guests"));

    (void)state;
    know_many("old");
    turn_loop(4);
    know_many("new");
    _cleanup_(text_clear) struct text got = hear(list);
    _cleanup_(text_clear) struct text screen = hear(text);
    assert_int_equal(count_of(&got, "\"name\":\"old\""), MANY);
    assert_int_equal(count_of(&got, "\"name\":\"new\""), 0);
    assert_int_equal(count_of(&screen, "  old  "), MANY);
    assert_non_null(strstr(screen.data, "3000 guests, seen "));
}

static void test_an_answer_goes_on_when_nothing_is_known_any_more(void **state)
{
    int list = ask(TEXT_REQUEST("GET /v1/guests?view=list"));

    (void)state;
    know_many("web");
    turn_loop(4);
    inventory_unref(TAKE(rooms.inventory)); /* as after a reload that changed the pool */
    _cleanup_(text_clear) struct text got = hear(list);
    assert_int_equal(count_of(&got, ",web\n"), MANY);
}

static void test_an_asker_may_leave_before_the_last_piece(void **state)
{
    (void)state;
    know_many("web");
    for (size_t i = 0; i < ARRAY_LEN(long_answers); i++) {
        int leaves = ask(long_answers[i]), stays = ask(TEXT_REQUEST("GET /v1/guests?view=list"));

        turn_loop(3);
        close(leaves);
        expect(stays, "HTTP/1.1 200 OK\r\n", "\n3999,web\n");
        run_until(nobody_is_there, NULL);
    }
}

static void test_at_the_end_half_an_answer_is_none(void **state)
{
    int list = ask("GET /v1/guests HTTP/1.0\r\n\r\n");

    (void)state;
    know_many("web");
    turn_loop(4);
    assert_int_equal(server_connections(world.server), 1);
    server_drop_waiting(world.server);
    expect_nothing(list);
    close(ask("GET /v1/guests HTTP/1.0\r\n\r\n")); /* and tear_down() ends this one */
    turn_loop(3);
}

int main(void)
{
#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_a_small_thing_does_not_wait_for_a_long_answer),
        SERVER_TEST(test_many_long_answers_are_as_many_pieces_one_after_the_other),
        SERVER_TEST(test_an_answer_is_of_the_guests_that_were_there_when_it_was_begun),
        SERVER_TEST(test_an_answer_goes_on_when_nothing_is_known_any_more),
        SERVER_TEST(test_an_asker_may_leave_before_the_last_piece),
        SERVER_TEST(test_at_the_end_half_an_answer_is_none),
    };

    return cmocka_run_group_tests_name("server, in pieces", tests, NULL, NULL);
}
