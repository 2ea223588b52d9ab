/*
 * worker_commands.h - commands to workers that found no room in their mailbox yet.
 *
 * In order, retried from the loop; a command is never lost. Owner: the service. Control thread.
 * Allocates only when a mailbox is full.
 */
#pragma once

#include "dataplane/dataplane.h"

struct waiting_command;

struct worker_commands {
	struct waiting_command *first, **end;
	unsigned count;
};

void worker_commands_init(struct worker_commands *queue);
/* Releases the batches that were to be posted. */
void worker_commands_fini(struct worker_commands *queue);

/*
 * Posts, or keeps it for worker_commands_flush(). A batch must be held once. 0, or -ENOMEM: then the batch
 * is released.
 */
int worker_commands_post(struct worker_commands *queue, struct dataplane *dp, unsigned worker,
			 const struct stack_command *command);
void worker_commands_flush(struct worker_commands *queue, struct dataplane *dp);
