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

/* ---- extensions ---- */

/* What extensions say that decides about suites, until one is chosen. */
struct wishes {
	struct dtls_offer *offer;
	bool unusable; /* of certificates: a list came without what we have, or makes no sense */
	struct dtls_bytes own_types, peer_types; /* as the client prefers them; NULL: not asked */
};

typedef enum dtls_alert take_extension(struct reader *data, struct wishes *wishes);

static enum dtls_alert
take_extended_master_secret(struct reader *data, struct wishes *wishes)
{
	wishes->offer->extended_master_secret = true;
	return reader_left(data) ? DTLS_DECODE_ERROR : DTLS_NO_ALERT;
}

static enum dtls_alert
take_encrypt_then_mac(struct reader *data, struct wishes *wishes)
{
	wishes->offer->encrypt_then_mac = true;
	return reader_left(data) ? DTLS_DECODE_ERROR : DTLS_NO_ALERT;
}

/* RFC 5746 3.6: an initial handshake carries an empty renegotiated_connection. */
static enum dtls_alert
take_renegotiation_info(struct reader *data, struct wishes *wishes)
{
	struct reader connection = reader_vector_u8(data);

	if (!reader_done(data))
		return DTLS_DECODE_ERROR;
	if (reader_left(&connection) != 0)
		return DTLS_HANDSHAKE_FAILURE;
	wishes->offer->secure_renegotiation = true;
	return DTLS_NO_ALERT;
}

static enum dtls_alert
take_max_fragment(struct reader *data, struct wishes *wishes)
{
	uint8_t code = reader_u8(data);

	if (!reader_done(data))
		return DTLS_DECODE_ERROR;
	if (code < DTLS_MAX_FRAGMENT_512 || code > DTLS_MAX_FRAGMENT_4096)
		return DTLS_ILLEGAL_PARAMETER;
	wishes->offer->max_fragment = code;
	return DTLS_NO_ALERT;
}

static enum dtls_alert
take_connection_id(struct reader *data, struct wishes *wishes)
{
	struct reader cid = reader_vector_u8(data);

	if (!reader_done(data))
		return DTLS_DECODE_ERROR;
	wishes->offer->peer_cid = rest_of(&cid);
	wishes->offer->has_cid = wishes->offer->peer_cid.len <= DTLS_PEER_CID_MAX;
	return DTLS_NO_ALERT;
}

/*
 * What certificates alone need does not make sense: they are not possible then. A client that has a
 * pre-shared key too loses nothing by it.
 */
static enum dtls_alert
unusable(struct wishes *wishes)
{
	wishes->unusable = true;
	return DTLS_NO_ALERT;
}

/* Whether one of the list's values, each of `width` bytes, is `wanted`. */
static bool
list_has(const struct reader *list, uint16_t wanted, size_t width)
{
	struct reader values = *list;
	bool found = false;

	while (reader_left(&values) >= width)
		found |= reader_uint(&values, width) == wanted;
	return found;
}

/* RFC 8422 5.1.1, RFC 5246 7.4.1.4.1: 16-bit values behind a 16-bit length, at least one. */
static bool
read_u16_list(struct reader *data, struct reader *list)
{
	*list = reader_vector_u16(data);
	return reader_done(data) && reader_left(list) >= 2 && reader_left(list) % 2 == 0;
}

static enum dtls_alert
take_groups(struct reader *data, struct wishes *wishes)
{
	struct reader list;

	if (!read_u16_list(data, &list))
		return unusable(wishes);
	wishes->unusable |= !list_has(&list, DTLS_SECP256R1, 2);
	return DTLS_NO_ALERT;
}

static enum dtls_alert
take_signatures(struct reader *data, struct wishes *wishes)
{
	struct reader list;

	if (!read_u16_list(data, &list))
		return unusable(wishes);
	wishes->unusable |= !list_has(&list, DTLS_ECDSA_SHA256, 2);
	return DTLS_NO_ALERT;
}

/* Bytes behind an 8-bit length, at least one. */
static bool
read_u8_list(struct reader *data, struct reader *list)
{
	*list = reader_vector_u8(data);
	return reader_done(data) && reader_left(list) != 0;
}

