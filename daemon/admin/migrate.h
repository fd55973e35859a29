/* From fence_pve to the broker: what Pacemaker's configuration has, and the lines that take it over. */
#pragma once

int migrate_main(int argc, char **argv);
