#include "tools/storm/storm_cert.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

enum {
	MASTER = 48,
	KEY_BLOCK = 2 * DTLS_KEY + 2 * DTLS_IMPLICIT_IV,
	KEY_PARAMETERS = 4 + CURVE_POINT, /* RFC 8422 5.4: type, curve, length, point */
};

/* ---- life ---- */

struct storm_cert *
storm_cert_new(const struct storm_cert_ways *ways, const struct storm_cert_own *own,
	       struct server_identity *server)
{
	struct storm_cert *cert = malloc(sizeof *cert);

	if (!cert)
		return NULL;
	memset(cert, 0, sizeof *cert);
	cert->ways = *ways;
	cert->own = *own;
	cert->server = server;
	SHA256_Init(&cert->transcript);
	cert->expected = DTLS_CERTIFICATE;
	return cert;
}

void
storm_cert_free(struct storm_cert *cert)
{
	if (!cert)
		return;
	EC_KEY_free(cert->server_key);
	free(cert->flight);
	OPENSSL_cleanse(cert, sizeof *cert);
	free(cert);
}

/* ---- what the hello says ---- */

static void
write_name(const char *name, struct writer *out)
{
	size_t len = strlen(name);

	writer_u16(out, DTLS_EXT_SERVER_NAME); /* RFC 6066 3 */
	writer_u16(out, (uint16_t)(len + 5));
	writer_u16(out, (uint16_t)(len + 3));
	writer_u8(out, 0); /* host_name */
	writer_u16(out, (uint16_t)len);
	writer_bytes(out, name, len);
}

/* A list of one; its length has as many bytes as it. */
static void
write_choice(struct writer *out, uint16_t extension, unsigned width, uint16_t choice)
{
	writer_u16(out, extension);
	writer_u16(out, (uint16_t)(2 * width));
	writer_uint(out, width, width);
	writer_uint(out, choice, width);
}

void
storm_cert_write_extensions(const struct storm_cert *cert, struct writer *out)
{
	const char *name = server_identity_name(cert->server);

	if (name)
		write_name(name, out);
	write_choice(out, DTLS_EXT_SUPPORTED_GROUPS, 2, DTLS_SECP256R1);
	write_choice(out, DTLS_EXT_EC_POINT_FORMATS, 1, DTLS_UNCOMPRESSED);
	write_choice(out, DTLS_EXT_SIGNATURE_ALGORITHMS, 2, DTLS_ECDSA_SHA256);
	if (!cert->ways.raw)
		return; /* RFC 7250 4.1: X.509 is what holds without them */
	write_choice(out, DTLS_EXT_CLIENT_CERTIFICATE_TYPE, 1, DTLS_RAW_PUBLIC_KEY);
	write_choice(out, DTLS_EXT_SERVER_CERTIFICATE_TYPE, 1, DTLS_RAW_PUBLIC_KEY);
}

void
storm_cert_hash(struct storm_cert *cert, const struct dtls_message *message)
{
	uint8_t header[DTLS_HANDSHAKE_HEADER];

	dtls_message_header(header, message->type, message->length, message->sequence);
	SHA256_Update(&cert->transcript, header, sizeof header);
	SHA256_Update(&cert->transcript, message->fragment, message->length);
}

/* ---- the server's flight ---- */

/* Fragments in order: one that overtook another comes again with the flight. */
bool
storm_cert_gather(struct storm_cert *cert, struct dtls_message *message)
{
	size_t end = (size_t)message->offset + message->fragment_length, fresh;

	if (dtls_message_is_whole(message)) {
		cert->gathered = 0;
		return true;
	}
	if (message->length > sizeof cert->message || message->offset > cert->gathered ||
	    end <= cert->gathered)
		return false;
	fresh = end - cert->gathered;
	memcpy(cert->message + cert->gathered,
	       message->fragment + (message->fragment_length - fresh), fresh);
	cert->gathered = (uint32_t)end;
	if (end < message->length)
		return false;
	cert->gathered = 0;
	message->fragment = cert->message;
	message->offset = 0;
	message->fragment_length = message->length;
	return true;
}

