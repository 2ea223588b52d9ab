#include "control/runs/batch_compare.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/coap_numbers.h"
#include "tasks/content/decode.h"
#include "tasks/content/describe.h"
#include "tasks/objects/key.h"

static const struct lwm2m_path nowhere = { -1, -1, -1, -1 };

/* ---- the order of operations ---- */

static int
compare_id(int32_t a, int32_t b)
{
	return a < b ? -1 : a > b;
}

static int
compare_place(const struct operation *a, const struct operation *b)
{
	int order = compare_id(a->path.object, b->path.object);

	if (!order)
		order = compare_id(a->path.instance, b->path.instance);
	if (!order)
		order = compare_id(a->path.resource, b->path.resource);
	if (!order)
		order = compare_id(a->path.resource_instance, b->path.resource_instance);
	if (!order)
		order = compare_id(a->code, b->code);
	return order ? order : compare_id(a->correction, b->correction);
}

static int
by_place(const void *a, const void *b)
{
	const struct operation *left = a, *right = b;
	int order = compare_place(left, right);

	return order ? order : compare_id((int32_t)left->order, (int32_t)right->order);
}

bool
operation_is_at(const struct operation *a, const struct operation *b)
{
	return compare_place(a, b) == 0;
}

static bool
is_bytes(enum lwm2m_type type)
{
	return type == LWM2M_STRING || type == LWM2M_OPAQUE || type == LWM2M_CORELNK;
}

static bool
same_value(const struct lwm2m_value *a, const struct lwm2m_value *b)
{
	if (a->type != b->type)
		return false;
	if (is_bytes(a->type))
		return a->bytes.len == b->bytes.len &&
		       (!a->bytes.len || memcmp(a->bytes.at, b->bytes.at, a->bytes.len) == 0);
	if (a->type == LWM2M_BOOLEAN)
		return a->boolean == b->boolean;
	if (a->type == LWM2M_OBJLNK)
		return a->link.object == b->link.object && a->link.instance == b->link.instance;
	return a->number == b->number; /* a real's bits, too */
}

/* ---- from steps to operations ---- */

/* While the operations of some steps are gathered. */
struct gathering {
	struct arena *arena;
	struct operation *at;
	size_t count, capacity;
};

static struct operation *
add(struct gathering *gathering)
{
	size_t capacity = gathering->capacity ? 2 * gathering->capacity : 32;
	struct operation *at;

	if (gathering->count < gathering->capacity)
		return &gathering->at[gathering->count++];
	at = arena_alloc(gathering->arena, capacity * sizeof *at);
	if (!at)
		return NULL;
	if (gathering->count)
		memcpy(at, gathering->at, gathering->count * sizeof *at);
	gathering->at = at;
	gathering->capacity = capacity;
	return &gathering->at[gathering->count++];
}

static int
add_operation(struct gathering *gathering, const struct operation *like)
{
	struct operation *operation = add(gathering);

	if (!operation)
		return -ENOMEM;
	*operation = *like;
	operation->order = (unsigned)gathering->count;
	return 0;
}

