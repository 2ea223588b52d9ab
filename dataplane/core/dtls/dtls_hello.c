#include "dataplane/core/dtls/dtls_hello.h"

#include <string.h>

/* ---- shape ---- */

static void
read_head(struct reader *reader, struct dtls_hello *hello)
{
	const uint8_t *start = reader->at;
	struct reader session_id, cookie;

	hello->version = reader_u16(reader);
	hello->random = reader_bytes(reader, DTLS_RANDOM);
	session_id = reader_vector_u8(reader);
	if (reader_left(&session_id) > DTLS_SESSION_ID_MAX)
		reader_fail(reader);
	hello->head = (struct dtls_bytes){ start, (size_t)(reader->at - start) };
	cookie = reader_vector_u8(reader);
	hello->cookie = (struct dtls_bytes){ cookie.at, reader_left(&cookie) };
}

bool
dtls_hello_parse_head(const uint8_t *fragment, size_t len, struct dtls_hello *hello)
{
	struct reader reader = reader_init(fragment, len);

	*hello = (struct dtls_hello){ 0 };
	read_head(&reader, hello);
	return reader_ok(&reader);
}

static struct dtls_bytes
rest_of(struct reader *vector)
{
	return (struct dtls_bytes){ vector->at, reader_left(vector) };
}

bool
dtls_hello_parse(const uint8_t *body, size_t len, struct dtls_hello *hello)
{
	struct reader reader = reader_init(body, len);
	struct reader vector;
	const uint8_t *tail;

	*hello = (struct dtls_hello){ 0 };
	read_head(&reader, hello);
	tail = reader.at;
	vector = reader_vector_u16(&reader);
	hello->suites = rest_of(&vector);
	vector = reader_vector_u8(&reader);
	hello->compressions = rest_of(&vector);
	hello->tail = (struct dtls_bytes){ tail, (size_t)(body + len - tail) };
	if (!reader_ok(&reader))
		return false;
	if (hello->suites.len < 2 || hello->suites.len % 2 || hello->compressions.len < 1)
		return false;
	if (reader_left(&reader) == 0)
		return true; /* RFC 5246 7.4.1.2: no extensions at all */
	vector = reader_vector_u16(&reader);
	hello->extensions = rest_of(&vector);
	return reader_done(&reader);
}

/* ---- choice ---- */

static enum dtls_alert
choose_suite(const struct dtls_hello *hello, struct dtls_offer *offer)
{
	struct reader suites = reader_init(hello->suites.at, hello->suites.len);
	bool fast = false, slow = false;

	while (reader_left(&suites)) {
		uint16_t suite = reader_u16(&suites);

		fast |= suite == DTLS_PSK_AES_128_CCM_8;
		slow |= suite == DTLS_PSK_AES_128_CBC_SHA256;
		offer->secure_renegotiation |= suite == DTLS_EMPTY_RENEGOTIATION_INFO_SCSV;
	}
	offer->slow_lane = slow && !fast;
	return fast || slow ? DTLS_NO_ALERT : DTLS_HANDSHAKE_FAILURE;
}

/* RFC 5746 3.6: an initial handshake carries an empty renegotiated_connection. */
static enum dtls_alert
take_renegotiation_info(struct reader *data, struct dtls_offer *offer)
{
	struct reader connection = reader_vector_u8(data);

	if (!reader_done(data))
		return DTLS_DECODE_ERROR;
	if (reader_left(&connection) != 0)
		return DTLS_HANDSHAKE_FAILURE;
	offer->secure_renegotiation = true;
	return DTLS_NO_ALERT;
}

static enum dtls_alert
take_max_fragment(struct reader *data, struct dtls_offer *offer)
{
	uint8_t code = reader_u8(data);

	if (!reader_done(data))
		return DTLS_DECODE_ERROR;
	if (code < DTLS_MAX_FRAGMENT_512 || code > DTLS_MAX_FRAGMENT_4096)
		return DTLS_ILLEGAL_PARAMETER;
	offer->max_fragment = code;
	return DTLS_NO_ALERT;
}

static enum dtls_alert
take_connection_id(struct reader *data, struct dtls_offer *offer)
{
	struct reader cid = reader_vector_u8(data);

	if (!reader_done(data))
		return DTLS_DECODE_ERROR;
	offer->peer_cid = rest_of(&cid);
	offer->has_cid = offer->peer_cid.len <= DTLS_PEER_CID_MAX;
	return DTLS_NO_ALERT;
}

static enum dtls_alert
take_extension(uint16_t type, struct reader *data, struct dtls_offer *offer)
{
	switch (type) {
	case DTLS_EXT_EXTENDED_MASTER_SECRET:
		offer->extended_master_secret = true;
		return reader_left(data) ? DTLS_DECODE_ERROR : DTLS_NO_ALERT;
	case DTLS_EXT_RENEGOTIATION_INFO:
		return take_renegotiation_info(data, offer);
	case DTLS_EXT_MAX_FRAGMENT_LENGTH:
		return take_max_fragment(data, offer);
	case DTLS_EXT_CONNECTION_ID:
		return take_connection_id(data, offer);
	default:
		return DTLS_NO_ALERT;
	}
}

/* A bit for each extension we act upon; 0 for the others, of which copies do no harm. */
static unsigned
extension_bit(uint16_t type)
{
	switch (type) {
	case DTLS_EXT_EXTENDED_MASTER_SECRET:
		return 1;
	case DTLS_EXT_RENEGOTIATION_INFO:
		return 2;
	case DTLS_EXT_MAX_FRAGMENT_LENGTH:
		return 4;
	case DTLS_EXT_CONNECTION_ID:
		return 8;
	default:
		return 0;
	}
}

static enum dtls_alert
take_extensions(const struct dtls_hello *hello, struct dtls_offer *offer)
{
	struct reader extensions = reader_init(hello->extensions.at, hello->extensions.len);
	unsigned seen = 0;

	while (reader_left(&extensions)) {
		uint16_t type = reader_u16(&extensions);
		struct reader data = reader_vector_u16(&extensions);
		unsigned bit = extension_bit(type);
		enum dtls_alert alert;

		if (!reader_ok(&extensions))
			return DTLS_DECODE_ERROR;
		if (seen & bit) /* RFC 5246 7.4.1.4: at most one of a type */
			return DTLS_ILLEGAL_PARAMETER;
		seen |= bit;
		alert = take_extension(type, &data, offer);
		if (alert != DTLS_NO_ALERT)
			return alert;
	}
	return DTLS_NO_ALERT;
}

enum dtls_alert
dtls_hello_choose(const struct dtls_hello *hello, struct dtls_offer *offer)
{
	enum dtls_alert alert;

	*offer = (struct dtls_offer){ 0 };
	/* Versions count down; lower ones than ours are newer and take ours (RFC 6347 4.1, RFC
	 * 5246 E.1). */
	if (hello->version >> 8 != DTLS_MAJOR || hello->version > DTLS_1_2)
		return DTLS_PROTOCOL_VERSION;
	/* RFC 5246 7.4.1.2: null compression must be there, and is the one we take. */
	if (!memchr(hello->compressions.at, 0, hello->compressions.len))
		return DTLS_ILLEGAL_PARAMETER;
	alert = choose_suite(hello, offer);
	return alert == DTLS_NO_ALERT ? take_extensions(hello, offer) : alert;
}
