/* Where the doctor's report comes from. */
#pragma once

#include "client/say.h"
#include "fence/diagnosis.h"

/* doctor_ask.c: the running daemon's report, by the one at `socket`. 0; -1: `failure` is set (no_daemon:
 * there is none). With `json` an error that is the daemon's answer goes to stdout as it came. */
int doctor_ask(struct diagnosis *diagnosis, const char *socket, bool json, struct failure *failure);
/* Of JSON, as diagnosis_put_json() has it. False: it is no report. */
bool doctor_read(struct diagnosis *diagnosis, const char *text, size_t length);

/* doctor_alone.c: our own, without a daemon. False: there is none, and that was said. *deadline_ms: of an
 * operation, by the configuration; 0 without one. */
bool doctor_alone(struct diagnosis *diagnosis, const char *config_path, int64_t *deadline_ms);
