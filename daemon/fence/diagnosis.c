/*
 * The report itself, and the links of the chain up to the privileges, and this node. Each link is a function
 * that adds at least one finding. A link that cannot be judged because one before it is broken says
 * "unknown", so that the first failure stands out. Refuses to know who asks, and asks nobody itself.
 */
#include "fence/diagnosis.h"

#include "fence/diagnosis_private.h"
#include "policy/access_lint.h"
#include "system/cleanup.h"
#include "system/clock.h"

#include <stdio.h>
#include <string.h>

/* ---- the report ---- */

static bool make_room(struct diagnosis *diagnosis)
{
    if (diagnosis->count < diagnosis->size)
        return true;
    size_t size = diagnosis->size ? 2 * diagnosis->size : 32;
    struct diagnosis_finding *findings = reallocarray(diagnosis->findings, size, sizeof(*findings));
    if (!findings)
        return false;
    diagnosis->findings = findings;
    diagnosis->size = size;
    return true;
}

void diagnosis_add(struct diagnosis *diagnosis, enum diagnosis_step step, enum diagnosis_level level,
                   int64_t age_ms, const char *format, ...)
{
    char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    if (length < 0 || !make_room(diagnosis)) {
        if (length >= 0)
            free(message);
        diagnosis->failed = true;
        return;
    }
    text_make_printable(message);
    diagnosis->findings[diagnosis->count++] =
        (struct diagnosis_finding){.step = step, .level = level, .message = message, .age_ms = age_ms};
}

void diagnosis_hint(struct diagnosis *diagnosis, const char *hint)
{
    if (!hint || !*hint || diagnosis->failed)
        return;
    struct diagnosis_finding *last = &diagnosis->findings[diagnosis->count - 1];
    last->hint = strdup(hint);
    if (last->hint)
        text_make_printable(last->hint);
    else
        diagnosis->failed = true;
}

void diagnosis_paste(struct diagnosis *diagnosis, const char *line)
{
    if (!line || strchr(line, '`') || diagnosis->failed)
        return;
    struct diagnosis_finding *last = &diagnosis->findings[diagnosis->count - 1];
    char *hint = NULL;
    if (asprintf(&hint, "%s%s`%s`", last->hint ? last->hint : "", last->hint ? " " : "", line) < 0) {
        diagnosis->failed = true;
        return;
    }
    text_make_printable(hint);
    free(last->hint);
    last->hint = hint;
}

/* Is this word, and not a part of a longer one, at `at`? */
static bool word_at(const char *text, const char *at, const char *word)
{
    size_t length = strlen(word);
    bool begins = at == text || !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", at[-1]);

    return begins && strncmp(at, word, length) == 0 && !(at[length] >= 'A' && at[length] <= 'Z');
}

void diagnosis_hint_for(struct diagnosis *diagnosis, const char *hint, const char *vmid, const char *pool)
{
    _cleanup_(text_clear) struct text text = {0};

    for (const char *at = hint; *at;) {
        if (vmid && word_at(hint, at, "VMID")) {
            text_puts(&text, vmid);
            at += strlen("VMID");
        } else if (pool && word_at(hint, at, "POOL")) {
            text_puts(&text, pool);
            at += strlen("POOL");
        } else {
            text_append(&text, at++, 1);
        }
    }
    diagnosis->failed |= text.failed;
    diagnosis_hint(diagnosis, text.data);
}

void diagnosis_clear(struct diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->count; i++) {
        free(diagnosis->findings[i].message);
        free(diagnosis->findings[i].hint);
    }
    free(diagnosis->findings);
    *diagnosis = (struct diagnosis){0};
}

enum diagnosis_level diagnosis_worst(const struct diagnosis *diagnosis)
{
    enum diagnosis_level worst = diagnosis->count ? DIAGNOSIS_OK : DIAGNOSIS_UNKNOWN;

