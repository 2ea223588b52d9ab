/*
 * users.h - who may use the console: local users with a role, and tokens of machines, in one file.
 *
 * A line each, mode 0600; a password is kept as argon2id makes it (libsodium), a token as its BLAKE2b hash, so neither can
 * be read back:
 *
 *	user alice operator $argon2id$v=19$...
 *	once bob security $argon2id$v=19$...        gone after its first login
 *	token ci operator 64 hex digits
 *	other carol viewer                          comes with a certificate, or is named by a trusted proxy
 *
 * Whoever changes the file replaces it as a whole. Any thread; allocates. Hashing takes about 0.1 s and 64 MiB.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tasks/diag.h"

enum {
	USERS_MAX = 1000,
	USER_NAME_MAX = 64,
	USER_HASH_MAX = 128, /* crypto_pwhash_STRBYTES */
	USER_PASSWORD_MIN = 10,
	USER_PASSWORD_MAX = 1024,
	USER_TOKEN_BYTES = 32,
	USER_TOKEN_TEXT = 3 + 2 * USER_TOKEN_BYTES, /* "ct_" and hex digits */
};

/* Each may do what those before it may. */
enum web_role { ROLE_VIEWER, ROLE_OPERATOR, ROLE_SECURITY, WEB_ROLES };

enum user_kind { USER_PASSWORD, USER_ONCE, USER_TOKEN, USER_OTHER, USER_KINDS };

struct web_user {
	char name[USER_NAME_MAX + 1];
	enum user_kind kind;
	enum web_role role;
	char hash[USER_HASH_MAX];
};

struct users {
	struct web_user *items;
	unsigned count;
};

const char *role_name(enum web_role role);
/* -1: none of this name. */
int role_by_name(const char *name);
/* Letters, digits and -._@, not beginning with a dot or a dash. */
bool user_name_is_good(const char *name);

/* False after adding errors: it cannot be read, others may read it, or a line is none. No file is no users. */
bool users_load(struct users *users, const char *file, struct diag_list *diags);
/* 0 or -errno. A new file belongs to the owner of its folder. */
int users_save(const struct users *users, const char *file) __attribute__((warn_unused_result));
void users_fini(struct users *users);

/* NULL: there is none. */
struct web_user *users_find(const struct users *users, const char *name);
/* A place for a new one; NULL: out of memory, or USERS_MAX. */
struct web_user *users_add(struct users *users);
void users_remove(struct users *users, struct web_user *user);
/* Whose token it is; NULL: nobody's. In a time that tells nothing of the tokens. */
const struct web_user *users_by_token(const struct users *users, const char *token);

/* Into user->hash. False: out of memory. */
bool user_set_password(struct web_user *user, const char *password, size_t len);
/* Makes a token, of which the user keeps the hash. */
void user_set_token(struct web_user *user, char token[USER_TOKEN_TEXT + 1]);
/* `hash` of nobody takes as long. */
bool password_is_right(const char *hash, const char *password, size_t len);
