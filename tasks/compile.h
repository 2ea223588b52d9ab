/*
 * compile.h - tasks and one device's values to a batch.
 *
 * Owner: the control side. A compiler keeps scratch memory and the shared steps of one policy
 * generation; it is used by one thread. Batches may outlive their compiler's tasks, not the
 * compiler itself: shared steps are counted by it (compiler_free() with live batches waits for the
 * last batch_free()).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/batch.h"
#include "tasks/encode.h"
#include "tasks/expr.h"
#include "tasks/task.h"

enum task_status { TASK_NOT_STARTED, TASK_IN_PROGRESS, TASK_SUCCESS, TASK_WARNING, TASK_ERROR };
const char *task_status_name(enum task_status status); /* "NotStarted", "InProgress", ... */

enum { TASK_SUMMARY_MAX = 320 };

/* What became of one task of a run at compile time. */
struct task_result {
	/* TASK_NOT_STARTED: compiled, to be sent; TASK_SUCCESS to TASK_ERROR: over already. */
	enum task_status status;
	/* What it becomes once all its steps are acknowledged: <finish> may say. */
	enum task_status final;
	char summary[TASK_SUMMARY_MAX]; /* names tag, attribute and reason; no values of secrets */
	uint16_t first_step, n_steps;   /* its steps in the batch */
};

struct compiler;

struct compiler *compiler_new(const struct objects *objects, uint32_t generation);
void compiler_free(struct compiler *compiler);

enum task_log_level {
	TASK_LOG_TRACE,
	TASK_LOG_DEBUG,
	TASK_LOG_INFO,
	TASK_LOG_WARNING,
	TASK_LOG_ERROR
};

/* What a run asks of its surroundings while it is compiled. Any callback may be NULL. */
struct compile_hooks {
	void *ctx;
	/* Task number `task` of the run begins: the attributes of root "task" are asked for it
	 * from now on. */
	void (*begin)(void *ctx, unsigned task);
	/* The message of a <log>. */
	void (*log)(void *ctx, unsigned task, enum task_log_level level, const char *text,
		    size_t len);
	/*
	 * What lwm2mBootstrapConfiguration writes for a configured LwM2M server, by id or by name:
	 * a task, run in its place, that reads the variables #securityInstanceId and
	 * #serverInstanceId where the tag gives them. It must live as long as the tasks do. NULL
	 * when no such server is configured: an error of the task.
	 */
	const struct task *(*server)(void *ctx, bool by_name, const char *name, size_t len);
};
void compiler_set_hooks(struct compiler *compiler, const struct compile_hooks *hooks);

/*
 * Compiles the run of one device: `tasks` in the order they run. results[i] tells about tasks[i]. A
 * task whose expression fails contributes no step. Only the last Finish asked for by a task that
 * compiled is kept, as the last step of the batch; it counts to the last task with steps, so that
 * the steps of a task stand together. The tasks must outlive the compiler's last compile_run().
 * Returns the batch, or NULL when there is nothing to send; then every result says why. `format` is
 * FORMAT_TLV, FORMAT_SENML_JSON, FORMAT_SENML_CBOR or FORMAT_LWM2M_CBOR.
 */
struct batch *compile_run(struct compiler *compiler, const struct task *const *tasks,
			  unsigned n_tasks, const struct expr_env *env, enum content_format format,
			  struct task_result *results);

/* Frees a batch (wiped: it holds keys) and lets go of its shared steps. It must not be published
 * any more. */
void batch_free(struct batch *batch);

/* A person's view of one step: "PUT /0/2 11542 98 bytes"; returns snprintf's count. Never shows
 * payload. */
int batch_step_format(const struct batch_step *step, char *out, size_t size);
