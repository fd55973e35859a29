/*
 * The options of `acl`, and the way from a CIB to the sections. What is evaluated was written by whoever may
 * change the CIB: a process of its own with little time and memory does it.
 */
#include "admin/acl.h"

#include "admin/acl_private.h"
#include "admin/command.h"
#include "system/cleanup.h"

#include <errno.h>
#include <libxml/xmlerror.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define EXIT_LOST    1 /* of the child: without memory, or it could not write */
#define EXIT_FAILED  2 /* it wrote why */
#define CPU_SECONDS  20
#define WALL_SECONDS 180
#define MEMORY_MOST  (1024L * 1024 * 1024)

static const char usage[] =
    "usage: " ADMIN " acl [--cib FILE] [--passwd FILE] [--group FILE]\n"
    "      --cib FILE     a copy of the CIB, - is standard input; without it the running cluster's is\n"
    "                     asked for, as root\n"
    "      --passwd FILE  users and groups of the cluster's machines, where they are not those of this\n"
    "      --group FILE   one: copies of /etc/passwd and /etc/group\n"
    "  -h, --help         print this\n"
    "Prints Pacemaker's access rules as sections of the broker's configuration, and which of them have "
    "no\n"
    "counterpart. Changes nothing.\n";

/* What libxml2 would say of an expression on stderr, bytes and all. */
static void ignore(void *context, const char *format, ...)
{
    (void)context;
    (void)format;
}

int acl_translate(const char *cib, size_t length, FILE *passwd, FILE *group, struct text *out,
                  struct failure *failure)
{
    struct acl acl = {.on = false};
    xmlSetGenericErrorFunc(NULL, ignore);
    int rc = cib_read(&acl.cib, cib, length, failure);
    if (rc == 0)
        rc = acl_read(&acl, failure);
    if (rc == 0 && acl.on) {
        acl_people(&acl, passwd, group);
        rc = acl_match(&acl, failure);
    }
    if (rc == 0)
        acl_put(&acl, out);
    heap_need(out->failed ? NULL : out);
    acl_clear(&acl);
    xmlSetGenericErrorFunc(NULL, NULL);
    return rc;
}

struct wish {
    const char *cib, *passwd, *group;
};

static FILE *open_file(const char *path, struct failure *failure)
{
    FILE *in = fopen(path, "re");
    if (!in)
        failure_set(failure, "name a file that you may read", "%s: %s", path, strerror(errno));
    return in;
}

/* ---- apart ---- */

/* The child's answer: the sections, or the failure's cause and hint, a line each. */
static int run_child(const char *cib, size_t length, FILE *passwd, FILE *group, int answer)
{
    struct text out = {0};
    struct failure failure = {0};
    const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS}, memory = {MEMORY_MOST, MEMORY_MOST}, none = {0, 0};
    (void)setrlimit(RLIMIT_CPU, &cpu);
    (void)setrlimit(RLIMIT_AS, &memory);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)!freopen("/dev/null", "w", stderr); /* what it could say there it is not asked for */
    alarm(WALL_SECONDS);                      /* a directory that lists its users slowly */
    int rc = acl_translate(cib, length, passwd, group, &out, &failure);
    if (rc < 0) {
        text_clear(&out);
        text_printf(&out, "%s\n%s", failure.cause ? failure.cause : "out of memory",
                    failure.hint ? failure.hint : "");
    }
    FILE *file = fdopen(answer, "w");
    bool written =
        file && fwrite(out.data ? out.data : "", 1, out.length, file) == out.length && fclose(file) == 0;
    return !written ? EXIT_LOST : rc < 0 ? EXIT_FAILED : 0;
}

static bool read_answer(int fd, struct text *answer)
{
    for (off_t at = 0;;) {
        char *room = text_room(answer, BUFSIZ);
        ssize_t got = room ? pread(fd, room, BUFSIZ, at) : -1;
        if (got < 0)
            return false;
        if (got == 0)
            return true;
        text_grow(answer, room + got);
        at += got;
    }
}

static int take_answer(int status, int fd, struct text *out, struct failure *failure)
{
    struct text answer = {0};
    int rc = -1;
    if (!WIFEXITED(status))
        failure_set(failure, "look for the acl_permission with the longest xpath",
                    "evaluating the access rules took more than %d s, or too much memory", CPU_SECONDS);
    else if (WEXITSTATUS(status) == EXIT_LOST || !read_answer(fd, &answer))
        failure_set(failure, NULL, "out of memory");
    else if (WEXITSTATUS(status) == EXIT_FAILED) {
        char *cause = answer.data ? answer.data : (char[]){""}, *hint = strchr(cause, '\n');
        if (hint)
            *hint++ = '\0';
        failure_set(failure, hint && *hint ? hint : NULL, "%s", cause);
    } else {
        text_append(out, answer.data ? answer.data : "", answer.length);
        heap_need(out->failed ? NULL : out);
        rc = 0;
    }
    text_clear(&answer);
    return rc;
}

int acl_translate_apart(const struct text *cib, FILE *passwd, FILE *group, struct text *out,
                        struct failure *failure)
{
    _cleanup_(closep) int answer = memfd_create("acl", MFD_CLOEXEC);
    int status = 0;
    fflush(stdout);
    pid_t child = answer < 0 ? -1 : fork();
    if (child == 0)
        _exit(run_child(cib->data ? cib->data : "", cib->length, passwd, group, answer));
    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            child = -1;
    if (child < 0)
        return failure_set(failure, NULL, "no process for the access rules: %s", strerror(errno));
    return take_answer(status, answer, out, failure);
}

/* ---- the command ---- */

static int translate(const struct wish *wish, const struct text *cib, struct failure *failure)
{
    struct text out = {0};
    FILE *passwd = wish->passwd ? open_file(wish->passwd, failure) : NULL;
    FILE *group = wish->group ? open_file(wish->group, failure) : NULL;
    int rc = failure->cause ? -1 : acl_translate_apart(cib, passwd, group, &out, failure);
    if (passwd)
        fclose(passwd);
    if (group)
        fclose(group);
    return rc == 0 ? command_put(&out, failure) : rc;
}

/* Others are shown what their rules let them see: half the rules would be other rules. */
static int query(struct text *cib, struct failure *failure)
{
    if (geteuid() != 0)
        return failure_set(failure,
                           "run it as root, or name a copy of the CIB that root has made (--cib FILE)",
                           "Pacemaker shows the whole CIB to root only");
    return cib_text_query(cib, CIB_WAIT_MS, failure);
}

static int run(const struct wish *wish)
{
    struct failure failure = {0};
    struct text cib = {0};
    int rc = wish->cib ? cib_text_read(&cib, wish->cib, &failure) : query(&cib, &failure);
    if (rc == 0)
        rc = translate(wish, &cib, &failure);
    text_clear(&cib);
    return command_end(rc, &failure);
}

static int acl(const struct command *command, int argc, char **argv)
{
    struct wish wish = {.cib = NULL};
    const struct command_option options[] = {{"cib", .text = &wish.cib},
                                             {"passwd", .text = &wish.passwd},
                                             {"group", .text = &wish.group},
                                             {.name = NULL}};
    int status = command_options(command, argc, argv, options, NULL);
    return status == COMMAND_GO_ON ? run(&wish) : status;
}

const struct command acl_command = {"acl", "Pacemaker's access rules as the broker's", usage, 2, acl};
