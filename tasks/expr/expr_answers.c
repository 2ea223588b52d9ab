/*
 * expr_answers.c - methods that read what a device answered: the link-format of a Discover, and the SenML JSON
 * that the answer to a Read is kept as.
 *
 * They are methods of strings, since variables are text. A text that is neither is a parse error, which the ?
 * operator recovers. An object is named by its id, 0 or '0' or '/0'.
 */
#include <string.h>

#include "tasks/content/decoder.h"
#include "tasks/content/link_format.h"
#include "tasks/expr/expr_internal.h"
#include "tasks/number.h"

enum { OBJECT_SECURITY = 0, INSTANCE_MAX = 65534 };

static bool
fail_link(struct run *run)
{
	return METHOD_FAIL(run, EXPR_PARSE, "is not valid link-format");
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

/* Whether a text is link-format to its end: what would be found before that means nothing when it is not. */
static bool
check_links(struct run *run, const struct value *text)
{
	return !link_format_check(text->text.at, text->text.len) || fail_link(run);
}

/* The next instance (not its resources) of an object: 1, 0 at the end, -1 for what is not valid link-format. */
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

/* The answer to a read is kept as SenML JSON, which begins with a bracket. */
static bool
is_read(const struct value *answer)
{
	return answer->text.len && *answer->text.at == '[';
}

/* The records live in the scratch arena, which the caller frees: an evaluation may read an answer often. */
static bool
read_records(struct run *run, const struct value *answer, struct arena *scratch,
	     struct lwm2m_records *records)
{
	struct decode_input input = { FORMAT_SENML_JSON,
				      { -1, -1, -1, -1 },
				      (const uint8_t *)answer->text.at,
				      answer->text.len,
				      NULL };

	arena_init(scratch, 0);
	if (content_decode(&input, scratch, records))
		return METHOD_FAIL(run, EXPR_PARSE, "is not the answer to a read");
	return true;
}

/* A set of instance ids. */
struct instances {
	uint64_t bits[(UINT16_MAX + 1) / 64];
};

static void
add_instance(struct instances *set, int32_t instance)
{
	set->bits[instance / 64] |= UINT64_C(1) << instance % 64;
}

/* The first id from `id` on that is in the set, or is not; 65536 when there is none. */
static int64_t
next_id(const struct instances *set, int64_t id, bool in)
{
	for (; id <= UINT16_MAX; id = (id | 63) + 1) {
		uint64_t bits = (in ? set->bits[id / 64] : ~set->bits[id / 64]) >> id % 64;

		if (bits)
			return id + __builtin_ctzll(bits);
	}
	return id;
}

static bool
add_read_instances(struct run *run, const struct value *answer, int64_t object,
		   struct instances *set)
{
	struct lwm2m_records records;
	struct arena scratch;
	bool fine = read_records(run, answer, &scratch, &records);

	for (size_t i = 0; fine && i < records.count; i++)
		if (records.at[i].path.object == object)
			add_instance(set, records.at[i].path.instance);
	arena_fini(&scratch);
	return fine;
}

/* The instances of an object in an answer. */
static bool
find_instances(struct run *run, const struct value *answer, int64_t object, struct instances *set)
{
	struct link_reader reader;
	struct link link;
	int more;

	memset(set, 0, sizeof *set);
	if (!expr_work(run, sizeof *set))
		return false;
	if (is_read(answer))
		return add_read_instances(run, answer, object, set);
	link_reader_init(&reader, answer->text.at, answer->text.len);
	while ((more = next_instance(&reader, object, &link)) > 0)
		add_instance(set, link.path.instance);
	return more == 0 || fail_link(run);
}

static bool
give_id(struct run *run, int64_t id, struct value *out)
{
	char digits[NUMBER_TEXT_MAX];
	size_t len = number_format_integer(id, digits);
	char *at = expr_text_new(run, len);

	if (!at)
		return false;
	memcpy(at, digits, len);
	return expr_give_text(out, at, len);
}

/* Ascending. */
bool
answer_instances(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct instances set;
	struct value *items;
	size_t count = 0;
	int64_t object;

	if (!id_of(run, &args[1], &object) || !find_instances(run, &args[0], object, &set))
		return false;
	for (int64_t id = -1; (id = next_id(&set, id + 1, true)) <= UINT16_MAX;)
		count++;
	if (count > EXPR_LIST_MAX)
		return METHOD_FAIL(run, EXPR_LIMIT, "gives more than %d instances", EXPR_LIST_MAX);
	items = expr_alloc(run, (count + 1) * sizeof *items);
	if (!items)
		return false;
	*out = (struct value){ VALUE_LIST, .list = { items, 0 } };
	for (int64_t id = -1; (id = next_id(&set, id + 1, true)) <= UINT16_MAX;)
		if (!give_id(run, id, &items[out->list.count++]))
			return false;
	return true;
}

/* The first id, from the second argument on, that no instance has. */
bool
answer_free_instance(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	struct instances set;
	int64_t object, id = 0;

	if (!id_of(run, &args[1], &object) || (n_args > 2 && !id_of(run, &args[2], &id)) ||
	    !find_instances(run, &args[0], object, &set))
		return false;
	id = next_id(&set, id, false);
	if (id > INSTANCE_MAX)
		return METHOD_FAIL(run, EXPR_MISSING, "finds no free instance");
	return expr_give_integer(out, id);
}

/* ---- values of a read ---- */

/* As the language writes values: bytes in hex, true and false. */
static bool
give_value(struct run *run, const struct lwm2m_record *record, struct value *out)
{
	const struct lwm2m_value *value = &record->value;
	struct value bytes = { VALUE_BYTES };
	struct bytes_out text;
	char *at;

	if (value->type == LWM2M_BOOLEAN)
		return value->boolean ? expr_give_text(out, "true", 4)
				      : expr_give_text(out, "false", 5);
	if (value->type == LWM2M_STRING)
		return expr_join(run,
				 &(struct text){ (const char *)value->bytes.at, value->bytes.len },
				 1, out);
	if (value->type == LWM2M_OPAQUE) {
		bytes.text.at = (const char *)value->bytes.at;
		bytes.text.len = value->bytes.len;
		return string_encode_hex(run, &bytes, 1, out);
	}
	at = expr_text_new(run, NUMBER_TEXT_MAX);
	if (!at)
		return false;
	bytes_out_init(&text, (uint8_t *)at, NUMBER_TEXT_MAX);
	return !text_encode(record, &text) && expr_give_text(out, at, text.len);
}

/* The value at a path, '/1/0/0' or '/2/0/2/101'; null when the device gave none. */
bool
answer_value(struct run *run, const struct value *args, unsigned n_args, struct value *out)
{
	const struct value *path = &args[1];
	struct lwm2m_path wanted;
	struct lwm2m_records records;
	struct arena scratch;
	bool fine;

	*out = (struct value){ VALUE_NULL };
	if (!decode_path(path->text.at, path->text.len, &wanted) || wanted.resource < 0)
		return METHOD_FAIL(run, EXPR_ARGUMENT, "takes the path of a value, as '/1/0/0'");
	fine = read_records(run, &args[0], &scratch, &records);
	for (size_t i = 0; fine && i < records.count; i++)
		if (!memcmp(&records.at[i].path, &wanted, sizeof wanted))
			fine = give_value(run, &records.at[i], out);
	arena_fini(&scratch);
	return fine;
}

/* ---- accounts ---- */

/* The first instance of an object whose Short Server ID is the wanted one, -1 for none; null when there is none. */
static bool
find_server(struct run *run, const struct value *links, int64_t object, int32_t wanted,
	    struct value *out)
{
	struct link_reader reader;
	struct link link;

	*out = (struct value){ VALUE_NULL };
	if (!check_links(run, links))
		return false;
	link_reader_init(&reader, links->text.at, links->text.len);
	while (next_instance(&reader, object, &link) > 0)
		if (link_server_id(&link) == wanted)
			return expr_give_integer(out, link.path.instance);
	return true;
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

	*out = (struct value){ VALUE_NULL };
	if (!check_links(run, &args[0]))
		return false;
	if (args[2].text.len >= sizeof name)
		return true;
	memcpy(name, args[2].text.at, args[2].text.len);
	name[args[2].text.len] = '\0';
	link_reader_init(&reader, args[0].text.at, args[0].text.len);
	while (link_reader_next(&reader, &link) > 0) {
		/* A 1.0 device says what it is without a reference: that is "/". */
		size_t len = link.reference.at ? link.reference.len : 1;
		const char *at = link.reference.at ? link.reference.at : "/";

		len -= len > 1 && at[len - 1] == '/';
		if ((len ? len : 1) == args[1].text.len &&
		    !memcmp(len ? at : "/", args[1].text.at, args[1].text.len) &&
		    link_attribute(&link, name, &text))
			return expr_give_text(out, text.at, text.len);
	}
	return true;
}
