/* Executes the nodes of a task for one device: control flow, variables, and the requests that
 * come of it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tasks/compile/compile_internal.h"
#include "tasks/model/write.h"
#include "tasks/show.h"

/* <store> of a variable, <defaults>: both have target and value in front. */
static enum flow
run_store(struct run *run, const struct task_node *node, const struct expr_var **vars)
{
	struct value target, text;

	if (run_name(run, node, STORE_TARGET, &target) || run_text(run, node, STORE_VALUE, &text))
		return FLOW_FAILED;
	if (!run_set_var(run, vars, &target, &text))
		return run_fail(run, node, -1, "out of memory");
	return FLOW_NEXT;
}

/* The Finish that tries again, behind the steps of a correction. */
static enum flow
finish_correction(struct run *run, const struct task_node *node)
{
	if (run->shared->pack)
		return FLOW_NEXT;
	/* One step is left for the Finish of the run. */
	if (run->compiler->builder.n_steps >= BATCH_STEPS_MAX - 1 ||
	    compile_finish_step(run->compiler, run->index, (uint16_t)(run->number + 1), true))
		return run_fail(run, node, -1, "the run has too many requests");
	run->number++;
	run->corrections++;
	return FLOW_NEXT;
}

/* A block is a unit: writes of the next one begin a new request. */
static enum flow
run_block(struct run *run, const struct task_node *node)
{
	enum flow flow = run_nodes(run, node->children);

	if (flow != FLOW_NEXT && flow != FLOW_END)
		return flow;
	if (run_flush(run))
		return FLOW_FAILED;
	if (node->correction && flow == FLOW_NEXT)
		return finish_correction(run, node);
	return flow;
}

static enum flow
run_bootstrap(struct run *run, const struct task_node *node)
{
	int format, granularity;
	bool finish = true, session = true;
	enum batch_on_error outside = run->on_error;
	enum flow flow;

	/* A pack is taken or not: there is no Finish to be refused. */
	if (node->correction && run->shared->pack)
		return FLOW_NEXT;
	if (run_boolean(run, node, BOOTSTRAP_FINISH, &finish) ||
	    run_boolean(run, node, BOOTSTRAP_SESSION, &session) ||
	    run_on_error(run, node, BOOTSTRAP_ON_ERROR) ||
	    run_word(run, node, BOOTSTRAP_GRANULARITY, granularity_by_name, &granularity) ||
	    run_word(run, node, BOOTSTRAP_FORMAT, format_by_name, &format))
		return FLOW_FAILED;
	run->whole_instances = granularity == GRANULARITY_INSTANCE;
	run->granularity = granularity < 0 ? GRANULARITY_INSTANCE : (enum granularity)granularity;
	run->block_format = format < 0 ? run->task_format : format;
	run->correction = node->correction;
	flow = run_block(run, node);
	run->on_error = outside;
	run->correction = false;
	if (flow == FLOW_NEXT && !node->correction)
		run->finish |= finish;
	return flow;
}

static enum flow
run_target(struct run *run, const struct task_node *node)
{
	struct key key = node->target.key;
	const struct lwm2m_path *path = &key.path;

	if (!node->target.known) {
		if (run_key(run, node, &key))
			return FLOW_FAILED;
		if (path->resource >= 0 || (node->tag == TAG_DISCOVER && path->instance >= 0) ||
		    (node->tag == TAG_READ && path->object < 0))
			return run_fail(run, node, TARGET_KEY, "this key is nothing that can be %s",
					node->tag == TAG_DELETE     ? "deleted"
					: node->tag == TAG_DISCOVER ? "discovered"
								    : "read");
	}
	if (run_request(run, node, path))
		return FLOW_FAILED;
	/* A pack has set the output already, if it can. */
	if (node->tag == TAG_DELETE || !node->target.answers || run->shared->pack)
		return FLOW_NEXT;
	return run_answer(run, node, path);
}

/* Objects 0 and 1 with all instances; clients keep their bootstrap account (OMA TS Core
 * 6.1.7.6). */
static enum flow
run_cleanse(struct run *run, const struct task_node *node)
{
	enum batch_on_error outside = run->on_error;

	if (run_on_error(run, node, CLEANSE_ON_ERROR))
		return FLOW_FAILED;
	for (int32_t object = 0; object <= 1; object++) {
		struct lwm2m_path path = { object, -1, -1, -1 };

		if (run_request(run, node, &path))
			return FLOW_FAILED;
	}
	run->on_error = outside;
	return FLOW_NEXT;
}

