/* See cluster.h. */
#include "cluster.h"
#include "system/cleanup.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SHUTDOWN_MS_DEFAULT 1000  /* how long a guest takes to follow ACPI */
#define HA_MS_DEFAULT       10000 /* until the HA manager has acted: half a round of CRM and one of LRM */

int cluster_string_set(char **string, const char *value)
{
    char *copy = value ? strdup(value) : NULL;
    if (value && !copy)
        return -ENOMEM;
    free(*string);
    *string = copy;
    return 0;
}

/* ---- looking ------------------------------------------------------------------------------------------ */

struct node *cluster_node(const struct cluster *cluster, const char *name)
{
    struct node *node = cluster->nodes;
    while (node && strcmp(node->name, name) != 0)
        node = node->next;
    return node;
}

struct guest *cluster_guest(const struct cluster *cluster, int64_t vmid)
{
    struct guest *guest = NULL;
    int key = (int)vmid;
    if (vmid > 0 && vmid <= INT32_MAX)
        HASH_FIND_INT(cluster->guests, &key, guest);
    return guest;
}

const struct guest_config *cluster_config(const struct guest *guest, const struct node *view)
{
    struct frozen_guest *frozen = NULL;
    if (view && view->frozen)
        HASH_FIND_INT(view->frozen, &guest->vmid, frozen);
    return frozen ? &frozen->config : &guest->config;
}

bool cluster_sees(const struct node *view, const struct node *node)
{
    if (view == node)
        return node->state != NODE_DEAD;
    return node->state == NODE_ONLINE && view->state == NODE_ONLINE;
}

bool cluster_quorate(const struct cluster *cluster, const struct node *view)
{
    int seen = 0, all = 0;
    for (const struct node *node = cluster->nodes; node; node = node->next) {
        all++;
        seen += cluster_sees(view, node);
    }
    /* one lonely survivor of two counts as quorate: such clusters run with a QDevice, and the recordings' one
     * does */
    return seen * 2 > all || (seen * 2 == all && view->state == NODE_ONLINE);
}

int cluster_pve(const struct cluster *cluster)
{
    return (int)strtol(cluster->version, NULL, 10);
}

bool cluster_at_least(const struct cluster *cluster, int major, int minor)
{
    int its_major = 0, its_minor = 0;
    if (sscanf(cluster->version, "%d.%d", &its_major, &its_minor) < 1)
        return false;
    return its_major > major || (its_major == major && its_minor >= minor);
}

const char *guest_type(const struct guest *guest)
{
    return guest->is_lxc ? "lxc" : "qemu";
}

bool guest_lives_on(const struct guest *guest, const struct node *node)
{
    return guest->tree && guest->host == node;
}

bool guest_reads_running(const struct guest *guest, const struct node *node)
{
    return guest_lives_on(guest, node) && !guest->hidden;
}

/* ---- processes ---------------------------------------------------------------------------------------- */

static void ended_cb(void *context)
{
    struct guest *guest = context;
    guest->tree = NULL;
    guest->host = NULL;
    guest->hidden = false;
    if (guest->death)
        event_del(guest->death);
    if (guest->sim->cluster->changed)
        guest->sim->cluster->changed(guest);
}

int guest_start(struct guest *guest)
{
    _cleanup_(freep) char *disk = NULL;
    if (guest->tree)
        return -EBUSY;
    if (asprintf(&disk, "%s/disk/%d", guest->sim->dir, guest->vmid) < 0) {
        disk = NULL;
        return -ENOMEM;
    }
    struct tree_spec spec = {.vmid = guest->vmid,
                             .name = guest->name,
                             .disk = disk,
                             .command = guest->command ? guest->command : guest->sim->cluster->command,
                             .namespaces = guest->sim->namespaces,
                             .on_end = ended_cb,
                             .context = guest};
    int error = tree_start(guest->sim->base, &spec, &guest->tree);
    if (error)
        return error;
    guest->host = guest->config.node;
    if (guest->sim->cluster->changed)
        guest->sim->cluster->changed(guest);
    return 0;
}

void guest_kill(struct guest *guest)
{
    if (guest->tree)
        tree_signal(guest->tree, SIGKILL);
}

