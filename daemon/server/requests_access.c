/*
 * whoami and can. About himself everybody may ask; about others whoever may read privileges. `can` runs the
 * very code that decides, so it cannot say anything else. Numbers come from the asker's own look-ups: no name
 * is asked for here.
 */
#include "server/requests.h"

#include "system/cleanup.h"
#include "system/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void answer_bad(struct exchange *exchange, enum error_code code, const char *message, const char *hint)
{
    struct error error;

    error_set(&error, code, "%s", message);
    if (hint)
        error_hint(&error, "%s", hint);
    exchange_answer_error(exchange, &error);
}

static void put_number(struct text *out, unsigned long number, const char *name)
{
    text_printf(out, "%lu", number);
    if (name)
        text_printf(out, " (%s)", name);
}

/* ---- whoami ---- */

static void put_groups(struct text *out, const struct names *names, const struct access_peer *peer)
{
    text_puts(out, "gid     ");
    put_number(out, (unsigned long)peer->gid, names_of_gid(names, peer->gid));
    text_puts(out, "\ngroups  ");
    for (size_t i = 0; i < peer->group_count; i++) {
        text_puts(out, i ? ", " : "");
        put_number(out, (unsigned long)peer->groups[i], names_of_gid(names, peer->groups[i]));
    }
    text_puts(out, peer->group_count ? "\n" : "-\n");
}

static void each_section(const struct access_rules *rules, const struct access_peer *peer,
                         void (*call)(void *context, const struct access_section *section), void *context)
{
    for (size_t i = 0; i < rules->user_count; i++)
        if (access_section_is_about(&rules->users[i], peer))
            call(context, &rules->users[i]);
    for (size_t i = 0; i < rules->group_count; i++)
        if (access_section_is_about(&rules->groups[i], peer))
            call(context, &rules->groups[i]);
}

static void put_section(void *context, const struct access_section *section)
{
    struct text *out = context;

    text_printf(out, "from    [%s %s], line %zu", config_access_kind_name(section->config->kind),
                section->config->name, section->config->line);
    for (size_t i = 0; i < section->config->entry_count; i++)
        if (section->config->entries[i].is_role)
            text_printf(out, ", role %s", section->config->entries[i].value);
    text_puts(out, "\n");
}

static void put_rules(struct text *out, const struct access_subject *subject, const struct access_peer *peer)
{
    each_section(subject->policy->rules, peer, put_section, out);
    if (subject->rule_count == 0)
        text_puts(out, "rules   none is about you: you may do nothing\n");
    for (size_t i = 0; i < subject->rule_count; i++) {
        const struct access_decision decision = {.rule = subject->rules[i]};
        char words[ACCESS_WORDS_MAX];

        text_printf(out, "%s%s\n", i ? "        " : "rules   ", access_decision_words(&decision, words));
    }
}

static void whoami_text(struct text *out, const struct exchange *exchange,
                        const struct access_subject *subject)
{
    const struct access_peer *peer = connection_peer(exchange->connection);

    text_puts(out, "uid     ");
    put_number(out, (unsigned long)peer->uid, names_of_uid(exchange->all->rooms->names, peer->uid));
    text_printf(out, ", pid %ld\n", (long)peer->pid);
    put_groups(out, exchange->all->rooms->names, peer);
    text_printf(out, "gate    %s: %s\n", access_verdict_name(subject->gate), subject->gate_words);
    if (!access_subject_is_ruled(subject))
        text_puts(out, subject->gate == ACCESS_MEMBER ? "rules   none (enable-acl = no): you may do all\n"
                                                      : "rules   none: you may do all\n");
    else if (subject->pending)
        text_puts(out,
                  "rules   not in force yet: the name service has not answered; nothing is allowed so far\n");
    else
        put_rules(out, subject, peer);
}

static void put_group_object(struct text *out, const struct names *names, gid_t gid)
{
    json_put_open(out, NULL, '{');
    json_put_int(out, "gid", (int64_t)gid);
    json_put_string(out, "name", names_of_gid(names, gid));
    json_put_close(out, '}');
}

static void put_section_object(void *context, const struct access_section *section)
{
    struct text *out = context;

    json_put_open(out, NULL, '{');
    json_put_string(out, "kind", config_access_kind_name(section->config->kind));
    json_put_string(out, "name", section->config->name);
    json_put_int(out, "line", (int64_t)section->config->line);
    json_put_open(out, "roles", '[');
    for (size_t i = 0; i < section->config->entry_count; i++)
        if (section->config->entries[i].is_role)
            json_put_string(out, NULL, section->config->entries[i].value);
    json_put_close(out, ']');
    json_put_close(out, '}');
}

