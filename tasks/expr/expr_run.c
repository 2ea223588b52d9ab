/*
 * expr_run.c - one evaluation: how it fails, what it may spend, the text of values.
 */
#include "tasks/expr/expr_internal.h"
#include "tasks/number.h"
#include "tasks/show.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- failures ---- */

/* The source of a node, one line, cut where it gets long. */
static const char *
node_source(const struct run *run, const struct node *node, char out[72])
{
	size_t len = node->end - node->start, n = len < 64 ? len : 60;
	const char *source = run->source + node->start;

	while (n < len && n && (source[n] & 0xc0) == 0x80)
		n--; /* not through a character */
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)source[i] < ' ' || source[i] == 0x7f ? ' ' : source[i];
	memcpy(out + n, n < len ? "..." : "", n < len ? 4 : 1);
	return out;
}

bool
expr_fail(struct run *run, enum expr_failure failure, const struct node *node, const char *format,
	  ...)
{
	char *error = run->eval->error;
	size_t size = sizeof run->eval->error, used;
	char source[72];
	va_list args;

	run->failure = failure;
	run->failed = node;
	if (run->recovering && failure <= EXPR_RECOVERABLE)
		return false;
	used = (size_t)snprintf(error, size, "%s ", node_source(run, node, source));
	va_start(args, format);
	show_into_v(error + used, size - used, format, args);
	va_end(args);
	return false;
}

/* A null where a value is needed: "sv.password is not set". */
static bool
fail_null(struct run *run, const struct node *node)
{
	switch (node->kind) {
	case NODE_SETTING:
	case NODE_SETTING_BY:
		return expr_fail(run, EXPR_NULL_ACCESS, node, "is not set");
	case NODE_ATTRIBUTE:
		if (strncmp(node->root, "cert", 4) == 0)
			return expr_fail(run, EXPR_NULL_ACCESS, node, "is not in this certificate");
		return expr_fail(run, EXPR_NULL_ACCESS, node, "is not known of this device");
	case NODE_RESOURCE:
		return expr_fail(run, EXPR_NULL_ACCESS, node, "finds no such row and column");
	default:
		return expr_fail(run, EXPR_NULL_ACCESS, node, "is null, and a value is needed");
	}
}

bool
expr_work(struct run *run, size_t bytes)
{
	assert(run->work <= EXPR_WORK_MAX);
	if (bytes <= run->work) {
		run->work -= bytes;
		return true;
	}
	run->work = 0;
	run->failure = EXPR_LIMIT;
	if (run->eval->work && *run->eval->work < EXPR_WORK_MAX)
		snprintf(run->eval->error, sizeof run->eval->error,
			 "the expressions of this run handle too much text");
	else
		snprintf(run->eval->error, sizeof run->eval->error,
			 "this expression handles more than %d bytes of text", EXPR_WORK_MAX);
	return false;
}

void *
expr_alloc(struct run *run, size_t size)
{
	void *at = expr_work(run, size) ? arena_alloc(run->eval->arena, size) : NULL;

	if (!at && run->failure != EXPR_LIMIT) {
		run->failure = EXPR_LIMIT;
		snprintf(run->eval->error, sizeof run->eval->error,
			 "out of memory for this device's values");
	}
	return at;
}

char *
expr_text_new(struct run *run, size_t len)
{
	if (len <= EXPR_TEXT_MAX)
		return expr_alloc(run, len);
	run->failure = EXPR_LIMIT;
	snprintf(run->eval->error, sizeof run->eval->error,
		 "this expression makes a text beyond %d bytes", EXPR_TEXT_MAX);
	return NULL;
}

bool
expr_want(struct run *run, const struct node *node, const struct value *value, unsigned wanted)
{
	char needs[96];

	if (expr_is(value, wanted))
		return true;
	if (value->kind == VALUE_NULL)
		return fail_null(run, node);
	return expr_fail(run, EXPR_TYPE, node, "is of kind %s, and %s is needed",
			 value_kind_name(value->kind), kinds_describe(wanted, needs));
}

/* ---- text ---- */

static bool
text_of_list(struct run *run, const struct node *node, const struct value *list, struct text *out)
{
	size_t count = list->list.count;
	struct text *parts = expr_alloc(run, (2 * count + 1) * sizeof *parts);
	struct value joined;

	if (!parts)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct value *item = &list->list.items[i];

		if (!expr_want(run, node, item, KINDS_SCALAR) ||
		    !expr_text_of(run, node, item, &parts[2 * i]))
			return false;
		parts[2 * i + 1] = (struct text){ ",", 1 };
	}
	if (!expr_join(run, parts, count ? 2 * count - 1 : 0, &joined))
		return false;
	*out = (struct text){ joined.text.at, joined.text.len };
	return true;
}

static bool
text_of_number(struct run *run, const struct value *value, struct text *out)
{
	char digits[NUMBER_TEXT_MAX + 2];
	size_t len;
	char *at;

	if (value->kind == VALUE_INTEGER) {
		len = number_format_integer(value->integer, digits);
	} else {
		len = number_format_real(value->real, digits);
		/* A double shows that it is one, "5.0": what reads it back sees the same kind. */
		if (strspn(digits, "-0123456789") == len) {
			memcpy(digits + len, ".0", 3);
			len += 2;
		}
	}
	at = expr_text_new(run, len);
	if (!at)
		return false;
	memcpy(at, digits, len);
	*out = (struct text){ at, len };
	return true;
}

bool
expr_text_of(struct run *run, const struct node *node, const struct value *value, struct text *out)
{
	switch (value->kind) {
	case VALUE_STRING:
		*out = (struct text){ value->text.at, value->text.len };
		return true;
	case VALUE_BOOLEAN:
		*out = value->boolean ? (struct text){ "true", 4 } : (struct text){ "false", 5 };
		return true;
	case VALUE_INTEGER:
	case VALUE_DOUBLE:
		return text_of_number(run, value, out);
	case VALUE_LIST:
		return text_of_list(run, node, value, out);
	case VALUE_NULL:
		return fail_null(run, node);
	case VALUE_BYTES:
		break;
	}
	return expr_fail(run, EXPR_TYPE, node, "is bytes, not text; use .hex or .base64");
}

bool
expr_join(struct run *run, const struct text *parts, size_t count, struct value *out)
{
	size_t len = 0, used = 0;
	char *at;

	for (size_t i = 0; i < count; i++)
		len += parts[i].len;
	at = expr_text_new(run, len);
	if (!at)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len)
			memcpy(at + used, parts[i].at, parts[i].len);
		used += parts[i].len;
	}
	assert(used == len);
	return expr_give_text(out, at, len);
}
