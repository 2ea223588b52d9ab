#include "control/runs/worker_commands.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct waiting_command {
	struct waiting_command *next;
	unsigned worker;
	struct stack_command command;
};

void
worker_commands_init(struct worker_commands *queue)
{
	*queue = (struct worker_commands){ .end = &queue->first };
}

static void
drop(const struct stack_command *command)
{
	if (command->kind == STACK_BATCH && command->batch)
		batch_release(command->batch);
}

void
worker_commands_fini(struct worker_commands *queue)
{
	while (queue->first) {
		struct waiting_command *item = queue->first;

		queue->first = item->next;
		drop(&item->command);
		free(item);
	}
	worker_commands_init(queue);
}

int
worker_commands_post(struct worker_commands *queue, struct dataplane *dp, unsigned worker,
		     const struct stack_command *command)
{
	struct waiting_command *item;

	/* Behind others that wait: a cancel must not overtake the batch of its session. */
	if (!queue->first && dataplane_command(dp, worker, command) == 0)
		return 0;
	item = malloc(sizeof *item);
	if (!item) {
		drop(command);
		return -ENOMEM;
	}
	*item = (struct waiting_command){ .worker = worker, .command = *command };
	assert(!*queue->end);
	*queue->end = item;
	queue->end = &item->next;
	queue->count++;
	return 0;
}

void
worker_commands_flush(struct worker_commands *queue, struct dataplane *dp)
{
	while (queue->first) {
		struct waiting_command *item = queue->first;

		if (dataplane_command(dp, item->worker, &item->command) < 0)
			return;
		queue->first = item->next;
		if (!queue->first)
			queue->end = &queue->first;
		assert(queue->count);
		queue->count--;
		free(item);
	}
}
