/* What the doctor reads of Pacemaker: XML, the CIB, the host map. Its judgement is tried end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/cib.h"
#include "admin/hosts.h"
#include "admin/levels.h"
#include "admin/tool.h"
#include "system/cleanup.h"

/* ---- what is XML ---- */

/* Is it taken, and with so many nodes? */
static int nodes_of(const char *document, size_t length)
{
    struct failure failure = {0};
    struct cib cib;
    int nodes = -1;

    if (cib_read(&cib, document, length, &failure) == 0) {
        nodes = (int)cib.node_count;
        cib_clear(&cib);
    } else {
        assert_string_equal(failure.cause, "cibadmin's answer is not the XML of a CIB");
    }
    failure_clear(&failure);
    return nodes;
}

static void test_values_are_what_they_say(void **state)
{
    static const char document[] = "<?xml version=\"1.0\"?>\n<!-- <node uname='x'/> -->\n"
                                   "<nodes a='>'>text<![CDATA[<node uname='y'/>]]>"
                                   "<node\nuname = '&lt;&amp;&quot;&apos;&gt;&#65;&#xe9;'/></nodes>\n";
    struct failure failure = {0};
    struct cib cib;

    (void)state;
    assert_int_equal(cib_read(&cib, document, strlen(document), &failure), 0);
    assert_int_equal(cib.node_count, 1);
    assert_string_equal(cib.nodes[0].name, "<&\"'>A\xc3\xa9");
    cib_clear(&cib);
}

static void test_what_does_not_nest_or_ends_early_is_refused(void **state)
{
    static const char *const documents[] = {"",
                                            "  ",
                                            "words",
                                            "<a>",
                                            "<a",
                                            "<a x",
                                            "<a x=",
                                            "<a x=\"",
                                            "<a x=1/>",
                                            "<a x=\"<\"/>",
                                            "<a></b>",
                                            "</a>",
                                            "<a/><b/>",
                                            "<a/>words",
                                            "<a><b></a>",
                                            "<a x=\"&b;\"/>",
                                            "<a>&b;</a>",
                                            "<a x=\"&#0;\"/>",
                                            "<a x=\"&#x110000;\"/>",
                                            "<a x=\"\xff\"/>",
                                            "<!-- ",
                                            "<a><!-- </a>",
                                            "<>",
                                            "< a/>",
                                            "<a/ >",
                                            "<a x=\"&#99999999999;\"/>"};
    static const char whole[] = "<?xml version='1.0'?><a x=\"&#65;\"><!--c--><node uname='2'/><c></c></a>";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
        if (nodes_of(documents[i], strlen(documents[i])) >= 0)
            fail_msg("taken for XML: %s", documents[i]);
    }
    assert_int_equal(nodes_of("<a/>\0<b/>", 9), -1);
    for (size_t length = 0; length < strlen(whole); length++)
        assert_int_equal(nodes_of(whole, length), -1);
    assert_int_equal(nodes_of(whole, strlen(whole)), 1);
}

/* Neither a file nor a bomb: what would define entities ends the reading. */
static void test_entities_are_none(void **state)
{
    static const char *const documents[] = {
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b 'n1'>]><a><node uname='&b;'/></a>",
        "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/hostname'>]><a>&b;<node uname='n1'/></a>",
        "<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/a.dtd'><a><node uname='n1'/></a>",
        "<!DOCTYPE a [<!ENTITY % b SYSTEM 'file:///dev/zero'> %b;]><a/>",
        "<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>"
        "<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'><!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'>"
        "<!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'><!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;'>]>"
        "<a><node uname='&g;'/>&g;</a>"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
        if (nodes_of(documents[i], strlen(documents[i])) >= 0)
            fail_msg("taken: %s", documents[i]);
    }
}

static void test_depth_is_bounded(void **state)
{
    enum { DEEP = 1000 };
    char document[7 * DEEP + 1];

    (void)state;
    for (size_t i = 0; i < DEEP; i++) {
        memcpy(document + 3 * i, "<a>", 3);
        memcpy(document + 3 * DEEP + 4 * i, "</a>", 4);
    }
    assert_int_equal(nodes_of(document, 7 * DEEP), -1);
    assert_int_equal(nodes_of(document + 3 * (DEEP - 100), 7 * 100), 0);
}

