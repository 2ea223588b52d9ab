/* What a device is sent, while it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/commands/show.h"
#include "control/log.h"
#include "control/runs/trace.h"
#include "tasks/content/decode.h"
#include "tasks/content/describe.h"

enum { CAPTURE_DEFAULT_S = 600, CAPTURE_MAX_S = 3600 };

/*
 * Whoever may use the control socket sees no secret on it: a file with the keys of associations goes
 * to root and the user that runs the appliance alone, who can read those anyway.
 */
static bool
may_have_secrets(struct call *call)
{
	if (call->request->peer.uid == 0 || call->request->peer.uid == geteuid())
		return true;
	call_refuse(call, CTL_REFUSED,
		    "--pcapng gives session keys away: it is for root, and the user that runs "
		    "cradled");
	return false;
}

/* A descriptor of the call's file, which must be new and nobody else's to read; -1 after refusing. */
static int
keep_new_file(struct call *call)
{
	struct stat st;
	int fd;

	if (fstat(call->fd, &st) || !S_ISREG(st.st_mode) || st.st_size || st.st_mode & 077) {
		call_refuse(call, CTL_REFUSED,
			    "the file must be new and empty, and nobody else's to read (mode 0600)");
		return -1;
	}
	fd = fcntl(call->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		call_refuse(call, CTL_REFUSED, "%s", strerror(errno));
	return fd;
}

/* NULL after refusing. */
static struct traced *
start_capture(struct call *call, const struct device *device, long seconds, int *error)
{
	const struct ucred *peer = &call->request->peer;
	char endpoint[ENDPOINT_NAME_MAX + 1];
	struct traced *traced = NULL;
	struct text name;
	struct capture_file_options options = { .device = device_id(device),
						.until_ms = clock_now_ms() +
							    (uint64_t)seconds * 1000 };

	if (!may_have_secrets(call))
		return NULL;
	options.fd = keep_new_file(call);
	if (options.fd < 0)
		return NULL;
	text_init(&name);
	device_endpoint(device, endpoint);
	text_put_untrusted(&name, endpoint, strlen(endpoint));
	options.name = text_str(&name);
	traced = traced_capture(&call->service->traced, call->service->dp, &options, error);
	if (traced)
		log_event(SEVERITY_NOTICE, LOG_EVENT_capture_begun, text_str(&name),
			  "capture of device %s begun by uid %u, pid %d: its datagrams and the "
			  "secrets of its associations go into a file for %ld s",
			  text_str(&name), (unsigned)peer->uid, (int)peer->pid, seconds);
	text_fini(&name);
	return traced;
}

static void
tell_capture(struct call *call, long seconds)
{
	text_show(&call->text,
		  "device %s is captured for %ld seconds into %s; `trace stop` ends it before\n"
		  "WARNING: the file holds its session keys, and with them all that it is given, "
		  "keys of other servers among it: delete it when it has served\n"
		  "What runs by now cannot be decrypted, only handshakes from now on.\n",
		  call->arguments[0], seconds, call_option(call, "--pcapng"));
	call->result = json_pack("{s:s, s:i}", "endpoint", call->arguments[0], "seconds",
				 (int)seconds);
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

/* --- as it comes --- */

struct follower {
	struct service *service;
	struct trace *trace;
	struct dataplane_mark begun;
	uint32_t device;
	bool json;
};

static bool
is_followed(void *ctx)
{
	const struct follower *follower = ctx;

	return dataplane_has_taken(follower->service->dp, &follower->begun);
}

static void
send_messages(struct follower *follower, struct ctl_client *client)
{
	json_t *messages = trace_json(follower->trace, format_payload, follower->service);
	uint64_t lost = trace_take_lost(follower->trace);
	json_t *message;
	size_t i;

	json_array_foreach(messages, i, message)
	{
		struct ctl_news news = { .event = json_incref(message), .missed = lost };

		json_object_set_new(message, "kind", json_string("message"));
		ctl_watch_send(client, &news);
		lost = 0;
	}
	json_decref(messages);
}

static bool
fill(void *ctx, struct ctl_client *client, struct ctl_answer *end)
{
	struct follower *follower = ctx;
	struct text text;

	/* Numbers of devices are never used again. */
	if (!inventory_at(&follower->service->inventory, follower->device)) {
		end->exit = CTL_REFUSED;
		end->error = strdup("the device was removed");
		return false;
	}
	if (follower->json) {
		send_messages(follower, client);
		return true;
	}
	text_init(&text);
	(void)trace_format(follower->trace, format_payload, follower->service, &text);
	text_clean(&text);
	if (text.len)
		ctl_watch_send(client, &(struct ctl_news){ .text = text_str(&text) });
	text_fini(&text);
	return true;
}

static void
unfollow(void *ctx)
{
	struct follower *follower = ctx;

	traced_unfollow(&follower->service->traced, follower->trace);
	free(follower);
}

static void
refuse_trace(struct call *call, int error)
{
	call_refuse(call, CTL_REFUSED, "%s",
		    error == -ENOSPC ? "as many devices are traced as can be: `trace stop` ends one"
				     : strerror(-error));
}

/* The trace lives as long as somebody reads it. */
static void
follow(struct call *call, const struct device *device)
{
	struct follower *follower = calloc(1, sizeof *follower);
	int error = -ENOMEM;

	if (follower)
		follower->trace = traced_follow(&call->service->traced, call->service->dp,
						device_id(device), &error);
	if (!follower || !follower->trace) {
		free(follower);
		refuse_trace(call, error);
		return;
	}
	follower->service = call->service;
	follower->device = device_id(device);
	follower->json = call->request && call->request->json;
	dataplane_mark(call->service->dp, &follower->begun);
	call->source = (struct ctl_source){
		.fill = fill, .free = unfollow, .ctx = follower, .ready = is_followed
	};
}

/* --- begun --- */

struct begun {
	struct dataplane *dp;
	struct dataplane_mark mark;
};

static bool
is_begun(void *ctx)
{
	const struct begun *begun = ctx;

	return dataplane_has_taken(begun->dp, &begun->mark);
}

static bool
nothing_more(void *ctx, struct ctl_client *client, struct ctl_answer *end)
{
	return false;
}

/* The answer waits until every worker knows: who has read it misses no message. Out of memory it does not wait. */
static void
answer_when_begun(struct call *call)
{
	struct begun *begun = calloc(1, sizeof *begun);

	if (!begun)
		return;
	begun->dp = call->service->dp;
	dataplane_mark(begun->dp, &begun->mark);
	call->source = (struct ctl_source){ .fill = nothing_more,
					    .free = free,
					    .ctx = begun,
					    .answers_later = true,
					    .ready = is_begun };
}

static void
start_messages(struct call *call, const struct device *device)
{
	struct service *service = call->service;
	struct traced *traced;
	int error;

	if (traced_find(&service->traced, device_id(device))) {
		text_show(&call->text, "device %s is traced already\n", call->arguments[0]);
		return;
	}
	traced = traced_start(&service->traced, service->dp, device_id(device), &error);
	if (!traced) {
		refuse_trace(call, error);
		return;
	}
	traced->asked_ms = clock_now_ms();
	text_show(&call->text, "device %s is traced: `trace show` shows its dialogue\n",
		  call->arguments[0]);
	call->result = json_pack("{s:s}", "endpoint", call->arguments[0]);
	answer_when_begun(call);
}

static void
start_file(struct call *call, const struct device *device)
{
	long seconds = call_seconds(call, "--for", CAPTURE_DEFAULT_S, CAPTURE_MAX_S);
	struct traced *traced;
	int error = 0;

	if (seconds < 0)
		return;
	if (traced_find(&call->service->traced, device_id(device))) {
		call_refuse(call, CTL_REFUSED, "device %s is traced already: `trace stop` first",
			    call->arguments[0]);
		return;
	}
	traced = start_capture(call, device, seconds, &error);
	if (traced) {
		traced->asked_ms = clock_now_ms();
		tell_capture(call, seconds);
		answer_when_begun(call);
	} else if (call->exit == CTL_DONE) {
		refuse_trace(call, error);
	}
}

void
command_trace_start(struct call *call)
{
	const struct device *device = call_device(call);
	bool to_file = call_option(call, "--pcapng") != NULL;

	if (!device)
		return;
	if (!to_file && call_option(call, "--for"))
		call_refuse(call, CTL_USAGE, "--for goes with --pcapng");
	else if (to_file && call_option(call, "--follow"))
		call_refuse(call, CTL_USAGE, "--follow does not go with --pcapng");
	else if (to_file)
		start_file(call, device);
	else if (call_option(call, "--follow"))
		follow(call, device);
	else
		start_messages(call, device);
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
