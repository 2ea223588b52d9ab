#include "control/commands/call_version.h"

#include <stdio.h>
#include <string.h>

#include "control/commands/jobs.h"
#include "control/log.h"
#include "tasks/utf8.h"

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
put_who(const struct call *call, char who[CALL_WHO_MAX])
{
	const struct ctl_request *request = call->request;
	const char *actor = request ? request->actor : NULL;
	size_t len = actor ? utf8_cut(actor, strlen(actor), 64) : 0;

	snprintf(who, CALL_WHO_MAX, "%.*s%suid %u", (int)len, actor ? actor : "", len ? ", " : "",
		 request ? (unsigned)request->peer.uid : 0);
}

const struct policy_note *
call_note(const struct call *call, struct call_note *note)
{
	const char *why = call_option(call, "--message");

	put_who(call, note->who);
	note->note = (struct policy_note){
		.who = note->who,
		.what = call->job ? call->job->words : call->command->words,
		.why = why ? why : "",
	};
	return &note->note;
}

void
call_version_record(struct call *call)
{
	struct call_note note;

	call_version_record_as(call, call_note(call, &note));
}

void
call_version_record_as(struct call *call, const struct policy_note *note)
{
	char error[STORE_ERROR_MAX];
	int64_t number = policy_versions_record(call->service, note, error);

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
