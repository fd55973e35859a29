/*
 * Asks at the broker's socket, PARALLEL requests at a time, each on a connection of its own, until COUNT were
 * answered:
 *
 *   load SOCKET PARALLEL COUNT <TARGETS
 *
 * TARGETS are lines "METHOD PATH", asked in turn. Prints "GOOD ERRORS SECONDS P50 P99 MAX" with microseconds
 * from before the connect to the end of the answer, and before that a line "STATUS COUNT" for each HTTP
 * status that was not 200 (0: no answer). LOAD_EACH=1 prints a line "STATUS MICROSECONDS METHOD PATH" for
 * each request first. Exits 1 if one was not answered with 200. Counts and times only; what an answer says is
 * looked at by whoever calls this.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define STATUS_MAX 600

struct request {
    int fd;
    const char *target;
    double began_us;
    char head[64]; /* of the answer */
    size_t head_length;
};

static struct {
    struct sockaddr_un address;
    char **targets;
    size_t target_count, parallel, count, sent, ended;
    double *took_us;
    unsigned long statuses[STATUS_MAX];
    int epoll;
    bool each;
    useconds_t pace_us;
} load;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void read_targets(void)
{
    char *line = NULL;
    size_t size = 0, room = 0;
    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
        line[strcspn(line, "\n")] = '\0';
        if (load.target_count == room) {
            room = room ? 2 * room : 64;
            load.targets = reallocarray(load.targets, room, sizeof(*load.targets));
        }
        if (!load.targets || !(load.targets[load.target_count++] = strdup(line)))
            die("memory");
    }
    free(line);
    if (load.target_count == 0) {
        errno = EINVAL;
        die("no targets on standard input");
    }
}

/* A connect waits while the broker has no room: that time is the asker's, too. */
static void begin(struct request *request)
{
    char head[1024];
    *request = (struct request){.fd = -1, .target = load.targets[load.sent++ % load.target_count]};
    request->began_us = now_us();
    request->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (request->fd < 0 ||
        connect(request->fd, (const struct sockaddr *)&load.address, sizeof(load.address)) < 0)
        die("connect");
    int length = snprintf(head, sizeof(head), "%s HTTP/1.1\r\nHost: localhost\r\n\r\n", request->target);
    if (write(request->fd, head, (size_t)length) != length)
        die("write");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = request};
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, request->fd, &event) < 0)
        die("epoll_ctl");
}

static void end(struct request *request)
{
    int status = 0;
    if (sscanf(request->head, "HTTP/1.1 %3d ", &status) != 1 || status < 0 || status >= STATUS_MAX)
        status = 0;
    load.statuses[status]++;
    load.took_us[load.ended] = now_us() - request->began_us;
    if (load.each)
        printf("%d %.0f %s\n", status, load.took_us[load.ended], request->target);
    load.ended++;
    close(request->fd);
    if (load.pace_us)
        usleep(load.pace_us);
    if (load.sent < load.count)
        begin(request);
}

static void take(struct request *request)
{
    static char bytes[65536]; /* the compiler would zero it each time */
    for (;;) {
        ssize_t n = recv(request->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            end(request);
            return;
        }
        size_t room = sizeof(request->head) - 1 - request->head_length;
        size_t more = (size_t)n < room ? (size_t)n : room;
        memcpy(request->head + request->head_length, bytes, more);
        request->head_length += more;
    }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static int report(double seconds)
{
    unsigned long good = load.statuses[200];
    for (int status = 0; status < STATUS_MAX; status++) {
        if (load.statuses[status] && status != 200)
            printf("%d %lu\n", status, load.statuses[status]);
    }
    qsort(load.took_us, load.ended, sizeof(*load.took_us), compare);
    printf("%lu %lu %.3f %.0f %.0f %.0f\n", good, load.ended - good, seconds, load.took_us[load.ended / 2],
           load.took_us[load.ended * 99 / 100], load.took_us[load.ended - 1]);
    return good == load.count ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc != 4 || strlen(argv[1]) >= sizeof(load.address.sun_path)) {
        fprintf(stderr, "usage: load SOCKET PARALLEL COUNT <TARGETS\n");
        return 2;
    }
    load.address.sun_family = AF_UNIX;
    memcpy(load.address.sun_path, argv[1], strlen(argv[1]) + 1);
    load.parallel = strtoul(argv[2], NULL, 10);
    load.count = strtoul(argv[3], NULL, 10);
    load.each = getenv("LOAD_EACH") != NULL;
    const char *pace = getenv("LOAD_PACE_US");
    load.pace_us = pace ? (useconds_t)strtoul(pace, NULL, 10) : 0;
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.took_us = calloc(load.count, sizeof(*load.took_us));
    struct request *requests = calloc(load.parallel, sizeof(*requests));
    if (load.parallel == 0 || load.count == 0 || load.epoll < 0 || !load.took_us || !requests)
        die("start");
    read_targets();

    double began_us = now_us();
    for (size_t i = 0; i < load.parallel && load.sent < load.count; i++)
        begin(&requests[i]);
    while (load.ended < load.count) {
        struct epoll_event events[256];
        int n = epoll_wait(load.epoll, events, 256, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++)
            take(events[i].data.ptr);
    }
    return report((now_us() - began_us) / 1e6);
}
