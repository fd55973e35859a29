/*
 * The name service, asked through the re-entrant calls of libc. The thread owns what it was asked and what it
 * found until it hands it over; whoever lets go last frees.
 */
#include "system/names.h"

#include "system/cleanup.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#define BUFFER_FIRST 1024
#define BUFFER_MAX   (64 * 1024 * 1024) /* a group with a million members */
#define STACK_BYTES  (1024 * 1024)      /* modules of directories are not modest */

struct name {
    char *name;
    id_t id;
    enum names_state state;
};

struct name_list {
    struct name *all;
    size_t count, capacity;
};

struct names {
    struct name_list users, groups;
    size_t wanted_users, wanted_groups; /* the first ones; behind them members */
};

static bool add(struct name_list *list, const char *name, enum names_state state, id_t id)
{
    char *copy = strdup(name);

    if (list->count == list->capacity) {
        size_t more = list->capacity ? 2 * list->capacity : 16;
        struct name *grown = reallocarray(list->all, more, sizeof(*grown));

        if (grown) {
            list->all = grown;
            list->capacity = more;
        }
    }
    if (!copy || list->count == list->capacity) {
        free(copy);
        return false;
    }
    list->all[list->count++] = (struct name){.name = copy, .id = id, .state = state};
    return true;
}

/* ---- asking ---- */

/* A user's number, or, with `members`, a group's: then its members are added to them, without their numbers.
 */
static enum names_state ask(const char *name, struct name_list *members, id_t *id)
{
    _cleanup_(freep) char *buffer = NULL;
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;
    int code = ERANGE;

    for (size_t size = BUFFER_FIRST; code == ERANGE && size <= BUFFER_MAX; size *= 4) {
        char *grown = realloc(buffer, size);

        if (!grown)
            return NAMES_FAILED;
        buffer = grown;
        code = members ? getgrnam_r(name, &group, buffer, size, &found_group)
                       : getpwnam_r(name, &user, buffer, size, &found_user);
    }
    if (found_user)
        *id = found_user->pw_uid;
    if (found_group)
        *id = found_group->gr_gid;
    for (char **m = found_group ? found_group->gr_mem : NULL; m && *m && members->count < NAMES_MEMBERS_MAX;
         m++)
        (void)add(members, *m, NAMES_NONE, 0); /* only for messages: without memory there are fewer */
    if (found_user || found_group)
        return NAMES_FOUND;
    /* what the calls return when there is no such entry differs between modules */
    return code == 0 || code == ENOENT || code == ESRCH ? NAMES_NONE : NAMES_FAILED;
}

static void list_free(struct name_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->all[i].name);
    free(list->all);
}

static void add_members(struct names *names, const struct name_list *members)
{
    for (size_t i = 0; i < members->count; i++) {
        uid_t uid;

        if (ask(members->all[i].name, NULL, &uid) == NAMES_FOUND && !names_of_uid(names, uid))
            (void)add(&names->users, members->all[i].name, NAMES_FOUND, uid);
    }
}

static bool look_up(struct name_list *list, const char *name, struct name_list *members)
{
    id_t id = 0;
    enum names_state state = ask(name, members, &id);

    return add(list, name, state, id);
}

struct names *names_look_up(const struct names_wanted *wanted)
{
    struct names *names = calloc(1, sizeof(*names));
    struct name_list members = {0};
    bool good = names != NULL;

    for (size_t i = 0; good && i < wanted->user_count; i++)
        good = look_up(&names->users, wanted->users[i], NULL);
    for (size_t i = 0; good && i < wanted->group_count; i++)
        good = look_up(&names->groups, wanted->groups[i], &members);
    if (good) {
        names->wanted_users = names->users.count;
        names->wanted_groups = names->groups.count;
        add_members(names, &members);
    } else {
        names_free(names);
        names = NULL;
    }
    list_free(&members);
    return names;
}

void names_free(struct names *names)
{
    if (!names)
        return;
    list_free(&names->users);
    list_free(&names->groups);
    free(names);
}

/* ---- what was said ---- */

static enum names_state find(const struct name_list *list, size_t count, const char *name, id_t *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list->all[i].name, name) != 0)
            continue;
        *id = list->all[i].id;
        return list->all[i].state;
    }
    return NAMES_FAILED;
}

enum names_state names_user(const struct names *names, const char *name, uid_t *uid)
{
    return find(&names->users, names->wanted_users, name, uid);
}

enum names_state names_group(const struct names *names, const char *name, gid_t *gid)
{
    return find(&names->groups, names->wanted_groups, name, gid);
}

static const char *name_of(const struct name_list *list, id_t id)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->all[i].state == NAMES_FOUND && list->all[i].id == id)
            return list->all[i].name;
    return NULL;
}

