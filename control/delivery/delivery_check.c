/* What a target of outbox.conf names: events, address, template, TLS files and secrets, each checked as it will be used. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "control/config/conf_text.h"
#include "control/delivery/delivery_conf.h"

enum { PEM_MAX = 1 << 20 };

/* All that may be told. */
static const char all_facts[] =
	"{\"event\":\"{{event}}\",\"id\":\"{{id}}\",\"time\":\"{{time}}\",\"endpoint\":\"{{"
	"endpoint}}\","
	"\"domain\":\"{{domain}}\",\"address\":\"{{address}}\",\"summary\":\"{{summary}}\","
	"\"ssid\":\"{{ssid}}\",\"instance\":\"{{instance}}\",\"uri\":\"{{uri}}\",\"mode\":\"{{mode}"
	"}\","
	"\"identity_hex\":\"{{identity|hex}}\",\"key_hex\":\"{{key|hex}}\","
	"\"server_key_hex\":\"{{server_key|hex}}\"}\n";

struct checking {
	struct delivery_target *target;
	const char *file;
	struct diag_list *diags;
};

static struct place
at(const struct checking *checking, const char *setting)
{
	return (struct place){ .file = checking->file,
			       .line = checking->target->line,
			       .tag = setting };
}

/* ---- events ---- */

static void
check_events(const struct checking *checking)
{
	const struct place place = at(checking, "events");
	const char *word = checking->target->events;

	while (word && *word) {
		size_t len = strcspn(word, ", ");
		char copy[32];
		unsigned i = 0;

		snprintf(copy, sizeof copy, "%.*s", (int)(len < 31 ? len : 31), word);
		while (i < EVENTS && strcmp(event_names[i], copy) != 0)
			i++;
		if (i < EVENTS) {
			checking->target->wants |= 1u << i;
		} else if (len) {
			const char *nearest = diag_nearest(copy, event_names, EVENTS);

			diag_error(checking->diags, &place,
				   "\"%s\" is not a valid value: credentials, bootstrapped, failed, unknown, "
				   "rejected%s%s%s",
				   copy, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
				   nearest ? "\"?" : "");
		}
		word += len;
		word += strspn(word, ", ");
	}
	if (!checking->target->wants)
		diag_error(checking->diags, &place, "the target is told nothing: name an event");
}

/* ---- the address ---- */

/* By number: a name may begin with one. */
static bool
is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (strncmp(host, "127.", 4) == 0 && !host[strspn(host, "0123456789.")]);
}

static void
check_parts(const struct checking *checking, CURLU *url)
{
	const struct delivery_target *target = checking->target;
	const struct place place = at(checking, "url");
	char *scheme = NULL, *user = NULL, *fragment = NULL, *host = NULL;

	curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
	curl_url_get(url, CURLUPART_HOST, &host, 0);
	curl_url_get(url, CURLUPART_USER, &user, 0);
	curl_url_get(url, CURLUPART_FRAGMENT, &fragment, 0);
	if (user)
		diag_error(checking->diags, &place,
			   "name and password do not belong into an address: use token_file");
	if (fragment)
		diag_error(checking->diags, &place, "'#' begins what is never sent: take it out");
	if (scheme && strcmp(scheme, "http") == 0) {
		if (!target->allow_http && !(host && is_loopback(host)))
			diag_error(
				checking->diags, &place,
				"http sends keys in the clear: write https, or allow_http = true");
	} else if (!scheme || strcmp(scheme, "https") != 0) {
		diag_error(checking->diags, &place, "\"%s\" is not https", scheme ? scheme : "");
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_free(fragment);
}

static void
check_url_text(const struct checking *checking, const char *text)
{
	const struct place place = at(checking, "url");
	CURLU *url = curl_url();
	CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME)
			     : CURLUE_OUT_OF_MEMORY;

	if (code == CURLUE_OK)
		check_parts(checking, url);
	else
		diag_error(checking->diags, &place, "\"%.200s\" is no address: %s",
			   checking->target->url, curl_url_strerror(code));
	curl_url_cleanup(url);
}