/* Gives an instance id of the tag to the server's definition. */
static enum flow
pass_instance_id(struct run *run, struct run *inner, const struct task_node *node, int index)
{
	const char *at = tag_rules[node->tag].attributes[index].name;
	struct value name = { VALUE_STRING, .text = { at, strlen(at) } }, text;

	if (!node->attributes[index].template)
		return FLOW_NEXT;
	if (run_text(run, node, index, &text))
		return FLOW_FAILED;
	if (!text.text.len || text.text.len > 5)
		return run_fail(run, node, index, "not a valid instance id");
	for (size_t i = 0; i < text.text.len; i++)
		if (text.text.at[i] < '0' || text.text.at[i] > '9')
			return run_fail(run, node, index, "not a valid instance id");
	return run_set_var(inner, &inner->eval.vars, &name, &text)
		       ? FLOW_NEXT
		       : run_fail(run, node, -1, "out of memory");
}

/* The definition's own variables are not ours, and ours are not its. */
static enum flow
run_server(struct run *run, const struct task_node *node, const struct task *server)
{
	struct run inner = *run;
	enum flow flow;

	inner.eval.vars = inner.eval.defaults = NULL;
	if (pass_instance_id(run, &inner, node, SERVER_SECURITY) ||
	    pass_instance_id(run, &inner, node, SERVER_SERVER) ||
	    run_on_error(&inner, node, SERVER_ON_ERROR))
		return FLOW_FAILED;
	inner.task = server;
	inner.servers++;
	assert(inner.servers <= RUN_SERVERS_DEEP);
	flow = run_nodes(&inner, server->root->children);
	if (flow != FLOW_FAILED && flow != FLOW_WAIT && run_flush(&inner))
		flow = FLOW_FAILED;
	run->number = inner.number;
	run->nodes = inner.nodes;
	run->corrections = inner.corrections;
	run->eval.settings = inner.eval.settings;
	run->eval.costly |= inner.eval.costly;
	if (flow == FLOW_FAILED || flow == FLOW_WAIT)
		return flow;
	return FLOW_NEXT; /* neither its Finish nor its <finish> counts: the tag never sends one */
}

static enum flow
run_configuration(struct run *run, const struct task_node *node)
{
	const struct compile_hooks *hooks = &run->compiler->hooks;
	bool by_name = node->attributes[SERVER_NAME].given;
	int index = by_name ? SERVER_NAME : SERVER_ID;
	const struct task *server = NULL;
	const char *why = NULL;
	struct value name;

	if (run_needed(run, node, index, &name))
		return FLOW_FAILED;
	if (name.kind != VALUE_STRING)
		return run_fail(run, node, index, "the value is %s, but servers are named by text",
				value_kind_name(name.kind));
	if (hooks->server)
		server = hooks->server(hooks->ctx, by_name, name.text.at, name.text.len, &why);
	if (!server && why)
		return run_fail(run, node, index, "%s", why);
	if (!server && !node->attributes[index].constant)
		return run_fail(run, node, index,
				"no LwM2M server of the computed name is configured");
	if (!server)
		return run_fail(run, node, index, "no LwM2M server \"%.*s\" is configured",
				(int)(name.text.len > 80 ? 80 : name.text.len), name.text.at);
	if (run->servers == RUN_SERVERS_DEEP)
		return run_fail(run, node, index, "server definitions refer to one another");
	/* Writes so far belong to the block before. */
	if (run_flush(run))
		return FLOW_FAILED;
	return run_server(run, node, server);
}

static enum flow
run_if(struct run *run, const struct task_node *node)
{
	bool condition = false;

	if (run_boolean(run, node, IF_EXPR, &condition))
		return FLOW_FAILED;
	if (condition)
		return run_nodes(run, node->children);
	return node->otherwise ? run_nodes(run, node->otherwise->children) : FLOW_NEXT;
}

static enum flow
run_while(struct run *run, const struct task_node *node)
{
	bool condition = false;

	for (int turn = 0; turn < RUN_TURNS_MAX; turn++) {
		enum flow flow;

		if (run_boolean(run, node, IF_EXPR, &condition))
			return FLOW_FAILED;
		if (!condition)
			return FLOW_NEXT;
		flow = run_nodes(run, node->children);
		if (flow)
			return flow;
	}
	return run_fail(run, node, IF_EXPR, "the condition still holds after %d turns",
			RUN_TURNS_MAX);
}

