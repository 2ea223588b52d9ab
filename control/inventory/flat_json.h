/*
 * flat_json.h - a line of JSON lines in the shape that exports have, taken apart in place.
 *
 * One object; its members are those of import.h, each at most once, in any order: texts, "groups" an array of texts,
 * "values" an object of texts or of {"value": text, "secret": truth}, "nosec" a truth value. No text of it has a backslash;
 * all of it is UTF-8 (RFC 8259). A line of any other shape, good or bad, is left as it is for a parser of all of JSON, whose
 * complaints are the better ones: what is taken here is what that one would take it for.
 *
 * Pure: allocates nothing, works in the caller's text. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flat_member {
	FLAT_ENDPOINT,
	FLAT_IDENTITY,
	FLAT_IDENTITY_HEX,
	FLAT_KEY,
	FLAT_KEY_HEX,
	FLAT_DOMAIN,
	FLAT_GROUPS, /* an item for each of them */
	FLAT_VALUES, /* the same, with its name */
	FLAT_NOSEC,  /* `truth` */
	FLAT_MEMBERS
};

/* Their names, in that order. */
extern const char *const flat_members[FLAT_MEMBERS];

/* A NUL is behind the text. */
struct flat_text {
	char *at;
	size_t len;
};

struct flat_item {
	enum flat_member member;
	bool truth; /* of a value: it is secret */
	struct flat_text name, text;
};

enum { FLAT_ITEMS_MAX = 64 };

struct flat_row {
	unsigned n;
	struct flat_item items[FLAT_ITEMS_MAX]; /* in the order of the line */
};

/* False: it is of another shape, and nothing is changed. True: NULs were put behind texts. */
bool flat_json_take(char *text, size_t len, struct flat_row *row);
