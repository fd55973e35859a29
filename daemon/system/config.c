/*
 * The configuration as a whole: one loop that leads the lines of config_ini.c through the table of
 * config_keys.c, and says what is wrong with which line. Knows neither the lines' syntax nor the values'
 * shapes, and opens nothing but the configuration file.
 */
#include "system/config.h"

#include "system/cleanup.h"
#include "system/config_access.h"
#include "system/config_ini.h"
#include "system/config_keys.h"
#include "system/custody.h"
#include "system/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* far beyond the needs of any cluster; a device is not read for ever */
#define CONFIG_FILE_MAX (1024 * 1024)
#define QUOTE_MAX       60 /* bytes of somebody's text in a message, so that the rest of it is seen */
#define GUESS_WORD_MAX  32
#define GUESS_DISTANCE  2                    /* letters wrong in what is still guessed */
#define SECTION_RULES   CONFIG_SECTION_COUNT /* [role NAME] and its like: they have names of their own */

/* ---- one file ---------------------------------------------------------------------------------------- */

struct parse {
    struct config *config;
    struct config_reader reader;
    struct error *error;
    int section;                                /* -1 before the first; SECTION_RULES */
    size_t section_line;                        /* of the one being read, */
    size_t section_keys;                        /* and how many keys it has so far */
    size_t sections_seen[CONFIG_SECTION_COUNT]; /* lines; 0: not seen */
    size_t keys_seen[CONFIG_KEYS_MAX];
    void *nodes; /* the names of [nodes], a tree of tsearch(3) */
};

/* A text of the file, bounded for a message; the result is used up by the caller's next line. */
static const char *quoted(struct config_slice slice, char buffer[static QUOTE_MAX + 4])
{
    size_t length = slice.length < QUOTE_MAX ? slice.length : QUOTE_MAX;
    while (length < slice.length && length > 0 && ((unsigned char)slice.bytes[length] & 0xc0) == 0x80)
        length--;
    snprintf(buffer, QUOTE_MAX + 4, "%.*s%s", (int)length, slice.bytes, length < slice.length ? "..." : "");
    return buffer;
}

/* Letters to change, add or remove to get from one word to the other; GUESS_WORD_MAX if one is too long to
 * try. */
static size_t distance(struct config_slice a, const char *b)
{
    size_t row[GUESS_WORD_MAX + 1], length = strlen(b);
    if (a.length > GUESS_WORD_MAX || length > GUESS_WORD_MAX)
        return GUESS_WORD_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t change = diagonal + (a.bytes[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < other ? change : other;
        }
    }
    return row[length];
}

/* Lists what is allowed in a section (section < 0: the sections), and the word that was probably meant. */
static const char *allowed_words(int section, struct config_slice written, struct text *words)
{
    const char *guess = NULL;
    size_t best = GUESS_DISTANCE + 1;
    size_t count = section < 0 ? (size_t)CONFIG_SECTION_COUNT : config_key_count;
    for (size_t i = 0; i < count; i++) {
        if (section >= 0 && (int)config_keys[i].section != section)
            continue;
        const char *word = section < 0 ? config_section_names[i] : config_keys[i].name;
        text_printf(words, section < 0 ? "%s[%s]" : "%s%s", words->length ? ", " : "", word);
        size_t apart = distance(written, word);
        if (apart < best) {
            best = apart;
            guess = word;
        }
    }
    return guess;
}

static int unknown_word(struct parse *parse, const struct config_item *item)
{
    char name[QUOTE_MAX + 4];
    struct text words = {0};
    bool is_key = item->kind == CONFIG_ITEM_KEY;
    int section = is_key ? parse->section : -1;
    const char *guess = allowed_words(section, item->name, &words);
    const char *list = words.data ? words.data : "";
    quoted(item->name, name);
    if (is_key)
        error_set(parse->error, ERROR_BAD_REQUEST, "%s:%zu: unknown key \"%s\" in [%s]; allowed: %s",
                  parse->config->path, item->line, name, config_section_names[section], list);
    else
        error_set(parse->error, ERROR_BAD_REQUEST, "%s:%zu: unknown section [%s]; allowed: %s, %s",
                  parse->config->path, item->line, name, list, CONFIG_ACCESS_SECTIONS);
    text_clear(&words);

    for (size_t k = 0; is_key && k < config_key_count; k++) {
        if (config_slice_is(item->name, config_keys[k].name))
            error_hint(parse->error, "\"%s\" belongs in [%s]", name,
                       config_section_names[config_keys[k].section]);
    }
    if (parse->error->hint[0] == '\0' && guess)
        error_hint(parse->error, "did you mean \"%s\"?", guess);
    return -EINVAL;
}

