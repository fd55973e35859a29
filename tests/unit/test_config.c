/* system/config: what is accepted, what it means, and that every refusal names file, line and a way out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/access_rules.h"
#include "system/config.h"
#include "system/config_keys.h"
#include "system/config_value.h"
#include "system/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MINIMAL "[proxmox]\nendpoint = pve1\ntoken-id = fence@pve!broker\npool = p\n"
#define LEN(a)  (sizeof(a) / sizeof((a)[0]))

static struct config *parse(const char *text, struct error *error)
{
    *error = (struct error){0};
    return config_parse(text, strlen(text), "test.conf", error);
}

static struct config *accept(const char *text)
{
    struct error error;
    struct config *config = parse(text, &error);
    if (!config)
        fail_msg("refused: %s in\n%s", error.message, text);
    return config;
}

static void refuse(const char *text, const char *words)
{
    struct error error;
    struct config *config = parse(text, &error);
    if (config)
        fail_msg("accepted:\n%s", text);
    assert_int_equal(error.code, ERROR_BAD_REQUEST);
    assert_int_equal(strncmp(error.message, "test.conf:", 10), 0);
    if (!strstr(error.message, words) && !strstr(error.hint, words))
        fail_msg("neither \"%s\" nor \"%s\" says \"%s\"", error.message, error.hint, words);
}

/* One more line in [proxmox] of a configuration that is otherwise fine: line 5. */
static void refuse_line(const char *line, const char *words)
{
    char text[4096], place[32];
    snprintf(text, sizeof(text), MINIMAL "%s\n", line);
    refuse(text, words);
    snprintf(place, sizeof(place), "test.conf:5: ");
    refuse(text, place);
}

static void test_the_smallest_configuration_has_the_documented_defaults(void **state)
{
    (void)state;
    struct config *config = accept(MINIMAL);
    assert_string_equal(config->path, "test.conf");
    assert_string_equal(config->token_id, "fence@pve!broker");
    assert_null(config->user);
    assert_null(config->secret_file);
    assert_null(config->ca_file);
    assert_int_equal(config->poll_interval_ms, 14000);
    assert_int_equal(config->rehearse_interval_ms, 120000);
    assert_int_equal(config->answer_timeout_ms, 4000);
    assert_int_equal(config->min_online_nodes, 0);
    assert_false(config->excess_tolerated);
    assert_false(config->trust_ha);
    assert_int_equal(config->deadline_ms, 240000);
    assert_int_equal(config->lock_wait_ms, 5000);
    assert_int_equal(config->stop_timeout_ms, 3000);
    assert_int_equal(config->alias_count, 0);
    assert_string_equal(config->socket_path, "/run/fence-broker/broker.sock");
    assert_string_equal(config->metrics_path, "/run/fence-broker/metrics.sock");
    assert_string_equal(config->socket_group, "haclient");
    assert_string_equal(config->state_directory, "/var/lib/fence-broker");
    config_free(config);
    config_free(NULL);
}

