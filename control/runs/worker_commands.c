#include "control/runs/worker_commands.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct outbox_item {
	struct outbox_item *next;
	unsigned worker;
	struct stack_command command;
};

void
outbox_init(struct outbox_queue *outbox)
{
	*outbox = (struct outbox_queue){ .end = &outbox->first };
}

static void
drop(const struct stack_command *command)
{
	if (command->kind == STACK_BATCH && command->batch)
		batch_release(command->batch);
}

void
outbox_fini(struct outbox_queue *outbox)
{
	while (outbox->first) {
		struct outbox_item *item = outbox->first;

		outbox->first = item->next;
		drop(&item->command);
		free(item);
	}
	outbox_init(outbox);
}

int
outbox_post(struct outbox_queue *outbox, struct dataplane *dp, unsigned worker,
	    const struct stack_command *command)
{
	struct outbox_item *item;

	/* Behind others that wait: a cancel must not overtake the batch of its session. */
	if (!outbox->first && dataplane_command(dp, worker, command) == 0)
		return 0;
	item = malloc(sizeof *item);
	if (!item) {
		drop(command);
		return -ENOMEM;
	}
	*item = (struct outbox_item){ .worker = worker, .command = *command };
	assert(!*outbox->end);
	*outbox->end = item;
	outbox->end = &item->next;
	outbox->count++;
	return 0;
}

void
outbox_flush(struct outbox_queue *outbox, struct dataplane *dp)
{
	while (outbox->first) {
		struct outbox_item *item = outbox->first;

		if (dataplane_command(dp, item->worker, &item->command) < 0)
			return;
		outbox->first = item->next;
		if (!outbox->first)
			outbox->end = &outbox->first;
		assert(outbox->count);
		outbox->count--;
		free(item);
	}
}
