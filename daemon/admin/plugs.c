/* Names, and the guests that the broker takes them for: asked in as few requests as their heads have room
 * for. Who a name means is decided by the broker alone; nothing is matched here. */
#include "admin/plugs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/heap.h"
#include "client/request.h"
#include "system/cleanup.h"

#define TARGET      "/v1/doctor?view=plugs&plugs="
#define TARGET_ROOM 6000 /* of a request's head, which the broker reads up to 8 KiB of */
#define FIELDS_MOST 7
#define ASK_WAIT_S  20

const struct plug *plugs_get(const struct plugs *plugs, const char *name)
{
    for (size_t i = 0; i < plugs->count; i++)
        if (strcmp(plugs->list[i].name, name) == 0)
            return &plugs->list[i];
    return NULL;
}

void plugs_want(struct plugs *plugs, const char *name)
{
    if (!plugs_get(plugs, name))
        *heap_add(plugs->list, plugs->count) = (struct plug){.name = heap_copy(name)};
}

/* "NAME\tVMID\tGUEST\tlisted\tVERDICT\tha\thost-unwatched", or "NAME\t-\tCODE\tMESSAGE\tHINT". `index`: of
 * the plug whose turn it is. */
static bool take_plug(struct plugs *plugs, size_t index, char *line)
{
    char *fields[FIELDS_MOST] = {NULL};
    size_t count = 0;
    for (char *field; count < FIELDS_MOST && (field = strsep(&line, "\t"));)
        fields[count++] = field;
    if (index >= plugs->count || count < 5)
        return false;
    struct plug *plug = &plugs->list[index];
    if (strcmp(fields[1], "-") == 0) {
        plug->message = heap_printf("%s: %s", fields[2], fields[3]);
        plug->hint = heap_copy(fields[4]);
        return true;
    }
    if (count < 6)
        return false;
    plug->vmid = heap_copy(fields[1]);
    plug->guest = heap_copy(fields[2]);
    plug->listed = strcmp(fields[3], "listed") == 0;
    plug->ha = strcmp(fields[5], "ha") == 0;
    plug->unwatched = fields[6] && strcmp(fields[6], "host-unwatched") == 0;
    return true;
}

/* The answer about the plugs [first, end). */
static int take_answer(struct plugs *plugs, size_t first, size_t end, char *body, struct failure *failure)
{
    long long deadline_s = 0;
    char *line = strsep(&body, "\n");
    bool good = line && sscanf(line, "deadline\t%lld", &deadline_s) == 1;
    plugs->deadline_ms = deadline_s * 1000;
    for (size_t i = first; good && i < end; i++)
        good = (line = strsep(&body, "\n")) && take_plug(plugs, i, line);
    if (good)
        return 0;
    return failure_set(failure, "client and daemon must have the same version",
                       "the broker's answer about names cannot be read");
}

/* One request for as many as there is room for, from the `first` on; where it ended, or 0 and `failure`. */
static size_t ask_some(struct plugs *plugs, size_t first, const char *socket, struct failure *failure)
{
    _cleanup_(text_clear) struct text target = {0};
    struct answer answer = {0};
    size_t end = first;
    text_puts(&target, TARGET);
    while (end < plugs->count && (end == first || target.length < TARGET_ROOM)) {
        _cleanup_(freep) char *name = heap_need(request_encode(plugs->list[end].name));
        text_printf(&target, "%s%s", end > first ? "," : "", name);
        end++;
    }
    heap_need(target.failed ? NULL : &target);
    struct request request = {.socket = socket, .method = "GET", .target = target.data, .wait_s = ASK_WAIT_S};
    int rc = request_perform(&request, &answer, failure);
    if (rc == 0)
        rc = answer.status == 200 ? take_answer(plugs, first, end, answer.body, failure)
                                  : answer_failure(&answer, failure);
    answer_clear(&answer);
    return rc == 0 ? end : 0;
}

int plugs_ask(struct plugs *plugs, const char *socket, struct failure *failure)
{
    for (size_t at = 0; at < plugs->count;) {
        at = ask_some(plugs, at, socket, failure);
        if (!at)
            return -1;
    }
    return 0;
}