static void test_every_key_arrives_where_it_belongs(void **state)
{
    (void)state;
    struct config *config =
        accept("# all keys\n ; another comment\n\n"
               "  [ proxmox ]\t\n"
               "endpoint=pve1.example.com\n\tendpoint =  192.0.2.12:8007\tas  pve2  \n"
               "user = fence@pve\nsecret-file = /s\nca-file = /c a\npool = a/b/c\npool = d\n"
               "poll-interval = 1s\nanswer-timeout = 500ms\nmin-online-nodes = 1\nleast-privilege = warn\n"
               "[fence]\ndeadline = 1h\nlock-wait = 0s\nstop-timeout = 1min\ndead-host = trust-ha\n"
               "[nodes]\nnode1 = 101\nnode-2.example.com = web.2\n"
               "[socket]\npath = /p\nmetrics-path = /m\ngroup = _g-1.x\n"
               "[state]\ndirectory = /d\n[access]\nenable-acl = no");
    assert_int_equal(config->endpoint_count, 2);
    assert_string_equal(config->endpoints[0].name, "pve1.example.com");
    assert_int_equal(config->endpoints[0].port, 8006);
    assert_string_equal(config->endpoints[1].address, "192.0.2.12");
    assert_string_equal(config->endpoints[1].name, "pve2");
    assert_int_equal(config->endpoints[1].port, 8007);
    assert_string_equal(config->endpoints[1].text, "192.0.2.12:8007\tas  pve2");
    assert_string_equal(config->user, "fence@pve");
    assert_string_equal(config->secret_file, "/s");
    assert_string_equal(config->ca_file, "/c a");
    assert_int_equal(config->pool_count, 2);
    assert_string_equal(config->pools[0], "a/b/c");
    assert_int_equal(config->poll_interval_ms, 1000);
    assert_int_equal(config->answer_timeout_ms, 500);
    assert_int_equal(config->min_online_nodes, 1);
    assert_true(config->excess_tolerated);
    assert_true(config->trust_ha);
    assert_int_equal(config->deadline_ms, 3600000);
    assert_int_equal(config->lock_wait_ms, 0);
    assert_int_equal(config->stop_timeout_ms, 60000);
    assert_int_equal(config->alias_count, 2);
    assert_string_equal(config->aliases[1].node, "node-2.example.com");
    assert_string_equal(config->aliases[1].target, "web.2");
    assert_string_equal(config->socket_path, "/p");
    assert_string_equal(config->metrics_path, "/m");
    assert_string_equal(config->socket_group, "_g-1.x");
    assert_string_equal(config->state_directory, "/d");
    config_free(config);
}

static void test_endpoints_of_all_forms(void **state)
{
    static const struct {
        const char *text, *address, *name;
        uint16_t port;
    } cases[] = {
        {"pve1", "pve1", "pve1", 8006},
        {"PVE1.Example.com:443", "PVE1.Example.com", "PVE1.Example.com", 443},
        {"192.0.2.1", "192.0.2.1", "192.0.2.1", 8006},
        {"[2001:db8::1]", "2001:db8::1", "2001:db8::1", 8006},
        {"[::1]:65535", "::1", "::1", 65535},
        {"[::1]:1 as pve1", "::1", "pve1", 1},
        {"192.0.2.1 as 192.0.2.2", "192.0.2.1", "192.0.2.2", 8006},
        {"as as as", "as", "as", 8006},
        {"3com.example", "3com.example", "3com.example", 8006},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        char text[512];
        snprintf(text, sizeof(text), "[proxmox]\nuser=a@pve\npool=p\nendpoint = %s\n", cases[i].text);
        struct config *config = accept(text);
        assert_string_equal(config->endpoints[0].address, cases[i].address);
        assert_string_equal(config->endpoints[0].name, cases[i].name);
        assert_string_equal(config->endpoints[0].text, cases[i].text);
        assert_int_equal(config->endpoints[0].port, cases[i].port);
        config_free(config);
    }
}

