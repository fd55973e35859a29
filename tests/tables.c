/*
 * Prints the tables of the code that have words for people, one line a row, so that tests can hold them
 * against manuals, catalog and configuration without reading C: "TABLE WORD [MORE…]". Knows the rooms'
 * headers alone.
 */
#include "system/log_kinds.h"

#include <stdio.h>

static void print_events(void)
{
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        const struct log_kind_row *row = log_kind_row((enum log_kind)kind);
        printf("event %s %s %d\n", row->name, row->id, row->priority);
    }
}

int main(void)
{
    print_events();
    return 0;
}
