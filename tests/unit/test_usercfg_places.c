/*
 * Classes and places of a user.cfg against the plain way: every identity asked on every path. On the 360
 * configurations that Proxmox VE's real code judged, on shuffled text, and on corners made by hand.
 */
#include "policy/usercfg_places.h"
#include "system/cleanup.h"
#include "system/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CASES_PATH "tests/data/pve/permissions.jsonl"
#define CASES      360
#define SEEN_MAX   4096

struct seen {
    char path[128];
    struct usercfg_privileges set;
};

/* one identity, and what a walk told about its class */
struct look {
    const struct usercfg *cfg;
    const char *id;
    struct seen seen[SEEN_MAX];
    size_t count;
    size_t found; /* of them by the plain way */
    size_t times; /* an id was in a class */
};

static struct seen *find(struct look *look, const char *path)
{
    for (size_t i = 0; i < look->count; i++) {
        if (strcmp(look->seen[i].path, path) == 0)
            return &look->seen[i];
    }
    return NULL;
}

static void on_path(void *context, const char *path, struct usercfg_privileges set)
{
    struct look *look = context;
    assert_true(look->count < SEEN_MAX && strlen(path) < sizeof(look->seen[0].path));
    assert_null(find(look, path));
    struct seen *seen = &look->seen[look->count++];
    snprintf(seen->path, sizeof(seen->path), "%s", path);
    seen->set = set;
}

static void on_guests(void *context, const struct usercfg_pool *pool, const int64_t *vmids, size_t count,
                      struct usercfg_privileges set)
{
    char path[32];
    (void)pool;
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "/vms/%lld", (long long)vmids[i]);
        on_path(context, path, set);
    }
}

static int compare_path(const char *path, void *context)
{
    struct look *look = context;
    struct usercfg_privileges set = usercfg_privileges(look->cfg, look->id, path);
    struct seen *seen = find(look, path);
    if (!seen && !set.held)
        return 0;
    if (!seen)
        print_error("%s holds something on %s, which the walk did not tell\n", look->id, path);
    assert_non_null(seen);
    assert_true(seen->set.held == set.held && seen->set.propagates == set.propagates);
    return 0;
}

/* the walk of each class tells what each of its identities holds, and nothing else */
static void compare_walks(const struct usercfg *cfg)
{
    static struct look look;
    _cleanup_(usercfg_classes_freep) struct usercfg_classes *classes = NULL;
    _cleanup_(usercfg_places_freep) struct usercfg_places *places = NULL;
    assert_int_equal(usercfg_classes_new(cfg, &classes), 0);
    assert_int_equal(usercfg_places_new(cfg, &places), 0);
    struct usercfg_walker walker = {.path = on_path, .guests = on_guests, .context = &look};
    for (size_t i = 0; i < classes->count; i++) {
        look = (struct look){.cfg = cfg};
        usercfg_places_walk(places, classes->list[i], &walker);
        for (size_t k = 0; k < classes->list[i]->count; k++) {
            look.id = classes->list[i]->ids[k];
            usercfg_each_path(cfg, compare_path, &look);
        }
    }
}

static int count_in_classes(const char *id, void *context)
{
    const struct usercfg_classes *classes = context;
    size_t times = 0;
    for (size_t i = 0; i < classes->count; i++) {
        for (size_t k = 0; k < classes->list[i]->count; k++)
            times += strcmp(classes->list[i]->ids[k], id) == 0;
    }
    assert_int_equal(times, 1);
    return 0;
}

static void test_walks_agree_with_asking_everything_on_360_configurations(void **state)
{
    FILE *file = fopen(CASES_PATH, "re");
    _cleanup_(freep) char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int cases = 0;
    (void)state;
    assert_non_null(file);
    for (; (length = getline(&line, &room, file)) > 0; cases++) {
        _cleanup_(json_putp) struct json_object *one = json_parse(line, (size_t)length);
        _cleanup_(usercfg_freep) struct usercfg *cfg = NULL;
        _cleanup_(usercfg_classes_freep) struct usercfg_classes *classes = NULL;
        const char *text = NULL;
        int64_t version = 0;
        assert_true(json_get_string(one, "user_cfg", &text) && json_get_int(one, "pve", 7, 9, &version));
        assert_int_equal(usercfg_parse(text, strlen(text), (int)version, &cfg), 0);
        compare_walks(cfg);
        assert_int_equal(usercfg_classes_new(cfg, &classes), 0);
        usercfg_each_identity(cfg, count_in_classes, classes);
    }
    fclose(file);
    assert_int_equal(cases, CASES);
}

static struct usercfg *parsed(const char *text, int version)
{
    struct usercfg *cfg = NULL;
    assert_int_equal(usercfg_parse(text, strlen(text), version, &cfg), 0);
    return cfg;
}

static const struct usercfg_class *class_of(const struct usercfg_classes *classes, const char *id)
{
    for (size_t i = 0; i < classes->count; i++) {
        for (size_t k = 0; k < classes->list[i]->count; k++) {
            if (strcmp(classes->list[i]->ids[k], id) == 0)
                return classes->list[i];
        }
    }
    return NULL;
}