static void put_rule_object(struct text *out, const char *key, const struct access_rule *rule)
{
    json_put_open(out, key, '{');
    json_put_string(out, "rule", rule->text);
    json_put_string(out, "kind", config_access_kind_name(rule->owner->kind));
    json_put_string(out, "name", rule->owner->name);
    json_put_int(out, "line", (int64_t)rule->line);
    json_put_close(out, '}');
}

static void whoami_json(struct text *out, const struct exchange *exchange,
                        const struct access_subject *subject)
{
    const struct access_peer *peer = connection_peer(exchange->connection);
    const struct names *names = exchange->all->rooms->names;

    json_put_open(out, NULL, '{');
    json_put_int(out, "uid", (int64_t)peer->uid);
    json_put_string(out, "user", names_of_uid(exchange->all->rooms->names, peer->uid));
    json_put_int(out, "gid", (int64_t)peer->gid);
    json_put_int(out, "pid", (int64_t)peer->pid);
    json_put_open(out, "groups", '[');
    for (size_t i = 0; i < peer->group_count; i++)
        put_group_object(out, names, peer->groups[i]);
    json_put_close(out, ']');
    json_put_string(out, "verdict", access_verdict_name(subject->gate));
    json_put_bool(out, "ruled", access_subject_is_ruled(subject));
    json_put_bool(out, "pending", subject->pending);
    json_put_open(out, "sections", '[');
    if (access_subject_is_ruled(subject))
        each_section(subject->policy->rules, peer, put_section_object, out);
    json_put_close(out, ']');
    json_put_open(out, "rules", '[');
    for (size_t i = 0; i < subject->rule_count; i++)
        put_rule_object(out, NULL, subject->rules[i]);
    json_put_close(out, ']');
    view_put_end(out);
}

void request_whoami(struct exchange *exchange, const struct http_request *request)
{
    _cleanup_(text_clear) struct text body = {0};

    (void)request;
    (void)exchange_subject(exchange);
    if (exchange->form == HTTP_TEXT)
        whoami_text(&body, exchange, &exchange->subject);
    else
        whoami_json(&body, exchange, &exchange->subject);
    exchange_answer(exchange, &body);
}

/* ---- can ---- */

static bool read_id(const char *text, const char **end, unsigned *id)
{
    char *after;

    errno = 0;
    unsigned long value = strtoul(text, &after, 10);
    *end = after;
    *id = (unsigned)value;
    /* the greatest is no id: it stands for none */
    return *text >= '0' && *text <= '9' && errno == 0 && value < UINT32_MAX;
}

/* Whom the question is about, as the query says it. False after having answered. */
static bool read_peer(struct exchange *exchange, const struct http_request *request, struct access_peer *peer)
{
    const char *uid = http_query(request, "uid"), *gid = http_query(request, "gid");
    const char *groups = http_query(request, "groups"), *end = "";
    bool good =
        uid && gid && read_id(uid, &end, &peer->uid) && !*end && read_id(gid, &end, &peer->gid) && !*end;

    peer->groups = calloc(groups ? strlen(groups) + 1 : 1, sizeof(*peer->groups));
    for (; good && peer->groups && groups && *groups; groups = *end ? end + 1 : end)
        good = read_id(groups, &end, &peer->groups[peer->group_count++]) && (!*end || *end == ',');
    if (good && peer->groups)
        return true;
    if (good)
        exchange_answer_no_memory(exchange);
    else
        answer_bad(exchange, ERROR_BAD_REQUEST,
                   "the user that the question is about must be given in numbers",
                   "?uid=1000&gid=1000&groups=4,24,27: as `id` shows them; without them, it is about you");
    return false;
}

static bool read_question(struct exchange *exchange, const struct http_request *request,
                          struct access_question *question)
{
    const char *word = request->segments[2];
    bool guest = request->segment_count == 4;

    *question = (struct access_question){ACCESS_READ, ACCESS_WHAT_GUESTS, ACCESS_ACTION_NONE, NULL};
    if (guest && strcmp(word, "read") == 0)
        return true;
    question->right = guest ? ACCESS_WRITE : ACCESS_READ;
    if (guest ? access_action_from_name(word, &question->action)
              : access_what_from_name(word, &question->what))
        return true;
    answer_bad(
        exchange, ERROR_BAD_REQUEST, "there are no rules about this",
        "of a guest: off, on, reboot, rehearse, read; without a guest: guests, operations, status, doctor, "
        "privileges, metrics");
    return false;
}