static int repeated(struct parse *parse, const struct config_item *item, size_t first_line)
{
    char name[QUOTE_MAX + 4];
    quoted(item->name, name);
    return config_refuse(parse->error, "keep one of the two",
                         item->kind == CONFIG_ITEM_KEY ? "%s:%zu: %s is already set in line %zu"
                                                       : "%s:%zu: section [%s] already exists, in line %zu",
                         parse->config->path, item->line, name, first_line);
}

static int end_section(struct parse *parse)
{
    /* an empty [proxmox] (the annotated file as delivered) is told what it lacks */
    if (parse->section < 0 || parse->section_keys > 0 || parse->section == CONFIG_PROXMOX)
        return 0;
    const struct config *config = parse->config;
    if (parse->section == SECTION_RULES) {
        const struct config_access_section *rules = &config->access[config->access_count - 1];
        error_set(parse->error, ERROR_BAD_REQUEST, "%s:%zu: section [%s %s] is empty", config->path,
                  rules->line, config_access_kind_name(rules->kind), rules->name);
    } else {
        error_set(parse->error, ERROR_BAD_REQUEST, "%s:%zu: section [%s] is empty", config->path,
                  parse->section_line, config_section_names[parse->section]);
    }
    error_hint(parse->error, "put '#' before it, or write a key into it");
    return -EINVAL;
}

static int begin_section(struct parse *parse, const struct config_item *item)
{
    int result = end_section(parse);
    if (result < 0)
        return result;
    if (config_access_is(item->name)) {
        parse->section = SECTION_RULES;
        parse->section_keys = 0;
        return config_access_begin(parse->config, item, parse->error);
    }
    int section = 0;
    while (section < CONFIG_SECTION_COUNT && !config_slice_is(item->name, config_section_names[section]))
        section++;
    if (section == CONFIG_SECTION_COUNT)
        return unknown_word(parse, item);
    if (parse->sections_seen[section])
        return repeated(parse, item, parse->sections_seen[section]);
    parse->section = section;
    parse->section_line = parse->sections_seen[section] = item->line;
    parse->section_keys = 0;
    return 0;
}

static int bad_value(struct parse *parse, const struct config_item *item, struct config_slice culprit,
                     int result, const struct config_problem *problem)
{
    char name[QUOTE_MAX + 4], value[QUOTE_MAX + 4];
    if (result == -ENOMEM)
        return config_out_of_memory(parse->config->path, parse->error);
    /* somebody may have put the secret behind the token's name: it is not repeated (P9) */
    if (config_slice_is(item->name, "token-id"))
        error_set(parse->error, ERROR_BAD_REQUEST, "%s:%zu: token-id: this value %s", parse->config->path,
                  item->line, problem->what);
    else
        error_set(parse->error, ERROR_BAD_REQUEST, "%s:%zu: %s: \"%s\" %s", parse->config->path, item->line,
                  quoted(item->name, name), quoted(culprit, value), problem->what);
    error_hint(parse->error, "%s", problem->hint);
    return result;
}

/* ---- [nodes] ----------------------------------------------------------------------------------------- */

struct node_name {
    const char *name; /* the alias's own */
    size_t line;
};

static int compare_nodes(const void *a, const void *b)
{
    /* host names: node1 and NODE1 are the same machine */
    return strcasecmp(((const struct node_name *)a)->name, ((const struct node_name *)b)->name);
}

static int remember_node(struct parse *parse, const struct config_item *item, const char *name)
{
    struct node_name *node = malloc(sizeof(*node));
    if (!node)
        return config_out_of_memory(parse->config->path, parse->error);
    *node = (struct node_name){name, item->line};
    struct node_name **found = tsearch(node, &parse->nodes, compare_nodes);
    if (found && *found == node)
        return 0;
    free(node);
    return found ? repeated(parse, item, (*found)->line)
                 : config_out_of_memory(parse->config->path, parse->error);
}

static int read_alias(struct parse *parse, const struct config_item *item)
{
    struct config *config = parse->config;
    struct config_problem problem = {0};
    struct config_alias alias = {strndup(item->name.bytes, item->name.length),
                                 strndup(item->value.bytes, item->value.length)};
    int result = 0;
    if (!alias.node || !alias.target ||
        config_grow((void **)&config->aliases, config->alias_count, sizeof(alias)) < 0)
        result = config_out_of_memory(config->path, parse->error);
    else if ((result = config_value_node(alias.node, &problem)) < 0)
        result = bad_value(parse, item, item->name, result, &problem);
    else if ((result = config_value_target(alias.target, &problem)) < 0)
        result = bad_value(parse, item, item->value, result, &problem);
    else
        result = remember_node(parse, item, alias.node);
    if (result < 0) {
        free(alias.node);
        free(alias.target);
        return result;
    }
    config->aliases[config->alias_count++] = alias;
    return 0;
}

