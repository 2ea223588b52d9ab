#include "control/delivery/body_template.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/base64.h"
#include "tasks/utf8.h"

enum filter { FILTER_HEX, FILTER_BASE64, FILTER_UPPER, FILTER_JSON, FILTER_URL, FILTERS };

static const char *const filter_names[FILTERS] = { "hex", "base64", "upper", "json", "url" };

struct piece {
	const char *text; /* of the literal in front of the fact */
	size_t len;
	int fact; /* -1: none follows */
	unsigned n_filters;
	uint8_t filters[BODY_FILTERS_MAX];
};

struct body_template {
	unsigned n;
	struct piece pieces[BODY_PIECES_MAX];
	char text[];
};

/* ---- parsing ---- */

struct parsing {
	const char *text, *end;
	const struct place *place;
	struct diag_list *diags;
};

/* The place of a byte of the text: a file has lines, an address has not. */
static struct place
place_of(const struct parsing *parsing, const char *at)
{
	struct place place = *parsing->place;

	for (const char *c = parsing->text; place.line && c < at; c++) {
		place.column = *c == '\n' ? 1 : place.column + 1;
		place.line += *c == '\n';
	}
	return place;
}

static int
find_word(const char *const *names, unsigned n, const char *word, size_t len)
{
	for (unsigned i = 0; i < n; i++)
		if (strlen(names[i]) == len && memcmp(names[i], word, len) == 0)
			return (int)i;
	return -1;
}

static void
complain(const struct parsing *parsing, const char *at, size_t len, const char *const *names,
	 unsigned n)
{
	const struct place place = place_of(parsing, at);
	char word[48], list[256] = "";
	const char *nearest;
	size_t used = 0;

	snprintf(word, sizeof word, "%.*s", (int)(len < 40 ? len : 40), at);
	nearest = diag_nearest(word, names, n);
	for (unsigned i = 0; i < n; i++)
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
					 names[i]);
	if (nearest)
		diag_error(parsing->diags, &place, "\"%s\" is not a valid value: %s; did you mean \"%s\"?",
			   word, list, nearest);
	else
		diag_error(parsing->diags, &place, "\"%s\" is not a valid value: %s", word, list);
}

/* A word without the blanks around it, up to a '|' or the end; `at` goes behind. */
static const char *
next_word(const char **at, const char *end, size_t *len)
{
	const char *word = *at, *bar = memchr(word, '|', (size_t)(end - word));
	const char *stop = bar ? bar : end;

	*at = bar ? bar + 1 : end;
	while (word < stop && isspace((unsigned char)*word))
		word++;
	while (stop > word && isspace((unsigned char)stop[-1]))
		stop--;
	*len = (size_t)(stop - word);
	return word;
}

/* What stands between the braces. */
static void
parse_fact(const struct parsing *parsing, const char *at, const char *end, struct piece *piece)
{
	size_t len;
	const char *begin = at, *word = next_word(&at, end, &len);
	bool more = begin < at && at[-1] == '|' && at <= end;

	piece->fact = find_word(fact_names, FACTS, word, len);
	if (piece->fact < 0)
		complain(parsing, word, len, fact_names, FACTS);
	while (more) {
		int filter;

		begin = at;
		word = next_word(&at, end, &len);
		more = begin < at && at[-1] == '|';
		filter = find_word(filter_names, FILTERS, word, len);
		if (filter < 0) {
			complain(parsing, word, len, filter_names, FILTERS);
		} else if (piece->n_filters == BODY_FILTERS_MAX) {
			const struct place place = place_of(parsing, word);

			diag_error(parsing->diags, &place, "more than %d filters",
				   BODY_FILTERS_MAX);
			return;
		} else {
			piece->filters[piece->n_filters++] = (uint8_t)filter;
		}
	}
}

/* One piece from `at` on; NULL: an error that nothing can be parsed behind. */
static const char *
parse_piece(const struct parsing *parsing, const char *at, struct piece *piece)
{
	const char *open = memmem(at, (size_t)(parsing->end - at), "{{", 2);
	const char *close;
	struct place place;

	*piece = (struct piece){ .text = at, .fact = -1 };
	piece->len = (size_t)((open ? open : parsing->end) - at);
	if (!open)
		return parsing->end;
	close = memmem(open, (size_t)(parsing->end - open), "}}", 2);
	if (!close) {
		place = place_of(parsing, open);
		diag_error(parsing->diags, &place, "\"{{\" without \"}}\"");
		return NULL;
	}
	parse_fact(parsing, open + 2, close, piece);
	return close + 2;
}

struct body_template *
body_template_parse(const char *text, size_t len, const struct place *place,
		    struct diag_list *diags)
{
	struct body_template *body = NULL;
	size_t errors = diags->errors;
	struct parsing parsing = { .place = place, .diags = diags };
	const char *at;

