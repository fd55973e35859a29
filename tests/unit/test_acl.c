/*
 * The access rules of a CIB as the broker's: held against what real Pacemaker let each user do to each node
 * (tests/data/cib/acl-*.jsonl.gz). What is printed is read by our own reader and asked of our own rules:
 * power only where Pacemaker lets the user write the node's attribute standby, looking only where a query
 * shows the node; where it is less, that is told. And what nobody should be able to do with such a document.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "admin/acl.h"
#include "admin/acl_private.h"
#include "policy/access.h"
#include "system/cleanup.h"
#include "system/config.h"
#include "system/json.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UID_FIRST  5000
#define GID_FIRST  7000
#define GID_MEMBER 6999 /* haclient */
#define MINIMAL    "[proxmox]\nendpoint = pve1\ntoken-id = fence@pve!broker\nsecret-file = /s\npool = p\n"

struct figures {
    size_t cells, agreeing, told, untold, wider;
};

/* ---- users and groups ---- */

static int index_in(struct json_object *array, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(array); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(array, i)), name) == 0)
            return (int)i;
    return -1;
}

/* Of all groups, those of members first. */
static struct json_object *group_names(struct json_object *test)
{
    struct json_object *names = json_object_new_array(), *groups = NULL, *primary = NULL;
    if (json_get_object(test, "groups", &groups)) {
        json_object_object_foreach(groups, name, members)
        {
            (void)members;
            json_object_array_add(names, json_object_new_string(name));
        }
    }
    if (json_get_object(test, "primary", &primary)) {
        json_object_object_foreach(primary, user, group)
        {
            (void)user;
            if (index_in(names, json_object_get_string(group)) < 0)
                json_object_array_add(names, json_object_get(group));
        }
    }
    return names;
}

static struct json_object *members_of(struct json_object *test, const char *group)
{
    struct json_object *groups = NULL, *members = NULL;
    if (json_get_object(test, "groups", &groups))
        (void)json_object_object_get_ex(groups, group, &members);
    return members;
}

static const char *primary_of(struct json_object *test, const char *user)
{
    struct json_object *primary = NULL, *group = NULL;
    return json_get_object(test, "primary", &primary) && json_object_object_get_ex(primary, user, &group)
               ? json_object_get_string(group)
               : NULL;
}

static void put_people(struct json_object *test, struct json_object *users, struct json_object *names,
                       struct text *passwd, struct text *group)
{
    for (size_t i = 0; i < json_object_array_length(users); i++) {
        const char *user = json_object_get_string(json_object_array_get_idx(users, i));
        const char *own = primary_of(test, user);
        text_printf(passwd, "%s:x:%zu:%d::/:/bin/sh\n", user, UID_FIRST + i,
                    own ? GID_FIRST + index_in(names, own) : 100);
    }
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, i));
        struct json_object *members = members_of(test, name);
        text_printf(group, "%s:x:%zu:", name, GID_FIRST + i);
        for (size_t k = 0; members && k < json_object_array_length(members); k++)
            text_printf(group, "%s%s", k ? "," : "",
                        json_object_get_string(json_object_array_get_idx(members, k)));
        text_puts(group, "\n");
    }
}

/* ---- ours ---- */

static int translate(const char *cib, const char *passwd, const char *group, struct text *out)
{
    struct failure failure = {0};
    FILE *users = fmemopen((void *)(uintptr_t)passwd, strlen(passwd), "r");
    FILE *groups = fmemopen((void *)(uintptr_t)group, strlen(group), "r");
    int rc = acl_translate(cib, strlen(cib), users, groups, out, &failure);
    failure_clear(&failure);
    fclose(users);
    fclose(groups);
    return rc;
}

static struct access_rules *rules_of(const struct config *config, struct json_object *users,
                                     struct json_object *names)
{
    struct error error = {0};
    struct access_rules *rules = access_rules_new(config, &error);
    if (!rules)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < rules->user_count; i++) {
        int at = index_in(users, rules->users[i].config->name);
        access_rules_set_user(rules, i, at < 0 ? ACCESS_NAME_UNKNOWN : ACCESS_NAME_KNOWN,
                              (uid_t)(UID_FIRST + at));
    }
    for (size_t i = 0; i < rules->group_count; i++) {
        int at = index_in(names, rules->groups[i].config->name);
        bool all = strcmp(rules->groups[i].config->name, "haclient") == 0;
        access_rules_set_group(rules, i, at < 0 && !all ? ACCESS_NAME_UNKNOWN : ACCESS_NAME_KNOWN,
                               all ? GID_MEMBER : (gid_t)(GID_FIRST + at));
    }
    return rules;
}

