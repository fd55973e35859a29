/*
 * libcurl would decode the CA anew for each connection, which takes as long as half a resumed handshake. One
 * store is made for a generation of connections instead. Its flags are the ones that libcurl gives its own:
 * an intermediate certificate that was named is trusted by itself.
 */
#include "proxmox/trust.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <string.h>

X509_STORE *trust_store_new(const char *ca_pem)
{
    X509_STORE *store = X509_STORE_new();
    BIO *bio = BIO_new_mem_buf(ca_pem, (int)strlen(ca_pem));
    bool good = store && bio;
    STACK_OF(X509_INFO) *entries = good ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;
    for (int i = 0; good && entries && i < sk_X509_INFO_num(entries); i++) {
        const X509_INFO *entry = sk_X509_INFO_value(entries, i);
        good &= !entry->x509 || X509_STORE_add_cert(store, entry->x509) == 1;
        good &= !entry->crl || X509_STORE_add_crl(store, entry->crl) == 1;
    }
    sk_X509_INFO_pop_free(entries, X509_INFO_free);
    BIO_free(bio);
    ERR_clear_error(); /* what could not be read must not be taken for a connection's error */
    if (good && X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) == 1)
        return store;
    X509_STORE_free(store);
    return NULL;
}
