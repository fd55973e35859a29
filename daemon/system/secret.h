/*
 * A secret: wiped when freed, kept out of core dumps, readable from one place only.
 *
 * Lives in a mapping of its own: not in core dumps, zeros in a forked child, locked if the limits allow it.
 * Cannot be formatted by the logger: no accessor returns a plain struct member, and secret_reveal() is easy
 * to grep for.
 */
#pragma once

#include "system/error.h"

#include <stdbool.h>
#include <stddef.h>

struct secret;

struct secret *secret_new(const char *bytes, size_t length); /* copies; NULL on allocation failure */
void secret_free(struct secret *secret);                     /* wipes; NULL is fine */
void secret_freep(struct secret **secret);
const char *secret_reveal(const struct secret *secret); /* NUL-terminated */
size_t secret_length(const struct secret *secret);

/* This process and its children leave no core behind, and no other process of the same user may look into
 * them: libraries have copies of secrets that are out of our reach. Before the first secret is read. */
void secret_protect_process(void);

/* Read a secret from a file: one trailing newline removed, no NUL inside, not empty, at most SECRET_FILE_MAX
 * bytes. Refused if others may read or write it, or if its group may and is neither root's nor one of ours
 * (the process's), or if it is no regular file. Symbolic links are followed; the file they lead to is what is
 * checked. Returns NULL and fills *error (ERROR_NO_SESSION) with the path, cause and the line to run (chmod
 * …). */
#define SECRET_FILE_MAX 4096
struct secret *secret_from_file(const char *path, struct error *error);
/* The same from a systemd credential ($CREDENTIALS_DIRECTORY/NAME; systemd has already restricted it). */
struct secret *secret_from_credential(const char *name, struct error *error);
bool secret_credential_exists(const char *name);
