/*
 * The log. A record is the priority, the time and the fields, packed; the same sink writes it to the journal
 * or as a line on stderr, in the recorder's child once log_start() has made one, before that in place. Knows
 * nothing of who says what, and never sees a secret.
 */
#include "system/log.h"

#include "system/cleanup.h"
#include "system/clock.h"
#include "system/text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#define LOG_IDENTIFIER     "fence_brokerd"
#define LOG_FIELDS_MAX     64         /* of one record; the journal's own limit is 1024 */
#define LOG_OWN_FIELDS     3          /* of these: MESSAGE, MESSAGE_ID, FENCE_EVENT */
#define LOG_VALUE_MAX      (8 * 1024) /* bytes of a message or a value; longer ones end in "..." */
#define LOG_STDERR_WAIT_MS 5000       /* of the child, for a reader of stderr that has fallen behind */

/* Fields as "NAME=value" with their NUL follow each other behind this head; the message is the first of them.
 */
struct log_head {
    int64_t realtime_ms;
    int32_t priority;
    int32_t pid; /* of the daemon: the journal's own _PID will be the child's */
};

static struct {
    int level;
    bool to_journal;
    bool in_child; /* which may wait */
    struct recorder *recorder;
    uint64_t lost_said;   /* losses that the log itself has mentioned */
    uint64_t lost_before; /* of recorders that are gone */
} logger = {.level = LOG_INFO};

static const char *const priority_names[] = {"emergency", "alert",  "critical", "error",
                                             "warning",   "notice", "info",     "debug"};

/* ---- the sink ---------------------------------------------------------------------------------------- */

static int write_stderr(const char *line, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, line, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN) { /* shared with the daemon, who has made it non-blocking */
            struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};
            if (poll(&writable, 1, logger.in_child ? LOG_STDERR_WAIT_MS : 0) > 0)
                continue;
            return -EAGAIN;
        }
        if (written < 0)
            return -errno;
        line += written;
        length -= (size_t)written;
    }
    return 0;
}

static bool needs_quotes(const char *value)
{
    return value[0] == '\0' || strpbrk(value, " \"=") != NULL;
}

static bool is_message_id(const char *field)
{
    return strncmp(field, "MESSAGE_ID=", strlen("MESSAGE_ID=")) == 0;
}

static int line_to_stderr(const struct log_head *head, const char *fields, size_t length)
{
    struct text line = {0};
    char when[CLOCK_RFC3339_LEN];
    text_printf(&line, "%s %s", clock_rfc3339(head->realtime_ms, when),
                priority_names[head->priority & LOG_PRIMASK]);
    const char *end = fields + length;
    for (const char *field = fields; field < end; field += strlen(field) + 1) {
        const char *value = strchr(field, '=');
        if (!value || is_message_id(field)) /* FENCE_EVENT tells people the same */
            continue;
        value++;
        if (field == fields)
            text_printf(&line, " %s", value);
        else
            text_printf(&line, needs_quotes(value) ? " %.*s\"%s\"" : " %.*s%s", (int)(value - field), field,
                        value);
    }
    text_puts(&line, "\n");
    int result = line.failed ? -ENOMEM : write_stderr(line.data, line.length);
    text_clear(&line);
    return result;
}

static int entry_to_journal(const struct log_head *head, const char *fields, size_t length)
{
    char priority[] = "PRIORITY=0";
    priority[sizeof(priority) - 2] = (char)('0' + (head->priority & LOG_PRIMASK));
    char pid[sizeof("SYSLOG_PID=") + 12];
    int pid_length = snprintf(pid, sizeof(pid), "SYSLOG_PID=%" PRId32, head->pid);
    static char identifier[] = "SYSLOG_IDENTIFIER=" LOG_IDENTIFIER;
    struct iovec parts[3 + LOG_FIELDS_MAX] = {
        {priority, sizeof(priority) - 1}, {identifier, sizeof(identifier) - 1}, {pid, (size_t)pid_length}};
    int count = 3;
    const char *end = fields + length;
    for (const char *field = fields; field < end && count < (int)ARRAY_LEN(parts); field += strlen(field) + 1)
        parts[count++] = (struct iovec){(void *)(uintptr_t)field, strlen(field)};
    return sd_journal_sendv(parts, count);
}

static int sink_write(void *state, const char *record, size_t length)
{
    struct log_head head;
    (void)state;
    /* the last byte ends the last field: packed by us, but a reader of memory checks */
    if (length <= sizeof(head) || record[length - 1] != '\0')
        return -EINVAL;
    memcpy(&head, record, sizeof(head));
    const char *fields = record + sizeof(head);
    length -= sizeof(head);
    if (!logger.to_journal)
        return line_to_stderr(&head, fields, length);
    int result = entry_to_journal(&head, fields, length);
    /* no journald (any more): its place is stderr */
    return result == 0 ? 0 : line_to_stderr(&head, fields, length);
}

static int sink_open(void *state)
{
    (void)state;
    logger.in_child = true;
    return 0;
}

static char *sink_describe(const void *state)
{
    (void)state;
    return strdup("");
}

/* It has the daemon's stderr and environment, and finds for itself where the records go. */
static void *sink_revive(const char *description)
{
    (void)description;
    (void)log_choose();
    return &logger;
}

