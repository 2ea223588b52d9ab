/*
 * http_request.h - one message as one HTTP request.
 *
 * What is sent is made of the target's templates when it is sent, so a template that was mended counts for what waits.
 * Private to the sender's thread, but for http_request_library() and http_request_show(). Allocates; bodies are wiped.
 */
#pragma once

#include <curl/curl.h>

#include "control/delivery/delivery_conf.h"
#include "control/store/store_messages.h"

struct http_request {
	struct http_request *next;
	CURL *easy; /* NULL: it cannot be sent: `error` */
	struct curl_slist *headers;
	struct text body, address;
	int64_t id, retry_after_s;
	uint64_t created_ms, due_ms;
	unsigned target, attempts;
	uint8_t what;
	char error
		[MESSAGE_ERROR_MAX]; /* no word of what was sent or answered: those may hold keys */
	char said[CURL_ERROR_SIZE];  /* libcurl's words */
};

/* Before any thread uses it; whatever libcurl frees is wiped. False: it does not start. */
bool http_request_library(void);
/* `opened`: of message_reader_get(). NULL: out of memory. */
struct http_request *http_request_new(const struct store_message *message, int opened,
				      const struct delivery_target *target, unsigned number);
void http_request_free(struct http_request *request);
/* What it came to; sets `error` and `retry_after_s`. */
enum delivery_verdict http_request_judge(struct http_request *request, CURLcode code);

/* For people: method, address, headers and body, with what is secret masked. */
void http_request_show(const struct store_message *message, const struct delivery_target *target,
		       struct text *out);
