#include "control/runs/failure.h"

#include <stdio.h>

#include "tasks/show.h"

/* RFC 7252 12.1.2, RFC 7959 2.9 */
const char *
failure_code_name(uint8_t code)
{
	static const struct {
		uint8_t code;
		const char *name;
	} names[] = {
		{ 0x41, "Created" },
		{ 0x42, "Deleted" },
		{ 0x43, "Valid" },
		{ 0x44, "Changed" },
		{ 0x45, "Content" },
		{ 0x5f, "Continue" },
		{ 0x80, "Bad Request" },
		{ 0x81, "Unauthorized" },
		{ 0x82, "Bad Option" },
		{ 0x83, "Forbidden" },
		{ 0x84, "Not Found" },
		{ 0x85, "Method Not Allowed" },
		{ 0x86, "Not Acceptable" },
		{ 0x88, "Request Entity Incomplete" },
		{ 0x8c, "Precondition Failed" },
		{ 0x8d, "Request Entity Too Large" },
		{ 0x8f, "Unsupported Content-Format" },
		{ 0xa0, "Internal Server Error" },
		{ 0xa1, "Not Implemented" },
		{ 0xa2, "Bad Gateway" },
		{ 0xa3, "Service Unavailable" },
		{ 0xa4, "Gateway Timeout" },
		{ 0xa5, "Proxying Not Supported" },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].code == code)
			return names[i].name;
	return "";
}

void
failure_text(const struct config *config, const struct session_event *event,
	     const struct plan *plan, char out[TASK_SUMMARY_MAX])
{
	unsigned sent = config->max_retransmit + 1;
	char step[PLAN_STEP_NAME_MAX];

	plan_step_name(plan, event->step, step);
	switch (event->cause) {
	case CAUSE_REPLY:
		show_into(out, TASK_SUMMARY_MAX, "%s answered %u.%02u %s", step, event->code >> 5,
			  event->code & 31, failure_code_name(event->code));
		break;
	case CAUSE_TIMEOUT:
		show_into(out, TASK_SUMMARY_MAX, "no answer after %u transmissions to %s", sent,
			  step);
		break;
	case CAUSE_SILENT:
		show_into(out, TASK_SUMMARY_MAX, "%s was acknowledged and not answered", step);
		break;
	case CAUSE_UNCONFIRMED:
		show_into(
			out, TASK_SUMMARY_MAX,
			"no answer after %u transmissions to %s; all before was accepted, and the "
			"device may have finished",
			sent, step);
		break;
	case CAUSE_PACK_LEFT:
		show_into(out, TASK_SUMMARY_MAX, "the device did not ask for the rest of its pack");
		break;
	case CAUSE_RESET:
		show_into(out, TASK_SUMMARY_MAX, "%s answered with Reset", step);
		break;
	case CAUSE_SUPERSEDED:
		show_into(out, TASK_SUMMARY_MAX, "the device asked again before it answered %s",
			  step);
		break;
	case CAUSE_CLOSED:
		show_into(out, TASK_SUMMARY_MAX,
			  "the device ended its DTLS session before it answered %s", step);
		break;
	case CAUSE_BLOCKS:
		show_into(out, TASK_SUMMARY_MAX,
			  "%s answered %u.%02u %s, which makes no sense in its block-wise transfer",
			  step, event->code >> 5, event->code & 31, failure_code_name(event->code));
		break;
	case CAUSE_TOO_LONG:
		show_into(out, TASK_SUMMARY_MAX, "the answer to %s is too long", step);
		break;
	case CAUSE_NO_ROOM:
		show_into(out, TASK_SUMMARY_MAX, "no buffer was free for the answer to %s", step);
		break;
	case CAUSE_NO_BATCH:
		show_into(out, TASK_SUMMARY_MAX, "what to send was not ready within %u ms",
			  config->batch_wait_ms);
		break;
	default:
		show_into(out, TASK_SUMMARY_MAX, "cancelled before %s was answered", step);
		break;
	}
}
