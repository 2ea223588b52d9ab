#include "control/policy/pkcs11_key.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include "tasks/text_file.h"

enum { SLOTS_MAX = 32, PIN_MAX = 256, ID_MAX = 256, DER_POINT = PKCS11_POINT + 2 };

struct pkcs11_key {
	pthread_mutex_t lock; /* of all below: a session does one thing at a time */
	P11KitUri *uri;
	CK_FUNCTION_LIST **modules, *module; /* `module`: where the session is; NULL: none is */
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;
	bool pin_refused;
	uint8_t point[PKCS11_POINT];
};

bool
pkcs11_is_uri(const char *text)
{
	return strncmp(text, "pkcs11:", 7) == 0;
}

/* ---- a session ---- */

static bool
open_in(struct pkcs11_key *key, CK_FUNCTION_LIST *module)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG n = SLOTS_MAX;

	if (module->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
		return false;
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO info;

		if (module->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
		    p11_kit_uri_match_token_info(key->uri, &info) &&
		    module->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL,
					  &key->session) == CKR_OK) {
			key->module = module;
			return true;
		}
	}
	return false;
}

/* This and those below return what is wrong and what to do, or NULL. */
static const char *
open_session(struct pkcs11_key *key)
{
	for (unsigned i = 0; key->modules[i]; i++) {
		if (open_in(key, key->modules[i]))
			return NULL;
	}
	return "no such token: `p11-kit list-modules` shows those that there are";
}

static const char *
give_pin(struct pkcs11_key *key, char *pin)
{
	CK_ULONG len = strcspn(pin, "\r\n");

	switch (key->module->C_Login(key->session, CKU_USER, (CK_UTF8CHAR *)pin, len)) {
	case CKR_OK:
	case CKR_USER_ALREADY_LOGGED_IN:
		return NULL;
	case CKR_PIN_INCORRECT:
	case CKR_PIN_LEN_RANGE:
	case CKR_PIN_LOCKED:
		key->pin_refused = true;
		return "the token does not take the PIN: mend the file of pin-source=, and reload";
	default:
		return "the token cannot be logged in to";
	}
}

static const char *
log_in(struct pkcs11_key *key)
{
	const char *source = p11_kit_uri_get_pin_source(key->uri), *wrong;
	struct stat found;
	char *pin;
	size_t len;

	if (!source)
		return NULL; /* a token that asks for none */
	if (strncmp(source, "file:", 5) == 0)
		source += 5;
	if (text_file_read(source, PIN_MAX, &pin, &len) < 0)
		return "the file of pin-source= cannot be read, or is no PIN";
	if (stat(source, &found) < 0 || found.st_mode & 077)
		wrong = "others can read the file of pin-source=: chmod 600, and if it was so for "
			"long, give the token a new PIN";
	else
		wrong = give_pin(key, pin);
	explicit_bzero(pin, len);
	free(pin);
	return wrong;
}

/* ---- the key in it ---- */

/* How many fit, of which the first is found: 0, 1, or 2 for more. */
static CK_ULONG
find_object(struct pkcs11_key *key, CK_ATTRIBUTE *wanted, CK_ULONG n_wanted,
	    CK_OBJECT_HANDLE *object)
{
	CK_OBJECT_HANDLE found[2];
	CK_ULONG n = 0;

	if (key->module->C_FindObjectsInit(key->session, wanted, n_wanted) != CKR_OK)
		return 0;
	if (key->module->C_FindObjects(key->session, found, 2, &n) != CKR_OK)
		n = 0;
	key->module->C_FindObjectsFinal(key->session);
	if (n)
		*object = found[0];
	return n;
}

static const char *
find_key(struct pkcs11_key *key)
{
	CK_ULONG n_wanted = 0, n;
	CK_ATTRIBUTE *wanted = p11_kit_uri_get_attributes(key->uri, &n_wanted);

	n = find_object(key, wanted, n_wanted, &key->object);
	if (n > 1)
		return "more than one private key of the token fits: name it by object= or id=";
	return n ? NULL
		 : "no private key of the token fits; a PIN may be missing: "
		   "pin-source=file:/etc/cradle/pin";
}

/* CKA_EC_POINT is the DER of an octet string; some tokens give the point alone. */
static const char *
take_point(struct pkcs11_key *key, const uint8_t *bytes, CK_ULONG len)
{
	if (len == DER_POINT && bytes[0] == 0x04 && bytes[1] == PKCS11_POINT) {
		bytes += 2;
		len -= 2;
	}
	if (len != PKCS11_POINT || bytes[0] != 0x04)
		return "the key is not of P-256";
	memcpy(key->point, bytes, PKCS11_POINT);
	return NULL;
}

