/*
 * Does an answer fit its call? One that came late on its connection, or that something between us and Proxmox
 * took from another call, is as good an answer as any: only what it names tells it from ours. Pure.
 */
#pragma once

#include "proxmox/api.h"

struct guest_list;

/* Why what a call was answered with (200) is the answer to another one ("another guest's status"); NULL: it
 * is its own, as far as can be told. `guests` is what a list of guests holds. */
const char *misfit_judge(const struct api_request *request, struct json_object *data,
                         const struct guest_list *guests);
