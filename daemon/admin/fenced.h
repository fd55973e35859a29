/* fence-broker-admin fenced: what Pacemaker's alert agent runs. */
#pragma once

int fenced_main(int argc, char **argv);
