/*
 * The names of tasks: read by fields, as Proxmox reads them, whatever its users are called.
 */
#include "proxmox/upid.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_word(const struct upid_word *word, const char *expected)
{
    if (!upid_word_is(word, expected))
        fail_msg("%.*s is not %s", (int)word->length, word->text, expected);
}

static void test_a_upid_is_read_by_its_fields(void **state)
{
    struct pve_upid upid;
    char node[PVE_NODE_MAX];
    (void)state;
    const char *text = "UPID:pve-1:00007259:10004165B:6B02D840:qmstop:100:fence@pve!tok:";
    assert_true(upid_parse(text, &upid));
    assert_word(&upid.node, "pve-1");
    assert_word(&upid.type, "qmstop");
    assert_word(&upid.id, "100");
    assert_word(&upid.user, "fence@pve!tok");
    assert_int_equal(upid.pid, 0x7259);
    assert_true(upid.pstart == 0x10004165B); /* 497 days after its boot */
    assert_int_equal(upid.starttime, 0x6B02D840);
    assert_true(upid_is_of_guest(&upid, 100));
    assert_false(upid_is_of_guest(&upid, 10));
    upid_copy_node(text, node);
    assert_string_equal(node, "pve-1");
    assert_true(upid_uptime_ms(text) == INT64_C(0x10004165B) * 10);
    assert_int_equal(upid_uptime_ms("no task"), 0);
    upid_copy_node("no task", node);
    assert_string_equal(node, "");
}

static void test_users_may_be_called_whatever_proxmox_allows(void **state)
{
    static const char *const users[] = {
        "svc_fence$@AD",     "DOM\\svc@AD",          "o'neill@ldap",    "a\"b@pve",       "#1@pve",
        "m\xc3\xbcller@pve", "hastings@pve",         "hastonith@pve!t", "hastop@pve",     "a%2fb@pve",
        "a?b&c=d@pve",       "\xe4\xba\xba@pve!tok", "UPID@pve",        "a;b|c`d{}@pve!t"};
    (void)state;
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        struct pve_upid upid;
        char text[PVE_UPID_MAX];
        snprintf(text, sizeof(text), "UPID:pve1:00000001:00000002:00000003:qmstop:101:%s:", users[i]);
        assert_true(upid_parse(text, &upid));
        assert_word(&upid.user, users[i]);
        assert_false(upid_is_of_ha(text));
        snprintf(text, sizeof(text), "UPID:pve1:00000001:00000002:00000003:hastop:101:%s:", users[i]);
        assert_true(upid_is_of_ha(text));
    }
}

static void test_what_is_no_upid_is_not_read(void **state)
{
    static const char *const texts[] = {"",
                                        "UPID:",
                                        "upid:pve1:1:2:3:qmstop:100:u@pve:",
                                        "UPID::1:2:3:qmstop:100:u@pve:",
                                        "UPID:-pve:1:2:3:qmstop:100:u@pve:",
                                        "UPID:pve.1:1:2:3:qmstop:100:u@pve:",
                                        "UPID:pve1:1:2:3:qmstop:100:u@pve",
                                        "UPID:pve1:1:2:3:qmstop:100::",
                                        "UPID:pve1:1:2:3::100:u@pve:",
                                        "UPID:pve1:1:2:3:qmstop:100:u@pve:x",
                                        "UPID:pve1:1:2:3:qmstop:100:u@pve:x:",
                                        "UPID:pve1:1:2:3:qmstop:100:u v@pve:",
                                        "UPID:pve1:1:2:3:qmstop:100:u/v@pve:",
                                        "UPID:pve1:1:2:3:qmstop:100:u\nv@pve:",
                                        "UPID:pve1:1:2:3:qmstop:100:u\x7f@pve:",
                                        "UPID:pve1:1:2:x:qmstop:100:u@pve:",
                                        "UPID:pve1:1:2::qmstop:100:u@pve:",
                                        "UPID:pve1:123456789:2:3:qmstop:100:u@pve:",
                                        "UPID:pve1: 1:2:3:qmstop:100:u@pve:",
                                        "UPID:pve1:-1:2:3:qmstop:100:u@pve:"};
    char longer[PVE_UPID_MAX + 1];
    struct pve_upid upid;
    (void)state;
    assert_false(upid_parse(NULL, &upid));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (upid_parse(texts[i], &upid))
            fail_msg("%s", texts[i]);
    }
    int head = snprintf(longer, sizeof(longer), "UPID:pve1:1:2:3:qmstop:100:");
    memset(longer + head, 'u', sizeof(longer) - (size_t)head);
    longer[PVE_UPID_MAX - 1] = ':';
    longer[PVE_UPID_MAX] = '\0';
    assert_false(upid_parse(longer, &upid));
    longer[PVE_UPID_MAX - 2] = ':';
    longer[PVE_UPID_MAX - 1] = '\0';
    assert_true(upid_parse(longer, &upid));
}

