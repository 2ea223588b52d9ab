/*
 * A KEK out of a PKCS#11 token: the key in it never leaves it, and derives ours.
 *
 * K = CMAC(key, 1 || label || 0 || context || 256) || CMAC(key, 2 || ...), NIST SP 800-108r1 4.1 in counter mode with
 * AES-CMAC (SP 800-38B) and counters of 8 bits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include "control/store/keyring_private.h"

enum { BLOCK_LEN = 16, SLOTS_MAX = 32, PIN_MAX = 256 };

struct token {
	const char *name; /* the URI, for sentences */
	P11KitUri *uri;
	CK_FUNCTION_LIST *module;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
};

/* Without what may hold a PIN. */
static const char *
shown(const struct token *token)
{
	return strstr(token->name, "pin-value") ? "the token" : token->name;
}

static int
refuse(const struct token *token, char error[KEYRING_ERROR_MAX], const char *why)
{
	return keyring_refuse(error, -ENODEV, shown(token), why);
}

/* ---- finding it ---- */

/* A session on the token that the URI names, of this module. */
static bool
open_session(struct token *token, CK_FUNCTION_LIST *module)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG n = SLOTS_MAX;

	if (module->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO info;

		if (module->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
		    !p11_kit_uri_match_token_info(token->uri, &info))
			continue;
		token->module = module;
		return module->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL,
					     &token->session) == CKR_OK;
	}
	return false;
}

/* The PIN of `pin-source`, a file, or of `pin-value`; its length. */
static int
log_in(struct token *token, char error[KEYRING_ERROR_MAX])
{
	const char *source = p11_kit_uri_get_pin_source(token->uri);
	const char *value = p11_kit_uri_get_pin_value(token->uri);
	char *text = NULL;
	CK_RV code;
	size_t len;
	int result = 0;

	if (!source && !value)
		return 0; /* a token that asks for none */
	if (source) {
		text = keyring_read_file(strncmp(source, "file:", 5) == 0 ? source + 5 : source,
					 &result, error);
		if (!text)
			return result;
		value = text;
	}
	len = strcspn(value, "\n");
	code = token->module->C_Login(token->session, CKU_USER, (CK_UTF8CHAR *)value, len);
	keyring_free_text(text);
	return code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN
		       ? 0
		       : refuse(token, error, "the token does not take the PIN");
}

static int
find_key(struct token *token, char error[KEYRING_ERROR_MAX])
{
	CK_ULONG n = 0;
	CK_ATTRIBUTE *wanted = p11_kit_uri_get_attributes(token->uri, &n);
	CK_OBJECT_HANDLE found[2];

	if (token->module->C_FindObjectsInit(token->session, wanted, n) != CKR_OK)
		return refuse(token, error, "the token cannot be searched");
	n = 0;
	token->module->C_FindObjects(token->session, found, 2, &n);
	token->module->C_FindObjectsFinal(token->session);
	if (n != 1)
		return refuse(token, error,
			      n ? "more than one key of the token fits: name it by object= or id="
				: "no key of the token fits; a PIN may be missing (pin-source=)");
	token->key = found[0];
	return 0;
}

/* ---- the key ---- */

static bool
derive_block(const struct token *token, uint8_t counter, uint8_t *out)
{
	static const char label[] = "cradle key-encryption key"; /* and its NUL */
	CK_MECHANISM mechanism = { .mechanism = CKM_AES_CMAC };
	uint8_t message[1 + sizeof label + 2];
	CK_ULONG len = BLOCK_LEN;

	message[0] = counter;
	memcpy(message + 1, label, sizeof label);
	message[1 + sizeof label] = 1; /* 256 bits */
	message[2 + sizeof label] = 0;
	return token->module->C_SignInit(token->session, &mechanism, token->key) == CKR_OK &&
	       token->module->C_Sign(token->session, message, sizeof message, out, &len) == CKR_OK &&
	       len == BLOCK_LEN;
}

static int
derive(struct token *token, struct keyring *keyring, char error[KEYRING_ERROR_MAX])
{
	uint8_t key[KEK_LEN];
	int result;

	if (derive_block(token, 1, key) && derive_block(token, 2, key + BLOCK_LEN))
		result = keyring_take(keyring, key, shown(token), error);
	else
		result = refuse(token, error,
				"the key makes no AES-CMAC: it must be an AES key that may sign");
	explicit_bzero(key, sizeof key);
	return result;
}

static int
use_modules(struct token *token, CK_FUNCTION_LIST **modules, struct keyring *keyring,
	    char error[KEYRING_ERROR_MAX])
{
	bool open = false;
	int result;

	for (unsigned i = 0; modules[i] && !open; i++)
		open = open_session(token, modules[i]);
	if (!open)
		return refuse(token, error,
			      "no such token: `p11-kit list-modules` shows those that there are");
	result = log_in(token, error);
	if (!result)
		result = find_key(token, error);
	if (!result)
		result = derive(token, keyring, error);
	token->module->C_CloseSession(token->session);
	return result;
}

int
keyring_load_token(const char *uri, struct keyring *keyring, char error[KEYRING_ERROR_MAX])
{
	struct token token = { .name = uri, .uri = p11_kit_uri_new() };
	CK_FUNCTION_LIST **modules;
	int result;

	if (!token.uri || p11_kit_uri_parse(uri, P11_KIT_URI_FOR_OBJECT_ON_TOKEN_AND_MODULE,
					    token.uri) != P11_KIT_URI_OK) {
		p11_kit_uri_free(token.uri);
		return keyring_refuse(error, -EINVAL, shown(&token), "no PKCS#11 URI (RFC 7512)");
	}
	modules = p11_kit_modules_load_and_initialize(0);
	result = modules ? use_modules(&token, modules, keyring, error)
			 : refuse(&token, error, "no PKCS#11 module can be loaded");
	if (modules)
		p11_kit_modules_finalize_and_release(modules);
	p11_kit_uri_free(token.uri);
	return result;
}
