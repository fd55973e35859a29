/* See usertext.h. */
#include "usertext.h"
#include "call.h"
#include "system/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIST_SEPARATORS ", ;"

static void fclosep(FILE **file)
{
    if (*file)
        fclose(*file);
}

static void line_free(struct usertext_line *line)
{
    for (int i = 0; i < USERTEXT_FIELDS; i++)
        free(line->field[i]);
    free(line);
}

void usertext_clear(struct usertext *text)
{
    for (struct usertext_line *line; (line = text->lines);) {
        text->lines = line->next;
        line_free(line);
    }
}

int usertext_set(struct usertext_line *line, int field, const char *value)
{
    char *copy = strdup(value ? value : "");
    if (!copy)
        return -ENOMEM;
    free(line->field[field]);
    line->field[field] = copy;
    return 0;
}

struct usertext_line *usertext_add(struct usertext *text, const char *kind, const char *name)
{
    struct usertext_line *line = calloc(1, sizeof(*line)), **last = &text->lines;
    int error = line ? 0 : -ENOMEM;
    for (int i = 0; i < USERTEXT_FIELDS && !error; i++)
        error = usertext_set(line, i, i == 0 ? kind : i == 1 ? name : "");
    if (error) {
        if (line)
            line_free(line);
        return NULL;
    }
    while (*last)
        last = &(*last)->next;
    *last = line;
    return line;
}

/* an acl line with lists becomes one line for each pair */
static int add_grants(struct usertext *text, char **field)
{
    for (char *subject; (subject = strsep(&field[ACL_SUBJECT], LIST_SEPARATORS));) {
        _cleanup_(freep) char *roles = strdup(field[ACL_ROLE]);
        char *rest = roles;
        if (!roles)
            return -ENOMEM;
        for (char *role; *subject && (role = strsep(&rest, LIST_SEPARATORS));) {
            struct usertext_line *line = *role ? usertext_add(text, "acl", field[ACL_PROPAGATE]) : NULL;
            if (*role &&
                (!line || usertext_set(line, ACL_PATH, field[ACL_PATH]) < 0 ||
                 usertext_set(line, ACL_SUBJECT, subject) < 0 || usertext_set(line, ACL_ROLE, role) < 0))
                return -ENOMEM;
        }
    }
    return 0;
}

static int add_line(struct usertext *text, char *from)
{
    char *field[USERTEXT_FIELDS], none[] = "";
    from[strcspn(from, "\n")] = '\0';
    if (!*from)
        return 0;
    for (int i = 0; i < USERTEXT_FIELDS; i++)
        field[i] = from ? strsep(&from, ":") : none;
    if (strcmp(field[0], "acl") == 0)
        return add_grants(text, field);
    struct usertext_line *line = usertext_add(text, field[0], field[1]);
    int error = line ? 0 : -ENOMEM;
    for (int i = 2; i < USERTEXT_FIELDS && !error; i++)
        error = usertext_set(line, i, field[i]);
    return error;
}

int usertext_load(const char *path, struct usertext *out)
{
    _cleanup_(fclosep) FILE *file = fopen(path, "re");
    _cleanup_(freep) char *line = NULL;
    size_t room = 0;
    int error = 0;
    *out = (struct usertext){0};
    if (!file)
        return -errno;
    while (!error && getline(&line, &room, file) >= 0)
        error = add_line(out, line);
    if (error)
        usertext_clear(out);
    return error;
}

int usertext_save(const struct usertext *text, const char *path)
{
    _cleanup_(freep) char *fresh = NULL;
    if (asprintf(&fresh, "%s.new", path) < 0) {
        fresh = NULL;
        return -ENOMEM;
    }
    FILE *file = fopen(fresh, "we");
    if (!file)
        return -errno;
    for (const struct usertext_line *line = text->lines; line; line = line->next) {
        int count = USERTEXT_FIELDS;
        while (count > 2 && !*line->field[count - 1])
            count--;
        for (int i = 0; i < count; i++)
            fprintf(file, "%s:", line->field[i]);
        fputc('\n', file);
    }
    if (fclose(file) != 0 || rename(fresh, path) < 0)
        return -errno;
    return 0;
}

struct usertext_line *usertext_find(const struct usertext *text, const char *kind, const char *name)
{
    for (struct usertext_line *line = text->lines; line; line = line->next) {
        if (strcmp(line->field[0], kind) == 0 && strcmp(line->field[1], name) == 0)
            return line;
    }
    return NULL;
}

void usertext_remove(struct usertext *text, struct usertext_line *line)
{
    struct usertext_line **at = &text->lines;
    while (*at && *at != line)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = line->next;
    line_free(line);
}

int usertext_set_text(struct usertext_line *line, int field, const char *value)
{
    _cleanup_(freep) char *encoded = malloc(value ? strlen(value) * 3 + 1 : 1);
    char *to = encoded;
    if (!encoded)
        return -ENOMEM;
    for (const char *from = value ? value : ""; *from; from++) {
        unsigned char c = (unsigned char)*from;
        if (c < 0x20 || c >= 0x7f || c == ':' || c == '%')
            to += sprintf(to, "%%%02X", c);
        else
            *to++ = *from;
    }
    *to = '\0';
    return usertext_set(line, field, encoded);
}

char *usertext_text(const struct usertext_line *line, int field)
{
    char *text = strdup(line->field[field]);
    if (text)
        call_decode(text, false);
    return text;
}

bool usertext_list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; *(at += strspn(at, LIST_SEPARATORS)); at += strcspn(at, LIST_SEPARATORS)) {
        if (strcspn(at, LIST_SEPARATORS) == length && strncmp(at, word, length) == 0)
            return true;
    }
    return false;
}

int usertext_list_add(struct usertext_line *line, int field, const char *word)
{
    _cleanup_(freep) char *list = NULL;
    const char *old = line->field[field];
    if (usertext_list_has(old, word))
        return 0;
    if (asprintf(&list, "%s%s%s", old, *old ? "," : "", word) < 0) {
        list = NULL;
        return -ENOMEM;
    }
    return usertext_set(line, field, list);
}

int usertext_list_remove(struct usertext_line *line, int field, const char *word)
{
    _cleanup_(freep) char *old = strdup(line->field[field]);
    int error = old ? usertext_set(line, field, "") : -ENOMEM;
    for (char *rest = old, *one; !error && (one = strsep(&rest, LIST_SEPARATORS));) {
        if (*one && strcmp(one, word) != 0)
            error = usertext_list_add(line, field, one);
    }
    return error;
}
