/*
 * One pass over the text, a field at a time, by the rule that Proxmox itself reads its UPIDs by. Refuses to
 * know which types there are, but for those of the HA manager.
 */
#include "proxmox/upid.h"

#include <string.h>

#define DIGITS_MAX 10
#define TICK_MS    10 /* of pstart */

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool pve_is_node_name(const char *text, size_t length)
{
    if (length == 0 || length >= PVE_NODE_MAX || text[0] == '-' || text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_letter_or_digit(text[i]) && text[i] != '-')
            return false;
    }
    return true;
}

/* The next field, up to its colon. False: there is none. */
static bool take_word(const char **at, struct upid_word *word)
{
    word->text = *at;
    word->length = strcspn(*at, ":");
    *at += word->length;
    return *(*at)++ == ':';
}

/* No blank, and nothing that would leave its place in a path or in a line. */
static bool is_plain(const struct upid_word *word)
{
    for (size_t i = 0; i < word->length; i++) {
        unsigned char c = (unsigned char)word->text[i];
        if (c <= ' ' || c == 0x7f || c == '/')
            return false;
    }
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_number(const char **at, size_t digits_max, uint64_t *number)
{
    struct upid_word word;
    if (!take_word(at, &word) || word.length == 0 || word.length > digits_max)
        return false;
    *number = 0;
    for (size_t i = 0; i < word.length; i++) {
        int digit = digit_of(word.text[i]);
        if (digit < 0)
            return false;
        *number = *number * 16 + (uint64_t)digit;
    }
    return true;
}

bool upid_parse(const char *text, struct pve_upid *upid)
{
    uint64_t pid = 0, starttime = 0;
    *upid = (struct pve_upid){0};
    if (!text || strncmp(text, "UPID:", 5) != 0 || strlen(text) >= PVE_UPID_MAX)
        return false;
    const char *at = text + 5;
    if (!take_word(&at, &upid->node) || !pve_is_node_name(upid->node.text, upid->node.length) ||
        !take_number(&at, 8, &pid) || !take_number(&at, DIGITS_MAX, &upid->pstart) ||
        !take_number(&at, 8, &starttime))
        return false;
    upid->pid = (uint32_t)pid;
    upid->starttime = (uint32_t)starttime;
    return take_word(&at, &upid->type) && upid->type.length > 0 && is_plain(&upid->type) &&
           take_word(&at, &upid->id) && is_plain(&upid->id) && take_word(&at, &upid->user) &&
           upid->user.length > 0 && is_plain(&upid->user) && *at == '\0';
}

bool upid_word_is(const struct upid_word *word, const char *text)
{
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

bool upid_is_of_guest(const struct pve_upid *upid, int vmid)
{
    int number = 0;
    if (upid->id.length == 0 || upid->id.length > 9 || upid->id.text[0] == '0')
        return false;
    for (size_t i = 0; i < upid->id.length; i++) {
        char c = upid->id.text[i];
        if (c < '0' || c > '9')
            return false;
        number = number * 10 + (c - '0');
    }
    return number == vmid;
}

bool upid_is_of_ha(const char *text)
{
    struct pve_upid upid;
    return upid_parse(text, &upid) &&
           (upid_word_is(&upid.type, "hastop") || upid_word_is(&upid.type, "hastart"));
}

void upid_copy_node(const char *text, char node[static PVE_NODE_MAX])
{
    struct pve_upid upid;
    node[0] = '\0';
    if (!upid_parse(text, &upid))
        return;
    memcpy(node, upid.node.text, upid.node.length);
    node[upid.node.length] = '\0';
}

int upid_compare(const char *one, const char *other)
{
    struct pve_upid upids[2];
    if (upid_parse(one, &upids[0]) && upid_parse(other, &upids[1])) {
        if (upids[0].starttime != upids[1].starttime)
            return upids[0].starttime < upids[1].starttime ? -1 : 1;
        if (upids[0].pstart != upids[1].pstart)
            return upids[0].pstart < upids[1].pstart ? -1 : 1;
    }
    return strcmp(one, other);
}

int64_t upid_uptime_ms(const char *text)
{
    struct pve_upid upid;
    return upid_parse(text, &upid) ? (int64_t)upid.pstart * TICK_MS : 0;
}