	if (len > BODY_TEMPLATE_MAX)
		diag_error(diags, place, "longer than %d bytes", BODY_TEMPLATE_MAX);
	else if (!utf8_valid(text, len) || memchr(text, 0, len))
		diag_error(diags, place, "not valid UTF-8 text");
	else if (!(body = malloc(sizeof *body + len)))
		diag_error(diags, place, "out of memory");
	if (!body)
		return NULL;
	memcpy(body->text, text, len);
	body->n = 0;
	parsing.text = at = body->text;
	parsing.end = at + len;
	while (at && at < parsing.end) {
		if (body->n == BODY_PIECES_MAX) {
			struct place here = place_of(&parsing, at);

			diag_error(diags, &here, "more than %d values", BODY_PIECES_MAX);
			break;
		}
		at = parse_piece(&parsing, at, &body->pieces[body->n++]);
	}
	if (diags->errors == errors)
		return body;
	body_template_free(body);
	return NULL;
}

void
body_template_free(struct body_template *body)
{
	free(body);
}

bool
body_template_tells(const struct body_template *body, enum fact fact)
{
	for (unsigned i = 0; i < body->n; i++)
		if (body->pieces[i].fact == (int)fact)
			return true;
	return false;
}

/* ---- rendering ---- */

static void
put_hex(const char *bytes, size_t len, struct text *out)
{
	for (size_t i = 0; i < len; i++)
		text_printf(out, "%02x", (unsigned char)bytes[i]);
}

static void
put_base64(const char *bytes, size_t len, struct text *out)
{
	char quad[4];

	for (size_t i = 0; i < len; i += 3)
		text_put(out, quad,
			 base64_encode(BASE64_STANDARD, (const uint8_t *)bytes + i,
				       len - i < 3 ? len - i : 3, quad));
}

/* RFC 8259 7. */
static void
put_json(const char *bytes, size_t len, struct text *out)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c == '"' || c == '\\')
			text_printf(out, "\\%c", c);
		else if (c < ' ')
			text_printf(out, "\\u%04x", c);
		else
			text_put(out, bytes + i, 1);
	}
}

/* What is not "unreserved" (RFC 3986 2.3). */
static void
put_url(const char *bytes, size_t len, struct text *out)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c < 128 && (isalnum(c) || (c && strchr("-._~", c))))
			text_put(out, bytes + i, 1);
		else
			text_printf(out, "%%%02X", c);
	}
}

static void
put_upper(const char *bytes, size_t len, struct text *out)
{
	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		text_put(out, &c, 1);
	}
}

static void (*const filters[FILTERS])(const char *, size_t, struct text *) = {
	[FILTER_HEX] = put_hex,   [FILTER_BASE64] = put_base64, [FILTER_UPPER] = put_upper,
	[FILTER_JSON] = put_json, [FILTER_URL] = put_url,
};

/* The value through its filters, into `value`, which is another text each time: all of them are wiped. */
static int
put_fact(const struct piece *piece, enum body_use use, const struct facts *facts, struct text *out,
	 char error[BODY_ERROR_MAX])
{
	const char *at = facts->of[piece->fact].at;
	size_t len = at ? facts->of[piece->fact].len : 0;
	struct text value[BODY_FILTERS_MAX];
	int result = 0;

	for (unsigned i = 0; i < piece->n_filters; i++) {
		text_init(&value[i]);
		filters[piece->filters[i]](at, len, &value[i]);
		if (value[i].failed)
			result = -ENOMEM;
		at = text_str(&value[i]);
		len = value[i].len;
	}
	if (!result && len && !utf8_valid(at, len)) {
		snprintf(error, BODY_ERROR_MAX,
			 "%s has bytes that are no text here: write {{%s|hex}}",
			 fact_names[piece->fact], fact_names[piece->fact]);
		result = -EILSEQ;
	}
	if (!result)
		(use == BODY_JSON ? put_json : put_url)(at, len, out);
	for (unsigned i = 0; i < piece->n_filters; i++)
		text_fini(&value[i]);
	return result;
}

int
body_template_render(const struct body_template *body, enum body_use use, const struct facts *facts,
		     bool mask, struct text *out, char error[BODY_ERROR_MAX])
{
	for (unsigned i = 0; i < body->n; i++) {
		const struct piece *piece = &body->pieces[i];
		int result = 0;

		text_put(out, piece->text, piece->len);
		if (piece->fact >= 0 && mask && fact_is_secret((enum fact)piece->fact))
			text_put(out, "********", 8);
		else if (piece->fact >= 0)
			result = put_fact(piece, use, facts, out, error);
		if (result)
			return result;
	}
	return out->failed ? -ENOMEM : 0;
}