/* ---- the CIB ---- */

static void read_cib(struct cib *cib, const char *text)
{
    struct failure failure = {0};

    assert_int_equal(cib_read(cib, text, strlen(text), &failure), 0);
}

static void test_devices_nodes_and_properties_are_found(void **state)
{
    struct cib cib;

    (void)state;
    read_cib(
        &cib,
        "<configuration><crm_config><cluster_property_set id='o'><nvpair id='1' name='stonith-timeout' "
        "value='2min'/></cluster_property_set></crm_config>"
        "<nodes><node id='1' uname='n1'/><node id='2' uname='n2' type='member'><instance_attributes id='s'>"
        "<nvpair id='x' name='standby' value='on'/></instance_attributes></node>"
        "<node id='r1' type='remote' uname='r1'/></nodes>"
        "<resources><template id='t' class='stonith' type='fence_broker'><instance_attributes id='ti'>"
        "<nvpair id='3' name='pcmk_off_timeout' value='90s'/><nvpair id='4' name='pcmk_delay_max' value='9'/>"
        "</instance_attributes></template>"
        "<group id='g'><primitive id='d' template='t'><operations><op id='m' name='monitor'>"
        "<instance_attributes id='mi'><nvpair id='5' name='pcmk_off_timeout' value='1s'/>"
        "</instance_attributes></op></operations><instance_attributes id='di'>"
        "<nvpair id='6' name='pcmk_delay_max' value='5'/></instance_attributes><meta_attributes id='dm'>"
        "<nvpair id='7' name='target-role' value='Stopped'/></meta_attributes></primitive></group>"
        "<primitive id='r2' class='ocf' provider='pacemaker' type='remote'/>"
        "<primitive id='ipmi' class='stonith' type='fence_ipmilan'/></resources></configuration>");
    assert_string_equal(cib_property(&cib, "stonith-timeout"), "2min");
    assert_null(cib_property(&cib, "standby"));
    assert_int_equal(cib.node_count, 4);
    assert_int_equal(cib_members(&cib), 2);
    assert_non_null(cib_node(&cib, "N2"));
    assert_true(cib_node(&cib, "r2")->remote);
    const struct cib_device *device = NULL;
    size_t ours = 0, others = 0;
    for (size_t i = 0; i < cib.device_count; i++) {
        bool mine = strcmp(cib.devices[i].agent, "fence_broker") == 0;

        device = mine ? &cib.devices[i] : device;
        ours += mine;
        others += !mine;
    }
    assert_int_equal(ours, 1);
    assert_int_equal(others, 1);
    assert_string_equal(device->id, "d");
    assert_string_equal(cib_parameter(device, "pcmk_off_timeout"), "90s"); /* not the operation's */
    assert_string_equal(cib_parameter(device, "pcmk_delay_max"), "5");
    assert_string_equal(cib_meta(device, "target-role"), "Stopped");
    cib_clear(&cib);
}