const char *names_of_uid(const struct names *names, uid_t uid)
{
    const char *name = names ? name_of(&names->users, uid) : NULL;

    return name || uid != 0 ? name : "root";
}

const char *names_of_gid(const struct names *names, gid_t gid)
{
    return names ? name_of(&names->groups, gid) : NULL;
}

/* ---- in a thread ---- */

struct names_lookup {
    pthread_mutex_t lock;
    bool ended, abandoned; /* whoever sets the second of the two frees */
    struct names_wanted wanted;
    struct names *names;
    int ended_fd; /* an eventfd: readable when it has ended */
    struct event *event;
    names_done_fn *done;
    void *context;
};

static void words_free(char **words, size_t count)
{
    for (size_t i = 0; words && i < count; i++)
        free(words[i]);
    free(words);
}

static char **words_copy(char **words, size_t count)
{
    char **copy = calloc(count + 1, sizeof(*copy));

    for (size_t i = 0; copy && i < count; i++) {
        copy[i] = strdup(words[i]);
        if (!copy[i]) {
            words_free(copy, count);
            return NULL;
        }
    }
    return copy;
}

static void lookup_free(struct names_lookup *lookup)
{
    words_free(lookup->wanted.users, lookup->wanted.user_count);
    words_free(lookup->wanted.groups, lookup->wanted.group_count);
    names_free(lookup->names);
    if (lookup->event)
        event_free(lookup->event);
    if (lookup->ended_fd >= 0)
        close(lookup->ended_fd);
    pthread_mutex_destroy(&lookup->lock);
    free(lookup);
}

static void *run(void *argument)
{
    struct names_lookup *lookup = argument;
    struct names *names = names_look_up(&lookup->wanted);
    bool abandoned;

    pthread_mutex_lock(&lookup->lock);
    lookup->names = names;
    lookup->ended = true;
    abandoned = lookup->abandoned;
    if (!abandoned)
        (void)eventfd_write(lookup->ended_fd, 1);
    pthread_mutex_unlock(&lookup->lock);
    if (abandoned)
        lookup_free(lookup);
    return NULL;
}

void names_abandon(struct names_lookup *lookup)
{
    bool ended;

    if (!lookup)
        return;
    if (lookup->event)
        event_free(lookup->event); /* the loop's: not for the thread to free */
    lookup->event = NULL;
    pthread_mutex_lock(&lookup->lock);
    lookup->abandoned = true;
    ended = lookup->ended;
    pthread_mutex_unlock(&lookup->lock);
    if (ended)
        lookup_free(lookup);
}

static void on_ended(evutil_socket_t fd, short what, void *context)
{
    struct names_lookup *lookup = context;
    names_done_fn *done = lookup->done;
    void *done_context = lookup->context;
    struct names *names = NULL;

    (void)fd;
    (void)what;
    (void)names_await(&lookup, 0, &names);
    done(done_context, names);
}

bool names_await(struct names_lookup **lookup, int ms, struct names **names)
{
    struct pollfd ended = {.fd = (*lookup)->ended_fd, .events = POLLIN};
    int n;

    do
        n = poll(&ended, 1, ms);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    pthread_mutex_lock(&(*lookup)->lock); /* until the thread has let go of it */
    *names = TAKE((*lookup)->names);
    pthread_mutex_unlock(&(*lookup)->lock);
    names_abandon(TAKE(*lookup));
    return true;
}

static bool start_thread(struct names_lookup *lookup)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int result;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&thread, &attributes, run, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return result == 0;
}

struct names_lookup *names_begin(struct event_base *base, const struct names_wanted *wanted,
                                 names_done_fn *done, void *context)
{
    struct names_lookup *lookup = calloc(1, sizeof(*lookup));

    if (!lookup)
        return NULL;
    pthread_mutex_init(&lookup->lock, NULL);
    lookup->done = done;
    lookup->context = context;
    lookup->wanted = (struct names_wanted){.users = words_copy(wanted->users, wanted->user_count),
                                           .groups = words_copy(wanted->groups, wanted->group_count)};
    lookup->wanted.user_count = lookup->wanted.users ? wanted->user_count : 0;
    lookup->wanted.group_count = lookup->wanted.groups ? wanted->group_count : 0;
    lookup->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lookup->ended_fd >= 0)
        lookup->event = event_new(base, lookup->ended_fd, EV_READ, on_ended, lookup);
    if (!lookup->wanted.users || !lookup->wanted.groups || !lookup->event ||
        event_add(lookup->event, NULL) != 0 || !start_thread(lookup)) {
        lookup_free(lookup);
        return NULL;
    }
    return lookup;
}
