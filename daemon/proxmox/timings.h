/*
 * How long a request took on each stretch of its way: what makes an endpoint slow, told apart. Plain data.
 */
#pragma once

#include <stdint.h>

/* Microseconds; -1: this stretch was not walked (an address that was known, a connection that was there). */
struct timings {
    int64_t dns_us, tcp_us, tls_us;
    int64_t answer_us; /* from the request to the whole answer */
};

#define TIMINGS_NONE ((struct timings){-1, -1, -1, -1})