    for (size_t i = 0; i < diagnosis->count; i++) {
        if (diagnosis->findings[i].level > worst)
            worst = diagnosis->findings[i].level;
    }
    return worst;
}

int diagnosis_exit_status(const struct diagnosis *diagnosis)
{
    enum diagnosis_level worst = diagnosis_worst(diagnosis);

    return worst == DIAGNOSIS_FAILURE ? 1 : worst == DIAGNOSIS_OK ? 0 : 2;
}

enum diagnosis_level diagnosis_failure_or_unknown(const struct diagnosis *diagnosis)
{
    return diagnosis_worst(diagnosis) == DIAGNOSIS_FAILURE ? DIAGNOSIS_UNKNOWN : DIAGNOSIS_FAILURE;
}

/* ---- configuration ---- */

struct note_context {
    struct diagnosis *diagnosis;
    const struct config *config;
};

static void add_note(void *context, size_t line, const char *text)
{
    const struct note_context *note = context;

    if (line)
        diagnosis_add(note->diagnosis, DIAGNOSIS_CONFIGURATION, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                      "%s:%zu: %s", note->config->path, line, text);
    else
        diagnosis_add(note->diagnosis, DIAGNOSIS_CONFIGURATION, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                      "%s: %s", note->config->path, text);
    diagnosis_hint(note->diagnosis, "fix the file, then `systemctl reload fence-broker`");
}

static void add_configuration(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const struct config *config = facts->known->config;

    if (facts->config_error && facts->config_error->code != ERROR_NONE) {
        diagnosis_add(diagnosis, DIAGNOSIS_CONFIGURATION, DIAGNOSIS_FAILURE, DIAGNOSIS_AGE_NONE, "%s",
                      facts->config_error->message);
        diagnosis_hint(diagnosis, facts->config_error->hint);
        return;
    }
    if (!config) {
        diagnosis_add(diagnosis, DIAGNOSIS_CONFIGURATION, DIAGNOSIS_UNKNOWN, DIAGNOSIS_AGE_NONE, "not known");
        return;
    }
    diagnosis_add(diagnosis, DIAGNOSIS_CONFIGURATION, DIAGNOSIS_OK, DIAGNOSIS_AGE_NONE,
                  "%s is good%s%s: endpoints: %zu, pools: %zu, names: %zu", config->path,
                  facts->config_user ? " for the user " : "", facts->config_user ? facts->config_user : "",
                  config->endpoint_count, config->pool_count, config->alias_count);
    if (facts->rules) {
        struct note_context context = {diagnosis, config};

        access_lint(facts->rules, config, add_note, &context);
    }
}

/* ---- endpoints ---- */

static void add_certificate(struct diagnosis *diagnosis, const struct diagnosis_facts *facts,
                            const struct endpoint *endpoint)
{
    int64_t left_ms = endpoint->certificate_expires_ms - facts->known->realtime_ms;
    char age[CLOCK_AGE_LEN];

    if (!endpoint->certificate_expires_ms || left_ms >= ENDPOINTS_CERTIFICATE_SOON_MS)
        return;
    if (left_ms > 0)
        diagnosis_add(diagnosis, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                      "the certificate of %s expires in %s", endpoint->text, clock_age(left_ms, age));
    else
        diagnosis_add(diagnosis, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_WARNING, -left_ms,
                      "the certificate of %s has expired", endpoint->text);
    diagnosis_hint(diagnosis,
                   "on that host: `pvecm updatecerts --force` (with fingerprint lines: add the new "
                   "one, `pvenode cert info` shows it)");
}