/* Of sets with scores, of references and rules: what Pacemaker takes. */
static void test_the_value_in_force_is_found(void **state)
{
    struct cib cib;

    (void)state;
    read_cib(&cib,
             "<configuration><crm_config>"
             "<cluster_property_set id='late' score='900'><nvpair id='p1' name='stonith-timeout' value='1s'/>"
             "</cluster_property_set><cluster_property_set id='cib-bootstrap-options'>"
             "<nvpair id='p2' name='stonith-timeout' value='2s'/></cluster_property_set>"
             "<cluster_property_set id='night'><rule id='r1'/><nvpair id='p3' name='stonith-enabled' "
             "value='false'/></cluster_property_set></crm_config><resources>"
             "<primitive id='d' class='stonith' type='fence_broker'>"
             "<instance_attributes id='i1'><nvpair id='a1' name='pcmk_off_timeout' value='10s'/>"
             "<nvpair id='a2' name='plug-separator' value='+'/></instance_attributes>"
             "<instance_attributes id='i2' score='5'><nvpair id='a3' name='pcmk_off_timeout' value='300s'/>"
             "</instance_attributes><instance_attributes id='i3'><rule id='r2'/>"
             "<nvpair id='a4' name='pcmk_delay_max' value='9s'/></instance_attributes></primitive>"
             "<primitive id='e' class='stonith' type='fence_broker'><instance_attributes id-ref='i2'/>"
             "</primitive></resources>"
             "<rsc_defaults><meta_attributes id='m'><nvpair id='m1' name='target-role' value='Stopped'/>"
             "</meta_attributes></rsc_defaults></configuration>");
    assert_string_equal(cib_property(&cib, "stonith-timeout"), "2s");
    assert_null(cib_property(&cib, "stonith-enabled"));
    assert_int_equal(cib.property_rules.count, 1);
    assert_int_equal(cib.device_count, 2);
    assert_string_equal(cib_parameter(&cib.devices[0], "pcmk_off_timeout"), "300s");
    assert_string_equal(cib_parameter(&cib.devices[0], "plug_separator"), "+");
    assert_null(cib_parameter(&cib.devices[0], "pcmk_delay_max"));
    assert_int_equal(cib.devices[0].rules.count, 1);
    assert_true(cib.devices[0].disagree && !cib.devices[0].equal);
    assert_string_equal(cib_parameter(&cib.devices[1], "pcmk_off_timeout"), "300s");
    assert_string_equal(cib_meta(&cib.devices[1], "target-role"), "Stopped");
    cib_clear(&cib);
}

/* As no schema of Pacemaker's has it. */
static void test_resources_within_parameters_do_no_harm(void **state)
{
    char text[8192] = "<resources><primitive id='d' class='stonith' type='x'><instance_attributes id='i'>"
                      "<nvpair name='a' value='1'/>";
    struct cib cib;

    (void)state;
    for (int i = 0; i < 40; i++)
        sprintf(text + strlen(text), "<primitive id='p%d' class='stonith' type='x'/>", i);
    strcat(text, "<nvpair name='b' value='2'/></instance_attributes></primitive></resources>");
    read_cib(&cib, text);
    assert_int_equal(cib.device_count, 41);
    assert_string_equal(cib_parameter(&cib.devices[0], "a"), "1");
    assert_string_equal(cib_parameter(&cib.devices[0], "b"), "2");
    cib_clear(&cib);
}

static void test_values_mean_what_pacemaker_makes_of_them(void **state)
{
    (void)state;
    assert_int_equal(cib_milliseconds("60"), 60000);
    assert_int_equal(cib_milliseconds(" 60 s"), 60000);
    assert_int_equal(cib_milliseconds("2min"), 120000);
    assert_int_equal(cib_milliseconds("500ms"), 500);
    assert_int_equal(cib_milliseconds("1h"), 3600000);
    assert_int_equal(cib_milliseconds("a:5s;b:0s"), -1);
    assert_int_equal(cib_milliseconds("-5"), -1);
    assert_int_equal(cib_milliseconds(""), -1);
    assert_int_equal(cib_milliseconds(NULL), -1);
    assert_int_equal(cib_milliseconds("99999999999999999999"), -1);
    assert_true(cib_is_true("Yes") && cib_is_true("1") && cib_is_true("ON"));
    assert_false(cib_is_true("false") || cib_is_true("") || cib_is_true(NULL) || cib_is_true("10"));
}

/* ---- the host map ---- */

/* A device of ours with these parameters: "name value" in turn, NULL at the end. */
static struct hosts read_device(struct cib *cib, const char *version, const char *const *parameters)
{
    char text[4096] = "<configuration><cluster_property_set>";

    if (version)
        sprintf(text + strlen(text), "<nvpair name='dc-version' value='%s'/>", version);
    strcat(text, "</cluster_property_set><primitive id='d' class='stonith' type='fence_broker'>"
                 "<instance_attributes>");
    for (; *parameters; parameters += 2)
        sprintf(text + strlen(text), "<nvpair name='%s' value='%s'/>", parameters[0], parameters[1]);
    strcat(text, "</instance_attributes></primitive></configuration>");
    read_cib(cib, text);
    return *hosts_of(cib, &cib->devices[0]);
}

static void expect_plug(const struct hosts *hosts, const char *node, const char *plug, const char *source)
{
    const char *said = "";

    assert_string_equal(hosts_plug(hosts, node, &said), plug);
    assert_string_equal(said ? said : "", source);
}