static void test_bad_values_are_refused_with_line_and_cause(void **state)
{
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"endpoint = pve2:0", "between 1 and 65535"},
        {"endpoint = pve2:65536", "between 1 and 65535"},
        {"endpoint = pve2:", "between 1 and 65535"},
        {"endpoint = pve2:80x", "between 1 and 65535"},
        {"endpoint = ::1", "write [::1]"},
        {"endpoint = [::1", "not HOST"},
        {"endpoint = [::1]x", "not HOST"},
        {"endpoint = [192.0.2.1]", "not HOST"},
        {"endpoint = [fe80::1%eth0]", "link-local"},
        {"endpoint = fe80::1%eth0", "link-local"},
        {"endpoint = pve1.example.com.", "ends in a dot"},
        {"endpoint = pve1.:8006", "ends in a dot"},
        {"endpoint = https://pve2:8006/", "without https://"},
        {"endpoint = pve2 as", "not HOST"},
        {"endpoint = pve2 AS pve3", "not HOST"},
        {"endpoint = pve2 as pve3 pve4", "not HOST"},
        {"endpoint = pve2 as pve3:8006", "certificate's name"},
        {"endpoint = 192.0.2", "not HOST"},
        {"endpoint = 192.0.2.256", "not HOST"},
        {"endpoint = -pve2", "not HOST"},
        {"endpoint = pve2..x", "not HOST"},
        {"endpoint = pve2.", "ends in a dot"},
        {"endpoint = p\xc3\xa4", "not HOST"},
        {"endpoint = pve1", "already listed"},
        {"endpoint = PVE1 as other", "already listed"},
        {"endpoint = pve2 # the second", "line of its own"},
        {"pool = p", "already listed"},
        {"pool = a/b/c/d", "more than 3 levels"},
        {"pool = a//b", "not a pool name"},
        {"pool = /a", "not a pool name"},
        {"pool = a b", "not a pool name"},
        {"pool = ..", "only dots"},
        {"pool = a/.", "only dots"},
        {"secret-file = secret", "absolute"},
        {"poll-interval = 10", "ms, s, min, h"},
        {"poll-interval = 10 s", "not a duration"},
        {"poll-interval = s", "not a duration"},
        {"poll-interval = -1s", "not a duration"},
        {"poll-interval = 1.5s", "not a duration"},
        {"poll-interval = 1m", "not a duration"},
        {"poll-interval = 999ms", "from 1s to 10min"},
        {"poll-interval = 601s", "from 1s to 10min"},
        {"poll-interval = 99999999999999999999999h", "from 1s to 10min"},
        {"answer-timeout = 499ms", "from 500ms to 1min"},
        {"answer-timeout = 61s", "from 500ms to 1min"},
        {"min-online-nodes = 0", "majority"},
        {"least-privilege = no", "allowed: enforce, warn"},
        {"min-online-nodes = half", "majority"},
        {"min-online-nodes = 01", "majority"},
        {"min-online-nodes =", "no value"},
        {"= 3", "no key"},
        {"nonsense", "neither a section"},
        {"token-id = a@pve!bb", "already set in line 3"},
        {"pol = p", "did you mean \"pool\""},
        {"deadline = 5s", "belongs in [fence]"},
        {"frobnicate = 1",
         "allowed: endpoint, token-id, user, secret-file, totp-file, ca-file, fingerprint, pool"},
        {"[fence", "no ']'"},
        {"[fence] # rules", "after the ']'"},
        {"[]", "no name"},
        {"[ \t]", "no name"},
        {"[proxmox]", "already exists, in line 1"},
        {"[Fence]", "allowed: [proxmox], [fence]"},
        {"[fance]", "did you mean \"fence\""},
        {"[fence]", "is empty"},
    };
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++)
        refuse_line(cases[i].line, cases[i].words);
}

static void test_durations_of_a_fence_have_their_ranges(void **state)
{
    static const char *const wrong[] = {"deadline = 4s",     "deadline = 61min",   "lock-wait = 601s",
                                        "lock-wait = 0",     "stop-timeout = 61s", "stop-timeout = 1500ms",
                                        "stop-timeout = 1ms"};
    static const char *const right[] = {"deadline = 5s",   "deadline = 60min",  "lock-wait = 10min",
                                        "lock-wait = 0ms", "stop-timeout = 0s", "stop-timeout = 2000ms"};
    char text[256];
    (void)state;
    for (size_t i = 0; i < LEN(wrong); i++) {
        snprintf(text, sizeof(text), "[fence]\n%s\n" MINIMAL, wrong[i]);
        refuse(text, "test.conf:2: ");
    }
    for (size_t i = 0; i < LEN(right); i++) {
        snprintf(text, sizeof(text), "[fence]\n%s\n" MINIMAL, right[i]);
        config_free(accept(text));
    }
}

