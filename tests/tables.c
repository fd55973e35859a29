/*
 * Prints the tables of the code that have words for people, one line a row, so that tests can hold them
 * against manuals, catalog and configuration without reading C: "TABLE WORD [MORE…]". Knows the rooms'
 * headers alone.
 */
#include "fence/diagnosis.h"
#include "fence/operation.h"
#include "fence/readiness.h"
#include "policy/access.h"
#include "policy/access_rules.h"
#include "proxmox/grants.h"
#include "server/metrics.h"
#include "server/routes.h"
#include "system/config_keys.h"
#include "system/error.h"
#include "system/log_kinds.h"

#include <stdio.h>

static void print_events(void)
{
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        const struct log_kind_row *row = log_kind_row((enum log_kind)kind);
        printf("event %s %s %d\n", row->name, row->id, row->priority);
    }
}

static void print_configuration(void)
{
    for (unsigned section = 0; section < CONFIG_SECTION_COUNT; section++)
        printf("section %s\n", config_section_names[section]);
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        printf("%s %s %s %s %s\n", key->set ? "key" : "key-of-another-version",
               config_section_names[key->section], key->name, key->repeatable ? "repeatable" : "once",
               key->fallback ? key->fallback : "");
    }
}

static void print_routes(void)
{
    size_t count;
    const struct route *routes = route_table(&count);
    for (size_t i = 0; i < count; i++) {
        printf("route %s /%s", routes[i].method == HTTP_POST ? "POST" : "GET", routes[i].path);
        for (size_t k = 0; k < ROUTE_QUERY_KEYS && routes[i].query[k]; k++)
            printf(" ?%s=", routes[i].query[k]);
        putchar('\n');
    }
}

static void print_errors(void)
{
    for (unsigned code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++)
        printf("error %s %d\n", error_code_name((enum error_code)code),
               error_code_http_status((enum error_code)code));
    for (unsigned code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
        struct error error;
        error_set(&error, (enum error_code)code, "%s", "");
        printf("way-out error\t%s\t\t%s\n", error_code_name((enum error_code)code), error.hint);
    }
}

static void print_readiness(void)
{
    for (unsigned verdict = VERDICT_READY; verdict <= VERDICT_BLOCKED; verdict++)
        printf("verdict %s\n", verdict_name((enum verdict)verdict));
    for (unsigned reason = 0; reason < REASON_COUNT; reason++)
        printf("reason %s %s %s\n", reason_name((enum reason)reason),
               verdict_name(reason_severity((enum reason)reason)), reason_seen((enum reason)reason));
    for (unsigned reason = 0; reason < REASON_COUNT; reason++)
        printf("way-out %s\t%s\t%s\t%s\n", verdict_name(reason_severity((enum reason)reason)),
               reason_name((enum reason)reason), reason_message((enum reason)reason),
               reason_hint((enum reason)reason));
    for (unsigned step = 0; step < DIAGNOSIS_STEP_COUNT; step++)
        printf("step %s\n", diagnosis_step_name((enum diagnosis_step)step));
    for (unsigned level = DIAGNOSIS_OK; level <= DIAGNOSIS_FAILURE; level++)
        printf("level %s\n", diagnosis_level_name((enum diagnosis_level)level));
    for (unsigned state = GRANTS_UNKNOWN; state <= GRANTS_REFUSED; state++)
        printf("judgement %s\n", grants_state_name((enum grants_state)state));
}

static void print_operations(void)
{
    for (unsigned outcome = OPERATION_RUNNING; outcome <= OPERATION_INTERRUPTED; outcome++)
        printf("outcome %s\n", operation_outcome_name((enum operation_outcome)outcome));
    for (unsigned verdict = ACCESS_PRIVILEGED; verdict <= ACCESS_NAMES_PENDING; verdict++) {
        if (!access_allows((enum access_verdict)verdict))
            printf("denial %s\n", access_verdict_name((enum access_verdict)verdict));
    }
    for (unsigned what = 0; what < ACCESS_WHAT_COUNT; what++)
        printf("what %s\n", access_what_name((enum access_what)what));
    for (unsigned action = 0; action < ACCESS_ACTION_COUNT; action++)
        printf("action %s\n", access_action_name((enum access_action)action));
}

static void print_metrics(void)
{
    size_t count;
    const struct metrics_family *families = metrics_families(&count);
    for (size_t i = 0; i < count; i++)
        printf("metric %s %s %s\n", families[i].name, metrics_type_name(families[i].type),
               families[i].labels);
}

int main(void)
{
    print_events();
    print_configuration();
    print_routes();
    print_errors();
    print_readiness();
    print_operations();
    print_metrics();
    return 0;
}