static void test_equal_grants_make_one_class_and_others_do_not(void **state)
{
    (void)state;
    _cleanup_(usercfg_freep) struct usercfg *cfg =
        parsed("user:a@pve:1:0::::::\ntoken:a@pve!full:0:0::\ntoken:a@pve!own:0:1::\nuser:b@pve:0:0::::::\n"
               "user:c@pve:1:0::::::\nuser:none@pve:1:0::::::\ngroup:g:b@pve,ghost@pve::\npool:p::100::\n"
               "acl:1:/pool/p:a@pve,@g:PVEVMUser:\nacl:0:/pool/p:c@pve:PVEVMUser:\ntoken:root@pam!tk:0:0::\n",
               9);
    _cleanup_(usercfg_classes_freep) struct usercfg_classes *classes = NULL;
    assert_int_equal(usercfg_classes_new(cfg, &classes), 0);
    assert_ptr_equal(class_of(classes, "a@pve"), class_of(classes, "b@pve"));
    assert_ptr_equal(class_of(classes, "a@pve"), class_of(classes, "a@pve!full"));
    assert_ptr_equal(class_of(classes, "a@pve"), class_of(classes, "ghost@pve"));
    assert_ptr_not_equal(class_of(classes, "a@pve"), class_of(classes, "c@pve"));
    assert_ptr_not_equal(class_of(classes, "a@pve"), class_of(classes, "a@pve!own"));
    assert_ptr_equal(class_of(classes, "root@pam"), class_of(classes, "root@pam!tk"));
    assert_true(class_of(classes, "root@pam")->root);
    assert_int_equal(class_of(classes, "none@pve")->path_count, 0);
    compare_walks(cfg);
}

static void test_corners_of_paths_are_walked(void **state)
{
    static const char *const texts[] = {
        "user:a@pve:1:0::::::\npool:p::100,101:s1,s2:\nacl:1:/pool/p:a@pve:PVEAdmin:\nacl:1:/vms/"
        "0100:x@pve:PVEVMUser:\n",
        "user:a@pve:1:0::::::\npool:p::100:s1:\npool:q::101:s1:\nacl:1:/pool:a@pve:PVEAdmin:\nacl:1:/pool/"
        "q:a@pve:NoAccess:\n",
        "user:a@pve:1:0::::::\npool:p::100,101::\nacl:1:/:a@pve:PVEAuditor:\nacl:1:/vms/"
        "100:a@pve:NoAccess:\n",
        "user:a@pve:1:0::::::\npool:p/q::100::\npool:p-q::101::\nacl:1:/pool/p:a@pve:PVEVMUser:\nacl:1:/"
        "vms:a@pve:PVEVMUser:\n",
        "user:a@pve:1:0::::::\ntoken:a@pve!tk:0:1::\npool:p::100::\nacl:1:/:a@pve!tk:PVEAdmin:\nacl:1:/pool/"
        "p:a@pve:PVEVMUser:\n",
        "token:root@pam!tk:0:1::\npool:p::100:s:\nacl:1:/pool/p:root@pam!tk:PVEVMUser:\nacl:1:/storage/"
        "s:b@pve:PVEAdmin:\n",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        _cleanup_(usercfg_freep) struct usercfg *cfg = parsed(texts[i], 8);
        compare_walks(cfg);
    }
}

/* A short run with a fixed seed of what tests/fuzz/fuzz_usercfg.c does for hours: words of the language,
 * shuffled. */
static void test_shuffled_text_is_parsed_and_walked_alike(void **state)
{
    static const char *const words[] = {"user:a@pve:1:0::::::\n",
                                        "user:b@pam:1:0::::::\n",
                                        "token:a@pve!t1:0:1::\n",
                                        "token:a@pve!t2:0:0::\n",
                                        "group:g1:a@pve,b@pam::\n",
                                        "pool:p::100,101:s1:\n",
                                        "pool:p/q::102::\n",
                                        "role:R:VM.PowerMgmt,VM.Audit:\n",
                                        "acl:1:/:a@pve:R:\n",
                                        "acl:0:/vms:@g1:PVEAdmin:\n",
                                        "acl:1:/pool/p:a@pve!t1,@g1:R,PVEAuditor:\n",
                                        "acl:1:/vms/100:a@pve:NoAccess:\n",
                                        "acl:1:/storage/s1:b@pam:PVEAdmin:\n",
                                        "acl:1:",
                                        "/pool",
                                        "/vms",
                                        "/",
                                        ":",
                                        "0",
                                        "1",
                                        ",",
                                        "\n",
                                        "a@pve",
                                        "a@pve!t1",
                                        "@g1",
                                        "R",
                                        "root@pam",
                                        "ghost@pve",
                                        "Administrator",
                                        "100",
                                        "%"};
    (void)state;
    srand(20261122);
    for (int round = 0; round < 4000; round++) {
        char text[2048] = "";
        size_t length = 0;
        for (int i = rand() % 24; i >= 0; i--) {
            const char *word = words[(size_t)rand() % ARRAY_LEN(words)];
            memcpy(text + length, word, strlen(word));
            length += strlen(word);
        }
        if (round % 4 == 0)
            text[(size_t)rand() % length] = (char)(1 + rand() % 255);
        _cleanup_(usercfg_freep) struct usercfg *cfg = parsed(text, 7 + round % 3);
        compare_walks(cfg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks_agree_with_asking_everything_on_360_configurations),
        cmocka_unit_test(test_equal_grants_make_one_class_and_others_do_not),
        cmocka_unit_test(test_corners_of_paths_are_walked),
        cmocka_unit_test(test_shuffled_text_is_parsed_and_walked_alike),
    };
    return cmocka_run_group_tests_name("usercfg_places", tests, NULL, NULL);
}
