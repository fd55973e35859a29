/*
 * The doctor's report as this daemon sees things: the facts of the answer become those of the diagnosis,
 * which finds and words all of it. Knows no link of the chain.
 */
#include "server/view.h"

#include "fence/diagnosis.h"
#include "system/cleanup.h"

static bool may_see(const void *context, const struct guest *guest)
{
    return visibility_of_guest(context, guest);
}

void view_doctor(struct text *out, enum http_form form, const struct facts *facts)
{
    _cleanup_(diagnosis_clear) struct diagnosis diagnosis;
    const struct access_policy *policy = facts->policy;
    const struct diagnosis_facts seen = {
        .known = facts,
        .daemon = true,
        /* the rules are no business of those whom they keep from the rest */
        .rules = facts->subject || !facts->names_known ? NULL : policy,
        .group_missing = policy && policy->gate.group == ACCESS_NO_GID,
        .names_unknown = !facts->names_known,
        .sees = facts->subject ? may_see : NULL,
        .sees_context = facts->subject,
    };

    diagnosis_make(&diagnosis, &seen);
    if (form == HTTP_TEXT)
        diagnosis_put_text(out, &diagnosis, true);
    else
        diagnosis_put_json(out, &diagnosis, true, facts->realtime_ms);
}
