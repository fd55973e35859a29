/*
 * The fuzzers' targets with a small engine of our own, for make check: each file of tests/fuzz/corpus (seeds,
 * and what fuzzing has found) as it is, then changed at random. SEED=n takes other chances, RUNS=n more of
 * them. A failing input is written to a file, to become one of the corpus.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LLVMFuzzerTestOneInput fuzz_config
#define check                  config_check
#include "../fuzz/fuzz_config.c"
#undef check
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_http
#define check                  http_check
#include "../fuzz/fuzz_http.c"
#undef check
#undef LLVMFuzzerTestOneInput

#include "system/cleanup.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define RUNS      100000
#define INPUT_MAX 16384
#define SEED      20251122

struct input {
    uint8_t bytes[INPUT_MAX];
    size_t length;
};

static struct input tried; /* what is being tried, for on_abort() */
static const char *trying;

/* xorshift: the same everywhere */
static uint64_t chance_state;
static size_t chance(size_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return below ? (size_t)(chance_state % below) : 0;
}

static void on_abort(int signal_number)
{
    char path[64];
    FILE *file;

    (void)signal_number; /* the process ends anyway: what is not safe in a handler is tried */
    snprintf(path, sizeof(path), "/tmp/fence-broker-fuzz-%s.%ld", trying, (long)getpid());
    if ((file = fopen(path, "we"))) {
        fwrite(tried.bytes, 1, tried.length, file);
        fclose(file);
        fprintf(stderr, "the input is in %s\n", path);
    }
}

static void cut_out(struct input *input)
{
    size_t from = chance(input->length), length = chance(input->length - from) + 1;

    if (from + length > input->length)
        return;
    memmove(input->bytes + from, input->bytes + from + length, input->length - from - length);
    input->length -= length;
}

static void put_in(struct input *input, const uint8_t *bytes, size_t length)
{
    size_t at = chance(input->length + 1);

    if (input->length + length > INPUT_MAX)
        return;
    memmove(input->bytes + at + length, input->bytes + at, input->length - at);
    memmove(input->bytes + at, bytes, length); /* the bytes may be its own */
    input->length += length;
}

static void change(struct input *input, const struct input *other)
{
    static const char *const words[] = {
        "\n", "=", "[user x]\n", "rule = ",  "role = ", "deny ", "guest:", "tag:", "what:*",   "action:", "*",
        "[",  "]", "\\",         "\r\n\r\n", " ",       "%00",   "/",      "?",    "HTTP/1.1", "\xff"};
    size_t at = chance(input->length);
    const char *word;

    switch (chance(5)) {
    case 0:
        if (input->length)
            input->bytes[at] = (uint8_t)chance(256);
        break;
    case 1:
        if (input->length)
            cut_out(input);
        break;
    case 2:
        word = words[chance(ARRAY_LEN(words))];
        put_in(input, (const uint8_t *)word, strlen(word));
        break;
    case 3:
        if (other->length) {
            at = chance(other->length);
            put_in(input, other->bytes + at, chance(other->length - at) + 1);
        }
        break;
    default:
        if (input->length)
            put_in(input, input->bytes + at, chance(input->length - at) % 64 + 1);
        break;
    }
}

static struct input *read_corpus(const char *pattern, size_t *count)
{
    struct input *all;
    glob_t found;

    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    *count = found.gl_pathc;
    all = calloc(*count, sizeof(*all));
    assert_non_null(all);
    for (size_t i = 0; i < *count; i++) {
        FILE *file = fopen(found.gl_pathv[i], "re");

        assert_non_null(file);
        all[i].length = fread(all[i].bytes, 1, INPUT_MAX, file);
        fclose(file);
    }
    globfree(&found);
    return all;
}

/* On an exact copy, so that a sanitizer sees each byte beyond the end. */
static void try(int (*target)(const uint8_t *data, size_t size), const struct input *input)
{
    uint8_t *exact = malloc(input->length ? input->length : 1);

    assert_non_null(exact);
    memcpy(exact, input->bytes, input->length);
    tried = *input;
    target(exact, input->length);
    free(exact);
}

static void fuzz(const char *name, const char *pattern, int (*target)(const uint8_t *data, size_t size))
{
    const char *seed = getenv("SEED"), *runs = getenv("RUNS");
    size_t count, wanted = runs ? strtoul(runs, NULL, 10) : RUNS;
    _cleanup_(freep) struct input *corpus = read_corpus(pattern, &count), *input = malloc(sizeof(*input));

    trying = name;
    chance_state = (seed ? strtoull(seed, NULL, 10) : SEED) | 1;
    signal(SIGABRT, on_abort);
    for (size_t i = 0; i < count; i++)
        try(target, &corpus[i]);
    for (size_t run = 0; run < wanted; run++) {
        *input = corpus[chance(count)];
        for (size_t changes = chance(6) + 1; changes > 0; changes--)
            change(input, &corpus[chance(count)]);
        try(target, input);
    }
    signal(SIGABRT, SIG_DFL);
}

static void test_no_configuration_and_no_rules_crash_or_break_a_promise(void **state)
{
    (void)state;
    fuzz("config", "tests/fuzz/corpus/config/*", fuzz_config);
}

static void test_no_request_crashes_or_breaks_a_promise(void **state)
{
    (void)state;
    fuzz("http", "tests/fuzz/corpus/http/*", fuzz_http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_configuration_and_no_rules_crash_or_break_a_promise),
        cmocka_unit_test(test_no_request_crashes_or_breaks_a_promise),
    };

    return cmocka_run_group_tests_name("fuzz", tests, NULL, NULL);
}
