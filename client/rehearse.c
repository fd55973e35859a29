/* Asks for rehearsals and puts the answers one below the other. What is rehearsed, and what an answer means,
 * is the broker's business: here its first words are read, for the exit status. */
#include "rehearse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "system/cleanup.h"

#define ACCEPTED_TEXT "accepted: "
#define ACCEPTED_JSON "{\"exit_status\":0,"

static bool is_accepted(const struct answer *answer)
{
    const char *words = answer->json ? ACCEPTED_JSON : ACCEPTED_TEXT;
    return answer->status == 200 && answer->body && answer->length >= strlen(words) &&
           memcmp(answer->body, words, strlen(words)) == 0;
}

static void put(const struct answer *answer, const struct screen *screen)
{
    if (!answer->json) {
        screen_put(screen, answer->body, answer->length, 0);
        return;
    }
    fwrite(answer->body, 1, answer->length, stdout);
    if (answer->length > 0 && answer->body[answer->length - 1] != '\n')
        putchar('\n');
}

/* One guest: 0 accepted, 1 not; -1: no answer, or an error that is one (shown with `json`, and `failure` is
 * set all the same). */
static int rehearse_one(const char *socket, const char *plug, bool json, const struct screen *screen,
                        struct failure *failure)
{
    struct answer answer = {0};
    _cleanup_(freep) char *encoded = request_encode(plug);
    _cleanup_(freep) char *target = NULL;
    if (!encoded || asprintf(&target, "/v1/guests/%s/rehearse", encoded) < 0) {
        target = NULL;
        return failure_set(failure, NULL, "out of memory");
    }
    const struct request request = {
        .socket = socket, .method = "POST", .target = target, .json = json, .wait_s = REQUEST_POWER_WAIT_S};
    int rc = request_perform(&request, &answer, failure);
    if (rc == 0 && answer.status != 200)
        rc = answer_failure(&answer, failure);
    if (answer.body && (rc == 0 || (json && answer.json)))
        put(&answer, screen);
    if (rc == 0)
        rc = is_accepted(&answer) ? 0 : 1;
    answer_clear(&answer);
    return rc;
}

/* The guests of the list, "VMID,NAME" a line. An error about one of them is said, and the next one's turn
 * comes. */
static int rehearse_each(const char *socket, char *list, bool json, const struct screen *screen)
{
    int worst = 0;
    const char *separator = "";
    for (char *line, *rest = list; (line = strsep(&rest, "\n"));) {
        struct failure failure = {0};
        line[strcspn(line, ",")] = '\0';
        if (!*line)
            continue;
        if (json)
            fputs(separator, stdout);
        separator = ",";
        int rc = rehearse_one(socket, line, json, screen, &failure);
        if (rc < 0) {
            failure_prefix(&failure, "rehearse %s", line);
            fflush(stdout);
            failure_print(&failure);
        }
        failure_clear(&failure);
        worst = rc != 0 ? 1 : worst;
    }
    return worst;
}

static int rehearse_all(const char *socket, bool json, const struct screen *screen, struct failure *failure)
{
    struct answer answer = {0};
    const struct request request = {.socket = socket,
                                    .method = "GET",
                                    .target = "/v1/guests?view=rehearse",
                                    .wait_s = REQUEST_READ_WAIT_S};
    int rc = request_perform(&request, &answer, failure);
    if (rc == 0 && answer.status != 200)
        rc = answer_failure(&answer, failure);
    if (rc == 0 && answer.length == 0)
        rc = failure_set(failure, "/usr/sbin/fence_broker whoami shows what you may do",
                         "there is no guest that you may rehearse");
    if (rc == 0) {
        if (json)
            fputs("{\"rehearsals\":[", stdout);
        rc = rehearse_each(socket, answer.body, json, screen);
        if (json)
            fputs("]}\n", stdout);
    }
    answer_clear(&answer);
    return rc;
}

int rehearse_show(const char *socket, const char *plug, bool json, const struct screen *screen,
                  struct failure *failure)
{
    int rc = plug ? rehearse_one(socket, plug, json, screen, failure)
                  : rehearse_all(socket, json, screen, failure);
    failure->told = rc > 0;
    return rc;
}
