/*
 * A KEK out of a PKCS#11 token: the key in it never leaves it, and derives ours.
 *
 * K = CMAC(key, 1 || label || 0 || context || 256) || CMAC(key, 2 || ...), NIST SP 800-108r1 4.1 in counter mode with
 * AES-CMAC (SP 800-38B) and counters of 8 bits.
 */
#include <errno.h>
#include <string.h>

#include "control/pkcs11_token.h"
#include "control/store/keyring_private.h"

enum { BLOCK_LEN = 16 };

/* The URI without what may hold a PIN. */
static const char *
shown(const char *uri)
{
	return strstr(uri, "pin-value") ? "the token" : uri;
}

/* ---- the key ---- */

static bool
derive_block(const struct pkcs11_token *token, CK_OBJECT_HANDLE key, uint8_t counter, uint8_t *out)
{
	static const char label[] = "cradle key-encryption key"; /* and its NUL */
	CK_MECHANISM mechanism = { .mechanism = CKM_AES_CMAC };
	uint8_t message[1 + sizeof label + 2];
	CK_ULONG len = BLOCK_LEN;

	message[0] = counter;
	memcpy(message + 1, label, sizeof label);
	message[1 + sizeof label] = 1; /* 256 bits */
	message[2 + sizeof label] = 0;
	return token->module->C_SignInit(token->session, &mechanism, key) == CKR_OK &&
	       token->module->C_Sign(token->session, message, sizeof message, out, &len) == CKR_OK &&
	       len == BLOCK_LEN;
}

/* What is wrong, or NULL. */
static const char *
derive(struct pkcs11_token *token, uint8_t kek[KEK_LEN])
{
	CK_OBJECT_HANDLE key;
	const char *wrong = pkcs11_token_open(token);

	if (!wrong)
		wrong = pkcs11_token_find(token, &key);
	if (!wrong && (!derive_block(token, key, 1, kek) ||
		       !derive_block(token, key, 2, kek + BLOCK_LEN)))
		wrong = "the key makes no AES-CMAC: it must be an AES key that may sign";
	return wrong;
}

int
keyring_load_token(const char *uri, struct keyring *keyring, char error[KEYRING_ERROR_MAX])
{
	struct pkcs11_token token;
	uint8_t key[KEK_LEN];
	const char *wrong = pkcs11_token_init(&token, uri);
	int result = wrong && !token.modules ? -EINVAL : -ENODEV;

	if (!wrong)
		wrong = derive(&token, key);
	result = wrong ? keyring_refuse(error, result, shown(uri), wrong)
		       : keyring_take(keyring, key, shown(uri), error);
	explicit_bzero(key, sizeof key);
	pkcs11_token_fini(&token);
	return result;
}
