#include "control/pkcs11_token.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tasks/text_file.h"

enum { SLOTS_MAX = 32, PIN_MAX = 256 };

bool
pkcs11_is_uri(const char *text)
{
	return strncmp(text, "pkcs11:", 7) == 0;
}

/* ---- life ---- */

const char *
pkcs11_token_init(struct pkcs11_token *token, const char *uri)
{
	*token = (struct pkcs11_token){ .uri = p11_kit_uri_new() };
	if (!token->uri)
		return "out of memory";
	if (p11_kit_uri_parse(uri, P11_KIT_URI_FOR_OBJECT_ON_TOKEN_AND_MODULE, token->uri) !=
	    P11_KIT_URI_OK)
		return "it is no PKCS#11 URI (RFC 7512): pkcs11:token=box;object=bs?"
		       "pin-source=file:/etc/cradle/pin";
	if (p11_kit_uri_any_unrecognized(token->uri))
		return "a part of the URI is none that RFC 7512 knows: token=, object=, id=, "
		       "pin-source= and others";
	token->modules = p11_kit_modules_load_and_initialize(0);
	return token->modules ? NULL
			      : "no PKCS#11 module can be loaded: `p11-kit list-modules` says why";
}

void
pkcs11_token_fini(struct pkcs11_token *token)
{
	pkcs11_token_close(token);
	if (token->modules)
		p11_kit_modules_finalize_and_release(token->modules);
	if (token->uri)
		p11_kit_uri_free(token->uri);
	*token = (struct pkcs11_token){ .uri = NULL };
}

/* ---- a session ---- */

static bool
open_in(struct pkcs11_token *token, CK_FUNCTION_LIST *module)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG n = SLOTS_MAX;

	if (module->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO info;

		if (module->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
		    p11_kit_uri_match_token_info(token->uri, &info) &&
		    module->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL,
					  &token->session) == CKR_OK) {
			token->module = module;
			token->slot = slots[i];
			return true;
		}
	}
	return false;
}

static const char *
open_session(struct pkcs11_token *token)
{
	for (unsigned i = 0; token->modules[i]; i++)
		if (open_in(token, token->modules[i]))
			return NULL;
	return "no such token: `p11-kit list-modules` shows those that there are";
}

static const char *
give_pin(struct pkcs11_token *token, const char *pin)
{
	CK_ULONG len = strcspn(pin, "\r\n");

	switch (token->module->C_Login(token->session, CKU_USER, (CK_UTF8CHAR *)(uintptr_t)pin,
				       len)) {
	case CKR_OK:
	case CKR_USER_ALREADY_LOGGED_IN:
		return NULL;
	case CKR_PIN_INCORRECT:
	case CKR_PIN_LEN_RANGE:
	case CKR_PIN_LOCKED:
		token->pin_refused = true;
		return "the token does not take the PIN: mend the file of pin-source=";
	default:
		return "the token cannot be logged in to";
	}
}

static const char *
give_pin_of_file(struct pkcs11_token *token, const char *path)
{
	const char *wrong;
	struct stat found;
	char *pin;
	size_t len;

	if (text_file_read(path, PIN_MAX, &pin, &len) < 0)
		return "the file of pin-source= cannot be read, or is no PIN";
	if (stat(path, &found) < 0 || found.st_mode & 077)
		wrong = "others can read the file of pin-source=: chmod 600, and if it was so for "
			"long, give the token a new PIN";
	else
		wrong = give_pin(token, pin);
	explicit_bzero(pin, len);
	free(pin);
	return wrong;
}

static const char *
log_in(struct pkcs11_token *token)
{
	const char *source = p11_kit_uri_get_pin_source(token->uri);
	const char *value = p11_kit_uri_get_pin_value(token->uri);

	if (source)
		return give_pin_of_file(token,
					strncmp(source, "file:", 5) == 0 ? source + 5 : source);
	return value ? give_pin(token, value) : NULL; /* a token that asks for none */
}

const char *
pkcs11_token_open(struct pkcs11_token *token)
{
	const char *wrong = open_session(token);

	if (!wrong)
		wrong = log_in(token);
	if (wrong)
		pkcs11_token_close(token);
	return wrong;
}

void
pkcs11_token_close(struct pkcs11_token *token)
{
	if (token->module)
		token->module->C_CloseSession(token->session);
	token->module = NULL;
}

/* ---- what is in it ---- */

CK_ULONG
pkcs11_token_search(const struct pkcs11_token *token, CK_ATTRIBUTE *wanted, CK_ULONG n_wanted,
		    CK_OBJECT_HANDLE *object)
{
	CK_OBJECT_HANDLE found[2];
	CK_ULONG n = 0;

	if (token->module->C_FindObjectsInit(token->session, wanted, n_wanted) != CKR_OK)
		return 0;
	if (token->module->C_FindObjects(token->session, found, 2, &n) != CKR_OK)
		n = 0;
	token->module->C_FindObjectsFinal(token->session);
	if (n)
		*object = found[0];
	return n;
}

const char *
pkcs11_token_find(const struct pkcs11_token *token, CK_OBJECT_HANDLE *object)
{
	CK_ULONG n_wanted = 0;
	CK_ATTRIBUTE *wanted = p11_kit_uri_get_attributes(token->uri, &n_wanted);

	switch (pkcs11_token_search(token, wanted, n_wanted, object)) {
	case 0:
		return "no key of this kind in the token fits; a PIN may be missing: "
		       "pin-source=file:/etc/cradle/pin";
	case 1:
		return NULL;
	default:
		return "more than one key of the token fits: name it by object= or id=";
	}
}
