/*
 * The privileges and built-in roles of Proxmox VE 7, 8 and 9. The daemon has this part of the room, too: it
 * recognises a role by what it gives.
 *
 * A role stands on several lines: what all named versions give it, then what only some of them do. A line
 * without privileges says that the role exists. Administrator holds all privileges of its version, so its
 * lines also say which privileges a version knows.
 */
#include "policy/usercfg.h"

#include "system/cleanup.h"

#include <string.h>

enum { V7 = 1, V8 = 2, V9 = 4 };

/* The order is the bit's number in a set of privileges; at most 64. */
static const char *const privilege_names[] = {
    "Datastore.Allocate",
    "Datastore.AllocateSpace",
    "Datastore.AllocateTemplate",
    "Datastore.Audit",
    "Group.Allocate",
    "Mapping.Audit",
    "Mapping.Modify",
    "Mapping.Use",
    "Permissions.Modify",
    "Pool.Allocate",
    "Pool.Audit",
    "Realm.Allocate",
    "Realm.AllocateUser",
    "SDN.Allocate",
    "SDN.Audit",
    "SDN.Use",
    "Sys.AccessNetwork",
    "Sys.Audit",
    "Sys.Console",
    "Sys.Incoming",
    "Sys.Modify",
    "Sys.PowerMgmt",
    "Sys.Syslog",
    "User.Modify",
    "VM.Allocate",
    "VM.Audit",
    "VM.Backup",
    "VM.Clone",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Console",
    "VM.GuestAgent.Audit",
    "VM.GuestAgent.FileRead",
    "VM.GuestAgent.FileSystemMgmt",
    "VM.GuestAgent.FileWrite",
    "VM.GuestAgent.Unrestricted",
    "VM.Migrate",
    "VM.Monitor",
    "VM.PowerMgmt",
    "VM.Replicate",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
};

