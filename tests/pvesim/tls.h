/*
 * Certificates: a cluster CA and one certificate a host, made in DIR if they are not there.
 *
 * Knows no connections.
 */
#pragma once

#include <openssl/ssl.h>

#define TLS_FINGERPRINT_ROOM (32 * 3)

/* Make DIR/pve-root-ca.pem and .key unless they are there. 0 or a negative errno. */
int tls_ca(const char *dir) __attribute__((warn_unused_result));
/* How long a certificate is good: for so many days (negative: expired; 0: the usual two years), not before so
 * many days from now (0: at once). */
struct tls_life {
    long days, from;
};
/* A new certificate for the host, for another name alone if `shown_name` is not NULL. 0 or a negative errno.
 */
int tls_renew(const char *dir, const char *name, const char *shown_name, struct tls_life life)
    __attribute__((warn_unused_result));
/* A server context with DIR/NAME.pem, made and signed if it is not there. NULL on failure, said on stderr. */
SSL_CTX *tls_server(const char *dir, const char *name);
/* SHA-256 of the context's certificate as Proxmox shows it: AB:CD:… */
void tls_fingerprint(SSL_CTX *context, char text[static TLS_FINGERPRINT_ROOM]);
