/* What the broker's report says is the broker's business; the exit status is read from its first words. When
 * nobody is at the socket the daemon's program itself makes the report. */
#include "doctor.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAEMON "fence_brokerd"

static bool begins(const struct answer *answer, const char *words)
{
    return answer->body && answer->length >= strlen(words) && memcmp(answer->body, words, strlen(words)) == 0;
}

int doctor_exit_status(const struct answer *answer)
{
    if (begins(answer, answer->json ? "{\"exit_status\":0," : "Verdict: fine\n"))
        return 0;
    if (begins(answer,
               answer->json ? "{\"exit_status\":2," : "Verdict: a fence would work, but something is off\n"))
        return 2;
    return 1;
}

/* Both are installed, and built, in the same directory. */
static bool find_daemon(char path[static PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof(DAEMON));
    if (length <= 0 || length >= (ssize_t)(PATH_MAX - sizeof(DAEMON)))
        return false;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    memcpy(slash + 1, DAEMON, sizeof(DAEMON));
    return true;
}

int doctor_run_alone(bool json, struct failure *failure)
{
    char path[PATH_MAX];
    char program[] = DAEMON, command[] = "doctor", option[] = "--json";
    char *arguments[] = {program, command, json ? option : NULL, NULL};
    if (!find_daemon(path))
        return failure_prefix(failure, "cannot tell where " DAEMON " is, and");
    say_debug("%s; running %s doctor", failure->cause ? failure->cause : "no broker", path);
    signal(SIGPIPE, SIG_DFL);
    execv(path, arguments);
    int error = errno;
    signal(SIGPIPE, SIG_IGN);
    return failure_prefix(failure, "cannot run %s (%s), and", path, strerror(error));
}
