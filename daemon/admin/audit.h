/*
 * `fence-broker-admin audit`: who could fence which guest, who can do more than that, and who cannot log in,
 * from a user.cfg alone. Reads one file, asks no Proxmox, changes nothing.
 */
#pragma once

/* argv[0] is "audit". The process's exit status: 0, 1 (the file cannot be read), 2 (usage). */
int audit_main(int argc, char **argv);
