/*
 * Whom we believe: the CA file's text, read once for all connections. Knows OpenSSL, and no files and no
 * curl.
 */
#pragma once

#include <openssl/types.h>

/* A store of the PEM text's certificates and revocation lists, to be freed with X509_STORE_free(); text
 * without any makes one that trusts nobody. NULL: no memory. */
X509_STORE *trust_store_new(const char *ca_pem);
