/*
 * The names of users and tokens, as Proxmox takes them. The daemon has this part of the room, too.
 */
#include "policy/usercfg_model.h"

#include <ctype.h>
#include <string.h>

#define USERCFG_NAME_MIN 3  /* of user@realm, as verify_username has it */
#define USERCFG_NAME_MAX 64 /* likewise */

bool usercfg_is_word(const char *text, size_t length, const char *also)
{
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && !(text[i] && strchr(also, text[i])))
            return false;
    }
    return length > 0;
}

/* [A-Za-z][A-Za-z0-9._-]+, of realms and token names */
static bool is_realm(const char *text, size_t length)
{
    return length >= 2 && isalpha((unsigned char)*text) && usercfg_is_word(text, length, "._-");
}

bool usercfg_is_user(const char *text, size_t length)
{
    if (length < USERCFG_NAME_MIN || length > USERCFG_NAME_MAX)
        return false;
    const char *at = memrchr(text, '@', length);
    if (!at || at == text || !is_realm(at + 1, length - (size_t)(at - text) - 1))
        return false;
    for (const char *c = text; c < at; c++) {
        if (*c == ' ' || (*c >= '\t' && *c <= '\r') || *c == ':' || *c == '/')
            return false;
    }
    return true;
}

size_t usercfg_token_user_length(const char *id)
{
    const char *mark = strrchr(id, '!');
    if (!mark || !is_realm(mark + 1, strlen(mark + 1)))
        return 0;
    size_t length = (size_t)(mark - id);
    return usercfg_is_user(id, length) ? length : 0;
}