static bool
take_certificate(struct storm_cert *cert, const struct dtls_message *message)
{
	EC_KEY_free(cert->server_key);
	cert->server_key = server_identity_key(cert->server, cert->ways.raw, message->fragment,
					       message->length);
	return cert->server_key != NULL;
}

/* RFC 8422 5.4: parameters, then algorithm and signature; what is signed begins with both randoms. */
static bool
take_key_exchange(struct storm_cert *cert, const struct dtls_message *message)
{
	struct reader reader = reader_init(message->fragment, message->length), signature;
	bool named = reader_u8(&reader) == DTLS_NAMED_CURVE &&
		     reader_u16(&reader) == DTLS_SECP256R1 && reader_u8(&reader) == CURVE_POINT;
	uint16_t algorithm;
	SHA256_CTX hash;

	reader_copy(&reader, cert->server_point, CURVE_POINT);
	algorithm = reader_u16(&reader);
	signature = reader_vector_u16(&reader);
	if (!named || !reader_done(&reader) || algorithm != DTLS_ECDSA_SHA256 ||
	    reader_left(&signature) > sizeof cert->signature)
		return false;
	cert->signature_len = (uint8_t)reader_left(&signature);
	memcpy(cert->signature, signature.at, cert->signature_len);
	SHA256_Init(&hash);
	SHA256_Update(&hash, cert->client_random, DTLS_RANDOM);
	SHA256_Update(&hash, cert->server_random, DTLS_RANDOM);
	SHA256_Update(&hash, message->fragment, KEY_PARAMETERS);
	SHA256_Final(cert->signed_hash, &hash);
	return true;
}

static bool
offers(struct reader *list, unsigned bytes, uint64_t wanted)
{
	bool found = false;

	while (reader_left(list))
		found |= reader_uint(list, bytes) == wanted;
	return found && reader_ok(list);
}

/* RFC 5246 7.4.4: types, algorithms, names of authorities. */
static bool
take_request(const struct dtls_message *message)
{
	struct reader reader = reader_init(message->fragment, message->length);
	struct reader types = reader_vector_u8(&reader), algorithms = reader_vector_u16(&reader);

	(void)reader_vector_u16(&reader);
	return reader_done(&reader) && offers(&types, 1, DTLS_ECDSA_SIGN) &&
	       offers(&algorithms, 2, DTLS_ECDSA_SHA256);
}

enum storm_cert_taken
storm_cert_take(struct storm_cert *cert, const struct dtls_message *message)
{
	static const uint8_t after[] = { [DTLS_CERTIFICATE] = DTLS_SERVER_KEY_EXCHANGE,
					 [DTLS_SERVER_KEY_EXCHANGE] = DTLS_CERTIFICATE_REQUEST,
					 [DTLS_CERTIFICATE_REQUEST] = DTLS_SERVER_HELLO_DONE,
					 [DTLS_SERVER_HELLO_DONE] = 0 };
	bool good;

	if (message->type != cert->expected)
		return STORM_CERT_WRONG;
	storm_cert_hash(cert, message);
	good = message->type == DTLS_CERTIFICATE           ? take_certificate(cert, message)
	       : message->type == DTLS_SERVER_KEY_EXCHANGE ? take_key_exchange(cert, message)
	       : message->type == DTLS_CERTIFICATE_REQUEST ? take_request(message)
							   : message->length == 0;
	cert->expected = after[message->type];
	if (!good)
		return STORM_CERT_WRONG;
	return cert->expected ? STORM_CERT_MORE : STORM_CERT_WHOLE;
}

/* ---- computing ---- */

/* The transcript so far. */
static void
hash_now(const struct storm_cert *cert, uint8_t hash[CURVE_HASH])
{
	SHA256_CTX copy = cert->transcript;

	SHA256_Final(hash, &copy);
}

/* A message's header is written once its body is there, and the transcript goes on by it. */
static uint8_t *
begin_message(struct writer *out)
{
	return writer_room(out, DTLS_HANDSHAKE_HEADER);
}

static void
end_message(struct storm_cert *cert, uint8_t *begun, uint8_t type, struct writer *out)
{
	uint8_t *body = begun + DTLS_HANDSHAKE_HEADER;
	size_t len = (size_t)(out->at - body);

	dtls_message_header(
		begun, type, (uint32_t)len,
		(uint16_t)(cert->first_message + (type == DTLS_CERTIFICATE           ? 0
						  : type == DTLS_CLIENT_KEY_EXCHANGE ? 1
										     : 2)));
	SHA256_Update(&cert->transcript, begun, DTLS_HANDSHAKE_HEADER + len);
}

