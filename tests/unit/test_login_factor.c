/*
 * The second factor and the realms, as the session shows them, against three scripted hosts: which codes are
 * sent and which never, and what a refusal is said to mean.
 */
#include "session_fixture.h"

#include "proxmox/totp.h"

#define SECRET    "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
#define CHALLENGE "PVE:!tfa!{\"totp\"%3Atrue}:6B02D821::a+b="
#define ALL_FINE  INT64_C(1700000020000) /* ten seconds into a step */

/* ---- hosts that want a code ---- */

static atomic_bool refuse_codes, lose_codes;

static void want_code(struct fake_exchange *exchange)
{
    bool is_code = strstr(exchange->request->body, "&tfa-challenge=");
    bool renewal = strstr(exchange->request->body, "&password=PVE%3Afence");
    if (is_code && lose_codes)
        fake_cut(exchange);
    else if (is_code && refuse_codes)
        fake_answer(exchange, 401, "authentication failure", "");
    else if (is_code || renewal)
        give_ticket(exchange);
    else
        fake_data(exchange, "{\"NeedTFA\":1,\"ticket\":\"PVE:!tfa!{\\\"totp\\\"%3Atrue}:6B02D821::a+b=\","
                            "\"CSRFPreventionToken\":\"c\"}");
}

static struct session_credentials user_with_totp(const char *user)
{
    struct error error = {0};
    struct secret *base32 = secret_new(SECRET, strlen(SECRET));
    struct session_credentials credentials = {
        .user = user, .secret = secret_new("word", 4), .totp = totp_new(base32, "a test", &error)};
    secret_free(base32);
    return credentials;
}

/* The time of day is `ms` now, and goes on from there. */
static void set_time(int64_t ms)
{
    realtime_ahead_ms = 0;
    realtime_ahead_ms = ms - clock_realtime_ms();
}

static struct world *begin_with_totp(void)
{
    struct world *world = begin_as(user_with_totp("fence@pve"));
    refuse_codes = lose_codes = false;
    SET(world, logins = want_code);
    set_time(ALL_FINE);
    return world;
}

static unsigned count_bodies(struct world *world, const char *part)
{
    unsigned count = 0;
    for (int i = 0; i < HOSTS; i++) {
        pthread_mutex_lock(&world->hosts[i]->lock);
        for (unsigned k = 0; k < world->hosts[i]->request_count; k++)
            count += strstr(world->hosts[i]->requests[k].body, part) != NULL;
        pthread_mutex_unlock(&world->hosts[i]->lock);
    }
    return count;
}

#define CODE "password=totp%3A"

static const char *code_of(const struct fake_request *request)
{
    const char *at = strstr(request->body, CODE);
    assert_non_null(at);
    return at + strlen(CODE);
}

/* ---- codes ---- */

static void test_a_code_is_given_when_proxmox_asks_for_it_and_not_for_a_renewal(void **state)
{
    (void)state;
    struct world *world = begin_with_totp();
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    assert_int_equal(count_bodies(world, "username=fence%40pve&password=word&new-format=1"), 1);
    assert_holds(last_request(world, LOGIN)->body,
                 "&tfa-challenge=PVE%3A%21tfa%21%7B%22totp%22%253Atrue%7D%3A6B02D821%3A%3Aa%2Bb%3D");
    assert_int_equal(count_bodies(world, CODE), 1);
    for (unsigned logins = 2; logins < 10; logins++) {
        struct session_description description;
        boottime_ahead_ms += HOUR_MS;
        assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
        do {
            event_base_loop(world->base, EVLOOP_NONBLOCK);
            session_describe(world->session, &description);
        } while (description.logins < logins);
    }
    assert_int_equal(count_bodies(world, CODE), 1);
    assert_int_equal(count_bodies(world, "password=word"), 1);
    end(world);
}

static void test_a_second_login_waits_for_the_next_code(void **state)
{
    (void)state;
    struct world *world = begin_with_totp();
    char first[7];
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    snprintf(first, sizeof(first), "%.6s", code_of(last_request(world, LOGIN)));
    set_time(ALL_FINE + 19800); /* 200 ms before the next step */
    SET(world, oldest_valid = 2);
    SET(world, refuse_renewal = true);
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    assert_true(clock_realtime_ms() >= ALL_FINE + 20000);
    /* the two that have refused the ticket are asked last */
    const struct fake_pve *third = world->hosts[2];
    assert_true(third->request_count > 0);
    assert_int_not_equal(strncmp(first, code_of(&third->requests[third->request_count - 1]), 6), 0);
    assert_int_equal(count_bodies(world, CODE), 2);
    end(world);
}

static void test_new_credentials_do_not_use_a_code_again(void **state)
{
    (void)state;
    struct world *world = begin_with_totp();
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    struct session_credentials same = user_with_totp("fence@pve");
    session_set_credentials(world->session, &same);
    set_time(ALL_FINE + 19800);
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    assert_true(clock_realtime_ms() >= ALL_FINE + 20000);
    end(world);
}

