/*
 * The configuration reader against bytes of a fuzzer: no input may crash it or leak, a refusal has a cause,
 * and what is accepted keeps the promises that other rooms rely on. clang -fsanitize=fuzzer,address
 * -D_GNU_SOURCE -Idaemon tests/fuzz/fuzz_config.c daemon/system/{config*,error,text}.c
 */
#include "system/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct config *config = config_parse((const char *)data, size, "fuzz", &error);
    if (!config) {
        if (error.code == ERROR_NONE || strncmp(error.message, "fuzz:", 5) != 0)
            abort();
        return 0;
    }
    bool promised = config->endpoint_count > 0 && config->pool_count > 0 &&
                    !config->token_id != !config->user && config->socket_path[0] == '/' &&
                    config->state_directory[0] == '/' && config->deadline_ms >= 5000 &&
                    config->stop_timeout_ms % 1000 == 0;
    for (size_t i = 0; i < config->endpoint_count; i++)
        promised = promised && config->endpoints[i].port != 0 && config->endpoints[i].address[0] != '\0';
    if (!promised)
        abort();
    config_free(config);
    return 0;
}
