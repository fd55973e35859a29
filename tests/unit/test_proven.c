/* What a proof rested on, taken down and judged again: nothing is lost on the way, and nothing can be changed
 * or left out without being told. */
#include "step_script.h"

#include "fence/proven.h"
#include "system/cleanup.h"

static struct operation operation = {
    .id = "mws9yzqz", .action = FENCE_OFF, .requested_realtime_ms = 1795348800000, .requested_ms = T0};
static struct proven record;

/* From running to off, with the guest's network devices seen. */
static void prove(void)
{
    begin(FENCE_OFF);
    go(3);
    reads_running();
    power_taken("UPID:pve1:000072D8:00041842:6B02D845:qmstop:100:fence@pve!tok:");
    go(40);
    reads_stopped();
    go(45);
    hosts_are(2, 3, true);
    assert_true(effects.proven);
    proven_take(&record, &operation, &step, &effects, 3, now_ms);
}

static struct json_object *written(void)
{
    _cleanup_(freep) char *line = proven_write(&record);

    assert_non_null(line);
    struct json_object *document = json_parse(line, strlen(line));
    assert_non_null(document);
    return document;
}

static enum proven_reading read_back(struct json_object *document, struct proven *found)
{
    const char *field = "";
    enum proven_reading reading = proven_read(document, found, &field);

    assert_true((reading == PROVEN_INCOMPLETE) == (field != NULL && *field));
    return reading;
}

static void test_what_was_judged_is_judged_again(void **state)
{
    struct proven found;

    (void)state;
    prove();
    _cleanup_(json_putp) struct json_object *document = written();
    assert_int_equal(read_back(document, &found), PROVEN_READ);
    assert_int_equal(proven_judge(&found), PROOF_OFF);
    assert_string_equal(found.operation, operation.id);
    assert_string_equal(found.node, "pve1");
    assert_string_equal(found.upid, "UPID:pve1:000072D8:00041842:6B02D845:qmstop:100:fence@pve!tok:");
    assert_int_equal(found.facts.asked_ms - found.requested_ms, record.facts.asked_ms - T0);
    assert_int_equal(found.hosts.required, 2);
    assert_int_equal(found.hosts_known, 3);
}

/* An answer is judged, not what was once thought of it: each of them alone takes the proof away. */
static void test_other_answers_are_judged_otherwise(void **state)
{
    static const struct {
        const char *part, *key, *value;
        enum proof_point point;
    } answers[] = {
        {"status", "asked_after_ms", "-1", PROOF_NOT_READ},
        {"status", "status", "\"running\"", PROOF_RUNS},
        {"status", "nics", "true", PROOF_SHOWS_LIFE},
        {"status", "lock", "\"migrate\"", PROOF_HIDDEN},
        {"facts", "ha", "true", PROOF_NOT_TAKEN},
        {"facts", "seen_running", "false", PROOF_NOT_OURS},
        {"facts", "earlier_start_may_come_until_ms", "60000", PROOF_START_MAY_COME},
        {"hosts", "asked_after_ms", "39", PROOF_HOSTS},
        {"hosts", "known", "4", PROOF_MINORITY},
        {"hosts", "min_online_nodes", "3", PROOF_MINORITY},
        {"hosts", "host_online", "false", PROOF_HOST_OFFLINE},
    };
    struct proven found;

    (void)state;
    prove();
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        _cleanup_(json_putp) struct json_object *document = written();
        struct json_object *part;

        assert_true(json_get_object(document, answers[i].part, &part));
        assert_true(json_object_object_get_ex(part, answers[i].key, NULL));
        json_object_object_add(part, answers[i].key, json_tokener_parse(answers[i].value));
        assert_int_equal(read_back(document, &found), PROVEN_CHANGED);
        assert_int_equal(proven_judge(&found), answers[i].point);
    }
}

/* ---- each field ---- */

static void without(struct json_object *document, struct json_object *in, const char *key)
{
    struct proven found;
    struct json_object *kept = json_object_get(json_object_object_get(in, key));

    json_object_object_del(in, key);
    assert_int_equal(read_back(document, &found), PROVEN_INCOMPLETE);
    json_object_object_add(in, key, json_object_new_array()); /* of a kind that no field has */
    assert_int_equal(read_back(document, &found), PROVEN_INCOMPLETE);
    json_object_object_add(in, key, kept);
}

static void test_no_field_can_be_left_out_or_be_of_another_kind(void **state)
{
    static const char *const parts[] = {"status", "hosts", "host_death", "facts"};
    struct proven found;
    unsigned fields = 0;

    (void)state;
    prove();
    _cleanup_(json_putp) struct json_object *model = written(), *document = written();
    struct json_object *part, *model_part;
    json_object_object_foreach(model, key, value)
    {
        (void)value;
        without(document, document, key);
        fields++;
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        assert_true(json_get_object(document, parts[i], &part));
        assert_true(json_get_object(model, parts[i], &model_part));
        json_object_object_foreach(model_part, field, its)
        {
            (void)its;
            without(document, part, field);
            fields++;
        }
    }
    assert_true(fields > 40);
    (void)read_back(model, &found);
    assert_int_equal(proven_judge(&found), PROOF_OFF);
}

