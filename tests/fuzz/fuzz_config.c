/*
 * The configuration reader and the access rules in it against bytes of a fuzzer: no input may crash them or
 * leak, a refusal has a cause, what is accepted keeps the promises that other rooms rely on, and of whatever
 * rules come out of it, nobody gains by what they do not say. `make fuzz` runs it.
 */
#include "policy/access.h"
#include "policy/access_lint.h"
#include "system/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void note(void *context, size_t line, const char *text)
{
    (void)line;
    *(size_t *)context += strlen(text);
}

/* Half of the names are known, so that user 1000 and group 2000 have rules. */
static void name_everybody(struct access_rules *rules)
{
    for (size_t i = 0; i < rules->user_count; i++)
        access_rules_set_user(rules, i, i % 2 ? ACCESS_NAME_UNKNOWN : ACCESS_NAME_KNOWN, 1000);
    for (size_t i = 0; i < rules->group_count; i++)
        access_rules_set_group(rules, i, i % 2 ? ACCESS_NAME_UNKNOWN : ACCESS_NAME_KNOWN, 2000);
    check(rules->pending == 0);
}

static void check_decision(const struct access_subject *subject, const struct access_question *question)
{
    struct access_decision decision = access_decide(subject, question);
    char words[ACCESS_WORDS_MAX];

    check(strlen(access_decision_words(&decision, words)) < ACCESS_WORDS_MAX);
    check(decision.verdict == ACCESS_RULE_ALLOWS || decision.verdict == ACCESS_RULE_DENIES ||
          decision.verdict == ACCESS_NO_RULE);
    check((decision.verdict == ACCESS_NO_RULE) == !decision.rule);
    if (!access_allows(decision.verdict))
        return;
    check(access_rule_match(decision.rule, question) == ACCESS_MATCH_YES);
    check(access_rule_grants(decision.rule, question->right));
    /* whoever may do something to a guest may look at it */
    struct access_question look = *question;
    look.right = ACCESS_READ;
    look.action = ACCESS_ACTION_NONE;
    check(access_allows(access_decide(subject, &look).verdict));
    /* and whoever may look at one may ask for the list */
    check(access_allows(access_decide_list(subject, question->what).verdict) || !question->guest);
}

static void check_rules(const struct config *config)
{
    static char alias[] = "node1";
    static char *aliases[] = {alias};
    static const struct access_guest guests[] = {
        {.vmid = "101", .name = "web1", .pool = "nfs", .tags = "a;b", .aliases = aliases, .alias_count = 1},
        {.vmid = "2"}};
    struct error error = {0};
    struct access_rules *rules = access_rules_new(config, &error);
    struct access_policy policy = {
        .gate = {.group = 990, .hacluster = 189, .overflow_uid = 65534}, .enable_acl = true, .rules = rules};
    gid_t groups[] = {2000};
    struct access_peer peer = {.uid = 1000, .gid = 990, .groups = groups, .group_count = 1};
    struct access_subject subject;
    size_t noted = 0;

    if (!rules) {
        check(error.code != ERROR_NONE && strncmp(error.message, "fuzz:", 5) == 0);
        return;
    }
    name_everybody(rules);
    access_lint(&policy, config, note, &noted);
    access_lint_guests(rules, guests, 2, note, &noted);
    access_subject_init(&subject, &policy, &peer);
    for (unsigned what = 0; what < ACCESS_WHAT_COUNT; what++)
        for (size_t g = 0; g < 3; g++)
            check_decision(&subject,
                           &(struct access_question){ACCESS_READ, (enum access_what)what, ACCESS_ACTION_NONE,
                                                     g < 2 ? &guests[g] : NULL});
    for (unsigned action = 0; action < ACCESS_ACTION_COUNT; action++)
        for (size_t g = 0; g < 2; g++)
            check_decision(&subject, &(struct access_question){ACCESS_WRITE, ACCESS_WHAT_GUESTS,
                                                               (enum access_action)action, &guests[g]});
    access_subject_clear(&subject);
    access_rules_free(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct config *config = config_parse((const char *)data, size, "fuzz", &error);
    if (!config) {
        if (error.code == ERROR_NONE || strncmp(error.message, "fuzz:", 5) != 0)
            abort();
        return 0;
    }
    bool promised = config->endpoint_count > 0 && config->pool_count > 0 &&
                    !config->token_id != !config->user && config->socket_path[0] == '/' &&
                    config->state_directory[0] == '/' && config->deadline_ms >= 5000 &&
                    config->stop_timeout_ms % 1000 == 0;
    for (size_t i = 0; i < config->endpoint_count; i++)
        promised = promised && config->endpoints[i].port != 0 && config->endpoints[i].address[0] != '\0';
    if (!promised)
        abort();
    check_rules(config);
    config_free(config);
    return 0;
}
