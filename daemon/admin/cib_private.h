/* What the files of the CIB's reader share. */
#pragma once

#include "admin/cib.h"

/* cib_sets.c: what is in force. */
void cib_read_device(struct cib *cib, struct cib_device *device);
void cib_read_properties(struct cib *cib, const struct _xmlNode *root);
/* cib_levels.c */
void cib_read_levels(struct cib *cib, const struct _xmlNode *root);
