/* What the client says beside its answers (and what fence-broker-admin does, where it does the client's
 * work). Pacemaker logs our stderr and judges a failed fence by its words, so a failure is one line with its
 * cause and its way out, written at once, without control characters. This room does not know what failed,
 * and it never prints a parameter's value on its own account: a password left over from another agent's
 * device must not reach a log. */
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "system/cleanup.h"

static const char *program_ = "fence_broker";
static bool quiet_;
static bool verbose_;
static int debug_fd_ = -1;

void failure_clear(struct failure *failure)
{
    free(failure->cause);
    free(failure->hint);
    *failure = (struct failure){0};
}

__attribute__((format(printf, 1, 0))) static char *format_va(const char *format, va_list args)
{
    char *text = NULL;
    return vasprintf(&text, format, args) < 0 ? NULL : text;
}

char *say_text(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_va(format, args);
    va_end(args);
    return text;
}

int failure_set(struct failure *failure, const char *hint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *cause = format_va(format, args);
    va_end(args);
    /* the texts may be made of the failure's own, so they are copied before those are freed */
    char *copy = hint ? strdup(hint) : NULL;
    failure_clear(failure);
    failure->cause = cause;
    failure->hint = copy;
    return -1;
}

int failure_prefix(struct failure *failure, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    _cleanup_(freep) char *prefix = format_va(format, args);
    va_end(args);
    char *cause = prefix && failure->cause ? say_text("%s: %s", prefix, failure->cause) : NULL;
    if (cause) {
        free(failure->cause);
        failure->cause = cause;
    }
    return -1;
}

/* Writes `line` as one line. Bytes that could start a new line or steer a terminal become blanks, now and in
 * `line`. */
static void write_line(int fd, char *line)
{
    size_t length = strlen(line);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = ' ';
    line[length] = '\n'; /* over the terminating NUL: one write, one line */
    ssize_t n;
    do
        n = write(fd, line, length + 1);
    while (n < 0 && errno == EINTR);
    line[length] = '\0';
}

/* Takes `line` (NULL: no memory, and nothing is said); to the debug file, and to stderr if wanted. */
static void tell(char *line, bool aloud)
{
    _cleanup_(freep) char *owned = line;
    if (owned && debug_fd_ >= 0)
        write_line(debug_fd_, owned);
    if (owned && aloud)
        write_line(STDERR_FILENO, owned);
}

void failure_print(const struct failure *failure)
{
    tell(say_text("%s: %s; %s", program_, failure->cause ? failure->cause : "out of memory",
                  failure->hint ? failure->hint : "free some memory and try again"),
         true);
}

void say_as(const char *program)
{
    program_ = program;
}

void say_setup(bool quiet, bool verbose, const char *debug_file)
{
    quiet_ = quiet;
    verbose_ = verbose;
    if (!debug_file || !*debug_file)
        return;
    /* O_NONBLOCK: a FIFO that nobody reads must not hold a fence */
    debug_fd_ = open(debug_file, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (debug_fd_ < 0)
        say_warning("cannot write the debug file %s: %s; continuing without it", debug_file, strerror(errno));
}

void say_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    _cleanup_(freep) char *text = format_va(format, args);
    va_end(args);
    if (text)
        tell(say_text("%s: warning: %s", program_, text), !quiet_);
}

void say_debug(const char *format, ...)
{
    if (!verbose_ && debug_fd_ < 0)
        return;
    va_list args;
    va_start(args, format);
    _cleanup_(freep) char *text = format_va(format, args);
    va_end(args);
    if (text)
        tell(say_text("%s[%d]: debug: %s", program_, (int)getpid(), text), verbose_);
}

int say_finish(struct failure *failure)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    /* stdio may have forgotten the reason: a pipe without a reader tells it again */
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    int error = errno ? errno : EIO;
    bool no_reader = error == EPIPE || (poll(&out, 1, 0) == 1 && out.revents & POLLERR);
    failure_set(failure, "see where standard output goes", "cannot write the answer: %s",
                strerror(no_reader ? EPIPE : error));
    failure->no_reader = no_reader;
    return -1;
}
