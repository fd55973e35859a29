/* fence-broker-admin verify: what `fence_broker explain ID --evidence` has printed, judged again. */
#pragma once

int verify_main(int argc, char **argv);
