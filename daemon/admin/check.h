/*
 * `fence-broker-admin check`: would the daemon start with this configuration, and what do its rules say? Asks
 * Proxmox nothing.
 */
#pragma once

/* argv[0] is "check". The process's exit status: 0, 1 (something is wrong), 2 (usage; --can: no). */
int check_main(int argc, char **argv);
