#include "dataplane/core/dtls/dtls_record.h"

#include <assert.h>
#include <string.h>

#include "dataplane/core/dtls/dtls_cid.h"

/*
 * How many records overlap in a processor is a matter of instructions, so a call less on the way of
 * every record shows (a pair of records: 252 ns; 245 with these two).
 */
#define HOT  static inline __attribute__((always_inline))
#define RARE static __attribute__((noinline, cold))

enum {
	EPOCH_KEYED = 1,
	DTLS_RECORD_FIXED = 11, /* of the header: what stands before connection id and length */
	SEQUENCES = 48,         /* bits of a record number */
};

bool
dtls_window_fresh(const struct dtls_window *window, uint64_t sequence)
{
	uint64_t age;

	if (sequence > window->top)
		return true;
	age = window->top - sequence;
	return age < DTLS_WINDOW_WIDTH && !(window->seen >> age & 1);
}

void
dtls_window_mark(struct dtls_window *window, uint64_t sequence)
{
	uint64_t shift;

	if (sequence <= window->top) {
		window->seen |= UINT64_C(1) << (window->top - sequence);
		return;
	}
	shift = sequence - window->top;
	window->seen = shift < DTLS_WINDOW_WIDTH ? window->seen << shift | 1 : 1;
	window->top = sequence;
}

size_t
dtls_fragment_max(uint8_t max_fragment)
{
	/* RFC 6066 4: 1 is 2^9, each more the next power; without it RFC 5246 6.2.1's 2^14. */
	return max_fragment ? (size_t)1 << (8 + max_fragment) : 16384;
}

size_t
dtls_session_plaintext_max(const struct dtls_session *session)
{
	return dtls_fragment_max(session->max_fragment);
}

/* ---- walking ---- */

/* Reads one record; false when the datagram ends inside of it. */
static bool
read_record(struct dtls_walk *walk, struct dtls_record *record)
{
	const size_t left = (size_t)(walk->end - walk->at);
	uint8_t *header = walk->at;
	size_t header_len = DTLS_RECORD_HEADER;

	if (left < DTLS_RECORD_HEADER)
		return false;
	record->header = header;
	record->type = header[0];
	record->version = (uint16_t)cursor_load(header + 1, 2);
	record->epoch = (uint16_t)cursor_load(header + 3, 2);
	record->sequence = cursor_load(header + 5, SEQUENCES / 8);
	record->cid_len = record->type == DTLS_TLS12_CID ? DTLS_CID : 0;
	header_len += record->cid_len;
	if (left < header_len)
		return false;
	record->length = (uint16_t)cursor_load(header + header_len - 2, 2);
	if (left - header_len < record->length)
		return false;
	record->fragment = header + header_len;
	walk->at = record->fragment + record->length;
	return true;
}

static bool
is_known_type(uint8_t type)
{
	return (type >= DTLS_CHANGE_CIPHER_SPEC && type <= DTLS_APPLICATION_DATA) ||
	       type == DTLS_TLS12_CID;
}

/*
 * RFC 6347 4.1: 0xFEFD once negotiated. Before that clients write what they like: 0xFEFF, 0xFEFD,
 * and mbedTLS 2.28 0xFE00; only the major version says anything.
 */
static bool
is_known_version(const struct dtls_record *record)
{
	return record->epoch ? record->version == DTLS_1_2 : record->version >> 8 == DTLS_MAJOR;
}

bool
dtls_record_next(struct dtls_walk *walk, struct dtls_record *record, struct counters *counters)
{
	while (walk->at < walk->end) {
		if (!read_record(walk, record)) {
			count(counters, COUNTER_dtls_rx_truncated);
			walk->at = walk->end;
			return false;
		}
		count(counters, COUNTER_dtls_rx_records);
		if (is_known_type(record->type) && is_known_version(record))
			return true;
		count(counters,
		      is_known_type(record->type) ? COUNTER_dtls_rx_version : COUNTER_dtls_rx_type);
	}
	return false;
}

/* ---- AEADs ---- */

