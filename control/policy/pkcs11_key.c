#include "control/policy/pkcs11_key.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/pkcs11_token.h"

enum {
	ID_MAX = 256,
	DER_POINT = PKCS11_POINT + 2,
	/* A session does one thing at a time: so many signatures are made at once. Tokens allow few or
	 * thousands; one that allows fewer lets the others wait. */
	SESSIONS_MAX = 16,
};

struct pkcs11_key {
	pthread_mutex_t lock; /* of all below but `point`; never held while the token signs */
	pthread_cond_t returned;
	struct pkcs11_token token; /* its session only while the key is looked for */
	CK_SLOT_ID slot;
	CK_FUNCTION_LIST *module; /* where the sessions are */
	CK_OBJECT_HANDLE object;
	/* Sessions of a token that was lost are of an older opening. */
	unsigned opening, n_idle, n_open;
	CK_SESSION_HANDLE idle[SESSIONS_MAX];
	uint8_t point[PKCS11_POINT];
};

/* What one signature needs. */
struct borrowed {
	CK_FUNCTION_LIST *module;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;
	unsigned opening;
};

/* ---- the key in it ---- */

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
	const struct pkcs11_token *token = &key->token;
	CK_OBJECT_CLASS public = CKO_PUBLIC_KEY;
	uint8_t id[ID_MAX], bytes[DER_POINT];
	CK_ATTRIBUTE wanted[] = { { CKA_ID, id, sizeof id },
				  { CKA_CLASS, &public, sizeof public } };
	CK_ATTRIBUTE point = { CKA_EC_POINT, bytes, sizeof bytes };
	CK_OBJECT_HANDLE object;
	CK_RV code = token->module->C_GetAttributeValue(token->session, key->object, wanted, 1);

	if (code != CKR_OK || wanted[0].ulValueLen == 0 ||
	    pkcs11_token_search(token, wanted, 2, &object) != 1)
		return "the token has no public key, or several, of the private key's id: put it "
		       "there, too, with the same id";
	code = token->module->C_GetAttributeValue(token->session, object, &point, 1);
	if (code != CKR_OK)
		return "the key is not of P-256";
	return take_point(key, bytes, point.ulValueLen);
}

static const char *
find(struct pkcs11_key *key)
{
	const char *wrong = pkcs11_token_open(&key->token);

	if (!wrong)
		wrong = pkcs11_token_find(&key->token, &key->object);
	if (wrong)
		pkcs11_token_close(&key->token);
	return wrong;
}

/* The session that the key was found by becomes the first of the pool. */
static void
begin_pool(struct pkcs11_key *key)
{
	key->module = key->token.module;
	key->slot = key->token.slot;
	key->token.module = NULL;
	key->opening++;
	key->n_open = key->n_idle = 1;
	key->idle[0] = key->token.session;
}

/* ---- sessions for signatures ---- */

static void
close_idle(struct pkcs11_key *key)
{
	while (key->n_idle)
		key->module->C_CloseSession(key->idle[--key->n_idle]);
}

/* One more session; it is logged in, as the token is for all of this program. */
static bool
open_another(struct pkcs11_key *key)
{
	CK_SESSION_HANDLE session;

	if (key->n_open == SESSIONS_MAX ||
	    key->module->C_OpenSession(key->slot, CKF_SERIAL_SESSION, NULL, NULL, &session) !=
		    CKR_OK)
		return false;
	key->idle[key->n_idle++] = session;
	key->n_open++;
	return true;
}

/* False: there is no session, and none can be had. */
static bool
borrow(struct pkcs11_key *key, struct borrowed *borrowed)
{
	while (key->n_idle == 0 && !open_another(key)) {
		if (key->n_open == 0)
			return false;
		pthread_cond_wait(&key->returned, &key->lock);
	}
	*borrowed = (struct borrowed){ key->module, key->idle[--key->n_idle], key->object,
				       key->opening };
	return true;
}

/* One that failed is closed. */
static void
give_back(struct pkcs11_key *key, const struct borrowed *borrowed, bool good)
{
	bool current = borrowed->opening == key->opening;

	if (good && current) {
		key->idle[key->n_idle++] = borrowed->session;
	} else {
		borrowed->module->C_CloseSession(borrowed->session);
		key->n_open -= current;
	}
	pthread_cond_broadcast(&key->returned);
}