/* ---- keys -------------------------------------------------------------------------------------------- */

static bool is_key(const struct config_key *key, const struct config_item *item)
{
    return config_slice_is(item->name, key->name) ||
           (key->former && config_slice_is(item->name, key->former));
}

static int note_former_name(struct parse *parse, const struct config_key *key, const struct config_item *item)
{
    struct config *config = parse->config;
    if (config_slice_is(item->name, key->name))
        return 0;
    if (config_grow((void **)&config->renamed, config->renamed_count, sizeof(*config->renamed)) < 0)
        return config_out_of_memory(config->path, parse->error);
    config->renamed[config->renamed_count++] = (struct config_renamed){key->former, key->name, item->line};
    return 0;
}

static int read_key(struct parse *parse, const struct config_item *item)
{
    if (parse->section < 0)
        return config_refuse(parse->error, "begin with a section: [proxmox]",
                             "%s:%zu: a key before the first section", parse->config->path, item->line);
    parse->section_keys++;
    if (parse->section == CONFIG_NODES)
        return read_alias(parse, item);
    if (parse->section == SECTION_RULES)
        return config_access_entry(parse->config, item, parse->error);

    size_t k = 0;
    while (k < config_key_count &&
           ((int)config_keys[k].section != parse->section || !is_key(&config_keys[k], item)))
        k++;
    if (k == config_key_count)
        return unknown_word(parse, item);
    if (parse->keys_seen[k] && !config_keys[k].repeatable)
        return repeated(parse, item, parse->keys_seen[k]);
    parse->keys_seen[k] = item->line;
    if (note_former_name(parse, &config_keys[k], item) < 0)
        return -ENOMEM;

    struct config_problem problem = {0};
    _cleanup_(freep) char *value = strndup(item->value.bytes, item->value.length);
    if (!value)
        return config_out_of_memory(parse->config->path, parse->error);
    int result = config_keys[k].set(parse->config, &config_keys[k], value, &problem);
    return result < 0 ? bad_value(parse, item, item->value, result, &problem) : 0;
}

static int read_items(struct parse *parse)
{
    struct config_item item;
    for (;;) {
        int result = config_reader_next(&parse->reader, &item, parse->error);
        if (result == 0 && item.kind == CONFIG_ITEM_END)
            return end_section(parse);
        if (result == 0)
            result = item.kind == CONFIG_ITEM_SECTION ? begin_section(parse, &item) : read_key(parse, &item);
        if (result < 0)
            return result;
    }
}

static int set_defaults(struct parse *parse)
{
    struct config_problem problem = {0};
    for (size_t k = 0; k < config_key_count; k++) {
        if (parse->keys_seen[k] || !config_keys[k].fallback)
            continue;
        /* the defaults are valid (a unit test reads them): only memory can fail here */
        if (config_keys[k].set(parse->config, &config_keys[k], config_keys[k].fallback, &problem) < 0)
            return config_out_of_memory(parse->config->path, parse->error);
    }
    return 0;
}

static int missing(struct parse *parse, const char *what, const char *hint)
{
    error_set(parse->error, ERROR_BAD_REQUEST, "%s: there is no %s in [proxmox]", parse->config->path, what);
    error_hint(parse->error, "add to the section [proxmox] of the file: `%s`", hint);
    return -EINVAL;
}

/* What no single line can say. */
static int check_whole(struct parse *parse)
{
    const struct config *config = parse->config;
    if (config->endpoint_count == 0)
        return missing(parse, "endpoint", "endpoint = HOST");
    if (!config->token_id && !config->user)
        return missing(parse, "token-id and no user", "token-id = fence@pve!broker");
    if (config->token_id && config->user)
        return config_refuse(parse->error,
                             "keep the one whose secret is in secret-file; a token is recommended",
                             "%s: there are both token-id and user in [proxmox]", config->path);
    if (config->ca_file && config->fingerprint_count)
        return config_refuse(parse->error,
                             "keep one: a fingerprint identifies its certificate, and no CA is used",
                             "%s: there are both ca-file and fingerprint in [proxmox]", config->path);
    if (config->token_id && config->totp_file)
        return config_refuse(parse->error, "remove totp-file: a token needs no second factor",
                             "%s: there are both token-id and totp-file in [proxmox]", config->path);
    if (config->pool_count == 0)
        return missing(parse, "pool", "pool = NAME");
    if (strcmp(config->socket_path, config->metrics_path) == 0)
        return config_refuse(parse->error, "give the metrics a socket of their own: everybody may read there",
                             "%s: path and metrics-path of [socket] are the same: %s", config->path,
                             config->socket_path);
    return 0;
}

