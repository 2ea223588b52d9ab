/*
 * ctl_request.h - a request's frame becomes a struct ctl_request, checked. Of control/socket/ alone. One thread.
 */
#pragma once

#include <jansson.h>

#include "control/socket/ctl_clients.h"

enum { CTL_ARGV = CTL_ARGUMENTS_MAX + 1 };

/* The frame's fields, which the request borrows: 0, or -1 and a sentence. Takes over the file that came with it. */
int ctl_request_read(struct ctl_client *client, const json_t *frame, struct ctl_request *request,
		     const char *argv[CTL_ARGV], const char **complaint);
