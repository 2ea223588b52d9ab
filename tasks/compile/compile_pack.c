/* compile_pack.c - a run as one Bootstrap-Pack (OMA Core TS 6.1.7.2), checked and encoded when all tasks have run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/compile/pack_group.h"
#include "tasks/content/link_format.h"

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

/* What can be checked when all tasks have run. False: pack->refusal says why. */
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
		.code = COAP_CONTENT,
		.expect = BATCH_EXPECT_FINISH,
		.number = 1,
		.credential = group->credential,
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
	batch->block_bytes = run->shared->block_bytes;
	compiler->holders++;
	accounts_tell(run->shared->accounts, &compiler->hooks);
	return batch;
}

struct batch *
compile_pack(struct compiler *compiler, const struct task *const *tasks, unsigned n_tasks,
	     const struct expr_env *env, const struct pack_request *request,
	     struct task_result *results)
{
	struct pack pack = { .request = request };
	struct run_shared shared = { .pack = &pack, .work = RUN_WORK_MAX };
	struct run run = {
		.compiler = compiler,
		.shared = &shared,
		.eval = { .env = env,
			  .arena = &compiler->arena,
			  .work = &shared.work,
			  .secrets = &shared.secrets.values },
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
		snprintf(pack.refusal, sizeof pack.refusal,
			 "the device's acc is not valid link-format");
	else
		batch = make_pack(&run, &pack, compile_tasks(&run, tasks, n_tasks, results));
	if (!batch)
		compile_fail_all(results, n_tasks, pack.refusal);
	compiler->group.n_writes = compiler->group.n_records = 0;
	batch_builder_reset(&compiler->builder);
	arena_reset(&compiler->arena);
	return batch;
}
