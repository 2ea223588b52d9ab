/* expr_parser.c - what a parser reports. */
#include "tasks/expr/expr_internal.h"

#include <assert.h>

/* The place of an offset of the text: it may have several lines. */
static struct place
place_at(const struct parser *p, uint32_t offset)
{
	struct place place = p->place ? *p->place : (struct place){ 0 };
	uint32_t line_start = 0;
	bool first_line = true;

	assert(!p->len || offset <= p->len);
	for (uint32_t i = 0; i < offset && i < p->len; i++) {
		if (p->text[i] != '\n')
			continue;
		line_start = i + 1;
		first_line = false;
		if (place.line)
			place.line++;
	}
	if (place.column)
		place.column = first_line ? place.column + offset : offset - line_start + 1;
	return place;
}

void
parser_error(struct parser *p, uint32_t offset, const char *format, ...)
{
	struct place place;
	va_list args;

	p->failed = true;
	if (p->quiet)
		return;
	place = place_at(p, offset);
	va_start(args, format);
	diag_add(p->diags, DIAG_ERROR, &place, format, args);
	va_end(args);
}

void *
parser_out_of_memory(struct parser *p)
{
	parser_error(p, 0, "out of memory: the expressions of this task are too large");
	p->quiet = true;
	return NULL;
}
