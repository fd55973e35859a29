/* system/text: the buffer, columns, and what makes bytes fit to be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "system/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_appends_of_all_sizes_arrive_whole(void **state)
{
    struct text text = {0};
    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        text_puts(&text, "ab");
        text_append(&text, "\0c", 2);
        text_printf(&text, "%04zu", i);
    }
    assert_false(text.failed);
    assert_int_equal(text.length, 10000 * 8);
    assert_memory_equal(text.data + 9999 * 8, "ab\0c9999", 9);
    text_clear(&text);
    assert_null(text.data);
    text_puts(&text, "again");
    assert_string_equal(text.data, "again");
    text_clear(&text);
}

static void test_a_long_formatted_text_is_not_cut(void **state)
{
    struct text text = {0};
    (void)state;
    text_printf(&text, "%100000s|", "x");
    assert_int_equal(text.length, 100001);
    assert_string_equal(text.data + 99999, "x|");
    text_clear(&text);
}

static void test_an_impossible_size_is_remembered_and_harmless(void **state)
{
    struct text text = {0};
    (void)state;
    text_puts(&text, "kept");
    text_append(&text, "x", SIZE_MAX / 2);
    assert_true(text.failed);
    text_puts(&text, "not appended");
    assert_string_equal(text.data, "kept");
    text_clear(&text);
    assert_false(text.failed);
}

static void test_empty_appends_give_an_empty_string(void **state)
{
    struct text text = {0};
    (void)state;
    text_append(&text, NULL, 0);
    assert_string_equal(text.data, "");
    text_clear(&text);
}

static void expect_table(const char *in, const char *out)
{
    struct text text = {0};
    text_append_table(&text, in);
    assert_false(text.failed);
    assert_string_equal(text.data ? text.data : "", out);
    text_clear(&text);
}

static void test_tables_align_without_trailing_blanks(void **state)
{
    (void)state;
    expect_table("", "");
    expect_table("a\tb\nlonger\tc\n", "a       b\nlonger  c\n");
    expect_table("a\t\tc\nx\ty\tz\n", "a     c\nx  y  z\n");
    expect_table("a\t\t\nwide\tx\n", "a\nwide  x\n");
    expect_table("one\n\na\tb\n", "one\n\na    b\n");
    expect_table("no newline\tat the end", "no newline  at the end\n");
}

static void test_widths_are_counted_in_characters(void **state)
{
    (void)state;
    expect_table("\xc3\xa4\xc3\xb6\tx\nab\ty\n", "\xc3\xa4\xc3\xb6  x\nab  y\n");
}

static void test_utf8_is_told_from_what_only_looks_like_it(void **state)
{
    static const char *const good[] = {
        "", "abc", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const wrong[] = {"\x80",
                                        "\xc0\xaf",
                                        "\xc3",
                                        "\xe0\x80\xaf",
                                        "\xed\xa0\x80",
                                        "\xf0\x80\x80\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xff",
                                        "\xe2\x82",
                                        "a\xf0\x9f\x98"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(text_is_utf8(wrong[i], strlen(wrong[i])));
    assert_true(text_is_utf8("a\0b", 3));
}

static void test_what_was_made_printable_is_utf8_without_controls(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char bytes[24];
        size_t length = (size_t)rand() % (sizeof(bytes) - 1);
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)(1 + rand() % 255);
        bytes[length] = '\0';
        text_make_printable(bytes);
        assert_int_equal(strlen(bytes), length);
        assert_true(text_is_utf8(bytes, length));
        for (size_t i = 0; i < length; i++)
            assert_true((unsigned char)bytes[i] >= 0x20 && bytes[i] != 0x7f);
    }
}

static void test_what_is_not_seen_or_turns_the_writing_is_not_printable(void **state)
{
    static const char *const unseen[] = {
        "\x1b",         "\n",           "\x7f",         "\xc2\x80",     "\xc2\x9b",        "\xc2\xad",
        "\xd8\x9c",     "\xe1\xa0\x8e", "\xe2\x80\x8b", "\xe2\x80\x8e", "\xe2\x80\x8f",    "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa0", "\xe2\x81\xa6",    "\xe2\x81\xa9",
        "\xef\xbb\xbf", "\xef\xbf\xb9", "\xff",         "\xc0\xaf",     "\xf3\xa0\x80\x81"};
    static const char *const seen[] = {
        "a", "\xc2\xa0", "\xc3\xa4", "\xe2\x80\x90", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    char text[16], expected[16];

    (void)state;
    for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++) {
        snprintf(text, sizeof(text), "a%sb", unseen[i]);
        assert_false(text_is_printable(text));
        text_make_printable(text);
        snprintf(expected, sizeof(expected), "a%.*sb", (int)strlen(unseen[i]), "????");
        assert_string_equal(text, expected);
        assert_true(text_is_printable(text));
    }
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
        assert_true(text_is_printable(seen[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_of_all_sizes_arrive_whole),
        cmocka_unit_test(test_a_long_formatted_text_is_not_cut),
        cmocka_unit_test(test_an_impossible_size_is_remembered_and_harmless),
        cmocka_unit_test(test_empty_appends_give_an_empty_string),
        cmocka_unit_test(test_tables_align_without_trailing_blanks),
        cmocka_unit_test(test_widths_are_counted_in_characters),
        cmocka_unit_test(test_utf8_is_told_from_what_only_looks_like_it),
        cmocka_unit_test(test_what_was_made_printable_is_utf8_without_controls),
        cmocka_unit_test(test_what_is_not_seen_or_turns_the_writing_is_not_printable),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