/* One operation for each value; of what cannot be decoded, the payload as a whole. */
static int
add_written(struct gathering *gathering, struct operation *like, const struct decode_input *input)
{
	struct lwm2m_records records = { 0 };
	int result = content_decode(input, gathering->arena, &records);

	like->code = COAP_PUT;
	if (result == -ENOMEM)
		return result;
	if (result < 0 || !records.count) {
		like->value = (struct lwm2m_value){ .type = LWM2M_OPAQUE,
						    .bytes = { input->bytes, input->len } };
		return add_operation(gathering, like);
	}
	for (size_t i = 0; i < records.count; i++) {
		like->path = records.at[i].path;
		like->value = records.at[i].value;
		if (add_operation(gathering, like) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int
add_step(struct gathering *gathering, const struct batch_step *step, const struct objects *objects)
{
	struct operation like = { .path = nowhere,
				  .code = step->code,
				  .correction = step->correction };
	struct decode_input input = { .target = nowhere,
				      .bytes = batch_step_payload(step),
				      .len = step->payload_len,
				      .objects = objects };

	if (step->expect == BATCH_EXPECT_FINISH)
		return add_operation(gathering, &like);
	batch_step_target(step, &input);
	like.path = input.target;
	if (step->payload_len)
		return add_written(gathering, &like, &input);
	return add_operation(gathering, &like);
}

/* Steps mostly go up, and so do the values in each: then there is nothing to sort. */
static bool
is_sorted(const struct gathering *gathering)
{
	for (size_t i = 1; i < gathering->count; i++)
		if (by_place(&gathering->at[i - 1], &gathering->at[i]) > 0)
			return false;
	return true;
}

/* Ascending; of those at one place the last counts. */
static void
settle(struct gathering *gathering, struct operations *operations)
{
	size_t kept = 0;

	if (!is_sorted(gathering))
		qsort(gathering->at, gathering->count, sizeof *gathering->at, by_place);
	for (size_t i = 0; i < gathering->count; i++) {
		if (kept && operation_is_at(&gathering->at[kept - 1], &gathering->at[i]))
			kept--;
		gathering->at[kept++] = gathering->at[i];
	}
	*operations = (struct operations){ gathering->at, kept };
}

/* Steps from `first` up to `end` that `skip`, which may be NULL, does not name. */
static int
gather(const struct compared_batch *from, unsigned first, unsigned end, const bool *skip,
       struct arena *arena, struct operations *operations)
{
	struct gathering gathering = { .arena = arena };

	for (unsigned i = first; i < end; i++)
		if ((!skip || !skip[i - first]) &&
		    add_step(&gathering, from->batch->steps[i], from->objects) < 0)
			return -ENOMEM;
	settle(&gathering, operations);
	return 0;
}

int
batch_operations(const struct compared_batch *batch, struct arena *arena,
		 struct operations *operations)
{
	return gather(batch, 0, batch->batch ? batch->batch->n_steps : 0, NULL, arena, operations);
}

/* ---- comparing ---- */

static bool
same_step(const struct batch_step *a, const struct batch_step *b)
{
	return a == b ||
	       (a->code == b->code && a->expect == b->expect && a->correction == b->correction &&
		a->options_len == b->options_len && a->payload_len == b->payload_len &&
		memcmp(a->bytes, b->bytes, a->options_len + (size_t)a->payload_len) == 0);
}

/* Where the steps of both begin and end to differ. */
struct middle {
	unsigned first, before_end, after_end;
	bool skip[BATCH_STEPS_MAX]; /* of as many steps in both, those that are the same */
};

static bool
find_middle(const struct batch *before, const struct batch *after, struct middle *middle)
{
	unsigned n_before = before ? before->n_steps : 0, n_after = after ? after->n_steps : 0;
	unsigned first = 0;

	while (first < n_before && first < n_after &&
	       same_step(before->steps[first], after->steps[first]))
		first++;
	while (n_before > first && n_after > first &&
	       same_step(before->steps[n_before - 1], after->steps[n_after - 1])) {
		n_before--;
		n_after--;
	}
	*middle = (struct middle){ .first = first, .before_end = n_before, .after_end = n_after };
	return n_before > first || n_after > first;
}

/* Within a middle of as many steps, a step that is the same in both says nothing new. */
static const bool *
skip_same(const struct batch *before, const struct batch *after, struct middle *middle)
{
	if (middle->before_end != middle->after_end)
		return NULL;
	for (unsigned i = middle->first; i < middle->before_end; i++)
		middle->skip[i - middle->first] = same_step(before->steps[i], after->steps[i]);
	return middle->skip;
}

static size_t
merge(const struct operations *before, const struct operations *after, struct difference *out)
{
	size_t i = 0, k = 0, n = 0;

	while (i < before->count || k < after->count) {
		const struct operation *was = i < before->count ? &before->at[i] : NULL;
		const struct operation *is = k < after->count ? &after->at[k] : NULL;
		int order = !was ? 1 : !is ? -1 : compare_place(was, is);

		if (order < 0)
			out[n++] = (struct difference){ DIFFERENCE_REMOVED, was, NULL };
		else if (order > 0)
			out[n++] = (struct difference){ DIFFERENCE_ADDED, NULL, is };
		else if (is->code == COAP_PUT && !same_value(&was->value, &is->value))
			out[n++] = (struct difference){ DIFFERENCE_CHANGED, was, is };
		i += order <= 0;
		k += order >= 0;
	}
	return n;
}

int
batch_compare(const struct compared_batch *before, const struct compared_batch *after,
	      struct arena *arena, struct difference **differences, size_t *count)
{
	struct operations was, is;
	struct middle middle;
	const bool *skip;

	*count = 0;
	*differences = NULL;
	if (!find_middle(before->batch, after->batch, &middle))
		return 0;
	skip = skip_same(before->batch, after->batch, &middle);
	if (gather(before, middle.first, middle.before_end, skip, arena, &was) < 0 ||
	    gather(after, middle.first, middle.after_end, skip, arena, &is) < 0)
		return -ENOMEM;
	*differences = arena_alloc(arena, (was.count + is.count + 1) * sizeof **differences);
	if (!*differences)
		return -ENOMEM;
	*count = merge(&was, &is, *differences);
	return 0;
}

const char *
operation_name(const struct operation *operation, char out[OPERATION_NAME_MAX])
{
	static const char *const verbs[] = { "", "ask ", "", "", "delete " };
	const char *verb = verbs[operation->code <= COAP_DELETE ? operation->code : 0];
	int len;

	if (operation->path.object < 0 && operation->code == COAP_POST) {
		snprintf(out, OPERATION_NAME_MAX, "finish");
		return out;
	}
	len = snprintf(out, OPERATION_NAME_MAX, "%s", operation->correction ? "then " : "");
	len += snprintf(out + len, OPERATION_NAME_MAX - (size_t)len, "%s", verb);
	key_path_format(&operation->path, out + len, OPERATION_NAME_MAX - (size_t)len);
	return out;
}
