/*
 * The same as a script for a shell of a Proxmox VE host, for whoever would rather read and run it there. It
 * can be run again: what is there is left alone.
 */
#include "admin/provision_private.h"

#include "policy/privileges.h"
#include "system/cleanup.h"

#include <stdlib.h>
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
                   "user=");
    text_put_word(out, wish->user);
    text_puts(out, "\n"
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

/* Whom a grant is for: the group or the user; or one of the tokens. */
static void put_granted(const struct provision_wish *wish, const char *token, struct text *out)
{
    if (token)
        text_printf(out, "--tokens \"$user\"'!%s'", token);
    else if (wish->group)
        text_printf(out, "--groups '%s'", wish->group);
    else
        text_puts(out, "--users \"$user\"");
}

static void put_grant(const struct provision_wish *wish, const char *token, struct text *out)
{
    text_printf(out, "pveum acl modify '/pool/%s' ", wish->pool);
    put_granted(wish, token, out);
    text_printf(out, " --roles '%s' --propagate 0\n", wish->role);
    if (!wish->trust_ha)
        return;
    text_puts(out, "pveum acl modify / ");
    put_granted(wish, token, out);
    text_puts(out, " --roles '" PRIVILEGES_HA_ROLE "' --propagate 0\n");
}

static void put_revoke(const struct provision_wish *wish, const char *path, const char *role,
                       const char *token, struct text *out)
{
    if (token)
        text_printf(out, "! there token \"$user\"'!%s'", token);
    else if (wish->group)
        text_printf(out, "! there group '%s'", wish->group);
    else
        text_puts(out, "! there user \"$user\"");
    text_printf(out, " || pveum acl delete %s ", path);
    put_granted(wish, token, out);
    text_printf(out, " --roles '%s'\n", role);
}

void provision_script(const struct provision_wish *wish, struct text *out)
{
    const char *privileges = provision_privileges(wish);
    put_head(wish, "Pool, role, user, grants and tokens", out);
    put_pool(wish, out);
    text_printf(out,
                "\n# the role: what fencing needs\n"
                "if there role '%s'; then\n"
                "    pveum role modify '%s' --privs '%s'\n"
                "else\n"
                "    pveum role add '%s' --privs '%s'\n"
                "fi\n",
                wish->role, wish->role, privileges, wish->role, privileges);
    if (wish->trust_ha)
        text_puts(
            out, "\n# another one, for HA's status (dead-host = trust-ha): on / alone, and nothing below it\n"
                 "there role '" PRIVILEGES_HA_ROLE "' || pveum role add '" PRIVILEGES_HA_ROLE
                 "' --privs '" PRIVILEGES_HA "'\n");
    text_puts(out, "\n# who may: the user, and tokens with privileges of their own (both need the grant)\n");
    if (wish->group)
        text_printf(out, "there group '%s' || pveum group add '%s' --comment '" PROVISION_MARK "'\n",
                    wish->group, wish->group);
    text_puts(out, "there user \"$user\" || pveum user add \"$user\" --comment '" PROVISION_MARK "'\n");
    if (wish->group)
        text_printf(out, "pveum user modify \"$user\" --groups '%s' --append 1\n", wish->group);
    put_grant(wish, NULL, out);
    for (size_t i = 0; i < wish->token_count; i++) {
        const char *token = wish->tokens[i];
        text_printf(out,
                    "\n# the token %s; its secret is shown once, here\n"
                    "there token \"$user\"'!%s' || pveum user token add \"$user\" '%s' --privsep 1 --comment "
                    "'" PROVISION_MARK "'\n",
                    token, token, token);
        put_grant(wish, token, out);
    }
}

void provision_script_remove(const struct provision_wish *wish, struct text *out)
{
    const char *path = heap_printf("'/pool/%s'", wish->pool);
    put_head(wish, "Takes tokens, user, grants, role and pool away again", out);
    text_puts(out, "# ours KIND NAME: was it made by provision? The rest is left alone.\n"
                   "ours() { kind=$1 name=$2 awk -F: '$1 == ENVIRON[\"kind\"] && $2 == ENVIRON[\"name\"] && "
                   "/" PROVISION_MARK "/ { found = 1 }\n"
                   "    END { exit !found }' \"$cfg\"; }\n\n");
    for (size_t i = 0; wish->trust_ha && i <= wish->token_count; i++)
        put_revoke(wish, "/", PRIVILEGES_HA_ROLE, i ? wish->tokens[i - 1] : NULL, out);
    put_revoke(wish, path, wish->role, NULL, out);
    for (size_t i = 0; i < wish->token_count; i++) {
        const char *token = wish->tokens[i];
        put_revoke(wish, path, wish->role, token, out);
        text_printf(out, "! ours token \"$user\"'!%s' || pveum user token remove \"$user\" '%s'\n", token,
                    token);
    }
    text_puts(out, "! ours user \"$user\" || pveum user delete \"$user\"\n");
    if (wish->group)
        text_printf(out, "! ours group '%s' || pveum group delete '%s'\n", wish->group, wish->group);
    text_puts(
        out,
        "# the role, unless a grant names it\n"
        "used() { sed -n 's/^acl://p' \"$cfg\" | cut -d: -f4 | tr ',; ' '\\n' | grep -qxF -- \"$1\"; }\n");
    for (size_t i = 0; i < (wish->trust_ha ? 2 : 1); i++) {
        const char *role = i ? PRIVILEGES_HA_ROLE : wish->role;
        text_printf(out, "! there role '%s' || used '%s' || pveum role delete '%s'\n", role, role, role);
    }
    text_printf(out, "if ours pool '%s'; then\n    pveum pool modify '%s' --delete 1 --vms '", wish->pool,
                wish->pool);
    for (size_t i = 0; i < wish->guest_count; i++)
        text_printf(out, "%s%d", i ? "," : "", wish->guests[i]);
    text_printf(out, "'\n    pveum pool delete '%s'\nfi\n", wish->pool);
}

void provision_script_admin(const char *as, struct text *out)
{
    const char *user = as ? as : "mgrsys@pam";
    const char *shown = heap_word(user), *name = heap_word(heap_cut(user, strcspn(user, "@")));
    text_printf(out,
                "# An administrator who is not root, for a root shell of one Proxmox VE host.\n"
                "# On the host whose API you will use (users of the realm pam are the host's own):\n"
                "apt-get install sudo\n"
                "adduser %s                # asks for a password: a long one\n"
                "adduser %s sudo\n"
                "\n"
                "# In Proxmox, once for the cluster:\n"
                "pveum group add pvemgrs --comment 'administrators instead of root'\n"
                "pveum acl modify / --groups pvemgrs --roles Administrator\n"
                "pveum user add %s --groups pvemgrs\n"
                "\n"
                "# The second factor: log in to the web interface as %s, then\n"
                "# Datacenter > Permissions > Two Factor > Add > TOTP, and take recovery keys there too.\n"
                "\n"
                "# Then, from any machine:\n"
                "# fence-broker-admin provision ... --apply pve1.example.com --as %s\n",
                name, name, shown, user, shown);
}
