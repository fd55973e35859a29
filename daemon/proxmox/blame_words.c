/*
 * What Proxmox's own server errors mean, and the line that mends them. 595 to 599 are the words of pveproxy
 * about the way to the next daemon: pveproxy of the guest's host, and on a host itself pvedaemon. (595: no
 * connection; 596: none that could be used, or no head of an answer in 30 s; 597: half an answer.)
 */
#include "proxmox/blame.h"

#include <string.h>

/* pveproxy reads users and grants from the cluster file system before it looks at anything else. */
static bool is_of_cluster_files(const char *reason)
{
    return strstr(reason, "ipcc_send_rec") || strstr(reason, "access control list") ||
           strstr(reason, "Transport endpoint is not connected");
}

/* There is no other host on the way. */
static void hint_own(const struct api_result *result, struct error *error)
{
    if (is_of_cluster_files(result->reason))
        error_hint(error,
                   "the cluster file system is down on that host: there `systemctl restart pve-cluster`, "
                   "and `pvecm status`");
    else if (result->http_status >= 595)
        error_hint(error,
                   "pvedaemon does not answer on that host: there `systemctl restart pvedaemon pveproxy`");
    else if (result->http_status == 500)
        error_hint(error, "on that host `journalctl -u pveproxy -u pvedaemon -u pve-cluster` says why");
}

static void hint_passed_on(const char *node, const struct api_result *result, struct error *error)
{
    const char *reason = result->reason, *asked = result->endpoint_text;
    if (is_of_cluster_files(reason))
        error_hint(error,
                   "the cluster file system is down on %s, or on %s: there `systemctl restart "
                   "pve-cluster`, and `pvecm status`",
                   node, asked);
    else if (result->http_status == 595 && strstr(reason, "refused"))
        error_hint(error,
                   "pveproxy or pvedaemon does not run on %s: there `systemctl restart pveproxy pvedaemon`",
                   node);
    else if (result->http_status == 595)
        error_hint(error, "%s cannot reach the host %s: check that it is on, and `pvecm status` on both",
                   asked, node);
    else if (result->http_status == 596 && strstr(reason, "certificate"))
        error_hint(error,
                   "%s does not know the certificate of the host %s: on %s `pvecm updatecerts --force`, then "
                   "`systemctl restart pveproxy`",
                   asked, node, node);
    else if (result->http_status == 596)
        error_hint(error,
                   "pveproxy or pvedaemon hangs on %s, or the network on the way to it: there `systemctl "
                   "restart pveproxy pvedaemon`",
                   node);
    else if (result->http_status >= 597)
        error_hint(error, "the answer of %s broke off: there `journalctl -u pveproxy -u pvedaemon` says why",
                   node);
    else if (result->http_status == 500)
        error_hint(error, "on %s `journalctl -u pvedaemon -u pveproxy -u pve-cluster` says why", node);
}

void blame_hint(const char *node, const struct api_result *result, struct error *error)
{
    if (node && *node)
        hint_passed_on(node, result, error);
    else
        hint_own(result, error);
}
