/* The broker's report is the broker's business, but for its first words (the verdict) and its end, where the
 * client's own findings about Pacemaker are put: the exit status is the worse one of both. Where nobody is at
 * the socket fence-broker-admin makes the report. A report of another form is not shown with
 * something added in the wrong place: it is an error. */
#include "doctor.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"
#include "findings.h"
#include "system/cleanup.h"
#include "tool.h"

#define ADMIN       "fence-broker-admin"
#define ALONE_MS    120000
#define REPORT_MOST (64 * 1024 * 1024)

/* By exit status; as the broker says it. */
static const char *const verdicts[] = {"fine", "a fence would fail",
                                       "a fence would work, but something is off"};

/* A report: the verdict at its head, then everything else, up to where more findings go. */
struct report {
    char *text; /* owned */
    size_t length;
    bool json, daemon;
    int status;
    size_t body, end; /* the part between its verdict and the place for more findings */
};

static void report_clear(struct report *report)
{
    free(report->text);
}

/* ---- where it comes from --------------------------------------------------------------------------------
 */

/* Both are installed, and built, in the same directory. */
static bool find_daemon(char path[static PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof(ADMIN));
    if (length <= 0 || length >= (ssize_t)(PATH_MAX - sizeof(ADMIN)))
        return false;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    memcpy(slash + 1, ADMIN, sizeof(ADMIN));
    return true;
}

/* `failure` says why the daemon was not asked; it stays, with more before it, if this fails, too. */
static int run_alone(struct report *report, struct failure *failure)
{
    char path[PATH_MAX];
    char program[] = ADMIN, command[] = "doctor", option[] = "--json";
    char *arguments[] = {program, command, report->json ? option : NULL, NULL};
    struct tool_output output;
    struct failure own = {0};
    _cleanup_(freep) char *words = NULL;
    if (!find_daemon(path))
        return failure_prefix(failure, "cannot tell where " ADMIN " is, and");
    if (access(path, X_OK) < 0)
        return failure_prefix(failure, "cannot run %s (%s), and", path, strerror(errno));
    say_debug("%s; running %s doctor", failure->cause ? failure->cause : "no broker", path);
    if (tool_run(path, arguments, ALONE_MS, REPORT_MOST, &output, &words, &own) < 0) {
        failure_prefix(failure, "%s, and", own.cause ? own.cause : "out of memory");
        failure_clear(&own);
        return -1;
    }
    report->text = output.text;
    report->length = output.length;
    if (output.length > 0)
        return 0;
    return failure_prefix(failure, "%s doctor: %s, and", path, words ? words : "no report");
}

static int ask(struct report *report, const struct request *request, struct failure *failure)
{
    struct answer answer = {0};
    if (request_perform(request, &answer, failure) < 0)
        return failure->no_daemon ? run_alone(report, failure) : -1;
    report->daemon = true;
    report->text = strndup(answer.body, answer.length);
    report->length = answer.length;
    int rc = report->text ? 0 : failure_set(failure, NULL, "out of memory");
    if (rc == 0 && answer.status != 200) {
        /* with --json the broker's error is an answer, too */
        if (request->json && answer.json)
            fputs(report->text, stdout);
        rc = answer_failure(&answer, failure);
    }
    answer_clear(&answer);
    return rc;
}

/* ---- its form -------------------------------------------------------------------------------------------
 */

static bool split_text(struct report *report)
{
    for (int i = 0; i < (int)ARRAY_LEN(verdicts); i++) {
        char head[64];
        size_t length = (size_t)snprintf(head, sizeof(head), "Verdict: %s\n", verdicts[i]);
        if (report->length < length || memcmp(report->text, head, length) != 0)
            continue;
        report->status = i;
        report->body = length;
        report->end = report->length;
        return true;
    }
    return false;
}

/* {"exit_status":N,"verdict":"…",…,"findings":[…]} and a newline: the findings are its last member. */
static bool split_json(struct report *report)
{
    static const char tail[] = "]}";
    for (int i = 0; i < (int)ARRAY_LEN(verdicts); i++) {
        char head[96];
        size_t length =
            (size_t)snprintf(head, sizeof(head), "{\"exit_status\":%d,\"verdict\":\"%s\",", i, verdicts[i]);
        if (report->length < length || memcmp(report->text, head, length) != 0)
            continue;
        size_t end = report->length;
        while (end > 0 && report->text[end - 1] == '\n')
            end--;
        report->status = i;
        report->body = length;
        report->end = end < length + strlen(tail) ? 0 : end - strlen(tail);
        return report->end && memcmp(report->text + report->end, tail, strlen(tail)) == 0;
    }
    return false;
}

/* 1 is worse than 2 is worse than 0. */
static int worse(int a, int b)
{
    return a == 1 || b == 1 ? 1 : a == 2 || b == 2 ? 2 : 0;
}

static void put_joined(const struct report *report, const struct findings *findings, int status, FILE *out)
{
    size_t length = report->end - report->body;
    if (report->json) {
        bool none = report->text[report->end - 1] == '[';
        fprintf(out, "{\"exit_status\":%d,\"verdict\":\"%s\",", status, verdicts[status]);
        fwrite(report->text + report->body, 1, length, out);
        findings_put_json(findings, CLUSTER_STEP, none, out);
        fputs("]}\n", out);
        return;
    }
    fprintf(out, "Verdict: %s\n", verdicts[status]);
    fwrite(report->text + report->body, 1, length, out);
    findings_put_text(findings, CLUSTER_STEP, out);
}

static int show(const struct report *report, const struct findings *findings, const struct screen *screen,
                struct failure *failure)
{
    int status = worse(report->status, findings_status(findings));
    _cleanup_(freep) char *joined = NULL;
    size_t size = 0;
    FILE *out = findings->failed ? NULL : open_memstream(&joined, &size);
    if (!out)
        return failure_set(failure, NULL, "out of memory");
    put_joined(report, findings, status, out);
    if (fclose(out) != 0)
        return failure_set(failure, NULL, "out of memory");
    if (report->json)
        fwrite(joined, 1, size, stdout);
    else
        screen_put(screen, joined, size, 0);
    return status;
}

int doctor_show(const struct request *request, const struct screen *screen, struct failure *failure)
{
    _cleanup_(report_clear) struct report report = {.json = request->json};
    struct findings findings = {0};
    if (ask(&report, request, failure) < 0)
        return -1;
    if (!(report.json ? split_json(&report) : split_text(&report)))
        return failure_set(failure, "client and daemon must be of the same version",
                           "what %s is no report of the doctor's",
                           report.daemon ? "the broker answered" : ADMIN " printed");
    cluster_examine(&findings, request->socket, report.daemon);
    int status = show(&report, &findings, screen, failure);
    findings_clear(&findings);
    if (status < 0)
        return -1;
    failure_clear(failure); /* that no daemon runs is in the report */
    failure->told = status == 1;
    return status;
}