/* RFC 5246 7.4.2: the list again and again, with one length before all. */
static void
write_long_chain(const struct storm_cert_own *own, struct writer *out)
{
	struct writer_mark mark = writer_reserve_u24(out);

	for (uint32_t done = 0; done + own->message_len < STORM_LONG_CHAIN;
	     done += own->message_len - 3)
		writer_bytes(out, own->message + 3, own->message_len - 3);
	writer_close(out, mark);
}

static void
write_certificate(struct storm_cert *cert, struct writer *out)
{
	uint8_t *begun = begin_message(out);

	if (cert->ways.long_chain && cert->own.message_len > 3)
		write_long_chain(&cert->own, out);
	else
		writer_bytes(out, cert->own.message, cert->own.message_len);
	end_message(cert, begun, DTLS_CERTIFICATE, out);
}

static void
write_key_share(struct storm_cert *cert, const uint8_t point[CURVE_POINT], struct writer *out)
{
	uint8_t *begun = begin_message(out);

	writer_u8(out, CURVE_POINT);
	writer_bytes(out, point, CURVE_POINT);
	end_message(cert, begun, DTLS_CLIENT_KEY_EXCHANGE, out);
}

/* RFC 5246 7.4.8: signs all messages up to ClientKeyExchange. */
static bool
write_verify(struct storm_cert *cert, const uint8_t hash[CURVE_HASH], struct writer *out)
{
	uint8_t *begun = begin_message(out), signature[CURVE_SIGNATURE];
	size_t len;

	if (!curve_sign(cert->own.secret, hash, signature, &len))
		return false;
	if (cert->ways.breaks_signature)
		signature[len - 1] ^= 1;
	writer_u16(out, DTLS_ECDSA_SHA256);
	writer_u16(out, (uint16_t)len);
	writer_bytes(out, signature, len);
	end_message(cert, begun, DTLS_CERTIFICATE_VERIFY, out);
	return true;
}

/* RFC 5246 8.1, or RFC 7627 4 where the server has that. */
static bool
make_master(const struct storm_cert *cert, const uint8_t premaster[CURVE_SECRET],
	    const uint8_t session_hash[CURVE_HASH], uint8_t master[MASTER])
{
	uint8_t randoms[2 * DTLS_RANDOM];
	struct curve_prf prf = { premaster, CURVE_SECRET, "extended master secret", session_hash,
				 CURVE_HASH };

	if (!cert->extended) {
		memcpy(randoms, cert->client_random, DTLS_RANDOM);
		memcpy(randoms + DTLS_RANDOM, cert->server_random, DTLS_RANDOM);
		prf.label = "master secret";
		prf.seed = randoms;
		prf.seed_len = sizeof randoms;
	}
	return curve_prf(&prf, master, MASTER);
}

/* RFC 5246 6.3. */
static bool
make_keys(struct storm_cert *cert, const uint8_t master[MASTER])
{
	uint8_t randoms[2 * DTLS_RANDOM], block[KEY_BLOCK];
	const struct curve_prf prf = { master, MASTER, "key expansion", randoms, sizeof randoms };
	struct reader reader = reader_init(block, sizeof block);
	bool good;

	memcpy(randoms, cert->server_random, DTLS_RANDOM);
	memcpy(randoms + DTLS_RANDOM, cert->client_random, DTLS_RANDOM);
	good = curve_prf(&prf, block, sizeof block);
	reader_copy(&reader, cert->keys.client_key, DTLS_KEY);
	reader_copy(&reader, cert->keys.server_key, DTLS_KEY);
	reader_copy(&reader, cert->keys.client_iv, DTLS_IMPLICIT_IV);
	reader_copy(&reader, cert->keys.server_iv, DTLS_IMPLICIT_IV);
	OPENSSL_cleanse(block, sizeof block);
	return good;
}

