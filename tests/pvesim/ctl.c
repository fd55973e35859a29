/*
 * The client of the control socket: `pvesim ctl DIR WORDS…`.
 *
 * Knows that an answer begins with "ok" or says what is wrong; the words are control.c's.
 */
#include "control.h"
#include "system/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int connect_to(const char *dir)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", dir);
    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int control_client(const char *dir, int count, char **words)
{
    int fd = connect_to(dir);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "r+");
    if (!stream) {
        fprintf(stderr, "pvesim: cannot reach %s/control.sock: %m; is pvesim running there?\n", dir);
        return 1;
    }
    for (int i = 0; i < count; i++)
        fprintf(stream, "%s%s", i ? " " : "", words[i]);
    fprintf(stream, "\n");
    fflush(stream);

    _cleanup_(freep) char *line = NULL;
    size_t room = 0;
    bool fine = getline(&line, &room, stream) > 0 && strncmp(line, "ok", 2) == 0;
    if (!fine)
        fprintf(stderr, "pvesim: %s", line ? line : "no answer\n");
    while (fine && getline(&line, &room, stream) > 0)
        fputs(line, stdout);
    fclose(stream);
    return fine ? 0 : 1;
}
