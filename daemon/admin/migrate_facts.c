/* A device of fence_pve: where it asks, as whom, with what password, and whether it verifies whom it asks.
 * Read as the agent does: old and new names are one option, and which line comes last is not known. */
#include "admin/migrate_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "system/cleanup.h"

#define PORT_USUAL "8006"
#define HOST_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
#define V6_CHARS   "0123456789abcdefABCDEF:."
#define LIST_SEPS  ",; \t"

void migrate_choice_add(struct migrate_choice *choice, const char *value)
{
    for (size_t i = 0; i < choice->count; i++)
        if (strcmp(choice->list[i], value) == 0)
            return;
    if (choice->count < MIGRATE_PLUGS_MOST)
        choice->list[choice->count++] = value;
}

/* ---- addresses ------------------------------------------------------------------------------------------
 */

static bool is_port(const char *text, size_t length)
{
    long port = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || port > 65535)
            return false;
        port = port * 10 + (text[i] - '0');
    }
    return length && port > 0 && port <= 65535;
}

/* One host as people write it. Adds what was meant, and says whether the agent can use it as it stands. */
static bool take_host(struct migrate_choice *choice, const char *host, size_t length, const char *port)
{
    const char *bracket = length && *host == '[' ? memchr(host, ']', length) : NULL;
    const char *colon = bracket ? bracket + 1 : memchr(host, ':', length);
    size_t rest = colon ? length - (size_t)(colon - host) : 0;
    if (!bracket && colon && memchr(colon + 1, ':', rest - 1)) { /* an IPv6 address without brackets */
        if (strspn(host, V6_CHARS) >= length)
            migrate_choice_add(choice, heap_printf("[%.*s]:%s", (int)length, host, port));
        return false;
    }
    size_t name = rest ? (size_t)(colon - host) : length;
    bool good = bracket ? strspn(host + 1, V6_CHARS) >= name - 2 : strspn(host, HOST_CHARS) >= name;
    if (!good || !name)
        return false;
    if (!rest) {
        migrate_choice_add(choice, heap_printf("%.*s:%s", (int)name, host, port));
        return true;
    }
    if (*colon == ':' && is_port(colon + 1, rest - 1))
        migrate_choice_add(choice, heap_printf("%.*s", (int)length, host));
    return false;
}

/* The value of ip: one host, if it is right. */
static bool take_address(struct migrate_choice *choice, const char *value, const char *port)
{
    const char *scheme = strstr(value, "://"), *at = scheme ? scheme + 3 : value;
    size_t hosts = 0;
    bool good = !scheme;
    while (*(at += strspn(at, LIST_SEPS))) {
        size_t length = strcspn(at, LIST_SEPS), host = strcspn(at, "/" LIST_SEPS);
        good &= take_host(choice, at, host, port) && host == length;
        at += length;
        hosts++;
    }
    return good && hosts == 1;
}

static void read_endpoint(struct migrate_device *device)
{
    static const char *const names[] = {"ipaddr", "ip"};
    struct migrate_choice *endpoint = &device->endpoint;
    const char *port = migrate_value(device, "ipport");
    bool good = true;
    port = port && *port ? port : PORT_USUAL;
    if (!is_port(port, strlen(port))) {
        good = false;
        port = PORT_USUAL;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = migrate_value(device, names[i]);
        if (value && *value)
            good &= take_address(endpoint, value, port);
    }
    endpoint->conflict = good && endpoint->count > 1;
    endpoint->value = good && endpoint->count == 1 ? endpoint->list[0] : NULL;
}

/* ---- whom it logs in as ---------------------------------------------------------------------------------
 */

static void read_user(struct migrate_device *device)
{
    static const char *const names[] = {"login", "username"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = migrate_value(device, names[i]);
        if (value && *value)
            migrate_choice_add(&device->user, value);
    }
    device->user_is_default = device->user.count == 0;
    if (device->user_is_default)
        migrate_choice_add(&device->user, "root@pam");
    device->user.conflict = device->user.count > 1;
    device->user.value = device->user.conflict ? NULL : device->user.list[0];
}

static void read_password(struct migrate_device *device)
{
    static const char *const scripts[] = {"passwd_script", "password_script"};
    static const char *const names[] = {"passwd", "password"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = migrate_value(device, names[i]);
        if (!value)
            continue;
        enum migrate_password kind = !*value                            ? PASSWORD_EMPTY
                                     : strncmp(value, "lrm://", 6) == 0 ? PASSWORD_SECRET
                                                                        : PASSWORD_CIB;
        if (device->password == PASSWORD_NONE || device->password == PASSWORD_EMPTY || kind == PASSWORD_CIB)
            device->password = kind;
    }
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) { /* its output comes in the password's place */
        const char *value = migrate_value(device, scripts[i]);
        if (value && *value)
            device->password = PASSWORD_SCRIPT;
    }
}

/* ---- the rest -------------------------------------------------------------------------------------------
 */

/* To this agent a boolean that is written is set, whatever it says; another word is ignored. */
static bool is_given(const struct migrate_device *device, const char *name)
{
    static const char *const words[] = {"1", "yes", "on", "true", "0", "no", "off", "false"};
    const char *value = migrate_value(device, name);
    for (size_t i = 0; value && i < ARRAY_LEN(words); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

void migrate_facts(struct migrate_device *device)
{
    const char *vmtype = migrate_value(device, "vmtype");
    const char *method = migrate_value(device, "method");
    const char *host = migrate_value(device, "pve_node");
    read_endpoint(device);
    read_user(device);
    read_password(device);
    device->verify = !is_given(device, "ssl_insecure");
    device->vmtype = vmtype && *vmtype ? vmtype : "qemu";
    device->cycle = method && strcmp(method, "cycle") == 0;
    device->pve_node = host && *host && !is_given(device, "pve_node_auto") ? host : NULL;
}
