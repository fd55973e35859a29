/* A state directory of the test's own, and operations to put into it. */
#pragma once

struct fixture {
    char directory[64], file[96], older[96], others[96], older_others[96];
};

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    log_set_level(LOG_CRIT);
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/test-history-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->file, sizeof(fixture->file), "%s/history.jsonl", fixture->directory);
    snprintf(fixture->older, sizeof(fixture->older), "%s/history.jsonl.1", fixture->directory);
    snprintf(fixture->others, sizeof(fixture->others), "%s/history-others.jsonl", fixture->directory);
    snprintf(fixture->older_others, sizeof(fixture->older_others), "%s/history-others.jsonl.1",
             fixture->directory);
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;

    unlink(fixture->file);
    unlink(fixture->older);
    unlink(fixture->others);
    unlink(fixture->older_others);
    rmdir(fixture->directory);
    free(fixture);
    return 0;
}

static inline struct history *open_history(const struct fixture *fixture)
{
    struct error error = {.code = ERROR_NONE};
    struct history *history = history_new(fixture->directory, &error);

    assert_non_null(history);
    assert_int_equal(error.code, ERROR_NONE);
    return history;
}

static inline void put_file(const char *path, const char *bytes, size_t length)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static inline char *get_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "re");
    char *bytes;
    long size;

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    bytes = malloc((size_t)size + 1);
    *length = fread(bytes, 1, (size_t)size, file);
    bytes[*length] = '\0';
    fclose(file);
    return bytes;
}

static inline size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

/* An operation that is under way: asked for at `now_ms` of the monotonic clock. */
static inline struct operation *begin(struct history *history, enum fence_action action, const char *plug,
                                      const char *request_id)
{
    struct operation *operation = operation_new();

    operation->action = action;
    operation->plug = strdup(plug);
    operation->guest = strdup("web1.example.com");
    operation->node = strdup("pve1");
    operation->vmid = 101;
    operation->type = PVE_LXC;
    operation->peer = (struct operation_peer){.uid = 189, .gid = 4294967294U, .pid = 4711};
    operation->privileged = true;
    operation->requested_ms = 50000;
    operation->requested_realtime_ms = clock_realtime_ms();
    if (request_id)
        assert_true(operation_add_request_id(operation, request_id));
    history_add(history, operation);
    return operation;
}

static inline void note(struct history *history, struct operation *operation, int64_t offset_ms,
                        const char *text)
{
    history_write_transition(history, operation,
                             operation_note(operation, operation->requested_ms + offset_ms, text));
}

static inline void verify(struct history *history, struct operation *operation, int64_t offset_ms)
{
    operation->verified_ms = operation->requested_ms + offset_ms;
    history_write_verified(history, operation);
}

static inline void end(struct history *history, struct operation *operation, enum operation_outcome outcome,
                       int64_t offset_ms)
{
    operation->state = OPERATION_ENDED;
    operation->outcome = outcome;
    operation->ended_ms = operation->requested_ms + offset_ms;
    history_write_outcome(history, operation);
}
