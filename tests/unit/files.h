/* Files as a test makes and counts them, and a folder of its own for the state file that it is about. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* `older`: what that file is renamed to when it is full. */
static char directory[64], file[96], older[100];

static int make_directory(const char *file_name)
{
    snprintf(directory, sizeof(directory), "/tmp/fence-broker-state.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(file, sizeof(file), "%s/%s", directory, file_name);
    snprintf(older, sizeof(older), "%s.1", file);
    return 0;
}

/* A test may have put a directory in the file's place. */
static int tear_down(void **state)
{
    (void)state;
    if (unlink(file) != 0)
        rmdir(file);
    unlink(older);
    return rmdir(directory);
}

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