static const struct builtin_role {
    const char *role;
    unsigned versions;
    const char *privileges;
} builtin_roles[] = {
    {"Administrator", V7 | V8 | V9,
     "Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit "
     "Group.Allocate Permissions.Modify Pool.Allocate Pool.Audit Realm.Allocate "
     "Realm.AllocateUser SDN.Allocate SDN.Audit SDN.Use Sys.Audit Sys.Console Sys.Incoming "
     "Sys.Modify Sys.PowerMgmt Sys.Syslog User.Modify VM.Allocate VM.Audit VM.Backup VM.Clone "
     "VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType "
     "VM.Config.Memory VM.Config.Network VM.Config.Options VM.Console VM.Migrate VM.PowerMgmt "
     "VM.Snapshot VM.Snapshot.Rollback"},
    {"Administrator", V7 | V8, "VM.Monitor"},
    {"Administrator", V8 | V9, "Mapping.Audit Mapping.Modify Mapping.Use Sys.AccessNetwork"},
    {"Administrator", V9,
     "VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt "
     "VM.GuestAgent.FileWrite VM.GuestAgent.Unrestricted VM.Replicate"},
    {"NoAccess", V7 | V8 | V9, ""},
    {"PVEAdmin", V7 | V8 | V9,
     "Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit "
     "Group.Allocate Pool.Allocate Pool.Audit Realm.AllocateUser SDN.Allocate SDN.Audit "
     "SDN.Use Sys.Audit Sys.Console Sys.Syslog User.Modify VM.Allocate VM.Audit VM.Backup "
     "VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk "
     "VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options VM.Console "
     "VM.Migrate VM.PowerMgmt VM.Snapshot VM.Snapshot.Rollback"},
    {"PVEAdmin", V7 | V8, "VM.Monitor"},
    {"PVEAdmin", V8 | V9, "Mapping.Audit Mapping.Use"},
    {"PVEAdmin", V7, "Permissions.Modify"},
    {"PVEAdmin", V9,
     "VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt "
     "VM.GuestAgent.FileWrite VM.GuestAgent.Unrestricted VM.Replicate"},
    {"PVEAuditor", V7 | V8 | V9, "Datastore.Audit Pool.Audit SDN.Audit Sys.Audit VM.Audit"},
    {"PVEAuditor", V8 | V9, "Mapping.Audit"},
    {"PVEAuditor", V9, "VM.GuestAgent.Audit"},
    {"PVEDatastoreAdmin", V7 | V8 | V9,
     "Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit"},
    {"PVEDatastoreUser", V7 | V8 | V9, "Datastore.AllocateSpace Datastore.Audit"},
    {"PVEMappingAdmin", V8 | V9, "Mapping.Audit Mapping.Modify Mapping.Use"},
    {"PVEMappingUser", V8 | V9, "Mapping.Audit Mapping.Use"},
    {"PVEPoolAdmin", V7 | V8 | V9, "Pool.Allocate Pool.Audit"},
    {"PVEPoolUser", V7 | V8 | V9, "Pool.Audit"},
    {"PVESDNAdmin", V7 | V8 | V9, "SDN.Allocate SDN.Audit SDN.Use"},
    {"PVESDNUser", V7 | V8 | V9, "SDN.Audit SDN.Use"},
    {"PVESysAdmin", V7 | V8 | V9, "Sys.Audit Sys.Console Sys.Syslog"},
    {"PVESysAdmin", V7, "Permissions.Modify"},
    {"PVETemplateUser", V7 | V8 | V9, "VM.Audit VM.Clone"},
    {"PVEUserAdmin", V7 | V8 | V9, "Group.Allocate Realm.AllocateUser User.Modify"},
    {"PVEVMAdmin", V7 | V8 | V9,
     "VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU "
     "VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network "
     "VM.Config.Options VM.Console VM.Migrate VM.PowerMgmt VM.Snapshot VM.Snapshot.Rollback"},
    {"PVEVMAdmin", V7 | V8, "VM.Monitor"},
    {"PVEVMAdmin", V9,
     "VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt "
     "VM.GuestAgent.FileWrite VM.GuestAgent.Unrestricted VM.Replicate"},
    {"PVEVMUser", V7 | V8 | V9,
     "VM.Audit VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.PowerMgmt"},
    {"PVEVMUser", V9,
     "VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt "
     "VM.GuestAgent.FileWrite"},
};

_Static_assert(ARRAY_LEN(privilege_names) <= 64, "a set of privileges is one 64-bit word");

unsigned usercfg_privilege_count(void)
{
    return ARRAY_LEN(privilege_names);
}

const char *usercfg_privilege_name(unsigned number)
{
    return number < ARRAY_LEN(privilege_names) ? privilege_names[number] : NULL;
}

static int number_of(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_LEN(privilege_names); i++) {
        if (strlen(privilege_names[i]) == length && memcmp(privilege_names[i], name, length) == 0)
            return (int)i;
    }
    return -1;
}

int usercfg_privilege_number(const char *name)
{
    return number_of(name, strlen(name));
}

/* Of words with a blank between them. */
static uint64_t set_of(const char *words)
{
    uint64_t set = 0;
    for (size_t length; (length = strcspn(words, " ")) > 0; words += length + strspn(words + length, " "))
        set |= UINT64_C(1) << number_of(words, length);
    return set;
}

int usercfg_each_builtin_role(int pve_version, usercfg_each_builtin_f *each, void *context)
{
    unsigned version = pve_version == 7 ? V7 : pve_version == 8 ? V8 : V9;
    int result = 0;
    for (size_t i = 0; i < ARRAY_LEN(builtin_roles) && !result;) {
        const char *role = builtin_roles[i].role;
        uint64_t privileges = 0;
        bool there = false;
        for (; i < ARRAY_LEN(builtin_roles) && strcmp(builtin_roles[i].role, role) == 0; i++) {
            if (!(builtin_roles[i].versions & version))
                continue;
            there = true;
            privileges |= set_of(builtin_roles[i].privileges);
        }
        if (there)
            result = each(role, privileges, context);
    }
    return result;
}
