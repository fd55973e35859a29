/*
 * Which record of what is open of a guest's power calls is the last one: they stand in two files, which are
 * read one after the other.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

struct record_opens; /* by VMID; begins as NULL */

/* Of those that were shown here: in one file it is the later line, whatever the clock said then; of the lines
 * of two files the one of the later moment. */
bool record_opens_is_last(struct record_opens **opens, int vmid, bool of_others,
                          struct json_object *document);
void record_opens_free(struct record_opens **opens);
