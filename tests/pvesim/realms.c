/* See realms.h. */
#include "realms.h"
#include "system/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fclosep(FILE **file)
{
    if (*file)
        fclose(*file);
}

void realms_free(struct realm *realms)
{
    while (realms) {
        struct realm *next = realms->next;
        free(realms->name);
        free(realms->type);
        free(realms->comment);
        free(realms);
        realms = next;
    }
}

static struct realm *add(struct realm **last, const char *type, const char *name, const char *comment)
{
    struct realm *realm = calloc(1, sizeof(*realm));
    if (!realm)
        return NULL;
    realm->type = strdup(type);
    realm->name = strdup(name);
    realm->comment = comment ? strdup(comment) : NULL;
    if (!realm->type || !realm->name || (comment && !realm->comment)) {
        realms_free(realm);
        return NULL;
    }
    *last = realm;
    return realm;
}

/* "TYPE: NAME", then lines "<tab>KEY VALUE" until the next section; all keys but the comment are passed over.
 */
static bool read_file(FILE *file, struct realm *last)
{
    _cleanup_(freep) char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) >= 0) {
        char type[32], name[64], comment[256];
        if (sscanf(line, "%31[a-z]: %63s", type, name) == 2 && strcmp(name, "pam") != 0 &&
            strcmp(name, "pve") != 0) {
            last = add(&last->next, type, name, NULL);
            if (!last)
                return false;
        } else if (sscanf(line, "\tcomment %255[^\n]", comment) == 1 && !last->comment) {
            last->comment = strdup(comment);
        }
    }
    return true;
}

struct realm *realms_load(const struct sim *sim)
{
    _cleanup_(freep) char *path = NULL;
    struct realm *realms = NULL, *last = NULL;
    if (asprintf(&path, "%s/domains.cfg", sim->dir) < 0) {
        path = NULL;
        return NULL;
    }
    if (!add(&realms, "pam", "pam", "Linux PAM standard authentication"))
        return NULL;
    last = add(&realms->next, "pve", "pve", "Proxmox VE authentication server");
    _cleanup_(fclosep) FILE *file = fopen(path, "re");
    if (last && (!file || read_file(file, last)))
        return realms;
    realms_free(realms);
    return NULL;
}

bool realms_have_passwords(const struct sim *sim, const char *user)
{
    const char *at = strrchr(user, '@');
    struct realm *realms = realms_load(sim);
    bool have = false;
    for (const struct realm *realm = realms; realm && at; realm = realm->next)
        have |= strcmp(realm->name, at + 1) == 0 && strcmp(realm->type, "openid") != 0;
    realms_free(realms);
    return have;
}
