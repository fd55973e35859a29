/*
 * libcurl would decode the CA anew for each connection, which takes as long as half a resumed handshake. One
 * store is made for a generation of connections instead. Its flags are the ones that libcurl gives its own:
 * an intermediate certificate that was named is trusted by itself.
 *
 * A fingerprint is of the host's certificate itself. Nothing else of it is looked at then: who knows the
 * certificate needs nobody to vouch for it.
 */
#include "proxmox/trust.h"

#include "system/cleanup.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct trust {
    X509_STORE *store; /* NULL: the system's */
    struct config_fingerprint *fingerprints;
    size_t fingerprint_count;
};

static X509_STORE *store_new(const char *ca_pem)
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

struct trust *trust_new(const struct trust_source *source)
{
    struct trust *trust = calloc(1, sizeof(*trust));
    if (!trust)
        return NULL;
    /* with fingerprints an empty one, so that the system's is not read for nothing */
    const char *ca_pem = source->fingerprint_count ? "" : source->ca_pem;
    if (ca_pem)
        trust->store = store_new(ca_pem);
    if (source->fingerprint_count)
        trust->fingerprints = calloc(source->fingerprint_count, sizeof(*trust->fingerprints));
    if ((ca_pem && !trust->store) || (source->fingerprint_count && !trust->fingerprints)) {
        trust_free(trust);
        return NULL;
    }
    for (; trust->fingerprint_count < source->fingerprint_count; trust->fingerprint_count++)
        trust->fingerprints[trust->fingerprint_count] = source->fingerprints[trust->fingerprint_count];
    return trust;
}

void trust_free(struct trust *trust)
{
    if (!trust)
        return;
    X509_STORE_free(trust->store);
    free(trust->fingerprints);
    free(trust);
}

X509_STORE *trust_store(const struct trust *trust)
{
    return trust->store;
}

bool trust_by_fingerprint(const struct trust *trust)
{
    return trust->fingerprint_count > 0;
}

/* ---- what a certificate is ---- */

static void write_fingerprint(const unsigned char *digest, char text[static TRUST_FINGERPRINT_ROOM])
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < CONFIG_SHA256_LENGTH; i++) {
        text[i * 3] = digits[digest[i] >> 4];
        text[i * 3 + 1] = digits[digest[i] & 15];
        text[i * 3 + 2] = ':';
    }
    text[TRUST_FINGERPRINT_ROOM - 1] = '\0';
}

static int64_t end_of(const X509 *certificate)
{
    struct tm end;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
        return 0;
    return (int64_t)timegm(&end) * 1000;
}

static bool is_this_machine(const GENERAL_NAME *one, const char *text)
{
    return one->type == GEN_DNS ? strcmp(text, "localhost") == 0
                                : strcmp(text, "127.0.0.1") == 0 || strcmp(text, "::1") == 0;
}

/* A host name or an address; "" for anything else. */
static void write_alternative(const GENERAL_NAME *one, char text[static TRUST_NAME_ROOM])
{
    text[0] = '\0';
    if (one->type == GEN_DNS) {
        const char *name = (const char *)ASN1_STRING_get0_data(one->d.dNSName);
        int length = ASN1_STRING_length(one->d.dNSName);
        if (length > 0 && length < TRUST_NAME_ROOM && !memchr(name, '\0', (size_t)length))
            snprintf(text, TRUST_NAME_ROOM, "%.*s", length, name);
    } else if (one->type == GEN_IPADD) {
        int length = ASN1_STRING_length(one->d.iPAddress);
        if (length == 4 || length == 16)
            (void)!inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(one->d.iPAddress), text,
                             TRUST_NAME_ROOM);
    }
}

static void write_names(X509 *certificate, struct trust_seen *seen)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t used = 0;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
        char text[TRUST_NAME_ROOM];
        write_alternative(one, text);
        if (!text[0] || is_this_machine(one, text))
            continue;
        if (one->type == GEN_DNS && !seen->name[0])
            memcpy(seen->name, text, sizeof(text));
        if (used + strlen(text) + sizeof(", ") <= sizeof(seen->names))
            used += (size_t)snprintf(seen->names + used, sizeof(seen->names) - used, "%s%s", used ? ", " : "",
                                     text);
    }
    GENERAL_NAMES_free(names);
}

/* The one that vouches for the certificate at which the chain ends. */
static void write_issuer(X509_STORE_CTX *context, struct trust_seen *seen)
{
    const X509 *last = X509_STORE_CTX_get_current_cert(context);
    BIO *bio = last ? BIO_new(BIO_s_mem()) : NULL;
    char *text = NULL;
    if (bio && X509_NAME_print_ex(bio, X509_get_issuer_name(last), 0,
                                  XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN | XN_FLAG_DN_REV) >= 0) {
        long length = BIO_get_mem_data(bio, &text);
        snprintf(seen->issuer, sizeof(seen->issuer), "%.*s", (int)length, text);
    }
    BIO_free(bio);
    ERR_clear_error();
}

