#include "control/runs/capture_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/log.h"
#include "control/runs/pcapng.h"

enum {
	DATAGRAM_BYTES_MAX = 65536,
	RECORD_HEADER = 13, /* of DTLS: type, version, epoch, sequence, length (RFC 6347 4.1) */
	RECORD_HANDSHAKE = 22,
	CLIENT_HELLO = 1,
};

struct capture_file {
	struct dataplane *dp;
	uint32_t device;
	char name[CAPTURE_NAME_MAX];
	int fd;
	int error;                  /* errno of a write; 0: none failed */
	uint64_t until_ms, over_ms; /* the latter 0: its end was not asked for */
	uint64_t base_us;           /* the wall clock when the workers' clock said 0 */
	uint64_t bytes;
	unsigned packets, secrets, lost;
	bool hello_seen, late_told;
	/* The datagram that is being put together. */
	struct trace_record head;
	size_t have;
	uint8_t datagram[DATAGRAM_BYTES_MAX];
};

static void
write_out(struct capture_file *file, struct text *text)
{
	size_t at = 0;

	if (text->failed)
		file->error = ENOMEM;
	while (!file->error && at < text->len) {
		ssize_t n = write(file->fd, text->at + at, text->len - at);

		if (n < 0 && errno != EINTR)
			file->error = errno;
		at += n > 0 ? (size_t)n : 0;
	}
	file->bytes += at;
	text_fini(text);
}

static void
begin(struct capture_file *file)
{
	struct text text, comment;

	text_init(&text);
	text_init(&comment);
	text_printf(&comment,
		    "SECRET: this file holds the session keys of the device %s, and with them all "
		    "that it was given, keys of other servers among it. Delete it when it has "
		    "served. IP and UDP headers are made anew; of a cookie exchange the hello with "
		    "the cookie alone is here.",
		    file->name);
	pcapng_begin(&text, text_str(&comment));
	write_out(file, &text);
	text_fini(&comment);
}

struct capture_file *
capture_file_new(struct dataplane *dp, const struct capture_file_options *options)
{
	struct capture_file *file = calloc(1, sizeof *file);

	if (!file) {
		close(options->fd);
		return NULL;
	}
	file->dp = dp;
	file->device = options->device;
	file->fd = options->fd;
	file->until_ms = options->until_ms;
	file->base_us = clock_now_ms() * 1000 - dataplane_now_us();
	snprintf(file->name, sizeof file->name, "%s", options->name);
	begin(file);
	if (!file->error)
		return file;
	capture_file_free(file);
	return NULL;
}

void
capture_file_free(struct capture_file *file)
{
	if (!file)
		return;
	if (close(file->fd) && !file->error)
		file->error = errno;
	if (file->error)
		log_event(SEVERITY_WARNING, LOG_EVENT_capture_ended, file->name,
			  "capture of device %s: the file cannot be written: %s", file->name,
			  strerror(file->error));
	log_event(SEVERITY_NOTICE, LOG_EVENT_capture_ended, file->name,
		  "capture of device %s ended: %u datagrams, %u secrets, %u datagrams lost",
		  file->name, file->packets, file->secrets, file->lost);
	explicit_bzero(file, sizeof *file);
	free(file);
}

/* ---- datagrams ---- */

/* Of whose handshake nothing was seen, so that nobody can open it. */
static const char *
late_comment(struct capture_file *file)
{
	const uint8_t *record = file->datagram;

	if (!file->head.secured || file->have < RECORD_HEADER)
		return NULL;
	if (record[0] == RECORD_HANDSHAKE && record[3] == 0 && record[4] == 0 &&
	    file->have > RECORD_HEADER && record[RECORD_HEADER] == CLIENT_HELLO)
		file->hello_seen = true;
	if ((record[3] == 0 && record[4] == 0) || (file->hello_seen && file->secrets) ||
	    file->late_told)
		return NULL;
	file->late_told = true;
	return "The handshake of this association began before the trace: its records cannot be "
	       "decrypted here. They can be from the device's next handshake on.";
}

static void
put_datagram(struct capture_file *file)
{
	const struct trace_record *head = &file->head;
	struct pcapng_datagram datagram = { .wall_us = file->base_us + head->time_us,
					    .sent = head->kind == TRACE_DATAGRAM_OUT,
					    .bytes = file->datagram,
					    .len = file->have,
					    .comment = late_comment(file) };
	struct pcapng_end us = { .port = 0 }, peer = { .port = head->peer.port };
	struct text text;

	(void)dataplane_listener(file->dp, head->peer.listener, us.addr, &us.port);
	memcpy(peer.addr, head->peer.addr, sizeof peer.addr);
	datagram.from = datagram.sent ? us : peer;
	datagram.to = datagram.sent ? peer : us;
	text_init(&text);
	pcapng_datagram(&text, &datagram);
	write_out(file, &text);
	file->packets++;
}

static bool
is_next_piece(const struct capture_file *file, const struct trace_record *record)
{
	return file->have && file->have == record->step && file->head.kind == record->kind &&
	       file->head.time_us == record->time_us && file->head.len == record->len &&
	       peer_equal(&file->head.peer, &record->peer);
}

static void
take_piece(struct capture_file *file, const struct trace_record *record)
{
	size_t left = (size_t)record->len - record->step;
	size_t piece = left < TRACE_BYTES ? left : TRACE_BYTES;

	if (record->step == 0) {
		file->lost += file->have != 0;
		file->head = *record;
		file->have = 0;
	} else if (!is_next_piece(file, record)) {
		file->lost += file->have != 0;
		file->have = 0;
		return;
	}
	memcpy(file->datagram + file->have, record->bytes, piece);
	file->have += piece;
	if (file->have < record->len)
		return;
	put_datagram(file);
	explicit_bzero(file->datagram, file->have);
	explicit_bzero(file->head.bytes, sizeof file->head.bytes);
	file->have = 0;
}

static void
take_secret(struct capture_file *file, const struct trace_record *record)
{
	struct text text;

	text_init(&text);
	pcapng_secret(&text, record->bytes, record->bytes + TRACE_RANDOM_BYTES);
	write_out(file, &text);
	file->secrets++;
}

void
capture_file_take(struct capture_file *file, const struct trace_record *record)
{
	if (record->device != file->device || file->error)
		return;
	if (record->kind == TRACE_SECRET)
		take_secret(file, record);
	else if (record->kind == TRACE_DATAGRAM_IN || record->kind == TRACE_DATAGRAM_OUT)
		take_piece(file, record);
}

/* ---- its end ---- */

void
capture_file_end(struct capture_file *file, uint64_t now_ms)
{
	if (!file->over_ms)
		file->over_ms = now_ms + CAPTURE_FILE_GRACE_MS;
}

bool
capture_file_is_due(const struct capture_file *file, uint64_t now_ms)
{
	return !file->over_ms &&
	       (file->error || file->bytes > CAPTURE_FILE_MAX || now_ms >= file->until_ms);
}

bool
capture_file_is_over(const struct capture_file *file, uint64_t now_ms)
{
	return file->over_ms && now_ms >= file->over_ms;
}
