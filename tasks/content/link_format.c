#include "tasks/content/link_format.h"

#include <errno.h>
#include <string.h>

enum { ID_MAX = UINT16_MAX };

void
link_reader_init(struct link_reader *reader, const char *text, size_t len)
{
	*reader = (struct link_reader){ text, text, text + len };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
skip_blanks(struct link_reader *reader)
{
	while (reader->at < reader->end && is_blank(*reader->at))
		reader->at++;
}

static bool
is_next(const struct link_reader *reader, char c)
{
	return reader->at < reader->end && *reader->at == c;
}

/* An id without leading zeros; -1 when it is none. */
static int32_t
read_id(const char **at, const char *end)
{
	const char *start = *at;
	int32_t id = 0;

	while (*at < end && **at >= '0' && **at <= '9' && id <= ID_MAX)
		id = 10 * id + (*(*at)++ - '0');
	if (*at == start || id > ID_MAX || (*start == '0' && *at - start > 1))
		return -1;
	return id;
}

/* "/", "/0", "/0/1" ..., each with a slash at the end if it likes. */
static bool
read_path(struct link_text reference, struct lwm2m_path *path)
{
	const char *at = reference.at, *end = at + reference.len;
	int32_t ids[4] = { -1, -1, -1, -1 };

	*path = (struct lwm2m_path){ -1, -1, -1, -1 };
	if (at == end || *at++ != '/')
		return false;
	for (int i = 0; at < end; i++) {
		ids[i < 4 ? i : 3] = read_id(&at, end);
		if (i == 4 || ids[i] < 0 || (at < end && *at++ != '/'))
			return false;
	}
	*path = (struct lwm2m_path){ ids[0], ids[1], ids[2], ids[3] };
	return true;
}

/* Characters of an attribute's name, and of a value without quotes. */
static size_t
token_len(const struct link_reader *reader)
{
	const char *at = reader->at;

	while (at < reader->end && !is_blank(*at) && !strchr(",;=\"<>", *at))
		at++;
	return (size_t)(at - reader->at);
}

/* '"' stands at reader->at. */
static bool
read_quoted(struct link_reader *reader, struct link_text *value)
{
	const char *start = ++reader->at;

	while (reader->at < reader->end && *reader->at != '"')
		reader->at += *reader->at == '\\' && reader->at + 1 < reader->end ? 2 : 1;
	if (reader->at >= reader->end)
		return false;
	*value = (struct link_text){ start, (size_t)(reader->at++ - start) };
	return true;
}

/* name, name=value, name="value" */
static bool
read_attribute(struct link_reader *reader, struct link_text *name, struct link_text *value)
{
	skip_blanks(reader);
	*name = (struct link_text){ reader->at, token_len(reader) };
	*value = (struct link_text){ reader->at, 0 };
	if (!name->len)
		return false;
	reader->at += name->len;
	if (!is_next(reader, '='))
		return true;
	reader->at++;
	if (is_next(reader, '"'))
		return read_quoted(reader, value);
	*value = (struct link_text){ reader->at, token_len(reader) };
	reader->at += value->len;
	return true;
}

/* Attributes up to the comma or the end; a link without reference begins with one. */
static bool
read_attributes(struct link_reader *reader, struct link *link, bool bare)
{
	struct link_text name, value;
	bool more = bare;

	link->attributes.at = reader->at;
	do {
		if (more && !read_attribute(reader, &name, &value))
			return false;
		link->attributes.len = (size_t)(reader->at - link->attributes.at);
		skip_blanks(reader);
		more = is_next(reader, ';');
		reader->at += more;
	} while (more);
	return reader->at == reader->end || *reader->at == ',';
}

static bool
read_reference(struct link_reader *reader, struct link *link)
{
	const char *start = ++reader->at;
	const char *close = memchr(start, '>', (size_t)(reader->end - start));

	if (!close)
		return false;
	link->reference = (struct link_text){ start, (size_t)(close - start) };
	/* What a device links to is its own, from its root on: "<html>" is none of it. */
	if (link->reference.len && *start != '/')
		return false;
	link->is_path = read_path(link->reference, &link->path);
	reader->at = close + 1;
	return true;
}

int
link_reader_next(struct link_reader *reader, struct link *link)
{
	struct link_text version;
	bool bare, first = reader->at == reader->start;

	*link = (struct link){ .path = { -1, -1, -1, -1 } };
	skip_blanks(reader);
	if (reader->at == reader->end)
		return 0;
	bare = *reader->at != '<';
	if ((!bare && !read_reference(reader, link)) || !read_attributes(reader, link, bare) ||
	    (bare && (!first || !link_attribute(link, "lwm2m", &version)))) {
		reader->at = reader->end;
		return -EBADMSG;
	}
	reader->at += reader->at < reader->end; /* the comma */
	return 1;
}

int
link_format_check(const char *text, size_t len)
{
	struct link_reader reader;
	struct link link;
	int more;

	link_reader_init(&reader, text, len);
	do
		more = link_reader_next(&reader, &link);
	while (more > 0);
	return more;
}

bool
link_attribute(const struct link *link, const char *name, struct link_text *value)
{
	const char *at = link->attributes.at;
	struct link_reader reader = { at, at, at + link->attributes.len };
	struct link_text found;

	for (skip_blanks(&reader); reader.at < reader.end; skip_blanks(&reader)) {
		reader.at += *reader.at == ';';
		if (!read_attribute(&reader, &found, value))
			return false;
		if (found.len == strlen(name) && !memcmp(found.at, name, found.len))
			return true;
	}
	return false;
}

int32_t
link_server_id(const struct link *link)
{
	struct link_text text;
	const char *at;
	int32_t id;

	if (!link_attribute(link, "ssid", &text))
		return -1;
	at = text.at;
	id = read_id(&at, text.at + text.len);
	return at == text.at + text.len && id > 0 && id < ID_MAX ? id : -1;
}
