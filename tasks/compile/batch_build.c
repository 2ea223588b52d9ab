#include "tasks/compile/batch_build.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/compile/compile.h"

enum {
	STEP_ALIGN = 8,
	STEP_ROOM = sizeof(struct batch_step) + BATCH_OPTIONS_MAX + BATCH_PAYLOAD_MAX + STEP_ALIGN,
};

/* What stands in front of a batch: the dataplane does not see it. */
struct batch_block {
	void *owner;
	size_t size; /* of the whole block */
	struct batch batch;
};

void
batch_builder_init(struct batch_builder *builder)
{
	builder->bytes = NULL;
	builder->len = builder->capacity = 0;
	builder->n_steps = 0;
}

void
batch_builder_fini(struct batch_builder *builder)
{
	batch_builder_reset(builder);
	free(builder->bytes);
	batch_builder_init(builder);
}

void
batch_builder_rewind(struct batch_builder *builder, struct batch_mark mark)
{
	assert(mark.len <= builder->len && mark.n_steps <= builder->n_steps);
	if (builder->len > mark.len)
		explicit_bzero(builder->bytes + mark.len, builder->len - mark.len);
	builder->len = mark.len;
	builder->n_steps = mark.n_steps;
}

void
batch_builder_reset(struct batch_builder *builder)
{
	batch_builder_rewind(builder, (struct batch_mark){ 0 });
}

struct batch_mark
batch_builder_mark(const struct batch_builder *builder)
{
	return (struct batch_mark){ builder->len, builder->n_steps };
}

/* Not realloc(): it may leave the old bytes, keys among them, behind unwiped. */
static int
builder_reserve(struct batch_builder *builder)
{
	size_t capacity = 2 * builder->capacity + 2 * STEP_ROOM;
	uint8_t *grown;

	if (builder->n_steps == BATCH_STEPS_MAX || builder->len + STEP_ROOM > BATCH_BYTES_MAX)
		return -E2BIG;
	if (builder->capacity - builder->len >= STEP_ROOM)
		return 0;
	grown = malloc(capacity);
	if (!grown)
		return -ENOMEM;
	if (builder->bytes) {
		memcpy(grown, builder->bytes, builder->len);
		explicit_bzero(builder->bytes, builder->len);
		free(builder->bytes);
	}
	builder->bytes = grown;
	builder->capacity = capacity;
	return 0;
}

/* Delta and length nibbles with their extensions (RFC 7252 3.1). All our lengths are below 13. */
static uint8_t *
put_option(uint8_t *at, uint8_t *last, unsigned number, const void *value, size_t len)
{
	unsigned delta = number - *last;

	assert(delta < 13 + 256 && len < 13);
	*at++ = (uint8_t)((delta < 13 ? delta : 13) << 4 | len);
	if (delta >= 13)
		*at++ = (uint8_t)(delta - 13);
	memcpy(at, value, len);
	*last = (uint8_t)number;
	return at + len;
}

/* Unsigned options have no leading zero bytes; 0 is empty (RFC 7252 3.2). */
static uint8_t *
put_uint_option(uint8_t *at, uint8_t *last, unsigned number, unsigned value)
{
	uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };
	size_t len = value > 255 ? 2 : value > 0;

	assert(value <= UINT16_MAX);
	return put_option(at, last, number, bytes + 2 - len, len);
}

/* An id in decimal, without the cost of a formatted print. */
static uint8_t *
put_id_option(uint8_t *at, uint8_t *last, int32_t id)
{
	char digits[5];
	size_t from = sizeof digits;

	assert(id >= 0 && id <= UINT16_MAX);
	do
		digits[--from] = (char)('0' + id % 10);
	while (id /= 10);
	return put_option(at, last, COAP_OPTION_URI_PATH, digits + from, sizeof digits - from);
}

static uint8_t *
put_path_options(uint8_t *at, uint8_t *last, const struct lwm2m_path *path)
{
	const int32_t ids[] = { path->object, path->instance, path->resource,
				path->resource_instance };

	for (int i = 0; i < 4 && ids[i] >= 0; i++)
		at = put_id_option(at, last, ids[i]);
	return at;
}

static uint16_t
put_options(struct batch_step *step, const struct batch_request *request)
{
	uint8_t *at = step->bytes;

	step->last_option = 0;
	if (request->code == COAP_POST)
		at = put_option(at, &step->last_option, COAP_OPTION_URI_PATH, "bs", 2);
	else
		at = put_path_options(at, &step->last_option, &request->path);
	if (request->content_format >= 0)
		at = put_uint_option(at, &step->last_option, COAP_OPTION_CONTENT_FORMAT,
				     (unsigned)request->content_format);
	if (request->accept >= 0)
		at = put_uint_option(at, &step->last_option, COAP_OPTION_ACCEPT,
				     (unsigned)request->accept);
	assert(at - step->bytes <= BATCH_OPTIONS_MAX);
	return (uint16_t)(at - step->bytes);
}

int
batch_builder_begin(struct batch_builder *builder, const struct batch_request *request,
		    struct bytes_out *payload)
{
	int error = builder_reserve(builder);
	struct batch_step *step;

	if (error)
		return error;
	step = (struct batch_step *)(builder->bytes + builder->len);
	*step = (struct batch_step){ 0 };
	step->code = request->code;
	step->expect = request->expect;
	step->task = request->task;
	step->number = request->number;
	step->on_error = request->on_error;
	step->correction = request->correction;
	step->credential = request->credential;
	step->options_len = put_options(step, request);
	bytes_out_init(payload, step->bytes + step->options_len, BATCH_PAYLOAD_MAX);
	return 0;
}

