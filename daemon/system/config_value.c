/*
 * What values of the configuration may look like. The shapes are Proxmox's (user ids, pools, VMIDs),
 * Pacemaker's (node names) and the system's (hosts, paths, groups). Pure, and without any knowledge of keys
 * and files.
 */
#include "system/config_value.h"

#include "system/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define HOST_MAX        253 /* bytes of a name, RFC 1035 */
#define LABEL_MAX       63
#define PORT_DEFAULT    8006
#define USERID_MAX      64 /* characters; Proxmox's own limit */
#define POOL_LEVELS_MAX 3
#define VMID_MIN        100 /* Proxmox's own limits */
#define VMID_MAX        999999999
#define NODE_NAME_MAX   255
#define GROUP_NAME_MAX  32
#define HOSTS_MAX       1024 /* min-online-nodes: more than any Proxmox cluster has */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

int config_bad(struct config_problem *problem, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->what, sizeof(problem->what), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

__attribute__((format(printf, 2, 3))) static void way_out(struct config_problem *problem, const char *format,
                                                          ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem->hint, sizeof(problem->hint), format, arguments);
    va_end(arguments);
}

static bool consists_of(const char *text, size_t length, const char *allowed)
{
    return strspn(text, allowed) >= length;
}

static bool digits_only(const char *text)
{
    return text[0] != '\0' && consists_of(text, strlen(text), DIGITS);
}

