/* What the files of the diagnosis share. */
#pragma once

#include "fence/diagnosis.h"

/* diagnosis_hint() with the words VMID and POOL replaced; NULL leaves the word. */
void diagnosis_hint_for(struct diagnosis *diagnosis, const char *hint, const char *vmid, const char *pool);
/* FAILURE, or UNKNOWN if a failure was found before, which explains this one. */
enum diagnosis_level diagnosis_failure_or_unknown(const struct diagnosis *diagnosis);

/* diagnosis_times.c */
void diagnosis_take_times(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
void diagnosis_put_us(struct text *out, int64_t us);
void diagnosis_put_timings(struct text *out, const struct timings *timings);

void diagnosis_add_pool(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
void diagnosis_add_names(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
void diagnosis_add_self(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
void diagnosis_add_guests(struct diagnosis *diagnosis, const struct diagnosis_facts *facts);
