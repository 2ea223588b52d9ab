/*
 * worker_commands.h - commands to workers that found no room in their mailbox yet.
 *
 * In order, retried from the loop; a command is never lost. Owner: the service. Control thread.
 * Allocates only when a mailbox is full.
 */
#pragma once

#include "dataplane/dataplane.h"

struct outbox_item;

struct outbox_queue {
	struct outbox_item *first, **end;
	unsigned count;
};

void outbox_init(struct outbox_queue *outbox);
/* Releases the batches that were to be posted. */
void outbox_fini(struct outbox_queue *outbox);

/*
 * Posts, or keeps it for outbox_flush(). A batch must be held once. 0, or -ENOMEM: then the batch
 * is released.
 */
int outbox_post(struct outbox_queue *outbox, struct dataplane *dp, unsigned worker,
		const struct stack_command *command);
void outbox_flush(struct outbox_queue *outbox, struct dataplane *dp);