HOT size_t
tag_len(const struct dtls_session *session)
{
	return session->protection == DTLS_CCM_8 ? DTLS_TAG : DTLS_LONG_TAG;
}

size_t
dtls_sealed_len(enum dtls_protection protection, size_t plaintext)
{
	if (protection == DTLS_CBC)
		return crypto_cbc_sealed_len(plaintext);
	return DTLS_EXPLICIT_NONCE + plaintext +
	       (protection == DTLS_CCM_8 ? DTLS_TAG : DTLS_LONG_TAG);
}

/* ---- nonce and additional data ---- */

/*
 * RFC 5246 6.2.3.3: seq_num (epoch and sequence in DTLS), type, version, length of the plaintext.
 * Made of values rather than copied from the header, and in two whole words: a wide load of what
 * narrower stores have just written stalls until they reach the cache.
 */
static uint16_t
put_aad(uint8_t aad[CRYPTO_CCM_AAD_MAX], uint64_t number, uint8_t type, size_t plaintext)
{
	enum { AAD = 13 };
	uint64_t rest = (uint64_t)type << 56 | (uint64_t)DTLS_1_2 << 40 | (uint64_t)plaintext << 24;

	cursor_store(aad, number, 8);
	cursor_store(aad + 8, rest, 8); /* its last three bytes lie behind the end */
	return AAD;
}

static void
put_nonce(uint8_t nonce[DTLS_NONCE], const uint8_t iv[DTLS_IMPLICIT_IV], uint64_t explicit)
{
	memcpy(nonce, iv, DTLS_IMPLICIT_IV);
	cursor_store(nonce + DTLS_IMPLICIT_IV, explicit, DTLS_EXPLICIT_NONCE);
}

/* ---- opening ---- */

/* As it counts in nonce and additional data: the epoch in front. */
static uint64_t
record_number(const struct dtls_record *record)
{
	return (uint64_t)record->epoch << SEQUENCES | record->sequence;
}

/* What can be told without the key, cheapest first; COUNTER_dtls_rx_opened: the key must decide. */
static enum counter
check_sealed(const struct dtls_session *session, const struct dtls_record *record)
{
	if (record->epoch != EPOCH_KEYED)
		return COUNTER_dtls_rx_epoch;
	/* RFC 9146 3: who negotiated an id of ours puts it on every record of this epoch, nobody
	 * else does. */
	if ((record->type == DTLS_TLS12_CID) != session->has_cid)
		return COUNTER_dtls_rx_cid;
	if (record->cid_len && memcmp(record->header + 11, session->cid, DTLS_CID) != 0)
		return COUNTER_dtls_rx_cid;
	if (record->length < DTLS_EXPLICIT_NONCE + tag_len(session))
		return COUNTER_dtls_rx_short;
	if (!dtls_window_fresh(&session->window, record->sequence))
		return COUNTER_dtls_rx_replayed;
	return COUNTER_dtls_rx_opened;
}

static void
prepare_opening(struct dtls_opening *opening, struct crypto_ccm *ccm)
{
	const struct dtls_record *record = &opening->record;
	const struct dtls_keys *keys = &opening->session->keys;
	size_t plaintext = record->length - DTLS_EXPLICIT_NONCE - tag_len(opening->session);

	put_nonce(opening->work.nonce, keys->client_iv,
		  cursor_load(record->fragment, DTLS_EXPLICIT_NONCE));
	opening->content = record->fragment + DTLS_EXPLICIT_NONCE;
	opening->length = (uint16_t)plaintext;
	opening->type = record->type;
	*ccm = (struct crypto_ccm){
		.key = keys->client_key,
		.nonce = opening->work.nonce,
		.aad = opening->work.aad,
		.aad_len = record->cid_len ? dtls_cid_put_aad(opening->work.aad, record->header,
							      record->cid_len, plaintext)
					   : put_aad(opening->work.aad, record_number(record),
						     record->type, plaintext),
		.in = opening->content,
		.out = opening->content,
		.len = (uint16_t)plaintext,
	};
}

