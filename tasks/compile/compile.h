/*
 * compile.h - tasks and one device's values to a batch.
 *
 * Owner: the control side. A compiler keeps scratch memory and the shared steps of one policy
 * generation; it is used by one thread. Batches may outlive their compiler's tasks, not the
 * compiler itself: shared steps are counted by it (compiler_free() with live batches waits for the
 * last batch_free()).
 *
 * A run that waits for answers. A <discover> or <read> with an output that its task uses ends the batch with
 * its step (batch.continues). When the answer is there, the control side calls compile_run() again, with the
 * same tasks, env and format and with one answer more (compile_hooks.answer). That replay begins at the first
 * task: the batch it makes holds all steps from the start, and the steps of the batches before are its first
 * ones, byte by byte, as long as env answers alike; env.random is called in the same order with the same
 * lengths, so a generator that is seeded once a session gives the same values. Logs and effects are reported
 * again from the start, too: those of the newest replay are the ones that count.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/batch.h"
#include "tasks/coap_numbers.h"
#include "tasks/expr/expr.h"
#include "tasks/model/task.h"
#include "tasks/model/task_status.h"

enum { TASK_SUMMARY_MAX = 320 };

/* What became of one task of a run at compile time. */
struct task_result {
	/* TASK_NOT_STARTED: compiled, to be sent; TASK_SUCCESS to TASK_ERROR: over already. */
	enum task_status status;
	/* What it becomes once all its steps are acknowledged: <finish> may say. */
	enum task_status final;
	char summary[TASK_SUMMARY_MAX]; /* names tag, attribute and reason; no values of secrets */
	/* Its steps in the batch, corrections not counted. A task that failed has those that were
	 * sent already: a run that waits for answers cannot take them back. */
	uint16_t first_step, n_steps;
	bool costly; /* a pattern of it has too many ways to match, for this device's values */
};

struct compiler;

struct compiler *compiler_new(const struct objects *objects, uint32_t generation);
void compiler_free(struct compiler *compiler);

/* What a device answered to a Discover or a Read. Borrowed until compile_run() returns. */
struct compile_answer {
	uint8_t code; /* response code, RFC 7252 12.1.2: 69 is 2.05 */
	int format;   /* its Content-Format, or -1: the one that was asked for */
	const uint8_t *payload;
	size_t len;
};

/* What a task changes in the inventory. */
enum compile_effect_kind {
	EFFECT_STORE_PROPERTY,  /* name and text: a setting value of the device */
	EFFECT_REMOVE_PROPERTY, /* name */
	EFFECT_JOIN,            /* name: a group */
	EFFECT_LEAVE,           /* name: a group */
	EFFECT_HISTORY,         /* name and text: an entry of the device's history */
};

/* Text is borrowed for the call, and need not end in NUL. */
struct compile_effect {
	enum compile_effect_kind kind;
	unsigned task;
	const char *name, *text;
	size_t name_len, text_len;
	bool secret; /* its text is masked wherever it is shown; of a group, its name */
};

/* A file's content. */
struct compile_file {
	const uint8_t *bytes;
	size_t len;
};

/*
 * A Security instance (OMA TS Core E.1) whose key the run made: random characters went into its resource 5 or 3. As
 * written to the device; borrowed for the call.
 */
struct compile_credential {
	uint16_t instance;
	uint32_t mode, ssid; /* resources 2 and 10; 0: not written */
	struct lwm2m_value uri, identity, server_key, key; /* 0, 3, 4 and 5; LWM2M_NONE: not written */
};

