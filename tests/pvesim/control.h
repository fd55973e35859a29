/*
 * The control socket: one line in, lines out; how tests look behind the API and make things go wrong.
 *
 * A table of words; what they do lies in the other rooms.
 */
#pragma once

#include "cluster.h"
#include "sim.h"

/* Listen on DIR/control.sock. 0 or a negative errno. */
int control_open(struct sim *sim) __attribute__((warn_unused_result));
void control_free(struct control *control);
/* A guest began or ceased to run, or is held: answers those who wait for it. */
void control_guest_changed(struct guest *guest);
/* The other end: send the words to DIR/control.sock and print the answer. The process's exit code. */
int control_client(const char *dir, int count, char **words);
