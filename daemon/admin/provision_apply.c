/*
 * Over the API: log in, look, show the plan, ask, carry it out step by step, put secrets into new files,
 * audit. A step that fails ends it; what was done stays, and a second run goes on from there.
 */
#include "admin/provision_private.h"

#include "admin/prompt.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct application {
    const struct provision_wish *wish;
    const struct provision_way *way;
    struct provision_session *session;
    int version; /* of Proxmox VE */
};

static int complain(const struct error *error)
{
    fflush(stdout);
    fprintf(stderr, "fence-broker-admin provision: %s%s%s\n", error->message, error->hint[0] ? "; " : "",
            error->hint);
    return 1;
}

/* ---- showing ---- */

void provision_show(const char *prefix, const char *text)
{
    _cleanup_(freep) char *copy = strdup(text);
    if (copy)
        text_make_printable(copy);
    printf("%s%s\n", prefix, copy ? copy : "");
}

static void show_plan(const struct application *application, const struct provision_plan *plan)
{
    static const char *const words[] = {[PROVISION_KEEP] = "  there  ",
                                        [PROVISION_DO] = "  do     ",
                                        [PROVISION_TOKEN] = "  do     ",
                                        [PROVISION_NOTE] = "  note   ",
                                        [PROVISION_STOP] = "  STOP   "};
    printf("plan, at %s as %s:\n", application->way->endpoint.text, application->way->as);
    for (size_t i = 0; i < plan->count; i++) {
        provision_show(words[plan->steps[i].kind], plan->steps[i].text);
        if (plan->steps[i].mend)
            provision_show("             ", plan->steps[i].mend);
    }
    fflush(stdout);
}

static void show_snippet(const struct application *application)
{
    const struct provision_wish *wish = application->wish;
    const struct provision_way *way = application->way;
    printf("\nfor fence-broker.conf%s:\n[proxmox]\nendpoint = %s\n# a second endpoint, on another host\n",
           wish->token_count > 1 ? " (each node has one of the tokens)" : "", way->endpoint.text);
    if (wish->token_count == 0)
        printf("user = %s\n", wish->user);
    for (size_t i = 0; i < wish->token_count; i++)
        printf("%stoken-id = %s!%s\n", i ? "# " : "", wish->user, wish->tokens[i]);
    puts("secret-file = /etc/fence-broker/secret");
    for (size_t i = 0; i < way->fingerprint_count; i++)
        printf("fingerprint = %s\n", way->fingerprint_texts[i]);
    if (way->ca_file)
        puts("ca-file = /etc/fence-broker/pve-root-ca.pem");
    printf("pool = %s\n", wish->pool);
}

/* ---- secrets ---- */

/* One token: the file's own name; several: the token's behind it. */
static const char *secret_path(const struct application *application, size_t token)
{
    const struct provision_wish *wish = application->wish;
    const char *file = application->way->secret_file;
    return wish->token_count > 1 ? heap_printf("%s.%s", file, wish->tokens[token]) : file;
}

/* Before anything is changed: a token whose secret has no place to go must not be made. */
static bool secrets_have_a_place(const struct application *application, const struct provision_plan *plan,
                                 struct error *error)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->steps[i].kind != PROVISION_TOKEN)
            continue;
        if (!application->way->secret_file) {
            error_set(error, ERROR_BAD_REQUEST,
                      "Proxmox shows a token's secret once, and there is no file for it");
            error_hint(error, "name one with --secret-file FILE, a file that does not exist yet");
            return false;
        }
        const char *path = secret_path(application, plan->steps[i].token);
        if (access(path, F_OK) == 0) {
            error_set(error, ERROR_BAD_REQUEST,
                      "%s exists already, and a secret is never written over another", path);
            error_hint(error, "move it away, or name another --secret-file");
            return false;
        }
    }
    return true;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, bytes, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        bytes += count;
        length -= (size_t)count;
    }
    return true;
}