static void test_tasks_of_one_host_are_ordered_by_their_start(void **state)
{
    (void)state;
    assert_true(upid_compare("UPID:a:9:2:3:x:1:u:", "UPID:a:1:2:4:x:1:u:") < 0);
    assert_true(upid_compare("UPID:a:9:2:3:x:1:u:", "UPID:a:1:10:3:x:1:u:") < 0);
    assert_true(upid_compare("UPID:a:9:FFFFFFFF:3:x:1:u:", "UPID:a:1:100000000:3:x:1:u:") < 0);
    assert_true(upid_compare("UPID:a:1:2:3:x:1:u:", "UPID:a:2:2:3:x:1:u:") < 0); /* some order */
    assert_int_equal(upid_compare("UPID:a:1:2:3:x:1:u:", "UPID:a:1:2:3:x:1:u:"), 0);
}

/* ---- as Proxmox reads it ---- */

static uint64_t rng;

static unsigned draw(unsigned below)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(rng >> 33) % below;
}

/* Parts that are strung together: good ones mostly, in order mostly. */
static void make_text(char *text, size_t size)
{
    static const char *const parts[][6] = {
        {"UPID", "UPID", "UPID", "UPID", "upid", ""},
        {"pve1", "a", "a-b", "-a", "n\xc3\xb6", "node.b"},
        {"00007259", "1", "0000725g", "", "123456789", "FFFFFFFF"},
        {"0004165B", "10004165B", "1234567890", "12345678901", "abc", "-1"},
        {"6B02D840", "6b02d840", "0", " 1", "1 ", "6B02D8401"},
        {"qmstop", "hastop", "qm/stop", "", "q m", "vzstart"},
        {"100", "", "0100", "a b", "local", "100/101"},
        {"fence@pve!tok", "svc$@AD", "", "a b", "hast@pve", "m\xc3\xbc@pve"},
        {"", "", "", "", "x", " "},
    };
    size_t used = 0;
    for (size_t i = 0; i < 9; i++) {
        const char *part = parts[i][draw(3) ? 0 : draw(6)];
        const char *colon = i == 8 ? "" : draw(40) ? ":" : draw(2) ? "" : "::";
        used += (size_t)snprintf(text + used, size - used, "%s%s", part, colon);
    }
    if (draw(8) == 0 && used > 0)
        text[draw((unsigned)used)] = (char)(1 + draw(255));
}

static void test_a_text_is_a_upid_where_proxmoxs_own_pattern_says_so(void **state)
{
    regex_t pattern;
    unsigned good = 0;
    (void)state;
    rng = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10) : 1;
    assert_int_equal(
        regcomp(&pattern,
                "^UPID:[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?:[0-9A-Fa-f]{1,8}:[0-9A-Fa-f]{1,10}:"
                "[0-9A-Fa-f]{1,8}:[^:\x01-\x20/\x7f]+:[^:\x01-\x20/\x7f]*:[^:\x01-\x20/\x7f]+:$",
                REG_EXTENDED | REG_NOSUB),
        0);
    for (unsigned i = 0; i < 100000; i++) {
        char text[PVE_UPID_MAX], again[PVE_UPID_MAX], node[PVE_NODE_MAX];
        struct pve_upid upid;
        make_text(text, sizeof(text));
        bool expected = regexec(&pattern, text, 0, NULL, 0) == 0;
        if (upid_parse(text, &upid) != expected)
            fail_msg("%s: %s", text, expected ? "a UPID" : "none");
        if (!expected)
            continue;
        good++;
        /* nothing of it is lost or made up: what is put together again from its fields is the same task */
        upid_copy_node(text, node);
        snprintf(again, sizeof(again), "UPID:%s:%X:%llX:%X:%.*s:%.*s:%.*s:", node, upid.pid,
                 (unsigned long long)upid.pstart, upid.starttime, (int)upid.type.length, upid.type.text,
                 (int)upid.id.length, upid.id.text, (int)upid.user.length, upid.user.text);
        struct pve_upid same;
        assert_true(upid_parse(again, &same));
        assert_true(same.pid == upid.pid && same.pstart == upid.pstart && same.starttime == upid.starttime);
        assert_true(strcmp(strchr(again, ':') + 1, "") != 0);
        assert_int_equal(strlen(same.user.text), strlen(upid.user.text));
    }
    assert_true(good > 1000);
    regfree(&pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_upid_is_read_by_its_fields),
        cmocka_unit_test(test_users_may_be_called_whatever_proxmox_allows),
        cmocka_unit_test(test_what_is_no_upid_is_not_read),
        cmocka_unit_test(test_tasks_of_one_host_are_ordered_by_their_start),
        cmocka_unit_test(test_a_text_is_a_upid_where_proxmoxs_own_pattern_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