/* RFC 9146 4: content, its real type, zeros. */
static bool
unwrap_inner(struct dtls_opening *opening)
{
	while (opening->length && opening->content[opening->length - 1] == 0)
		opening->length--;
	if (opening->length == 0)
		return false;
	opening->type = opening->content[--opening->length];
	return true;
}

static enum counter
finish_opening(struct dtls_opening *opening, bool ok)
{
	struct dtls_window *window = &opening->session->window;

	if (!ok)
		return COUNTER_dtls_rx_bad_tag;
	if (!dtls_window_fresh(window, opening->record.sequence))
		return COUNTER_dtls_rx_replayed; /* its copy was earlier in this burst */
	opening->newest = opening->record.sequence >= window->top;
	dtls_window_mark(window, opening->record.sequence);
	if (__builtin_expect(opening->session->kept != NULL, 0))
		dtls_kept_received(opening->session->kept, window->top);
	if (opening->record.cid_len && !unwrap_inner(opening))
		return COUNTER_dtls_rx_type;
	return COUNTER_dtls_rx_opened;
}

/* One record of a suite that is not the usual one: not worth a burst. */
RARE bool
open_alone(const struct crypto_ops *ops, struct dtls_opening *opening)
{
	struct crypto_ccm record;

	if (opening->session->protection == DTLS_CBC)
		return dtls_cbc_open(ops, opening);
	prepare_opening(opening, &record);
	if (opening->session->protection == DTLS_GCM)
		ops->gcm_open(&record, 1);
	else
		ops->ccm16_open(&record, 1);
	return record.ok;
}

HOT bool
is_usual(const struct dtls_session *session)
{
	return session->protection == DTLS_CCM_8;
}

void
dtls_open(const struct crypto_ops *ops, struct dtls_opening *openings, unsigned n)
{
	struct crypto_ccm ccm[DTLS_BURST];
	uint8_t which[DTLS_BURST];
	unsigned m = 0;

	assert(n <= DTLS_BURST);
	for (unsigned i = 0; i < n; i++) {
		openings[i].outcome = check_sealed(openings[i].session, &openings[i].record);
		if (openings[i].outcome != COUNTER_dtls_rx_opened)
			continue;
		if (!is_usual(openings[i].session)) {
			bool ok = open_alone(ops, &openings[i]);

			openings[i].outcome = finish_opening(&openings[i], ok);
			continue;
		}
		prepare_opening(&openings[i], &ccm[m]);
		which[m++] = (uint8_t)i;
	}
	ops->ccm8_open(ccm, m);
	for (unsigned i = 0; i < m; i++)
		openings[which[i]].outcome = finish_opening(&openings[which[i]], ccm[i].ok);
}

/* ---- sealing ---- */

size_t
dtls_seal_prefix(const struct dtls_session *session)
{
	return DTLS_RECORD_HEADER + session->peer_cid_len +
	       (session->protection == DTLS_CBC ? DTLS_CBC_IV : DTLS_EXPLICIT_NONCE);
}

size_t
dtls_seal_suffix(const struct dtls_session *session)
{
	return (session->protection == DTLS_CBC ? DTLS_CBC_SUFFIX_MAX : tag_len(session)) +
	       (session->peer_cid_len != 0);
}

/* Epoch and sequence of the next record. The one place where a number is taken. */
static uint64_t
next_number(struct dtls_session *session)
{
	uint64_t number = session->write_sequence++;

	if (__builtin_expect(session->kept != NULL, 0))
		dtls_kept_sent(session->kept, session->write_sequence);
	return (uint64_t)EPOCH_KEYED << SEQUENCES | number;
}

