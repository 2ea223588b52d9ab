/*
 * ctl_watch.h - answers that go on: sources are asked while their clients take more (ctl_socket.h). Of control/socket/ alone.
 * One thread.
 */
#pragma once

#include "control/socket/ctl_clients.h"

/* The client watches from now on, if there is room for one more; else the answer becomes a refusal. */
void ctl_watch_begin(struct ctl_client *client, struct ctl_answer *answer);
/* The client wants something else: the watch's last answer is queued. -1 when it is too far behind. */
int ctl_watch_stop(struct ctl_client *client);
