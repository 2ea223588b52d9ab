#include "control/inventory/flat_json.h"

#include <assert.h>
#include <string.h>

#include "tasks/utf8.h"

const char *const flat_members[FLAT_MEMBERS] = { "endpoint", "identity", "identity_hex",
						 "key",      "key_hex",  "domain",
						 "groups",   "values",   "nosec" };

/* Reading goes as far as `end`; what is not as expected ends it for good. */
struct scan {
	char *at, *end;
	unsigned seen; /* members, as bits */
	struct flat_row *row;
};

/* ---- characters ---- */

static void
skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r' || *scan->at == '\n'))
		scan->at++;
}

/* Takes the character, and blanks before it. */
static bool
take(struct scan *scan, char c)
{
	skip_blanks(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

/* A text as it stands between its quotes. */
static bool
take_text(struct scan *scan, struct flat_text *text)
{
	bool ascii = true;
	char *at;

	if (!take(scan, '"'))
		return false;
	for (at = scan->at; at < scan->end && *at != '"'; at++) {
		uint8_t byte = (uint8_t)*at;

		if (byte < ' ' || byte == '\\')
			return false;
		ascii &= byte < 0x80;
	}
	if (at == scan->end)
		return false;
	*text = (struct flat_text){ scan->at, (size_t)(at - scan->at) };
	scan->at = at + 1;
	return ascii || utf8_valid_len(text->at, text->len) == text->len;
}

static bool
is(const struct flat_text *text, const char *word)
{
	return strlen(word) == text->len && memcmp(text->at, word, text->len) == 0;
}

static bool
take_truth(struct scan *scan, bool *truth)
{
	const char *word;
	size_t len;

	skip_blanks(scan);
	*truth = scan->at < scan->end && *scan->at == 't';
	word = *truth ? "true" : "false";
	len = strlen(word);
	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
		return false;
	scan->at += len;
	return true;
}

/* ---- members ---- */

static struct flat_item *
add(struct scan *scan, enum flat_member member)
{
	struct flat_item *item = &scan->row->items[scan->row->n];

	if (scan->row->n == FLAT_ITEMS_MAX)
		return NULL;
	scan->row->n++;
	*item = (struct flat_item){ .member = member };
	return item;
}

static bool
take_groups(struct scan *scan)
{
	struct flat_item *item;

	if (!take(scan, '['))
		return false;
	if (take(scan, ']'))
		return true;
	do {
		item = add(scan, FLAT_GROUPS);
		if (!item || !take_text(scan, &item->text))
			return false;
	} while (take(scan, ','));
	return take(scan, ']');
}

/* {"value": "x", "secret": true}; behind its first brace. */
static bool
take_long_value(struct scan *scan, struct flat_item *item)
{
	bool has_value = false, has_secret = false;
	struct flat_text name;

	do {
		if (!take_text(scan, &name) || !take(scan, ':'))
			return false;
		if (!has_value && is(&name, "value")) {
			has_value = true;
			if (!take_text(scan, &item->text))
				return false;
		} else if (!has_secret && is(&name, "secret")) {
			has_secret = true;
			if (!take_truth(scan, &item->truth))
				return false;
		} else {
			return false;
		}
	} while (take(scan, ','));
	return has_value && take(scan, '}');
}

/* Two of one name are for the parser to complain of. */
static bool
is_new_name(const struct flat_row *row, const struct flat_item *item)
{
	for (const struct flat_item *other = row->items; other < item; other++)
		if (other->member == FLAT_VALUES && other->name.len == item->name.len &&
		    memcmp(other->name.at, item->name.at, item->name.len) == 0)
			return false;
	return true;
}

static bool
take_values(struct scan *scan)
{
	struct flat_item *item;

	if (!take(scan, '{'))
		return false;
	if (take(scan, '}'))
		return true;
	do {
		item = add(scan, FLAT_VALUES);
		if (!item || !take_text(scan, &item->name) || !take(scan, ':') ||
		    !is_new_name(scan->row, item))
			return false;
		if (take(scan, '{') ? !take_long_value(scan, item) : !take_text(scan, &item->text))
			return false;
	} while (take(scan, ','));
	return take(scan, '}');
}

static bool
take_member(struct scan *scan)
{
	struct flat_item *item;
	struct flat_text name;
	unsigned member = 0;

	if (!take_text(scan, &name) || !take(scan, ':'))
		return false;
	while (member < FLAT_MEMBERS && !is(&name, flat_members[member]))
		member++;
	if (member == FLAT_MEMBERS || scan->seen & 1u << member)
		return false;
	scan->seen |= 1u << member;
	if (member == FLAT_GROUPS)
		return take_groups(scan);
	if (member == FLAT_VALUES)
		return take_values(scan);
	item = add(scan, (enum flat_member)member);
	if (!item)
		return false;
	return member == FLAT_NOSEC ? take_truth(scan, &item->truth) : take_text(scan, &item->text);
}

static bool
take_object(struct scan *scan)
{
	if (!take(scan, '{'))
		return false;
	if (!take(scan, '}')) {
		do {
			if (!take_member(scan))
				return false;
		} while (take(scan, ','));
		if (!take(scan, '}'))
			return false;
	}
	skip_blanks(scan);
	return scan->at == scan->end;
}

bool
flat_json_take(char *text, size_t len, struct flat_row *row)
{
	struct scan scan = { .at = text, .end = text + len, .row = row };

	row->n = 0;
	if (!take_object(&scan))
		return false;
	for (unsigned i = 0; i < row->n; i++) {
		struct flat_item *item = &row->items[i];

		/* Each ends before a quote, which nobody needs any more. */
		if (item->text.at)
			item->text.at[item->text.len] = '\0';
		if (item->name.at)
			item->name.at[item->name.len] = '\0';
	}
	return true;
}
