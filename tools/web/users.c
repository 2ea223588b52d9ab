#include "tools/web/users.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "control/file_replace.h"
#include "control/text.h"

_Static_assert(USER_HASH_MAX >= crypto_pwhash_STRBYTES, "a password's hash fits");
_Static_assert(USER_HASH_MAX > 2 * crypto_generichash_BYTES, "a token's hash fits");

enum { LINE_MAX_BYTES = 512 };

static const char token_prefix[] = "ct_";
static const char *const role_names[WEB_ROLES] = { "viewer", "operator", "security" };
static const char *const kind_names[USER_KINDS] = { "user", "once", "token", "other" };

static int
find_word(const char *const *words, int n, const char *word)
{
	for (int i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

const char *
role_name(enum web_role role)
{
	assert(role < WEB_ROLES);
	return role_names[role];
}

int
role_by_name(const char *name)
{
	return find_word(role_names, WEB_ROLES, name);
}

bool
user_name_is_good(const char *name)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789-._@";
	size_t len = strlen(name);

	return len && len <= USER_NAME_MAX && strspn(name, alphabet) == len && *name != '.' &&
	       *name != '-';
}

/* --- the file --- */

/* What stands in the line of a kind behind the role. */
static bool
hash_is_good(enum user_kind kind, const char *hash)
{
	switch (kind) {
	case USER_PASSWORD:
	case USER_ONCE:
		return strncmp(hash, "$argon2id$", 10) == 0 &&
		       strlen(hash) < crypto_pwhash_STRBYTES;
	case USER_TOKEN:
		return strlen(hash) == 2 * crypto_generichash_BYTES &&
		       strspn(hash, "0123456789abcdef") == strlen(hash);
	default:
		return !*hash;
	}
}

static bool
read_line(struct users *users, char *line)
{
	const char *words[4] = { "", "", "", "" };
	char *save = NULL, *word;
	struct web_user *user;
	unsigned n = 0;
	int kind, role;

	if (line[strspn(line, " \t")] == '#')
		return true;
	for (word = strtok_r(line, " \t\r\n", &save); word;
	     word = strtok_r(NULL, " \t\r\n", &save)) {
		if (n == 4)
			return false;
		words[n++] = word;
	}
	if (!n)
		return true;
	kind = find_word(kind_names, USER_KINDS, words[0]);
	role = role_by_name(words[2]);
	if (kind < 0 || role < 0 || !user_name_is_good(words[1]) ||
	    !hash_is_good((enum user_kind)kind, words[3]) || users_find(users, words[1]))
		return false;
	user = users_add(users);
	if (!user)
		return false;
	user->kind = (enum user_kind)kind;
	user->role = (enum web_role)role;
	snprintf(user->name, sizeof user->name, "%s", words[1]);
	snprintf(user->hash, sizeof user->hash, "%s", words[3]);
	return true;
}

bool
users_load(struct users *users, const char *file, struct diag_list *diags)
{
	struct place place = { .file = file };
	size_t errors = diags->errors;
	FILE *stream = fopen(file, "re");
	char line[LINE_MAX_BYTES];
	struct stat st;

	*users = (struct users){ 0 };
	if (!stream) {
		if (errno != ENOENT)
			diag_error(diags, &place, "cannot be read: %s", strerror(errno));
		return errno == ENOENT;
	}
	if (fstat(fileno(stream), &st) || (st.st_mode & (S_IROTH | S_IWOTH)))
		diag_error(diags, &place, "everybody may read these hashes; remedy: chmod 600 %s",
			   file);
	while (fgets(line, sizeof line, stream)) {
		place.line++;
		if (!read_line(users, line))
			diag_error(diags, &place,
				   "no user stands here, or its name is taken; `cradle-web user` "
				   "writes this file");
	}
	explicit_bzero(line, sizeof line);
	fclose(stream);
	if (diags->errors != errors)
		users_fini(users);
	return diags->errors == errors;
}

/* Empty, for nobody but the owner of the folder. */
static int
make_file(const char *file)
{
	char folder[PATH_MAX];
	struct stat st;
	int fd, result = 0;

	fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	snprintf(folder, sizeof folder, "%s", file);
	if (stat(dirname(folder), &st) == 0 && fchown(fd, st.st_uid, st.st_gid) && errno != EPERM)
		result = -errno;
	close(fd);
	return result;
}

int
users_save(const struct users *users, const char *file)
{
	struct text text;
	int result = make_file(file);

	if (result)
		return result;
	text_init(&text);
	text_printf(&text,
		    "# Users of the console and tokens: `cradle-web user` writes this file.\n");
	for (unsigned i = 0; i < users->count; i++) {
		const struct web_user *user = &users->items[i];

		text_printf(&text, "%s %s %s%s%s\n", kind_names[user->kind], user->name,
			    role_names[user->role], *user->hash ? " " : "", user->hash);
	}
	result = text.failed ? -ENOMEM : file_replace_private(file, text_str(&text), text.len);
	text_fini(&text);
	return result;
}

void
users_fini(struct users *users)
{
	if (users->items)
		explicit_bzero(users->items, users->count * sizeof *users->items);
	free(users->items);
	*users = (struct users){ 0 };
}

struct web_user *
users_find(const struct users *users, const char *name)
{
	for (unsigned i = 0; i < users->count; i++)
		if (strcmp(users->items[i].name, name) == 0)
			return &users->items[i];
	return NULL;
}

struct web_user *
users_add(struct users *users)
{
	struct web_user *items;

	if (users->count == USERS_MAX)
		return NULL;
	items = calloc(users->count + 1, sizeof *items);
	if (!items)
		return NULL;
	if (users->items) {
		memcpy(items, users->items, users->count * sizeof *items);
		explicit_bzero(users->items, users->count * sizeof *items);
	}
	free(users->items);
	users->items = items;
	return &items[users->count++];
}

void
users_remove(struct users *users, struct web_user *user)
{
	struct web_user *last = &users->items[users->count - 1];

	assert(users->count && user >= users->items && user <= last);
	memmove(user, user + 1, (size_t)(last - user) * sizeof *user);
	explicit_bzero(last, sizeof *last);
	users->count--;
}

/* --- secrets --- */

static void
hash_token(const char *token, char hex[USER_HASH_MAX])
{
	unsigned char hash[crypto_generichash_BYTES];

	crypto_generichash(hash, sizeof hash, (const unsigned char *)token, strlen(token), NULL, 0);
	sodium_bin2hex(hex, USER_HASH_MAX, hash, sizeof hash);
}

const struct web_user *
users_by_token(const struct users *users, const char *token)
{
	const struct web_user *found = NULL;
	char hash[USER_HASH_MAX];

	if (strlen(token) != USER_TOKEN_TEXT)
		return NULL;
	hash_token(token, hash);
	for (unsigned i = 0; i < users->count; i++)
		if (users->items[i].kind == USER_TOKEN &&
		    sodium_memcmp(users->items[i].hash, hash, 2 * crypto_generichash_BYTES) == 0)
			found = &users->items[i];
	return found;
}

bool
user_set_password(struct web_user *user, const char *password, size_t len)
{
	return crypto_pwhash_str_alg(user->hash, password, len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
				     crypto_pwhash_MEMLIMIT_INTERACTIVE,
				     crypto_pwhash_ALG_ARGON2ID13) == 0;
}

void
user_set_token(struct web_user *user, char token[USER_TOKEN_TEXT + 1])
{
	unsigned char bytes[USER_TOKEN_BYTES];

	randombytes_buf(bytes, sizeof bytes);
	memcpy(token, token_prefix, sizeof token_prefix - 1);
	sodium_bin2hex(token + sizeof token_prefix - 1, 2 * USER_TOKEN_BYTES + 1, bytes,
		       sizeof bytes);
	hash_token(token, user->hash);
	explicit_bzero(bytes, sizeof bytes);
}

bool
password_is_right(const char *hash, const char *password, size_t len)
{
	/* Of a password that nobody has: who asks for a name that there is none of waits as long. */
	static const char nobody[USER_HASH_MAX] =
		"$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

	return crypto_pwhash_str_verify(hash && *hash ? hash : nobody, password, len) == 0 &&
	       hash && *hash;
}
