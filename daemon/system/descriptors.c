/*
 * The limit of open files (RLIMIT_NOFILE). A daemon without descriptors can neither accept nor reach Proxmox,
 * and nobody would know why: it does not start with too few.
 */
#include "system/descriptors.h"

#include <sys/resource.h>

unsigned descriptors_limit(unsigned most)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < most ? (unsigned)limit.rlim_cur : most;
}

bool descriptors_raise(struct error *error)
{
    struct rlimit limit;
    unsigned now;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_WANTED) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    now = descriptors_limit(DESCRIPTORS_WANTED);
    if (now >= DESCRIPTORS_MIN)
        return true;
    error_set(error, ERROR_INTERNAL, "the limit of open files is %u, and the broker needs %d", now,
              DESCRIPTORS_MIN);
    error_hint(error,
               "in its unit: `LimitNOFILE=%d` (systemctl edit fence-broker); in a shell: `ulimit -n %d`",
               DESCRIPTORS_WANTED, DESCRIPTORS_WANTED);
    return false;
}