static enum dtls_alert
take_point_formats(struct reader *data, struct wishes *wishes)
{
	struct reader list;

	if (!read_u8_list(data, &list))
		return unusable(wishes);
	wishes->unusable |= !list_has(&list, DTLS_UNCOMPRESSED, 1);
	wishes->offer->answers_point_formats = true;
	return DTLS_NO_ALERT;
}

static enum dtls_alert
take_own_types(struct reader *data, struct wishes *wishes)
{
	struct reader list;

	if (!read_u8_list(data, &list))
		return unusable(wishes);
	wishes->own_types = rest_of(&list);
	return DTLS_NO_ALERT;
}

static enum dtls_alert
take_peer_types(struct reader *data, struct wishes *wishes)
{
	struct reader list;

	if (!read_u8_list(data, &list))
		return unusable(wishes);
	wishes->peer_types = rest_of(&list);
	return DTLS_NO_ALERT;
}

/* RFC 6066 3: a list with at most one name a type; host_name is the only type there is. */
static enum dtls_alert
take_server_name(struct reader *data, struct wishes *wishes)
{
	enum { HOST_NAME = 0 };
	struct reader list = reader_vector_u16(data);

	if (!reader_done(data) || !reader_left(&list))
		return unusable(wishes);
	while (reader_left(&list)) {
		uint8_t type = reader_u8(&list);
		struct reader name = reader_vector_u16(&list);

		if (!reader_ok(&list) || !reader_left(&name))
			return unusable(wishes);
		if (type != HOST_NAME)
			continue;
		if (wishes->offer->server_name.at)
			return unusable(wishes);
		if (reader_left(&name) <= DTLS_SERVER_NAME_MAX)
			wishes->offer->server_name = rest_of(&name);
	}
	return DTLS_NO_ALERT;
}

/* The extensions we act upon; of the others copies do no harm. */
static const struct {
	uint16_t type;
	take_extension *take;
} extensions[] = {
	{ DTLS_EXT_EXTENDED_MASTER_SECRET, take_extended_master_secret },
	{ DTLS_EXT_ENCRYPT_THEN_MAC, take_encrypt_then_mac },
	{ DTLS_EXT_RENEGOTIATION_INFO, take_renegotiation_info },
	{ DTLS_EXT_MAX_FRAGMENT_LENGTH, take_max_fragment },
	{ DTLS_EXT_CONNECTION_ID, take_connection_id },
	{ DTLS_EXT_SUPPORTED_GROUPS, take_groups },
	{ DTLS_EXT_SIGNATURE_ALGORITHMS, take_signatures },
	{ DTLS_EXT_EC_POINT_FORMATS, take_point_formats },
	{ DTLS_EXT_SERVER_CERTIFICATE_TYPE, take_own_types },
	{ DTLS_EXT_CLIENT_CERTIFICATE_TYPE, take_peer_types },
	{ DTLS_EXT_SERVER_NAME, take_server_name },
};

enum { EXTENSIONS = sizeof extensions / sizeof extensions[0] };

static unsigned
find_extension(uint16_t type)
{
	unsigned i = 0;

	while (i < EXTENSIONS && extensions[i].type != type)
		i++;
	return i;
}

static enum dtls_alert
take_extensions(const struct dtls_hello *hello, struct wishes *wishes)
{
	struct reader all = reader_init(hello->extensions.at, hello->extensions.len);
	unsigned seen = 0;

	while (reader_left(&all)) {
		unsigned which = find_extension(reader_u16(&all));
		struct reader data = reader_vector_u16(&all);
		enum dtls_alert alert;

		if (!reader_ok(&all))
			return DTLS_DECODE_ERROR;
		if (which == EXTENSIONS)
			continue;
		if (seen & 1u << which) /* RFC 5246 7.4.1.4: at most one of a type */
			return DTLS_ILLEGAL_PARAMETER;
		seen |= 1u << which;
		alert = extensions[which].take(&data, wishes);
		if (alert != DTLS_NO_ALERT)
			return alert;
	}
	return DTLS_NO_ALERT;
}

/* ---- choice ---- */