static bool may(const struct access_policy *policy, const struct access_peer *peer, const char *node,
                bool power)
{
    const struct access_guest guest = {.name = node, .vmid = "101"};
    const struct access_question question = {power ? ACCESS_WRITE : ACCESS_READ, ACCESS_WHAT_GUESTS,
                                             power ? ACCESS_ACTION_OFF : ACCESS_ACTION_NONE, &guest};
    struct access_subject subject;
    access_subject_init(&subject, policy, peer);
    bool allowed = access_allows(access_decide(&subject, &question).verdict);
    access_subject_clear(&subject);
    return allowed;
}

static void make_peer(struct json_object *test, struct json_object *names, const char *user, int number,
                      struct access_peer *peer)
{
    const char *own = primary_of(test, user);
    *peer = (struct access_peer){.uid = (uid_t)(UID_FIRST + number),
                                 .gid = own ? (gid_t)(GID_FIRST + index_in(names, own)) : 100,
                                 .groups = calloc(json_object_array_length(names) + 1, sizeof(gid_t))};
    peer->groups[peer->group_count++] = GID_MEMBER;
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        struct json_object *members =
            members_of(test, json_object_get_string(json_object_array_get_idx(names, i)));
        if (members && index_in(members, user) >= 0)
            peer->groups[peer->group_count++] = (gid_t)(GID_FIRST + i);
    }
}

/* ---- the comparison ---- */

/* A line that says so names both. */
static bool is_told(const char *text, const char *user, const char *node)
{
    for (const char *line = strstr(text, "\n# - "); line; line = strstr(line + 1, "\n# - ")) {
        size_t length = strcspn(line + 1, "\n") + 1;
        _cleanup_(freep) char *copy = strndup(line, length);
        if (strstr(copy, "enable-acl differs") || (strstr(copy, user) && strstr(copy, node)))
            return true;
    }
    return false;
}

static void compare(struct figures *figures, bool ours, bool theirs, const char *text, const char *user,
                    const char *node)
{
    figures->cells++;
    if (ours == theirs)
        figures->agreeing++;
    else if (ours)
        figures->wider++;
    else if (is_told(text, user, node))
        figures->told++;
    else
        figures->untold++;
}

static void compare_truth(struct json_object *test, struct json_object *truth, struct json_object *users,
                          struct json_object *names, const struct access_policy *policy, const char *text,
                          struct figures *figures)
{
    json_object_object_foreach(truth, user, nodes)
    {
        struct access_peer peer;
        if (strcmp(user, "root") == 0 || strcmp(user, "hacluster") == 0)
            continue;
        make_peer(test, names, user, index_in(users, user), &peer);
        json_object_object_foreach(nodes, node, can)
        {
            bool write = false, read = false;
            assert_true(json_get_flag(can, "write_standby", &write));
            assert_true(json_get_flag(can, "read_node", &read));
            compare(figures, may(policy, &peer, node, true), write, text, user, node);
            compare(figures, may(policy, &peer, node, false), read, text, user, node);
        }
        access_peer_clear(&peer);
    }
}

static void run_case(struct json_object *test, const char *const *truths, struct figures *figures)
{
    struct json_object *users = NULL, *truth = NULL, *names = group_names(test);
    struct text passwd = {0}, group = {0}, text = {0};
    const char *cib = NULL;
    bool loadable = true;
    assert_true(json_get_array(test, "users", &users) && json_get_string(test, "cib", &cib));
    (void)json_get_flag(test, "loadable", &loadable);
    text_puts(&text, MINIMAL);
    text_puts(&group, "none:x:99:\n");
    put_people(test, users, names, &passwd, &group);
    int rc = translate(cib, passwd.data, group.data, &text);
    assert_int_equal(rc, loadable ? 0 : -1);
    if (rc == 0) {
        struct error error = {0};
        struct config *config = config_parse(text.data, text.length, "printed", &error);
        if (!config)
            fail_msg("%s in\n%s", error.message, text.data);
        struct access_rules *rules = rules_of(config, users, names);
        const struct access_policy policy = {
            .gate = {.group = GID_MEMBER, .hacluster = ACCESS_NOBODY, .overflow_uid = 65534},
            .enable_acl = config->enable_acl,
            .rules = rules};
        for (size_t i = 0; truths[i]; i++)
            if (json_get_object(test, truths[i], &truth))
                compare_truth(test, truth, users, names, &policy, text.data, figures);
        access_rules_free(rules);
        config_free(config);
    }
    text_clear(&passwd);
    text_clear(&group);
    text_clear(&text);
    json_object_put(names);
}

