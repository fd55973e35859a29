/* What the files of the diagnosis share. */
#pragma once

#include "fence/diagnosis.h"

/* Adds a finding; the next ones are about it. `age_ms`: see diagnosis.h. */
void diagnosis_add(struct diagnosis *diagnosis, enum diagnosis_step step, enum diagnosis_level level,
                   int64_t age_ms, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The way out for the finding added last; NULL or "" is none. */
void diagnosis_hint(struct diagnosis *diagnosis, const char *hint);
/* The same with the words VMID and POOL replaced; NULL leaves the word. */
void diagnosis_hint_for(struct diagnosis *diagnosis, const char *hint, const char *vmid, const char *pool);
/* FAILURE, or UNKNOWN if a failure was found before, which explains this one. */
enum diagnosis_level diagnosis_failure_or_unknown(const struct diagnosis *diagnosis);

/* diagnosis_times.c */
void diagnosis_take_times(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
void diagnosis_put_us(struct text *out, int64_t us);
void diagnosis_put_journey(struct text *out, const struct journey *journey);

void diagnosis_add_pool(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
void diagnosis_add_names(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
void diagnosis_add_self(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
void diagnosis_add_guests(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
