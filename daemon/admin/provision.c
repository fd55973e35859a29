/*
 * Pool, role, user, grants and tokens that fencing takes, and nothing more: as a script for a shell of
 * Proxmox VE, or carried out over the API by an administrator who is not root. Here are the options, checked
 * before anything happens, and which of the ways.
 */
#include "admin/command.h"
#include "admin/provision_private.h"
#include "proxmox/transport.h"
#include "system/cleanup.h"
#include "system/config_value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

struct provision_options {
    struct provision_wish wish;
    struct provision_way way;
    const char *guests, *apply, *version, *password_fd, *totp_fd;
    struct command_words tokens, fingerprints;
    bool print_admin;
};

static const char usage[] =
    "usage: fence-broker-admin provision --pool POOL --guests ID,ID…\n"
    "                 --user USER@REALM --token NAME… [--group GROUP] [--role ROLE] [--remove]\n"
    "                 [--apply ENDPOINT --as USER@REALM --secret-file FILE …]\n"
    "       fence-broker-admin provision --print-admin [--as USER@pam]\n"
    "Sets up in Proxmox VE what fencing needs and nothing more: prints the script for\n"
    "a shell of Proxmox, or with --apply does it over the API, as an administrator\n"
    "who is not root.\n"
    "      --pool POOL          pool of the guests that may be fenced\n"
    "      --guests ID,ID…      their VMIDs\n"
    "      --user USER@REALM    who fences, e.g. fence@pve\n"
    "      --token NAME         a token of that user; repeatable: with a token\n"
    "                           for each node, one can be revoked alone\n"
    "      --group GROUP        put the user into this group, and grant to the group\n"
    "      --role ROLE          default FenceBroker\n"
    "      --with-vm-monitor    VM.Monitor too, as guides for Proxmox VE 7 and 8 have\n"
    "                           it; not needed\n"
    "      --trust-ha           Sys.Audit on / too, without propagation: for\n"
    "                           dead-host = trust-ha\n"
    "      --pve VERSION        7, 8 or 9: of the hosts that the script is for;\n"
    "                           needed with --with-vm-monitor\n"
    "      --remove             take it away again\n"
    "      --apply ENDPOINT     HOST[:PORT], or ADDRESS as NAME\n"
    "      --as USER@REALM      the administrator\n"
    "      --ca-file FILE, --fingerprint SHA256 (repeatable)\n"
    "                           what to verify the host's certificate with\n"
    "      --secret-file FILE   new file for the token's secret; with several tokens\n"
    "                           FILE.NAME each\n"
    "      --password-fd N, --totp-fd N   read a line from there; do not ask for it\n"
    "      --yes                do not ask whether to go on\n"
    "      --print-admin        the steps that make an administrator who is not root\n";

static int complain(const char *what, const char *hint)
{
    fprintf(stderr, ADMIN " provision: %s%s%s\n", what, *hint ? "; " : "", hint);
    return 2;
}

/* ---- options ---- */

static int take_fingerprints(struct provision_way *way, const struct command_words *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct config_problem problem = {0};
        struct config_fingerprint *fingerprint = heap_add(way->fingerprints, way->fingerprint_count);
        if (config_value_fingerprint(texts->list[i], fingerprint, &problem) < 0)
            return complain("--fingerprint is not a SHA-256 fingerprint",
                            "as `pvenode cert info` shows it: 32 pairs AB:CD:…");
    }
    way->fingerprint_texts = texts->list;
    return 0;
}

/* -1 where there is none. */
static bool parse_fd(const char *text, int *fd)
{
    char *end = NULL;
    *fd = -1;
    if (!text)
        return true;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < 0 || number > 65535)
        return false;
    *fd = (int)number;
    return true;
}

