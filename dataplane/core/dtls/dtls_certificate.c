#include "dataplane/core/dtls/dtls_certificate.h"

#include <string.h>

/*
 * RFC 5480: SEQUENCE { SEQUENCE { id-ecPublicKey, secp256r1 }, BIT STRING of the uncompressed
 * point }, up to the point. DER has one form of it.
 */
static const uint8_t spki_head[DTLS_SPKI - DTLS_POINT] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
};

static struct dtls_bytes
bytes_of(struct reader *vector)
{
	return (struct dtls_bytes){ vector->at, reader_left(vector) };
}

/* ---- Certificate ---- */

static bool
parse_raw_key(struct reader *body, struct dtls_chain *chain)
{
	struct reader spki = reader_vector_u24(body);

	if (!reader_done(body))
		return false;
	chain->certificates[0] = bytes_of(&spki);
	chain->n = reader_left(&spki) != 0;
	return true;
}

bool
dtls_certificate_parse(const uint8_t *body, size_t len, uint8_t type, struct dtls_chain *chain)
{
	struct reader reader = reader_init(body, len);
	struct reader list;

	chain->n = 0;
	if (type == DTLS_RAW_PUBLIC_KEY)
		return parse_raw_key(&reader, chain);
	list = reader_vector_u24(&reader);
	if (!reader_done(&reader))
		return false;
	while (reader_left(&list)) {
		struct reader certificate = reader_vector_u24(&list);

		if (!reader_left(&certificate) || chain->n == DTLS_CHAIN_MAX)
			return false;
		chain->certificates[chain->n++] = bytes_of(&certificate);
	}
	return reader_ok(&list);
}

static void
write_vector_u24(struct writer *out, const struct dtls_bytes *bytes)
{
	writer_u24(out, (uint32_t)bytes->len);
	writer_bytes(out, bytes->at, bytes->len);
}

void
dtls_certificate_write(struct writer *out, uint8_t type, const struct dtls_chain *chain)
{
	struct writer_mark mark;

	if (type == DTLS_RAW_PUBLIC_KEY && chain->n) {
		write_vector_u24(out, &chain->certificates[0]);
		return;
	}
	mark = writer_reserve_u24(out);
	for (unsigned i = 0; i < chain->n; i++)
		write_vector_u24(out, &chain->certificates[i]);
	writer_close(out, mark);
}

/* ---- keys ---- */

/* RFC 8422 5.4.1: the one format that was offered. */
static const uint8_t *
check_point(const uint8_t *point)
{
	return point && point[0] == DTLS_POINT_UNCOMPRESSED ? point : NULL;
}

const uint8_t *
dtls_spki_point(const uint8_t *spki, size_t len)
{
	if (len != DTLS_SPKI || memcmp(spki, spki_head, sizeof spki_head) != 0)
		return NULL;
	return check_point(spki + sizeof spki_head);
}

void
dtls_spki_write(struct writer *out, const uint8_t point[DTLS_POINT])
{
	writer_bytes(out, spki_head, sizeof spki_head);
	writer_bytes(out, point, DTLS_POINT);
}

static void
write_point(struct writer *out, const uint8_t point[DTLS_POINT])
{
	writer_u8(out, DTLS_POINT);
	writer_bytes(out, point, DTLS_POINT);
}

static const uint8_t *
read_point(struct reader *reader)
{
	struct reader point = reader_vector_u8(reader);

	return reader_left(&point) == DTLS_POINT ? check_point(point.at) : NULL;
}

/* ---- signatures ---- */

static void
write_signature(struct writer *out, const struct dtls_bytes *signature)
{
	writer_u16(out, DTLS_ECDSA_SHA256);
	writer_u16(out, (uint16_t)signature->len);
	writer_bytes(out, signature->at, signature->len);
}

static bool
read_signature(struct reader *reader, struct dtls_bytes *signature)
{
	uint16_t algorithm = reader_u16(reader);
	struct reader bytes = reader_vector_u16(reader);

	*signature = bytes_of(&bytes);
	return reader_ok(reader) && algorithm == DTLS_ECDSA_SHA256 &&
	       signature->len >= DTLS_SIGNATURE_MIN && signature->len <= DTLS_OTHER_SIGNATURE_MAX;
}

/* ---- ServerKeyExchange ---- */

void
dtls_key_parameters_write(struct writer *out, const uint8_t point[DTLS_POINT])
{
	writer_u8(out, DTLS_NAMED_CURVE);
	writer_u16(out, DTLS_SECP256R1);
	write_point(out, point);
}

void
dtls_server_key_exchange_write(struct writer *out, const uint8_t point[DTLS_POINT],
			       const struct dtls_bytes *signature)
{
	dtls_key_parameters_write(out, point);
	write_signature(out, signature);
}

bool
dtls_server_key_exchange_parse(const uint8_t *body, size_t len, const uint8_t **point,
			       struct dtls_bytes *signature)
{
	struct reader reader = reader_init(body, len);
	uint8_t type = reader_u8(&reader);
	uint16_t curve = reader_u16(&reader);

	*point = read_point(&reader);
	return read_signature(&reader, signature) && reader_done(&reader) &&
	       type == DTLS_NAMED_CURVE && curve == DTLS_SECP256R1 && *point;
}

/* ---- CertificateRequest ---- */

void
dtls_certificate_request_write(struct writer *out)
{
	writer_u8(out, 1);
	writer_u8(out, DTLS_ECDSA_SIGN);
	writer_u16(out, 2);
	writer_u16(out, DTLS_ECDSA_SHA256);
	writer_u16(out, 0);
}

bool
dtls_certificate_request_parse(const uint8_t *body, size_t len)
{
	struct reader reader = reader_init(body, len);
	struct reader types = reader_vector_u8(&reader);
	struct reader algorithms = reader_vector_u16(&reader);
	bool type = false, algorithm = false;

	(void)reader_vector_u16(&reader);
	if (!reader_done(&reader) || reader_left(&algorithms) % 2)
		return false;
	while (reader_left(&types))
		type |= reader_u8(&types) == DTLS_ECDSA_SIGN;
	while (reader_left(&algorithms))
		algorithm |= reader_u16(&algorithms) == DTLS_ECDSA_SHA256;
	return type && algorithm;
}

/* ---- ClientKeyExchange and CertificateVerify ---- */

const uint8_t *
dtls_client_key_exchange_parse(const uint8_t *body, size_t len)
{
	struct reader reader = reader_init(body, len);
	const uint8_t *point = read_point(&reader);

	return reader_done(&reader) ? point : NULL;
}

void
dtls_client_key_exchange_write(struct writer *out, const uint8_t point[DTLS_POINT])
{
	write_point(out, point);
}

bool
dtls_certificate_verify_parse(const uint8_t *body, size_t len, struct dtls_bytes *signature)
{
	struct reader reader = reader_init(body, len);

	return read_signature(&reader, signature) && reader_done(&reader);
}

void
dtls_certificate_verify_write(struct writer *out, const struct dtls_bytes *signature)
{
	write_signature(out, signature);
}
