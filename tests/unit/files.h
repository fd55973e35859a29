/* Files as a test makes and counts them. */
#pragma once

#include <stdio.h>

__attribute__((unused)) static void put_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

__attribute__((unused)) static unsigned lines(const char *path)
{
    FILE *in = fopen(path, "r");
    unsigned count = 0;
    for (int c; in && (c = getc(in)) != EOF;)
        count += c == '\n';
    if (in)
        fclose(in);
    return count;
}