static enum fact_event
first_event(const struct delivery_target *target)
{
	return target->wants ? (enum fact_event)__builtin_ctz(target->wants) : EVENT_CREDENTIALS;
}

static void
check_url(const struct checking *checking)
{
	struct delivery_target *target = checking->target;
	struct place place = at(checking, "url");
	char error[BODY_ERROR_MAX];
	struct facts facts;
	struct text text;

	if (!target->url)
		return;
	target->address =
		body_template_parse(target->url, strlen(target->url), &place, checking->diags);
	if (!target->address)
		return;
	if (body_template_tells(target->address, FACT_KEY))
		diag_error(checking->diags, &place,
			   "{{key}} in an address ends up in logs: put it into the body");
	text_init(&text);
	facts_sample(first_event(target), &facts);
	if (body_template_render(target->address, BODY_ADDRESS, &facts, false, &text, error) == 0)
		check_url_text(checking, text_str(&text));
	text_fini(&text);
}

static void
check_method(const struct checking *checking)
{
	static const char *const methods[] = { "POST", "PUT", "PATCH" };
	const struct place place = at(checking, "method");

	for (unsigned i = 0; checking->target->method && i < 3; i++)
		if (strcmp(checking->target->method, methods[i]) == 0)
			return;
	diag_error(checking->diags, &place, "it is POST, PUT or PATCH");
}

/* A line of a header must not become two. */
static void
check_header(const struct checking *checking, const char *setting, const char *text)
{
	const struct place place = at(checking, setting);

	for (const char *c = text; c && *c; c++)
		if (iscntrl((unsigned char)*c)) {
			diag_error(checking->diags, &place, "a header has no control characters");
			return;
		}
}

/* ---- the body ---- */

static void
check_rendered(const struct checking *checking, const struct place *place, enum fact_event event)
{
	char error[BODY_ERROR_MAX];
	json_error_t wrong;
	struct facts facts;
	struct text text;
	json_t *json;

	text_init(&text);
	facts_sample(event, &facts);
	if (body_template_render(checking->target->content, BODY_JSON, &facts, false, &text,
				 error) < 0) {
		text_fini(&text);
		return;
	}
	json = json_loadb(text_str(&text), text.len, JSON_DECODE_ANY, &wrong);
	if (!json)
		diag_error(checking->diags, place,
			   "for the event \"%s\" it makes no JSON: line %d: %s", event_names[event],
			   wrong.line, wrong.text);
	json_decref(json);
	text_fini(&text);
}

static void
check_body(const struct checking *checking)
{
	struct delivery_target *target = checking->target;
	struct place place = { .file = target->body, .line = 1, .column = 1 };
	size_t len = sizeof all_facts - 1;
	char *text = NULL;

	if (target->body) {
		text = conf_file_read(target->body, BODY_TEMPLATE_MAX, &len, checking->diags);
		if (!text)
			return;
	}
	target->content =
		body_template_parse(text ? text : all_facts, len, &place, checking->diags);
	free(text);
	if (!target->content)
		return;
	place.line = place.column = 0;
	if (target->content_type && !strstr(target->content_type, "json"))
		return;
	for (unsigned i = 0; i < EVENTS; i++)
		if (target->wants & 1u << i)
			check_rendered(checking, &place, (enum fact_event)i);
}

/* ---- files ---- */

/* A secret of its owner alone, without the line's end; NULL after an error. */
static char *
read_secret(const struct checking *checking, const char *setting, const char *path, size_t *len)
{
	const struct place place = at(checking, setting);
	struct stat found;
	char *text;

	text = conf_file_read(path, DELIVERY_SECRET_MAX, len, checking->diags);
	if (!text)
		return NULL;
	while (*len && strchr("\r\n", text[*len - 1]))
		text[--*len] = '\0';
	if (stat(path, &found) < 0 || found.st_mode & 077)
		diag_error(checking->diags, &place, "%s may be read by others: chmod 600 %s", path,
			   path);
	else if (!*len)
		diag_error(checking->diags, &place, "%s is empty", path);
	else if (memchr(text, 0, *len) || strpbrk(text, "\r\n"))
		diag_error(checking->diags, &place, "%s must be one line of text", path);
	else
		return text;
	explicit_bzero(text, *len);
	free(text);
	return NULL;
}