/* ---- a host that is cut off --------------------------------------------------------------------------- */

static void thaw(struct node *node)
{
    struct frozen_guest *frozen = NULL, *next = NULL;
    HASH_ITER (hh, node->frozen, frozen, next) {
        HASH_DEL(node->frozen, frozen);
        free(frozen->config.lock);
        free(frozen->config.ha_state);
        free(frozen->config.ha_request);
        free(frozen);
    }
}

static void freeze(struct cluster *cluster, struct node *node)
{
    for (const struct guest *guest = cluster->guests; guest; guest = guest->hh.next) {
        struct frozen_guest *frozen = calloc(1, sizeof(*frozen));
        if (!frozen)
            return;
        frozen->vmid = guest->vmid;
        frozen->config.node = guest->config.node;
        if (cluster_string_set(&frozen->config.lock, guest->config.lock) < 0 ||
            cluster_string_set(&frozen->config.ha_state, guest->config.ha_state) < 0 ||
            cluster_string_set(&frozen->config.ha_request, guest->config.ha_request) < 0)
            fprintf(stderr, "pvesim: out of memory: %s forgets what it knew of %d\n", node->name,
                    guest->vmid);
        HASH_ADD_INT(node->frozen, vmid, frozen);
        if (!frozen->hh.tbl)
            free(frozen);
    }
}

void cluster_node_set(struct sim *sim, struct node *node, enum node_state state)
{
    struct timespec now;
    thaw(node);
    clock_gettime(CLOCK_BOOTTIME, &now);
    if (node->state == NODE_DEAD && state != NODE_DEAD)
        node->booted_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    node->state = state;
    node->corosync_died = false;
    if (state == NODE_CUT)
        freeze(sim->cluster, node);
    for (struct guest *guest = sim->cluster->guests; guest && state == NODE_DEAD; guest = guest->hh.next) {
        if (guest->host == node)
            guest_kill(guest);
    }
}

void cluster_freeze_lists(struct cluster *cluster, bool frozen)
{
    cluster->lists_frozen = frozen;
    for (struct guest *guest = cluster->guests; guest; guest = guest->hh.next) {
        guest->listed_node = guest->config.node;
        guest->listed_running = guest_reads_running(guest, guest->config.node);
        guest->listed_uptime_s = guest->tree ? tree_age_ms(guest->tree) / 1000 : 0;
    }
}

/* ---- configuration ------------------------------------------------------------------------------------ */

static int set_ms(int64_t *to, const char *value)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno || end == value || *end)
        return -EINVAL;
    *to = number;
    return 0;
}

static int set_flag(bool *to, const char *value)
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return -EINVAL;
    *to = *value == '1';
    return 0;
}

/* "started": an HA service in that state; "unserved": one that no manager looks after; "": none */
static int set_ha(struct guest *guest, const char *value)
{
    bool unserved = strcmp(value, "unserved") == 0, none = !*value || strcmp(value, "none") == 0;
    const char *request = none                                                                  ? NULL
                          : strcmp(value, "stopped") == 0 || strcmp(value, "request_stop") == 0 ? "stopped"
                                                                                                : "started";
    int error = cluster_string_set(&guest->config.ha_request, request);
    return error ? error : cluster_string_set(&guest->config.ha_state, none || unserved ? NULL : value);
}

static int set_node(struct cluster *cluster, struct guest *guest, const char *value)
{
    struct node *node = cluster_node(cluster, value);
    if (!node)
        return -EINVAL;
    guest->config.node = node;
    if (guest->tree)
        guest->host = node; /* a live migration takes the processes along */
    return 0;
}

/* %XX stands for a byte: names that no line of words can hold, and that Proxmox would not take. */
static int set_name(struct guest *guest, const char *value)
{
    _cleanup_(freep) char *name = strdup(value);
    char *to = name;
    unsigned byte = 0;
    int used = 0;
    if (!name)
        return -ENOMEM;
    for (const char *from = value; *from; from++) {
        bool encoded = sscanf(from, "%%%2x%n", &byte, &used) == 1 && used == 3 && byte != 0;
        *to++ = encoded ? (char)byte : *from;
        from += encoded ? 2 : 0;
    }
    *to = '\0';
    return cluster_string_set(&guest->name, *name ? name : NULL);
}