/* The public key is an object of its own, of the same id. */
static const char *
find_point(struct pkcs11_key *key)
{
	CK_OBJECT_CLASS public = CKO_PUBLIC_KEY;
	uint8_t id[ID_MAX], bytes[DER_POINT];
	CK_ATTRIBUTE wanted[] = { { CKA_ID, id, sizeof id },
				  { CKA_CLASS, &public, sizeof public } };
	CK_ATTRIBUTE point = { CKA_EC_POINT, bytes, sizeof bytes };
	CK_OBJECT_HANDLE object;
	CK_RV code = key->module->C_GetAttributeValue(key->session, key->object, wanted, 1);

	if (code != CKR_OK || wanted[0].ulValueLen == 0 ||
	    find_object(key, wanted, 2, &object) != 1)
		return "the token has no public key, or several, of the private key's id: put it "
		       "there, too, with the same id";
	code = key->module->C_GetAttributeValue(key->session, object, &point, 1);
	if (code != CKR_OK)
		return "the key is not of P-256";
	return take_point(key, bytes, point.ulValueLen);
}

static void
close_session(struct pkcs11_key *key)
{
	if (key->module)
		key->module->C_CloseSession(key->session);
	key->module = NULL;
}

static const char *
find(struct pkcs11_key *key)
{
	const char *wrong = open_session(key);

	if (!wrong)
		wrong = log_in(key);
	if (!wrong)
		wrong = find_key(key);
	if (wrong)
		close_session(key);
	return wrong;
}

/* ---- signatures ---- */

static bool
sign_now(struct pkcs11_key *key, const uint8_t hash[PKCS11_HASH],
	 uint8_t signature[PKCS11_SIGNATURE])
{
	CK_MECHANISM mechanism = { .mechanism = CKM_ECDSA };
	CK_ULONG len = PKCS11_SIGNATURE;
	uint8_t bytes[PKCS11_HASH];

	if (!key->module)
		return false;
	memcpy(bytes, hash, sizeof bytes); /* C_Sign() wants to write what it reads */
	return key->module->C_SignInit(key->session, &mechanism, key->object) == CKR_OK &&
	       key->module->C_Sign(key->session, bytes, sizeof bytes, signature, &len) == CKR_OK &&
	       len == PKCS11_SIGNATURE;
}

bool
pkcs11_key_sign(void *ctx, const uint8_t hash[PKCS11_HASH], uint8_t signature[PKCS11_SIGNATURE])
{
	struct pkcs11_key *key = ctx;
	bool good;

	pthread_mutex_lock(&key->lock);
	good = sign_now(key, hash, signature);
	if (!good && !key->pin_refused) {
		close_session(key);
		good = !find(key) && sign_now(key, hash, signature);
	}
	pthread_mutex_unlock(&key->lock);
	return good;
}

/* ---- life ---- */

/* The URI as it is used: of a private key, and without a PIN that everybody may read. */
static const char *
parse(struct pkcs11_key *key, const char *uri)
{
	CK_OBJECT_CLASS private = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE class = { CKA_CLASS, &private, sizeof private };

	if (p11_kit_uri_parse(uri, P11_KIT_URI_FOR_OBJECT_ON_TOKEN_AND_MODULE, key->uri) !=
	    P11_KIT_URI_OK)
		return "it is no PKCS#11 URI (RFC 7512): pkcs11:token=box;object=bs?"
		       "pin-source=file:/etc/cradle/pin";
	if (p11_kit_uri_any_unrecognized(key->uri))
		return "a part of the URI is none that RFC 7512 knows: token=, object=, id=, "
		       "pin-source= and others";
	if (p11_kit_uri_get_pin_value(key->uri))
		return "a PIN does not belong here: put it into a file of mode 0600, and write "
		       "pin-source=file:FILE in place of pin-value=";
	return p11_kit_uri_set_attribute(key->uri, &class) == P11_KIT_URI_OK ? NULL
									     : "out of memory";
}

static const char *
begin(struct pkcs11_key *key, const char *uri)
{
	const char *wrong = key->uri ? parse(key, uri) : "out of memory";

	if (wrong)
		return wrong;
	key->modules = p11_kit_modules_load_and_initialize(0);
	if (!key->modules)
		return "no PKCS#11 module can be loaded: `p11-kit list-modules` says why";
	wrong = find(key);
	return wrong ? wrong : find_point(key);
}

struct pkcs11_key *
pkcs11_key_open(const char *uri, char error[PKCS11_ERROR_MAX])
{
	struct pkcs11_key *key = calloc(1, sizeof *key);
	const char *wrong = "out of memory";

	if (key) {
		pthread_mutex_init(&key->lock, NULL);
		key->uri = p11_kit_uri_new();
		wrong = begin(key, uri);
	}
	if (!wrong)
		return key;
	snprintf(error, PKCS11_ERROR_MAX, "%s", wrong);
	pkcs11_key_close(key);
	return NULL;
}

void
pkcs11_key_close(void *ctx)
{
	struct pkcs11_key *key = ctx;

	if (!key)
		return;
	close_session(key);
	if (key->modules)
		p11_kit_modules_finalize_and_release(key->modules);
	if (key->uri)
		p11_kit_uri_free(key->uri);
	pthread_mutex_destroy(&key->lock);
	free(key);
}

const uint8_t *
pkcs11_key_point(const struct pkcs11_key *key)
{
	return key->point;
}
