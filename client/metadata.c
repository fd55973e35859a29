/* What the agent says of itself. Made of the table of parameters, so that the two cannot disagree.
 * pacemaker-controld runs `metadata` as hacluster, and a failure there delays fencing: nothing here needs a
 * file, a right or the broker. The order of elements and attributes is what the fence agents' metadata.rng
 * wants. No action is automatic: that would turn the device into an unfencing one. */
#include "metadata.h"

#include <stdio.h>
#include <string.h>

#include "keys.h"
#include "system/cleanup.h"

#define VENDOR_URL   "https://www.proxmox.com/"
#define OPTION_WIDTH 34

static const char longdesc[] =
    "fence_broker powers the Proxmox VE guests that are nodes of this cluster. It asks fence_brokerd on the "
    "same node over a UNIX socket; the daemon is logged in to Proxmox VE and knows the guests of its pool. "
    "Addresses, users and secrets belong in the configuration of the daemon "
    "(/etc/fence-broker/fence-broker.conf), not in the parameters of the device. A device needs no "
    "parameters: without pcmk_host_list and pcmk_host_map, Pacemaker asks the broker which guests it can "
    "fence. Off and reboot succeed only when the guest is proven to be off.";

static const char *const actions[] = {"on",          "off",     "reboot",   "status",  "list",
                                      "list-status", "monitor", "metadata", "manpage", "validate-all"};

static const char *content_type(enum key_kind kind)
{
    switch (kind) {
    case KIND_STRING:
        return "string";
    case KIND_SELECT:
        return "select";
    case KIND_SECOND:
        return "second";
    case KIND_INTEGER:
        return "integer";
    case KIND_BOOLEAN:
    case KIND_FLAG:
        return "boolean";
    }
    return "string";
}

static void print_getopt(const struct key_row *row)
{
    if (row->option)
        printf("-%c, ", row->option);
    printf("--%s", row->long_option);
    if (row->argument)
        printf("=[%s]", row->argument);
}

static void print_parameter(const struct key_row *row)
{
    printf("\t<parameter name=\"%s\" unique=\"0\" required=\"0\"", row->name);
    if (row->deprecated)
        printf(" deprecated=\"1\"");
    if (row->obsoletes)
        printf(" obsoletes=\"%s\"", row->obsoletes);
    printf(">\n\t\t<getopt mixed=\"");
    print_getopt(row);
    printf("\"/>\n\t\t<content type=\"%s\"", content_type(row->kind));
    if (row->default_value)
        printf(" default=\"%s\"", row->default_value);
    if (row->choices) {
        printf(">\n");
        for (const char *const *choice = row->choices; *choice; choice++)
            printf("\t\t\t<option value=\"%s\"/>\n", *choice);
        printf("\t\t</content>\n");
    } else {
        printf("/>\n");
    }
    printf("\t\t<shortdesc lang=\"en\">%s</shortdesc>\n\t</parameter>\n", row->description);
}

void metadata_print(void)
{
    printf("<?xml version=\"1.0\"?>\n"
           "<resource-agent name=\"fence_broker\" shortdesc=\"Fence agent for guests of Proxmox VE, through "
           "fence_brokerd\">\n"
           "<longdesc>%s</longdesc>\n<vendor-url>%s</vendor-url>\n<parameters>\n",
           longdesc, VENDOR_URL);
    for (size_t i = 0; i < key_row_count; i++)
        if (!key_rows[i].hidden)
            print_parameter(&key_rows[i]);
    printf("</parameters>\n<actions>\n");
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        printf("\t<action name=\"%s\"/>\n", actions[i]);
    printf("</actions>\n</resource-agent>\n");
}

void metadata_print_options(void)
{
    for (size_t i = 0; i < key_row_count; i++) {
        const struct key_row *row = &key_rows[i];
        if (row->hidden || row->deprecated)
            continue;
        int width = printf(row->option ? "  -%c, " : "      ", row->option);
        width +=
            printf(row->argument ? "--%s=%s" : "--%s", row->long_option, row->argument ? row->argument : "");
        printf("%*s%s\n", width < OPTION_WIDTH ? OPTION_WIDTH - width : 1, "", row->description);
    }
}