static struct figures run_cases(const char *path, const char *const *truths, size_t cases)
{
    char command[200], *line = NULL;
    size_t size = 0, count = 0;
    ssize_t length;
    struct figures figures = {0};
    snprintf(command, sizeof(command), "gzip -dcf '%s'", path);
    FILE *in = popen(command, "re");
    assert_non_null(in);
    while ((length = getline(&line, &size, in)) > 0) {
        struct json_object *test = json_tokener_parse(line);
        assert_non_null(test);
        run_case(test, truths, &figures);
        json_object_put(test);
        count++;
    }
    free(line);
    assert_int_equal(pclose(in), 0);
    if (cases)
        assert_int_equal(count, cases);
    print_message(
        "%s: %zu cases, %zu cells of user, node and right: %zu agree, %zu are narrower and told, %zu "
        "narrower and untold, %zu wider\n",
        path, count, figures.cells, figures.agreeing, figures.told, figures.untold, figures.wider);
    return figures;
}

static void test_todays_form_never_gives_more_than_pacemaker(void **state)
{
    (void)state;
    struct figures figures =
        run_cases("tests/data/cib/acl-cases.jsonl.gz", (const char *const[]){"truth", NULL}, 99);
    assert_int_equal(figures.wider, 0);
    assert_int_equal(figures.untold, 0);
    assert_true(figures.agreeing >= figures.cells / 20 * 19);
}

static void test_the_older_form_never_gives_more_before_or_after_its_upgrade(void **state)
{
    (void)state;
    struct figures figures = run_cases("tests/data/cib/acl-old.jsonl.gz",
                                       (const char *const[]){"truth_before", "truth_after", NULL}, 13);
    assert_int_equal(figures.wider, 0);
    assert_int_equal(figures.untold, 0);
    assert_true(figures.agreeing >= figures.cells / 20 * 19);
}

/* ---- what nobody should be able to do ---- */

#define CIB(config, nodes, acls)                                                                             \
    "<cib validate-with='pacemaker-3.9'><configuration><crm_config><cluster_property_set id='o'>"            \
    "<nvpair id='e' name='enable-acl' value='true'/>" config "</cluster_property_set></crm_config><nodes>"   \
    "<node id='1' uname='node1'/>" nodes "</nodes><resources/><constraints/><acls>" acls                     \
    "</acls></configuration><status/></cib>"
#define ROLE(id, permissions) "<acl_role id='" id "'>" permissions "</acl_role>"
#define MAY(id, kind, xpath)  "<acl_permission id='" id "' kind='" kind "' xpath=\"" xpath "\"/>"
#define TARGET(name, role)    "<acl_target id='" name "'><role id='" role "'/></acl_target>"

/* The text is that of the caller, to be freed. */
static char *printed(const char *cib)
{
    struct text out = {0};
    assert_int_equal(translate(cib, "bob:x:5000:100::/:/bin/sh\n", "ops:x:7000:bob\n", &out), 0);
    return out.data;
}

static void check(const char *cib, const char *const *has, const char *const *lacks)
{
    _cleanup_(freep) char *text = printed(cib);
    for (; *has; has++)
        if (!strstr(text, *has))
            fail_msg("there is no \"%s\" in\n%s", *has, text);
    for (; *lacks; lacks++)
        if (strstr(text, *lacks))
            fail_msg("there is \"%s\" in\n%s", *lacks, text);
}
#define HAS(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define LACKS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_an_expression_that_costs_too_much_gives_nothing_and_denies_everything(void **state)
{
    (void)state;
#define DEEP                                                                                                 \
    "//*[count(//*[count(//*[count(//*[count(//*[count(//*[count(//"                                         \
    "*)&gt;0])&gt;0])&gt;0])&gt;0])&gt;0])&gt;0]"
    check(CIB("", "", ROLE("w", MAY("w1", "write", DEEP)) TARGET("bob", "w")),
          HAS("w1 (in w)", "it gives nothing"), LACKS("[user bob]", "rule = write"));
    check(CIB("", "", ROLE("w", MAY("w1", "write", "/cib") MAY("d1", "deny", DEEP)) TARGET("bob", "w")),
          HAS("d1 (in w)", "taken to deny everything"), LACKS("rule = write", "rule = read"));
}

