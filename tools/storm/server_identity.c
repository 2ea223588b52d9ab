#include "tools/storm/server_identity.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "dataplane/core/cursor.h"

/* The certificates of a message (RFC 5246 7.4.2), its own first; NULL. */
static STACK_OF(X509) * read_chain(const uint8_t *message, size_t len)
{
	struct reader reader = reader_init(message, len), list = reader_vector_u24(&reader);
	STACK_OF(X509) *chain = sk_X509_new_null();
	bool good = chain && reader_done(&reader) && reader_left(&list);

	while (good && reader_left(&list)) {
		struct reader one = reader_vector_u24(&list);
		const uint8_t *at = one.at;
		X509 *x509 = d2i_X509(NULL, &at, (long)reader_left(&one));

		good = x509 && reader_ok(&list) && sk_X509_push(chain, x509) > 0;
		if (!good)
			X509_free(x509);
	}
	if (good)
		return chain;
	sk_X509_pop_free(chain, X509_free);
	return NULL;
}

static bool
is_good(const struct server_identity *server, STACK_OF(X509) * chain)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *wanted;
	bool good = ctx && X509_STORE_CTX_init(ctx, server->authorities, sk_X509_value(chain, 0),
					       chain) == 1;

	if (good) {
		wanted = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_SSL_SERVER);
		if (server->name)
			X509_VERIFY_PARAM_set1_host(wanted, server->name, 0);
		good = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	return good;
}

/* The key of a chain that is good; NULL. */
static EC_KEY *
verify(const struct server_identity *server, const uint8_t *message, size_t len)
{
	STACK_OF(X509) *chain = read_chain(message, len);
	EC_KEY *key = NULL;

	if (chain && is_good(server, chain)) {
		uint8_t *spki = NULL;
		int spki_len =
			i2d_X509_PUBKEY(X509_get_X509_PUBKEY(sk_X509_value(chain, 0)), &spki);

		key = spki_len > 0 ? curve_key_of_spki(spki, (size_t)spki_len) : NULL;
		OPENSSL_free(spki);
	}
	sk_X509_pop_free(chain, X509_free);
	ERR_clear_error();
	return key;
}

static bool
keep(struct server_identity *server, EC_KEY *key, const uint8_t *message, size_t len)
{
	uint8_t *copy = malloc(len);

	if (!copy)
		return false;
	memcpy(copy, message, len);
	server_identity_fini(server);
	server->message = copy;
	server->message_len = len;
	server->key = key;
	return true;
}

/* RFC 7250 3: the SubjectPublicKeyInfo alone, with its length before it. */
static EC_KEY *
raw_key(const struct server_identity *server, const uint8_t *message, size_t len)
{
	struct reader reader = reader_init(message, len), spki = reader_vector_u24(&reader);
	uint8_t ours[CURVE_SPKI];
	bool good = server->raw_key && curve_put_spki(server->raw_key, ours) &&
		    reader_done(&reader) && reader_left(&spki) == sizeof ours &&
		    memcmp(spki.at, ours, sizeof ours) == 0;

	return good && EC_KEY_up_ref(server->raw_key) ? server->raw_key : NULL;
}

EC_KEY *
server_identity_key(struct server_identity *server, bool raw, const uint8_t *message, size_t len)
{
	EC_KEY *key;

	if (raw)
		return raw_key(server, message, len);
	if (!server->key || len != server->message_len ||
	    memcmp(message, server->message, len) != 0) {
		key = verify(server, message, len);
		if (!key || !keep(server, key, message, len)) {
			EC_KEY_free(key);
			return NULL;
		}
	}
	return EC_KEY_up_ref(server->key) ? server->key : NULL;
}

void
server_identity_fini(struct server_identity *server)
{
	EC_KEY_free(server->key);
	free(server->message);
	server->key = NULL;
	server->message = NULL;
}