static void test_users_may_be_called_whatever_proxmox_allows(void **state)
{
    static const char *const right[] = {"svc_fence$@AD", "dom\\svc@pve", "o'neill@pve", "a\"b#c@pve"};
    struct config_problem problem;
    char name[256];
    (void)state;
    for (size_t i = 0; i < LEN(right); i++) {
        assert_int_equal(config_value_user(right[i], &problem), 0);
        snprintf(name, sizeof(name), "%s!broker", right[i]);
        assert_int_equal(config_value_token_id(name, &problem), 0);
    }
    /* 64 characters, however many bytes each has */
    for (size_t i = 0; i < 60; i++)
        memcpy(name + 2 * i, "\xc3\xbc", 2);
    memcpy(name + 120, "@pve", 5);
    assert_int_equal(config_value_user(name, &problem), 0);
    memcpy(name + 120, "u@pve", 6);
    assert_int_not_equal(config_value_user(name, &problem), 0);
}

static void test_fingerprints_are_as_proxmox_shows_them(void **state)
{
#define PAIRS "D1:DE:F1:D9:22:C5:32:F9:E1:C6:CA:CA:41:3E:5C:41:0D:8A:57:1B:8C:80:D7:71:BF:72:B6:9B:18:6F:47"
    static const char *const wrong[] = {"AB:CD",       PAIRS,       PAIRS ":B0:", PAIRS ":B0:11",
                                        PAIRS ":BG",   PAIRS " B0", PAIRS ":B",   "sha256:" PAIRS ":B0",
                                        PAIRS ":B0 x", PAIRS ":-1"};
    char text[256];
    (void)state;
    for (size_t i = 0; i < LEN(wrong); i++) {
        snprintf(text, sizeof(text), "fingerprint = %s", wrong[i]);
        refuse_line(text, "not a SHA-256 fingerprint");
        refuse_line(text, "pvenode cert info");
    }
    struct config *config = accept(MINIMAL "fingerprint = " PAIRS ":B0\nfingerprint = " PAIRS ":0a\n");
    assert_int_equal(config->fingerprint_count, 2);
    assert_int_equal(config->fingerprints[0].sha256[0], 0xd1);
    assert_int_equal(config->fingerprints[0].sha256[31], 0xb0);
    assert_int_equal(config->fingerprints[1].sha256[31], 0x0a);
    config_free(config);
}

static void test_identities_are_checked_and_root_is_refused(void **state)
{
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"user = root@pam", "root@pam may do everything"},
        {"token-id = root@pam!fence", "root@pam may do everything"},
        {"user = fence", "user@realm"},
        {"user = @pve", "user@realm"},
        {"user = fence@", "user@realm"},
        {"user = fence@1", "user@realm"},
        {"user = fe nce@pve", "user@realm"},
        {"user = fence@pve!broker", "token-id"},
        {"token-id = fence@pve", "user@realm!name"},
        {"token-id = fence@pve!", "user@realm!name"},
        {"token-id = fence@pve!a b", "user@realm!name"},
        {"token-id = fence@pve!a!b", "user@realm!name"},
        {"token-id = fence!broker", "user@realm!name"},
        {"token-id = fence@pve!broker=1234-5678", "secret does not belong here"},
    };
    char text[512];
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        snprintf(text, sizeof(text), "[proxmox]\nendpoint=pve1\npool=p\n%s\n", cases[i].line);
        refuse(text, cases[i].words);
        refuse(text, "test.conf:4: ");
    }
    config_free(accept("[proxmox]\nendpoint=pve1\npool=p\nuser=root@pve\n"));
    config_free(accept("[proxmox]\nendpoint=pve1\npool=p\ntoken-id=a.b@example.com@my-ldap!t1\n"));
}