static void
check_secrets(const struct checking *checking)
{
	struct delivery_target *target = checking->target;
	const char *prefix = target->token_prefix ? target->token_prefix : "";
	char *secret;
	size_t len;

	check_header(checking, "token_header", target->token_header);
	check_header(checking, "token_prefix", target->token_prefix);
	if (target->token_file && target->token_header &&
	    (secret = read_secret(checking, "token_file", target->token_file, &len))) {
		if (asprintf(&target->token, "%s: %s%s", target->token_header, prefix, secret) < 0)
			target->token = NULL;
		explicit_bzero(secret, len);
		free(secret);
	}
	if (target->signature_file)
		target->signature_key =
			read_secret(checking, "signature_file", target->signature_file,
				    &target->signature_key_len);
}

static BIO *
read_pem(const struct checking *checking, const char *path, char **text, size_t *len)
{
	*text = conf_file_read(path, PEM_MAX, len, checking->diags);
	return *text ? BIO_new_mem_buf(*text, (int)*len) : NULL;
}

static X509 *
check_certificate(const struct checking *checking, const char *setting, const char *path)
{
	const struct place place = at(checking, setting);
	X509 *certificate;
	char *text;
	size_t len;
	BIO *bio = read_pem(checking, path, &text, &len);

	if (!bio)
		return NULL;
	certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (!certificate)
		diag_error(checking->diags, &place, "%s is no certificate in PEM", path);
	else if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
		diag_warning(checking->diags, &place, "%s is a certificate that has expired", path);
	BIO_free(bio);
	free(text);
	return certificate;
}

static void
check_key(const struct checking *checking, X509 *certificate)
{
	const char *path = checking->target->certificate_key;
	const struct place place = at(checking, "certificate_key");
	struct stat found;
	EVP_PKEY *key;
	char *text;
	size_t len;
	BIO *bio = read_pem(checking, path, &text, &len);

	if (!bio)
		return;
	key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
	if (!key)
		diag_error(checking->diags, &place, "%s is no key in PEM without a passphrase",
			   path);
	else if (stat(path, &found) < 0 || found.st_mode & 077)
		diag_error(checking->diags, &place, "%s may be read by others: chmod 600 %s", path,
			   path);
	else if (certificate && X509_check_private_key(certificate, key) != 1)
		diag_error(checking->diags, &place, "%s is not the key of %s", path,
			   checking->target->certificate);
	EVP_PKEY_free(key);
	BIO_free(bio);
	explicit_bzero(text, len);
	free(text);
}

static void
check_tls(const struct checking *checking)
{
	struct delivery_target *target = checking->target;
	const struct place place = at(checking, "certificate");
	X509 *certificate = NULL;

	if (target->authority)
		X509_free(check_certificate(checking, "authority", target->authority));
	if (!target->certificate != !target->certificate_key)
		diag_error(checking->diags, &place, "certificate and certificate_key go together");
	if (target->certificate)
		certificate = check_certificate(checking, "certificate", target->certificate);
	if (target->certificate_key)
		check_key(checking, certificate);
	X509_free(certificate);
}

/* ---- all of it ---- */

static void
check_sense(const struct checking *checking)
{
	const struct delivery_target *target = checking->target;
	const struct place place = at(checking, "ssid");

	if (!(target->wants & 1u << EVENT_CREDENTIALS) && target->ssid)
		diag_warning(checking->diags, &place,
			     "says nothing where \"credentials\" is not among the events");
}

void
delivery_check_target(struct delivery_target *target, const char *file, struct diag_list *diags)
{
	const struct checking checking = { target, file, diags };

	check_events(&checking);
	check_url(&checking);
	check_method(&checking);
	check_header(&checking, "content_type", target->content_type);
	check_body(&checking);
	check_secrets(&checking);
	check_tls(&checking);
	check_sense(&checking);
}
