/*
 * compile_internal.h - the compiler's inside, for compile*.c alone.
 *
 *	compile.c         compilers, the batch of a run
 *	compile_pack.c    the same for a Bootstrap-Pack
 *	compile_tasks.c   the tasks of a run, one after the other, and their results
 *	compile_nodes.c   executes the nodes of a task for one device
 *	compile_answer.c  steps whose answer the steps behind them use
 *	compile_effect.c  what a task changes in the inventory
 *	compile_write.c   writes to requests, and the steps that devices share
 *	written.c         what the steps so far have done to each instance
 *	pack_group.c      the writes of a Bootstrap-Pack while its tasks run
 *	accounts.c        Security instances that the run wrote, for those who want their keys
 *	compile_values.c  what attributes are for one device, and how a task fails
 */
#pragma once

#include "tasks/arena.h"
#include "tasks/compile/accounts.h"
#include "tasks/compile/batch_build.h"
#include "tasks/compile/compile.h"
#include "tasks/compile/secrets.h"
#include "tasks/compile/written.h"
#include "tasks/model/task_tree.h"
#include "tasks/utf8.h"

enum {
	GROUP_RECORDS_MAX = 1024, /* values in one request */
	RUN_NODES_MAX = 100000,   /* tags executed for one task: a bound for loops */
	RUN_TURNS_MAX = 10000,    /* of one while */
	RUN_WORK_MAX =
		32
		<< 20, /* bytes that the expressions of one run may handle: some tenths of a second */
	RUN_SERVERS_DEEP = 4, /* server definitions inside of server definitions */
	SHARED_BUCKETS = 256,
	SHARED_MAX = 4096, /* shared steps of one compiler; what comes then is not shared */
};

/* Consecutive writes that become one request. */
struct write_group {
	struct lwm2m_path target;
	enum content_format format;
	bool constant; /* no value depends on the device */
	bool credential; /* a value is an account's key that the run made */
	unsigned n_writes, n_records;
	const struct task_node *writes[GROUP_RECORDS_MAX];
	struct lwm2m_record records[GROUP_RECORDS_MAX]; /* strictly ascending by path */
};

/* A step that is the same for every device, found again by what it was made from. */
struct shared_step {
	struct shared_step *next; /* in its bucket */
	struct batch_step *step;
	struct lwm2m_path target;
	int format;
	unsigned n_writes;
	const struct task_node *writes[];
};

struct compiler {
	const struct objects *objects;
	uint32_t generation;
	unsigned holders; /* live batches, and the owner of the compiler */
	struct compile_hooks hooks;
	struct arena arena; /* of one run */
	struct batch_builder builder;
	struct write_group group;
	struct shared_step *buckets[SHARED_BUCKETS];
	unsigned n_shared;
};

/* What the tasks of a run share. */
struct run_shared {
	struct batch_mark sent; /* behind the newest step that was answered */
	unsigned answers;       /* how many were taken */
	bool waits;             /* the next answer is not there */
	bool halted;            /* a task failed half-way: nothing comes behind it */
	struct pack *pack;      /* NULL: a dialogue */
	size_t work;            /* left of RUN_WORK_MAX */
	uint16_t block_bytes;   /* the smallest that a task asks for; 0: none does */
	const struct written *written;
	const struct account_value *accounts;
	struct secrets secrets;
};

/* One task of one device's run. */
struct run {
	struct compiler *compiler;
	struct run_shared *shared;
	const struct task *task; /* whose nodes are executed: the run's, or that of a server */
	const struct task *root; /* the run's */
	struct task_result *result;
	struct expr_eval eval;
	enum content_format format; /* the run's */
	int task_format;            /* of <config>, or -1 */
	int block_format;           /* of the lwm2mBootstrap, or -1 */
	enum granularity granularity;
	bool whole_instances;         /* the lwm2mBootstrap asks for its granularity by name */
	enum batch_on_error on_error; /* of the tag that is executed */
	bool correction;              /* in a block for a refused Finish */
	bool generated;               /* random characters went into the value that is written */
	uint8_t index;                /* of the task in the run */
	uint16_t number;              /* of its newest step */
	unsigned nodes, servers;
	unsigned corrections;   /* its steps for a refused Finish */
	bool finish;            /* a block asked for Finish */
	enum task_status final; /* what <finish> says */
};