static void test_what_is_no_xpath_is_ignored_as_pacemaker_does(void **state)
{
    (void)state;
    check(CIB("", "",
              ROLE("w", MAY("w1", "write", "/cib") MAY("d1", "deny", "//node[")
                            MAY("d2", "deny", "nosuch(1)")) TARGET("bob", "w")),
          HAS("rule = write guest:node1", "d1 (in w): deny //node[ is no XPath",
              "d2 (in w): deny nosuch(1) is no XPath"),
          LACKS("(in x)"));
}

static void test_a_deny_that_crashes_pacemaker_is_only_a_deny(void **state)
{
    (void)state;
    check(CIB("",
              "<node id='2' uname='node2'><instance_attributes id='2'><nvpair id='2' name='standby' "
              "value='on'/>"
              "</instance_attributes></node>",
              ROLE("w", MAY("w1", "write", "/cib") MAY("d1", "deny", "//*[@id='2']")) TARGET("bob", "w")),
          HAS("rule = write guest:node1"), LACKS("guest:node2"));
}

static void test_names_that_a_rule_cannot_say_or_would_say_of_others_are_told(void **state)
{
    (void)state;
    check(CIB("",
              "<node id='2' uname='102'/><node id='3' uname='a b'/><node id='4' uname='w*[1]'/>"
              "<node id='5' uname='NODE1'/>",
              ROLE("w", MAY("w1", "write", "/cib") MAY("d1", "deny", "//node[@uname='NODE1']"))
                  TARGET("bob", "w")),
          HAS("guest:w\\*\\[1\\]", "node 102: no rule can name it", "node a b: no rule can name it"),
          LACKS("guest:102", "guest:a", "guest:node1", "guest:NODE1"));
    check(CIB("", "", ROLE("w", MAY("w1", "write", "/cib")) TARGET("bob]x", "w") TARGET("root", "w")),
          HAS("user bob]x: no section", "user root may do everything"), LACKS("[user", "rule ="));
    check(
        CIB("", "",
            ROLE("w", MAY("w1", "write", "/cib")) "<acl_group id='nobody-knows'><role id='w'/></acl_group>"),
        HAS("group nobody-knows: there is no such group here"), LACKS("[group", "rule ="));
}

static void test_secrets_in_an_expression_are_not_printed(void **state) /* P9 */
{
    (void)state;
    check(CIB("", "",
              ROLE("w", MAY("w1", "write", "//nvpair[@name='passwd' and @value='hunter2']")
                            MAY("w2", "read", "//nvpair[contains(@value,'hunter2')]")
                                MAY("w3", "read", "//nvpair[.=&quot;hunter2&quot;")) TARGET("bob", "w")),
          HAS("@name='passwd'", "@value='...'"), LACKS("hunter2"));
}

/* It would be seen as no attribute of the node by whoever looks before it is made. */
static void test_what_denies_before_standby_is_made_denies_after_it_too(void **state)
{
    (void)state;
    check(CIB("", "",
              ROLE("w", MAY("w1", "write", "/cib") MAY("d1", "deny", "//node[not(instance_attributes)]"))
                  TARGET("bob", "w")),
          HAS("[access]"), LACKS("rule = write"));
    check(CIB("", "",
              ROLE("w", MAY("w1", "write", "/cib") MAY("d1", "deny", "//*[@id='nodes-1-standby']"))
                  TARGET("bob", "w")),
          HAS("user bob: may write standby only in some ways"), LACKS("rule = write"));
    check(CIB("", "<node id='2' uname='node2'><instance_attributes id='s2'/></node>",
              ROLE("w", MAY("w1", "write", "/cib")
                            MAY("d1", "deny", "//instance_attributes[not(nvpair[@name='standby'])]"))
                  TARGET("bob", "w")),
          HAS("rule = write guest:node1", "rule = read what:guests,operations guest:node2"),
          LACKS("rule = write guest:node2"));
}

