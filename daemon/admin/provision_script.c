/*
 * The same as a script for a shell of a Proxmox VE host, for whoever would rather read and run it there. It
 * can be run again: what is there is left alone.
 */
#include "admin/provision_private.h"

#include <string.h>

const char *provision_privileges(const struct provision_wish *wish)
{
    return wish->with_vm_monitor ? "VM.PowerMgmt,VM.Audit,Pool.Audit,VM.Monitor"
                                 : "VM.PowerMgmt,VM.Audit,Pool.Audit";
}

static void put_head(const struct provision_wish *wish, const char *what, struct text *out)
{
    text_printf(out,
                "#!/bin/sh\n"
                "# %s, for fencing the guests",
                what);
    for (size_t i = 0; i < wish->guest_count; i++)
        text_printf(out, "%s %d", i ? "," : "", wish->guests[i]);
    text_printf(out, " of the pool %s.\n# For a root shell of one host of Proxmox VE ", wish->pool);
    if (wish->version)
        text_printf(out, "%d", wish->version);
    else
        text_puts(out, "7, 8 or 9");
    text_puts(out, ". It can be run again: what is there is left alone.\n"
                   "set -eu\n"
                   "cfg=${USER_CFG:-/etc/pve/user.cfg}\n"
                   "# there KIND NAME: has user.cfg such a line?\n"
                   "there() { cut -d: -f1,2 \"$cfg\" | grep -qxF -- \"$1:$2\"; }\n");
}

static void put_pool(const struct provision_wish *wish, struct text *out)
{
    text_printf(
        out,
        "\n# the pool, and its guests (a guest of another pool stops the script: it would leave that one)\n"
        "there pool '%s' || pveum pool add '%s' --comment '" PROVISION_MARK "'\n"
        "in_pool() { awk -F: -v pool='%s' -v vmid=\"$1\" '$1 == \"pool\" && $2 == pool {\n"
        "    n = split($4, list, /[,; ]+/); for (i = 1; i <= n; i++) if (list[i] == vmid) found = 1 }\n"
        "    END { exit !found }' \"$cfg\"; }\n"
        "for vmid in",
        wish->pool, wish->pool, wish->pool);
    for (size_t i = 0; i < wish->guest_count; i++)
        text_printf(out, " %d", wish->guests[i]);
    text_printf(out, "; do\n    in_pool \"$vmid\" || pveum pool modify '%s' --vms \"$vmid\"\ndone\n",
                wish->pool);
}

void provision_script(const struct provision_wish *wish, struct text *out)
{
    const char *privileges = provision_privileges(wish);
    put_head(wish, "Pool, role, user, grants and tokens", out);
    put_pool(wish, out);
    text_printf(out,
                "\n# the role: what fencing takes\n"
                "if there role '%s'; then\n    pveum role modify '%s' --privs '%s'\nelse\n"
                "    pveum role add '%s' --privs '%s'\nfi\n",
                wish->role, wish->role, privileges, wish->role, privileges);
    text_puts(out, "\n# who may: the user, and tokens with privileges of their own (both need the grant)\n");
    if (wish->group)
        text_printf(out, "there group '%s' || pveum group add '%s' --comment '" PROVISION_MARK "'\n",
                    wish->group, wish->group);
    text_printf(out, "there user '%s' || pveum user add '%s' --comment '" PROVISION_MARK "'\n", wish->user,
                wish->user);
    if (wish->group)
        text_printf(out, "pveum user modify '%s' --groups '%s' --append 1\n", wish->user, wish->group);
    text_printf(out, "pveum acl modify '/pool/%s' --%s '%s' --roles '%s' --propagate 0\n", wish->pool,
                wish->group ? "groups" : "users", wish->group ? wish->group : wish->user, wish->role);
    for (size_t i = 0; i < wish->token_count; i++) {
        const char *token = wish->tokens[i];
        text_printf(
            out,
            "\n# the token %s; its secret is shown once, here\n"
            "there token '%s!%s' || pveum user token add '%s' '%s' --privsep 1 --comment '" PROVISION_MARK
            "'\n"
            "pveum acl modify '/pool/%s' --tokens '%s!%s' --roles '%s' --propagate 0\n",
            token, wish->user, token, wish->user, token, wish->pool, wish->user, token, wish->role);
    }
}

