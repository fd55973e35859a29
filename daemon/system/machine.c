/*
 * Reads two small facts about this machine. Refuses to know what they are compared with.
 */
#include "system/machine.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#define ROOTS_COPY   "/run/fence-broker/product-uuid" /* made at boot by systemd-tmpfiles */
#define ID_FILE      "/etc/machine-id"
#define KERNELS_FILE "/sys/class/dmi/id/product_uuid"

/* 8-4-4-4-12 hexadecimal digits. */
static bool is_uuid(const char *text)
{
    if (strlen(text) != MACHINE_UUID_LEN - 1)
        return false;
    for (int i = 0; i < MACHINE_UUID_LEN - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* 0 or -errno; -EINVAL: it is no UUID (a credential that systemd could not fill is empty). */
static int read_uuid(const char *path, char uuid[static MACHINE_UUID_LEN])
{
    char line[64] = "";
    FILE *file = fopen(path, "re");

    if (!file)
        return -errno;
    char *got = fgets(line, sizeof(line), file);
    fclose(file);
    if (!got)
        return -EINVAL;
    line[strcspn(line, " \t\r\n")] = '\0';
    if (!is_uuid(line))
        return -EINVAL;
    for (int i = 0; i < MACHINE_UUID_LEN; i++)
        uuid[i] = (char)tolower((unsigned char)line[i]);
    return 0;
}

static int read_credential(char uuid[static MACHINE_UUID_LEN])
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    char *path = NULL;

    if (!directory)
        return -ENOENT;
    if (asprintf(&path, "%s/product-uuid", directory) < 0)
        return -ENOMEM;
    int result = read_uuid(path, uuid);
    free(path);
    return result;
}

static void read_id(char id[static MACHINE_ID_LEN])
{
    FILE *file = fopen(ID_FILE, "re");

    if (file && !fgets(id, MACHINE_ID_LEN, file))
        id[0] = '\0';
    if (file)
        fclose(file);
}

void machine_read(struct machine *machine)
{
    struct utsname names;

    *machine = (struct machine){0};
    if (uname(&names) == 0)
        snprintf(machine->name, sizeof(machine->name), "%s", names.nodename);
    read_id(machine->id);
    int result = read_credential(machine->uuid);
    if (result == -ENOENT)
        result = read_uuid(ROOTS_COPY, machine->uuid);
    if (result == -ENOENT)
        result = read_uuid(KERNELS_FILE, machine->uuid);
    if (result == -EINVAL)
        snprintf(machine->why, sizeof(machine->why), "its firmware reports no UUID");
    else if (result < 0)
        snprintf(machine->why, sizeof(machine->why), "%s cannot be read: %s", KERNELS_FILE,
                 strerror(-result));
}

/* The bytes of the first three fields in the other order: 33221100-5544-7766-… is 00112233-4455-6677-… */
static void swap_fields(const char *from, char to[static MACHINE_UUID_LEN])
{
    static const int places[] = {6, 4, 2, 0, 11, 9, 16, 14}, bytes[] = {0, 2, 4, 6, 9, 11, 14, 16};

    memcpy(to, from, MACHINE_UUID_LEN);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        memcpy(to + bytes[i], from + places[i], 2);
}

bool machine_same_uuid(const char *one, const char *other)
{
    char swapped[MACHINE_UUID_LEN];

    if (!is_uuid(one) || !is_uuid(other))
        return false;
    swap_fields(one, swapped);
    return strcasecmp(one, other) == 0 || strcasecmp(swapped, other) == 0;
}
