/*
 * Of step.c, for obligations about one decision: when to look again is noted as it does, notes and the
 * deadline's message are left out, and a lock is waited for in step.c alone.
 */
#include "harness.h"

#include "fence/step_private.h"

void step_note(struct step_effects *effects, const char *format, ...)
{
    (void)effects;
    (void)format;
}

void step_wake_at(struct step_effects *effects, int64_t at_ms)
{
    if (effects->wake_ms == 0 || at_ms < effects->wake_ms)
        effects->wake_ms = at_ms;
}

bool step_locked(struct step *step, struct step_effects *effects, const char *lock, int64_t now_ms,
                 int64_t patience_ms)
{
    (void)step;
    (void)effects;
    (void)lock;
    (void)now_ms;
    (void)patience_ms;
    return false;
}

void step_missed(struct step *step, const struct api_result *result)
{
    (void)step;
    (void)result;
}