static void test_roles_in_circles_and_broken_documents_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "<cib/",
        "<a/>",
        CIB("", "", "</acls><acls>"),
        CIB("", "", ROLE("a", "<role id='b'/>") ROLE("b", "<role id='a'/>") TARGET("bob", "a")),
        "<!DOCTYPE cib [<!ENTITY a 'b'>]><cib/>"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct text out = {0};
        assert_int_equal(translate(texts[i], "x:x:1:1::/:/\n", "x:x:1:\n", &out), -1);
        text_clear(&out);
    }
}

/* test_acl FILE...: the tables of other such files */
static int compare_files(char *const *paths)
{
    size_t wrong = 0;
    for (; *paths; paths++) {
        struct figures figures =
            run_cases(*paths, (const char *const[]){"truth", "truth_before", "truth_after", NULL}, 0);
        wrong += figures.wider + figures.untold;
    }
    return wrong > 0;
}

/* It does not enforce that form: asked of Pacemaker 3.0, all cases of it. */
static void test_that_pacemaker_3_gives_nothing_by_the_older_form_is_told(void **state)
{
    static const char older[] = "of the older form (acl_user), by which Pacemaker 3 allows nobody anything";
    (void)state;
    check("<cib validate-with='pacemaker-1.2'><configuration><crm_config><cluster_property_set id='o'>"
          "<nvpair id='e' name='enable-acl' value='true'/></cluster_property_set></crm_config><nodes>"
          "<node id='1' uname='node1'/></nodes><resources/><constraints/><acls>"
          "<acl_user id='bob'><write id='w' xpath='/cib'/></acl_user></acls></configuration><status/></cib>",
          HAS("[user bob]", "rule = write guest:node1", older), LACKS("enable-acl differs"));
    check(CIB("", "", ROLE("w", MAY("w1", "write", "/cib")) TARGET("bob", "w")), HAS("[user bob]"),
          LACKS(older));
}

/* The answer to a query is remembered for whoever holds the same, in the same order, and for nobody else. */
static void test_whoever_holds_the_same_sees_the_same_and_others_do_not(void **state)
{
    (void)state;
    check(
        CIB("", "<node id='2' uname='node2'/>",
            ROLE("w", MAY("w1", "write", "/cib")) ROLE("d1", MAY("x1", "deny", "//node[@id='2']/@uname/.."))
                ROLE("d2",
                     MAY("x2", "deny",
                         "//node[@id='1']")) "<acl_target id='a'><role id='w'/><role id='d1'/></acl_target>"
                                             "<acl_target id='b'><role id='w'/><role id='d1'/></acl_target>"
                                             "<acl_target id='c'><role id='w'/><role id='d2'/></acl_target>"),
        HAS("[user a]\nrole = cib-1\n", "[user b]\nrole = cib-1\n", "[user c]\nrole = cib-2\n",
            "[role cib-1]\nrule = write guest:node1\n", "[role cib-2]\nrule = write guest:node2\n"),
        LACKS("cib-3"));
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return compare_files(argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_todays_form_never_gives_more_than_pacemaker),
        cmocka_unit_test(test_the_older_form_never_gives_more_before_or_after_its_upgrade),
        cmocka_unit_test(test_an_expression_that_costs_too_much_gives_nothing_and_denies_everything),
        cmocka_unit_test(test_what_is_no_xpath_is_ignored_as_pacemaker_does),
        cmocka_unit_test(test_a_deny_that_crashes_pacemaker_is_only_a_deny),
        cmocka_unit_test(test_names_that_a_rule_cannot_say_or_would_say_of_others_are_told),
        cmocka_unit_test(test_secrets_in_an_expression_are_not_printed),
        cmocka_unit_test(test_what_denies_before_standby_is_made_denies_after_it_too),
        cmocka_unit_test(test_that_pacemaker_3_gives_nothing_by_the_older_form_is_told),
        cmocka_unit_test(test_whoever_holds_the_same_sees_the_same_and_others_do_not),
        cmocka_unit_test(test_roles_in_circles_and_broken_documents_are_refused),
    };
    return cmocka_run_group_tests_name("acl", tests, NULL, NULL);
}
