/*
 * What is odd about the rules, to be told when they are loaded: names that nobody has, rules that can never
 * match. Pure: says it to whoever listens, and changes nothing. What would make rules mean less than they say
 * is no oddity but an error, and access_rules.h refuses it.
 */
#pragma once

#include "policy/access.h"

/* One line, and its place in the file (0: none). */
typedef void access_note_fn(void *context, size_t line, const char *text);

/* What can be said without Proxmox: rules that are not in force, unknown users and groups, roles that nobody
 * has, rules that can never match. Names that are still pending are not told. */
void access_lint(const struct access_policy *policy, const struct config *config, access_note_fn *note,
                 void *context);
/* What only the guests can tell: rules about guests or tags that nobody has. */
void access_lint_guests(const struct access_rules *rules, const struct access_guest *guests, size_t count,
                        access_note_fn *note, void *context);
