/*
 * Point 5 of the off-proof: which hosts count as online, of how many, and is the guest's own among them. For
 * every list of at most ENTRIES entries, hosts and other things, named and not, and every set of hosts that
 * were seen before.
 */
#include "harness.h"

#include "document.h"

/* ---- the design's words, once more ---- */

static bool is_host(size_t i)
{
    return document.entries[i].type == TYPE_NODE;
}

static bool is_called(size_t i, unsigned name)
{
    return is_host(i) && document.entries[i].name == (int)name;
}

/* A list of hosts that can be read: each has a name and a status, and none is there twice. */
static bool is_readable(void)
{
    for (size_t i = 0; i < document.count; i++) {
        if (document.entries[i].type == MISSING)
            return false;
        if (!is_host(i))
            continue;
        if (document.entries[i].name == MISSING || document.entries[i].status == MISSING)
            return false;
        for (size_t j = 0; j < i; j++) {
            if (is_host(j) && document.entries[i].name == document.entries[j].name)
                return false;
        }
    }
    return true;
}

static int status_of(unsigned name)
{
    for (size_t i = 0; i < document.count; i++) {
        if (is_called(i, name))
            return document.entries[i].status;
    }
    return MISSING;
}

static bool has_status(unsigned name, int status)
{
    return status_of(name) == status;
}

/* A host and nobody else. */
static unsigned how_many(bool (*which)(unsigned name))
{
    unsigned count = 0;
    for (unsigned name = 0; name < NAMES; name++)
        count += which(name);
    return count;
}

static bool is_listed(unsigned name)
{
    return status_of(name) != MISSING;
}

static bool was_ever_seen(unsigned name)
{
    return is_listed(name) || remembers(name);
}

static bool is_said_online(unsigned name)
{
    return has_status(name, STATUS_ONLINE);
}

/* "online" counts. "unknown" counts in a list of two hosts and more, and alone where no other host was ever
 * seen; but not where the guest's host is the only one online. */
static bool counts(unsigned name)
{
    bool host_alone = host >= 0 && is_said_online((unsigned)host) && how_many(is_said_online) == 1;
    if (is_said_online(name))
        return true;
    if (!has_status(name, STATUS_UNKNOWN) || host_alone)
        return false;
    return how_many(is_listed) > 1 || how_many(was_ever_seen) == 1;
}

void prove(void)
{
    struct node_census census = {.online = 77};
    document_make();

    bool read = take_census(&census);
    CLAIM(read == is_readable(), "what is no list of hosts says nothing");
    CLAIM(read || census.online == 77, "and touches nothing");
    REACHED(!read);
    if (!read)
        return;
    CLAIM(census.online == how_many(counts), "who is online is counted as the design says");
    CLAIM(census.known == how_many(was_ever_seen), "of all that were ever seen");
    CLAIM(census.host_online == (host >= 0 && counts((unsigned)host)),
          "the guest's host is online if it counts");
    CLAIM(census.other[0] == '\0' ||
              (counts((unsigned)(census.other[0] - 'a')) && census.other[0] - 'a' != host),
          "the other host is another one, and online");
    REACHED(census.host_online && census.known > census.online &&
            how_many(counts) > how_many(is_said_online));

    int wanted;
    unsigned known;
    unsigned required = nodes_required(wanted, known);
    CLAIM(wanted > 0 || (2 * (uint64_t)required > known && 2 * (uint64_t)(required - 1) <= known),
          "a majority is more than half, and no more than that");
    CLAIM(wanted <= 0 || required == (unsigned)wanted, "a number is that number");
}
