#include "control/policy/server_uri.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tasks/diag.h"
#include "tasks/show.h"

enum { PORT_PLAIN = 5683, PORT_SECURED = 5684 }; /* RFC 7252 section 6, RFC 8323 section 8 */

enum { HOST_MAX = 254, LABEL_MAX = 63 }; /* RFC 1035 2.3.4, with a final dot */

static const char *const schemes[] = { "coap", "coaps", "coap+tcp", "coaps+tcp" };
enum { SCHEMES = sizeof schemes / sizeof schemes[0] };

static int __attribute__((format(printf, 2, 3)))
wrong(char error[SERVER_URI_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	show_into_v(error, SERVER_URI_ERROR_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

/* Takes the scheme, if there is one; *rest is what follows. */
static int
take_scheme(const char *said, const char **rest, struct server_uri *uri, char *error)
{
	const char *colon = strstr(said, "://"), *nearest;
	char scheme[16] = "";

	*rest = said;
	if (!colon)
		return 0;
	*rest = colon + 3;
	snprintf(scheme, sizeof scheme, "%.*s", (int)(colon - said), said);
	for (int i = 0; i < SCHEMES; i++) {
		if (strcasecmp(scheme, schemes[i]) != 0)
			continue;
		uri->secured = i & 1;
		uri->tcp = i & 2;
		return 0;
	}
	nearest = diag_nearest(scheme, schemes, SCHEMES);
	return wrong(error, "\"%s\" is no scheme of CoAP: coap, coaps, coap+tcp or coaps+tcp%s%s%s",
		     scheme, nearest ? "; did you mean " : "", nearest ? nearest : "",
		     nearest ? "?" : "");
}

/* "[2001:db8::1]": its length with the brackets, or -1. */
static int
address6_length(const char *rest)
{
	size_t len = strcspn(rest, "]");
	char text[INET6_ADDRSTRLEN];
	uint8_t ignored[16];

	if (!rest[len] || len > sizeof text)
		return -1;
	memcpy(text, rest + 1, len - 1);
	text[len - 1] = '\0';
	return inet_pton(AF_INET6, text, ignored) == 1 ? (int)len + 1 : -1;
}

/*
 * A name of labels of letters, digits, '-' and '_' (RFC 1123 2.1, RFC 952), or an IPv4 address:
 * what ends in a number is one (RFC 3986 3.2.2, RFC 3696 2).
 */
static bool
host_is_good(const char *host, size_t len)
{
	size_t label = 0, last = 0;
	char text[HOST_MAX + 1];
	uint8_t ignored[4];

	if (len > HOST_MAX || *host == '.')
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	if (len > 1 && text[len - 1] == '.')
		text[--len] = '\0'; /* the root's: a name that is whole */
	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] != '.')
			continue;
		last = label;
		if (i == label || i - label > LABEL_MAX || text[label] == '-' || text[i - 1] == '-')
			return false;
		label = i + 1;
	}
	return text[last + strspn(text + last, "0123456789")] != '\0' ||
	       inet_pton(AF_INET, text, ignored) == 1;
}

static bool
is_scheme(const char *text, size_t len)
{
	for (int i = 0; i < SCHEMES; i++)
		if (strlen(schemes[i]) == len && strncasecmp(schemes[i], text, len) == 0)
			return true;
	return false;
}

/* The length of the host at the start of `rest`; 0 and an error when there is none. */
static size_t
host_length(const char *rest, char *error)
{
	size_t len;
	int whole;

	if (*rest == '[') {
		whole = address6_length(rest);
		if (whole > 0)
			return (size_t)whole;
		wrong(error, "an IPv6 address is written like [2001:db8::1]");
		return 0;
	}
	for (len = 0; isalnum((unsigned char)rest[len]) || (rest[len] && strchr("-._", rest[len]));)
		len++;
	if (!len)
		wrong(error, "a host name or address is missing");
	else if (is_scheme(rest, len) && rest[len] == '/' && rest[len + 1] == '/')
		wrong(error, "a ':' is missing behind \"%.*s\"", (int)len, rest);
	else if (rest[len] == ':' && strchr(rest + len + 1, ':'))
		wrong(error, "an IPv6 address is written like [2001:db8::1]");
	else if (host_is_good(rest, len))
		return len;
	else
		wrong(error, "\"%.*s\" is neither a host name nor an address",
		      (int)(len < 60 ? len : 60), rest);
	return 0;
}

/* What follows the host: nothing, ":PORT", a path; *path is where the path begins. */
static int
take_port(const char *after, long *port, const char **path, char *error)
{
	char *end = NULL;

	*path = after;
	if (*after == ':') {
		*port = isdigit((unsigned char)after[1]) ? strtol(after + 1, &end, 10) : 0;
		if (*port < 1 || *port > 65535)
			return wrong(error, "a port is a number of 1 to 65535; an IPv6 address is "
					    "written like [2001:db8::1]");
		*path = end;
	}
	if (**path && **path != '/')
		return wrong(error, "\"%.20s\" does not belong into an address", *path);
	for (const char *at = *path; *at; at++)
		if (!isgraph((unsigned char)*at))
			return wrong(error, "the path has a character that no URI has");
	return 0;
}

int
server_uri_complete(const char *said, bool secured, bool tcp, struct server_uri *uri,
		    char error[SERVER_URI_ERROR_MAX])
{
	const char *rest, *path;
	size_t host;
	long port;
	int len;

	*uri = (struct server_uri){ .secured = secured, .tcp = tcp };
	if (take_scheme(said, &rest, uri, error) < 0)
		return -EINVAL;
	host = host_length(rest, error);
	port = uri->secured ? PORT_SECURED : PORT_PLAIN;
	if (!host || take_port(rest + host, &port, &path, error) < 0)
		return -EINVAL;
	len = snprintf(uri->text, sizeof uri->text, "%s://%.*s:%ld%s",
		       schemes[(uri->secured ? 1 : 0) + (uri->tcp ? 2 : 0)], (int)host, rest, port,
		       path);
	if (len > SERVER_URI_MAX)
		return wrong(error, "the whole URI has %d bytes: at most %d", len, SERVER_URI_MAX);
	return 0;
}
