#include "control/delivery/http_request.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/md.h>

#include "control/clock.h"

enum { HEADER_MAX = DELIVERY_SECRET_MAX + 256, SIGNATURE_LEN = 32 };

/* ---- libcurl ---- */

static void
wiping_free(void *at)
{
	if (at)
		explicit_bzero(at, malloc_usable_size(at));
	free(at);
}

static void *
wiping_realloc(void *at, size_t size)
{
	size_t had = at ? malloc_usable_size(at) : 0;
	void *grown;

	if (at && size <= had)
		return at;
	grown = malloc(size);
	if (!grown)
		return NULL;
	if (had)
		memcpy(grown, at, had);
	wiping_free(at);
	return grown;
}

bool
http_request_library(void)
{
	/* Counted by libcurl: more than once is fine. */
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc,
				    strdup, calloc) == CURLE_OK;
}

/* ---- what is sent ---- */

static bool
render(struct http_request *request, const struct delivery_target *target,
       const struct facts *facts, bool mask)
{
	char error[BODY_ERROR_MAX] = "out of memory";

	if (body_template_render(target->address, BODY_ADDRESS, facts, mask, &request->address,
				 error) == 0 &&
	    body_template_render(target->content, BODY_JSON, facts, mask, &request->body, error) ==
		    0)
		return true;
	snprintf(request->error, sizeof request->error, "the template: %s", error);
	return false;
}

/* The stored facts, and those that the row has. */
static bool
read_facts(const struct store_message *message, struct facts *facts)
{
	if (!facts_decode(message->bytes, message->len, facts))
		return false;
	facts_set(facts, FACT_ID, message->key);
	return true;
}

static bool
sign(const struct delivery_target *target, const struct text *body, char header[HEADER_MAX])
{
	const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
	uint8_t signature[SIGNATURE_LEN];
	mbedtls_md_context_t context;
	char time[32];
	int used, bad;

	snprintf(time, sizeof time, "%llu", (unsigned long long)clock_now_ms());
	mbedtls_md_init(&context);
	bad = mbedtls_md_setup(&context, sha256, 1) ||
	      mbedtls_md_hmac_starts(&context, (const uint8_t *)target->signature_key,
				     target->signature_key_len) ||
	      mbedtls_md_hmac_update(&context, (const uint8_t *)time, strlen(time)) ||
	      mbedtls_md_hmac_update(&context, (const uint8_t *)".", 1) ||
	      mbedtls_md_hmac_update(&context, (const uint8_t *)text_str(body), body->len) ||
	      mbedtls_md_hmac_finish(&context, signature);
	mbedtls_md_free(&context);
	used = snprintf(header, HEADER_MAX, "X-Cradle-Signature: t=%s,v1=", time);
	for (unsigned i = 0; i < SIGNATURE_LEN; i++)
		used += snprintf(header + used, (size_t)(HEADER_MAX - used), "%02x", signature[i]);
	return !bad;
}

static bool
add_header(struct http_request *request, const char *header)
{
	struct curl_slist *headers = curl_slist_append(request->headers, header);

	if (headers)
		request->headers = headers;
	return headers;
}

static bool
add_headers(struct http_request *request, const struct delivery_target *target, const char *key)
{
	char header[HEADER_MAX];
	bool good;

	snprintf(header, sizeof header, "Content-Type: %s",
		 target->content_type ? target->content_type : "application/json");
	good = add_header(request, header);
	snprintf(header, sizeof header, "Idempotency-Key: %s", key);
	good = good && add_header(request, header) && add_header(request, "Expect:");
	good = good && (!target->token || add_header(request, target->token));
	if (good && target->signature_key)
		good = sign(target, &request->body, header) && add_header(request, header);
	return good;
}

/* The answer's body is of no use, and may repeat what was sent. */
static size_t
drop_answer(char *bytes, size_t size, size_t n, void *ctx)
{
	return size * n;
}

