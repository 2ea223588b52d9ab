/*
 * pack_group.c - the writes of a Bootstrap-Pack, while its tasks run: one group takes all of them, and deletes are
 * remembered, since what a pack holds replaces what the device has.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tasks/compile/pack_group.h"

#include "tasks/show.h"

/* Objects that hold a device's bootstrap account, which alone outlives a pack: Security, OSCORE, COSE, MQTT. */
static const int32_t account_objects[] = { 0, 21, 23, 24 };

/* The run has no pack, whatever its other tasks say. */
static enum flow __attribute__((format(printf, 3, 4)))
refuse(struct run *run, const struct task_node *node, const char *format, ...)
{
	struct pack *pack = run->shared->pack;
	va_list args;

	va_start(args, format);
	show_into_v(pack->refusal, sizeof pack->refusal, format, args);
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
		show_into(run->result->summary, sizeof run->result->summary, "out of memory");
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
	assert(pack->mark.n_writes <= group->n_writes && pack->mark.n_deletes <= pack->n_deletes);
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

/* What a device has behind a pack is its own account, and that is what acc lists. */
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