static void test_map_and_list_are_read_as_pacemaker_does(void **state)
{
    static const char *const parameters[] = {"pcmk_host_map", " n1:100;;N2=102,103 n3: n4:104 N1:101 ",
                                             "pcmk_host_list", "n1 n5,n6", NULL};
    struct cib cib;
    struct hosts hosts;

    (void)state;
    hosts = read_device(&cib, NULL, parameters);
    assert_int_equal(hosts.check, HOST_CHECK_STATIC);
    assert_true(hosts_name(&hosts, "n1") && hosts_name(&hosts, "n2") && hosts_name(&hosts, "n6"));
    assert_false(hosts_name(&hosts, "n3") || hosts_name(&hosts, "n7"));
    assert_false(hosts.commas || hosts.backslashes);
    expect_plug(&hosts, "n1", "101", "pcmk_host_map"); /* the last one counts */
    expect_plug(&hosts, "n2", "102,103", "pcmk_host_map");
    expect_plug(&hosts, "n5", "n5", "");
    assert_string_equal(hosts_separator(&hosts), ",");
    cib_clear(&cib);
}

static void test_commas_between_nodes_and_backslashes_are_found_in_the_map(void **state)
{
    static const struct {
        const char *map, *first, *second;
        bool commas, backslashes;
    } cases[] = {
        {"n1:101;n2:102", "101", "102", false, false},
        {"n1:101,102;n2:103", "101,102", "103", false, false},
        {"n1:101,n2:102", "101", "102", true, false},
        {"n1=101,103,n2=102", "101,103", "102", true, false},
        {"n1:101, n2:102", "101", "102", true, false},
        {"n1:vm\\1;n2:102", "vm1", "102", false, true},
        {"n1:1\\;2;n2:102", "1;2", "102", false, true},
        {"n1:1\\:2 n2:102", "1:2", "102", false, true},
        {"x:n1:101;n2:102", "101", "102", false, false},
        {"n1:101;n2:102\\", "101", "102", false, false},
    };
    struct cib cib;
    struct hosts hosts;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const parameters[] = {"pcmk_host_map", cases[i].map, NULL};

        hosts = read_device(&cib, NULL, parameters);
        expect_plug(&hosts, "n1", cases[i].first, "pcmk_host_map");
        expect_plug(&hosts, "n2", cases[i].second, "pcmk_host_map");
        assert_int_equal(hosts.count, 2);
        assert_int_equal(hosts.commas, cases[i].commas);
        assert_int_equal(hosts.backslashes, cases[i].backslashes);
        cib_clear(&cib);
    }
}

/* What Pacemaker passes on (make_args() of its st_actions.c), and the agent's order: plug, port, nodename. */
static void test_the_plug_is_what_the_agent_gets_in_the_end(void **state)
{
#define MAP "pcmk_host_map", "n1:101"
    static const struct {
        const char *version, *parameters[9], *plug, *source;
        bool known;
    } cases[] = {
        {NULL, {"port", "102"}, "102", "port", true},
        {"2.1.5-a3f44794f94", {"port", "102", MAP}, "102", "port", true},
        {"3.0.0", {"port", "102"}, "102", "port", true},
        {"3.0.1-2.el10", {"port", "102"}, "n1", "", true},
        {"3.1.0", {"port", "102", MAP}, "101", "pcmk_host_map", true},
        {NULL, {"plug", "102", MAP}, "102", "plug", true},
        {"3.0.1", {"plug", "102", MAP}, "102", "plug", true},
        {NULL, {"plug", "", MAP}, "101", "pcmk_host_map", true},
        {NULL, {"plug", "102", "port", "103"}, "102", "plug", true},
        {NULL, {"nodename", "102"}, "n1", "", true}, /* port=n1 comes before it */
        {NULL, {"pcmk_host_argument", "plug", "port", "102"}, "n1", "", true},
        {NULL, {"pcmk_host_argument", "nodename", MAP}, "101", "pcmk_host_map", true},
        {NULL, {"pcmk_host_argument", "none", MAP}, "n1", "", true},
        {NULL, {"pcmk_host_argument", "vmid", MAP}, "n1", "", false},
        {NULL, {"pcmk_host_argument", "vmid", "nodename", "102", MAP}, "102", "nodename", false},
    };
    struct cib cib;
    struct hosts hosts;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        hosts = read_device(&cib, cases[i].version, cases[i].parameters);
        expect_plug(&hosts, "n1", cases[i].plug, cases[i].source);
        assert_int_equal(hosts_argument_known(&hosts), cases[i].known);
        cib_clear(&cib);
    }
}