int cluster_guest_set(struct cluster *cluster, struct guest *guest, const char *key, const char *value)
{
    struct {
        const char *key;
        bool *flag;
        int64_t *ms;
        char **string;
    } const keys[] = {
        {"template", &guest->template, NULL, NULL}, {"deaf", &guest->deaf, NULL, NULL},
        {"hung", &guest->hung, NULL, NULL},         {"nostart", &guest->nostart, NULL, NULL},
        {"nic", &guest->nic, NULL, NULL},           {"nics", &guest->nic, NULL, NULL},
        {"running", &guest->autostart, NULL, NULL}, {"stop-ms", NULL, &guest->stop_ms, NULL},
        {"start-ms", NULL, &guest->start_ms, NULL}, {"shutdown-ms", NULL, &guest->shutdown_ms, NULL},
        {"ha-ms", NULL, &guest->ha_ms, NULL},       {"lock", NULL, NULL, &guest->config.lock},
        {"uuid", NULL, NULL, &guest->uuid},         {"tags", NULL, NULL, &guest->tags},
        {"cmd", NULL, NULL, &guest->command},       {"hookscript", NULL, NULL, &guest->hookscript},
    };
    if (strcmp(key, "ha") == 0)
        return set_ha(guest, value);
    if (strcmp(key, "name") == 0)
        return set_name(guest, value);
    if (strcmp(key, "node") == 0)
        return set_node(cluster, guest, value);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (strcmp(key, keys[i].key) != 0)
            continue;
        if (keys[i].flag)
            return set_flag(keys[i].flag, value);
        if (keys[i].ms)
            return set_ms(keys[i].ms, value);
        return cluster_string_set(keys[i].string, *value ? value : NULL);
    }
    return -EINVAL;
}

/* guest VMID qemu|lxc NODE NAME [KEY=VALUE…]; cmd= takes the rest of the line */
static int load_guest(struct sim *sim, char *rest)
{
    const char *vmid = strsep(&rest, " "), *type = strsep(&rest, " "), *node = strsep(&rest, " "),
               *name = strsep(&rest, " ");
    int64_t number = 0;
    if (!name || set_ms(&number, vmid) < 0 || number < 1 || number > INT32_MAX ||
        cluster_guest(sim->cluster, number) || (strcmp(type, "qemu") != 0 && strcmp(type, "lxc") != 0) ||
        !cluster_node(sim->cluster, node))
        return -EINVAL;
    struct guest *guest = calloc(1, sizeof(*guest));
    if (!guest)
        return -ENOMEM;
    guest->vmid = (int)number;
    guest->sim = sim;
    guest->is_lxc = strcmp(type, "lxc") == 0;
    guest->nic = true;
    guest->shutdown_ms = SHUTDOWN_MS_DEFAULT;
    guest->ha_ms = HA_MS_DEFAULT;
    guest->config.node = cluster_node(sim->cluster, node);
    HASH_ADD_INT(sim->cluster->guests, vmid, guest);
    if (!guest->hh.tbl) {
        free(guest);
        return -ENOMEM;
    }
    int error = cluster_string_set(&guest->name, name);
    while (!error && rest && *rest) {
        const char *key = rest;
        char *value = NULL;
        if (strncmp(rest, "cmd=", 4) == 0)
            rest = NULL;
        else
            strsep(&rest, " ");
        if (!*key)
            continue;
        value = strchr(key, '=');
        if (value)
            *value++ = '\0';
        error = strcmp(key, "no-nic") == 0 ? cluster_guest_set(sim->cluster, guest, "nic", "0")
                : value                    ? cluster_guest_set(sim->cluster, guest, key, value)
                                           : -EINVAL;
    }
    return error;
}

/* node NAME [dead|cut] */
static int load_node(struct sim *sim, char *rest)
{
    const char *name = strsep(&rest, " ");
    if (!name || !*name || cluster_node(sim->cluster, name) ||
        (rest && strcmp(rest, "dead") != 0 && strcmp(rest, "cut") != 0))
        return -EINVAL;
    struct node *node = calloc(1, sizeof(*node)), **last = &sim->cluster->nodes;
    if (!node)
        return -ENOMEM;
    while (*last)
        last = &(*last)->next;
    *last = node;
    if (rest)
        node->state = strcmp(rest, "dead") == 0 ? NODE_DEAD : NODE_CUT;
    return cluster_string_set(&node->name, name);
}

