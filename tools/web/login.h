/*
 * login.h - /api/v1/session: logging in, who one is, logging out.
 */
#pragma once

#include "tools/web/console.h"

enum { LOGIN_BODY_MAX = 4096 };

/* {"name": ..., "password": ...}; without a body whoever a certificate or a proxy vouches for. */
void login_begin(struct console *console, struct http_request *request);
void login_show(struct console *console, struct http_request *request);
void login_end(struct console *console, struct http_request *request);