static void test_without_map_and_list_the_agent_is_asked(void **state)
{
    static const char *const parameters[] = {NULL};
    struct cib cib;
    struct hosts hosts;

    (void)state;
    hosts = read_device(&cib, NULL, parameters);
    assert_int_equal(hosts.check, HOST_CHECK_DYNAMIC);
    expect_plug(&hosts, "n1", "n1", "");
    cib_clear(&cib);
}

/* 10 MB of them, as no cluster has: refused at once, and not compared with each other. */
static void test_a_cib_of_too_many_nodes_is_refused(void **state)
{
    enum { COUNT = 200000, ROOM = 64 };
    struct cib cib;
    struct failure failure = {0};
    size_t length = 0;
    char *text = malloc((size_t)COUNT * ROOM);

    (void)state;
    length += (size_t)sprintf(text, "<nodes>");
    for (int i = 0; i < COUNT; i++)
        length += (size_t)sprintf(text + length, "<node uname='a-node-with-a-long-name-%d'/>", i);
    length += (size_t)sprintf(text + length, "</nodes>");
    assert_int_equal(cib_read(&cib, text, length, &failure), -1);
    assert_non_null(strstr(failure.cause, "more than 1024 nodes"));
    failure_clear(&failure);
    free(text);
}

/* ---- the names of the properties of fencing ---- */

#define PROPERTY(name, value) "<nvpair name='" name "' value='" value "'/>"
#define BOTH                  PROPERTY("stonith-timeout", "10s") PROPERTY("fencing-timeout", "20s")