struct config *config_parse(const char *text, size_t length, const char *path, struct error *error)
{
    _cleanup_(config_freep) struct config *config = calloc(1, sizeof(*config));
    if (!config || !(config->path = strdup(path))) {
        config_out_of_memory(path, error);
        return NULL;
    }
    struct parse parse = {.config = config, .error = error, .section = -1};
    config_reader_init(&parse.reader, text, length, config->path);
    int result = read_items(&parse);
    if (result == 0)
        result = config_access_finish(config, error);
    if (result == 0)
        result = set_defaults(&parse);
    if (result == 0)
        result = check_whole(&parse);
    tdestroy(parse.nodes, free);
    return result == 0 ? TAKE(config) : NULL;
}

/* ---- the file ---------------------------------------------------------------------------------------- */

#define STANDARD_INPUT "standard input"

static int cannot_read(struct error *error, const char *path, int problem)
{
    error_set(error, ERROR_BAD_REQUEST, "%s: cannot be read: %s", path, strerror(problem));
    if (strcmp(path, STANDARD_INPUT) == 0)
        error_hint(error, "give it the file: -c - <FILE");
    else if (problem == ENOENT)
        error_hint(error,
                   "copy the annotated fence-broker.conf there, and fill in endpoint, token-id and pool");
    else
        error_hint(error, "the user fence-broker must be able to read it: chgrp fence-broker, chmod 0640");
    return -EINVAL;
}

static int check_file(int fd, const char *path, struct error *error)
{
    struct stat file;
    if (fstat(fd, &file) != 0)
        return cannot_read(error, path, errno);
    if (!S_ISREG(file.st_mode))
        return config_refuse(error, "name the configuration file with -c FILE", "%s: is not a regular file",
                             path);
    char label[ERROR_MESSAGE_MAX];
    snprintf(label, sizeof(label), "%s:", path);
    return custody_check(label, path, &file, ERROR_BAD_REQUEST, error) ? 0 : -EINVAL;
}

static int read_file(int fd, const char *path, struct text *text, struct error *error)
{
    char buffer[16 * 1024];
    for (;;) {
        ssize_t count = read(fd, buffer, sizeof(buffer));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN && poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1) >= 0)
            continue;
        if (count < 0)
            return cannot_read(error, path, errno);
        if (count == 0)
            break;
        text_append(text, buffer, (size_t)count);
        if (text->length > CONFIG_FILE_MAX)
            return config_refuse(error, "is it the configuration file?", "%s: is longer than %d bytes", path,
                                 CONFIG_FILE_MAX);
    }
    return text->failed ? config_out_of_memory(path, error) : 0;
}

struct config *config_load(const char *path, struct error *error)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? STANDARD_INPUT : path;
    /* O_NONBLOCK: a FIFO in this place must be refused, not waited for */
    _cleanup_(closep) int fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                        : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        cannot_read(error, name, errno);
        return NULL;
    }
    struct text text = {0};
    struct config *config = NULL;
    if ((standard || check_file(fd, path, error) == 0) && read_file(fd, name, &text, error) == 0)
        config = config_parse(text.data ? text.data : "", text.length, name, error);
    text_clear(&text);
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->endpoint_count; i++)
        config_endpoint_clear(&config->endpoints[i]);
    for (size_t i = 0; i < config->pool_count; i++)
        free(config->pools[i]);
    for (size_t i = 0; i < config->alias_count; i++) {
        free(config->aliases[i].node);
        free(config->aliases[i].target);
    }
    char *strings[] = {config->path,           config->token_id,     config->user,
                       config->secret_file,    config->totp_file,    config->ca_file,
                       config->socket_path,    config->metrics_path, config->socket_group,
                       config->state_directory};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        free(strings[i]);
    free(config->endpoints);
    free(config->fingerprints);
    free(config->pools);
    free(config->aliases);
    free(config->renamed);
    config_access_free(config);
    free(config);
}

void config_freep(struct config **config)
{
    config_free(*config);
    *config = NULL;
}
