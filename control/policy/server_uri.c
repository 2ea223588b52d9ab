#include "control/policy/server_uri.h"

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

/* The length of the host at the start of `rest`; 0 and an error when there is none. */
static size_t
host_length(const char *rest, char *error)
{
	size_t len;

	if (*rest == '[') {
		len = 1 + strspn(rest + 1, "0123456789abcdefABCDEF:.");
		if (rest[len] == ']' && len > 2)
			return len + 1;
		wrong(error, "an IPv6 address is written like [2001:db8::1]");
		return 0;
	}
	for (len = 0; isalnum((unsigned char)rest[len]) || (rest[len] && strchr("-._", rest[len]));)
		len++;
	if (!len)
		wrong(error, "a host name or address is missing");
	return len;
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
