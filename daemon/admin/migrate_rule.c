/* Rules in words: "when run by n1 and Mon-Fri 8-17h". They are said, not evaluated. */
#include "admin/migrate_private.h"

#include <libxml/tree.h>
#include <stdio.h>
#include <string.h>

#include "system/cleanup.h"

#define RULE_DEPTH_MAX 8
#define WORDS_MOST     2000 /* bytes of one rule; more is cut off */

static const char *or_blank(const char *text)
{
    return text ? text : "?";
}

/* "#uname" is the node that runs the agent. */
static void put_expression(struct text *out, const xmlNode *node)
{
    static const char *const signs[][2] = {{"eq", "="}, {"ne", "≠"},  {"lt", "<"},
                                           {"gt", ">"}, {"lte", "≤"}, {"gte", "≥"}};
    const char *attribute = or_blank(cib_get(node, "attribute"));
    const char *operation = or_blank(cib_get(node, "operation"));
    const char *value = cib_get(node, "value");
    if (strcmp(attribute, "#uname") == 0 && value && strcmp(operation, "eq") == 0) {
        text_printf(out, "when run by %s", value);
        return;
    }
    if (strcmp(attribute, "#uname") == 0 && value && strcmp(operation, "ne") == 0) {
        text_printf(out, "when not run by %s", value);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        if (strcmp(operation, signs[i][0]) == 0)
            operation = signs[i][1];
    text_printf(out, "when %s %s", attribute, operation);
    if (value)
        text_printf(out, " %s", value);
}

static const char *day(char digit)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    return digit >= '1' && digit <= '7' ? days[digit - '1'] : NULL;
}

static void put_weekdays(struct text *out, const char *days)
{
    for (; *days; days++) {
        char one[2] = {*days, '\0'};
        text_puts(out, day(*days) ? day(*days) : one);
    }
}

/* Days before hours, as people say it. */
static void put_spec(struct text *out, const xmlNode *spec)
{
    const char *weekdays = cib_get(spec, "weekdays"), *hours = cib_get(spec, "hours"), *gap = "";
    if (weekdays) {
        put_weekdays(out, weekdays);
        gap = " ";
    }
    for (const xmlAttr *attribute = spec->properties; attribute; attribute = attribute->next) {
        const char *name = (const char *)attribute->name;
        if (strcmp(name, "id") == 0 || strcmp(name, "weekdays") == 0 || strcmp(name, "hours") == 0)
            continue;
        text_printf(out, "%s%s %s", gap, name, or_blank(cib_get(spec, name)));
        gap = " ";
    }
    if (hours)
        text_printf(out, "%s%sh", gap, hours);
}

static void put_date(struct text *out, const xmlNode *node)
{
    const char *start = cib_get(node, "start"), *end = cib_get(node, "end");
    for (const xmlNode *child = node->children; child; child = child->next)
        if (cib_is(child, "date_spec"))
            put_spec(out, child);
    if (start)
        text_printf(out, "from %s", start);
    if (end)
        text_printf(out, "%still %s", start ? " " : "", end);
}

static void put_rule(struct text *out, const xmlNode *rule, unsigned depth)
{
    const char *how = cib_get(rule, "boolean-op"), *gap = "";
    if (depth > RULE_DEPTH_MAX)
        return;
    for (const xmlNode *node = rule->children; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        text_puts(out, gap);
        if (cib_is(node, "expression"))
            put_expression(out, node);
        else if (cib_is(node, "date_expression"))
            put_date(out, node);
        else if (cib_is(node, "rule")) {
            text_puts(out, "(");
            put_rule(out, node, depth + 1);
            text_puts(out, ")");
        } else
            text_puts(out, (const char *)node->name);
        gap = how && strcmp(how, "or") == 0 ? " or " : " and ";
    }
}

const char *migrate_rule(const xmlNode *rule)
{
    struct text out = {0};
    put_rule(&out, rule, 0);
    return heap_printf("%.*s", WORDS_MOST, out.length ? heap_text(&out) : "by a rule");
}
