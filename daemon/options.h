/*
 * The command line of fence_brokerd.
 */
#pragma once

/* Does what the arguments say: something that ends, or `run` with the path of the configuration, the daemon
 * itself. Returns the exit status: 2 for wrong options, with a word on stderr. */
int options_main(int argc, char **argv, int (*run)(const char *config_path));
