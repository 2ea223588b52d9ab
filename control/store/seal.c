#include "control/store/seal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>

enum {
	NONCES_LEN = 252, /* 21 of them; getrandom(2) never gives less up to 256 bytes */
	AAD_LEN = 9,
};

struct sealer {
	struct keyring keyring;
	/* Keyed once: setting up the key costs more than a seal. */
	EVP_CIPHER_CTX *sealing, *opening[KEYRING_MAX];
	uint8_t nonces[NONCES_LEN];
	unsigned used; /* of their bytes */
};

static EVP_CIPHER_CTX *
context_new(const struct kek *kek, int sealing)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (context &&
	    EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, kek->key, NULL, sealing) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

struct sealer *
sealer_new(const struct keyring *keyring)
{
	struct sealer *sealer = calloc(1, sizeof *sealer);
	bool good = sealer;

	if (!sealer)
		return NULL;
	sealer->keyring = *keyring;
	sealer->used = NONCES_LEN;
	if (keyring->n)
		good = (sealer->sealing = context_new(&keyring->keks[0], 1));
	for (unsigned i = 0; good && i < keyring->n; i++)
		good = (sealer->opening[i] = context_new(&keyring->keks[i], 0));
	if (good)
		return sealer;
	sealer_free(sealer);
	return NULL;
}

struct sealer *
sealer_copy(const struct sealer *sealer)
{
	return sealer_new(&sealer->keyring);
}

void
sealer_free(struct sealer *sealer)
{
	if (!sealer)
		return;
	EVP_CIPHER_CTX_free(sealer->sealing); /* wipes its key */
	for (unsigned i = 0; i < KEYRING_MAX; i++)
		EVP_CIPHER_CTX_free(sealer->opening[i]);
	explicit_bzero(sealer, sizeof *sealer);
	free(sealer);
}

const uint8_t *
sealer_id(const struct sealer *sealer)
{
	return sealer->keyring.n ? sealer->keyring.keks[0].id : NULL;
}

int
sealer_find(const struct sealer *sealer, const void *id, size_t len)
{
	for (unsigned i = 0; len == KEK_ID_LEN && i < sealer->keyring.n; i++)
		if (memcmp(sealer->keyring.keks[i].id, id, KEK_ID_LEN) == 0)
			return (int)i;
	return -1;
}

static void
put_aad(const struct seal_place *place, uint8_t aad[AAD_LEN])
{
	aad[0] = (uint8_t)place->what;
	for (unsigned i = 0; i < 8; i++)
		aad[1 + i] = (uint8_t)(place->row >> (56 - 8 * i));
}

static bool
take_nonce(struct sealer *sealer, uint8_t nonce[SEAL_NONCE_LEN])
{
	if (sealer->used + SEAL_NONCE_LEN > NONCES_LEN) {
		if (getrandom(sealer->nonces, NONCES_LEN, 0) != NONCES_LEN)
			return false;
		sealer->used = 0;
	}
	memcpy(nonce, sealer->nonces + sealer->used, SEAL_NONCE_LEN);
	sealer->used += SEAL_NONCE_LEN;
	return true;
}

int
sealer_seal(struct sealer *sealer, const struct seal_place *place, const void *plain, size_t len,
	    uint8_t *out)
{
	EVP_CIPHER_CTX *context = sealer->sealing;
	uint8_t aad[AAD_LEN];
	int n;

	assert(context && len <= INT32_MAX);
	put_aad(place, aad);
	if (take_nonce(sealer, out) && EVP_CipherInit_ex(context, NULL, NULL, NULL, out, 1) == 1 &&
	    EVP_CipherUpdate(context, NULL, &n, aad, AAD_LEN) == 1 &&
	    EVP_CipherUpdate(context, out + SEAL_NONCE_LEN, &n, plain, (int)len) == 1 &&
	    EVP_CipherFinal_ex(context, out + SEAL_NONCE_LEN + len, &n) == 1 &&
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_LEN,
				out + SEAL_NONCE_LEN + len) == 1)
		return 0;
	return -EIO;
}

int
sealer_open(struct sealer *sealer, unsigned number, const struct seal_place *place,
	    const void *sealed, size_t len, uint8_t *out)
{
	const uint8_t *nonce = sealed, *text = nonce + SEAL_NONCE_LEN;
	EVP_CIPHER_CTX *context = sealer->opening[number];
	uint8_t aad[AAD_LEN], tag[SEAL_TAG_LEN];
	size_t plain_len = len - SEAL_OVERHEAD;
	int n;

	assert(number < sealer->keyring.n);
	if (len < SEAL_OVERHEAD || len > INT32_MAX)
		return -EBADMSG;
	put_aad(place, aad);
	memcpy(tag, text + plain_len, SEAL_TAG_LEN);
	if (EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, 0) == 1 &&
	    EVP_CipherUpdate(context, NULL, &n, aad, AAD_LEN) == 1 &&
	    EVP_CipherUpdate(context, out, &n, text, (int)plain_len) == 1 &&
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_LEN, tag) == 1 &&
	    EVP_CipherFinal_ex(context, out + plain_len, &n) == 1)
		return 0;
	explicit_bzero(out, plain_len);
	return -EBADMSG;
}
