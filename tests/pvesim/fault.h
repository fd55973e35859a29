/*
 * Faults by name: armed by the control socket, asked for by the rooms that can misbehave.
 *
 * Knows which names and keys there are, and not what any of them does.
 */
#pragma once

#include "sim.h"

#include <stddef.h>

struct fault;

/* Where the asker stands; what a fault restricts (call=, guest=, endpoint=, as=) must match it. */
struct fault_at {
    const char *call;
    int vmid;
    const char *endpoint;
};

int faults_init(struct sim *sim) __attribute__((warn_unused_result));
void faults_free(struct faults *faults);

/* Arm "NAME KEY=VALUE… [count=N]". NULL, or what is wrong with it (static or valid until the next call). */
const char *fault_arm(struct sim *sim, char *words);
/* Disarm those of that name (NULL: any) that were armed with KEY=VALUE (NULL: all). */
void fault_clear(struct sim *sim, const char *name, const char *key, const char *value);
bool fault_is_armed(const struct sim *sim, const struct fault *fault);
/* One line a fault. */
struct evbuffer;
void fault_list(const struct sim *sim, struct evbuffer *to);

/* The armed fault of that name that matches, counted as fired; NULL if there is none. Valid until a fault is
 * armed or cleared. */
const struct fault *fault_fires(struct sim *sim, const char *name, const struct fault_at *at);
/* The same without counting: for states that last as long as the fault does. */
const struct fault *fault_holds(const struct sim *sim, const char *name, const struct fault_at *at);

const char *fault_text(const struct fault *fault, const char *key, const char *otherwise);
int64_t fault_int(const struct fault *fault, const char *key, int64_t otherwise);
