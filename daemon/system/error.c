/*
 * Error codes and their texts: one table, one row a code. This room knows nothing of who fails or who reads;
 * it only makes sure that what is said is one printable line of bounded length. No allocation, no clock, no
 * log.
 */
#include "system/error.h"

#include "system/text.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http_status;
    const char *hint; /* the default way out; "" where only the place of the failure knows one */
} codes[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = {"none", 200, ""},
    [ERROR_BAD_REQUEST] = {"bad-request", 400, ""},
    [ERROR_METHOD_NOT_ALLOWED] = {"method-not-allowed", 405,
                                  "power actions are POST, everything else is GET"},
    [ERROR_NOT_FOUND] = {"not-found", 404, "see fence_broker(8) for what can be asked"},
    [ERROR_REQUEST_TIMEOUT] = {"request-timeout", 408, "send the whole request at once"},
    [ERROR_BODY_TOO_LARGE] = {"body-too-large", 413, "requests have no body: put parameters into the query"},
    [ERROR_HEAD_TOO_LARGE] = {"head-too-large", 431, "a request's head is at most 8 KiB"},
    [ERROR_NOT_IMPLEMENTED] = {"not-implemented", 501, "use HTTP/1.1 without transfer encodings"},
    [ERROR_TOO_MANY] = {"too-many", 503, "wait for requests under way to end, then ask again"},
    [ERROR_DENIED] = {"denied", 403, "ask as root, as hacluster, or as a member of the group of [socket]"},
    [ERROR_UNKNOWN_PLUG] = {"unknown-plug", 404,
                            "fence_broker targets lists the guests; names that differ go into [nodes]"},
    [ERROR_AMBIGUOUS_NAME] = {"ambiguous-name", 409, "use the VMID, or name the guest's VMID in [nodes]"},
    [ERROR_NAME_MOVED] = {"name-moved", 409, "say in [nodes] which guest is meant, by its VMID"},
    [ERROR_NO_SESSION] = {"no-session", 503, "check token-id or user, and the secret, on this node"},
    [ERROR_NO_ENDPOINT] = {"no-endpoint", 503,
                           "check the network to the endpoints of [proxmox], and that pveproxy runs there"},
    [ERROR_NO_INVENTORY] = {"no-inventory", 503,
                            "wait for the first poll; fence_broker status shows the progress"},
    [ERROR_EMPTY_POOL] = {"empty-pool", 503,
                          "put the guests into the pool, and grant VM.Audit and VM.PowerMgmt on it"},
    [ERROR_STALE] = {"stale", 503, "fence_broker status shows why Proxmox has not answered lately"},
    [ERROR_CERTIFICATE] = {"certificate", 502,
                           "check ca-file, the name after \"as\" of the endpoint, and the clock"},
    [ERROR_CLOCK_WRONG] = {"clock-wrong", 502,
                           "check the clock of this machine, and of the Proxmox hosts: timedatectl"},
    [ERROR_PROTOCOL] = {"protocol", 502,
                        "check that the endpoint is the API of Proxmox VE itself, not a proxy"},
    [ERROR_NO_POWER_RIGHT] = {"no-power-right", 502,
                              "grant VM.PowerMgmt and VM.Audit on the pool to this identity"},
    [ERROR_EXCESS_PRIVILEGES] = {"excess-privileges", 502,
                                 "fence_broker permissions shows the line that takes them away"},
    [ERROR_LOCKED] = {"locked", 503, "wait for the task that holds the lock, or end it on the Proxmox host"},
    [ERROR_SUSPENDED] = {"suspended", 503, "resume the guest, or remove its saved state, in Proxmox"},
    [ERROR_TEMPLATE] = {"template", 502, "a template cannot run: take it out of the pool or of the cluster"},
    [ERROR_NODE_OFFLINE] = {"node-offline", 503,
                            "bring the Proxmox host back, or confirm by hand that it is off"},
    [ERROR_MINORITY] =
        {"minority", 503,
         "restore the quorum of the Proxmox cluster; for two hosts with a QDevice see min-online-nodes"},
    [ERROR_HA_MANAGED] = {"ha-managed", 503,
                          "the HA manager of Proxmox decides: see ha-manager status there"},
    [ERROR_HA_ERROR] = {"ha-error", 502,
                        "on a Proxmox host: ha-manager set vm:ID --state disabled, then started again"},
    [ERROR_HA_FROZEN] = {"ha-frozen", 502, "wait until the LRM of the guest's host is back"},
    [ERROR_HA_UNSERVED] = {"ha-unserved", 502, "check pve-ha-crm and pve-ha-lrm on the Proxmox hosts"},
    [ERROR_TASK_FAILED] = {"task-failed", 502, "see the task's log in Proxmox"},
    [ERROR_START_FAILED] = {"start-failed", 502, "see the task's log in Proxmox, then start the guest"},
    [ERROR_UNPROVEN] = {"unproven", 502, "check on the Proxmox host that no process of the guest is left"},
    [ERROR_DEADLINE] = {"deadline", 504, "fence_broker history shows how far it got"},
    [ERROR_ABANDONED] = {"abandoned", 503, "if it is still wanted, ask again"},
    [ERROR_INTERRUPTED] = {"interrupted", 503, "the broker was stopped meanwhile; ask again"},
    [ERROR_INTERNAL] = {"internal", 500, "please report this, with the log of fence_brokerd"},
};

/* Formats into `out`, printable and at most `size` bytes. The arguments may point into `out` itself: rooms
 * put their own words in front of an error that they were given. */
__attribute__((format(printf, 3, 0))) static void format_bounded(char *out, size_t size, const char *format,
                                                                 va_list arguments)
{
    char buffer[ERROR_MESSAGE_MAX + 1];
    _Static_assert(sizeof(buffer) > ERROR_MESSAGE_MAX && sizeof(buffer) > ERROR_HINT_MAX, "holds either");

    int length = vsnprintf(buffer, size + 1, format, arguments);
    if (length < 0)
        snprintf(buffer, sizeof(buffer), "(%s)", "an error text that cannot be formatted");
    if (strlen(buffer) >= size) {
        size_t end = size - sizeof("...");
        while (end > 0 && ((unsigned char)buffer[end] & 0xc0) == 0x80) /* never half a character */
            end--;
        memcpy(buffer + end, "...", sizeof("..."));
    }
    text_make_printable(buffer);
    memcpy(out, buffer, strlen(buffer) + 1);
}

void error_set(struct error *error, enum error_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_bounded(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    if ((unsigned)code >= ERROR_CODE_COUNT)
        code = ERROR_INTERNAL;
    error->code = code;
    error->names_guests = false;
    memset(error->hint, 0, sizeof(error->hint));
    memcpy(error->hint, codes[code].hint, strlen(codes[code].hint));
}

void error_hint(struct error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_bounded(error->hint, sizeof(error->hint), format, arguments);
    va_end(arguments);
}

const char *error_code_name(enum error_code code)
{
    return (unsigned)code < ERROR_CODE_COUNT ? codes[code].name : codes[ERROR_INTERNAL].name;
}

int error_code_http_status(enum error_code code)
{
    return (unsigned)code < ERROR_CODE_COUNT ? codes[code].http_status : codes[ERROR_INTERNAL].http_status;
}

enum error_code error_code_from_name(const char *name)
{
    for (size_t code = 0; name && code < ERROR_CODE_COUNT; code++) {
        if (strcmp(codes[code].name, name) == 0)
            return (enum error_code)code;
    }
    return ERROR_INTERNAL;
}
