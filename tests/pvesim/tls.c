/* See tls.h. */
#include "tls.h"
#include "system/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define CA_NAME   "pve-root-ca"
#define CA_DAYS   3650
#define DAY_S     86400L
#define NODE_DAYS 730

static void x509_freep(X509 **certificate)
{
    X509_free(*certificate);
}

static void pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void fclosep(FILE **file)
{
    if (*file)
        fclose(*file);
}

static char *path_of(const char *dir, const char *name, const char *ending)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s.%s", dir, name, ending) < 0 ? NULL : path;
}

static FILE *open_file(const char *dir, const char *name, const char *ending, bool write)
{
    _cleanup_(freep) char *path = path_of(dir, name, ending);
    if (!path)
        return NULL;
    int fd =
        write ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, strcmp(ending, "key") == 0 ? 0600 : 0644)
              : open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? NULL : fdopen(fd, write ? "w" : "r");
}

static X509 *load_certificate(const char *dir, const char *name)
{
    _cleanup_(fclosep) FILE *file = open_file(dir, name, "pem", false);
    return file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
}

static EVP_PKEY *load_key(const char *dir, const char *name)
{
    _cleanup_(fclosep) FILE *file = open_file(dir, name, "key", false);
    return file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

/* The bare certificate: names, life, key; the caller adds extensions and signs. */
static X509 *new_certificate(const char *common_name, EVP_PKEY *key, struct tls_life life,
                             const X509_NAME *issuer)
{
    long begin_s = life.days < 0 ? life.days * DAY_S * 2 : life.from > 0 ? life.from * DAY_S : -3600;
    X509 *certificate = X509_new();
    unsigned char serial[8] = {0};
    RAND_bytes(serial + 1, sizeof(serial) - 1);
    BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    if (certificate && number && X509_set_version(certificate, X509_VERSION_3) &&
        BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), begin_s) &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), (life.from + life.days) * DAY_S) &&
        X509_set_pubkey(certificate, key)) {
        X509_NAME *name = X509_get_subject_name(certificate);
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"pvesim", -1, -1, 0);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0);
        X509_set_issuer_name(certificate, issuer ? issuer : name);
    }
    BN_free(number);
    return certificate;
}

static int save(const char *dir, const char *name, X509 *certificate, EVP_PKEY *key)
{
    _cleanup_(fclosep) FILE *key_file = open_file(dir, name, "key", true);
    if (!key_file || !PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL))
        return -EIO;
    _cleanup_(fclosep) FILE *file = open_file(dir, name, "pem", true);
    return file && PEM_write_X509(file, certificate) ? 0 : -EIO;
}

int tls_ca(const char *dir)
{
    _cleanup_(x509_freep) X509 *there = load_certificate(dir, CA_NAME);
    if (there)
        return 0;
    _cleanup_(pkey_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_(x509_freep) X509 *ca =
        key ? new_certificate("Proxmox Virtual Environment", key, (struct tls_life){.days = CA_DAYS}, NULL)
            : NULL;
    if (!ca || !add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE") ||
        !add_extension(ca, ca, NID_subject_key_identifier, "hash") || !X509_sign(ca, key, EVP_sha256()))
        return -EIO;
    return save(dir, CA_NAME, ca, key);
}

static int make_node(const char *dir, const char *name, const char *shown_name, struct tls_life life)
{
    _cleanup_(x509_freep) X509 *ca = load_certificate(dir, CA_NAME);
    _cleanup_(pkey_freep) EVP_PKEY *ca_key = load_key(dir, CA_NAME);
    _cleanup_(pkey_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_(freep) char *names = NULL;
    if (!ca || !ca_key || !key ||
        asprintf(&names,
                 strcmp(name, shown_name) == 0 ? "IP:127.0.0.1,IP:::1,DNS:localhost,DNS:%s" : "DNS:%s",
                 shown_name) < 0)
        return -EIO;
    _cleanup_(x509_freep) X509 *certificate =
        new_certificate(shown_name, key, life, X509_get_subject_name(ca));
    if (!certificate || !add_extension(certificate, ca, NID_basic_constraints, "CA:FALSE") ||
        !add_extension(certificate, ca, NID_subject_alt_name, names) ||
        !add_extension(certificate, ca, NID_ext_key_usage, "serverAuth") ||
        !add_extension(certificate, ca, NID_authority_key_identifier, "keyid") ||
        !X509_sign(certificate, ca_key, EVP_sha256()))
        return -EIO;
    return save(dir, name, certificate, key);
}

int tls_renew(const char *dir, const char *name, const char *shown_name, struct tls_life life)
{
    if (life.days == 0)
        life.days = NODE_DAYS;
    return make_node(dir, name, shown_name ? shown_name : name, life);
}

SSL_CTX *tls_server(const char *dir, const char *name)
{
    _cleanup_(freep) char *certificate = path_of(dir, name, "pem");
    _cleanup_(freep) char *key = path_of(dir, name, "key");
    if (!certificate || !key ||
        (access(certificate, R_OK) < 0 &&
         make_node(dir, name, name, (struct tls_life){.days = NODE_DAYS}) < 0)) {
        fprintf(stderr, "pvesim: cannot make a certificate for %s in %s\n", name, dir);
        return NULL;
    }
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) &&
        SSL_CTX_use_certificate_chain_file(context, certificate) == 1 &&
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1) {
        SSL_CTX_set_session_id_context(context, (const unsigned char *)"pvesim", 6);
        return context;
    }
    fprintf(stderr, "pvesim: cannot use %s and %s\n", certificate, key);
    SSL_CTX_free(context);
    return NULL;
}

void tls_fingerprint(SSL_CTX *context, char text[static TLS_FINGERPRINT_ROOM])
{
    unsigned char digest[32];
    unsigned length = 0;
    text[0] = '\0';
    if (!X509_digest(SSL_CTX_get0_certificate(context), EVP_sha256(), digest, &length))
        return;
    for (unsigned i = 0; i < length; i++)
        snprintf(text + (size_t)i * 3, 4, i + 1 < length ? "%02X:" : "%02X", digest[i]);
}