static void put_verdict(struct exchange *exchange, const struct http_request *request,
                        const struct access_peer *peer, const struct guest *guest,
                        const struct access_decision *decision)
{
    _cleanup_(text_clear) struct text body = {0};
    bool allowed = access_allows(decision->verdict);
    char words[ACCESS_WORDS_MAX];

    access_decision_words(decision, words);
    if (exchange->form == HTTP_TEXT) {
        text_puts(&body, allowed ? "yes: uid " : "no: uid ");
        put_number(&body, (unsigned long)peer->uid, names_of_uid(exchange->all->rooms->names, peer->uid));
        text_printf(&body, allowed ? " may %s" : " may not %s", request->segments[2]);
        if (guest)
            text_printf(&body, " %s (%d)", guest_label(guest), guest->vmid);
        text_printf(&body, ": %s\n", words);
        exchange_answer(exchange, &body);
        return;
    }
    json_put_open(&body, NULL, '{');
    json_put_bool(&body, "allowed", allowed);
    json_put_int(&body, "uid", (int64_t)peer->uid);
    json_put_string(&body, "user", names_of_uid(exchange->all->rooms->names, peer->uid));
    json_put_string(&body, "ask", request->segments[2]);
    if (guest)
        json_put_int(&body, "vmid", guest->vmid);
    json_put_string(&body, "verdict", access_verdict_name(decision->verdict));
    json_put_string(&body, "words", words);
    if (decision->rule)
        put_rule_object(&body, "decided_by", decision->rule);
    else
        json_put_string(&body, "decided_by", NULL);
    view_put_end(&body);
    exchange_answer(exchange, &body);
}

/* The asker may know what the privileges of others are. */
static bool may_ask_about_others(struct exchange *exchange)
{
    const struct access_question question = {ACCESS_READ, ACCESS_WHAT_PRIVILEGES, ACCESS_ACTION_NONE, NULL};
    const struct access_subject *subject = exchange_subject(exchange);
    struct access_decision decision;

    if (!subject)
        return true;
    decision = access_decide(subject, &question);
    if (access_allows(decision.verdict))
        return true;
    exchange_note_denial(exchange, &decision, "can, about somebody else");
    answer_bad(exchange, ERROR_DENIED, "you may ask about yourself only",
               "to ask about others you need: rule = read what:privileges");
    return false;
}

static void answer_can(struct exchange *exchange, const struct http_request *request,
                       const struct access_peer *peer)
{
    const struct inventory *inventory = poller_inventory(exchange->all->rooms->poller);
    struct access_question question;
    struct access_decision decision;
    struct access_subject subject;
    struct access_guest seen;
    struct error error = {0};
    const struct guest *guest = NULL;

    if (!read_question(exchange, request, &question))
        return;
    if (request->segment_count == 4) {
        if (!inventory) {
            answer_bad(exchange, ERROR_NO_INVENTORY, "the guests of the pool are not known yet", NULL);
            return;
        }
        guest =
            visibility_find(exchange_subject(exchange), inventory, request->segments[3], &decision, &error);
        if (!guest) {
            exchange_answer_error(exchange, &error);
            return;
        }
        visibility_guest_of(guest, &seen);
        question.guest = &seen;
    }
    access_subject_init(&subject, &exchange->all->policy, peer);
    if (question.what == ACCESS_WHAT_OPERATIONS || (question.what == ACCESS_WHAT_GUESTS && !guest))
        decision = access_decide_list(&subject, question.what);
    else
        decision = access_decide(&subject, &question);
    put_verdict(exchange, request, peer, guest, &decision);
    access_subject_clear(&subject);
}

void request_can(struct exchange *exchange, const struct http_request *request)
{
    const struct access_peer *self = connection_peer(exchange->connection);
    struct access_peer other = {0};

    if (request->query_count == 0) {
        answer_can(exchange, request, self);
        return;
    }
    if (read_peer(exchange, request, &other) && (other.uid == self->uid || may_ask_about_others(exchange)))
        answer_can(exchange, request, other.uid == self->uid ? self : &other);
    access_peer_clear(&other);
}
