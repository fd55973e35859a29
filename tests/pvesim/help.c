/*
 * What pvesim --help prints.
 */
extern const char pvesim_help[];

const char pvesim_help[] = "pvesim: a stand-in for Proxmox VE with real guests\n"
                           "\n"
                           "  pvesim --dir DIR [--listen HOST:PORT]… [--guest-command CMD] [--scale FACTOR]\n"
                           "  pvesim ctl DIR WORDS…\n";
