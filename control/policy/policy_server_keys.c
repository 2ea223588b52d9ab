/* What a server's Security instance holds in resources 3, 4 and 5, as servers.conf says it. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "control/policy/policy_reading.h"

enum {
	IDENTITY_MAX = 128, /* OMA TS Transport 5.2.9.1: what every client must take */
	PSK_MAX = 64,
	KEY_FILE_MAX = SERVER_TEXT_MAX / 2, /* as hex in a task of at most 100,000 characters */
};

/* Settings that the mode has no use for. */
static void
check_unused(struct server_reading *in, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (server_says(in, names[i]))
			server_wrong(in, names[i],
				     "security \"%s\" has no %s: take it out, or change one",
				     server_mode_names[in->server->mode], names[i]);
}

/* A template's text that goes out as it stands; NULL when it is computed. */
static const char *
literal(const char *text)
{
	return strstr(text, "${") ? NULL : text;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Hex digits to bytes; the count, or -1: other characters, an odd number, or too many. */
static ssize_t
decode_hex(const char *text, uint8_t *bytes, size_t size)
{
	size_t n = 0;

	for (; *text; text += 2) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || n == size)
			return -1;
		bytes[n++] = (uint8_t)(high << 4 | low);
	}
	return (ssize_t)n;
}

static void
check_psk(struct server_reading *in)
{
	const char *psk = in->server->psk;
	uint8_t bytes[PSK_MAX];
	ssize_t len = psk ? (ssize_t)strlen(psk) : 0;

	if (!len) {
		server_wrong(in, "psk", "an empty psk is none");
		return;
	}
	if (!literal(psk))
		return;
	if (in->server->psk_hex)
		len = decode_hex(psk, bytes, sizeof bytes);
	explicit_bzero(bytes, sizeof bytes);
	if (len < 0)
		server_wrong(in, "psk", "this is no hex of 1 to %d bytes, two digits each",
			     PSK_MAX);
	else if (len > PSK_MAX)
		server_wrong(in, "psk", "longer than %d bytes: clients take no more", PSK_MAX);
}

static void
read_psk(struct server_reading *in)
{
	struct policy_server *server = in->server;

	server->identity = server_text(in, "identity", "${sv.managementId}");
	server->psk = server_text(in, "psk", "${string.secureRandom(24)}");
	server->psk_hex =
		conf_bool(in->reading->conf, in->member, "psk_hex", false, in->reading->diags);
	if (!server->identity || !*server->identity)
		server_wrong(in, "identity", "a psk needs an identity");
	else if (literal(server->identity) && strlen(server->identity) > IDENTITY_MAX)
		server_wrong(in, "identity", "%zu bytes: clients take up to %d",
			     strlen(server->identity), IDENTITY_MAX);
	check_psk(in);
}

/* One DER SEQUENCE and nothing else: X.509, SPKI (RFC 7250) and PKCS#8 (RFC 5958) alike. */
static bool
is_der(const uint8_t *bytes, size_t len)
{
	size_t n, said = 0;

	if (len < 2 || bytes[0] != 0x30)
		return false;
	if (bytes[1] < 0x80)
		return len == 2 + (size_t)bytes[1];
	n = bytes[1] & 0x7f;
	if (n < 1 || n > 3 || len < 2 + n)
		return false;
	for (size_t i = 0; i < n; i++)
		said = said << 8 | bytes[2 + i];
	return len == 2 + n + said;
}

static void
check_der(struct server_reading *in, const char *setting, const void *bytes, size_t len)
{
	static const char pem[] = "-----BEGIN";

	if (len >= sizeof pem - 1 && strncmp(bytes, pem, sizeof pem - 1) == 0)
		server_wrong(in, setting,
			     "this is PEM, but clients take DER (OMA TS Transport 5.2.9): convert "
			     "it with "
			     "`openssl x509`, `openssl pkey` or `openssl pkcs8`, and -outform DER");
	else if (!is_der(bytes, len))
		server_wrong(
			in, setting,
			"this is no DER: X.509, SubjectPublicKeyInfo and PKCS#8 begin with 30 and "
			"say "
			"their own length");
}

/* keys/NAME as hex in the arena; NULL after adding an error. */
static const char *
read_key_file(struct server_reading *in, const char *setting, const char *name)
{
	char path[POLICY_PATH_MAX], in_folder[POLICY_FILE_NAME_MAX + 8];
	size_t len, errors = in->reading->diags->errors;
	char *bytes, *hex = NULL;

	if (!policy_file_name_is_good(name)) {
		server_wrong(in, setting, "\"%.80s\" must be the name of a file in keys/", name);
		return NULL;
	}
	snprintf(in_folder, sizeof in_folder, "keys/%s", name);
	bytes = policy_read_file(in->reading, in_folder, path, &len);
	if (!bytes)
		return NULL;
	if (len > KEY_FILE_MAX)
		server_wrong(in, setting, "%s is longer than %d bytes", in_folder, KEY_FILE_MAX);
	else
		check_der(in, setting, bytes, len);
	if (in->reading->diags->errors == errors)
		hex = arena_alloc(in->reading->arena, 2 * len + 1);
	for (size_t i = 0; hex && i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", (uint8_t)bytes[i]);
	explicit_bzero(bytes, len);
	free(bytes);
	return hex;
}

/* "file:NAME", a template, or hex. What goes into the task; NULL after adding an error. */
static const char *
read_key(struct server_reading *in, const char *setting, const char **text)
{
	uint8_t bytes[KEY_FILE_MAX];
	ssize_t len;

	*text = server_text(in, setting, NULL);
	if (!*text || !**text) {
		server_wrong(in, setting,
			     "security \"%s\" needs a %s: hex, file:NAME of keys/, or a "
			     "template that gives hex",
			     server_mode_names[in->server->mode], setting);
		return NULL;
	}
	if (strncmp(*text, "file:", 5) == 0)
		return read_key_file(in, setting, *text + 5);
	if (!literal(*text))
		return *text;
	len = decode_hex(*text, bytes, sizeof bytes);
	if (len >= 0)
		check_der(in, setting, bytes, (size_t)len);
	else if (strncmp(*text, "-----BEGIN", 10) == 0)
		check_der(in, setting, *text, strlen(*text));
	else
		server_wrong(in, setting, "neither hex digits, two a byte, nor file:NAME");
	explicit_bzero(bytes, sizeof bytes);
	return *text;
}

void
server_read_keys(struct server_reading *in)
{
	static const char *const psk[] = { "identity", "psk", "psk_hex" };
	static const char *const keys[] = { "public_key", "server_public_key", "secret_key" };
	struct policy_server *server = in->server;

	if (server->mode != SERVER_PSK)
		check_unused(in, psk, COUNT(psk));
	if (server->mode == SERVER_PSK || server->mode == SERVER_NOSEC)
		check_unused(in, keys, COUNT(keys));
	if (server->mode == SERVER_PSK)
		read_psk(in);
	if (server->mode != SERVER_RPK && server->mode != SERVER_CERTIFICATE)
		return;
	in->keys.public_key = read_key(in, keys[0], &server->public_key);
	in->keys.server_public_key = read_key(in, keys[1], &server->server_public_key);
	in->keys.secret_key = read_key(in, keys[2], &server->secret_key);
}
