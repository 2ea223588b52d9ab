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

static struct crypto_prf
master_secret(const struct crypto_hmac_key *premaster, const char *label,
	      const struct crypto_piece seed[2], uint8_t master[DTLS_MASTER_SECRET])
{
	return (struct crypto_prf){
		.secret = premaster,
		.label = label,
		.seed = { seed[0], seed[1] },
		.out = master,
		.len = DTLS_MASTER_SECRET,
	};
}

/* What the pre-shared key does to the PRF: its premaster secret as a key. */
static void
premaster_key(const struct crypto_ops *ops, const struct crypto_piece *psk,
	      struct crypto_hmac_key *key)
{
	uint8_t premaster[4 + 2 * DTLS_PSK_MAX];
	size_t len;

	assert(psk->len <= DTLS_PSK_MAX);
	len = put_premaster(premaster, psk);
	crypto_hmac_key_init(ops, key, premaster, len);
	crypto_wipe(premaster, len);
}

void
dtls_schedule_master(const struct crypto_ops *ops, const struct crypto_piece *psk,
		     const char *label, const struct crypto_piece seed[2],
		     uint8_t master[DTLS_MASTER_SECRET])
{
	struct crypto_hmac_key key;
	struct crypto_prf job;

	premaster_key(ops, psk, &key);
	job = master_secret(&key, label, seed, master);
	crypto_prf(ops, &job, 1);
	crypto_wipe(&key, sizeof key);
}

void
dtls_schedule_master_of(const struct crypto_ops *ops, const struct crypto_piece *premaster,
			const char *label, const struct crypto_piece seed[2],
			uint8_t master[DTLS_MASTER_SECRET])
{
	struct crypto_hmac_key key;
	struct crypto_prf job;

	crypto_hmac_key_init(ops, &key, premaster->data, premaster->len);
	job = master_secret(&key, label, seed, master);
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

/* RFC 5246 6.3: no MAC keys in an AEAD suite, so 40 bytes, in the order of struct dtls_keys. */
static struct crypto_prf
key_block(const struct crypto_hmac_key *master, const uint8_t *server_random,
	  const uint8_t *client_random, struct dtls_keys *keys)
{
	_Static_assert(sizeof *keys == 2 * DTLS_KEY + 2 * DTLS_IMPLICIT_IV,
		       "the key block as it comes");
	return (struct crypto_prf){
		.secret = master,
		.label = "key expansion",
		.seed = { { server_random, DTLS_RANDOM }, { client_random, DTLS_RANDOM } },
		.out = (uint8_t *)keys,
		.len = sizeof *keys,
	};
}

void
dtls_schedule_keys(const struct crypto_ops *ops, const struct crypto_prf *client_finished,
		   const uint8_t *server_random, const uint8_t *client_random,
		   struct dtls_keys *keys)
{
	const struct crypto_prf jobs[2] = {
		key_block(client_finished->secret, server_random, client_random, keys),
		*client_finished,
	};

	crypto_prf(ops, jobs, 2);
}

void
dtls_schedule_derive(const struct crypto_ops *ops, const struct dtls_derivation *handshakes,
		     unsigned n)
{
	struct crypto_prf jobs[2 * DTLS_IN_STEP];

	assert(n <= DTLS_IN_STEP);
	/* One kind after the other: of two handshakes those go in step that are equally long. */
	for (unsigned i = 0; i < n; i++) {
		const struct dtls_derivation *of = &handshakes[i];

		crypto_hmac_key_init(ops, &of->derived->master, of->master, DTLS_MASTER_SECRET);
		jobs[i] = key_block(&of->derived->master, of->randoms[1].data, of->randoms[0].data,
				    &of->derived->keys);
		jobs[n + i] = dtls_schedule_verify(&of->derived->master, "client finished",
						   of->hash, of->derived->client_verify);
	}
	crypto_prf(ops, jobs, 2 * n);
}

/* The transcript that our Finished is of: with the client's, which has but one right form. */
static void
put_finished(const struct crypto_ops *ops, const struct dtls_answering *of,
	     struct crypto_sha256 *transcript)
{
	uint8_t finished[DTLS_HANDSHAKE_HEADER + DTLS_VERIFY_DATA];

	dtls_message_header(finished, DTLS_FINISHED, DTLS_VERIFY_DATA, of->message);
	memcpy(finished + DTLS_HANDSHAKE_HEADER, of->derived->client_verify, DTLS_VERIFY_DATA);
	*transcript = *of->transcript;
	crypto_sha256_update(ops, transcript, finished, sizeof finished);
}

void
dtls_schedule_answer(const struct crypto_ops *ops, const struct dtls_answering *handshakes,
		     unsigned n)
{
	struct crypto_sha256 transcripts[DTLS_IN_STEP];
	const struct crypto_sha256 *ends[DTLS_IN_STEP] = { 0 };
	uint8_t digests[DTLS_IN_STEP][DTLS_HASH];
	struct crypto_prf jobs[DTLS_IN_STEP];

	assert(n <= DTLS_IN_STEP);
	for (unsigned i = 0; i < n; i++) {
		put_finished(ops, &handshakes[i], &transcripts[i]);
		ends[i] = &transcripts[i];
	}
	crypto_sha256_finals(ops, ends, n, digests);
	for (unsigned i = 0; i < n; i++)
		jobs[i] = dtls_schedule_verify(&handshakes[i].derived->master, "server finished",
					       digests[i], handshakes[i].verify_data);
	crypto_prf(ops, jobs, n);
}

static void
session_hashes(const struct crypto_ops *ops, const struct dtls_psk_schedule *handshakes, unsigned n,
	       uint8_t hashes[DTLS_IN_STEP][DTLS_HASH])
{
	const struct crypto_sha256 *transcripts[DTLS_IN_STEP] = { 0 };

	for (unsigned i = 0; i < n; i++)
		transcripts[i] = handshakes[i].transcript;
	crypto_sha256_finals(ops, transcripts, n, hashes);
}

void
dtls_schedule_psk(const struct crypto_ops *ops, const struct dtls_psk_schedule *handshakes,
		  unsigned n)
{
	static const char *const labels[2] = { "master secret", "extended master secret" };
	struct crypto_hmac_key keys[DTLS_IN_STEP];
	struct dtls_derivation derivations[DTLS_IN_STEP];
	struct crypto_prf jobs[DTLS_IN_STEP];
	uint8_t hashes[DTLS_IN_STEP][DTLS_HASH];

	assert(n <= DTLS_IN_STEP);
	session_hashes(ops, handshakes, n, hashes);
	for (unsigned i = 0; i < n; i++) {
		const struct dtls_psk_schedule *of = &handshakes[i];
		const struct crypto_piece session[2] = { { hashes[i], DTLS_HASH } };

		premaster_key(ops, &of->psk, &keys[i]);
		jobs[i] = master_secret(&keys[i], labels[of->extended],
					of->extended ? session : of->randoms, of->master);
		derivations[i] = (struct dtls_derivation){
			.master = of->master,
			.hash = hashes[i],
			.randoms = { of->randoms[0], of->randoms[1] },
			.derived = of->derived,
		};
	}
	crypto_prf(ops, jobs, n);
	crypto_wipe(keys, n * sizeof keys[0]);
	dtls_schedule_derive(ops, derivations, n);
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
