/*
 * `fence-broker-admin nodes`: the names of the cluster's nodes, one a line, by Pacemaker or, where it does
 * not answer in time, by corosync.conf. The agent asks for `monitor` with strict=1.
 */
#pragma once

/* argv[0] is "nodes". The process's exit status: 0, 1 (they are not known), 2 (usage). */
int nodes_main(int argc, char **argv);