static int load_listen(struct sim *sim, char *rest)
{
    const char *name = strsep(&rest, " ");
    struct node *node = name ? cluster_node(sim->cluster, name) : NULL;
    return node && rest && strchr(rest, ':') ? cluster_string_set(&node->listen, rest) : -EINVAL;
}

static int load_line(struct sim *sim, char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
    line += strspn(line, " \t");
    if (!*line || *line == '#')
        return 0;
    const char *word = strsep(&line, " ");
    if (!line)
        return -EINVAL;
    line += strspn(line, " ");
    if (strcmp(word, "guest") == 0)
        return load_guest(sim, line);
    if (strcmp(word, "node") == 0)
        return load_node(sim, line);
    if (strcmp(word, "listen") == 0)
        return load_listen(sim, line);
    if (strcmp(word, "version") == 0)
        return cluster_string_set(&sim->cluster->version, line);
    if (strcmp(word, "command") == 0)
        return cluster_string_set(&sim->cluster->command, line);
    return -EINVAL;
}

static void fclosep(FILE **file)
{
    if (*file)
        fclose(*file);
}

int cluster_load(struct sim *sim, char **message)
{
    _cleanup_(freep) char *path = NULL, *line = NULL, *disks = NULL;
    size_t room = 0;
    int number = 0, error = 0;
    if (asprintf(&path, "%s/cluster.conf", sim->dir) < 0 || asprintf(&disks, "%s/disk", sim->dir) < 0)
        return -ENOMEM;
    _cleanup_(fclosep) FILE *file = fopen(path, "re");
    if (!file || (mkdir(disks, 0755) < 0 && errno != EEXIST)) {
        error = -errno;
        if (asprintf(message, "%s: %s", file ? disks : path, strerror(-error)) < 0)
            *message = NULL;
        return error;
    }
    sim->cluster = calloc(1, sizeof(*sim->cluster));
    if (!sim->cluster)
        return -ENOMEM;
    error = cluster_string_set(&sim->cluster->version, CLUSTER_PVE_DEFAULT);
    while (!error && getline(&line, &room, file) >= 0) {
        number++;
        _cleanup_(freep) char *shown = strdup(line);
        error = load_line(sim, line);
        if (error && shown)
            shown[strcspn(shown, "\n")] = '\0';
        if (error && asprintf(message, "%s:%d: cannot use '%s': %s", path, number, shown ? shown : "",
                              strerror(-error)) < 0)
            *message = NULL;
    }
    if (!error && !sim->cluster->nodes) {
        if (asprintf(message, "%s: no 'node NAME' line", path) < 0)
            *message = NULL;
        error = -EINVAL;
    }
    for (struct node *node = error ? NULL : sim->cluster->nodes; node; node = node->next)
        cluster_node_set(sim, node, node->state);
    return error;
}

void cluster_free(struct cluster *cluster)
{
    struct guest *guest = NULL, *next = NULL;
    if (!cluster)
        return;
    cluster->changed = NULL;
    /* all at once first, so that their ends overlap */
    for (guest = cluster->guests; guest; guest = guest->hh.next)
        guest_kill(guest);
    for (struct node *node; (node = cluster->nodes);) {
        cluster->nodes = node->next;
        thaw(node);
        free(node->name);
        free(node->listen);
        free(node->ha_state);
        free(node);
    }
    HASH_ITER (hh, cluster->guests, guest, next) {
        HASH_DEL(cluster->guests, guest);
        tree_free(guest->tree);
        if (guest->ha_timer)
            event_free(guest->ha_timer);
        if (guest->death)
            event_free(guest->death);
        free(guest->name);
        free(guest->uuid);
        free(guest->hookscript);
        free(guest->tags);
        free(guest->command);
        free(guest->config.lock);
        free(guest->config.ha_state);
        free(guest->config.ha_request);
        free(guest);
    }
    free(cluster->version);
    free(cluster->command);
    free(cluster);
}