static void test_what_is_required_is_named(void **state)
{
    (void)state;
    refuse("", "no endpoint in [proxmox]");
    refuse("[state]\ndirectory=/x\n", "no endpoint in [proxmox]");
    refuse("[proxmox]\nendpoint=a\npool=p\n", "no token-id and no user");
    refuse("[proxmox]\nendpoint=a\nuser=a@pve\n", "no pool");
    refuse(MINIMAL "user = a@pve\n", "both token-id and user");
    refuse(MINIMAL "ca-file = /x\nfingerprint = " PAIRS ":B0\n", "both ca-file and fingerprint");
    refuse(MINIMAL "totp-file = /x\n", "both token-id and totp-file");
    config_free(accept("[proxmox]\nendpoint=pve1\npool=p\nuser=a@pve\ntotp-file=/x\n"));
    refuse(MINIMAL "[socket]\npath = /x\nmetrics-path = /x\n", "are the same");
    refuse(MINIMAL "[socket]\npath = /x\nmetrics-path = /x.root\n", "ends in .root");
    refuse(MINIMAL "[socket]\npath = /x.root\n", "ends in .root");
    refuse(MINIMAL "[socket]\npath = /x/\n", "is a directory's path");
}

static void test_the_interval_of_rehearsals_may_be_never(void **state)
{
    static const struct {
        const char *value;
        int64_t ms;
    } good[] = {{"0", 0}, {"0s", 0}, {"1s", 1000}, {"1500ms", 1500}, {"1h", 3600000}};
    static const char *const bad[] = {"-1s", "00", "1", "999ms", "61min", "never"};
    char text[512];
    (void)state;
    for (size_t i = 0; i < LEN(good); i++) {
        snprintf(text, sizeof(text), MINIMAL "rehearse-interval = %s\n", good[i].value);
        struct config *config = accept(text);
        assert_int_equal(config->rehearse_interval_ms, good[i].ms);
        config_free(config);
    }
    for (size_t i = 0; i < LEN(bad); i++) {
        snprintf(text, sizeof(text), MINIMAL "rehearse-interval = %s\n", bad[i]);
        refuse(text, "rehearse-interval");
    }
}

static void test_words_that_are_not_known_are_refused(void **state)
{
    (void)state;
    refuse(MINIMAL "[access]\nenable-acl = maybe\n", "allowed: no, yes");
}

static void test_sections_of_rules_are_kept_in_the_order_of_the_file(void **state)
{
    struct config *config =
        accept(MINIMAL "[access]\nenable-acl = yes\n[user bob]\nrole = b\nrule = deny what:*\nrole = a\n"
                       "[role a]\nrule = read guest:*\n[ group  dom\\\\users ]\nrole=a\n");
    (void)state;
    assert_true(config->enable_acl);
    assert_int_equal(config->access_count, 3);
    assert_int_equal(config->access[0].kind, CONFIG_ACCESS_USER);
    assert_string_equal(config->access[0].name, "bob");
    assert_int_equal(config->access[0].entry_count, 3);
    assert_true(config->access[0].entries[0].is_role && !config->access[0].entries[1].is_role);
    assert_string_equal(config->access[0].entries[1].value, "deny what:*");
    assert_string_equal(config->access[0].entries[2].value, "a");
    assert_int_equal(config->access[0].entries[2].line, config->access[0].line + 3);
    assert_int_equal(config->access[2].kind, CONFIG_ACCESS_GROUP);
    assert_string_equal(config->access[2].name, "dom\\\\users");
    config_free(config);
}

static void test_sections_of_rules_that_are_none_are_refused(void **state)
{
    (void)state;
    refuse(MINIMAL "[role]\nrule = read guest:*\n", "names no role");
    refuse(MINIMAL "[user bob smith]\nrule = read guest:*\n", "names no user");
    refuse(MINIMAL "[group a,b]\nrule = read guest:*\n", "names no group");
    refuse(MINIMAL "[user -x]\nrule = read guest:*\n", "names no user");
    refuse(MINIMAL "[user bob]\n", "section [user bob] is empty");
    refuse(MINIMAL "[user bob]\n[access]\nenable-acl = no\n", "section [user bob] is empty");
    refuse(MINIMAL "[user bob]\nrule = read guest:*\n[user bob]\nrule = deny guest:*\n", "already exists");
    refuse(MINIMAL "[user bob]\nallow = guest:*\n", "allowed: rule, role");
    refuse(MINIMAL "[role a]\nrole = b\n", "a role in a role");
    refuse(MINIMAL "[users bob]\nrule = read guest:*\n", "[role NAME], [group NAME], [user NAME]");
}

