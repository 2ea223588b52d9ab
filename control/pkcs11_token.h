/*
 * pkcs11_token.h - a PKCS#11 token by its URI (RFC 7512): found among all modules that p11-kit knows, logged in
 * to with the PIN of a file, and searched.
 *
 * Life: pkcs11_token_init() -> { pkcs11_token_open() -> pkcs11_token_find() -> pkcs11_token_close() } as often as
 * needed -> pkcs11_token_fini(). What returns a sentence says what is wrong and what to do, or NULL: nothing is.
 *
 * Owner: the caller, one thread at a time; all but pkcs11_is_uri() block as long as the token does, and allocate.
 * `module` and what it gives out may be used by any thread (p11-kit initialises modules for threads).
 */
#pragma once

#include <stdbool.h>

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

struct pkcs11_token {
	P11KitUri *uri;
	CK_FUNCTION_LIST **modules;
	CK_FUNCTION_LIST *module; /* where the session is; NULL: none is open */
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
	bool pin_refused; /* too many wrong ones lock a token: nobody tries again by himself */
};

/* Whether a setting means a token. */
bool pkcs11_is_uri(const char *text);

/* Loads the modules; no token is touched yet. To be ended by pkcs11_token_fini(), whatever it returns. */
const char *pkcs11_token_init(struct pkcs11_token *token, const char *uri);
void pkcs11_token_fini(struct pkcs11_token *token);

/* A session, logged in if the URI has a PIN. */
const char *pkcs11_token_open(struct pkcs11_token *token);
void pkcs11_token_close(struct pkcs11_token *token);

/* How many objects fit, of which the first is found: 0, 1, or 2 for more. */
CK_ULONG pkcs11_token_search(const struct pkcs11_token *token, CK_ATTRIBUTE *wanted,
			     CK_ULONG n_wanted, CK_OBJECT_HANDLE *object);
/* The one object that the URI names. */
const char *pkcs11_token_find(const struct pkcs11_token *token, CK_OBJECT_HANDLE *object);
