#include "tools/web/guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool
read_list(struct address_list *list, const char *text, const char *setting, struct diag_list *diags)
{
	const struct place place = { .tag = setting };
	char bad[64];
	int error = address_list_parse(list, text, bad);

	if (error == -EINVAL)
		diag_error(diags, &place,
			   "\"%s\" is no address; write \"192.0.2.1\" or \"2001:db8::/32\"", bad);
	else if (error)
		diag_error(diags, &place, "more than %d addresses", ADDRESS_LIST_MAX);
	return error == 0;
}

/* What a header can carry (RFC 6750 2.1, b64token). */
static bool
is_token(const char *word, size_t len)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789-._~+/=";

	return len >= GUARD_TOKEN_MIN && len <= GUARD_TOKEN_MAX && strspn(word, alphabet) >= len;
}

static void
read_line(struct guard *guard, char *line, const struct place *place, struct diag_list *diags)
{
	size_t len;

	line += strspn(line, " \t");
	len = strcspn(line, " \t\r\n");
	if (!len || *line == '#')
		return;
	if (!is_token(line, len) || line[len + strspn(line + len, " \t\r\n")])
		diag_error(diags, place,
			   "a token is one word of %d to %d letters, digits and -._~+/= a line",
			   GUARD_TOKEN_MIN, GUARD_TOKEN_MAX);
	else if (guard->n_tokens == GUARD_TOKENS_MAX)
		diag_error(diags, place, "more than %d tokens", GUARD_TOKENS_MAX);
	else
		memcpy(guard->tokens[guard->n_tokens++], line, len);
}

static void
read_tokens(struct guard *guard, const char *file, struct diag_list *diags)
{
	struct place place = { .file = file };
	FILE *stream = fopen(file, "re");
	char line[GUARD_TOKEN_MAX + 64];
	struct stat st;

	if (!stream) {
		diag_error(diags, &place, "cannot be read: %s", strerror(errno));
		return;
	}
	if (fstat(fileno(stream), &st) || (st.st_mode & S_IROTH))
		diag_error(diags, &place, "everybody may read these tokens; remedy: chmod o= %s",
			   file);
	while (fgets(line, sizeof line, stream)) {
		place.line++;
		read_line(guard, line, &place, diags);
	}
	place.line = 0;
	if (!guard->n_tokens)
		diag_error(diags, &place, "there is no token in it");
	explicit_bzero(line, sizeof line);
	fclose(stream);
}

bool
guard_init(struct guard *guard, const struct guard_settings *settings, struct diag_list *diags)
{
	size_t errors = diags->errors;

	*guard = (struct guard){ 0 };
	read_list(&guard->allowed, settings->allow, "allow", diags);
	read_list(&guard->proxies, settings->proxies, "addresses", diags);
	if (settings->token_file)
		read_tokens(guard, settings->token_file, diags);
	return diags->errors == errors;
}

void
guard_fini(struct guard *guard)
{
	explicit_bzero(guard, sizeof *guard);
}

/* In constant time for tokens of one length; the length is no secret. */
static bool
equal(const char *a, const char *b, size_t len)
{
	volatile unsigned char difference = 0;

	for (size_t i = 0; i < len; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return difference == 0;
}

static bool
knows_token(const struct guard *guard, const char *authorization)
{
	bool known = false;
	const char *word;
	size_t len;

	if (strncasecmp(authorization, "Bearer ", 7) != 0)
		return false;
	word = authorization + 7;
	word += strspn(word, " ");
	len = strlen(word);
	for (unsigned i = 0; i < guard->n_tokens; i++)
		if (strlen(guard->tokens[i]) == len)
			known |= equal(guard->tokens[i], word, len);
	return known;
}

/* The last address of the list is the one that the proxy itself saw; those before are what the client claims. */
static bool
last_forwarded(const char *list, struct ip_address *address)
{
	const char *comma = strrchr(list, ',');
	const char *word = comma ? comma + 1 : list;
	size_t len;

	word += strspn(word, " \t");
	len = strcspn(word, " \t");
	return ip_address_parse(address, word, len);
}

static bool
address_counts(const struct guard *guard, const struct guard_claims *claims,
	       struct ip_address *address)
{
	if (!claims->peer || !ip_address_of(address, claims->peer))
		return false;
	if (!claims->forwarded)
		return !address_list_has(&guard->proxies, address);
	return claims->forwarded_for && address_list_has(&guard->proxies, address) &&
	       last_forwarded(claims->forwarded_for, address);
}

enum guard_verdict
guard_judge(const struct guard *guard, const struct guard_claims *claims)
{
	struct ip_address address;

	if (claims->authorization && knows_token(guard, claims->authorization))
		return GUARD_ALLOWED;
	if (address_counts(guard, claims, &address) && address_list_has(&guard->allowed, &address))
		return GUARD_ALLOWED;
	return guard->n_tokens ? GUARD_TOKEN_WANTED : GUARD_FORBIDDEN;
}

bool
guard_is_proxy(const struct guard *guard, const struct sockaddr *peer)
{
	struct ip_address address;

	return peer && ip_address_of(&address, peer) && address_list_has(&guard->proxies, &address);
}

void
guard_client(const struct guard *guard, const struct guard_claims *claims,
	     struct ip_address *client)
{
	memset(client, 0, sizeof *client);
	if (guard_is_proxy(guard, claims->peer) && claims->forwarded_for &&
	    last_forwarded(claims->forwarded_for, client))
		return;
	if (claims->peer)
		(void)ip_address_of(client, claims->peer);
}
