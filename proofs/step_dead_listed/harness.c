/*
 * A list of guests names the host of a guest whose own one is offline: when the guest is not followed there,
 * for what it was is dead as soon as its old host is (P1; doc/design.md, a dead host).
 */
#include "calls_world.h"
#include "step_world.h"

#include <string.h>

int64_t step_after(int64_t now_ms, bool under_way)
{
    return under_way ? now_ms + 1 : now_ms;
}

#include "fence/step_dead.c"

static bool equal(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

void prove(void)
{
    struct step before, step;
    struct step_event event;
    any_step(&before);
    any_event(&event);
    ASSUME(event.node);
    MAKE_BOOL(before.ha.managed);
    step = before;

    bool stays = step_dead_listed(&step, &event);
    const struct step_death *death = &before.death;
    const struct dead_hosts_answer *host = &death->word.host;
    bool fenced = host->state == DEAD_HOSTS_FENCED;
    bool in_time =
        host->watched && (host->left_ms ? host->left_ms : death->told_ms) + 90000 < before.params.deadline_ms;
    bool known = death->told_ms && death->word.trusted && (fenced || in_time);
    CLAIM(!stays || before.ha.managed, "P1: any other guest is where the list says that it is");
    CLAIM(!stays || (known && before.phase == STEP_POWERING_OFF),
          "rule 5: it is followed, unless its old host is dead, or may be in time");
    CLAIM(!stays || (death->listed_ms >= before.course.not_before_ms && death->listed_ms != 0),
          "point 1: a list from since the request has named it there");
    CLAIM(!stays || host->left_ms == 0 || death->listed_ms > host->left_ms,
          "point 1: and one from since that host left");
    CLAIM(!stays || !equal(event.node, before.place.node), "and this one does not");
    CLAIM(stays || !before.ha.managed || !known || before.phase != STEP_POWERING_OFF ||
              equal(event.node, before.place.node) || death->listed_ms < before.course.not_before_ms ||
              death->listed_ms <= 0 || (host->left_ms && death->listed_ms < host->left_ms + 2),
          "rule 5: else it waits there for that");
    CLAIM(equal(step.place.node, before.place.node) && step.phase == before.phase,
          "that alone changes nothing");
    REACHED(stays);
    REACHED(!stays && known && !before.ha.managed && death->listed_ms > host->left_ms);
}