/* The file is made before the token: if that fails, no secret is lost. */
static int make_token(const struct application *application, const struct provision_step *step,
                      struct error *error)
{
    _cleanup_(json_putp) struct json_object *data = NULL;
    const char *path = secret_path(application, step->token);
    const char *user = heap_word(application->wish->user);
    const char *value = NULL;
    _cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error_set(error, ERROR_BAD_REQUEST, "%s: %s", path, strerror(errno));
        error_hint(error, "name another --secret-file, in a writable directory");
        return -EIO;
    }
    int result = provision_call(application->session, step->call, &step->parts, &data, error);
    if (result == 0 && !json_get_string(data, "value", &value)) {
        error_set(error, ERROR_PROTOCOL, "Proxmox made the token and gave no secret");
        result = -EIO;
    }
    if (result) {
        unlink(path);
        if (result == -EIO && error->code != ERROR_PROTOCOL) /* no answer: it may be there all the same */
            error_hint(error,
                       "if the token exists, remove it, because its secret is lost; then run this again: "
                       "pveum user token remove %s %s",
                       user, step->parts.token);
        return result;
    }
    if (!write_all(fd, value, strlen(value)) || !write_all(fd, "\n", 1) || fsync(fd) != 0) {
        error_set(error, ERROR_INTERNAL, "the secret could not be written to %s: %s", path, strerror(errno));
        error_hint(error, "remove the token and run it again: pveum user token remove %s %s", user,
                   step->parts.token);
        return -EIO;
    }
    printf("  its secret is in %s\n", path);
    return 0;
}

/* ---- doing ---- */

static int carry_out(const struct application *application, const struct provision_plan *plan,
                     struct error *error)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct provision_step *step = &plan->steps[i];
        _cleanup_(json_putp) struct json_object *data = NULL;
        int result = 0;
        if (step->kind != PROVISION_DO && step->kind != PROVISION_TOKEN)
            continue;
        provision_show("", step->text);
        fflush(stdout);
        if (step->kind == PROVISION_TOKEN)
            result = make_token(application, step, error);
        else
            result = provision_call(application->session, step->call, &step->parts, &data, error);
        if (result == -ENOENT) {
            error_set(error, ERROR_PROTOCOL, "something that this needs was removed meanwhile");
            error_hint(error, "run it again: it starts from what is there now");
        }
        if (result) {
            char hint[ERROR_HINT_MAX];
            snprintf(hint, sizeof(hint), "%s", error->hint);
            error_set(error, error->code, "could not %s: %s", step->text, error->message);
            error_hint(error, "%s", hint);
            return -EIO;
        }
    }
    return 0;
}

/* 1: go on; 0: no; -1: *error */
static int agreed(const struct application *application, const struct provision_plan *plan,
                  struct error *error)
{
    if (provision_plan_count(plan, PROVISION_STOP)) {
        error_set(error, ERROR_BAD_REQUEST, "something is in the way (STOP above), and nothing was changed");
        error_hint(error, "fix it and run this again");
        return -1;
    }
    if (!secrets_have_a_place(application, plan, error))
        return -1;
    return application->way->yes ? 1 : prompt_yes("do this?", error);
}

static int apply_plan(struct application *application, struct provision_plan *plan, struct error *error)
{
    size_t to_do = provision_plan_count(plan, PROVISION_DO) + provision_plan_count(plan, PROVISION_TOKEN);
    show_plan(application, plan);
    int yes = to_do || provision_plan_count(plan, PROVISION_STOP) ? agreed(application, plan, error) : 1;
    if (yes < 0)
        return complain(error);
    if (!yes) {
        puts("nothing was changed");
        return 1;
    }
    if (!to_do)
        puts("nothing to do");
    if (carry_out(application, plan, error))
        return complain(error);
    if (application->wish->remove)
        return 0;
    int verdict = provision_check(application->session, application->wish, application->version, error);
    if (verdict < 0)
        return complain(error);
    show_snippet(application);
    return verdict;
}

int provision_apply(const struct provision_wish *wish, const struct provision_way *way)
{
    struct application application = {.wish = wish, .way = way};
    _cleanup_(provision_found_clear) struct provision_found found = {0};
    struct provision_plan plan;
    struct error error = {0};
    _cleanup_(provision_logoutp) struct provision_session *session = provision_login(way, &error);
    if (!session)
        return complain(&error);
    application.session = session;
    if (provision_look(session, wish, &found, &error))
        return complain(&error);
    application.version = found.version;
    if (wish->remove)
        provision_plan_remove(wish, &found, &plan);
    else
        provision_plan_make(wish, &found, &plan);
    return apply_plan(&application, &plan, &error);
}
