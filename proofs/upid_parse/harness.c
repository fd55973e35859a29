/*
 * For every text of at most TEXT_MAX - 1 bytes: it is read without undefined behaviour; it is a UPID exactly
 * where it has the form that is written below a second time; and each field is what stands between its
 * colons, so that nothing is lost or made up.
 */
#include "harness.h"

#include "proxmox/upid.h"

#define TEXT_MAX 20
#define FIELDS   8 /* UPID:NODE:PID:PSTART:STARTTIME:TYPE:ID:USER: */

static const size_t at_least[FIELDS] = {4, 1, 1, 1, 1, 1, 0, 1},
                    at_most[FIELDS] = {4, 63, 8, 10, 8, 511, 511, 511};

struct plain {
    size_t first[FIELDS], length[FIELDS];
    uint64_t number[FIELDS]; /* where it is one */
};

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_of_a_name(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

/* May the character be the one at that place of the field? */
static bool may_stand(size_t field, size_t place, char c)
{
    if (field == 0)
        return place < 4 && c == "UPID"[place];
    if (field == 1)
        return is_of_a_name(c) && (place > 0 || c != '-');
    if (field <= 4)
        return hex_value(c) >= 0;
    return (unsigned char)c > ' ' && c != 0x7f && c != '/';
}

static bool read_plainly(const char text[static TEXT_MAX], struct plain *plain)
{
    size_t field = 0, length = 0;
    uint64_t number = 0;
    char before = '\0';
    plain->first[0] = 0;
    for (size_t i = 0; i < TEXT_MAX && text[i] != '\0'; i++) {
        if (field == FIELDS) /* something behind the last colon */
            return false;
        if (text[i] == ':') {
            if (length < at_least[field] || length > at_most[field] || (field == 1 && before == '-'))
                return false;
            plain->length[field] = length;
            plain->number[field] = number;
            field++;
            if (field < FIELDS)
                plain->first[field] = i + 1;
            length = 0;
            number = 0;
        } else {
            if (!may_stand(field, length, text[i]))
                return false;
            number = number * 16 + (uint64_t)(hex_value(text[i]) & 0xf);
            length++;
        }
        before = text[i];
    }
    return field == FIELDS;
}

static bool is_field(const struct plain *plain, size_t field, const char *text, const struct upid_word *word)
{
    return word->text == text + plain->first[field] && word->length == plain->length[field];
}

void prove(void)
{
    char text[TEXT_MAX];
    struct pve_upid upid;
    struct plain plain;
    text[TEXT_MAX - 1] = '\0';

    bool good = upid_parse(text, &upid);
    CLAIM(good == read_plainly(text, &plain), "a text is a UPID exactly where it has the form of one");
    REACHED(!good);
    if (!good)
        return;
    CLAIM(is_field(&plain, 1, text, &upid.node) && is_field(&plain, 5, text, &upid.type) &&
              is_field(&plain, 6, text, &upid.id) && is_field(&plain, 7, text, &upid.user),
          "its words are what stands between the colons");
    CLAIM(upid.pid == plain.number[2] && upid.pstart == plain.number[3] && upid.starttime == plain.number[4],
          "its numbers are what stands between the colons");
    REACHED(upid.pstart >= 16);
}
