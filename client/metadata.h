/* What the agent says of itself: XML for Pacemaker, help for people. */
#pragma once

/* Both write to stdout; whether that worked is for the caller to ask of stdout. */
void metadata_print(void);
void metadata_print_options(void);
