/*
 * The command: options, checked before anything happens, and which of the ways.
 */
#include "admin/provision.h"

#include "admin/provision_private.h"
#include "proxmox/transport.h"
#include "system/cleanup.h"
#include "system/config_value.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

struct provision_options {
    struct provision_wish wish;
    struct provision_way way;
    const char *guests, *apply;
    bool print_admin;
};

static void usage(FILE *out)
{
    fputs("usage: fence-broker-admin provision --pool POOL --guests ID,ID…\n"
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
          "      --print-admin        the steps that make an administrator who is not root\n",
          out);
}

static int complain(const char *what, const char *hint)
{
    fprintf(stderr, "fence-broker-admin provision: %s%s%s\n", what, *hint ? "; " : "", hint);
    return 2;
}

/* ---- options ---- */

enum {
    OPTION_POOL = 1,
    OPTION_GUESTS,
    OPTION_USER,
    OPTION_TOKEN,
    OPTION_GROUP,
    OPTION_ROLE,
    OPTION_MONITOR,
    OPTION_TRUST_HA,
    OPTION_PVE,
    OPTION_REMOVE,
    OPTION_APPLY,
    OPTION_AS,
    OPTION_CA,
    OPTION_FINGERPRINT,
    OPTION_SECRET,
    OPTION_PASSWORD_FD,
    OPTION_TOTP_FD,
    OPTION_YES,
    OPTION_ADMIN,
    OPTION_HELP
};

static const struct option known[] = {
    {"pool", required_argument, NULL, OPTION_POOL},
    {"guests", required_argument, NULL, OPTION_GUESTS},
    {"user", required_argument, NULL, OPTION_USER},
    {"token", required_argument, NULL, OPTION_TOKEN},
    {"group", required_argument, NULL, OPTION_GROUP},
    {"role", required_argument, NULL, OPTION_ROLE},
    {"with-vm-monitor", no_argument, NULL, OPTION_MONITOR},
    {"trust-ha", no_argument, NULL, OPTION_TRUST_HA},
    {"pve", required_argument, NULL, OPTION_PVE},
    {"remove", no_argument, NULL, OPTION_REMOVE},
    {"apply", required_argument, NULL, OPTION_APPLY},
    {"as", required_argument, NULL, OPTION_AS},
    {"ca-file", required_argument, NULL, OPTION_CA},
    {"fingerprint", required_argument, NULL, OPTION_FINGERPRINT},
    {"secret-file", required_argument, NULL, OPTION_SECRET},
    {"password-fd", required_argument, NULL, OPTION_PASSWORD_FD},
    {"totp-fd", required_argument, NULL, OPTION_TOTP_FD},
    {"yes", no_argument, NULL, OPTION_YES},
    {"print-admin", no_argument, NULL, OPTION_ADMIN},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static bool add_string(const char ***list, size_t *count, const char *string)
{
    const char **grown = reallocarray(*list, *count + 1, sizeof(*grown));
    if (!grown)
        return false;
    *list = grown;
    grown[(*count)++] = string;
    return true;
}

static int add_fingerprint(struct provision_way *way, const char *text)
{
    struct config_problem problem = {0};
    size_t count = way->fingerprint_count;
    struct config_fingerprint *grown = reallocarray(way->fingerprints, count + 1, sizeof(*grown));
    if (!grown)
        return complain("no memory", "");
    way->fingerprints = grown;
    if (config_value_fingerprint(text, &grown[count], &problem) < 0)
        return complain("--fingerprint is not a SHA-256 fingerprint",
                        "as `pvenode cert info` shows it: 32 pairs AB:CD:…");
    return add_string(&way->fingerprint_texts, &way->fingerprint_count, text) ? 0 : complain("no memory", "");
}

static bool parse_fd(const char *text, int *fd)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < 0 || number > 65535)
        return false;
    *fd = (int)number;
    return true;
}

