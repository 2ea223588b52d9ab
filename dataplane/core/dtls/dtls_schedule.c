#include "dataplane/core/dtls/dtls_schedule.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_message.h"

/* RFC 4279 2: N, N zeros, N, the key. Returns the length. */
static size_t
put_premaster(uint8_t premaster[4 + 2 * DTLS_PSK_MAX], const struct crypto_piece *psk)
{
	struct writer writer = writer_init(premaster, 4 + 2 * DTLS_PSK_MAX);

	memset(premaster, 0, 2 + psk->len);
	writer_u16(&writer, (uint16_t)psk->len);
	(void)writer_room(&writer, psk->len);
	writer_u16(&writer, (uint16_t)psk->len);
	writer_bytes(&writer, psk->data, psk->len);
	return writer_len(&writer);
}

void
dtls_schedule_master(const struct crypto_ops *ops, const struct crypto_piece *psk,
		     const char *label, const struct crypto_piece seed[2],
		     uint8_t master[DTLS_MASTER_SECRET])
{
	uint8_t premaster[4 + 2 * DTLS_PSK_MAX];
	struct crypto_piece piece = { premaster, 0 };

	assert(psk->len <= DTLS_PSK_MAX);
	piece.len = put_premaster(premaster, psk);
	dtls_schedule_master_of(ops, &piece, label, seed, master);
	crypto_wipe(premaster, sizeof premaster);
}

void
dtls_schedule_master_of(const struct crypto_ops *ops, const struct crypto_piece *premaster,
			const char *label, const struct crypto_piece seed[2],
			uint8_t master[DTLS_MASTER_SECRET])
{
	struct crypto_hmac_key key;
	struct crypto_prf job = {
		.secret = &key,
		.label = label,
		.seed = { seed[0], seed[1] },
		.out = master,
		.len = DTLS_MASTER_SECRET,
	};

	crypto_hmac_key_init(ops, &key, premaster->data, premaster->len);
	crypto_prf(ops, &job, 1);
	crypto_wipe(&key, sizeof key);
}

struct crypto_prf
dtls_schedule_verify(const struct crypto_hmac_key *master, const char *label,
		     const uint8_t hash[DTLS_HASH], uint8_t *verify_data)
{
	return (struct crypto_prf){
		.secret = master,
		.label = label,
		.seed = { { hash, DTLS_HASH } },
		.out = verify_data,
		.len = DTLS_VERIFY_DATA,
	};
}

void
dtls_schedule_keys(const struct crypto_ops *ops, const struct crypto_prf *client_finished,
		   const uint8_t *server_random, const uint8_t *client_random,
		   struct dtls_keys *keys)
{
	/* RFC 5246 6.3: no MAC keys in an AEAD suite, so 40 bytes, in the order of struct
	 * dtls_keys. */
	const struct crypto_prf jobs[2] = {
		{
			.secret = client_finished->secret,
			.label = "key expansion",
			.seed = { { server_random, DTLS_RANDOM }, { client_random, DTLS_RANDOM } },
			.out = (uint8_t *)keys,
			.len = sizeof *keys,
		},
		*client_finished,
	};

	_Static_assert(sizeof *keys == 2 * DTLS_KEY + 2 * DTLS_IMPLICIT_IV,
		       "the key block as it comes");
	crypto_prf(ops, jobs, 2);
}

void
dtls_schedule_derive(const struct crypto_ops *ops, const uint8_t master[DTLS_MASTER_SECRET],
		     const uint8_t hash[DTLS_HASH], const struct crypto_piece randoms[2],
		     struct dtls_derived *derived)
{
	struct crypto_prf finished;

	crypto_hmac_key_init(ops, &derived->master, master, DTLS_MASTER_SECRET);
	finished = dtls_schedule_verify(&derived->master, "client finished", hash,
					derived->client_verify);
	dtls_schedule_keys(ops, &finished, randoms[1].data, randoms[0].data, &derived->keys);
}

void
dtls_schedule_answer(const struct crypto_ops *ops, const struct crypto_sha256 *transcript,
		     uint16_t message, const struct dtls_derived *derived,
		     uint8_t verify_data[DTLS_VERIFY_DATA])
{
	struct crypto_sha256 hash = *transcript;
	uint8_t finished[DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA], digest[DTLS_HASH];
	struct crypto_prf job;

	dtls_message_header(finished, DTLS_FINISHED, DTLS_VERIFY_DATA, message);
	memcpy(finished + DTLS_HANDSHAKE_HEADER, derived->client_verify, DTLS_VERIFY_DATA);
	crypto_sha256_update(ops, &hash, finished, sizeof finished);
	crypto_sha256_final(ops, &hash, digest);
	job = dtls_schedule_verify(&derived->master, "server finished", digest, verify_data);
	crypto_prf(ops, &job, 1);
}

void
dtls_schedule_cbc(const struct crypto_ops *ops, const struct crypto_hmac_key *master,
		  const uint8_t *server_random, const uint8_t *client_random,
		  uint8_t block[DTLS_CBC_KEY_BLOCK])
{
	/* RFC 5246 6.3. */
	const struct crypto_prf job = {
		.secret = master,
		.label = "key expansion",
		.seed = { { server_random, DTLS_RANDOM }, { client_random, DTLS_RANDOM } },
		.out = block,
		.len = DTLS_CBC_KEY_BLOCK,
	};

	crypto_prf(ops, &job, 1);
}
