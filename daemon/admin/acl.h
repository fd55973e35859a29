/* `fence-broker-admin acl`: the access rules of Pacemaker's configuration as the broker's. */
#pragma once

#include <stdio.h>

#include "client/say.h"
#include "system/text.h"

/* What the command prints, from memory: the sections, and as comments what could not be taken over. `passwd`
 * and `group` as in the options; NULL: the name service. 0; -1: `failure` is set. Bounded but for the sum of
 * what each expression may cost, see below. */
int acl_translate(const char *cib, size_t length, FILE *passwd, FILE *group, struct text *out,
                  struct failure *failure) __attribute__((warn_unused_result));
/* The same in a process of its own, with little time and memory. */
int acl_translate_apart(const struct text *cib, FILE *passwd, FILE *group, struct text *out,
                        struct failure *failure) __attribute__((warn_unused_result));