static void test_nodes_are_names_and_lead_to_guests(void **state)
{
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"101 = 102", "digits alone are never a name"},
        {"no de = 102", "not a node name"},
        {"-node = 102", "not a node name"},
        {"node = 99", "not a VMID"},
        {"node = 1000000000", "not a VMID"},
        {"node = 0101", "not a VMID"},
        {"node = a b", "neither a VMID nor"},
        {"node1 = 7x\nNODE1 = 102", "already set in line 6"},
    };
    char text[512];
    (void)state;
    for (size_t i = 0; i < LEN(cases); i++) {
        snprintf(text, sizeof(text), MINIMAL "[nodes]\n%s\n", cases[i].line);
        refuse(text, cases[i].words);
    }
}

static void test_bytes_that_an_editor_would_hide_are_errors(void **state)
{
    struct error error;
    (void)state;
    refuse("[proxmox]\r\n", "test.conf:1: has a carriage return");
    refuse("\xef\xbb\xbf[proxmox]\n", "byte order mark");
    refuse("[proxmox]\n# caf\xe9\n", "test.conf:2: is not UTF-8");
    refuse("[proxmox]\n\x1b[31m\n", "control character");
    static const char with_nul[] = "[proxmox]\npool = a\0b\n";
    assert_null(config_parse(with_nul, sizeof(with_nul) - 1, "test.conf", &error));
    assert_non_null(strstr(error.message, "test.conf:2: has a NUL byte"));
    config_free(accept("# caf\xc3\xa9 is fine in a comment\n" MINIMAL));
}

static void test_lines_of_any_length_are_read_whole(void **state)
{
    (void)state;
    struct text text = {0};
    text_puts(&text, MINIMAL "# ");
    for (int i = 0; i < 100000; i++)
        text_puts(&text, "x");
    text_puts(&text, "\nsecret-file = /");
    for (int i = 0; i < 4000; i++)
        text_puts(&text, "y");
    struct config *config = accept(text.data);
    assert_int_equal(strlen(config->secret_file), 4001);
    config_free(config);
    text_puts(&text, "\nca-file = /");
    for (int i = 0; i < 4096; i++)
        text_puts(&text, "z");
    refuse(text.data, "longer than 4095 bytes");
    text_clear(&text);
}

static void test_a_thousand_nodes_are_no_problem(void **state)
{
    struct text text = {0};
    (void)state;
    text_puts(&text, MINIMAL "[nodes]\n");
    for (int i = 0; i < 20000; i++)
        text_printf(&text, "node-%d = %d\n", i, 1000 + i);
    struct config *config = accept(text.data);
    assert_int_equal(config->alias_count, 20000);
    assert_string_equal(config->aliases[19999].target, "20999");
    config_free(config);
    text_clear(&text);
}

/* ---- files -------------------------------------------------------------------------------------------- */

static char *read_whole(const char *path)
{
    struct text text = {0};
    char buffer[4096];
    FILE *file = fopen(path, "re");
    if (!file)
        fail_msg("%s: %s (tests run from the root of the project)", path, strerror(errno));
    size_t count;
    while ((count = fread(buffer, 1, sizeof(buffer), file)) > 0)
        text_append(&text, buffer, count);
    fclose(file);
    return text.data;
}

static bool begins_with_one_of(const char *line, const char *const *words)
{
    while (*words && strncmp(line, *words, strlen(*words)) != 0)
        words++;
    return *words != NULL;
}

/* The annotated file with "#key = value" lines switched on, but for those that exclude others. */
static char *switched_on(const char *annotated, const char *const *left_out)
{
    struct text text = {0};
    for (const char *line = annotated; *line;) {
        size_t length = strcspn(line, "\n");
        bool setting = line[0] == '#' && line[1] != ' ' && line[1] != '\0' && line[1] != '\n';
        if (setting && !begins_with_one_of(line, left_out))
            text_append(&text, line + 1, length - 1);
        else
            text_append(&text, line, length);
        text_puts(&text, "\n");
        line += length + (line[length] == '\n');
    }
    return text.data;
}

