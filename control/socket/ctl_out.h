/*
 * ctl_out.h - what leaves for the control socket's clients: frames, queued and sent as they are
 * taken. Of control/socket/ alone.
 *
 * What a client does not take at once waits, up to a bound of its own and one of all clients together; beyond the latter
 * whoever is furthest behind loses the connection. One thread. Allocates; does not block.
 */
#pragma once

#include <jansson.h>

#include "control/socket/ctl_clients.h"

/* Sends what the client takes now; -1 when it is gone. */
int ctl_out_flush(struct ctl_client *client);
/*
 * Takes the frame. 0; -1 when the client is too far behind; -EMSGSIZE when it is too large for one; -EILSEQ when it could
 * not be made, because a text in it is no UTF-8 or there is no memory.
 */
int ctl_out_frame(struct ctl_client *client, json_t *frame);
/* Either says so in its place where the answer itself cannot be sent. */
int ctl_out_answer(struct ctl_client *client, const struct ctl_answer *answer);
int ctl_out_progress(struct ctl_client *client, const char *line);
