/*
 * console.h - the console: its pages, its sessions, and the API below /api/v1.
 *
 * What is served here, in files of their own: pages (static_files.h), logins (login.h), commands (api.h). This struct is
 * what they share. One thread, the loop's, but for passwords (password_thread.h).
 */
#pragma once

#include "control/loop.h"
#include "tools/web/access.h"
#include "tools/web/command_schema.h"
#include "tools/web/exchange.h"
#include "tools/web/history.h"
#include "tools/web/jobs.h"
#include "tools/web/live.h"
#include "tools/web/login_throttle.h"
#include "tools/web/password_thread.h"
#include "tools/web/snapshot.h"
#include "tools/web/static_files.h"

struct console_settings {
	const char *folder;    /* of the pages */
	const char *libraries; /* Debian's JavaScript, /usr/share/javascript */
	const char *users_file;
	const char *proxy_header; /* NULL: none */
	uint32_t body_bytes;      /* of a request of somebody who is logged in */
	uint64_t idle_ms, whole_ms;
	bool certificates, secure;
	const char *socket;
	uint64_t command_timeout_ms;
};

struct console {
	const struct console_settings *settings;
	struct access access;
	struct login_throttle throttle;
	struct password_thread *passwords;
	struct static_files files;
	struct command_schema schema;
	json_t *openapi;
	struct exchanges *exchanges;
	struct snapshots *snapshots;
	struct history *history;
	struct live *live;
	struct jobs jobs;
};

/* The pages can be read, and everything that starting needs is there. */
bool console_check(const struct console_settings *settings, struct diag_list *diags);
/* False after adding errors. `settings`, `guard` and `snapshots` are borrowed. */
bool console_init(struct console *console, struct loop *loop, const struct console_settings *settings,
		  const struct guard *guard, struct snapshots *snapshots, struct diag_list *diags);
/* Whoever waits gets an answer. */
void console_fini(struct console *console);
void console_tick(struct console *console, uint64_t now_ms);

/* Handlers; ctx of http_server is given on by routes.c. */
void console_get_file(struct console *console, struct http_request *request);
