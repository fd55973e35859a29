/*
 * The floor of a fence: one stop, one status and one list of hosts, in a row over one warm connection, by a
 * bare libcurl loop that checks nothing.
 *
 *   floor URL CA_FILE TOKEN NODE VMID       TOKEN: "fence@pve!broker=SECRET"
 *
 * Prints the sum of the three in microseconds. The guest is stopped afterwards. Warm: /version is asked
 * first, and not counted.
 */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    return size * count;
}

static void call(CURL *curl, const char *url, bool post)
{
    long status = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    if (post)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "timeout=3");
    else
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status == 200)
        return;
    fprintf(stderr, "floor: %s: %s, %ld\n", url, curl_easy_strerror(code), status);
    exit(1);
}

int main(int argc, char **argv)
{
    char version[512], guest[512], stop[600], status[600], hosts[512], token[512];
    if (argc != 6) {
        fprintf(stderr, "usage: floor URL CA_FILE TOKEN NODE VMID\n");
        return 2;
    }
    snprintf(version, sizeof(version), "%s/api2/json/version", argv[1]);
    snprintf(guest, sizeof(guest), "%s/api2/json/nodes/%s/qemu/%s/status", argv[1], argv[4], argv[5]);
    snprintf(stop, sizeof(stop), "%s/stop", guest);
    snprintf(status, sizeof(status), "%s/current", guest);
    snprintf(hosts, sizeof(hosts), "%s/api2/json/cluster/resources?type=node", argv[1]);
    snprintf(token, sizeof(token), "Authorization: PVEAPIToken=%s", argv[3]);

    CURL *curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL;
    struct curl_slist *headers = curl_slist_append(NULL, token);
    if (!curl || !headers)
        return 1;
    curl_easy_setopt(curl, CURLOPT_CAINFO, argv[2]);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L); /* pvesim's address is not in its certificate */
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    call(curl, version, false);
    double began_us = now_us();
    call(curl, stop, true);
    call(curl, status, false);
    call(curl, hosts, false);
    printf("%.0f\n", now_us() - began_us);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    return 0;
}
