/* What a device is sent, while it is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/commands/show.h"
#include "control/runs/trace.h"
#include "tasks/content/decode.h"
#include "tasks/content/describe.h"

void
command_trace_start(struct call *call)
{
	const struct device *device = call_device(call);
	struct service *service = call->service;
	struct traced *traced;
	int error;

	if (!device)
		return;
	if (traced_find(&service->traced, device_id(device))) {
		text_show(&call->text, "device %s is traced already\n", call->arguments[0]);
		return;
	}
	traced = traced_start(&service->traced, service->dp, device_id(device), &error);
	if (!traced) {
		call_refuse(call, CTL_REFUSED, "%s",
			    error == -ENOSPC
				    ? "as many devices are traced as can be: `trace stop` ends one"
				    : strerror(-error));
		return;
	}
	traced->asked_ms = clock_now_ms();
	text_show(&call->text, "device %s is traced: `trace show` shows its dialogue\n",
		  call->arguments[0]);
	call->result = json_pack("{s:s}", "endpoint", call->arguments[0]);
}

/* A payload as a preview shows it, keys masked: "{ /0/2/0 LwM2M Server URI = coaps://... }". */
static void
format_payload(void *ctx, const struct trace_payload *payload, struct text *out)
{
	const struct service *service = ctx;
	struct decode_input input = { .format = (enum content_format)payload->format,
				      .target = { -1, -1, -1, -1 },
				      .bytes = payload->bytes,
				      .len = payload->len,
				      .objects = service->generation->objects };
	int32_t *const ids[] = { &input.target.object, &input.target.instance,
				 &input.target.resource };
	const char *at = payload->path;
	char text[2048];

	for (unsigned i = 0; i < 3 && at && *at == '/'; i++, at = strchr(at + 1, '/'))
		*ids[i] = (int32_t)strtol(at + 1, NULL, 10);
	if (payload->len < payload->whole || payload->format < 0 ||
	    payload_describe(&input, text, sizeof text) == 0) {
		text_printf(out, "payload %zu bytes", payload->whole);
		return;
	}
	text_printf(out, "payload %zu bytes:", payload->whole);
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		text_printf(out, " %s;", line + strspn(line, " "));
	}
}

void
command_trace_show(struct call *call)
{
	const struct device *device = call_device(call);
	struct service *service = call->service;
	struct traced *traced;

	if (!device)
		return;
	traced = traced_find(&service->traced, device_id(device));
	if (!traced) {
		call_refuse(call, CTL_REFUSED, "device %s is not traced: `trace start` begins",
			    call->arguments[0]);
		return;
	}
	traced->asked_ms = clock_now_ms();
	traces_poll(service->traced.traces);
	if (call->request && call->request->json) {
		call->result = json_pack("{s:s, s:o}", "endpoint", call->arguments[0], "messages",
					 trace_json(traced->trace, format_payload, service));
		return;
	}
	if (trace_format(traced->trace, format_payload, service, &call->text) == 0)
		text_show(&call->text, "nothing since it was last shown\n");
}

void
command_trace_stop(struct call *call)
{
	const struct device *device = call_device(call);
	struct traced *traced;

	if (!device)
		return;
	traced = traced_find(&call->service->traced, device_id(device));
	if (!traced) {
		call_refuse(call, CTL_REFUSED, "device %s is not traced", call->arguments[0]);
		return;
	}
	traced_end(&call->service->traced, traced);
	text_show(&call->text, "device %s is no longer traced\n", call->arguments[0]);
	call->result = json_pack("{s:s}", "endpoint", call->arguments[0]);
}
