/*
 * What `pvesim --help` prints.
 */
#pragma once

extern const char pvesim_help[];
