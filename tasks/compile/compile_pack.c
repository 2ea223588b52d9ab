/*
 * A run as one Bootstrap-Pack (OMA Core TS 6.1.7.2): the group of writes takes all of it, and is encoded
 * in the end. Deletes are remembered, since what a pack holds replaces what the device has.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/compile/compile_internal.h"
#include "tasks/content/link_format.h"

enum { PACK_DELETES_MAX = 32 };

/* Objects that hold a device's bootstrap account, which alone outlives a pack: Security, OSCORE, COSE, MQTT. */
static const int32_t account_objects[] = { 0, 21, 23, 24 };

/* What the tasks so far have written. */
struct pack_mark {
	struct lwm2m_record *records;
	unsigned n_records, n_writes, n_deletes;
};

struct pack {
	const struct pack_request *request;
	struct pack_mark mark;
	int32_t deletes[PACK_DELETES_MAX]; /* objects that must be in the pack */
	unsigned n_deletes;
	char refusal[TASK_SUMMARY_MAX]; /* why there is no pack, or empty */
};

/* The run has no pack, whatever its other tasks say. */
static enum flow __attribute__((format(printf, 3, 4)))
refuse(struct run *run, const struct task_node *node, const char *format, ...)
{
	struct pack *pack = run->shared->pack;
	va_list args;

	va_start(args, format);
	vsnprintf(pack->refusal, sizeof pack->refusal, format, args);
	va_end(args);
	return run_fail(run, node, -1, "%s", pack->refusal);
}

bool
pack_begin_task(struct run *run)
{
	const struct write_group *group = &run->compiler->group;
	struct pack *pack = run->shared->pack;

	pack->mark = (struct pack_mark){ NULL, group->n_records, group->n_writes, pack->n_deletes };
	if (!group->n_records)
		return true;
	pack->mark.records =
		arena_alloc(&run->compiler->arena, group->n_records * sizeof *group->records);
	if (!pack->mark.records) {
		snprintf(run->result->summary, sizeof run->result->summary, "out of memory");
		return false;
	}
	memcpy(pack->mark.records, group->records, group->n_records * sizeof *group->records);
	return true;
}

void
pack_undo_task(struct run *run)
{
	struct write_group *group = &run->compiler->group;
	struct pack *pack = run->shared->pack;

	if (pack->mark.n_records && pack->mark.records)
		memcpy(group->records, pack->mark.records,
		       pack->mark.n_records * sizeof *group->records);
	group->n_records = pack->mark.n_records;
	group->n_writes = pack->mark.n_writes;
	pack->n_deletes = pack->mark.n_deletes;
}

/* What was written below a path is no part of the pack any more. */
static enum flow
pack_delete(struct run *run, const struct task_node *node, const struct lwm2m_path *path)
{
	struct write_group *group = &run->compiler->group;
	struct pack *pack = run->shared->pack;
	unsigned kept = 0;

	if (path->object < 0)
		return refuse(run, node, "a pack cannot delete objects that it does not hold");
	if (pack->n_deletes == PACK_DELETES_MAX)
		return refuse(run, node, "a pack takes at most %d deletes", PACK_DELETES_MAX);
	pack->deletes[pack->n_deletes++] = path->object;
	for (unsigned i = 0; i < group->n_records; i++) {
		const struct lwm2m_path *record = &group->records[i].path;

		if (record->object != path->object ||
		    (path->instance >= 0 && record->instance != path->instance))
			group->records[kept++] = group->records[i];
	}
	group->n_records = kept;
	return FLOW_NEXT;
}

/* What a device has behind a pack is its own account, and that is what acc tells. */
static enum flow
pack_discover(struct run *run, const struct task_node *node, const struct lwm2m_path *path)
{
	const struct pack_request *request = run->shared->pack->request;
	bool account = path->object < 0;
	struct value name, text;

	for (size_t i = 0; i < sizeof account_objects / sizeof *account_objects; i++)
		account |= path->object == account_objects[i];
	if (!node->target.answers || !account)
		return refuse(run, node, "a pack discovers nothing but the device's own account");
	if (!request->acc)
		return refuse(run, node, "the device did not say where its own account is (acc)");
	text = (struct value){ VALUE_STRING, .text = { request->acc, request->acc_len } };
	if (run_name(run, node, TARGET_OUTPUT, &name))
		return FLOW_FAILED;
	return run_set_var(run, &run->eval.vars, &name, &text)
		       ? FLOW_NEXT
		       : run_fail(run, node, -1, "out of memory");
}

enum flow
pack_request(struct run *run, const struct task_node *node, const struct lwm2m_path *path)
{
	if (node->tag == TAG_DISCOVER)
		return pack_discover(run, node, path);
	if (node->tag == TAG_READ)
		return refuse(run, node, "a pack reads nothing");
	return pack_delete(run, node, path);
}