/* 0, or the exit status. */
static int take_options(struct provision_options *options)
{
    struct provision_wish *wish = &options->wish;
    const char *version = options->version;
    if (version && (strlen(version) != 1 || *version < '7' || *version > '9'))
        return complain("--pve is 7, 8 or 9", "");
    if (!parse_fd(options->password_fd, &options->way.password_fd))
        return complain("--password-fd is a number of a descriptor", "");
    if (!parse_fd(options->totp_fd, &options->way.totp_fd))
        return complain("--totp-fd is a number of a descriptor", "");
    wish->version = version ? *version - '0' : 0;
    wish->tokens = options->tokens.list;
    wish->token_count = options->tokens.count;
    return take_fingerprints(&options->way, &options->fingerprints);
}

/* ---- checks ---- */

static int compare_ints(const void *a, const void *b)
{
    return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

static int parse_guests(struct provision_wish *wish, const char *list)
{
    for (const char *at = list; *at;) {
        char *end = NULL;
        errno = 0;
        long vmid = strtol(at, &end, 10);
        if (errno || end == at || (*end && *end != ',') || vmid < 100 || vmid > 999999999)
            return complain("--guests is a list of VMIDs", "--guests 101,102,103");
        *heap_add(wish->guests, wish->guest_count) = (int)vmid;
        at = end + (*end == ',');
    }
    if (wish->guest_count)
        qsort(wish->guests, wish->guest_count, sizeof(*wish->guests), compare_ints);
    size_t kept = 0;
    for (size_t i = 0; i < wish->guest_count; i++) {
        if (!kept || wish->guests[kept - 1] != wish->guests[i])
            wish->guests[kept++] = wish->guests[i];
    }
    wish->guest_count = kept;
    return kept ? 0 : complain("--guests is empty", "--guests 101,102,103");
}

/* of groups, roles and tokens; nothing that a shell or a path could take for something else */
static bool is_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t length = strlen(text);
    return length >= 2 && strspn(text, letters) > 0 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

static int check_value(const char *option, const char *value,
                       int (*check)(const char *value, struct config_problem *problem))
{
    struct config_problem problem = {0};
    if (check(value, &problem) < 0) {
        fprintf(stderr, ADMIN " provision: %s '%s' %s%s%s\n", option, value, problem.what,
                problem.hint[0] ? "; " : "", problem.hint);
        return 2;
    }
    return 0;
}

static int check_names(struct provision_options *options)
{
    struct provision_wish *wish = &options->wish;
    if (!wish->pool || !options->guests || !wish->user)
        return complain("--pool, --guests and --user are needed", "see --help");
    if (!wish->token_count)
        return complain("at least one --token is needed", "the broker logs in with it: --token broker");
    if (check_value("--pool", wish->pool, config_value_pool) ||
        check_value("--user", wish->user, config_value_user))
        return 2;
    for (size_t i = 0; i < wish->token_count; i++) {
        if (!is_name(wish->tokens[i]))
            return complain("--token is a name of letters, digits, '.', '_' and '-', from two characters on",
                            "");
        for (size_t k = 0; k < i; k++) {
            if (strcmp(wish->tokens[i], wish->tokens[k]) == 0)
                return complain("a --token is named twice", "");
        }
    }
    if ((wish->group && !is_name(wish->group)) || (wish->role && !is_name(wish->role)))
        return complain("--group and --role are names of letters, digits, '.', '_' and '-'", "");
    if (!wish->role)
        wish->role = "FenceBroker";
    return parse_guests(wish, options->guests);
}

static int check_way(struct provision_options *options)
{
    struct provision_way *way = &options->way;
    struct config_problem problem = {0};
    if (!options->apply && (way->secret_file || way->ca_file || way->fingerprint_count || way->yes ||
                            way->password_fd >= 0 || way->totp_fd >= 0 || way->as))
        return complain("--as, --secret-file, --ca-file, --fingerprint, --password-fd, --totp-fd and --yes "
                        "belong to --apply",
                        "leave them out for the script, or add --apply ENDPOINT");
    if (!options->apply) {
        if (options->wish.with_vm_monitor && options->wish.version == 0)
            return complain("--with-vm-monitor needs --pve 7 or --pve 8", "Proxmox VE 9 has no VM.Monitor");
        if (options->wish.with_vm_monitor && options->wish.version >= 9)
            return complain("Proxmox VE 9 has no VM.Monitor, and fencing never needed it",
                            "leave --with-vm-monitor out");
        return 0;
    }
    if (options->wish.version)
        return complain("--pve is for the script; with --apply the host says its version", "");
    if (!way->as)
        return complain("--as is missing: the administrator who does it",
                        "--as mgrsys@pam; see --print-admin");
    if (way->ca_file && way->fingerprint_count)
        return complain("--ca-file and --fingerprint are two ways to trust a host", "give one of them");
    if (strcmp(way->as, "root@pam") == 0)
        return complain("--as root@pam is refused",
                        "leave out --apply and its options: that prints a script for a root shell of a "
                        "host; or make an administrator: --print-admin");
    if (check_value("--as", way->as, config_value_user))
        return 2;
    if (config_value_endpoint(options->apply, &way->endpoint, &problem) < 0)
        return fprintf(stderr, ADMIN " provision: --apply '%s' %s; %s\n", options->apply, problem.what,
                       problem.hint),
               2;
    return 0;
}

/* ---- the command ---- */

static int print(const struct provision_options *options)
{
    struct text out = {0};
    if (options->print_admin)
        provision_script_admin(options->way.as, &out);
    else if (options->wish.remove)
        provision_script_remove(&options->wish, &out);
    else
        provision_script(&options->wish, &out);
    bool good = !out.failed && fwrite(out.data, 1, out.length, stdout) == out.length && fflush(stdout) == 0;
    text_clear(&out);
    return good ? 0 : (perror("fence-broker-admin provision"), 1);
}

static int apply(const struct provision_options *options)
{
    struct error error = {0};
    (void)prctl(PR_SET_DUMPABLE, 0); /* a password and a token's secret pass through this memory */
    if (transport_global_init(&error) < 0) {
        fprintf(stderr, ADMIN " provision: %s; %s\n", error.message, error.hint);
        return 1;
    }
    int status = provision_apply(&options->wish, &options->way);
    transport_global_cleanup();
    return status;
}

static int run(struct provision_options *options)
{
    int status = take_options(options);
    if (!status && options->print_admin) {
        const char *as = options->way.as;
        if (as && (check_value("--as", as, config_value_user) || !strstr(as, "@pam")))
            return complain("--print-admin makes a user of the realm pam", "--as mgrsys@pam");
        return print(options);
    }
    if (!status)
        status = check_names(options);
    if (!status)
        status = check_way(options);
    return status ? status : options->apply ? apply(options) : print(options);
}

static int provision(const struct command *command, int argc, char **argv)
{
    struct provision_options options = {.guests = NULL};
    struct provision_wish *wish = &options.wish;
    struct provision_way *way = &options.way;
    const struct command_option known[] = {{"pool", .text = &wish->pool},
                                           {"guests", .text = &options.guests},
                                           {"user", .text = &wish->user},
                                           {"token", .words = &options.tokens},
                                           {"group", .text = &wish->group},
                                           {"role", .text = &wish->role},
                                           {"with-vm-monitor", .flag = &wish->with_vm_monitor},
                                           {"trust-ha", .flag = &wish->trust_ha},
                                           {"pve", .text = &options.version},
                                           {"remove", .flag = &wish->remove},
                                           {"apply", .text = &options.apply},
                                           {"as", .text = &way->as},
                                           {"ca-file", .text = &way->ca_file},
                                           {"fingerprint", .words = &options.fingerprints},
                                           {"secret-file", .text = &way->secret_file},
                                           {"password-fd", .text = &options.password_fd},
                                           {"totp-fd", .text = &options.totp_fd},
                                           {"yes", .flag = &way->yes},
                                           {"print-admin", .flag = &options.print_admin},
                                           {.name = NULL}};
    int status = command_options(command, argc, argv, known, NULL);
    if (status == COMMAND_GO_ON)
        status = run(&options);
    free(way->endpoint.address);
    free(way->endpoint.name);
    free(way->endpoint.text);
    return status;
}

const struct command provision_command = {"provision", "set up in Proxmox VE what fencing needs", usage, 2,
                                          provision};