const struct recorder_sink log_sink = {
    .open = sink_open,
    .write = sink_write,
    .name = "log",
    .describe = sink_describe,
    .revive = sink_revive,
};

/* ---- the daemon's side ------------------------------------------------------------------------------- */

void log_set_level(int level)
{
    logger.level = level;
}

/* $JOURNAL_STREAM is "DEVICE:INODE" of the stream that systemd connected; stderr may have been redirected
 * since. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat file;
    uintmax_t device, inode;
    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &file) == 0 &&
           device == (uintmax_t)file.st_dev && inode == (uintmax_t)file.st_ino;
}

bool log_choose(void)
{
    logger.to_journal = stderr_is_journal();
    return logger.to_journal;
}

int log_start(void)
{
    if (logger.recorder)
        return -EALREADY;
    (void)log_choose();
    logger.recorder = recorder_new("fence-log", &log_sink, NULL, -1);
    if (!logger.recorder) {
        logger.to_journal = false;
        return -errno;
    }
    return 0;
}

int log_attach(struct event_base *base)
{
    return logger.recorder ? recorder_attach(logger.recorder, base) : -ENOTCONN;
}

uint64_t log_lost(void)
{
    return logger.lost_before + (logger.recorder ? recorder_lost(logger.recorder) : 0);
}

void log_stop(int64_t wait_ms)
{
    if (!logger.recorder)
        return;
    struct recorder *recorder = TAKE(logger.recorder);
    logger.lost_before += recorder_lost(recorder);
    logger.to_journal = false;
    recorder_free(recorder, wait_ms);
}

/* Bounded, printable, with the NUL that ends the field. */
static void append_value(struct text *record, const char *value)
{
    size_t start = record->length, length = strlen(value);
    if (length > LOG_VALUE_MAX) {
        text_append(record, value, LOG_VALUE_MAX);
        text_puts(record, "...");
    } else {
        text_append(record, value, length);
    }
    if (!record->failed)
        text_make_printable(record->data + start);
    text_append(record, "", 1);
}

static void append_field(struct text *record, const char *name, const char *value)
{
    text_printf(record, "%s=", name);
    append_value(record, value);
}

/* `kind` may be NULL. */
static void begin_record(struct text *record, int priority, const char *message,
                         const struct log_kind_row *kind)
{
    struct log_head head = {
        .realtime_ms = clock_realtime_ms(), .priority = priority, .pid = (int32_t)getpid()};
    text_append(record, (const char *)&head, sizeof(head));
    append_field(record, "MESSAGE", message);
    if (!kind)
        return;
    append_field(record, "MESSAGE_ID", kind->id);
    append_field(record, "FENCE_EVENT", kind->name);
}

static bool hand_over(const struct text *record)
{
    if (record->failed) {
        logger.lost_before++; /* no memory for the words; the count is kept */
        return false;
    }
    if (logger.recorder)
        return recorder_write(logger.recorder, record->data, record->length, NULL, NULL) > 0;
    (void)sink_write(NULL, record->data, record->length);
    return true;
}

/* A gap in the log is itself worth a line, as soon as one goes through. False: not yet. */
static bool say_losses(void)
{
    uint64_t lost = log_lost();
    if (lost == logger.lost_said)
        return true;
    struct text record = {0};
    char words[96];
    snprintf(words, sizeof(words), "%" PRIu64 " log records were lost: the log's reader did not keep up",
             lost - logger.lost_said);
    const struct log_kind_row *kind = log_kind_row(KIND_LOG_LOST);
    begin_record(&record, kind->priority, words, kind);
    bool said = hand_over(&record);
    text_clear(&record);
    if (said)
        logger.lost_said = lost;
    return said;
}

/* `kind` and `fields` may be NULL. */
__attribute__((format(printf, 4, 0))) static void write_record(int priority, const struct log_kind_row *kind,
                                                               const struct log_field *fields,
                                                               const char *format, va_list arguments)
{
    if (priority > logger.level)
        return;
    int saved_errno = errno; /* callers go on using it */
    if (!say_losses()) {
        errno = saved_errno;
        return; /* still no room; the attempt has been counted as lost, in the place of this record */
    }
    struct text record = {0};
    char *formatted = NULL;
    if (vasprintf(&formatted, format, arguments) < 0)
        formatted = NULL;
    begin_record(&record, priority, formatted ? formatted : format, kind);
    size_t count = LOG_OWN_FIELDS;
    for (; fields && fields->name && count < LOG_FIELDS_MAX; fields++) {
        if (!fields->value)
            continue;
        append_field(&record, fields->name, fields->value);
        count++;
    }
    (void)hand_over(&record);
    free(formatted);
    text_clear(&record);
    errno = saved_errno;
}

void log_say(enum log_kind kind, const struct log_field *fields, const char *format, ...)
{
    const struct log_kind_row *row = log_kind_row(kind);
    va_list arguments;
    va_start(arguments, format);
    write_record(row->priority, row, fields, format, arguments);
    va_end(arguments);
}

void log_remark(int priority, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_record(priority, NULL, NULL, format, arguments);
    va_end(arguments);
}