/* 0, or the exit status. */
static int take_option(struct provision_options *options, int option, const char *value)
{
    struct provision_wish *wish = &options->wish;
    struct provision_way *way = &options->way;
    switch (option) {
    case OPTION_POOL:
        wish->pool = value;
        return 0;
    case OPTION_GUESTS:
        options->guests = value;
        return 0;
    case OPTION_USER:
        wish->user = value;
        return 0;
    case OPTION_GROUP:
        wish->group = value;
        return 0;
    case OPTION_ROLE:
        wish->role = value;
        return 0;
    case OPTION_MONITOR:
        wish->with_vm_monitor = true;
        return 0;
    case OPTION_TRUST_HA:
        wish->trust_ha = true;
        return 0;
    case OPTION_REMOVE:
        wish->remove = true;
        return 0;
    case OPTION_APPLY:
        options->apply = value;
        return 0;
    case OPTION_AS:
        way->as = value;
        return 0;
    case OPTION_CA:
        way->ca_file = value;
        return 0;
    case OPTION_SECRET:
        way->secret_file = value;
        return 0;
    case OPTION_YES:
        way->yes = true;
        return 0;
    case OPTION_ADMIN:
        options->print_admin = true;
        return 0;
    case OPTION_TOKEN:
        return add_string(&wish->tokens, &wish->token_count, value) ? 0 : complain("no memory", "");
    case OPTION_FINGERPRINT:
        return add_fingerprint(way, value);
    case OPTION_PVE:
        wish->version = strlen(value) == 1 && *value >= '7' && *value <= '9' ? *value - '0' : 0;
        return wish->version ? 0 : complain("--pve is 7, 8 or 9", "");
    case OPTION_PASSWORD_FD:
        return parse_fd(value, &way->password_fd) ? 0
                                                  : complain("--password-fd is a number of a descriptor", "");
    case OPTION_TOTP_FD:
        return parse_fd(value, &way->totp_fd) ? 0 : complain("--totp-fd is a number of a descriptor", "");
    default:
        usage(stderr);
        return 2;
    }
}

/* ---- checks ---- */

static int compare_ints(const void *a, const void *b)
{
    return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

static int parse_guests(struct provision_wish *wish, const char *list)
{
    wish->guests = calloc(strlen(list) + 1, sizeof(*wish->guests));
    if (!wish->guests)
        return complain("no memory", "");
    for (const char *at = list; *at;) {
        char *end = NULL;
        errno = 0;
        long vmid = strtol(at, &end, 10);
        if (errno || end == at || (*end && *end != ',') || vmid < 100 || vmid > 999999999)
            return complain("--guests is a list of VMIDs", "--guests 101,102,103");
        wish->guests[wish->guest_count++] = (int)vmid;
        at = end + (*end == ',');
    }
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
        fprintf(stderr, "fence-broker-admin provision: %s '%s' %s%s%s\n", option, value, problem.what,
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
        return fprintf(stderr, "fence-broker-admin provision: --apply '%s' %s; %s\n", options->apply,
                       problem.what, problem.hint),
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
        fprintf(stderr, "fence-broker-admin provision: %s; %s\n", error.message, error.hint);
        return 1;
    }
    int status = provision_apply(&options->wish, &options->way);
    transport_global_cleanup();
    return status;
}

static int run(struct provision_options *options, int argc, char **argv)
{
    int option, status = 0;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (option == OPTION_HELP || option == 'h')
            return usage(stdout), 0;
        status = take_option(options, option, optarg);
        if (status)
            return status;
    }
    if (optind < argc)
        return complain("unexpected argument", argv[optind]);
    if (options->print_admin) {
        const char *as = options->way.as;
        if (as && (check_value("--as", as, config_value_user) || !strstr(as, "@pam")))
            return complain("--print-admin makes a user of the realm pam", "--as mgrsys@pam");
        return print(options);
    }
    status = check_names(options);
    if (!status)
        status = check_way(options);
    return status ? status : options->apply ? apply(options) : print(options);
}

int provision_main(int argc, char **argv)
{
    struct provision_options options = {.way = {.password_fd = -1, .totp_fd = -1}};
    int status = run(&options, argc, argv);
    free(options.way.fingerprint_texts);
    free(options.way.fingerprints);
    free(options.wish.tokens);
    free(options.wish.guests);
    free(options.way.endpoint.address);
    free(options.way.endpoint.name);
    free(options.way.endpoint.text);
    return status;
}