/* What to do after a node. */
enum flow {
	FLOW_NEXT,
	FLOW_END,    /* <finish>: the task is over */
	FLOW_FAILED, /* the result says why */
	FLOW_WAIT,   /* the answer to the newest step is not there yet */
};

/* Puts "attribute value of write #5 (line 9): ..." into the result; index -1 names no attribute. */
enum flow run_fail(struct run *run, const struct task_node *node, int index, const char *format,
		   ...) __attribute__((format(printf, 4, 5)));

/* An attribute's value; VALUE_NULL when it is not there or empty. */
enum flow run_value(struct run *run, const struct task_node *node, int index, struct value *value);
/* The same, but null is a failure that names the setting. */
enum flow run_needed(struct run *run, const struct task_node *node, int index, struct value *value);
/* The value out of a set of words; `otherwise` when it is not given. */
enum flow run_word(struct run *run, const struct task_node *node, int index,
		   int (*by_name)(const char *, size_t), int *value);
/* True or false; *value stays when it is not given. */
enum flow run_boolean(struct run *run, const struct task_node *node, int index, bool *value);
/* A key that a device decides. */
enum flow run_key(struct run *run, const struct task_node *node, struct key *key);

/* The value as text; null and what has no text are failures. */
enum flow run_text(struct run *run, const struct task_node *node, int index, struct value *text);
/* A text that is a name: not empty. */
enum flow run_name(struct run *run, const struct task_node *node, int index, struct value *name);
/* Sets a variable of a list: one that is there is changed, so that loops do not pile up. */
bool run_set_var(struct run *run, const struct expr_var **vars, const struct value *name,
		 const struct value *value);
/* onError of a tag; without it, that of the tag around it stays. */
enum flow run_on_error(struct run *run, const struct task_node *node, int index);

/* Masks what is secret in a text for people; *found: whether anything was. */
enum flow run_mask(struct run *run, const struct task_node *node, struct value *text, bool *found);

/* Executes a node and the ones behind it. */
enum flow run_nodes(struct run *run, const struct task_node *node);

/* Adds a <write> to the group; what does not belong to the group sends it first. */
enum flow run_write(struct run *run, const struct task_node *node);
/* The content of a file, as a write. */
enum flow run_upload(struct run *run, const struct task_node *node);
/* Makes a request of the group, if there is any. */
enum flow run_flush(struct run *run);
/* A request without payload: delete, discover, read. */
enum flow run_request(struct run *run, const struct task_node *node, const struct lwm2m_path *path);

/* The request that ends the session. Returns 0 or -errno. */
int compile_finish_step(struct compiler *compiler, uint8_t task, uint16_t number, bool correction);

/* compile_answer.c: the step of a <discover> or <read> was made; its answer goes to the variable. */
enum flow run_answer(struct run *run, const struct task_node *node, const struct lwm2m_path *path);

/* compile_effect.c: <store> of other types than var, <removeProperty>, <join>, <leave>. */
enum flow run_effect(struct run *run, const struct task_node *node);

/* compile_tasks.c: the steps of all tasks but the Finish of the run. Returns the index of the last task that asks for
 * Finish, or -1. */
int compile_tasks(struct run *run, const struct task *const *tasks, unsigned n_tasks,
		  struct task_result *results);
/* A run has at most 256 tasks: batch.h numbers them in 8 bits. Returns how many are left. */
unsigned compile_refuse_surplus(struct task_result *results, unsigned n_tasks);
/* What was to be sent has failed. */
void compile_fail_all(struct task_result *results, unsigned n_tasks, const char *reason);

/* pack_group.c: a delete, discover or read of a pack. */
enum flow pack_request(struct run *run, const struct task_node *node,
		       const struct lwm2m_path *path);
/* Remembers what the tasks so far have written; and goes back to it. */
bool pack_begin_task(struct run *run);
void pack_undo_task(struct run *run);