/* RFC 5246 7.4.9: ours covers all before it, the server's ours too. */
static bool
make_finished(struct storm_cert *cert, const uint8_t master[MASTER])
{
	uint8_t hash[CURVE_HASH];
	struct curve_prf prf = { master, MASTER, "client finished", hash, sizeof hash };
	struct dtls_message finished = { .type = DTLS_FINISHED,
					 .sequence = (uint16_t)(cert->first_message + 3),
					 .length = DTLS_VERIFY_DATA,
					 .fragment = cert->verify };

	hash_now(cert, hash);
	if (!curve_prf(&prf, cert->verify, DTLS_VERIFY_DATA))
		return false;
	storm_cert_hash(cert, &finished);
	hash_now(cert, hash);
	prf.label = "server finished";
	return curve_prf(&prf, cert->server_verify, DTLS_VERIFY_DATA);
}

static bool
make_flight(struct storm_cert *cert, uint8_t hash[CURVE_HASH], const uint8_t point[CURVE_POINT])
{
	size_t chain = cert->ways.long_chain ? STORM_LONG_CHAIN : cert->own.message_len;
	size_t room = chain + 3 * (size_t)DTLS_HANDSHAKE_HEADER + CURVE_POINT + CURVE_SIGNATURE + 8;
	struct writer out;

	cert->flight = malloc(room);
	if (!cert->flight)
		return false;
	out = writer_init(cert->flight, room);
	write_certificate(cert, &out);
	write_key_share(cert, point, &out);
	hash_now(cert, hash);
	if (!write_verify(cert, hash, &out))
		return false;
	assert(writer_ok(&out));
	cert->flight_len = writer_finish(&out);
	return true;
}

void
storm_cert_compute(struct storm_cert *cert)
{
	uint8_t secret[CURVE_SECRET], point[CURVE_POINT], premaster[CURVE_SECRET], master[MASTER];
	uint8_t session_hash[CURVE_HASH];

	cert->good = curve_verify(cert->server_key, cert->signed_hash, cert->signature,
				  cert->signature_len) &&
		     curve_make_pair(secret, point) &&
		     curve_agree(secret, cert->server_point, premaster) &&
		     make_flight(cert, session_hash, point) &&
		     make_master(cert, premaster, session_hash, master) &&
		     make_keys(cert, master) && make_finished(cert, master);
	OPENSSL_cleanse(secret, sizeof secret);
	OPENSSL_cleanse(premaster, sizeof premaster);
	OPENSSL_cleanse(master, sizeof master);
}

/* ---- our flight ---- */

void
storm_cert_rewind(struct storm_cert *cert)
{
	cert->sent = cert->sent_body = 0;
}

/* RFC 6347 4.2.3: a record of one fragment of the message at `sent`. */
static void
write_fragment(struct storm_cert *cert, size_t most, uint32_t *sequence, struct writer *out)
{
	const uint8_t *header = cert->flight + cert->sent;
	struct reader reader = reader_init(header + 1, 3);
	size_t length = reader_u24(&reader), n = length - cert->sent_body;
	struct writer_mark mark =
		dtls_write_record(out, DTLS_HANDSHAKE, DTLS_1_2, (uint64_t)(*sequence)++);

	n = n < most ? n : most;
	writer_bytes(out, header, 6); /* type, length, message_seq */
	writer_u24(out, (uint32_t)cert->sent_body);
	writer_u24(out, (uint32_t)n);
	writer_bytes(out, header + DTLS_HANDSHAKE_HEADER + cert->sent_body, n);
	writer_close(out, mark);
	cert->sent_body += n;
	if (cert->sent_body == length) {
		cert->sent += DTLS_HANDSHAKE_HEADER + length;
		cert->sent_body = 0;
	}
}

bool
storm_cert_write_part(struct storm_cert *cert, const struct storm_cert_cut *cut, uint32_t *sequence,
		      struct writer *out)
{
	const size_t headers = DTLS_RECORD_HEADER + DTLS_HANDSHAKE_HEADER;
	bool begun = false;

	while (cert->sent < cert->flight_len && writer_left(out) > headers &&
	       !(begun && cut->apart)) {
		size_t room = writer_left(out) - headers;

		write_fragment(cert, room < cut->fragment_max ? room : cut->fragment_max, sequence,
			       out);
		begun = true;
	}
	return begun;
}
