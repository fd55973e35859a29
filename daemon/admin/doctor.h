/*
 * fence-broker-admin doctor: would a fence work, and if not, why? The running daemon is asked for its report;
 * where there is none, Proxmox is asked as the daemon would, once, and the same report comes of it.
 * Pacemaker's set-up on this node is looked at behind it. Powers nothing, writes nothing.
 */
#pragma once

/* argv[0] is "doctor". The process's exit status: 0 fine, 1 a fence would fail (and for wrong options), 2 it
 * would work but something is off. */
int doctor_main(int argc, char **argv);
