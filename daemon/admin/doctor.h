/*
 * fence-broker-admin doctor: would a fence work with this configuration, and if not, why? For when no daemon
 * runs: logs in to Proxmox as the daemon would, learns what it would learn in its first round, and prints the
 * same report. Powers nothing, writes nothing.
 */
#pragma once

/* argv[0] is "doctor". The process's exit status: 0 fine, 1 a fence would fail (and for wrong options), 2 it
 * would work but something is off. */
int doctor_main(int argc, char **argv);