HOT void
put_header(const struct dtls_sealing *sealing, uint64_t number, size_t plaintext)
{
	const struct dtls_session *session = sealing->session;
	struct writer writer = writer_init(sealing->record, dtls_seal_prefix(session));
	struct writer fixed = writer_sub(&writer, DTLS_RECORD_FIXED), rest;

	assert(writer_ok(&fixed));
	writer_u8(&fixed, session->peer_cid_len ? DTLS_TLS12_CID : sealing->type);
	writer_u16(&fixed, DTLS_1_2);
	writer_u64(&fixed, number);
	if (session->peer_cid_len)
		writer_bytes(&writer, session->peer_cid, session->peer_cid_len);
	rest = writer_sub(&writer, 2 + DTLS_EXPLICIT_NONCE);
	assert(writer_ok(&rest));
	writer_u16(&rest, (uint16_t)(DTLS_EXPLICIT_NONCE + plaintext + tag_len(session)));
	writer_u64(&rest, number); /* the explicit nonce: unique under this key (RFC 6655 3) */
}

HOT void
prepare_sealing(struct dtls_sealing *sealing, struct crypto_ccm *ccm)
{
	struct dtls_session *session = sealing->session;
	size_t cid_len = session->peer_cid_len, plaintext = sealing->length;
	size_t prefix = DTLS_RECORD_HEADER + cid_len + DTLS_EXPLICIT_NONCE;
	uint8_t *content = sealing->record + prefix;
	uint64_t number = next_number(session);

	if (cid_len)
		content[plaintext++] = sealing->type; /* RFC 9146 4, without padding */
	put_header(sealing, number, plaintext);
	put_nonce(sealing->work.nonce, session->keys.server_iv, number);
	*ccm = (struct crypto_ccm){
		.key = session->keys.server_key,
		.nonce = sealing->work.nonce,
		.aad = sealing->work.aad,
		.aad_len = cid_len ? dtls_cid_put_aad(sealing->work.aad, sealing->record, cid_len,
						      plaintext)
				   : put_aad(sealing->work.aad, number, sealing->type, plaintext),
		.in = content,
		.out = content,
		.len = (uint16_t)plaintext,
	};
	sealing->length = (uint16_t)(prefix + plaintext + tag_len(session));
}

RARE void
seal_alone(const struct crypto_ops *ops, struct dtls_sealing *sealing)
{
	struct dtls_session *session = sealing->session;
	struct crypto_ccm record;

	if (session->protection == DTLS_CBC) {
		dtls_cbc_seal(ops, sealing, next_number(session));
		return;
	}
	prepare_sealing(sealing, &record);
	if (session->protection == DTLS_GCM)
		ops->gcm_seal(&record, 1);
	else
		ops->ccm16_seal(&record, 1);
}

void
dtls_seal(const struct crypto_ops *ops, struct dtls_sealing *sealings, unsigned n)
{
	struct crypto_ccm ccm[DTLS_BURST];
	unsigned m = 0;

	assert(n <= DTLS_BURST);
	for (unsigned i = 0; i < n; i++) {
		struct dtls_session *session = sealings[i].session;

		if (session->write_sequence >> SEQUENCES)
			sealings[i].length = 0; /* a nonce must not come twice */
		else if (is_usual(session))
			prepare_sealing(&sealings[i], &ccm[m++]);
		else
			seal_alone(ops, &sealings[i]);
	}
	ops->ccm8_seal(ccm, m);
}

void
dtls_write_sealed(const struct crypto_ops *ops, struct dtls_session *session, uint8_t type,
		  const void *content, size_t len, struct writer *out)
{
	size_t prefix = dtls_seal_prefix(session);
	size_t room = prefix + len + dtls_seal_suffix(session);
	struct dtls_sealing sealing = { .session = session, .type = type, .length = (uint16_t)len };

	sealing.record = writer_room(out, room);
	if (!sealing.record)
		return;
	memcpy(sealing.record + prefix, content, len);
	dtls_seal(ops, &sealing, 1);
	if (sealing.length == 0)
		writer_fail(out);
	writer_give_back(out, room - sealing.length); /* padding varies under CBC */
}

struct writer_mark
dtls_write_record(struct writer *out, uint8_t type, uint16_t version, uint64_t sequence)
{
	struct writer header = writer_sub(out, DTLS_RECORD_FIXED);

	if (writer_ok(&header)) {
		writer_u8(&header, type);
		writer_u16(&header, version);
		writer_u64(&header, sequence); /* epoch 0 in front */
	}
	return writer_reserve_u16(out);
}
