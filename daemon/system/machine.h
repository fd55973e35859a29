/*
 * Which machine this is: its node name (uname), and the UUID that its firmware tells (SMBIOS), by which
 * Proxmox's guest configurations name it, too.
 */
#pragma once

#include <stdbool.h>

#define MACHINE_UUID_LEN 37
#define MACHINE_ID_LEN   33

struct machine {
    char name[65];               /* "" if it cannot be told */
    char uuid[MACHINE_UUID_LEN]; /* lower case; "" if it cannot be told, and */
    char why[128];               /* this is why */
    char id[MACHINE_ID_LEN];     /* of the installation, machine-id(5); "" if it cannot be told */
};

/*
 * The UUID is read from the credential "product-uuid" ($CREDENTIALS_DIRECTORY) or, without it, from the copy
 * that systemd-tmpfiles makes at boot, because the kernel lets only root read its own file; without either
 * from there. Opens files: at the start only.
 */
void machine_read(struct machine *machine);

/* Do these texts mean the same machine? Old firmware tables have the first three fields in the other byte
 * order. False if one of them is no UUID. */
bool machine_same_uuid(const char *one, const char *other);