void
batch_builder_commit(struct batch_builder *builder, const struct bytes_out *payload)
{
	struct batch_step *step = (struct batch_step *)(builder->bytes + builder->len);
	size_t size, aligned;

	assert(!payload->overflow && payload->len <= BATCH_PAYLOAD_MAX);
	assert(builder->n_steps < BATCH_STEPS_MAX); /* batch_builder_begin() was asked */
	step->payload_len = (uint32_t)payload->len;
	size = batch_step_size(step);
	aligned = (size + STEP_ALIGN - 1) / STEP_ALIGN * STEP_ALIGN;
	memset(builder->bytes + builder->len + size, 0, aligned - size);
	builder->steps[builder->n_steps++] = (struct builder_step){ .offset = builder->len };
	builder->len += aligned;
	assert(builder->len <= builder->capacity);
}

int
batch_builder_copy(struct batch_builder *builder, const struct batch_step *like,
		   const uint8_t *options, const uint8_t *payload)
{
	struct bytes_out out;
	struct batch_step *step;
	int error;

	if (like->options_len > BATCH_OPTIONS_MAX || like->payload_len > BATCH_PAYLOAD_MAX)
		return -EINVAL;
	error = builder_reserve(builder);
	if (error)
		return error;
	step = (struct batch_step *)(builder->bytes + builder->len);
	*step = *like;
	if (like->options_len)
		memcpy(step->bytes, options, like->options_len);
	bytes_out_init(&out, step->bytes + step->options_len, BATCH_PAYLOAD_MAX);
	if (like->payload_len)
		memcpy(step->bytes + step->options_len, payload, like->payload_len);
	out.len = like->payload_len;
	batch_builder_commit(builder, &out);
	return 0;
}

struct batch_step *
batch_builder_extract(struct batch_builder *builder)
{
	struct builder_step *newest = &builder->steps[builder->n_steps - 1];
	const struct batch_step *step = (struct batch_step *)(builder->bytes + newest->offset);
	struct batch_step *copy;

	assert(builder->n_steps && !newest->shared);
	copy = malloc(batch_step_size(step));
	if (!copy)
		return NULL;
	memcpy(copy, step, batch_step_size(step));
	explicit_bzero(builder->bytes + newest->offset, builder->len - newest->offset);
	builder->len = newest->offset;
	*newest = (struct builder_step){ .shared = copy };
	return copy;
}

int
batch_builder_share(struct batch_builder *builder, const struct batch_step *step)
{
	if (builder->n_steps == BATCH_STEPS_MAX)
		return -E2BIG;
	builder->steps[builder->n_steps++] = (struct builder_step){ .shared = step };
	return 0;
}

const struct batch_step *
batch_builder_step(const struct batch_builder *builder, unsigned index)
{
	const struct builder_step *step = &builder->steps[index];

	assert(index < builder->n_steps);
	return step->shared ? step->shared
			    : (const struct batch_step *)(builder->bytes + step->offset);
}

void
batch_builder_arrange(struct batch_builder *builder, const uint16_t *order, unsigned n_steps)
{
	struct builder_step arranged[BATCH_STEPS_MAX];

	assert(n_steps <= builder->n_steps);
	for (unsigned i = 0; i < n_steps; i++) {
		assert(order[i] < builder->n_steps);
		arranged[i] = builder->steps[order[i]];
	}
	memcpy(builder->steps, arranged, n_steps * sizeof *arranged);
	builder->n_steps = n_steps;
}

struct batch *
batch_builder_finish(struct batch_builder *builder, void *owner, uint32_t generation,
		     uint16_t format)
{
	/* Pointers end on a multiple of STEP_ALIGN, so the steps behind them are aligned, too. */
	size_t head = sizeof(struct batch_block) + builder->n_steps * sizeof(struct batch_step *);
	size_t size = head + builder->len;
	struct batch_block *block = malloc(size);
	uint8_t *own;

	_Static_assert(sizeof(struct batch_block) % STEP_ALIGN == 0,
		       "steps behind the pointers are aligned");
	if (!block)
		return NULL;
	block->owner = owner;
	block->size = size;
	block->batch = (struct batch){
		.generation = generation,
		.format = format,
		.n_steps = (uint16_t)builder->n_steps,
		.size = (uint32_t)size,
	};
	own = (uint8_t *)block + head;
	if (builder->len)
		memcpy(own, builder->bytes, builder->len);
	for (unsigned i = 0; i < builder->n_steps; i++) {
		const struct builder_step *step = &builder->steps[i];

		block->batch.steps[i] = step->shared
						? step->shared
						: (const struct batch_step *)(own + step->offset);
	}
	return &block->batch;
}

static struct batch_block *
block_of(const struct batch *batch)
{
	return (struct batch_block *)((uintptr_t)batch - offsetof(struct batch_block, batch));
}

void *
batch_owner(const struct batch *batch)
{
	return block_of(batch)->owner;
}

void
batch_destroy(struct batch *batch)
{
	struct batch_block *block = block_of(batch);

	explicit_bzero(block, block->size);
	free(block);
}

size_t
batch_memory(const struct batch *batch)
{
	return batch ? malloc_usable_size(block_of(batch)) + sizeof(size_t) : 0;
}
