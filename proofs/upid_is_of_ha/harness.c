/*
 * A task is a request to the HA manager by its type alone, whatever its guest and its user are called. The
 * head is fixed; what follows is every text up to a length at which a type of HA's fits with the shortest of
 * users.
 */
#include "harness.h"

#include "proxmox/upid.h"

#define REST_MAX 13
#define HEAD     "UPID:a:1:2:3:"
#define HEAD_LEN (sizeof(HEAD) - 1)

static bool begins_with(const char *text, const char *word)
{
    while (*word != '\0' && *text == *word) {
        text++;
        word++;
    }
    return *word == '\0';
}

void prove(void)
{
    char text[HEAD_LEN + REST_MAX];
    struct pve_upid upid;
    for (size_t i = 0; i < HEAD_LEN; i++)
        text[i] = HEAD[i];
    text[HEAD_LEN + REST_MAX - 1] = '\0';

    bool good = upid_parse(text, &upid);
    const char *type = text + HEAD_LEN;
    bool its = begins_with(type, "hastop:") || begins_with(type, "hastart:");
    CLAIM(upid_is_of_ha(text) == (good && its), "a request to the HA manager is what its type says");
    REACHED(good && its);
    REACHED(good && !its);
}