static enum flow
run_foreach(struct run *run, const struct task_node *node)
{
	struct value list, name = { VALUE_STRING, .text = { "i", 1 } }, text;
	const char *error;

	if (run_needed(run, node, FOREACH_LIST, &list) ||
	    (node->attributes[FOREACH_ITERATOR].template &&
	     run_needed(run, node, FOREACH_ITERATOR, &name)))
		return FLOW_FAILED;
	if (list.kind != VALUE_LIST)
		return run_fail(run, node, FOREACH_LIST,
				"the value is %s, but foreach needs a list",
				value_kind_name(list.kind));
	if (name.kind != VALUE_STRING || !name.text.len)
		return run_fail(run, node, FOREACH_ITERATOR,
				"the name of a variable is a text, and not empty");
	for (size_t i = 0; i < list.list.count; i++) {
		enum flow flow;

		if (value_text(&list.list.items[i], &run->compiler->arena, &text, &error))
			return run_fail(run, node, FOREACH_LIST, "item %zu: %s", i + 1, error);
		text.generated = list.generated;
		if (!run_set_var(run, &run->eval.vars, &name, &text))
			return run_fail(run, node, -1, "out of memory");
		flow = run_nodes(run, node->children);
		if (flow)
			return flow;
	}
	return FLOW_NEXT;
}

static enum flow
run_log(struct run *run, const struct task_node *node)
{
	const struct compile_hooks *hooks = &run->compiler->hooks;
	struct value text;
	int level;

	if (run_text(run, node, LOG_MESSAGE, &text) ||
	    run_word(run, node, LOG_LEVEL, log_level_by_name, &level) ||
	    run_mask(run, node, &text, NULL))
		return FLOW_FAILED;
	if (hooks->log)
		hooks->log(hooks->ctx, run->index,
			   level < 0 ? TASK_LOG_INFO : (enum task_log_level)level, text.text.at,
			   text.text.len);
	return FLOW_NEXT;
}

static enum flow
run_finish(struct run *run, const struct task_node *node)
{
	struct value message, text = { VALUE_STRING, .text = { "", 0 } };
	const char *error;
	int status;

	if (run_word(run, node, FINISH_STATUS, finish_status_by_name, &status) ||
	    run_value(run, node, FINISH_MESSAGE, &message))
		return FLOW_FAILED;
	if (message.kind != VALUE_NULL &&
	    value_text(&message, &run->compiler->arena, &text, &error))
		return run_fail(run, node, FINISH_MESSAGE, "%s", error);
	if (run_mask(run, node, &text, NULL))
		return FLOW_FAILED;
	run->final = (enum task_status)status;
	show_into(run->result->summary, sizeof run->result->summary, "%.*s", (int)text.text.len,
		  text.text.at);
	return FLOW_END;
}

static enum flow
run_node(struct run *run, const struct task_node *node)
{
	switch (node->tag) {
	case TAG_STORE:
		return node->store == STORE_VAR ? run_store(run, node, &run->eval.vars)
						: run_effect(run, node);
	case TAG_DEFAULTS:
		return run_store(run, node, &run->eval.defaults);
	case TAG_JOIN:
	case TAG_LEAVE:
	case TAG_REMOVE_PROPERTY:
		return run_effect(run, node);
	case TAG_BOOTSTRAP:
		return run_bootstrap(run, node);
	case TAG_WRITE:
		return run_write(run, node);
	case TAG_UPLOAD:
		return run_upload(run, node);
	case TAG_DELETE:
	case TAG_DISCOVER:
	case TAG_READ:
		return run_target(run, node);
	case TAG_CLEANSE:
		return run_cleanse(run, node);
	case TAG_CONFIGURATION:
		return run_configuration(run, node);
	case TAG_IF:
		return run_if(run, node);
	case TAG_FOREACH:
		return run_foreach(run, node);
	case TAG_WHILE:
		return run_while(run, node);
	case TAG_LOG:
		return run_log(run, node);
	case TAG_FINISH:
		return run_finish(run, node);
	default:
		/* Comments; what is refused when a task is loaded never comes here. */
		return FLOW_NEXT;
	}
}

enum flow
run_nodes(struct run *run, const struct task_node *node)
{
	for (; node; node = node->next) {
		enum flow flow;

		if (++run->nodes > RUN_NODES_MAX)
			return run_fail(run, node, -1,
					"more than %d tags were executed: a loop does not end",
					RUN_NODES_MAX);
		flow = run_node(run, node);
		if (flow)
			return flow;
	}
	return FLOW_NEXT;
}