/* A decimal number without signs, blanks or leading zeros. */
static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;
    if (!digits_only(text) || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (number > (max - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return number <= max;
}

/* ---- hosts ------------------------------------------------------------------------------------------- */

static bool is_host_name(const char *name)
{
    if (name[0] == '\0' || strlen(name) > HOST_MAX)
        return false;
    const char *last_label = name;
    for (const char *label = name;;) {
        size_t length = strcspn(label, ".");
        bool fine = length > 0 && length <= LABEL_MAX && consists_of(label, length, LETTERS DIGITS "-_") &&
                    label[0] != '-' && label[length - 1] != '-';
        if (!fine)
            return false;
        last_label = label;
        if (label[length] == '\0')
            break;
        label += length + 1;
    }
    /* 192.0.2 and 192.0.2.300 are mistyped addresses, not names */
    return !digits_only(last_label);
}

static bool is_host(const char *name)
{
    struct in_addr address;
    return inet_pton(AF_INET, name, &address) == 1 || is_host_name(name);
}

static int bad_host(struct config_problem *problem)
{
    way_out(problem,
            "write a host name, an IPv4 address or an [IPv6] address, with :PORT if it is not %d; "
            "\"ADDRESS as NAME\" verifies the certificate as NAME",
            PORT_DEFAULT);
    return config_bad(problem, "is not HOST[:PORT] [as NAME]");
}

static int split_port(char *host, uint16_t *port, struct config_problem *problem)
{
    char *colon = strchr(host, ':');
    uint64_t number = PORT_DEFAULT;
    if (colon && (!parse_number(colon + 1, UINT16_MAX, &number) || number == 0))
        return config_bad(problem, "has no port between 1 and 65535 after the ':'");
    if (colon)
        *colon = '\0';
    *port = (uint16_t)number;
    return 0;
}

/* Cuts `host` into the address (its new beginning) and the port. */
static int split_host(char **host, uint16_t *port, struct config_problem *problem)
{
    char *text = *host;
    struct in6_addr ipv6;
    if (strchr(text, '%')) {
        way_out(problem, "write an address of the cluster's network, or a host name");
        return config_bad(problem, "has an IPv6 zone: link-local addresses are not supported");
    }
    if (text[0] != '[') {
        const char *colon = strchr(text, ':');
        if (colon && inet_pton(AF_INET6, text, &ipv6) == 1) {
            way_out(problem, "write [%s], or [%s]:PORT", text, text);
            return config_bad(problem, "is an IPv6 address without brackets");
        }
        int result = split_port(text, port, problem);
        if (result < 0)
            return result;
        if (text[0] && text[strlen(text) - 1] == '.') {
            way_out(problem, "write the name without the dot at its end, as the certificate has it");
            return config_bad(problem, "ends in a dot");
        }
        return is_host(text) ? 0 : bad_host(problem);
    }
    char *end = strchr(text, ']');
    if (!end || (end[1] != '\0' && end[1] != ':'))
        return bad_host(problem);
    int result = split_port(end, port, problem);
    if (result < 0)
        return result;
    *end = '\0';
    *host = text + 1;
    return inet_pton(AF_INET6, *host, &ipv6) == 1 ? 0 : bad_host(problem);
}

void config_endpoint_clear(struct config_endpoint *endpoint)
{
    free(endpoint->address);
    free(endpoint->name);
    free(endpoint->text);
}

int config_value_endpoint(const char *value, struct config_endpoint *out, struct config_problem *problem)
{
    if (strstr(value, "://") || strchr(value, '/')) {
        way_out(problem,
                "write the host alone, without https:// and path: pve1.example.com or pve1.example.com:8006");
        return config_bad(problem, "is a URL");
    }
    _cleanup_(freep) char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    char *position = NULL;
    char *host = strtok_r(copy, " \t", &position);
    char *as = strtok_r(NULL, " \t", &position);
    char *name = strtok_r(NULL, " \t", &position);
    if (!host || (as && (strcmp(as, "as") != 0 || !name)) || strtok_r(NULL, " \t", &position))
        return bad_host(problem);

    struct config_endpoint endpoint = {0};
    int result = split_host(&host, &endpoint.port, problem);
    if (result < 0)
        return result;
    if (name && !is_host(name))
        return config_bad(
            problem, "names no host after \"as\": the certificate's name is a host name or an IPv4 address");
    endpoint.address = strdup(host);
    endpoint.name = strdup(name ? name : host);
    endpoint.text = strdup(value);
    if (!endpoint.address || !endpoint.name || !endpoint.text) {
        config_endpoint_clear(&endpoint);
        return -ENOMEM;
    }
    *out = endpoint;
    return 0;
}

/* ---- fingerprints ------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    const char *at = c ? strchr("0123456789abcdef", c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;
    return at ? (int)(at - "0123456789abcdef") : -1;
}

int config_value_fingerprint(const char *value, struct config_fingerprint *out,
                             struct config_problem *problem)
{
    way_out(problem,
            "write it as `pvenode cert info` on that Proxmox host shows it: 32 pairs as in AB:CD:...");
    for (size_t i = 0; i < CONFIG_SHA256_LENGTH; i++, value += 3) {
        int high = hex_digit(value[0]), low = high < 0 ? -1 : hex_digit(value[1]);
        if (low < 0 || value[2] != (i + 1 < CONFIG_SHA256_LENGTH ? ':' : '\0'))
            return config_bad(problem, "is not a SHA-256 fingerprint");
        out->sha256[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

/* ---- durations --------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"min", 60 * 1000}, {"h", 60 * 60 * 1000}};

/* The largest unit that divides it: "10min", not "600000ms". */
static void format_duration(int64_t ms, char buffer[static 32])
{
    size_t unit = ARRAY_LEN(units) - 1;
    while (unit > 0 && (ms == 0 ? unit > 1 : ms % units[unit].ms != 0))
        unit--;
    snprintf(buffer, 32, "%" PRId64 "%s", ms / units[unit].ms, units[unit].name);
}

int config_value_duration(const char *value, int64_t min_ms, int64_t max_ms, int64_t step_ms, int64_t *out_ms,
                          struct config_problem *problem)
{
    char from[32], to[32], step[32];
    format_duration(min_ms, from);
    format_duration(max_ms, to);
    format_duration(step_ms, step);
    way_out(problem, "write a number and its unit, one of ms, s, min, h, together: from %s to %s", from, to);

    size_t digits = strspn(value, DIGITS);
    const char *suffix = value + digits;
    size_t unit = 0;
    while (unit < ARRAY_LEN(units) && strcmp(units[unit].name, suffix) != 0)
        unit++;
    if (digits > 0 && suffix[0] == '\0')
        return config_bad(problem, "has no unit: allowed are ms, s, min, h, as in %s", to);
    if (digits == 0 || unit == ARRAY_LEN(units))
        return config_bad(problem, "is not a duration: a number with ms, s, min or h, as in %s", to);

    int64_t ms = 0;
    for (size_t i = 0; i < digits; i++) {
        ms = ms * 10 + (value[i] - '0');
        if (ms > max_ms) /* in any unit; and no overflow */
            return config_bad(problem, "is out of range: from %s to %s", from, to);
    }
    ms *= units[unit].ms;
    if (ms < min_ms || ms > max_ms)
        return config_bad(problem, "is out of range: from %s to %s", from, to);
    if (ms % step_ms != 0)
        return config_bad(problem, "is not a multiple of %s, which Proxmox needs", step);
    *out_ms = ms;
    return 0;
}

/* ---- Proxmox's and Pacemaker's names ----------------------------------------------------------------- */

/* Realms and token names: a letter, then at least one of these. */
static bool is_config_id(const char *text)
{
    size_t length = strlen(text);
    return length >= 2 && consists_of(text, 1, LETTERS) && consists_of(text, length, LETTERS DIGITS "._-");
}

/* Of UTF-8: a character's further bytes do not count. */
static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static bool is_userid(const char *user)
{
    const char *at = strrchr(user, '@');
    return at && at != user && count_characters(user) <= USERID_MAX &&
           strcspn(user, " \t\n\v\f\r:/!") >= strlen(user) && is_config_id(at + 1);
}

static int refuse_root(struct config_problem *problem)
{
    way_out(problem, "create a user for it: `fence-broker-admin provision --pool POOL --guests VMID,VMID "
                     "--user fence@pve --token broker` prints the script; then token-id = fence@pve!broker");
    return config_bad(
        problem,
        "is refused: root@pam may do everything in Proxmox, a fence needs three privileges on one pool");
}

int config_value_user(const char *value, struct config_problem *problem)
{
    if (strchr(value, '!')) {
        way_out(problem, "a token goes into token-id");
        return config_bad(problem, "is a token id, not a user");
    }
    if (!is_userid(value)) {
        way_out(problem, "write the user with its realm: fence@pve");
        return config_bad(problem, "is not user@realm");
    }
    return strcmp(value, "root@pam") == 0 ? refuse_root(problem) : 0;
}

int config_value_token_id(const char *value, struct config_problem *problem)
{
    way_out(problem,
            "write user, realm and the token's name: fence@pve!broker; its secret goes into secret-file");
    if (strchr(value, '='))
        return config_bad(problem, "has a '=': the token's secret does not belong here");
    _cleanup_(freep) char *user = strdup(value);
    if (!user)
        return -ENOMEM;
    char *name = strchr(user, '!');
    if (!name)
        return config_bad(problem, "is not user@realm!name");
    *name++ = '\0';
    if (!is_userid(user) || !is_config_id(name))
        return config_bad(problem, "is not user@realm!name");
    return strcmp(user, "root@pam") == 0 ? refuse_root(problem) : 0;
}

int config_value_pool(const char *value, struct config_problem *problem)
{
    way_out(problem, "allowed are letters, digits, '.', '_', '-', and up to %d levels as in a/b/c",
            POOL_LEVELS_MAX);
    int levels = 0;
    for (const char *level = value;; levels++) {
        size_t length = strcspn(level, "/");
        if (length == 0 || !consists_of(level, length, LETTERS DIGITS "._-"))
            return config_bad(problem, "is not a pool name of Proxmox");
        /* a URL would lose it */
        if (consists_of(level, length, "."))
            return config_bad(problem, "has a level that is only dots");
        if (level[length] == '\0')
            break;
        level += length + 1;
    }
    return levels < POOL_LEVELS_MAX ? 0 : config_bad(problem, "has more than %d levels", POOL_LEVELS_MAX);
}

static bool is_name(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= NODE_NAME_MAX && consists_of(text, 1, LETTERS DIGITS "_") &&
           consists_of(text, length, LETTERS DIGITS "._-");
}

int config_value_node(const char *value, struct config_problem *problem)
{
    way_out(problem, "write NAME = VMID or NAME = GUEST, with NAME as Pacemaker shows it (crm_node -l)");
    if (digits_only(value))
        return config_bad(problem, "is a VMID, not a node name: digits alone are never a name");
    return is_name(value)
               ? 0
               : config_bad(problem, "is not a node name: allowed are letters, digits, '.', '_' and '-'");
}

int config_value_target(const char *value, struct config_problem *problem)
{
    uint64_t vmid;
    way_out(problem, "write NAME = VMID or NAME = GUEST, with the guest's name as Proxmox shows it");
    if (digits_only(value)) {
        if (parse_number(value, VMID_MAX, &vmid) && vmid >= VMID_MIN)
            return 0;
        return config_bad(problem, "is not a VMID: from %d to %d", VMID_MIN, VMID_MAX);
    }
    return is_name(value) ? 0 : config_bad(problem, "is neither a VMID nor a guest's name");
}

/* ---- the system's ------------------------------------------------------------------------------------ */

static int check_path(const char *value, size_t max, struct config_problem *problem)
{
    if (value[0] != '/')
        return config_bad(problem, "is not an absolute path: the daemon has no working directory");
    if (strlen(value) >= max)
        return config_bad(problem, "is longer than %zu bytes", max - 1);
    return 0;
}

int config_value_path(const char *value, struct config_problem *problem)
{
    return check_path(value, PATH_MAX, problem);
}

int config_value_socket(const char *value, struct config_problem *problem)
{
    static const char root[] = CONFIG_ROOT_SUFFIX;
    const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - strlen(root), length = strlen(value);
    int result = check_path(value, most, problem);
    if (result < 0)
        return result;
    if (value[length - 1] == '/')
        return config_bad(problem, "is a directory's path, not a socket's");
    if (length >= strlen(root) && strcmp(value + length - strlen(root), root) == 0) {
        way_out(problem,
                "write a name that does not end so: root's own socket has that name, beside another");
        return config_bad(problem, "ends in %s", root);
    }
    return 0;
}

int config_value_group(const char *value, struct config_problem *problem)
{
    size_t length = strlen(value);
    bool fine = length <= GROUP_NAME_MAX && consists_of(value, 1, LETTERS "_") &&
                consists_of(value, length, LETTERS DIGITS "._-");
    if (fine)
        return 0;
    way_out(problem, "write the name of a system group, as in getent group haclient");
    return config_bad(problem, "is not a group name");
}

int config_value_online_nodes(const char *value, int *out, struct config_problem *problem)
{
    uint64_t number = 0;
    if (strcmp(value, "majority") != 0 && (!parse_number(value, HOSTS_MAX, &number) || number == 0))
        return config_bad(problem, "is neither \"majority\" nor a number of hosts from 1 to %d", HOSTS_MAX);
    *out = (int)number;
    return 0;
}