static bool digest_of(const X509 *certificate, unsigned char digest[static EVP_MAX_MD_SIZE])
{
    unsigned length = 0;
    return X509_digest(certificate, EVP_sha256(), digest, &length) == 1 && length == CONFIG_SHA256_LENGTH;
}

void trust_look_at(X509 *certificate, struct trust_seen *seen)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!certificate || !digest_of(certificate, digest))
        return;
    *seen = (struct trust_seen){.expires_ms = end_of(certificate)};
    write_fingerprint(digest, seen->fingerprint);
    write_names(certificate, seen);
}

static bool is_ours(const struct trust *trust, const unsigned char *digest)
{
    for (size_t i = 0; i < trust->fingerprint_count; i++) {
        if (memcmp(trust->fingerprints[i].sha256, digest, CONFIG_SHA256_LENGTH) == 0)
            return true;
    }
    return false;
}

int trust_judge(const struct trust *trust, X509_STORE_CTX *context, struct trust_seen *seen)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    X509 *certificate = X509_STORE_CTX_get0_cert(context);
    if (seen)
        trust_look_at(certificate, seen);
    if (!trust_by_fingerprint(trust)) {
        int good = X509_verify_cert(context);
        if (good != 1 && seen) {
            seen->problem = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
            write_issuer(context, seen);
        }
        return good;
    }
    if (certificate && digest_of(certificate, digest) && is_ours(trust, digest)) {
        X509_STORE_CTX_set_error(context, X509_V_OK);
        return 1;
    }
    if (seen)
        seen->stranger = true;
    X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REJECTED);
    return 0;
}

/* ca-file is there, and holds another CA than the one that is needed. */
static void explain_issuer(const struct trust_seen *seen, const char *endpoint, const char *words,
                           struct error *error)
{
    error_set(error, ERROR_CERTIFICATE,
              "the certificate of %s is not trusted: %s; ca-file does not hold its issuer, \"%s\"", endpoint,
              words, seen->issuer);
    error_hint(
        error,
        "if that is this cluster's CA: `ssh root@HOST cat /etc/pve/pve-root-ca.pem "
        ">/etc/fence-broker/pve-root-ca.pem`; if it is another one (ACME, your own): add it to ca-file, or "
        "drop `ca-file = ` if the system trusts it; or `fingerprint = %s`",
        seen->fingerprint);
}

/* Each with the line that mends it. */
void trust_explain(const struct trust *trust, const struct trust_seen *seen, const char *endpoint,
                   const char *words, struct error *error)
{
    error_set(error, ERROR_CERTIFICATE, "the certificate of %s is not trusted: %s", endpoint, words);
    if (seen->stranger) {
        error_set(error, ERROR_CERTIFICATE,
                  "the certificate of %s matches no fingerprint in fence-broker.conf: its fingerprint is %s",
                  endpoint, seen->fingerprint);
        error_hint(
            error,
            "compare with `pvenode cert info` on that host; if it was renewed, add to [proxmox]: fingerprint "
            "= %s",
            seen->fingerprint);
    } else if (strstr(words, "subject name") && seen->name[0]) {
        error_hint(error, "it is for %s; if that is the host, write: endpoint = %.*s as %s", seen->names,
                   (int)strcspn(endpoint, " "), endpoint, seen->name);
    } else if (strstr(words, "subject name")) {
        error_hint(error, "name the host that the certificate is for: endpoint = ADDRESS as NAME");
    } else if (strstr(words, "not yet valid")) {
        error_set(error, ERROR_CLOCK_WRONG, "the certificate of %s is not trusted: %s", endpoint, words);
        error_hint(error, "this machine's clock is behind the certificate's: check it with timedatectl");
    } else if (strstr(words, "expired")) {
        error_hint(
            error,
            "renew it on the Proxmox host: pvecm updatecerts --force; and check this clock: timedatectl");
    } else if (trust->store && seen->issuer[0]) {
        explain_issuer(seen, endpoint, words, error);
    } else {
        error_hint(error,
                   "fetch the cluster's CA: `ssh root@HOST cat /etc/pve/pve-root-ca.pem "
                   ">/etc/fence-broker/pve-root-ca.pem` and add to [proxmox]: `ca-file = "
                   "/etc/fence-broker/pve-root-ca.pem`%s%s%s",
                   seen->fingerprint[0] ? "; or instead, if pvenode cert info on that host shows the same: "
                                          "`fingerprint = "
                                        : "",
                   seen->fingerprint, seen->fingerprint[0] ? "`" : "");
    }
}