static void test_a_code_whose_answer_is_lost_is_not_sent_again(void **state)
{
    (void)state;
    struct world *world = begin_with_totp();
    lose_codes = true;
    assert_int_equal(ask(world, API_STOP)->outcome, API_UNSENT);
    assert_int_equal(count_bodies(world, CODE), 1);
    lose_codes = false;
    monotonic_ahead_ms += LOGIN_UNREACHED_PAUSE_MS + 1000;
    set_time(ALL_FINE + 19800);
    assert_int_equal(ask(world, API_STOP)->outcome, API_OK);
    assert_true(clock_realtime_ms() >= ALL_FINE + 20000);
    end(world);
}

static void test_refused_codes_end_before_proxmox_locks_the_second_factor(void **state)
{
    (void)state;
    struct world *world = begin_with_totp();
    const struct answer *answer = NULL;
    refuse_codes = true;
    for (int i = 0; i < 40; i++) {
        set_time(ALL_FINE + i * TOTP_STEP_MS);
        boottime_ahead_ms = monotonic_ahead_ms = i * INT64_C(30000);
        answer = ask(world, API_STATUS);
        assert_int_equal(answer->error.code, ERROR_NO_SESSION);
        assert_holds(answer->error.message, "refused the TOTP code");
        assert_true(count_bodies(world, CODE) <= (unsigned)i + 1);
        world->answered = 0;
    }
    assert_int_equal(count_bodies(world, CODE), LOGIN_CODES_REFUSED_MAX);
    assert_holds(answer->error.message, "it was the last one");
    assert_holds(answer->error.hint, "pveum user tfa unlock fence@pve");
    /* somebody has set the clock */
    refuse_codes = false;
    set_time(ALL_FINE + HOUR_MS * 24);
    monotonic_ahead_ms += 1000000;
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    end(world);
}

static void reject_new_format(struct fake_exchange *exchange)
{
    if (strstr(exchange->request->body, "new-format"))
        fake_answer(exchange, 400, "Parameter verification failed.",
                    "{\"data\":null,\"errors\":{\"new-format\":\"property is not defined in schema\"}}");
    else
        want_code(exchange);
}

static void test_a_proxmox_that_does_not_know_the_new_format_is_asked_without(void **state)
{
    (void)state;
    struct world *world = begin_with_totp();
    SET(world, logins = reject_new_format);
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    assert_int_equal(count_bodies(world, "new-format"), 1);
    end(world);
}

static void want_a_key(struct fake_exchange *exchange)
{
    fake_data(exchange, "{\"NeedTFA\":1,\"ticket\":\"PVE:!tfa!{\\\"webauthn\\\"%3A{}}:6B02D821::a+b=\","
                        "\"CSRFPreventionToken\":\"c\"}");
}

static void test_a_second_factor_that_cannot_be_given_is_said_with_the_way_out(void **state)
{
    (void)state;
    struct world *world = begin_with_totp();
    SET(world, logins = want_a_key);
    const struct answer *answer = ask(world, API_STATUS);
    assert_holds(answer->error.message, "accepts no TOTP code");
    assert_holds(answer->error.hint, "add TOTP to the user");
    assert_int_equal(count_bodies(world, CODE), 0);
    end(world);

    world = begin();
    SET(world, logins = want_code);
    answer = ask(world, API_STATUS);
    assert_holds(answer->error.message, "no TOTP secret is configured");
    assert_holds(answer->error.hint, "totp-file = FILE");
    assert_holds(answer->error.hint, "token-id");
    end(world);
}

/* ---- realms ---- */

static struct world *begin_refused(const char *user, const char *realms)
{
    struct world *world =
        begin_as((struct session_credentials){.user = user, .secret = secret_new("word", 4)});
    SET(world, refuse_password = true);
    SET(world, realms = realms);
    return world;
}

#define REALMS                                                                                               \
    "[{\"realm\":\"pam\",\"type\":\"pam\"},{\"realm\":\"pve\",\"type\":\"pve\"},"                            \
    "{\"realm\":\"sso\",\"type\":\"openid\"},{\"realm\":\"office\",\"type\":\"ad\"}]"