static void test_the_names_that_the_version_knows_count(void **state)
{
    static const struct {
        const char *properties, *value, *name, *written, *unknown;
    } cases[] = {
        {"", NULL, "stonith-timeout", "stonith-timeout", NULL},
        {BOTH, "20s", "fencing-timeout", "stonith-timeout", NULL},
        {PROPERTY("fencing-timeout", "20s"), "20s", "fencing-timeout", "stonith-timeout", NULL},
        {PROPERTY("dc-version", "2.1.5-a3f44794f94") BOTH, "10s", "stonith-timeout", "stonith-timeout",
         "20s"},
        {PROPERTY("dc-version", "3.0.1-1") PROPERTY("fencing-timeout", "20s"), NULL, "stonith-timeout",
         "stonith-timeout", "20s"},
        {PROPERTY("dc-version", "3.0.2-1") BOTH, "20s", "fencing-timeout", "fencing-timeout", NULL},
        {PROPERTY("dc-version", "3.1.0") PROPERTY("stonith-timeout", "10s"), "10s", "stonith-timeout",
         "fencing-timeout", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cib cib = {.nodes = NULL};
        const char *name;
        char *text = NULL;
        assert_true(asprintf(&text,
                             "<cib><configuration><crm_config><cluster_property_set id='o'>%s"
                             "</cluster_property_set></crm_config></configuration></cib>",
                             cases[i].properties) > 0);
        read_cib(&cib, text);
        const char *value = cib_fencing(&cib, CIB_FENCING_TIMEOUT, &name);
        assert_string_equal(value ? value : "none", cases[i].value ? cases[i].value : "none");
        assert_string_equal(name, cases[i].name);
        assert_string_equal(cib_fencing_name(&cib, CIB_FENCING_TIMEOUT), cases[i].written);
        value = cib_fencing_unknown(&cib, CIB_FENCING_TIMEOUT, &name);
        assert_string_equal(value ? value : "none", cases[i].unknown ? cases[i].unknown : "none");
        cib_clear(&cib);
        free(text);
    }
}

/* ---- levels ---- */

#define BROKER "<primitive id='b' class='stonith' type='fence_broker'/>"
#define WATCHDOG                                                                                             \
    "<nvpair name='have-watchdog' value='true'/><nvpair name='stonith-watchdog-timeout' value='10s'/>"
#define OTHER(agent, more)                                                                                   \
    "<primitive id='o' class='stonith' type='" agent "'><instance_attributes><nvpair name='pcmk_host_list' " \
    "value='n1 n2'/></instance_attributes>" more "</primitive>"
#define STOPPED                        "<meta_attributes><nvpair name='target-role' value='Stopped'/></meta_attributes>"
#define LEVEL(target, number, devices) "<fencing-level " target " index='" number "' devices='" devices "'/>"

/* A host has died: would anything but the broker fence the node? */
static void test_another_level_helps_if_it_asks_neither_proxmox_nor_the_node(void **state)
{
    static const struct {
        const char *properties, *resources, *levels, *node;
        bool help;
    } cases[] = {
        /* without levels: all devices that are for the node */
        {"", BROKER, "", "n1", false},
        {"", BROKER OTHER("fence_ipmilan", ""), "", "n1", true},
        {"", BROKER OTHER("fence_ipmilan", ""), "", "n3", false},
        {"", BROKER OTHER("fence_ipmilan", STOPPED), "", "n1", false},
        {"", BROKER OTHER("fence_pve", ""), "", "n1", false},
        {"", BROKER OTHER("fence_kdump", ""), "", "n1", false},
        {WATCHDOG, BROKER, "", "n1", true},
        {"<nvpair name='stonith-watchdog-timeout' value='10s'/>", BROKER, "", "n1", false},
        {"<nvpair name='have-watchdog' value='true'/>", BROKER, "", "n1", false},
        {"<nvpair name='have-watchdog' value='true'/><nvpair name='fencing-watchdog-timeout' value='-1'/>",
         BROKER, "", "n1", true},
        {"<nvpair name='have-watchdog' value='true'/><nvpair name='stonith-watchdog-timeout' value='0'/>",
         BROKER, "", "n1", false},
        {WATCHDOG,
         BROKER "<primitive id='watchdog' class='stonith' type='fence_watchdog'><instance_attributes><nvpair "
                "name='pcmk_host_list' value='n2'/></instance_attributes></primitive>",
         "", "n1", false},
        /* with levels: these alone, and each device of one has to succeed */
        {WATCHDOG, BROKER, LEVEL("target='n1'", "1", "b"), "n1", false},
        {WATCHDOG, BROKER, LEVEL("target='n1'", "1", "b"), "n2", true},
        {WATCHDOG, BROKER, LEVEL("target='n1'", "1", "b") LEVEL("target='n1'", "2", "watchdog"), "N1", true},
        {"", BROKER, LEVEL("target='n1'", "1", "b") LEVEL("target='n1'", "2", "watchdog"), "n1", false},
        {"", BROKER OTHER("fence_ipmilan", ""), LEVEL("target='n1'", "1", "b"), "n1", false},
        {"", BROKER OTHER("fence_ipmilan", ""), LEVEL("target='n1'", "1", "b,o"), "n1", false},
        {"", BROKER OTHER("fence_ipmilan", ""), LEVEL("target='n1'", "1", "o") LEVEL("target='n1'", "2", "b"),
         "n1", true},
        {"", BROKER OTHER("fence_ipmilan", ""), LEVEL("target='n1'", "1", "b") LEVEL("target='n1'", "1", "o"),
         "n1", false},
        {"", BROKER OTHER("fence_ipmilan", ""), LEVEL("target='n3'", "1", "b") LEVEL("target='n3'", "2", "o"),
         "n3", false},
        {"", BROKER OTHER("fence_ipmilan", STOPPED),
         LEVEL("target='n1'", "1", "b") LEVEL("target='n1'", "2", "o"), "n1", false},
        {"", BROKER, LEVEL("target='n1'", "1", "b") LEVEL("target='n1'", "2", "nobody"), "n1", false},
        /* by pattern and attribute; the name comes first, and of several others each has to do */
        {WATCHDOG, BROKER, LEVEL("target-pattern='^n[12]$'", "1", "b"), "n1", false},
        {WATCHDOG, BROKER, LEVEL("target-pattern='^n[12]$'", "1", "watchdog"), "n1", true},
        {WATCHDOG, BROKER, LEVEL("target-pattern='^n[12]$'", "1", "watchdog") LEVEL("target='n1'", "1", "b"),
         "n1", false},
        {WATCHDOG, BROKER, LEVEL("target-attribute='rack' target-value='1'", "1", "b"), "n1", false},
        {WATCHDOG, BROKER, LEVEL("target-attribute='rack' target-value='2'", "1", "b"), "n1", true},
        {WATCHDOG, BROKER,
         LEVEL("target-pattern='n.'", "1", "watchdog")
             LEVEL("target-attribute='rack' target-value='1'", "1", "b"),
         "n1", false},
    };
    char text[4096];
    struct cib cib;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(text, sizeof(text),
                 "<configuration><crm_config><cluster_property_set>%s</cluster_property_set></crm_config>"
                 "<nodes><node uname='n1'><instance_attributes><nvpair name='rack' value='1'/>"
                 "</instance_attributes></node><node uname='n2'/></nodes><resources>%s</resources>"
                 "<fencing-topology>%s</fencing-topology></configuration>",
                 cases[i].properties, cases[i].resources, cases[i].levels);
        read_cib(&cib, text);
        if (levels_of(&cib, cases[i].node).help != cases[i].help)
            fail_msg("case %zu of %zu", i, ARRAY_LEN(cases));
        cib_clear(&cib);
    }
}

