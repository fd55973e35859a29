/*
 * `fence-broker-admin provision`: pool, role, user, grants and tokens that fencing takes, and nothing more:
 * as a script for a shell of Proxmox VE, or carried out over the API by an administrator who is not root.
 */
#pragma once

/* argv[0] is "provision". The process's exit status: 0, 1 (something is in the way or went wrong), 2 (usage).
 */
int provision_main(int argc, char **argv);
