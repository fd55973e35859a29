/* Repetition, and the terminal's second page on which it happens. Whatever ends or stops the client by a
 * signal passes through here first, so that the user's page and cursor are back when it is over. Knows no
 * command. */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "screen.h"
#include "system/cleanup.h"

#define SHORTEST_S 0.1
#define LONGEST_S  3600

/* the terminal's second page, without a cursor; and back */
static const char enter_page[] = "\033[?1049h\033[?25l";
static const char leave_page[] = "\033[?25h\033[?1049l";
static const char page_top[] = "\033[H";
static const char clear_rest[] = "\033[J";

static int read_interval(const char *text, struct failure *failure)
{
    char *end = NULL;
    double seconds = text[strspn(text, "0123456789.")] ? 0 : strtod(text, &end);
    if (end && !*end && seconds >= SHORTEST_S && seconds <= LONGEST_S)
        return (int)(seconds * 1000);
    return failure_set(failure, "give seconds, 0.1 to 3600: --watch=2", "--watch=%s is not an interval",
                       text);
}

/* ---- signals --------------------------------------------------------------------------------------------
 */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void write_out(const char *sequence)
{
    int error = errno;
    for (size_t left = strlen(sequence); left > 0;) {
        ssize_t n = write(STDOUT_FILENO, sequence, left);
        if (n <= 0)
            break;
        sequence += n;
        left -= (size_t)n;
    }
    errno = error;
}

/* SA_RESETHAND: the signal that is raised again does what it always does. It is held back until this returns.
 */
static void leave_and_raise(int number)
{
    write_out(leave_page);
    raise(number);
}

static void handle(int number, void (*handler)(int), unsigned flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = (int)flags};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* In the foreground again: the page is entered anew, and the next stop is caught again. */
static void on_continue(int number)
{
    (void)number;
    handle(SIGTSTP, leave_and_raise, SA_RESETHAND | SA_RESTART);
    write_out(enter_page);
}

static void take_page(void)
{
    for (size_t i = 0; i < ARRAY_LEN(ending); i++)
        handle(ending[i], leave_and_raise, SA_RESETHAND | SA_RESTART);
    handle(SIGTSTP, leave_and_raise, SA_RESETHAND | SA_RESTART);
    handle(SIGCONT, on_continue, SA_RESTART);
    write_out(enter_page);
}

/* ---- rounds ---------------------------------------------------------------------------------------------
 */

static void put_failure(const struct screen *screen, const struct failure *failure)
{
    _cleanup_(freep) char *text = say_text("%s%s\n  hint: %s\n", failure->no_daemon ? "no daemon: " : "",
                                           failure->cause ? failure->cause : "out of memory",
                                           failure->hint ? failure->hint : "free some memory");
    if (text)
        screen_put(screen, text, strlen(text), screen->terminal ? screen->rows : 0);
}

static void put_title(const struct screen *screen, const char *title, int interval_ms)
{
    char clock[16] = "";
    time_t now = time(NULL);
    struct tm tm;
    if (localtime_r(&now, &tm))
        strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    printf("%sfence_broker %s, every %g s, %s%s\n%s\n", screen->terminal ? page_top : "", title,
           interval_ms / 1000.0, clock, screen->terminal ? "\033[K" : "", screen->terminal ? "\033[K" : "");
}

int watch_run(const char *title, const char *interval, bool json, watch_show_fn *show, const void *context,
              struct failure *failure)
{
    int interval_ms = read_interval(interval, failure);
    if (interval_ms < 0)
        return -1;
    bool page = screen_of_stdout().terminal && !json;
    if (page)
        take_page();
    for (bool first = true;; first = false) {
        struct screen screen = screen_of_stdout();
        if (!page && !first && !json)
            putchar('\n');
        if (!json)
            put_title(&screen, title, interval_ms);
        unsigned room = page && screen.rows > 4 ? screen.rows - 3 : page ? 1000 : 0;
        if (show(context, room, failure) < 0) {
            if (json)
                failure_print(failure);
            else
                put_failure(&screen, failure);
            failure_clear(failure);
        }
        if (page)
            fputs(clear_rest, stdout);
        if (say_finish(failure) < 0)
            break;
        poll(NULL, 0, interval_ms);
    }
    if (page)
        write_out(leave_page);
    return -1;
}