/* a line that runs `command` with NAME if user.cfg has it and it is ours */
static void put_if_ours(struct text *out, const char *kind, const char *name, const char *command)
{
    text_printf(out, "! ours %s '%s' || %s\n", kind, name, command);
}

void provision_script_remove(const struct provision_wish *wish, struct text *out)
{
    struct text command = {0};
    put_head(wish, "Takes tokens, user, grants, role and pool away again", out);
    text_puts(out,
              "# ours KIND NAME: was it made by provision? The rest is left alone.\n"
              "ours() { awk -F: -v kind=\"$1\" -v name=\"$2\" '$1 == kind && $2 == name && /" PROVISION_MARK
              "/ { found = 1 }\n"
              "    END { exit !found }' \"$cfg\"; }\n\n");
    text_printf(out, "! there %s '%s' || pveum acl delete '/pool/%s' --%s '%s' --roles '%s'\n",
                wish->group ? "group" : "user", wish->group ? wish->group : wish->user, wish->pool,
                wish->group ? "groups" : "users", wish->group ? wish->group : wish->user, wish->role);
    for (size_t i = 0; i < wish->token_count; i++) {
        text_printf(out,
                    "! there token '%s!%s' || pveum acl delete '/pool/%s' --tokens '%s!%s' --roles '%s'\n",
                    wish->user, wish->tokens[i], wish->pool, wish->user, wish->tokens[i], wish->role);
        text_printf(&command, "%s!%s", wish->user, wish->tokens[i]);
        text_printf(out, "! ours token '%s' || pveum user token remove '%s' '%s'\n",
                    command.data ? command.data : "", wish->user, wish->tokens[i]);
        text_clear(&command);
    }
    text_printf(&command, "pveum user delete '%s'", wish->user);
    put_if_ours(out, "user", wish->user, command.data ? command.data : "");
    text_clear(&command);
    if (wish->group) {
        text_printf(&command, "pveum group delete '%s'", wish->group);
        put_if_ours(out, "group", wish->group, command.data ? command.data : "");
        text_clear(&command);
    }
    text_printf(
        out,
        "# the role, unless a grant names it\n"
        "used() { sed -n 's/^acl://p' \"$cfg\" | cut -d: -f4 | tr ',; ' '\\n' | grep -qxF -- \"$1\"; }\n"
        "! there role '%s' || used '%s' || pveum role delete '%s'\n"
        "if ours pool '%s'; then\n    pveum pool modify '%s' --delete 1 --vms '",
        wish->role, wish->role, wish->role, wish->pool, wish->pool);
    for (size_t i = 0; i < wish->guest_count; i++)
        text_printf(out, "%s%d", i ? "," : "", wish->guests[i]);
    text_printf(out, "'\n    pveum pool delete '%s'\nfi\n", wish->pool);
}

void provision_script_admin(const char *as, struct text *out)
{
    const char *user = as ? as : "mgrsys@pam";
    int length = (int)strcspn(user, "@");
    text_printf(out,
                "# An administrator who is not root, for a root shell of one Proxmox VE host.\n"
                "# On the host whose API you will use (users of the realm pam are the host's own):\n"
                "apt-get install sudo\n"
                "adduser '%.*s'                # asks for a password: a long one\n"
                "adduser '%.*s' sudo\n"
                "\n"
                "# In Proxmox, once for the cluster:\n"
                "pveum group add pvemgrs --comment 'administrators instead of root'\n"
                "pveum acl modify / --groups pvemgrs --roles Administrator\n"
                "pveum user add '%s' --groups pvemgrs\n"
                "\n"
                "# The second factor: log in to the web interface as %s, then\n"
                "# Datacenter > Permissions > Two Factor > Add > TOTP, and take recovery keys there too.\n"
                "\n"
                "# Then, from any machine:\n"
                "# fence-broker-admin provision ... --apply pve1.example.com --as %s\n",
                length, user, length, user, user, user, user);
}