static void add_endpoint_up(struct diagnosis *diagnosis, const struct diagnosis_facts *facts,
                            const struct endpoint *endpoint)
{
    int64_t left_ms = endpoint->certificate_expires_ms - facts->known->realtime_ms;
    char age[CLOCK_AGE_LEN];
    bool good = endpoint->certificate_expires_ms && left_ms > 0;
    _cleanup_(text_clear) struct text way = {0};

    diagnosis_put_timings(&way, &endpoint->timings);
    diagnosis->failed |= way.failed;
    diagnosis_add(diagnosis, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_OK, facts->known->now_ms - endpoint->last_ok_ms,
                  "%s answers%s%s%s%s", endpoint->text, good ? "; its certificate is valid for " : "",
                  good ? clock_age(left_ms, age) : "", way.data ? "; " : "", way.data ? way.data : "");
}

static void add_endpoint(struct diagnosis *diagnosis, const struct diagnosis_facts *facts,
                         const struct endpoint *endpoint)
{
    bool others = endpoints_up(facts->known->endpoints) > 0;
    char age[CLOCK_AGE_LEN];
    enum diagnosis_level level = others ? DIAGNOSIS_WARNING : DIAGNOSIS_FAILURE;

    if (endpoint->state == ENDPOINT_UP) {
        add_endpoint_up(diagnosis, facts, endpoint);
    } else if (endpoint->state == ENDPOINT_UNKNOWN) {
        diagnosis_add(diagnosis, DIAGNOSIS_ENDPOINTS, level, DIAGNOSIS_AGE_NONE, "%s has not answered yet",
                      endpoint->text);
        diagnosis_hint(diagnosis, "wait a few seconds, and run this again");
    } else {
        diagnosis_add(diagnosis, DIAGNOSIS_ENDPOINTS, level, DIAGNOSIS_AGE_NONE, "%s %s for %s: %s",
                      endpoint->text, endpoint->failing ? "fails" : "is down",
                      clock_age(facts->known->now_ms - endpoint->since_ms, age), endpoint->error.message);
        diagnosis_hint(diagnosis,
                       endpoint->error.hint[0] ? endpoint->error.hint : reason_hint(REASON_NO_ENDPOINT));
    }
    add_certificate(diagnosis, facts, endpoint);
}

static void add_endpoints(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    size_t count = facts->known->endpoints ? endpoints_count(facts->known->endpoints) : 0;

    if (!facts->known->endpoints) {
        diagnosis_add(diagnosis, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_UNKNOWN, DIAGNOSIS_AGE_NONE, "not asked%s%s",
                      facts->not_asked ? ": " : "", facts->not_asked ? facts->not_asked : "");
        return;
    }
    for (size_t i = 0; i < count; i++)
        add_endpoint(diagnosis, facts, endpoints_get(facts->known->endpoints, i));
    if (count == 1 && endpoints_up(facts->known->endpoints) == 1) {
        diagnosis_add(diagnosis, DIAGNOSIS_ENDPOINTS, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                      "only one endpoint is configured: if it fails, fencing fails");
        diagnosis_hint(diagnosis, "add another Proxmox host to [proxmox]: `endpoint = HOST`");
    }
}

/* ---- login ---- */