static void test_the_annotated_file_is_valid_and_shows_the_defaults(void **state)
{
    (void)state;
    char *annotated = read_whole("conf/fence-broker.conf");
    char *text = switched_on(annotated, (const char *const[]){"#token-id", "#ca-file", NULL});
    struct config *config = accept(text);
    assert_non_null(config->totp_file);
    assert_int_equal(config->fingerprint_count, 1);
    config_free(config);
    free(text);
    text = switched_on(annotated, (const char *const[]){"#user", "#totp-file", "#fingerprint", NULL});
    config = accept(text);
    struct config *defaults = accept(MINIMAL);
    assert_int_equal(config->endpoint_count, 2);
    assert_int_equal(config->alias_count, 1);
    assert_non_null(config->secret_file);
    assert_non_null(config->ca_file);
    assert_int_equal(config->poll_interval_ms, defaults->poll_interval_ms);
    assert_int_equal(config->answer_timeout_ms, defaults->answer_timeout_ms);
    assert_int_equal(config->min_online_nodes, defaults->min_online_nodes);
    assert_int_equal(config->excess_tolerated, defaults->excess_tolerated);
    assert_int_equal(config->trust_ha, defaults->trust_ha);
    assert_int_equal(config->deadline_ms, defaults->deadline_ms);
    assert_int_equal(config->lock_wait_ms, defaults->lock_wait_ms);
    assert_int_equal(config->stop_timeout_ms, defaults->stop_timeout_ms);
    assert_string_equal(config->socket_path, defaults->socket_path);
    assert_string_equal(config->metrics_path, defaults->metrics_path);
    assert_string_equal(config->socket_group, defaults->socket_group);
    assert_string_equal(config->state_directory, defaults->state_directory);
    config_free(config);
    config_free(defaults);
    /* as delivered it lacks just what only its reader can know */
    refuse(annotated, "no endpoint in [proxmox]");
    free(text);
    free(annotated);
}

/* Nothing that an administrator may have written in an earlier version is refused by this one. */
static void test_keys_that_were_published_are_still_taken(void **state)
{
    char *text = read_whole("tests/data/published.conf");
    struct config *config = accept(text);
    (void)state;
    assert_string_equal(config->user, "fencing@pve");
    assert_true(config->enable_acl && config->trust_ha && config->excess_tolerated);
    assert_int_equal(config->access_count, 3);
    assert_int_equal(config->renamed_count, 1); /* and told by its new name */
    assert_string_equal(config->renamed[0].name, "check-interval");
    assert_int_equal(config->check_interval_ms, 0);
    struct access_rules *rules = access_rules_new(config, &(struct error){0});
    assert_non_null(rules);
    access_rules_free(rules);
    config_free(config);
    for (size_t i = 0; i < config_key_count; i++)
        assert_non_null(
            strstr(text, config_keys[i].former ?: config_keys[i].name)); /* a new key has its line there */
    *strstr(text, "#token-id") = *strstr(text, "#fingerprint") = ' ';
    *strstr(text, "user =") = *strstr(text, "totp-file") = *strstr(text, "ca-file") = '#';
    config = accept(text);
    assert_string_equal(config->token_id, "fence@pve!broker");
    assert_int_equal(config->fingerprint_count, 1);
    config_free(config);
    free(text);
}

static void test_files_are_loaded_and_unfit_ones_refused(void **state)
{
    char path[] = "/tmp/test_config.XXXXXX";
    struct error error = {0};
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, MINIMAL, strlen(MINIMAL)), strlen(MINIMAL));
    struct config *config = config_load(path, &error);
    assert_non_null(config);
    assert_string_equal(config->path, path);
    config_free(config);
    assert_int_equal(fchmod(fd, 0666), 0);
    assert_null(config_load(path, &error));
    assert_non_null(strstr(error.message, "world-writable"));
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_int_equal(ftruncate(fd, 2 * 1024 * 1024), 0);
    assert_null(config_load(path, &error));
    assert_non_null(strstr(error.message, "is longer than"));
    close(fd);
    unlink(path);
    assert_null(config_load(path, &error));
    assert_non_null(strstr(error.message, "No such file"));
    assert_string_not_equal(error.hint, "");
    assert_null(config_load("/tmp", &error));
    assert_non_null(strstr(error.message, "not a regular file"));
}

