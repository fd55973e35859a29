/* Reading XML element by element: as much of it as Pacemaker's tools write. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum xml_event {
    XML_OPEN,   /* an element begins: name and attributes */
    XML_CLOSE,  /* it ends: name */
    XML_END,    /* the document ended as it should */
    XML_BROKEN, /* it is no XML, is cut off, or memory ran out; for ever */
};

struct xml_attribute {
    const char *name, *value;
};

struct xml {
    /* valid until the next xml_next() */
    const char *name;
    size_t depth; /* elements that are open, this one included */

    char *at, *end;
    struct xml_attribute *attributes; /* owned, as is: */
    const char **open;
    size_t attribute_count, attribute_size, open_size;
    bool closes, began, broken; /* `closes`: the element that was opened last is empty */
};

/* Reads `text`, which it changes; names and values point into it, and stay valid as long as it does. `text`
 * has `length` bytes and a NUL behind them. */
void xml_begin(struct xml *xml, char *text, size_t length);
void xml_clear(struct xml *xml);
enum xml_event xml_next(struct xml *xml);
/* An attribute of the element that was just opened; NULL: it has none of this name. */
const char *xml_get(const struct xml *xml, const char *name);