static void add_login(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const struct session_description *session = &facts->known->session;
    const char *how = session->is_token ? "token" : session->second_factor ? "password and TOTP" : "password";
    char age[CLOCK_AGE_LEN];

    if (!facts->known->endpoints) {
        diagnosis_add(diagnosis, DIAGNOSIS_LOGIN, DIAGNOSIS_UNKNOWN, DIAGNOSIS_AGE_NONE, "not tried");
    } else if (session->ready) {
        diagnosis_add(
            diagnosis, DIAGNOSIS_LOGIN, DIAGNOSIS_OK, DIAGNOSIS_AGE_NONE, "Proxmox accepts %s (%s)%s%s",
            session->identity, how, session->expires_ms ? "; the ticket expires in " : "",
            session->expires_ms ? clock_age(session->expires_ms - facts->known->boottime_ms, age) : "");
        if (!facts->daemon && session->second_factor)
            diagnosis_hint(diagnosis, "this used a one-time code: a daemon that starts now logs in with the "
                                      "next one, up to 30 s later");
        if (session->aside.code != ERROR_NONE) {
            diagnosis_add(diagnosis, DIAGNOSIS_LOGIN, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                          "%s; another endpoint accepted the login", session->aside.message);
            diagnosis_hint(diagnosis, session->aside.hint);
        }
    } else if (session->error.code != ERROR_NONE) {
        diagnosis_add(diagnosis, DIAGNOSIS_LOGIN, DIAGNOSIS_FAILURE, DIAGNOSIS_AGE_NONE, "%s (%s): %s",
                      session->identity, how, session->error.message);
        diagnosis_hint(diagnosis,
                       session->error.hint[0] ? session->error.hint : reason_hint(REASON_NO_SESSION));
    } else {
        enum diagnosis_level level = diagnosis_failure_or_unknown(diagnosis);

        diagnosis_add(diagnosis, DIAGNOSIS_LOGIN, level, DIAGNOSIS_AGE_NONE,
                      "Proxmox has not accepted %s (%s) yet", session->identity, how);
        if (level == DIAGNOSIS_FAILURE)
            diagnosis_hint(diagnosis, reason_hint(REASON_NO_SESSION));
    }
}

/* ---- privileges ---- */

static void add_privilege(struct diagnosis *diagnosis, const struct diagnosis_facts *facts,
                          const struct privileges_finding *finding)
{
    _cleanup_(text_clear) struct text hint = {0};
    enum diagnosis_level level = DIAGNOSIS_FAILURE;
    const char *word = "missing";

    if (finding->kind == PRIVILEGES_EXCESS) {
        word = "too much";
        if (facts->known->readiness.grants != GRANTS_REFUSED)
            level = DIAGNOSIS_WARNING;
    } else if (finding->kind == PRIVILEGES_HINT) {
        word = "hint";
        level = DIAGNOSIS_OK;
    } else if (finding->minor) {
        level = DIAGNOSIS_WARNING;
    }
    if (facts->sees && finding->names_guests) {
        diagnosis_add(diagnosis, DIAGNOSIS_PRIVILEGES, level,
                      facts->known->now_ms - grants_read_ms(facts->known->grants),
                      "%s: on guests, some of which you may not see", word);
        diagnosis_hint(diagnosis, "as root: `/usr/sbin/fence_broker permissions`");
        return;
    }
    diagnosis_add(diagnosis, DIAGNOSIS_PRIVILEGES, level,
                  facts->known->now_ms - grants_read_ms(facts->known->grants), "%s: %s", word,
                  finding->message);
    bool role_known = !strstr(finding->mend, "--roles " PRIVILEGES_ROLE) || strstr(finding->mend, "role add");
    text_printf(&hint, "on a Proxmox host%s: %s`%s`",
                strstr(finding->mend, "ROLE ") ? " (for ROLE see pveum acl list)" : "",
                role_known ? ""
                           : "`pveum role add " PRIVILEGES_ROLE " --privs \"" PRIVILEGES_MINIMAL
                             "\"` if there is no such role yet, and then ",
                finding->mend);
    diagnosis->failed |= hint.failed;
    diagnosis_hint(diagnosis, hint.data);
}

static void add_privileges(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const struct privileges_report *report =
        facts->known->grants ? grants_report(facts->known->grants) : NULL;

    if (!report) {
        bool late = diagnosis_worst(diagnosis) != DIAGNOSIS_FAILURE && facts->known->readiness.inventory;

        diagnosis_add(diagnosis, DIAGNOSIS_PRIVILEGES, late ? DIAGNOSIS_WARNING : DIAGNOSIS_UNKNOWN,
                      DIAGNOSIS_AGE_NONE, "not read yet");
        if (late)
            diagnosis_hint(diagnosis, "wait for the next poll, and run this again");
        return;
    }
    if (!report->excess && !report->missing)
        diagnosis_add(diagnosis, DIAGNOSIS_PRIVILEGES, DIAGNOSIS_OK,
                      facts->known->now_ms - grants_read_ms(facts->known->grants),
                      "what fencing needs, and no more");
    for (size_t i = 0; i < report->count; i++)
        add_privilege(diagnosis, facts, &report->findings[i]);
}

