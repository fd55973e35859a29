/*
 * Rules put to guests. An unknown plug and one that may not be read have the same answer, word for word: else
 * the difference would tell who is there.
 */
#include "server/visibility.h"

#include "system/cleanup.h"
#include "system/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_PLUG_MAX 80
#define SHOWN_MAX      6 /* guests in one message */

void visibility_guest_of(const struct guest *guest, struct access_guest *out)
{
    *out = (struct access_guest){
        .vmid = guest->label,
        .name = guest->name,
        .aliases = guest->aliases,
        .alias_count = guest->alias_count,
        .pool = guest->pool,
        .tags = guest->tags,
    };
}

static struct access_decision decide_reading(const struct access_subject *subject, const struct guest *guest)
{
    struct access_guest seen;
    const struct access_question question = {ACCESS_READ, ACCESS_WHAT_GUESTS, ACCESS_ACTION_NONE, &seen};

    visibility_guest_of(guest, &seen);
    return access_decide(subject, &question);
}

bool visibility_of_guest(const struct access_subject *subject, const struct guest *guest)
{
    return !subject || access_allows(decide_reading(subject, guest).verdict);
}

bool visibility_of_vmid(const struct access_subject *subject, const struct inventory *inventory, int vmid)
{
    const struct guest *guest = inventory ? inventory_by_vmid(inventory, vmid) : NULL;
    struct access_guest seen = {0};
    const struct access_question question = {ACCESS_READ, ACCESS_WHAT_GUESTS, ACCESS_ACTION_NONE, &seen};
    char label[12];

    if (!subject || guest)
        return !subject || visibility_of_guest(subject, guest);
    snprintf(label, sizeof(label), "%d", vmid);
    seen.vmid = label;
    return access_allows(access_decide(subject, &question).verdict);
}

bool visibility_of_path(const struct access_subject *subject, const struct inventory *inventory,
                        const char *path)
{
    return strncmp(path, "/vms/", 5) != 0 || visibility_of_vmid(subject, inventory, atoi(path + 5));
}

struct access_decision visibility_decide_operation(const struct access_subject *subject,
                                                   const struct inventory *inventory,
                                                   const struct operation *operation)
{
    const struct guest *guest = inventory ? inventory_by_vmid(inventory, operation->vmid) : NULL;
    struct access_guest seen = {.name = operation->guest};
    const struct access_question question = {ACCESS_READ, ACCESS_WHAT_OPERATIONS, ACCESS_ACTION_NONE, &seen};
    struct error ignored;
    char vmid[12];

    snprintf(vmid, sizeof(vmid), "%d", operation->vmid);
    seen.vmid = vmid;
    if (operation->vmid == 0) { /* its asker left before the guests were known: whose name its plug is */
        seen = (struct access_guest){.name = operation->plug,
                                     .vmid_unknown = true,
                                     .name_unknown = true,
                                     .pool_unknown = true,
                                     .tags_unknown = true};
        guest = inventory ? inventory_find(inventory, operation->plug, &ignored) : NULL;
    }
    if (guest)
        visibility_guest_of(guest, &seen);
    return access_decide(subject, &question);
}

bool visibility_of_operation(const struct access_subject *subject, const struct inventory *inventory,
                             const struct operation *operation)
{
    return !subject || access_allows(visibility_decide_operation(subject, inventory, operation).verdict);
}

/* ---- a plug ---- */

static void show_plug(const char *plug, char shown[static SHOWN_PLUG_MAX])
{
    if (snprintf(shown, SHOWN_PLUG_MAX, "%s", plug) >= SHOWN_PLUG_MAX)
        memcpy(shown + SHOWN_PLUG_MAX - 4, "...", 4);
    text_make_printable(shown);
}

static void say_unknown(const char *plug, struct error *error)
{
    char shown[SHOWN_PLUG_MAX];

    show_plug(plug, shown);
    error_set(error, ERROR_UNKNOWN_PLUG, "no guest that you may see is called %s", shown);
    error_hint(error, "/usr/sbin/fence_broker targets shows those that you may see, and whoami why");
}

static bool is_called(const struct guest *guest, const char *plug)
{
    size_t first = guest->name ? strcspn(guest->name, ".") : 0;

    return guest->name && (strcasecmp(guest->name, plug) == 0 ||
                           (strlen(plug) == first && strncasecmp(guest->name, plug, first) == 0));
}

/* Several have the name; those that may be seen are told. */
static void say_ambiguous(const struct access_subject *subject, const struct inventory *inventory,
                          const char *plug, struct error *error)
{
    _cleanup_(text_clear) struct text list = {0};
    char shown[SHOWN_PLUG_MAX];
    unsigned seen = 0;

    for (size_t i = 0; i < inventory_count(inventory); i++) {
        const struct guest *guest = inventory_get(inventory, i);

        if (!is_called(guest, plug) || !visibility_of_guest(subject, guest))
            continue;
        if (seen++ < SHOWN_MAX)
            text_printf(&list, "%s%.40s (%d)", seen > 1 ? ", " : "", guest_label(guest), guest->vmid);
    }
    if (seen == 0) {
        say_unknown(plug, error);
        return;
    }
    show_plug(plug, shown);
    error_set(error, ERROR_AMBIGUOUS_NAME, "the name %s is not one guest's alone: %s%s", shown,
              list.data ? list.data : "", seen > SHOWN_MAX ? " and others" : "");
}

/* The error names both guests: they must be seen. */
static bool sees_moved(const struct access_subject *subject, const struct inventory *inventory,
                       const char *plug)
{
    const struct guest *before, *now;

    return inventory_moved(inventory, plug, &before, &now) && visibility_of_guest(subject, before) &&
           visibility_of_guest(subject, now);
}

const struct guest *visibility_find(const struct access_subject *subject, const struct inventory *inventory,
                                    const char *plug, struct access_decision *decision, struct error *error)
{
    const struct guest *guest = inventory_find(inventory, plug, error);

    *decision = (struct access_decision){.verdict = ACCESS_PRIVILEGED, .words = ""};
    if (!subject)
        return guest;
    if (guest) {
        *decision = decide_reading(subject, guest);
        if (access_allows(decision->verdict))
            return guest;
    }
    if (!guest && error->code == ERROR_AMBIGUOUS_NAME)
        say_ambiguous(subject, inventory, plug, error);
    else if (!sees_moved(subject, inventory, plug))
        say_unknown(plug, error);
    return NULL;
}
