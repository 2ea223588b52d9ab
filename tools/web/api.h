/*
 * api.h - /api/v1: commands as resources (api_table.h), and what this program answers itself.
 *
 * Judged by the head alone, before a body is read: the path, who asks, whether they may, whether one of our pages sent it.
 * Then the request becomes a command with the person's name, over a connection of its own, and its answer JSON or a problem
 * (RFC 9457). One thread, the loop's. Allocates.
 */
#pragma once

#include "tools/web/console.h"

#define API_PREFIX "/api/v1"

size_t api_admit(struct console *console, struct http_request *request);
void api_handle(struct console *console, struct http_request *request);