/* What a run asks of its surroundings while it is compiled. Any callback may be NULL. */
struct compile_hooks {
	void *ctx;
	/* Task number `task` of the run begins: the attributes of root "task" are asked for it
	 * from now on. */
	void (*begin)(void *ctx, unsigned task);
	/* The message of a <log>, with what is secret masked. */
	void (*log)(void *ctx, unsigned task, enum task_log_level level, const char *text,
		    size_t len);
	/*
	 * What lwm2mBootstrapConfiguration writes for a configured LwM2M server, by id or by name:
	 * a task, run in its place, that reads the variables #securityInstanceId and
	 * #serverInstanceId where the tag gives them. It must live as long as the tasks do. NULL:
	 * an error of the task; no such server is configured, or *why, which was NULL, says what
	 * else. It is borrowed for the call.
	 */
	const struct task *(*server)(void *ctx, bool by_name, const char *name, size_t len,
				     const char **why);
	/*
	 * The answer to the step that ended batch number `index` of this run, from 0; NULL while it is not there:
	 * the batch ends with that step. An answer that is no 2.05 leaves the output as it was, usually undefined.
	 */
	const struct compile_answer *(*answer)(void *ctx, unsigned index);
	/*
	 * Something that the task changes once it has succeeded: the control side keeps it until then and drops it
	 * when the task's result is TASK_ERROR, or the run ends otherwise. A property that a task stores or removes
	 * is read as sv.NAME from there on in this run; groups stay what they were.
	 */
	void (*effect)(void *ctx, const struct compile_effect *effect);
	/* The content of an <upload>, named by its resourceId: it must live until compile_run() returns. NULL when
	 * there is no such file: an error of the task. */
	const struct compile_file *(*upload)(void *ctx, const char *id, size_t len);
	/* A run that is complete has made a credential, for another server than a bootstrap server. */
	void (*credential)(void *ctx, const struct compile_credential *credential);
	/*
	 * Asked, after its credentials were told, before the Finish of a dialogue. False: the batch ends before it and
	 * continues; the replay that comes when that is due gives the rest, as after an answer.
	 */
	bool (*finish)(void *ctx);
};
void compiler_set_hooks(struct compiler *compiler, const struct compile_hooks *hooks);

/*
 * Compiles the run of one device: `tasks` in the order they run. results[i] is of tasks[i]. A
 * task whose expression fails contributes no step. Only the last Finish asked for by a task that
 * compiled is kept, as the last step of the batch; it counts to the last task with steps, so that
 * the steps of a task stand together. Behind it stand only corrections, each with its own Finish.
 * A task that fails when a part of it was sent and has changed something at the device ends the run: no
 * later task, no Finish. The tasks must outlive the compiler's last compile_run().
 * Returns the batch, or NULL when there is nothing to send; then every result says why. `format` is
 * FORMAT_TLV, FORMAT_SENML_JSON, FORMAT_SENML_CBOR or FORMAT_LWM2M_CBOR.
 */
struct batch *compile_run(struct compiler *compiler, const struct task *const *tasks,
			  unsigned n_tasks, const struct expr_env *env, enum content_format format,
			  struct task_result *results);

/* What a device asks for that wants its account as a pack. */
struct pack_request {
	enum content_format format; /* SenML CBOR, SenML JSON or LwM2M CBOR */
	const char *
		acc; /* its own bootstrap account's instances as link-format, or NULL: it did not say */
	size_t acc_len;
};

/*
 * Compiles the run to a Bootstrap-Pack (OMA Core TS 6.1.7.2): a batch with `pack` set and one step, whose
 * payload holds every write of the run.
 *
 * A pack replaces all instances of the objects it holds but the device's own account, so deleting such objects
 * is implied. `acc` is what a <discover> with an output reads, so free instances are found as in a dialogue.
 * Correction blocks, granularities, formats and error policies of a task mean nothing here. Other things a
 * pack cannot say: reads, a discover without acc, deletes of what it does not hold, a run that asks for no
 * Finish, no Server account, a write to an instance of acc. Then NULL, and the results say why: the device
 * is refused the pack and falls back to a request.
 */
struct batch *compile_pack(struct compiler *compiler, const struct task *const *tasks,
			   unsigned n_tasks, const struct expr_env *env,
			   const struct pack_request *request, struct task_result *results);

/*
 * The batch of the builder's steps, which another process compiled: as one of this compiler. NULL: there
 * are none, or no memory.
 */
struct batch_builder;
struct batch *compile_restored(struct compiler *compiler, struct batch_builder *builder,
			       uint16_t format);

/* Frees a batch (wiped: it holds keys) and lets go of its shared steps. It must not be published
 * any more. */
void batch_free(struct batch *batch);

/* What a batch takes of memory, malloc's overhead included, shared steps not; 0 for NULL. */
size_t batch_memory(const struct batch *batch);
