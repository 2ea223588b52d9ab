#include "tools/web/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/log.h"
#include "tools/web/problem.h"

/* A login whose password is being checked. */
struct attempt {
	struct console *console;
	struct http_request *request;
	struct ip_address from;
	char name[USER_NAME_MAX + 1];
};

static uint64_t
now_ms(void)
{
	return clock_now_us() / 1000;
}

static void
reply_session(struct console *console, struct http_request *request,
	      const struct identity *identity, const char *id)
{
	struct http_header header = { "Set-Cookie", NULL };
	char cookie[WEB_SESSION_ID + 96];

	if (id) {
		access_cookie(&console->access, id, cookie, sizeof cookie);
		header.value = cookie;
	}
	reply_json(request, id ? 201 : 200,
		   json_pack("{s:s, s:s, s:s*, s:s}", "name", identity->name, "role",
			     role_name(identity->role), "csrf",
			     identity->session ? identity->session->csrf : NULL, "version",
			     CRADLE_VERSION),
		   &header, id != NULL);
	explicit_bzero(cookie, sizeof cookie);
}

/* Who came with a session leaves it behind: an id that somebody put into the browser never becomes a login. */
static void
end_former(struct console *console, const struct http_request *request)
{
	struct identity former;

	if (access_identify(&console->access, request, now_ms(), &former) && former.session)
		web_sessions_end(&console->access.sessions, former.session);
}

static void
begin_session(struct console *console, struct http_request *request, struct identity *identity,
	      const char *credential)
{
	char id[WEB_SESSION_ID + 1];
	size_t len = strlen(credential);

	end_former(console, request);
	identity->session = web_sessions_begin(&console->access.sessions, identity->name,
					       identity->role, now_ms(), id);
	if (!identity->session) {
		problem_reply(request, &(struct problem){ .status = 503,
							  .retry_s = 60,
							  .detail = "too many are logged in" });
		return;
	}
	if (len > WEB_SESSION_CREDENTIAL)
		memcpy(identity->session->credential, credential + len - WEB_SESSION_CREDENTIAL,
		       WEB_SESSION_CREDENTIAL + 1);
	log_notice("%s logged in as %s", identity->name, role_name(identity->role));
	reply_session(console, request, identity, id);
	explicit_bzero(id, sizeof id);
}

/* A password for one login is gone before it is used: whoever cannot take it away does not let in. */
static bool
use_up(struct console *console, struct web_user *user)
{
	int error;

	users_remove(&console->access.users, user);
	error = users_save(&console->access.users, console->access.users_file);
	if (!error)
		return true;
	log_error("%s: cannot be written, so nobody logs in once: %s", console->access.users_file,
		  strerror(-error));
	return false;
}

static void
pass(struct attempt *attempt, struct web_user *user)
{
	struct console *console = attempt->console;
	struct identity identity = { .role = user->role };
	char credential[USER_HASH_MAX] = "";
	bool good = true;

	memcpy(identity.name, user->name, sizeof identity.name);
	if (user->kind == USER_ONCE)
		good = use_up(console, user);
	else
		memcpy(credential, user->hash, sizeof credential);
	login_throttle_passed(&console->throttle, &attempt->from, attempt->name);
	if (good)
		begin_session(console, attempt->request, &identity, credential);
	else
		problem_reply_text(attempt->request, 503,
				   "the users file cannot be written: see the log of cradle-web");
	explicit_bzero(credential, sizeof credential);
}

static void
on_checked(void *ctx, bool right)
{
	struct attempt *attempt = ctx;
	struct console *console = attempt->console;
	struct web_user *user;

	access_refresh(&console->access);
	user = users_find(&console->access.users, attempt->name);
	if (right && user) {
		pass(attempt, user);
	} else {
		login_throttle_failed(&console->throttle, &attempt->from, attempt->name, now_ms());
		log_warning("a login as %s failed", user ? attempt->name : "somebody unknown");
		problem_reply_text(attempt->request, 401, "name or password is wrong");
	}
	free(attempt);
}

static void
check_password(struct attempt *attempt, const char *password, size_t len)
{
	struct console *console = attempt->console;
	const struct web_user *user;
	unsigned wait_s =
		login_throttle_wait_s(&console->throttle, &attempt->from, attempt->name, now_ms());

	if (wait_s) {
		problem_reply(attempt->request,
			      &(struct problem){
				      .status = 429,
				      .retry_s = wait_s,
				      .detail = "too many wrong passwords: wait, and try again" });
		free(attempt);
		return;
	}
	access_refresh(&console->access);
	user = users_find(&console->access.users, attempt->name);
	if (user && user->kind != USER_PASSWORD && user->kind != USER_ONCE)
		user = NULL;
	if (password_thread_check(console->passwords, user ? user->hash : NULL, password, len,
				  on_checked, attempt) == 0)
		return;
	problem_reply(attempt->request, &(struct problem){ .status = 503,
							   .retry_s = 2,
							   .detail = "too many log in at once" });
	free(attempt);
}

/* Who is vouched for otherwise needs no password. */
static void
begin_vouched(struct console *console, struct http_request *request)
{
	struct identity identity;

	if (!access_identify(&console->access, request, now_ms(), &identity) || identity.bearer ||
	    identity.session)
		problem_reply_text(request, 401, "a name and a password are wanted");
	else
		begin_session(console, request, &identity, "");
}

void
login_begin(struct console *console, struct http_request *request)
{
	size_t len;
	const char *body = http_request_body(request, &len);
	json_t *fields = json_loadb(body, len, 0, NULL);
	const json_t *password = json_object_get(fields, "password");
	const char *name = json_string_value(json_object_get(fields, "name"));
	struct attempt *attempt;

	if (access_is_cross_site(request)) {
		problem_reply_text(request, 403, "another site sent this");
	} else if (!len) {
		begin_vouched(console, request);
	} else if (!name || !json_is_string(password) || !user_name_is_good(name) ||
		   json_string_length(password) > USER_PASSWORD_MAX) {
		problem_reply_text(request, 400, "\"name\" and \"password\" are wanted, both text");
	} else if (!(attempt = calloc(1, sizeof *attempt))) {
		problem_reply_text(request, 503, "out of memory");
	} else {
		attempt->console = console;
		attempt->request = request;
		memcpy(attempt->name, name, strlen(name) + 1);
		access_client(&console->access, request, &attempt->from);
		check_password(attempt, json_string_value(password), json_string_length(password));
	}
	if (json_is_string(password))
		explicit_bzero((char *)json_string_value(password), json_string_length(password));
	json_decref(fields);
}

void
login_show(struct console *console, struct http_request *request)
{
	struct identity identity;

	if (access_identify(&console->access, request, now_ms(), &identity))
		reply_session(console, request, &identity, NULL);
	else
		problem_reply_text(request, 401, "nobody is logged in");
}

void
login_end(struct console *console, struct http_request *request)
{
	struct http_header header = { "Set-Cookie", NULL };
	struct identity identity;
	char cookie[WEB_SESSION_ID + 96];

	if (access_identify(&console->access, request, now_ms(), &identity) && identity.session) {
		if (!access_is_meant(&identity, request)) {
			problem_reply_text(request, 403, "X-CSRF-Token is missing or wrong");
			return;
		}
		log_notice("%s logged out", identity.name);
		web_sessions_end(&console->access.sessions, identity.session);
		live_judge(console->live);
	}
	access_cookie(&console->access, NULL, cookie, sizeof cookie);
	header.value = cookie;
	http_answer(request,
		    &(struct http_answer){ .status = 204, .headers = &header, .n_headers = 1 });
}
