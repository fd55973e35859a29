/*
 * How long each link of the chain took when it was walked last: on the way to an endpoint (name, connection,
 * TLS), for the login, and for each question of the poller. What took no time worth telling has none.
 */
#include "fence/diagnosis_private.h"

#include "system/cleanup.h"

/* All endpoints are asked at the same time, so the slowest one counts. */
static int64_t endpoints_us(const struct endpoints *endpoints)
{
    int64_t slowest = -1;

    for (size_t i = 0; endpoints && i < endpoints_count(endpoints); i++) {
        const struct timings *timings = &endpoints_get(endpoints, i)->timings;

        if (timings->tcp_us < 0)
            continue;
        int64_t us = timings->tcp_us + timings->tls_us + (timings->dns_us > 0 ? timings->dns_us : 0);

        slowest = us > slowest ? us : slowest;
    }
    return slowest;
}

static int64_t us_of(int64_t ms)
{
    return ms < 0 ? -1 : 1000 * ms;
}

void diagnosis_take_times(struct diagnosis *diagnosis, const struct diagnosis_facts *facts)
{
    static const struct poller_times none = {-1, -1, -1};
    const struct poller_times *times = facts->known->times ? facts->known->times : &none;
    int64_t *took_us = diagnosis->took_us;

    took_us[DIAGNOSIS_CONFIGURATION] = us_of(facts->daemon ? -1 : facts->configuration_ms);
    took_us[DIAGNOSIS_ENDPOINTS] = endpoints_us(facts->known->endpoints);
    took_us[DIAGNOSIS_LOGIN] = facts->known->session.ready ? us_of(facts->known->session.login_ms) : -1;
    took_us[DIAGNOSIS_PRIVILEGES] = us_of(times->privileges_ms);
    took_us[DIAGNOSIS_POOL] = us_of(times->pools_ms);
    took_us[DIAGNOSIS_NAMES] = -1; /* looked up in what the others have brought */
    took_us[DIAGNOSIS_GUESTS] = us_of(times->guests_ms);
    took_us[DIAGNOSIS_LOCAL] = us_of(facts->daemon ? -1 : facts->local_ms);
}

/* "0.4 ms", "12 ms", "3.1 s"; whole milliseconds are what most are measured in. */
void diagnosis_put_us(struct text *out, int64_t us)
{
    if (us < 1000 && us % 1000 == 0)
        text_puts(out, "under 1 ms");
    else if (us < 10000 && us % 1000)
        text_printf(out, "%lld.%lld ms", (long long)(us / 1000), (long long)(us % 1000 / 100));
    else if (us < 1000000)
        text_printf(out, "%lld ms", (long long)(us / 1000));
    else
        text_printf(out, "%lld.%lld s", (long long)(us / 1000000), (long long)(us % 1000000 / 100000));
}

/* "DNS 0.4 ms, TCP 0.1 ms, TLS 3.1 ms"; nothing if the way was not walked yet. */
void diagnosis_put_timings(struct text *out, const struct timings *timings)
{
    const struct {
        const char *name;
        int64_t us;
    } stretches[] = {{"DNS", timings->dns_us}, {"TCP", timings->tcp_us}, {"TLS", timings->tls_us}};
    const char *separator = "";

    for (size_t i = 0; i < ARRAY_LEN(stretches); i++) {
        if (stretches[i].us < 0)
            continue;
        text_printf(out, "%s%s ", separator, stretches[i].name);
        diagnosis_put_us(out, stretches[i].us);
        separator = ", ";
    }
}
