/*
 * user.cfg as lines and fields that can be changed and written back: for the calls that an administrator
 * makes.
 *
 * Knows where which field stands, and not what grants mean; reading for decisions is policy/usercfg's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* fields by kind of line; the first one is the name */
enum { USER_ID = 1, USER_ENABLE, USER_EXPIRE, USER_FIRST, USER_LAST, USER_EMAIL, USER_COMMENT, USER_KEYS };
enum { TOKEN_ID = 1, TOKEN_EXPIRE, TOKEN_PRIVSEP, TOKEN_COMMENT };
enum { GROUP_ID = 1, GROUP_USERS, GROUP_COMMENT };
enum { POOL_ID = 1, POOL_COMMENT, POOL_GUESTS, POOL_STORAGES };
enum { ROLE_ID = 1, ROLE_PRIVILEGES };
enum { ACL_PROPAGATE = 1, ACL_PATH, ACL_SUBJECT, ACL_ROLE };
#define USERTEXT_FIELDS 9

struct usertext_line {
    char *field[USERTEXT_FIELDS]; /* field[0] is the kind; never NULL in a line that is there */
    struct usertext_line *next;
};

struct usertext {
    struct usertext_line *lines; /* grants stand one subject and role a line */
};

/* 0 or a negative errno; *out is the caller's. */
int usertext_load(const char *path, struct usertext *out) __attribute__((warn_unused_result));
int usertext_save(const struct usertext *text, const char *path) __attribute__((warn_unused_result));
void usertext_clear(struct usertext *text);

/* The line of that kind and name; NULL if there is none. */
struct usertext_line *usertext_find(const struct usertext *text, const char *kind, const char *name);
/* A new, empty one at the end; NULL without memory. */
struct usertext_line *usertext_add(struct usertext *text, const char *kind, const char *name);
void usertext_remove(struct usertext *text, struct usertext_line *line);

/* NULL becomes "". 0 or -ENOMEM. */
int usertext_set(struct usertext_line *line, int field, const char *value)
    __attribute__((warn_unused_result));
/* The same, percent-encoded, for comments; and back (owned by the caller, NULL without memory). */
int usertext_set_text(struct usertext_line *line, int field, const char *value)
    __attribute__((warn_unused_result));
char *usertext_text(const struct usertext_line *line, int field);

/* Lists in a field: words separated by commas. */
bool usertext_list_has(const char *list, const char *word);
int usertext_list_add(struct usertext_line *line, int field, const char *word)
    __attribute__((warn_unused_result));
int usertext_list_remove(struct usertext_line *line, int field, const char *word)
    __attribute__((warn_unused_result));