/* ---- this node ---- */

static void add_history(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    int error = facts->known->history ? history_write_error(facts->known->history) : 0;
    uint64_t lost = facts->known->history ? history_lost(facts->known->history) : 0;
    char *hint = NULL;

    if (facts->state_error && facts->state_error->code != ERROR_NONE) {
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE, "%s",
                      facts->state_error->message);
        diagnosis_hint(diagnosis, facts->state_error->hint);
    } else if (facts->known->readiness.history_failing) {
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                      "the history cannot be written to disk (%s): a restart would lose it",
                      error ? strerror(-error) : "cause unknown");
        if (facts->known->config && asprintf(&hint, "see `df -h %s` and the owner of that directory",
                                             facts->known->config->state_directory) < 0)
            hint = NULL;
        diagnosis_hint(diagnosis, hint ? hint : reason_hint(REASON_HISTORY_NOT_WRITTEN));
        free(hint);
    } else {
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_OK, DIAGNOSIS_AGE_NONE, "%s",
                      facts->known->history ? "the history is written" : "the state directory can be used");
    }
    if (lost) {
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                      "%llu records of the history were lost since the start", (unsigned long long)lost);
        diagnosis_hint(diagnosis, "see `journalctl -u fence-broker`; the log has them, too");
    }
}

static void add_socket(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    const char *path = facts->known->config->socket_path, *group = facts->known->config->socket_group;
    char *hint = NULL;

    /* systemd makes no socket for a group that is not there, so this comes first */
    if (facts->names_unknown) {
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                      "the name service does not answer: only root may ask, until it does");
        diagnosis_hint(diagnosis, "check that `getent group` answers");
    } else if (facts->group_missing) {
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_WARNING, DIAGNOSIS_AGE_NONE,
                      "group %s does not exist on this machine: only root and hacluster may ask", group);
        if (asprintf(&hint, "create it%s: `groupadd --system %s%s`", facts->nobody_listens ? " first" : "",
                     group, facts->nobody_listens ? "" : " && systemctl reload fence-broker") < 0)
            hint = NULL;
        diagnosis_hint(diagnosis, hint);
        free(hint);
    }
    if (facts->nobody_listens) {
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_FAILURE, DIAGNOSIS_AGE_NONE,
                      "no daemon is running: nothing listens on %s", path);
        diagnosis_hint(diagnosis, "start it: `systemctl enable --now fence-broker.socket "
                                  "fence-broker-metrics.socket fence-broker.service`");
    } else {
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_OK, DIAGNOSIS_AGE_NONE,
                      facts->daemon ? "the daemon serves at %s"
                                    : "a daemon listens on %s; what it knows: fence_broker doctor",
                      path);
    }
}

static void add_local(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    if (!facts->known->config && !facts->known->history) {
        diagnosis_add(diagnosis, DIAGNOSIS_LOCAL, DIAGNOSIS_UNKNOWN, DIAGNOSIS_AGE_NONE, "not known");
        return;
    }
    if (facts->known->config)
        add_socket(diagnosis, facts);
    add_history(diagnosis, facts);
    diagnosis_add_self(diagnosis, facts);
}

void diagnosis_make(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    *diagnosis = (struct diagnosis){0};
    diagnosis_take_times(diagnosis, facts);
    add_configuration(diagnosis, facts);
    add_endpoints(diagnosis, facts);
    add_login(diagnosis, facts);
    add_privileges(diagnosis, facts);
    diagnosis_add_pool(diagnosis, facts);
    diagnosis_add_names(diagnosis, facts);
    diagnosis_add_guests(diagnosis, facts);
    add_local(diagnosis, facts);
}