/* ---- programs ---- */

static int run_shell(const char *script, int64_t wait_ms, size_t most, struct text *answer,
                     struct failure *failure)
{
    return tool_run(TOOL_LIST("/bin/sh", "-c", script), wait_ms, most, answer, "look at it", failure);
}

static void test_a_program_is_read_whole_and_its_failure_is_its_own_word(void **state)
{
    _cleanup_(text_clear) struct text answer = {0}, none = {0};
    struct failure failure = {0};

    (void)state;
    assert_int_equal(run_shell("echo out; echo err >&2; cat", 60000, 1000, &answer, &failure), 0);
    assert_string_equal(answer.data, "out\n"); /* nothing is on its stdin */
    assert_int_equal(run_shell("echo out; echo err >&2; echo more >&2; exit 3", 60000, 1000, &none, &failure),
                     -1);
    assert_string_equal(failure.cause, "/bin/sh: err");
    assert_string_equal(failure.hint, "look at it");
    failure_clear(&failure);
}

static void test_a_program_keeps_to_its_bounds(void **state)
{
    static const char *const cases[][2] = {{"exec sleep 300", "did not end"},
                                           {"head -c 100000 /dev/zero", "printed more"},
                                           {"kill -s KILL $$", "was killed"}};
    struct failure failure = {0};
    struct text answer = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(run_shell(cases[i][0], i ? 60000 : 100, 1000, &answer, &failure), -1);
        assert_non_null(strstr(failure.cause, cases[i][1]));
        text_clear(&answer);
    }
    assert_int_equal(tool_run(TOOL_LIST("no-such-program-anywhere"), 100, 1000, &answer, NULL, &failure), -1);
    assert_non_null(strstr(failure.cause, "is not installed"));
    failure_clear(&failure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_what_they_say),
        cmocka_unit_test(test_what_does_not_nest_or_ends_early_is_refused),
        cmocka_unit_test(test_entities_are_none),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_devices_nodes_and_properties_are_found),
        cmocka_unit_test(test_the_value_in_force_is_found),
        cmocka_unit_test(test_resources_within_parameters_do_no_harm),
        cmocka_unit_test(test_values_mean_what_pacemaker_makes_of_them),
        cmocka_unit_test(test_map_and_list_are_read_as_pacemaker_does),
        cmocka_unit_test(test_commas_between_nodes_and_backslashes_are_found_in_the_map),
        cmocka_unit_test(test_the_plug_is_what_the_agent_gets_in_the_end),
        cmocka_unit_test(test_without_map_and_list_the_agent_is_asked),
        cmocka_unit_test(test_a_cib_of_too_many_nodes_is_refused),
        cmocka_unit_test(test_the_names_that_the_version_knows_count),
        cmocka_unit_test(test_another_level_helps_if_it_asks_neither_proxmox_nor_the_node),
        cmocka_unit_test(test_a_program_is_read_whole_and_its_failure_is_its_own_word),
        cmocka_unit_test(test_a_program_keeps_to_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
