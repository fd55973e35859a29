/*
 * The controlling terminal, not standard input: a password is never what was piped in by accident. The echo
 * comes back whatever ends the question, a signal too.
 */
#include "admin/prompt.h"

#include "system/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

#define PROMPT_LINE_MAX 4096

/* A line, byte by byte: what follows belongs to the next question. The length, or -1 with errno. */
static ssize_t read_line(int fd, char *line, size_t room)
{
    size_t length = 0;
    for (;;) {
        char c;
        ssize_t count = read(fd, &c, 1);
        if (count < 0)
            return -1;
        if (count == 0 || c == '\n')
            break;
        if (length + 1 >= room) {
            errno = EMSGSIZE;
            return -1;
        }
        line[length++] = c;
    }
    if (length && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    return (ssize_t)length;
}

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

/* Signals interrupt the read instead of ending us with the echo off. */
static void catch_signals(const int *numbers, size_t count, struct sigaction *before)
{
    struct sigaction action = {.sa_handler = on_signal};
    caught = 0;
    for (size_t i = 0; i < count; i++)
        sigaction(numbers[i], &action, &before[i]);
}

static ssize_t read_hidden(int tty, char *line, size_t room)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    struct sigaction before[ARRAY_LEN(numbers)];
    struct termios shown, hidden;
    if (tcgetattr(tty, &shown) != 0)
        return -1;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    catch_signals(numbers, ARRAY_LEN(numbers), before);
    if (tcsetattr(tty, TCSAFLUSH, &hidden) != 0)
        return -1;
    ssize_t length = read_line(tty, line, room);
    int problem = errno;
    tcsetattr(tty, TCSAFLUSH, &shown);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        sigaction(numbers[i], &before[i], NULL);
    dprintf(tty, "\n");
    if (caught)
        raise(caught);
    errno = problem;
    return length;
}

struct secret *prompt_secret(const char *question, int fd, const char *option, struct error *error)
{
    char line[PROMPT_LINE_MAX];
    ssize_t length = -1;
    if (fd >= 0) {
        length = read_line(fd, line, sizeof(line));
    } else {
        _cleanup_(closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (tty >= 0) {
            dprintf(tty, "%s: ", question);
            length = read_hidden(tty, line, sizeof(line));
        }
    }
    int problem = errno;
    struct secret *secret = length > 0 ? secret_new(line, (size_t)length) : NULL;
    explicit_bzero(line, sizeof(line));
    if (secret)
        return secret;
    error_set(error, ERROR_NO_SESSION, "%s: %s", question,
              length == 0  ? "nothing was given"
              : length > 0 ? "no memory"
                           : strerror(problem));
    error_hint(error, "without a terminal give it on a file descriptor: %s N", option);
    return NULL;
}

int prompt_yes(const char *question, struct error *error)
{
    char line[PROMPT_LINE_MAX];
    _cleanup_(closep) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty >= 0) {
        dprintf(tty, "%s [y/N] ", question);
        ssize_t length = read_line(tty, line, sizeof(line));
        if (length >= 0)
            return strcmp(line, "y") == 0 || strcmp(line, "yes") == 0;
    }
    error_set(error, ERROR_BAD_REQUEST, "there is no terminal to ask at: %s", strerror(errno));
    error_hint(error, "without a terminal use --yes");
    return -1;
}
