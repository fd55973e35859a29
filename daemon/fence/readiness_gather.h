/*
 * The one place that gathers what readiness judges: from the rooms that know it, for whoever shows or logs a
 * verdict, so that no two of them can differ.
 */
#pragma once

#include "fence/readiness.h"
#include "fence/rooms.h"

/* As things are now; the facts borrow from the rooms. Without a history set history_failing afterwards. */
void readiness_gather(struct readiness_facts *facts, const struct rooms *rooms);
