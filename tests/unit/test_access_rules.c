/* Rules: the tables of verdicts, what is refused, and what is told to be odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "access_eval.h"

#include <glob.h>

#define TABLES        "tests/data/access/*.eval"
#define QUESTIONS_MIN 150

/* ---- the tables ---- */

static char *read_whole(const char *path)
{
    _cleanup_(text_clear) struct text text = {0};
    FILE *file = fopen(path, "re");
    char buffer[4096];
    size_t n;

    assert_non_null(file);
    while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0)
        text_append(&text, buffer, n);
    fclose(file);
    return TAKE(text.data);
}

static void test_every_table_holds(void **state)
{
    size_t questions = 0;
    glob_t found;

    (void)state;
    assert_int_equal(glob(TABLES, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        _cleanup_(freep) char *text = read_whole(found.gl_pathv[i]);

        questions += eval_run(found.gl_pathv[i], text);
    }
    globfree(&found);
    print_message("%zu questions\n", questions);
    assert_true(questions >= QUESTIONS_MIN);
}

/* ---- what is no rule ---- */

static struct config *config_of(const char *sections)
{
    _cleanup_(text_clear) struct text text = {0};
    struct error error = {0};

    text_puts(&text, EVAL_HEAD);
    text_puts(&text, sections);
    struct config *config = config_parse(text.data, text.length, "f", &error);
    if (!config)
        fail_msg("%s", error.message);
    return config;
}

static void refuse(const char *sections, const char *words)
{
    struct config *config = config_of(sections);
    struct error error = {0};
    struct access_rules *rules = access_rules_new(config, &error);

    if (rules || !strstr(error.message, words) || strncmp(error.message, "f:", 2) != 0 || !error.hint[0])
        fail_msg("%s\nexpected: %s\ngot: %s", sections, words, rules ? "(accepted)" : error.message);
    access_rules_free(rules);
    config_free(config);
}

static void test_what_is_no_rule_is_an_error_with_its_line(void **state)
{
    static const struct {
        const char *rule, *words;
    } cases[] = {
        {"allow guest:*", "f:8: rule: begins with \"allow\"; allowed: read, write, deny"},
        {"Write guest:*", "begins with \"Write\""},
        {"write", "\"write\" of what?"},
        {"write web1", "\"web1\" is not a SPEC"},
        {"write gest:web1", "\"gest:web1\" is not a SPEC"},
        {"write guest:", "nothing after \"guest:\""},
        {"write :web1", "\":web1\" is not a SPEC"},
        {"write guest:web[12", "has a '[' without its ']'"},
        {"write guest:web\\", "ends in a backslash"},
        {"write guest:*a*b*c*d*e", "more than 4 '*'"},
        {"write what:guest", "what:guest is not known; allowed: guests, operations"},
        {"write what:guests,", "what: is not known"},
        {"write what:x*", "what:x* is not known"},
        {"write what:guests what:status", "what: is there twice"},
        {"write guest:* action:kill", "action:kill is not known; allowed: off, on, reboot, rehearse"},
        {"write guest:* action:off action:on", "action: is there twice"},
        {"read guest:* action:off", "read does nothing"},
        {"write what:status action:off", "action: is about guests"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_(text_clear) struct text sections = {0};

        text_printf(&sections, "[user bob]\nrule = %s\n", cases[i].rule);
        refuse(sections.data, cases[i].words);
    }
}

/* The role that is missing may be the one that denies. */
static void test_a_role_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    refuse("[user bob]\nrole = nobody\nrule = write guest:*\n",
           "f:8: there is no [role nobody]; there are: none; predefined: monitor, operator, administrator");
    refuse("[role a]\nrule = read guest:*\n[role b]\nrule = read guest:*\n[user bob]\nrole = c\n",
           "there is no [role c]; there are: a, b");
    refuse("[user a]\nrule = read guest:*\n[user bob]\nrole = a\n", "there is no [role a]");
}

static void test_three_roles_are_there_without_being_written(void **state)
{
    static const struct {
        const char *role, *first;
        size_t count;
    } roles[] = {{"monitor", "read what:*", 1},
                 {"operator", "write what:guests", 2},
                 {"administrator", "write what:*", 1}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        for (unsigned own = 0; own < 2; own++) {
            _cleanup_(text_clear) struct text sections = {0};
            struct error error = {0};
            char words[ACCESS_WORDS_MAX];
            text_printf(&sections, "[user bob]\nrole = %s\n", roles[i].role);
            if (own)
                text_printf(&sections, "[role %s]\nrule = deny what:doctor\n", roles[i].role);
            struct config *config = config_of(sections.data);
            struct access_rules *rules = access_rules_new(config, &error);
            assert_non_null(rules);
            assert_int_equal(rules->users[0].rule_count, own ? 1 : roles[i].count);
            const struct access_decision decision = {.rule = rules->users[0].rules[0]};
            assert_string_equal(decision.rule->text, own ? "deny what:doctor" : roles[i].first);
            access_decision_words(&decision, words);
            assert_true(own == (strstr(words, "predefined") == NULL));
            access_rules_free(rules);
            config_free(config);
        }
    }
}

static void test_rules_that_are_not_in_force_are_read_all_the_same(void **state)
{
    (void)state;
    refuse("[access]\nenable-acl = no\n[user bob]\nrule = write\n", "of what?");
}

/* ---- names that are not known yet ---- */

static void test_nothing_is_allowed_while_a_name_is_open(void **state)
{
    struct config *config = config_of("[access]\nenable-acl = yes\n[user bob]\nrule = write what:*\n"
                                      "[group interns]\nrule = deny what:*\n");
    struct error error = {0};
    struct access_rules *rules = access_rules_new(config, &error);
    const struct access_policy policy = {
        .gate = {.group = EVAL_GROUP, .hacluster = 189, .overflow_uid = 65534},
        .enable_acl = true,
        .rules = rules};
    const struct access_peer bob = {.uid = 1001, .gid = EVAL_GROUP}, root = {0};
    const struct access_question question = {ACCESS_READ, ACCESS_WHAT_STATUS, ACCESS_ACTION_NONE, NULL};
    struct access_subject subject;

    (void)state;
    access_rules_set_user(rules, 0, ACCESS_NAME_KNOWN, 1001);
    access_subject_init(&subject, &policy, &bob);
    assert_int_equal(access_decide(&subject, &question).verdict, ACCESS_NAMES_PENDING);
    assert_int_equal(access_decide_list(&subject, ACCESS_WHAT_GUESTS).verdict, ACCESS_NAMES_PENDING);
    access_subject_clear(&subject);
    access_subject_init(&subject, &policy, &root);
    assert_int_equal(access_decide(&subject, &question).verdict, ACCESS_PRIVILEGED);
    access_subject_clear(&subject);

    access_rules_set_group(rules, 0, ACCESS_NAME_UNKNOWN, 0);
    access_subject_init(&subject, &policy, &bob);
    assert_int_equal(access_decide(&subject, &question).verdict, ACCESS_RULE_ALLOWS);
    access_subject_clear(&subject);
    access_rules_free(rules);
    config_free(config);
}

/* ---- what is odd ---- */

static void collect(void *context, size_t line, const char *text)
{
    text_printf(context, "%zu: %s\n", line > EVAL_HEAD_LINES ? line - EVAL_HEAD_LINES : 0, text);
}

/* bob is 1001, root 0, hacluster 189, carol and the group ghosts are nobody; guests: 101 web1, 102 db1 with
 * the tag prod */
static void expect_notes(const char *sections, const char *expected)
{
    _cleanup_(text_clear) struct text notes = {0};
    struct config *config = config_of(sections);
    struct error error = {0};
    struct access_rules *rules = access_rules_new(config, &error);
    const struct access_policy policy = {
        .gate = {.group = EVAL_GROUP, .hacluster = 189, .overflow_uid = 65534},
        .enable_acl = config->enable_acl,
        .rules = rules};
    const struct access_guest guests[] = {{.vmid = "101", .name = "web1", .pool = "nfs"},
                                          {.vmid = "102", .name = "db1", .pool = "nfs", .tags = "prod;x"}};

    assert_non_null(rules);
    for (size_t i = 0; i < rules->user_count; i++) {
        const char *name = rules->users[i].config->name;
        bool known = strcmp(name, "carol") != 0;

        access_rules_set_user(rules, i, known ? ACCESS_NAME_KNOWN : ACCESS_NAME_UNKNOWN,
                              strcmp(name, "root") == 0        ? 0
                              : strcmp(name, "hacluster") == 0 ? 189
                                                               : 1001);
    }
    for (size_t i = 0; i < rules->group_count; i++)
        access_rules_set_group(
            rules, i,
            strcmp(rules->groups[i].config->name, "ghosts") ? ACCESS_NAME_KNOWN : ACCESS_NAME_UNKNOWN, 5);
    access_lint(&policy, config, collect, &notes);
    if (config->enable_acl)
        access_lint_guests(rules, guests, ARRAY_LEN(guests), collect, &notes);
    assert_string_equal(notes.data ? notes.data : "", expected);
    access_rules_free(rules);
    config_free(config);
}

#define ACL "[access]\nenable-acl = yes\n" /* 2 lines */

static void test_what_is_odd_is_told_and_what_is_not_is_not(void **state)
{
    (void)state;
    expect_notes("", "");
    expect_notes(
        "[user bob]\nrule = write guest:*\n",
        "1: the access rules are not in force: enable-acl = no, every member of the group may do all\n");
    expect_notes(
        ACL, "0: enable-acl = yes, and no [user NAME] or [group NAME]: only root and hacluster may ask\n");
    expect_notes(
        ACL "[user bob]\nrule = write guest:web1\nrule = deny guest:*\nrule = read what:operations,status\n",
        "");
    expect_notes(ACL "[user carol]\nrule = read guest:*\n",
                 "3: there is no user carol on this machine: [user carol] applies to nobody\n");
    expect_notes(ACL "[group ghosts]\nrule = read guest:*\n",
                 "3: there is no group ghosts on this machine: [group ghosts] applies to nobody\n");
    expect_notes(ACL "[role r]\nrule = read guest:*\n[user bob]\nrule = read guest:*\n",
                 "3: nobody has the role r\n");
    expect_notes(ACL "[user root]\nrule = read guest:*\n",
                 "3: root may do all: the rules of [user root] are never asked\n");
    expect_notes(ACL "[user hacluster]\nrule = read guest:*\n",
                 "3: hacluster may do all: the rules of [user hacluster] are never asked\n");
    expect_notes(ACL "[user bob]\nrule = read guest:* what:status\n",
                 "4: \"read guest:* what:status\" can never match: such requests are about no guest\n");
    expect_notes(ACL "[user bob]\nrule = read pool:nosuch\n",
                 "4: \"read pool:nosuch\" can never match: no pool = nosuch in [proxmox]\n");
    expect_notes(ACL "[user bob]\nrule = read tag:dev\n",
                 "4: \"read tag:dev\" matches nothing now: no guest of the pool has a tag dev\n");
    expect_notes(ACL "[user bob]\nrule = read guest:mail*\n",
                 "4: \"read guest:mail*\" matches nothing now: no guest of the pool is mail*\n");
    expect_notes(ACL "[user bob]\nrule = read tag:prod pool:n* guest:DB1\n", "");
}

static void expect_hidden(const char *early, const char *late, bool hidden)
{
    _cleanup_(text_clear) struct text sections = {0}, expected = {0};

    text_printf(&sections, ACL "[user bob]\nrule = %s\nrule = %s\n", early, late);
    if (hidden)
        text_printf(&expected, "5: \"%s\" can never match in [user bob]: line %d, \"%s\", comes first\n",
                    late, 4 + EVAL_HEAD_LINES, early);
    expect_notes(sections.data, expected.data ? expected.data : "");
}

static void test_a_rule_that_an_earlier_one_leaves_nothing_to_is_told(void **state)
{
    (void)state;
    expect_hidden("deny guest:*", "write guest:web1", true);
    expect_hidden("deny guest:*", "write pool:nfs", true);
    expect_hidden("deny guest:*", "read what:operations guest:*", false);
    expect_hidden("deny what:*", "read what:status", true);
    expect_hidden("read what:guests", "write guest:web1", true);
    expect_hidden("read guest:web*", "write guest:WEB1", true);
    expect_hidden("read guest:web*", "write guest:web1*", true);
    expect_hidden("read guest:web1*", "write guest:web*", false);
    expect_hidden("read guest:web?", "write guest:web1", true);
    expect_hidden("read guest:web1", "write guest:web1 pool:nfs", true);
    expect_hidden("read guest:web1 pool:nfs", "write guest:web1", false);
    expect_hidden("write guest:* action:reboot", "read guest:*", false); /* it denies off in another way */
    expect_hidden("write guest:* action:off,on,reboot,rehearse", "read guest:*", true);
    expect_hidden("deny guest:* action:off", "read guest:*", false);
    expect_hidden("deny guest:* action:off,on", "deny guest:web1 action:on", true);
    expect_hidden("deny guest:* action:off", "deny guest:web1 action:on", false);
    expect_hidden("read tag:prod", "write tag:prod guest:db1", true);
    expect_hidden("read pool:*", "write guest:db1", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_table_holds),
        cmocka_unit_test(test_what_is_no_rule_is_an_error_with_its_line),
        cmocka_unit_test(test_a_role_that_is_not_there_is_an_error),
        cmocka_unit_test(test_three_roles_are_there_without_being_written),
        cmocka_unit_test(test_rules_that_are_not_in_force_are_read_all_the_same),
        cmocka_unit_test(test_nothing_is_allowed_while_a_name_is_open),
        cmocka_unit_test(test_what_is_odd_is_told_and_what_is_not_is_not),
        cmocka_unit_test(test_a_rule_that_an_earlier_one_leaves_nothing_to_is_told),
    };

    return cmocka_run_group_tests_name("access_rules", tests, NULL, NULL);
}