/* Suites offered, in our order. */
static const uint16_t suites[] = {
	DTLS_PSK_AES_128_CCM_8,
	DTLS_ECDHE_ECDSA_AES_128_CCM_8,
	DTLS_ECDHE_ECDSA_AES_128_GCM_SHA256,
	DTLS_ECDHE_ECDSA_AES_128_CCM,
	DTLS_ECDHE_ECDSA_AES_128_CBC_SHA256,
	DTLS_PSK_AES_128_CBC_SHA256,
};

enum { SUITES = sizeof suites / sizeof suites[0] };

enum dtls_protection
dtls_suite_protection(uint16_t suite)
{
	switch (suite) {
	case DTLS_ECDHE_ECDSA_AES_128_GCM_SHA256:
		return DTLS_GCM;
	case DTLS_ECDHE_ECDSA_AES_128_CCM:
		return DTLS_CCM;
	case DTLS_ECDHE_ECDSA_AES_128_CBC_SHA256:
	case DTLS_PSK_AES_128_CBC_SHA256:
		return DTLS_CBC;
	default:
		return DTLS_CCM_8;
	}
}

/* RFC 7250 4.2: the first of the client's types that we have too; X.509 where it does not ask. */
static bool
choose_type(const struct dtls_bytes *wanted, bool x509, bool raw_key, uint8_t *type)
{
	struct reader types = reader_init(wanted->at, wanted->len);

	*type = DTLS_X509;
	if (!wanted->at)
		return x509;
	while (reader_left(&types)) {
		*type = reader_u8(&types);
		if ((*type == DTLS_X509 && x509) || (*type == DTLS_RAW_PUBLIC_KEY && raw_key))
			return true;
	}
	return false;
}

/* Whether a handshake with certificates could succeed. */
static bool
agree(const struct wishes *wishes, unsigned abilities)
{
	struct dtls_offer *offer = wishes->offer;

	if (wishes->unusable)
		return false;
	offer->answers_own_type = wishes->own_types.at;
	offer->answers_peer_type = wishes->peer_types.at;
	return choose_type(&wishes->own_types, abilities & DTLS_OWN_CERTIFICATE,
			   abilities & DTLS_OWN_RAW_KEY, &offer->own_type) &&
	       choose_type(&wishes->peer_types, abilities & DTLS_PEER_CERTIFICATES,
			   abilities & DTLS_PEER_RAW_KEYS, &offer->peer_type);
}

static bool
is_eligible(uint16_t suite, bool certificates, unsigned abilities)
{
	if (!dtls_suite_has_certificates(suite))
		return true;
	return certificates &&
	       (suite != DTLS_ECDHE_ECDSA_AES_128_CBC_SHA256 || abilities & DTLS_CERTIFICATES_CBC);
}

static enum dtls_alert
choose_suite(const struct dtls_hello *hello, const struct wishes *wishes, unsigned abilities)
{
	struct reader offered = reader_init(hello->suites.at, hello->suites.len);
	bool certificates = agree(wishes, abilities);
	struct dtls_offer *offer = wishes->offer;
	unsigned i = 0;

	if (list_has(&offered, DTLS_EMPTY_RENEGOTIATION_INFO_SCSV, 2))
		offer->secure_renegotiation = true;
	while (i < SUITES && !(is_eligible(suites[i], certificates, abilities) &&
			       list_has(&offered, suites[i], 2)))
		i++;
	if (i == SUITES)
		return DTLS_HANDSHAKE_FAILURE;
	offer->suite = suites[i];
	return DTLS_NO_ALERT;
}

enum dtls_alert
dtls_hello_choose(const struct dtls_hello *hello, unsigned abilities, struct dtls_offer *offer)
{
	struct wishes wishes = { .offer = offer };
	enum dtls_alert alert;

	*offer = (struct dtls_offer){ 0 };
	/* Versions count down; lower ones than ours are newer and take ours (RFC 6347 4.1, RFC
	 * 5246 E.1). */
	if (hello->version >> 8 != DTLS_MAJOR || hello->version > DTLS_1_2)
		return DTLS_PROTOCOL_VERSION;
	/* RFC 5246 7.4.1.2: null compression must be there, and is the one we take. */
	if (!memchr(hello->compressions.at, 0, hello->compressions.len))
		return DTLS_ILLEGAL_PARAMETER;
	alert = take_extensions(hello, &wishes);
	return alert == DTLS_NO_ALERT ? choose_suite(hello, &wishes, abilities) : alert;
}