#define SET(option, value) (good = good && curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool
set_options(struct http_request *request, const struct delivery_target *target)
{
	CURL *easy = request->easy;
	bool good = true;

	SET(CURLOPT_PRIVATE, request);
	SET(CURLOPT_URL, text_str(&request->address));
	SET(CURLOPT_PROTOCOLS_STR,
	    target->url && strncmp(target->url, "http:", 5) == 0 ? "http" : "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROXY, ""); /* nothing of the environment decides where keys go */
	SET(CURLOPT_TIMEOUT_MS, (long)target->timeout_ms);
	SET(CURLOPT_USERAGENT, "cradle");
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (target->authority) {
		SET(CURLOPT_CAINFO, target->authority);
		SET(CURLOPT_CAPATH, NULL); /* else those of the system count beside it */
	}
	if (target->certificate) {
		SET(CURLOPT_SSLCERT, target->certificate);
		SET(CURLOPT_SSLKEY, target->certificate_key);
	}
	SET(CURLOPT_POSTFIELDS, text_str(&request->body));
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
	SET(CURLOPT_CUSTOMREQUEST, target->method);
	SET(CURLOPT_HTTPHEADER, request->headers);
	SET(CURLOPT_WRITEFUNCTION, drop_answer);
	SET(CURLOPT_ERRORBUFFER, request->said);
	return good;
}

struct http_request *
http_request_new(const struct store_message *message, int opened,
		 const struct delivery_target *target, unsigned number)
{
	struct http_request *request = calloc(1, sizeof *request);
	struct facts facts;

	if (!request)
		return NULL;
	text_init(&request->body);
	text_init(&request->address);
	request->id = message->id;
	request->created_ms = message->created_ms;
	request->due_ms = message->due_ms;
	request->attempts = message->attempts;
	request->what = message->what;
	request->target = number;
	if (opened || !read_facts(message, &facts)) {
		snprintf(request->error, sizeof request->error,
			 "it cannot be opened: its key-encryption key is gone, or it is damaged");
		return request;
	}
	if (!render(request, target, &facts, false))
		return request;
	request->easy = curl_easy_init();
	if (request->easy && add_headers(request, target, message->key) &&
	    set_options(request, target))
		return request;
	curl_easy_cleanup(request->easy);
	request->easy = NULL;
	snprintf(request->error, sizeof request->error, "out of memory");
	return request;
}

void
http_request_free(struct http_request *request)
{
	curl_easy_cleanup(request->easy);
	curl_slist_free_all(request->headers);
	text_fini(&request->body);
	text_fini(&request->address);
	free(request);
}

enum delivery_verdict
http_request_judge(struct http_request *request, CURLcode code)
{
	curl_off_t retry_after_s = 0;
	long status = 0;

	if (code != CURLE_OK) {
		snprintf(request->error, sizeof request->error, "%.190s",
			 *request->said ? request->said : curl_easy_strerror(code));
		return TARGET_AWAY;
	}
	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	request->retry_after_s = retry_after_s;
	snprintf(request->error, sizeof request->error, "it answered HTTP %ld", status);
	return delivery_judge(status);
}

/* ---- for people ---- */

static void
show_rendered(const struct http_request *request, const struct store_message *message,
	      const struct delivery_target *target, struct text *out)
{
	text_show(out, "%s %s\nContent-Type: %s\nIdempotency-Key: %s\n", target->method,
		  text_str(&request->address), target->content_type, message->key);
	if (target->token)
		text_show(out, "%s: %s********\n", target->token_header,
			  target->token_prefix ? target->token_prefix : "");
	if (target->signature_key)
		text_show(out, "X-Cradle-Signature: t=TIME,v1=********\n");
	text_put(out, "\n", 1);
	text_put(out, text_str(&request->body), request->body.len);
	text_put(out, "\n", 1);
}

void
http_request_show(const struct store_message *message, const struct delivery_target *target,
		  struct text *out)
{
	struct http_request request = { 0 };
	struct facts facts;

	text_init(&request.body);
	text_init(&request.address);
	if (!read_facts(message, &facts))
		text_show(out, "what it holds cannot be opened\n");
	else if (render(&request, target, &facts, true))
		show_rendered(&request, message, target, out);
	else
		text_show(out, "%s\n", request.error);
	text_fini(&request.body);
	text_fini(&request.address);
}