/* A moment that is not told is 0 to proof_of(), and before all others. */
static void test_what_happened_has_its_moment(void **state)
{
    static const struct {
        const char *part, *moment, *flag; /* of the facts: it happened */
    } moments[] = {
        {NULL, "proven_after_ms", NULL},
        {"status", "asked_after_ms", NULL},
        {"status", "received_after_ms", NULL},
        {"hosts", "asked_after_ms", NULL},
        {"facts", "newest_request_after_ms", NULL},
        {"facts", "stop_ended_after_ms", "stop_ended_ok"},
        {"facts", "stop_ended_after_ms", "stop_found_it_not_running"},
        {"facts", "host_dead_after_ms", "host_dead"},
        {"facts", "list_asked_after_ms", "listed_there"},
        {"facts", "list_received_after_ms", "listed_there"},
    };
    struct proven found;

    (void)state;
    prove();
    for (size_t i = 0; i < ARRAY_LEN(moments); i++) {
        _cleanup_(json_putp) struct json_object *document = written();
        struct json_object *part = document;
        const char *field;

        if (moments[i].part)
            assert_true(json_get_object(document, moments[i].part, &part));
        if (moments[i].flag)
            json_object_object_add(part, moments[i].flag, json_object_new_boolean(true));
        json_object_object_add(part, moments[i].moment, NULL);
        assert_int_equal(proven_read(document, &found, &field), PROVEN_INCOMPLETE);
        if (strncmp(moments[i].moment, "list_", strlen("list_")) != 0)
            assert_string_equal(field, moments[i].moment);
    }
}

/* As if Proxmox HA had fenced the guest's host. */
static void prove_by_death(void)
{
    prove();
    record.facts.read = false;
    record.facts.dead = record.facts.listed = true;
    record.facts.dead_from_ms = T0 - 58;
    record.facts.listed_ms = T0 + 20;
    record.facts.listed_received_ms = T0 + 25;
    record.hosts.host_online = false;
    record.death = (struct dead_hosts_answer){.reason = DEAD_HOSTS_LOCK_EXPIRED,
                                              .left_ms = T0 - 131060,
                                              .fenced_ms = T0 - 60,
                                              .seen_ms = T0 + 10,
                                              .lrm_s = 1795348666};
}

static void test_how_a_host_died_is_told(void **state)
{
    static const char *const keys[] = {"reason", "offline_from_after_ms", "fenced_from_after_ms",
                                       "still_so_after_ms", "lrm_timestamp_s"};
    struct json_object *death;
    struct proven found;

    (void)state;
    prove_by_death();
    _cleanup_(json_putp) struct json_object *document = written(), *changed = written();
    assert_int_equal(read_back(document, &found), PROVEN_READ);
    assert_int_equal(proven_judge(&found), PROOF_OFF);
    assert_int_equal(found.death.reason, DEAD_HOSTS_LOCK_EXPIRED);
    assert_int_equal(found.death.left_ms - found.requested_ms, -131060);
    assert_int_equal(found.death.fenced_ms - found.requested_ms, -60);
    assert_int_equal(found.death.seen_ms - found.requested_ms, 10);
    assert_int_equal(found.death.lrm_s, 1795348666);
    assert_true(json_get_object(changed, "host_death", &death));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        without(changed, death, keys[i]);
    for (size_t i = 0; i + 1 < ARRAY_LEN(keys); i++) {
        struct json_object *kept = json_object_get(json_object_object_get(death, keys[i]));
        json_object_object_add(death, keys[i], NULL);
        assert_int_equal(read_back(changed, &found), PROVEN_INCOMPLETE);
        json_object_object_add(death, keys[i], kept);
    }
    /* nor is a host dead for a reason, and not dead */
    prove();
    _cleanup_(json_putp) struct json_object *alive = written();
    json_object_object_add(alive, "host_death", json_object_get(death));
    assert_int_equal(read_back(alive, &found), PROVEN_INCOMPLETE);
}

static void test_a_changed_word_is_told(void **state)
{
    struct proven found;

    (void)state;
    prove();
    _cleanup_(json_putp) struct json_object *document = written();
    json_object_object_add(document, "vmid", json_object_new_int(101));
    assert_int_equal(read_back(document, &found), PROVEN_CHANGED);
}

static void test_a_newer_form_is_not_judged(void **state)
{
    struct proven found;

    (void)state;
    prove();
    _cleanup_(json_putp) struct json_object *document = written();
    json_object_object_add(document, "v", json_object_new_int(PROVEN_VERSION + 1));
    const char *field;
    assert_int_equal(proven_read(document, &found, &field), PROVEN_NEWER);
}

static void test_nothing_is_taken_down_before_off_is_proven(void **state)
{
    (void)state;
    begin(FENCE_OFF);
    reads_stopped();
    assert_false(effects.proven);
    begin(FENCE_ON);
    reads_running();
    assert_ended(OPERATION_DONE, ERROR_NONE);
    assert_true(verified);
    assert_false(effects.proven);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_judged_is_judged_again),
        cmocka_unit_test(test_other_answers_are_judged_otherwise),
        cmocka_unit_test(test_no_field_can_be_left_out_or_be_of_another_kind),
        cmocka_unit_test(test_what_happened_has_its_moment),
        cmocka_unit_test(test_how_a_host_died_is_told),
        cmocka_unit_test(test_a_changed_word_is_told),
        cmocka_unit_test(test_a_newer_form_is_not_judged),
        cmocka_unit_test(test_nothing_is_taken_down_before_off_is_proven),
    };
    return cmocka_run_group_tests_name("proven", tests, NULL, NULL);
}
