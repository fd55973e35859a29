/*
 * Questions to the person at the terminal, and answers without echo; or from a file descriptor, for
 * automation. Knows terminals, and nothing of what is asked.
 */
#pragma once

#include "system/error.h"
#include "system/secret.h"

/* A line without echo from the controlling terminal, or the next line of `fd` if it is not negative. NULL and
 * *error (ERROR_NO_SESSION; `option` is what the hint names, "--password-fd"). */
struct secret *prompt_secret(const char *question, int fd, const char *option, struct error *error);
/* yes (1), no (0), or -1 and *error: there is no terminal. */
int prompt_yes(const char *question, struct error *error);
