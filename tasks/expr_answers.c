/*
 * expr_answers.c - methods that read what a device answered: the link-format of a Discover.
 *
 * They are methods of strings, since variables are text. A text that is no link-format is a parse error, which
 * the ? operator recovers. An object is named by its id, 0 or '0' or '/0'.
 */
#include <string.h>

#include "tasks/expr_internal.h"
#include "tasks/link_format.h"
#include "tasks/number.h"

enum { OBJECT_SECURITY = 0, INSTANCE_MAX = 65534 };

static bool
fail_link(struct run *run)
{
	return METHOD_FAIL(run, EXPR_PARSE, "is no link-format");
}

/* An id of at most 65535: an integer, or its digits with or without a slash. */
static bool
id_of(struct run *run, const struct value *value, int64_t *id)
{
	const char *at = value->text.at;
	size_t len = value->kind == VALUE_STRING ? value->text.len : 0;

	*id = value->kind == VALUE_INTEGER ? value->integer : len ? 0 : -1;
	if (len > 1 && *at == '/') {
		at++;
		len--;
	}
	for (size_t i = 0; i < len; i++) {
		if (at[i] < '0' || at[i] > '9' || *id > UINT16_MAX)
			return METHOD_FAIL(run, EXPR_ARGUMENT, "takes an id, as 0 or '/0'");
		*id = 10 * *id + (at[i] - '0');
	}
	if (*id < 0 || *id > UINT16_MAX)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "takes ids from 0 to 65535");
	return true;
}

/* The next instance (not its resources) of an object: 1, 0 at the end, -1 for what is no link-format. */
static int
next_instance(struct link_reader *reader, int64_t object, struct link *link)
{
	int more;

	do
		more = link_reader_next(reader, link);
	while (more > 0 && (!link->is_path || link->path.object != object ||
			    link->path.instance < 0 || link->path.resource >= 0));
	return more;
}

static bool
add_instance(struct run *run, struct value *list, struct value *items, int32_t instance)
{
	char digits[NUMBER_TEXT_MAX];
	size_t len = number_format_unsigned((uint64_t)instance, digits);
	char *at = expr_text_new(run, len);

	if (!at)
		return false;
	if (list->list.count == EXPR_LIST_MAX)
		return METHOD_FAIL(run, EXPR_LIMIT, "gives more than %d instances", EXPR_LIST_MAX);
	memcpy(at, digits, len);
	expr_give_text(&items[list->list.count++], at, len);
	return true;
}

bool
answer_instances(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct link_reader reader;
	struct value *items;
	struct link link;
	size_t links = 1;
	int64_t object;
	int more;

	if (!id_of(run, &args[1], &object))
		return false;
	for (size_t i = 0; i < args[0].text.len; i++)
		links += args[0].text.at[i] == ',';
	items = expr_alloc(run, (links < EXPR_LIST_MAX ? links : EXPR_LIST_MAX) * sizeof *items);
	if (!items)
		return false;
	*out = (struct value){ VALUE_LIST, .list = { items, 0 } };
	link_reader_init(&reader, args[0].text.at, args[0].text.len);
	while ((more = next_instance(&reader, object, &link)) > 0)
		if (!add_instance(run, out, items, link.path.instance))
			return false;
	return more == 0 || fail_link(run);
}

/* Marks the instances that are there, and finds the first from `from` on that is not. */
bool
answer_free_instance(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	enum { BITS = 64 };
	uint64_t taken[(UINT16_MAX + 1) / BITS] = { 0 };
	struct link_reader reader;
	int64_t object, from = 0;
	struct link link;
	int more;

	if (!id_of(run, &args[1], &object) || (n_args > 2 && !id_of(run, &args[2], &from)) ||
	    !expr_work(run, sizeof taken))
		return false;
	link_reader_init(&reader, args[0].text.at, args[0].text.len);
	while ((more = next_instance(&reader, object, &link)) > 0)
		taken[link.path.instance / BITS] |= UINT64_C(1) << link.path.instance % BITS;
	if (more)
		return fail_link(run);
	while (from <= INSTANCE_MAX && taken[from / BITS] >> from % BITS & 1)
		from++;
	if (from > INSTANCE_MAX)
		return METHOD_FAIL(run, EXPR_MISSING, "finds no free instance");
	return expr_give_integer(out, from);
}

/* The first instance of an object whose Short Server ID is the wanted one, -1 for none; null when there is none. */
static bool
find_server(struct run *run, const struct value *links, int64_t object, int32_t wanted,
	    struct value *out)
{
	struct link_reader reader;
	struct link link;
	int more;

	*out = (struct value){ VALUE_NULL };
	link_reader_init(&reader, links->text.at, links->text.len);
	while ((more = next_instance(&reader, object, &link)) > 0)
		if (link_server_id(&link) == wanted)
			return expr_give_integer(out, link.path.instance);
	return more == 0 || fail_link(run);
}

/* OMA Core TS 6.1.7.3: the Security instance without a Short Server ID. */
bool
answer_bootstrap_account(struct run *run, const struct value *args, unsigned n_args,
			 struct value *out)
{
	return find_server(run, &args[0], OBJECT_SECURITY, -1, out);
}

bool
answer_instance_of_server(struct run *run, const struct value *args, unsigned n_args,
			  struct value *out)
{
	int64_t object, server;

	return id_of(run, &args[1], &object) && id_of(run, &args[2], &server) &&
	       find_server(run, &args[0], object, (int32_t)server, out);
}

/* An attribute of a link, as in .linkAttribute('/0/1', 'uri'); null when there is none. */
bool
answer_link_attribute(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	char name[64];
	struct link_reader reader;
	struct link_text text;
	struct link link;
	int more;

	*out = (struct value){ VALUE_NULL };
	if (args[2].text.len >= sizeof name)
		return true;
	memcpy(name, args[2].text.at, args[2].text.len);
	name[args[2].text.len] = '\0';
	link_reader_init(&reader, args[0].text.at, args[0].text.len);
	while ((more = link_reader_next(&reader, &link)) > 0) {
		/* A 1.0 device says what it is without a reference: that is "/". */
		size_t len = link.reference.at ? link.reference.len : 1;
		const char *at = link.reference.at ? link.reference.at : "/";

		len -= len > 1 && at[len - 1] == '/';
		if ((len ? len : 1) == args[1].text.len &&
		    !memcmp(len ? at : "/", args[1].text.at, args[1].text.len) &&
		    link_attribute(&link, name, &text))
			return expr_give_text(out, text.at, text.len);
	}
	return more == 0 || fail_link(run);
}