static bool
holds(const struct write_group *group, int32_t object, int32_t instance)
{
	for (unsigned i = 0; i < group->n_records; i++)
		if (group->records[i].path.object == object &&
		    (instance < 0 || group->records[i].path.instance == instance))
			return true;
	return false;
}

/* A write to the device's own account; the link's index is of no use, the path is. */
static bool
holds_account(const struct write_group *group, const struct pack_request *request,
	      struct lwm2m_path *path)
{
	struct link_reader reader;
	struct link link;

	if (!request->acc)
		return false;
	link_reader_init(&reader, request->acc, request->acc_len);
	while (link_reader_next(&reader, &link) > 0) {
		*path = link.path;
		if (link.is_path && path->instance >= 0 &&
		    holds(group, path->object, path->instance))
			return true;
	}
	return false;
}

/* What can be told when all tasks have run. False: pack->refusal says why. */
static bool
check_pack(struct run *run, struct pack *pack, bool finish)
{
	const struct write_group *group = &run->compiler->group;
	struct lwm2m_path path;

	if (pack->refusal[0])
		return false;
	for (unsigned i = 0; i < pack->n_deletes; i++) {
		if (holds(group, pack->deletes[i], -1))
			continue;
		snprintf(pack->refusal, sizeof pack->refusal,
			 "a pack deletes the instances of object %d by writing others, and none is "
			 "written",
			 (int)pack->deletes[i]);
		return false;
	}
	if (!finish)
		snprintf(pack->refusal, sizeof pack->refusal,
			 "no task asks for Finish, and a pack is final");
	else if (!holds(group, 1, -1))
		snprintf(pack->refusal, sizeof pack->refusal, "a pack needs a Server account");
	else if (holds_account(group, pack->request, &path))
		snprintf(pack->refusal, sizeof pack->refusal,
			 "/%d/%d is written, which is the device's own bootstrap account",
			 (int)path.object, (int)path.instance);
	return !pack->refusal[0];
}

/* The one step: the answer itself. Returns 0 or -errno. */
static int
encode_pack(struct compiler *compiler, enum content_format format)
{
	struct write_group *group = &compiler->group;
	const struct lwm2m_path all = { -1, -1, -1, -1 };
	struct batch_request answer = {
		.code = RESPONSE_CONTENT,
		.expect = BATCH_EXPECT_FINISH,
		.number = 1,
		.path = all,
		.content_format = (int)format,
		.accept = -1,
	};
	struct bytes_out payload;
	int error = batch_builder_begin(&compiler->builder, &answer, &payload);

	if (!error)
		error = content_encode(format, &all, group->records, group->n_records, &payload);
	if (!error)
		batch_builder_commit(&compiler->builder, &payload);
	return error;
}

static struct batch *
make_pack(struct run *run, struct pack *pack, int asker)
{
	struct compiler *compiler = run->compiler;
	struct batch *batch = NULL;

	if (!check_pack(run, pack, asker >= 0))
		return NULL;
	switch (encode_pack(compiler, run->format)) {
	case 0:
		break;
	case -EMSGSIZE:
		snprintf(pack->refusal, sizeof pack->refusal, "the pack has more than %d bytes",
			 BATCH_PAYLOAD_MAX);
		return NULL;
	case -EINVAL:
		snprintf(pack->refusal, sizeof pack->refusal,
			 "the content format cannot carry these values");
		return NULL;
	default:
		snprintf(pack->refusal, sizeof pack->refusal, "out of memory");
		return NULL;
	}
	batch = batch_builder_finish(&compiler->builder, compiler, compiler->generation,
				     (uint16_t)run->format);
	if (!batch) {
		snprintf(pack->refusal, sizeof pack->refusal, "out of memory");
		return NULL;
	}
	batch->pack = true;
	compiler->holders++;
	return batch;
}

struct batch *
compile_pack(struct compiler *compiler, const struct task *const *tasks, unsigned n_tasks,
	     const struct expr_env *env, const struct pack_request *request,
	     struct task_result *results)
{
	struct pack pack = { .request = request };
	struct run_shared shared = { .pack = &pack };
	struct run run = {
		.compiler = compiler,
		.shared = &shared,
		.eval = { .env = env, .arena = &compiler->arena },
		.format = request->format,
		.task_format = -1,
		.block_format = -1,
		.final = TASK_SUCCESS,
	};
	struct batch *batch = NULL;

	n_tasks = compile_refuse_surplus(results, n_tasks);
	for (unsigned i = 0; i < n_tasks; i++)
		results[i] = (struct task_result){ 0 };
	if (request->acc && link_format_check(request->acc, request->acc_len))
		snprintf(pack.refusal, sizeof pack.refusal, "the device's acc is no link-format");
	else
		batch = make_pack(&run, &pack, compile_tasks(&run, tasks, n_tasks, results));
	if (!batch)
		compile_fail_all(results, n_tasks, pack.refusal);
	compiler->group.n_writes = compiler->group.n_records = 0;
	batch_builder_reset(&compiler->builder);
	arena_reset(&compiler->arena);
	return batch;
}
