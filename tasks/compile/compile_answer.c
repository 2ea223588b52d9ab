/* Steps whose answer the steps behind them use (compile.h says how a run waits for it). */
#include <assert.h>
#include <string.h>

#include "tasks/compile/compile_internal.h"
#include "tasks/content/decode.h"
#include "tasks/content/link_format.h"

/* The answer to a Discover stays the text that it is: methods of strings read it. */
static enum flow
discovered(struct run *run, const struct task_node *node, const struct compile_answer *answer,
	   struct value *text)
{
	const char *payload = (const char *)answer->payload;

	if (answer->format >= 0 && answer->format != FORMAT_LINK)
		return run_fail(run, node, TARGET_OUTPUT,
				"the answer has content format %d and is not valid link-format",
				answer->format);
	if (!utf8_valid(payload, answer->len) || link_format_check(payload, answer->len))
		return run_fail(run, node, TARGET_OUTPUT, "the answer is not valid link-format");
	*text = (struct value){ VALUE_STRING, .text = { payload, answer->len } };
	return FLOW_NEXT;
}

/* Instances that a device was found to have, with resources that no write of this run made. */
static bool
remember_read(struct run *run, const struct lwm2m_records *records)
{
	for (size_t i = 0; i < records->count; i++) {
		struct lwm2m_path path = records->at[i].path;

		if (i && path.object == records->at[i - 1].path.object &&
		    path.instance == records->at[i - 1].path.instance)
			continue;
		path.resource = path.resource_instance = -1;
		if (!written_note(&run->shared->written, &run->compiler->arena, WRITTEN_BEFORE,
				  &path, false))
			return false;
	}
	return true;
}

/*
 * The answer to a Read, whatever its format, becomes SenML JSON: text that methods of strings read. What has
 * no resource type in the registry has the type that the format shows.
 */
static enum flow
has_read(struct run *run, const struct task_node *node, const struct lwm2m_path *path,
	 const struct compile_answer *answer, struct value *text)
{
	struct arena *arena = &run->compiler->arena;
	struct decode_input input = {
		.format = answer->format < 0 ? run->format : (enum content_format)answer->format,
		.target = *path,
		.bytes = answer->payload,
		.len = answer->len,
		.objects = run->task->objects,
	};
	struct lwm2m_records records;
	struct bytes_out out;
	uint8_t *room = arena_alloc(arena, BATCH_PAYLOAD_MAX);

	if (!room)
		return run_fail(run, node, -1, "out of memory");
	if (content_decode(&input, arena, &records))
		return run_fail(run, node, TARGET_OUTPUT,
				"the answer is not what content format %d allows",
				(int)input.format);
	if (!remember_read(run, &records))
		return run_fail(run, node, -1, "out of memory");
	bytes_out_init(&out, room, BATCH_PAYLOAD_MAX);
	if (!records.count)
		bytes_out_put(&out, "[]", 2);
	else if (senml_json_encode(path, records.at, records.count, &out))
		return run_fail(run, node, TARGET_OUTPUT, "the answer holds more than text can");
	*text = (struct value){ VALUE_STRING, .text = { (const char *)room, out.len } };
	return FLOW_NEXT;
}

/* What the answer says, as the text of the output. */
static enum flow
bind_answer(struct run *run, const struct task_node *node, const struct lwm2m_path *path,
	    const struct compile_answer *answer)
{
	struct compile_answer taken = *answer;
	struct value name, text;

	if (!taken.len)
		taken.payload = (const uint8_t *)"";
	if (taken.len > BATCH_PAYLOAD_MAX)
		return run_fail(run, node, TARGET_OUTPUT, "the answer has more than %d bytes",
				BATCH_PAYLOAD_MAX);
	if (run_name(run, node, TARGET_OUTPUT, &name) ||
	    (node->tag == TAG_DISCOVER ? discovered(run, node, &taken, &text)
				       : has_read(run, node, path, &taken, &text)))
		return FLOW_FAILED;
	return run_set_var(run, &run->eval.vars, &name, &text)
		       ? FLOW_NEXT
		       : run_fail(run, node, -1, "out of memory");
}

enum flow
run_answer(struct run *run, const struct task_node *node, const struct lwm2m_path *path)
{
	const struct compile_hooks *hooks = &run->compiler->hooks;
	struct run_shared *shared = run->shared;
	const struct compile_answer *answer = NULL;

	assert(!shared->waits && (node->tag == TAG_DISCOVER || node->tag == TAG_READ));
	if (hooks->answer)
		answer = hooks->answer(hooks->ctx, shared->answers);
	if (!answer) {
		shared->waits = true;
		return FLOW_WAIT;
	}
	shared->answers++;
	shared->sent = batch_builder_mark(&run->compiler->builder);
	return answer->code == COAP_CONTENT ? bind_answer(run, node, path, answer) : FLOW_NEXT;
}
