/*
 * What came of a rehearsal: a line for people, an object for programs. It does not say what follows for the
 * guest's verdict: that needs other evidence, too.
 */
#include "server/view.h"

#include "system/cleanup.h"
#include "system/clock.h"

static void rehearsal_line(struct text *out, const struct rehearsal_report *report, const char *name)
{
    char took[CLOCK_AGE_LEN];

    text_printf(out, "%s: %s (%d) on %s in %s", probe_result_name(report->result), name, report->vmid,
                report->node, clock_age(report->took_ms, took));
    if (report->endpoint[0])
        text_printf(out, ", asked at %s", report->endpoint);
    text_puts(out, "\n");
    if (report->error) {
        text_printf(out, "  %s: %s\n", error_code_name(report->error->code), report->error->message);
        if (report->error->hint[0])
            text_printf(out, "  hint: %s\n", report->error->hint);
    }
}

void view_rehearsal(struct text *out, enum http_form form, const struct facts *facts,
                    const struct rehearsal_report *report)
{
    const struct inventory *inventory = facts->readiness.inventory;
    const struct guest *guest = inventory ? inventory_by_vmid(inventory, report->vmid) : NULL;

    if (form == HTTP_TEXT) {
        rehearsal_line(out, report, guest ? guest_label(guest) : "guest");
        return;
    }
    json_put_open(out, NULL, '{');
    json_put_int(out, "exit_status", report->result == PROBE_ACCEPTED ? 0 : 1);
    json_put_open(out, "rehearsal", '{');
    json_put_int(out, "vmid", report->vmid);
    json_put_string(out, "name", guest ? guest->name : NULL);
    json_put_string(out, "node", report->node);
    json_put_string(out, "endpoint", report->endpoint[0] ? report->endpoint : NULL);
    json_put_string(out, "result", probe_result_name(report->result));
    json_put_int(out, "took_ms", report->took_ms);
    view_put_error_object(out, "error", report->error);
    json_put_close(out, '}');
    view_put_end(out);
}
