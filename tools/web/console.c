#include "tools/web/console.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "control/clock.h"
#include "tools/web/openapi.h"

/*
 * The XML editor of the task page: libjs-codemirror, because it is Debian's, understands XML, marks places and completes
 * words, and needs no tool chain. Nothing else of Debian's is served.
 */
static const char *const libraries[] = {
	"codemirror/lib/codemirror.js",       "codemirror/lib/codemirror.css",
	"codemirror/mode/xml/xml.js",         "codemirror/addon/edit/closetag.js",
	"codemirror/addon/edit/matchtags.js", "codemirror/addon/fold/xml-fold.js",
	"codemirror/addon/hint/show-hint.js", "codemirror/addon/hint/show-hint.css",
};

/* What is not installed is not served, and all else is: metrics need no pages, and pages can do without the editor. */
static bool
is_there(const char *path, const char *remedy, struct diag_list *diags)
{
	const struct place place = { .file = path };

	if (access(path, R_OK) == 0)
		return true;
	diag_warning(diags, &place, "%s; remedy: %s", strerror(errno), remedy);
	return false;
}

static bool
load_files(struct static_files *files, const struct console_settings *settings,
	   struct diag_list *diags)
{
	bool good;

	if (!is_there(settings->folder, "console.folder names the pages of the console", diags))
		return true;
	good = static_files_add_folder(files, settings->folder, "", diags);
	for (unsigned i = 0; good && i < sizeof libraries / sizeof libraries[0]; i++) {
		char file[512], path[128];

		snprintf(file, sizeof file, "%s/%s", settings->libraries, libraries[i]);
		snprintf(path, sizeof path, "/lib/%s", libraries[i]);
		if (!is_there(file, "install libjs-codemirror", diags))
			break;
		good = static_files_add(files, file, path, diags);
	}
	return good;
}

bool
console_check(const struct console_settings *settings, struct diag_list *diags)
{
	struct static_files probe = { .count = 0 };
	struct users users;
	bool good;

	if (sodium_init() < 0)
		return false;
	good = load_files(&probe, settings, diags);
	static_files_fini(&probe);
	good &= users_load(&users, settings->users_file, diags);
	users_fini(&users);
	return good;
}

/* Whoever follows what happens must not stay after a logout. */
static bool
may_look(void *ctx, struct http_request *request, enum web_role role)
{
	struct console *console = ctx;
	struct identity identity;

	return access_identify(&console->access, request, clock_now_us() / 1000, &identity) &&
	       identity.role >= role;
}

static void
tell_point(void *ctx, json_t *point)
{
	struct console *console = ctx;

	live_tell(console->live, "overview", "history", point);
}

static bool
start(struct console *console, struct loop *loop, struct diag_list *diags)
{
	const struct place place = { .tag = "console" };
	const struct live_settings live = { console->settings->socket, may_look, console };

	console->passwords = password_thread_new(loop);
	console->exchanges = exchanges_new(loop, console->settings->socket,
					   console->settings->command_timeout_ms);
	console->history = history_new(console->snapshots);
	console->live = live_new(loop, &live);
	if (command_schema_load(&console->schema))
		console->openapi = openapi_make(&console->schema);
	if (console->passwords && console->exchanges && console->history && console->live &&
	    console->openapi) {
		history_tell(console->history, tell_point, console);
		return true;
	}
	diag_error(diags, &place, "cannot start: %s", strerror(errno));
	return false;
}

bool
console_init(struct console *console, struct loop *loop, const struct console_settings *settings,
	     const struct guard *guard, struct snapshots *snapshots, struct diag_list *diags)
{
	console->settings = settings;
	console->snapshots = snapshots;
	console->access = (struct access){ .guard = guard,
					   .users_file = settings->users_file,
					   .proxy_header = settings->proxy_header,
					   .certificates = settings->certificates,
					   .secure = settings->secure };
	if (sodium_init() < 0)
		return false;
	web_sessions_init(&console->access.sessions, settings->idle_ms, settings->whole_ms);
	login_throttle_init(&console->throttle);
	return load_files(&console->files, settings, diags) && start(console, loop, diags);
}

void
console_fini(struct console *console)
{
	live_free(console->live);
	exchanges_free(console->exchanges);
	password_thread_free(console->passwords);
	history_free(console->history);
	jobs_fini(&console->jobs);
	json_decref(console->openapi);
	command_schema_fini(&console->schema);
	static_files_fini(&console->files);
	access_fini(&console->access);
}

void
console_tick(struct console *console, uint64_t now_ms)
{
	exchanges_tick(console->exchanges, now_ms);
	history_tick(console->history, now_ms);
	live_tick(console->live, now_ms);
}

void
console_get_file(struct console *console, struct http_request *request)
{
	const struct static_file *file =
		static_files_find(&console->files, http_request_path(request));
	const char *known = http_request_header(request, "If-None-Match");
	struct http_header headers[] = { { "ETag", NULL }, { "Cache-Control", "no-cache" } };
	struct http_answer answer = {
		.status = 200, .headers = headers, .n_headers = 2, .lasting = true
	};

	if (!file) {
		http_reply_error(request, 404, "there is nothing of this name");
		return;
	}
	headers[0].value = file->etag;
	if (known && strcmp(known, file->etag) == 0) {
		answer.status = 304;
	} else {
		answer.content_type = file->content_type;
		answer.body = file->bytes;
		answer.len = file->len;
	}
	http_answer(request, &answer);
}