static void test_a_refusal_is_explained_by_the_realm(void **state)
{
    (void)state;
    static const struct {
        const char *user, *message, *hint;
    } cases[] = {
        {"fence@pve", "authentication failure", "pveum user list"},
        {"fence@sso", "OpenID Connect", "pveum user token add fence@sso broker"},
        {"fence@nowhere", "no realm nowhere", "fix user ="},
        {"fence@nowhere", "it has: pam, pve, sso, office", "reload"},
        {"fence@office", "authentication failure", "Active Directory server of realm office"},
        {"fence@pam", "authentication failure", "an account and the password on each host"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *world = begin_refused(cases[i].user, REALMS);
        const struct answer *answer = ask(world, API_STATUS);
        assert_int_equal(answer->error.code, ERROR_NO_SESSION);
        assert_holds(answer->error.message, cases[i].message);
        assert_holds(answer->error.hint, cases[i].hint);
        end(world);
    }
}

static void test_realms_that_cannot_be_read_change_nothing(void **state)
{
    (void)state;
    static const char *const realms[] = {NULL, "null", "[]", "[1,{\"realm\":2}]", "{}"};
    for (size_t i = 0; i < sizeof(realms) / sizeof(realms[0]); i++) {
        struct world *world = begin_refused("fence@pve", realms[i]);
        assert_holds(ask(world, API_STATUS)->error.hint, "pveum user list");
        end(world);
    }
}

static void refuse_at_the_first(struct fake_exchange *exchange)
{
    if (strstr(exchange->request->raw, "Host: pve1:"))
        fake_answer(exchange, 401, "authentication failure", "");
    else
        fake_data(exchange, "{\"ticket\":\"PVE:fence@pve:00000001::a\",\"CSRFPreventionToken\":\"c\"}");
}

/* Hosts know users of Linux one by one, and one may have an old user.cfg. */
static void test_a_user_whom_one_host_refuses_is_tried_at_the_next(void **state)
{
    (void)state;
    static const char *const users[] = {"fence@pam", "fence@pve"};
    struct session_description description;
    for (size_t i = 0; i < 2; i++) {
        struct world *world = begin_refused(users[i], REALMS);
        SET(world, logins = refuse_at_the_first);
        assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
        assert_int_equal(total(world, LOGIN), 2);
        session_describe(world->session, &description);
        assert_true(description.ready);
        assert_holds(description.aside.message, "Proxmox at pve1 answered ticket with 401");
        end(world);
    }
}

static void test_a_user_of_a_directory_is_tried_at_another_host_only_later(void **state)
{
    (void)state;
    struct world *world = begin_refused("fence@ldap", REALMS);
    SET(world, logins = refuse_at_the_first);
    assert_int_equal(ask(world, API_STATUS)->outcome, API_UNSENT);
    assert_int_equal(total(world, LOGIN), 1);
    monotonic_ahead_ms += LOGIN_STRANGE_REALM_PAUSE_MS + 1000;
    assert_int_equal(ask(world, API_STATUS)->outcome, API_OK);
    assert_int_equal(total(world, LOGIN), 2);
    end(world);
}

static void test_a_refusal_is_not_forgotten_because_the_next_host_is_dead(void **state)
{
    (void)state;
    struct world *world = begin_refused("fence@pam", REALMS);
    break_host(world, 1);
    break_host(world, 2);
    assert_holds(ask(world, API_STATUS)->error.message, "authentication failure");
    monotonic_ahead_ms += LOGIN_STRANGE_REALM_PAUSE_MS - 5000;
    ask(world, API_STATUS);
    assert_int_equal(total(world, LOGIN), 1);
    end(world);
}

static void test_a_strange_realm_is_asked_more_rarely(void **state)
{
    (void)state;
    struct world *world = begin_refused("fence@office", REALMS);
    const int64_t ten_minutes = 10 * INT64_C(60000);
    for (int64_t at = 0; at < 3 * HOUR_MS; at += 5000) {
        monotonic_ahead_ms = at;
        ask(world, API_STATUS);
        world->answered = 0;
        if (at == ten_minutes)
            assert_int_equal(total(world, LOGIN), 5);
    }
    assert_int_equal(total(world, LOGIN), 16); /* 30 s, doubled up to 15 min */
    end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_code_is_given_when_proxmox_asks_for_it_and_not_for_a_renewal),
        cmocka_unit_test(test_a_second_login_waits_for_the_next_code),
        cmocka_unit_test(test_new_credentials_do_not_use_a_code_again),
        cmocka_unit_test(test_a_code_whose_answer_is_lost_is_not_sent_again),
        cmocka_unit_test(test_refused_codes_end_before_proxmox_locks_the_second_factor),
        cmocka_unit_test(test_a_proxmox_that_does_not_know_the_new_format_is_asked_without),
        cmocka_unit_test(test_a_second_factor_that_cannot_be_given_is_said_with_the_way_out),
        cmocka_unit_test(test_a_refusal_is_explained_by_the_realm),
        cmocka_unit_test(test_realms_that_cannot_be_read_change_nothing),
        cmocka_unit_test(test_a_user_whom_one_host_refuses_is_tried_at_the_next),
        cmocka_unit_test(test_a_user_of_a_directory_is_tried_at_another_host_only_later),
        cmocka_unit_test(test_a_refusal_is_not_forgotten_because_the_next_host_is_dead),
        cmocka_unit_test(test_a_strange_realm_is_asked_more_rarely),
    };
    return cmocka_run_group_tests_name("login with a second factor", tests, set_up, tear_down);
}
