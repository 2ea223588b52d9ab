#include "control/commands/call_version.h"

#include <stdio.h>
#include <string.h>

#include "control/commands/jobs.h"
#include "control/log.h"
#include "tasks/utf8.h"

enum { WHO_MAX = 160 };

bool
call_version_check(struct call *call)
{
	const char *why = call_option(call, "--message");

	if (!why || (strlen(why) <= POLICY_WHY_MAX && utf8_valid(why, strlen(why))))
		return true;
	call_refuse(call, CTL_USAGE, "--message is text of at most %d bytes", POLICY_WHY_MAX);
	return false;
}

static void
put_who(const struct call *call, char who[WHO_MAX])
{
	const struct ctl_request *request = call->request;
	const char *actor = request ? request->actor : NULL;
	size_t len = actor ? utf8_cut(actor, strlen(actor), 64) : 0;

	snprintf(who, WHO_MAX, "%.*s%suid %u", (int)len, actor ? actor : "", len ? ", " : "",
		 request ? (unsigned)request->peer.uid : 0);
}

void
call_version_record(struct call *call)
{
	const char *why = call_option(call, "--message");
	char error[STORE_ERROR_MAX], who[WHO_MAX];
	struct policy_note note = {
		.who = who,
		.what = call->job ? call->job->words : call->command->words,
		.why = why ? why : "",
	};
	int64_t number;

	put_who(call, who);
	number = policy_versions_record(call->service, &note, error);
	if (number < 0) {
		text_show(&call->text, "warning: it is live, but no version of it is kept: %s\n",
			  error);
		log_event(SEVERITY_WARNING, LOG_EVENT_policy_version, NULL,
			  "no version of the policy is kept: %s", error);
	}
	if (number <= 0)
		return;
	text_show(&call->text, "version %lld of the policy\n", (long long)number);
	if (call->result)
		json_object_set_new(call->result, "version", json_integer(number));
}
