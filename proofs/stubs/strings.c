/*
 * Functions of the C library that CBMC has no body for, as plain as they can be. A string without an end is
 * seen here as the error that it is.
 */
#include <string.h>

size_t strcspn(const char *text, const char *ends)
{
    size_t length = 0;
    while (text[length] && !strchr(ends, text[length]))
        length++;
    return length;
}

char *strstr(const char *text, const char *wanted)
{
    size_t length = strlen(wanted);
    for (; *text; text++) {
        if (strncmp(text, wanted, length) == 0)
            return (char *)text;
    }
    return length == 0 ? (char *)text : NULL;
}
