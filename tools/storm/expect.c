#include "tools/storm/expect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum piece_kind { PIECE_BYTES, PIECE_ENDPOINT, PIECE_ENDPOINT_HEX };

struct expect_piece {
	enum piece_kind kind;
	uint32_t offset, len; /* in the line's bytes */
};

static int
refuse(char error[EXPECT_ERROR_MAX], const char *what, const char *line)
{
	snprintf(error, EXPECT_ERROR_MAX, "%s: \"%.80s\"", what, line);
	return -1;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct expect_piece *
add_piece(struct expect_line *line, enum piece_kind kind, uint32_t offset)
{
	struct expect_piece *piece = &line->pieces[line->n_pieces++];

	*piece = (struct expect_piece){ .kind = kind, .offset = offset };
	return piece;
}

/*
 * One element of a payload at `at`: two hex digits or a name in braces; how much was read, 0 when
 * it is neither.
 */
static size_t
parse_element(struct expect_line *line, const char *at, uint32_t *used)
{
	struct expect_piece *last = line->n_pieces ? &line->pieces[line->n_pieces - 1] : NULL;

	if (strncmp(at, "{ep}", 4) == 0) {
		add_piece(line, PIECE_ENDPOINT, 0);
		return 4;
	}
	if (strncmp(at, "{hex:ep}", 8) == 0) {
		add_piece(line, PIECE_ENDPOINT_HEX, 0);
		return 8;
	}
	if (hex_digit(at[0]) < 0 || hex_digit(at[1]) < 0)
		return 0;
	if (!last || last->kind != PIECE_BYTES)
		last = add_piece(line, PIECE_BYTES, *used);
	line->bytes[(*used)++] = (uint8_t)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
	last->len++;
	return 2;
}

static int
parse_payload(struct expect_line *line, const char *text, char error[EXPECT_ERROR_MAX])
{
	size_t len = strlen(text), n;
	uint32_t used = 0;

	if (strcmp(text, "*") == 0) {
		line->any = true;
		return 0;
	}
	/* Two characters a byte, and no piece is shorter than that. */
	line->bytes = calloc(len / 2 + 1, 1);
	line->pieces = calloc(len / 2 + 1, sizeof *line->pieces);
	if (!line->bytes || !line->pieces)
		return refuse(error, "out of memory", text);
	for (const char *at = text; *at; at += n) {
		n = parse_element(line, at, &used);
		if (n == 0)
			return refuse(error, "neither hex digits nor {ep} nor {hex:ep}", at);
	}
	return 0;
}

int
expect_parse(struct expect *expect, const char *text, char error[EXPECT_ERROR_MAX])
{
	struct expect_line *line = &expect->lines[expect->n];
	size_t len = strcspn(text, "= \t");
	const char *path = text;

	if (*text == '\0' || *text == '#')
		return 0;
	if (expect->n == EXPECT_MAX)
		return refuse(error, "more than 64 operations", text);
	memset(line, 0, sizeof *line);
	if (*path == '-') {
		line->deletes = true;
		path++;
		len--;
	}
	if (*path != '/' || len >= sizeof line->path)
		return refuse(error, "no path like /0/1", text);
	memcpy(line->path, path, len);
	line->path_len = (uint8_t)len;
	line->is_pack = !line->deletes && len == sizeof EXPECT_PACK - 1 &&
			memcmp(path, EXPECT_PACK, len) == 0;
	expect->n++;
	if (line->deletes)
		return path[len] ? refuse(error, "a delete has no payload", text) : 0;
	return path[len] == '=' ? parse_payload(line, path + len + 1, error)
				: refuse(error, "no '=' and payload behind the path", text);
}

int
expect_load(struct expect *expect, const char *file, char error[EXPECT_ERROR_MAX])
{
	FILE *stream = fopen(file, "re");
	char *line = NULL, reason[EXPECT_ERROR_MAX];
	size_t size = 0;
	unsigned number = 0;
	int rc = 0;

	expect->n = 0;
	if (!stream) {
		snprintf(error, EXPECT_ERROR_MAX, "%s: %s", file, strerror(errno));
		return -1;
	}
	while (rc == 0 && getline(&line, &size, stream) >= 0) {
		line[strcspn(line, "\r\n")] = '\0';
		number++;
		rc = expect_parse(expect, line, reason);
	}
	if (rc < 0)
		snprintf(error, EXPECT_ERROR_MAX, "%s:%u: %.150s", file, number, reason);
	free(line);
	fclose(stream);
	return rc;
}

void
expect_free(struct expect *expect)
{
	for (unsigned i = 0; i < expect->n; i++) {
		free(expect->lines[i].bytes);
		free(expect->lines[i].pieces);
	}
	expect->n = 0;
}

int
expect_find(const struct expect *expect, const char *path, size_t path_len, bool deletes)
{
	for (unsigned i = 0; i < expect->n; i++) {
		const struct expect_line *line = &expect->lines[i];

		if (line->deletes == deletes && line->path_len == path_len &&
		    memcmp(line->path, path, path_len) == 0)
			return (int)i;
	}
	return -1;
}

/* The byte at `at` of a piece. */
static uint8_t
piece_byte(const struct expect_line *line, const struct expect_piece *piece, const char *endpoint,
	   size_t at)
{
	static const char digits[] = "0123456789abcdef";

	if (piece->kind == PIECE_BYTES)
		return line->bytes[piece->offset + at];
	if (piece->kind == PIECE_ENDPOINT)
		return (uint8_t)endpoint[at];
	return (uint8_t)digits[(uint8_t)endpoint[at / 2] >> (at % 2 ? 0 : 4) & 15];
}

static size_t
piece_len(const struct expect_piece *piece, size_t endpoint_len)
{
	return piece->kind == PIECE_BYTES      ? piece->len
	       : piece->kind == PIECE_ENDPOINT ? endpoint_len
					       : 2 * endpoint_len;
}

/* Some bytes, and where in a piece they must be found. */
struct slice {
	const uint8_t *bytes;
	size_t len, at;
};

static bool
piece_equals(const struct expect_line *line, const struct expect_piece *piece, const char *endpoint,
	     const struct slice *slice)
{
	if (piece->kind == PIECE_BYTES)
		return memcmp(line->bytes + piece->offset + slice->at, slice->bytes, slice->len) ==
		       0;
	for (size_t i = 0; i < slice->len; i++)
		if (piece_byte(line, piece, endpoint, slice->at + i) != slice->bytes[i])
			return false;
	return true;
}

bool
expect_matches(const struct expect_line *line, const char *endpoint, size_t endpoint_len,
	       const struct expect_part *part)
{
	size_t begin = 0, end = part->offset + part->len, at = part->offset;

	if (line->any)
		return true;
	for (unsigned i = 0; i < line->n_pieces; i++) {
		size_t len = piece_len(&line->pieces[i], endpoint_len);
		size_t stop = begin + len < end ? begin + len : end;

		if (at < stop) {
			const struct slice slice = { part->bytes + (at - part->offset), stop - at,
						     at - begin };

			if (!piece_equals(line, &line->pieces[i], endpoint, &slice))
				return false;
			at = stop;
		}
		begin += len;
	}
	/* `begin` is the whole payload's length now. */
	return part->last ? end == begin : end < begin;
}

uint64_t
expect_due(const struct expect *expect)
{
	uint64_t due = 0;

	for (unsigned i = 0; i < expect->n; i++)
		due |= (uint64_t)!expect->lines[i].is_pack << i;
	return due;
}
