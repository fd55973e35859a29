/* The part of XML that Pacemaker's tools write: elements, attributes, the five entities and characters by
 * number. Text between elements is passed over, and so are comments, declarations and processing
 * instructions. Strict in what it reads: what does not nest, or ends early, is broken as a whole, for half a
 * configuration would be judged as if it were all. In place: nothing is copied. Knows no element by name. */
#include "xml.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS    " \t\r\n"
#define DEPTH_MAX 256

void xml_begin(struct xml *xml, char *text, size_t length)
{
    *xml = (struct xml){.at = text, .end = text + length};
    if (strlen(text) != length)
        xml->broken = true;
}

void xml_clear(struct xml *xml)
{
    free(xml->attributes);
    free(xml->open);
    *xml = (struct xml){.broken = true};
}

static enum xml_event broken(struct xml *xml)
{
    xml->broken = true;
    return XML_BROKEN;
}

static size_t name_length(const char *text)
{
    return strcspn(text, BLANKS "/>=<\"'");
}

/* ---- values ---------------------------------------------------------------------------------------------
 */

static char *put_utf8(char *out, unsigned long code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | (code >> 6));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | (code >> 12));
        *out++ = (char)(0x80 | ((code >> 6) & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | (code >> 18));
        *out++ = (char)(0x80 | ((code >> 12) & 0x3f));
        *out++ = (char)(0x80 | ((code >> 6) & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

/* The character that "&…;" at *in means; *in ends behind it. 0: it means none. */
static unsigned long entity(const char **in)
{
    static const struct {
        const char *text;
        unsigned long code;
    } known[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strncmp(*in, known[i].text, strlen(known[i].text)) != 0)
            continue;
        *in += strlen(known[i].text);
        return known[i].code;
    }
    if ((*in)[1] != '#')
        return 0;
    bool hex = (*in)[2] == 'x';
    const char *digits = *in + (hex ? 3 : 2);
    size_t length = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
    unsigned long code = length && length <= 8 ? strtoul(digits, NULL, hex ? 16 : 10) : 0;
    *in = digits + length + 1;
    return digits[length] == ';' && code <= 0x10ffff ? code : 0;
}

/* In place; an entity is never shorter than what it stands for. */
static bool decode(char *value)
{
    char *out = value;
    for (const char *in = value; *in;) {
        if (*in != '&') {
            *out++ = *in++;
            continue;
        }
        unsigned long code = entity(&in);
        if (!code)
            return false;
        out = put_utf8(out, code);
    }
    *out = '\0';
    return true;
}

/* ---- elements -------------------------------------------------------------------------------------------
 */

static bool add_attribute(struct xml *xml, const char *name, const char *value)
{
    if (xml->attribute_count == xml->attribute_size) {
        size_t size = xml->attribute_size ? 2 * xml->attribute_size : 16;
        struct xml_attribute *grown = reallocarray(xml->attributes, size, sizeof(*grown));
        if (!grown)
            return false;
        xml->attributes = grown;
        xml->attribute_size = size;
    }
    xml->attributes[xml->attribute_count++] = (struct xml_attribute){name, value};
    return true;
}

/* `name="value"` at xml->at, which ends behind it. */
static bool read_attribute(struct xml *xml)
{
    char *name = xml->at, *after = name + name_length(name), *value = after + strspn(after, BLANKS);
    if (after == name || *value != '=')
        return false;
    value++;
    value += strspn(value, BLANKS);
    if (*value != '"' && *value != '\'')
        return false;
    char *close = strchr(value + 1, *value);
    if (!close)
        return false;
    *after = *close = '\0';
    xml->at = close + 1;
    return !strchr(value + 1, '<') && decode(value + 1) && add_attribute(xml, name, value + 1);
}

static bool push(struct xml *xml, const char *name)
{
    if (xml->depth == xml->open_size) {
        size_t size = xml->open_size ? 2 * xml->open_size : 16;
        const char **grown = size > DEPTH_MAX ? NULL : reallocarray(xml->open, size, sizeof(*grown));
        if (!grown)
            return false;
        xml->open = grown;
        xml->open_size = size;
    }
    xml->open[xml->depth++] = name;
    return true;
}

/* Behind "<". */
static enum xml_event read_open(struct xml *xml)
{
    char *name = xml->at, *after = name + name_length(name);
    if (after == name || (xml->began && xml->depth == 0))
        return broken(xml);
    xml->at = after;
    xml->attribute_count = 0;
    for (;;) {
        xml->at += strspn(xml->at, BLANKS);
        if (*xml->at == '>' || (*xml->at == '/' && xml->at[1] == '>'))
            break;
        if (!read_attribute(xml))
            return broken(xml);
    }
    xml->closes = *xml->at == '/';
    xml->at += xml->closes ? 2 : 1;
    *after = '\0';
    xml->began = true;
    if (!push(xml, name))
        return broken(xml);
    xml->name = name;
    return XML_OPEN;
}

/* Behind "</". */
static enum xml_event read_close(struct xml *xml)
{
    char *name = xml->at, *after = name + name_length(name), *end = after + strspn(after, BLANKS);
    if (xml->depth == 0 || *end != '>')
        return broken(xml);
    *after = '\0';
    if (strcmp(name, xml->open[xml->depth - 1]) != 0)
        return broken(xml);
    xml->at = end + 1;
    xml->depth--;
    xml->name = name;
    return XML_CLOSE;
}

/* Passes over "<!-- … -->", "<![CDATA[ … ]]>", "<? … ?>" and "<! … >" at xml->at, a "<". */
static bool skip(struct xml *xml)
{
    static const char *const kinds[][2] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}, {"<!", ">"}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length = strlen(kinds[i][0]);
        if (strncmp(xml->at, kinds[i][0], length) != 0)
            continue;
        char *end = strstr(xml->at + length, kinds[i][1]);
        xml->at = end ? end + strlen(kinds[i][1]) : xml->end;
        return end;
    }
    return false;
}

enum xml_event xml_next(struct xml *xml)
{
    if (xml->broken)
        return XML_BROKEN;
    if (xml->closes) {
        xml->closes = false;
        xml->name = xml->open[--xml->depth];
        return XML_CLOSE;
    }
    for (;;) {
        char *tag = strchr(xml->at, '<');
        size_t text = tag ? (size_t)(tag - xml->at) : strlen(xml->at);
        if (xml->depth == 0 && strspn(xml->at, BLANKS) < text)
            return broken(xml); /* words outside of the document */
        if (!tag)
            return xml->began && xml->depth == 0 ? XML_END : broken(xml);
        xml->at = tag;
        if (tag[1] == '!' || tag[1] == '?') {
            if (!skip(xml))
                return broken(xml);
            continue;
        }
        xml->at += tag[1] == '/' ? 2 : 1;
        return tag[1] == '/' ? read_close(xml) : read_open(xml);
    }
}

const char *xml_get(const struct xml *xml, const char *name)
{
    for (size_t i = 0; i < xml->attribute_count; i++)
        if (strcmp(xml->attributes[i].name, name) == 0)
            return xml->attributes[i].value;
    return NULL;
}