/* A short run with a fixed seed of what tests/fuzz/fuzz_config.c does for hours: words of the language,
 * shuffled and damaged. */
static void test_shuffled_and_damaged_text_never_breaks_the_reader(void **state)
{
    static const char *const words[] = {"[proxmox]\n",
                                        "[nodes]\n",
                                        "[",
                                        "]",
                                        "=",
                                        " ",
                                        "\n",
                                        "#",
                                        ";",
                                        "endpoint",
                                        "pool",
                                        "token-id",
                                        "user",
                                        "fence@pve!broker",
                                        "a@pve",
                                        "pve1",
                                        " as ",
                                        "[::1]:8006",
                                        ":",
                                        "/",
                                        "a/b",
                                        "10s",
                                        "min",
                                        "999999999999999999",
                                        "\xc3",
                                        "\xa4",
                                        "\r",
                                        "\t",
                                        "endpoint = pve1\n",
                                        "pool = p\n",
                                        "user = a@pve\n",
                                        "node1 = 101\n",
                                        "[fence]\n",
                                        "deadline = 5s\n",
                                        "!",
                                        "@",
                                        "root@pam"};
    int accepted = 0;
    (void)state;
    srand(20261122);
    for (int round = 0; round < 30000; round++) {
        char text[512] = MINIMAL;
        size_t length = round % 4 == 0 ? strlen(text) : 0;
        for (int i = rand() % 12; i >= 0; i--) {
            const char *word = words[(size_t)rand() % LEN(words)];
            memcpy(text + length, word, strlen(word));
            length += strlen(word);
        }
        if (round % 2)
            text[(size_t)rand() % length] = (char)(rand() % 256);
        struct error error = {0};
        struct config *config = config_parse(text, length, "test.conf", &error);
        assert_true(config || error.message[0] != '\0');
        assert_true(!config || (config->endpoint_count > 0 && config->pool_count > 0));
        accepted += config != NULL;
        config_free(config);
    }
    assert_true(accepted > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_smallest_configuration_has_the_documented_defaults),
        cmocka_unit_test(test_every_key_arrives_where_it_belongs),
        cmocka_unit_test(test_endpoints_of_all_forms),
        cmocka_unit_test(test_bad_values_are_refused_with_line_and_cause),
        cmocka_unit_test(test_durations_of_a_fence_have_their_ranges),
        cmocka_unit_test(test_users_may_be_called_whatever_proxmox_allows),
        cmocka_unit_test(test_fingerprints_are_as_proxmox_shows_them),
        cmocka_unit_test(test_identities_are_checked_and_root_is_refused),
        cmocka_unit_test(test_what_is_required_is_named),
        cmocka_unit_test(test_the_interval_of_rehearsals_may_be_never),
        cmocka_unit_test(test_words_that_are_not_known_are_refused),
        cmocka_unit_test(test_sections_of_rules_are_kept_in_the_order_of_the_file),
        cmocka_unit_test(test_sections_of_rules_that_are_none_are_refused),
        cmocka_unit_test(test_nodes_are_names_and_lead_to_guests),
        cmocka_unit_test(test_bytes_that_an_editor_would_hide_are_errors),
        cmocka_unit_test(test_lines_of_any_length_are_read_whole),
        cmocka_unit_test(test_a_thousand_nodes_are_no_problem),
        cmocka_unit_test(test_the_annotated_file_is_valid_and_shows_the_defaults),
        cmocka_unit_test(test_keys_that_were_published_are_still_taken),
        cmocka_unit_test(test_files_are_loaded_and_unfit_ones_refused),
        cmocka_unit_test(test_shuffled_and_damaged_text_never_breaks_the_reader),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
