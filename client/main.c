/* fence_broker, the client of fence_brokerd: run by Pacemaker as a fence agent, and by people as a command.
 * It decides which of the two it is, and tells how it ended; all else lies in its rooms. Starts at once and
 * depends on the C library alone, for it runs in the worst second of a cluster's day. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "agent.h"
#include "commands.h"
#include "say.h"

/* Started with 0, 1 or 2 closed, a socket would take their place and get our messages. */
static void fill_standard_streams(void)
{
    for (;;) {
        int fd = open("/dev/null", O_RDWR | O_NOCTTY);
        if (fd > STDERR_FILENO)
            close(fd);
        if (fd < 0 || fd > STDERR_FILENO)
            return;
    }
}

int main(int argc, char **argv)
{
    struct failure failure = {0};
    fill_standard_streams();
    signal(SIGPIPE, SIG_IGN);
    int rc =
        commands_wanted(argc, argv) ? commands_run(argc, argv, &failure) : agent_run(argc, argv, &failure);
    fflush(stdout);
    if (rc == AGENT_FAILED && !failure.told)
        failure_print(&failure);
    failure_clear(&failure);
    return rc;
}
