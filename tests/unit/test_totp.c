/* proxmox/totp: the codes of RFC 6238, none of them twice, and which secrets are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxmox/totp.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* "12345678901234567890", the secret of RFC 6238's examples */
#define RFC_SECRET "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

static struct totp *make(const char *text, struct error *error)
{
    struct secret *secret = secret_new(text, strlen(text));
    struct totp *totp = totp_new(secret, "/etc/totp", error);
    secret_free(secret);
    return totp;
}

static void expect_code(struct totp *totp, int64_t realtime_ms, const char *password)
{
    struct secret *taken = totp_take(totp, realtime_ms);
    assert_non_null(taken);
    assert_string_equal(secret_reveal(taken), password);
    secret_free(taken);
}

/* the last six digits of the RFC's eight */
static void test_the_codes_are_those_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *password;
    } codes[] = {
        {59, "totp:287082"},         {1111111109, "totp:081804"}, {1111111111, "totp:050471"},
        {1234567890, "totp:005924"}, {2000000000, "totp:279037"},
    };
    struct error error = {0};
    struct totp *totp = make(RFC_SECRET, &error);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        expect_code(totp, codes[i].seconds * 1000, codes[i].password);
    totp_free(totp);
}

static void test_no_code_is_given_away_twice(void **state)
{
    (void)state;
    struct error error = {0};
    struct totp *totp = make(RFC_SECRET, &error);
    assert_int_equal(totp_wait_ms(totp, 59000), 0);
    expect_code(totp, 59000, "totp:287082");
    assert_int_equal(totp_wait_ms(totp, 59000), 1000);
    assert_int_equal(totp_wait_ms(totp, 30000), 30000);
    assert_null(totp_take(totp, 59999));
    assert_int_equal(totp_wait_ms(totp, 60000), 0);
    struct secret *next = totp_take(totp, 60000);
    assert_non_null(next);
    secret_free(next);
    assert_int_equal(totp_wait_ms(totp, 59000), 31000); /* the clock was set back a little */
    next = totp_take(totp, 3600000);
    assert_non_null(next);
    secret_free(next);
    assert_int_equal(totp_wait_ms(totp, 1800000), 0); /* or by far: nothing is waited for */
    totp_free(totp);
}

static void test_a_new_secret_does_not_forget_what_the_old_one_gave_away(void **state)
{
    (void)state;
    struct error error = {0};
    struct totp *old = make(RFC_SECRET, &error), *new = make(RFC_SECRET, &error);
    expect_code(old, 59000, "totp:287082");
    totp_inherit(new, old);
    totp_free(old);
    assert_int_equal(totp_wait_ms(new, 59000), 1000);
    totp_free(new);
}

static void test_what_was_given_away_is_remembered_over_a_restart(void **state)
{
    (void)state;
    struct error error = {0};
    int memory = totp_memory_new();
    assert_true(memory >= 0);
    struct totp *totp = make(RFC_SECRET, &error);
    expect_code(totp, 59000, "totp:287082");
    totp_remember_in(totp, memory); /* what it knows moves along */
    totp_remember_in(totp, memory);
    struct secret *taken = totp_take(totp, 90000);
    assert_non_null(taken);
    secret_free(taken);
    totp_free(totp);

    totp = make(RFC_SECRET, &error); /* the next process */
    totp_remember_in(totp, memory);
    assert_int_equal(totp_wait_ms(totp, 59000), 1000);
    assert_int_equal(totp_wait_ms(totp, 90000), 30000);
    assert_int_equal(totp_wait_ms(totp, 60000), 0);
    totp_free(totp);
    close(memory);
}

static void test_memory_that_is_not_fit_is_not_used(void **state)
{
    (void)state;
    struct error error = {0};
    struct totp *totp = make(RFC_SECRET, &error);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    totp_remember_in(totp, nothing);
    totp_remember_in(totp, -1);
    expect_code(totp, 59000, "totp:287082");
    assert_int_equal(totp_wait_ms(totp, 59000), 1000);
    totp_free(totp);
    close(nothing);
}

static void test_a_secret_is_taken_as_people_write_it(void **state)
{
    (void)state;
    static const char *const texts[] = {"GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
                                        "gezdgnbvgy3tqojqgezdgnbvgy3tqojq", RFC_SECRET};
    struct error error = {0};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct totp *totp = make(texts[i], &error);
        assert_non_null(totp);
        expect_code(totp, 59000, "totp:287082");
        totp_free(totp);
    }
}

static void test_what_is_no_secret_is_said_without_a_byte_of_it(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"GEZDGNBVGY3TQ0J1", "not a secret in base32"},
        {"   ", "not a secret in base32"},
        {"otpauth://totp/x?secret=" RFC_SECRET, "only what follows \"secret=\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error error = {0};
        assert_null(make(cases[i].text, &error));
        assert_int_equal(error.code, ERROR_NO_SESSION);
        assert_non_null(strstr(error.message, cases[i].words));
        assert_non_null(strstr(error.message, "/etc/totp"));
        assert_null(strstr(error.message, "GEZDG"));
        assert_null(strstr(error.hint, "GEZDG"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_codes_are_those_of_the_rfc),
        cmocka_unit_test(test_no_code_is_given_away_twice),
        cmocka_unit_test(test_a_new_secret_does_not_forget_what_the_old_one_gave_away),
        cmocka_unit_test(test_what_was_given_away_is_remembered_over_a_restart),
        cmocka_unit_test(test_memory_that_is_not_fit_is_not_used),
        cmocka_unit_test(test_a_secret_is_taken_as_people_write_it),
        cmocka_unit_test(test_what_is_no_secret_is_said_without_a_byte_of_it),
    };
    return cmocka_run_group_tests_name("totp", tests, NULL, NULL);
}