/* The token may have been taken out and put back. Whoever comes first opens it anew for all. */
static bool
renew(struct pkcs11_key *key, unsigned failed_opening)
{
	if (key->opening != failed_opening)
		return true;
	if (key->token.pin_refused)
		return false;
	close_idle(key);
	key->n_open = 0;
	key->opening++; /* those that are out close when they come back */
	if (find(key))
		return false;
	begin_pool(key);
	return true;
}

/* ---- signatures ---- */

static bool
sign_by(const struct borrowed *borrowed, const uint8_t hash[PKCS11_HASH],
	uint8_t signature[PKCS11_SIGNATURE])
{
	CK_MECHANISM mechanism = { .mechanism = CKM_ECDSA };
	CK_FUNCTION_LIST *module = borrowed->module;
	CK_ULONG len = PKCS11_SIGNATURE;
	uint8_t bytes[PKCS11_HASH];

	memcpy(bytes, hash, sizeof bytes); /* C_Sign() wants to write what it reads */
	return module->C_SignInit(borrowed->session, &mechanism, borrowed->object) == CKR_OK &&
	       module->C_Sign(borrowed->session, bytes, sizeof bytes, signature, &len) == CKR_OK &&
	       len == PKCS11_SIGNATURE;
}

/* The lock is held, but not while the token signs. */
static bool
sign_once(struct pkcs11_key *key, const uint8_t hash[PKCS11_HASH],
	  uint8_t signature[PKCS11_SIGNATURE])
{
	struct borrowed borrowed;
	bool good;

	if (!borrow(key, &borrowed))
		return false;
	pthread_mutex_unlock(&key->lock);
	good = sign_by(&borrowed, hash, signature);
	pthread_mutex_lock(&key->lock);
	give_back(key, &borrowed, good);
	return good;
}

bool
pkcs11_key_sign(void *ctx, const uint8_t hash[PKCS11_HASH], uint8_t signature[PKCS11_SIGNATURE])
{
	struct pkcs11_key *key = ctx;
	unsigned opening;
	bool good;

	pthread_mutex_lock(&key->lock);
	opening = key->opening;
	good = sign_once(key, hash, signature);
	if (!good && renew(key, opening))
		good = sign_once(key, hash, signature);
	pthread_mutex_unlock(&key->lock);
	return good;
}

/* ---- life ---- */

static const char *
begin(struct pkcs11_key *key, const char *uri)
{
	CK_OBJECT_CLASS private = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE class = { CKA_CLASS, &private, sizeof private };
	const char *wrong = pkcs11_token_init(&key->token, uri);

	if (wrong)
		return wrong;
	/* A setting is no place for a PIN: everybody may read it. */
	if (p11_kit_uri_get_pin_value(key->token.uri))
		return "a PIN does not belong here: put it into a file of mode 0600, and write "
		       "pin-source=file:FILE in place of pin-value=";
	if (p11_kit_uri_set_attribute(key->token.uri, &class) != P11_KIT_URI_OK)
		return "out of memory";
	wrong = find(key);
	if (!wrong)
		wrong = find_point(key);
	if (!wrong)
		begin_pool(key);
	return wrong;
}

struct pkcs11_key *
pkcs11_key_open(const char *uri, char error[PKCS11_ERROR_MAX])
{
	struct pkcs11_key *key = calloc(1, sizeof *key);
	const char *wrong = "out of memory";

	if (key) {
		pthread_mutex_init(&key->lock, NULL);
		pthread_cond_init(&key->returned, NULL);
		wrong = begin(key, uri);
	}
	if (!wrong)
		return key;
	snprintf(error, PKCS11_ERROR_MAX, "%s", wrong);
	pkcs11_key_close(key);
	return NULL;
}

/* Nobody signs any more. */
void
pkcs11_key_close(void *ctx)
{
	struct pkcs11_key *key = ctx;

	if (!key)
		return;
	close_idle(key);
	pkcs11_token_fini(&key->token);
	pthread_cond_destroy(&key->returned);
	pthread_mutex_destroy(&key->lock);
	free(key);
}

const uint8_t *
pkcs11_key_point(const struct pkcs11_key *key)
{
	return key->point;
}
