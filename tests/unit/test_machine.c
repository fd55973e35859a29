/* Which machine this is: where the UUID comes from, what is none, and when two texts mean the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "system/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static char directory[] = "/tmp/fence-broker-machine.XXXXXX";

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) ? setenv("CREDENTIALS_DIRECTORY", directory, 1) : -1;
}

static int remove_directory(void **state)
{
    char path[128];

    (void)state;
    snprintf(path, sizeof(path), "%s/product-uuid", directory);
    unlink(path);
    return rmdir(directory);
}

static void write_credential(const char *text)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/product-uuid", directory);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_the_uuid_is_the_credentials(void **state)
{
    struct machine machine;
    struct utsname names;

    (void)state;
    write_credential("4C4C4544-0038-3510-8056-B4C04F475031\n");
    machine_read(&machine);
    assert_string_equal(machine.uuid, "4c4c4544-0038-3510-8056-b4c04f475031");
    assert_string_equal(machine.why, "");
    assert_int_equal(uname(&names), 0);
    assert_string_equal(machine.name, names.nodename);
}

static void test_what_is_no_uuid_is_said_to_be_none(void **state)
{
    static const char *const texts[] = {"",
                                        "\n",
                                        "Not Settable\n",
                                        "4C4C4544-0038-3510-8056-B4C04F47503\n",
                                        "4C4C4544-0038-3510-8056-B4C04F4750311\n",
                                        "4C4C4544x0038-3510-8056-B4C04F475031\n"};
    struct machine machine;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_credential(texts[i]);
        machine_read(&machine);
        assert_string_equal(machine.uuid, "");
        assert_string_equal(machine.why, "its firmware reports no UUID");
    }
}

static void test_case_and_old_byte_order_make_no_difference(void **state)
{
    const char *uuid = "00112233-4455-6677-8899-aabbccddeeff";

    (void)state;
    assert_true(machine_same_uuid(uuid, uuid));
    assert_true(machine_same_uuid(uuid, "00112233-4455-6677-8899-AABBCCDDEEFF"));
    assert_true(machine_same_uuid(uuid, "33221100-5544-7766-8899-aabbccddeeff"));
    assert_true(machine_same_uuid("33221100-5544-7766-8899-aabbccddeeff", uuid));
    assert_false(machine_same_uuid(uuid, "00112233-4455-6677-8899-aabbccddeefe"));
    assert_false(machine_same_uuid(uuid, "00112233-4455-6677-9988-aabbccddeeff"));
    assert_false(machine_same_uuid(uuid, ""));
    assert_false(machine_same_uuid("", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_uuid_is_the_credentials),
        cmocka_unit_test(test_what_is_no_uuid_is_said_to_be_none),
        cmocka_unit_test(test_case_and_old_byte_order_make_no_difference),
    };

    return cmocka_run_group_tests_name("machine", tests, make_directory, remove_directory);
}
