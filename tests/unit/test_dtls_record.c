/* Records: walking, replay window, opening and sealing (RFC 6347 4.1, RFC 6655 3, RFC 9146 4 and
 * 5). */
#include <criterion/criterion.h>

#include <mbedtls/ccm.h>
#include <mbedtls/gcm.h>

#include "dataplane/core/dtls/dtls_record.h"

static const struct crypto_ops *ops;
static struct counters counters;
static struct dtls_session session;

/* Both directions under one key, so that what is sealed can be opened. */
static void
setup(void)
{
	ops = crypto_select();
	memset(&counters, 0, sizeof counters);
	memset(&session, 0, sizeof session);
	memcpy(session.keys.client_key, "0123456789abcdef", DTLS_KEY);
	memcpy(session.keys.server_key, "0123456789abcdef", DTLS_KEY);
	memcpy(session.keys.client_iv, "salt", DTLS_IMPLICIT_IV);
	memcpy(session.keys.server_iv, "salt", DTLS_IMPLICIT_IV);
}

TestSuite(dtls_record, .init = setup);

static size_t
seal(uint8_t *datagram, uint8_t type, const char *content)
{
	struct writer out = writer_init(datagram, 256);

	dtls_write_sealed(ops, &session, type, content, strlen(content), &out);
	return writer_finish(&out);
}

static struct dtls_opening
open_one(uint8_t *datagram, size_t len)
{
	struct dtls_walk walk = { datagram, datagram + len };
	struct dtls_opening opening = { .session = &session };

	cr_assert(dtls_record_next(&walk, &opening.record, &counters));
	dtls_open(ops, &opening, 1);
	return opening;
}

/* ---- walking ---- */

Test(dtls_record, what_is_no_record_is_dropped_and_counted)
{
	static const struct {
		const char *bytes;
		size_t len;
		unsigned records;
		enum counter counter;
	} cases[] = {
		{ "", 0, 0, COUNTERS },
		{ "\x16", 1, 0, COUNTER_dtls_rx_truncated },
		{ "\x16\xfe\xfd\0\0\0\0\0\0\0\0\0", 12, 0, COUNTER_dtls_rx_truncated },
		{ "\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\1", 13, 0, COUNTER_dtls_rx_truncated },
		{ "\x16\xfe\xfd\0\0\0\0\0\0\0\0\xff\xff", 13, 0, COUNTER_dtls_rx_truncated },
		{ "\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\0", 13, 1, COUNTERS },
		{ "\x13\xfe\xfd\0\0\0\0\0\0\0\0\0\0", 13, 0, COUNTER_dtls_rx_type },
		{ "\x18\xfe\xfd\0\0\0\0\0\0\0\0\0\0", 13, 0, COUNTER_dtls_rx_type },
		{ "\x16\x03\x03\0\0\0\0\0\0\0\0\0\0", 13, 0, COUNTER_dtls_rx_version },
		{ "\x16\xfe\xff\0\1\0\0\0\0\0\0\0\0", 13, 0, COUNTER_dtls_rx_version },
		{ "\x16\xfe\x00\0\0\0\0\0\0\0\0\0\0", 13, 1, COUNTERS },
		{ "\x19\xfe\xfd\0\1\0\0\0\0\0\0\0\0", 13, 0, COUNTER_dtls_rx_truncated },
		{ "\x19\xfe\xfd\0\1\0\0\0\0\0\0"
		  "12345678\0\0",
		  21, 1, COUNTERS },
		/* CoAP in plaintext: CON POST /bs */
		{ "\x44\x02\x12\x34\1\2\3\4\xb2"
		  "bs",
		  11, 0, COUNTER_dtls_rx_truncated },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t datagram[64];
		struct dtls_walk walk = { datagram, datagram + cases[i].len };
		struct dtls_record record;
		unsigned records = 0;

		setup();
		memcpy(datagram, cases[i].bytes, cases[i].len);
		while (dtls_record_next(&walk, &record, &counters))
			records++;
		cr_assert_eq(records, cases[i].records, "case %u: %u records", i, records);
		if (cases[i].counter != COUNTERS)
			cr_assert_eq(counters.value[cases[i].counter], 1, "case %u", i);
	}
}

Test(dtls_record, a_header_is_read_field_by_field)
{
	uint8_t datagram[] =
		"\x16\xfe\xff\x12\x34\1\2\3\4\5\6\0\2ab\x17\xfe\xfd\0\1\0\0\0\0\0\7\0\0";
	struct dtls_walk walk = { datagram, datagram + sizeof datagram - 1 };
	struct dtls_record record;

	datagram[2] = 0xfd;
	cr_assert(dtls_record_next(&walk, &record, &counters));
	cr_assert_eq(record.type, DTLS_HANDSHAKE);
	cr_assert_eq(record.epoch, 0x1234);
	cr_assert_eq(record.sequence, 0x010203040506);
	cr_assert_eq(record.length, 2);
	cr_assert_arr_eq(record.fragment, "ab", 2);
	cr_assert(dtls_record_next(&walk, &record, &counters));
	cr_assert_eq(record.sequence, 7);
	cr_assert_not(dtls_record_next(&walk, &record, &counters));
}

/* ---- replay window ---- */

Test(dtls_record, the_window_is_64_wide)
{
	struct dtls_window window = { 0 };

	cr_assert(dtls_window_fresh(&window, 0));
	dtls_window_mark(&window, 0);
	cr_assert_not(dtls_window_fresh(&window, 0));
	dtls_window_mark(&window, 100);
	cr_assert_not(dtls_window_fresh(&window, 100));
	cr_assert(dtls_window_fresh(&window, 101));
	cr_assert(dtls_window_fresh(&window, 37));
	cr_assert_not(dtls_window_fresh(&window, 36), "too old to tell");
	dtls_window_mark(&window, 37);
	cr_assert_not(dtls_window_fresh(&window, 37));
	cr_assert(dtls_window_fresh(&window, 38));
	dtls_window_mark(&window, 101);
	cr_assert_not(dtls_window_fresh(&window, 100));
	cr_assert(dtls_window_fresh(&window, 38));
	dtls_window_mark(&window, UINT64_C(0xffffffffffff));
	cr_assert_not(dtls_window_fresh(&window, 101));
}

/* Against a plain list of what was received. */
Test(dtls_record, the_window_agrees_with_a_list)
{
	static bool seen[4096];
	struct dtls_window window = { 0 };
	uint64_t top = 0;
	uint32_t random = 7;

	memset(seen, 0, sizeof seen);
	for (int i = 0; i < 20000; i++) {
		random = random * 1103515245 + 12345;
		uint64_t sequence = top / 2 + (random >> 16) % (top / 2 + 90);
		bool fresh;

		if (sequence >= 4096)
			break;
		fresh = !seen[sequence] && sequence + DTLS_WINDOW_WIDTH > top;
		cr_assert_eq(dtls_window_fresh(&window, sequence), fresh, "%lu of %lu", sequence,
			     top);
		if (!fresh)
			continue;
		dtls_window_mark(&window, sequence);
		seen[sequence] = true;
		if (sequence > top)
			top = sequence;
	}
	cr_assert_gt(top, 1000);
}

Test(dtls_record, a_forged_record_does_not_move_the_window)
{
	uint8_t datagram[256], forged[256];
	size_t len = seal(datagram, DTLS_APPLICATION_DATA, "content");

	memcpy(forged, datagram, len);
	forged[10] = 0xff; /* another number: another nonce would be needed, so the tag is wrong */
	cr_assert_eq(open_one(forged, len).outcome, COUNTER_dtls_rx_bad_tag);
	cr_assert_eq(session.window.top, 0);
	cr_assert_eq(open_one(datagram, len).outcome, COUNTER_dtls_rx_opened);
}

/* ---- opening and sealing ---- */

Test(dtls_record, records_that_cannot_be_ours_are_told_without_the_key)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum counter outcome;
	} cases[] = {
		{ "\x17\xfe\xfd\0\2\0\0\0\0\0\0\0\x10"
		  "0123456789abcdef",
		  29, COUNTER_dtls_rx_epoch },
		{ "\x17\xfe\xfd\0\1\0\0\0\0\0\0\0\x0f"
		  "0123456789abcde",
		  28, COUNTER_dtls_rx_short },
		{ "\x17\xfe\xfd\0\1\0\0\0\0\0\0\0\0", 13, COUNTER_dtls_rx_short },
		{ "\x19\xfe\xfd\0\1\0\0\0\0\0\0"
		  "12345678\0\0",
		  21, COUNTER_dtls_rx_cid },
		{ "\x17\xfe\xfd\0\1\0\0\0\0\0\0\0\x10"
		  "0123456789abcdef",
		  29, COUNTER_dtls_rx_bad_tag },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t datagram[64];

		memcpy(datagram, cases[i].bytes, cases[i].len);
		cr_assert_eq(open_one(datagram, cases[i].len).outcome, cases[i].outcome, "case %u",
			     i);
		cr_assert_arr_eq(datagram, cases[i].bytes, cases[i].len, "case %u was changed", i);
	}
}

/* mbedTLS's CCM with nonce and additional data put together here, from RFC 6655 3 and RFC 5246
 * 6.2.3.3. */
static void
judge(const uint8_t *record, size_t header, const uint8_t *aad, size_t aad_len, const void *inner,
      size_t inner_len)
{
	mbedtls_ccm_context ccm;
	uint8_t nonce[12] = "salt", plaintext[64];

	memcpy(nonce + 4, record + header, 8);
	mbedtls_ccm_init(&ccm);
	cr_assert_eq(mbedtls_ccm_setkey(&ccm, MBEDTLS_CIPHER_ID_AES, session.keys.server_key, 128),
		     0);
	cr_assert_eq(mbedtls_ccm_auth_decrypt(&ccm, inner_len, nonce, 12, aad, aad_len,
					      record + header + 8, plaintext,
					      record + header + 8 + inner_len, 8),
		     0);
	cr_assert_arr_eq(plaintext, inner, inner_len);
	mbedtls_ccm_free(&ccm);
}

Test(dtls_record, a_sealed_record_is_what_the_rfc_says)
{
	uint8_t datagram[256];
	size_t len;

	session.write_sequence = 0x0102;
	len = seal(datagram, DTLS_APPLICATION_DATA, "content");
	cr_assert_eq(len, 13 + 8 + 7 + 8);
	cr_assert_arr_eq(datagram, "\x17\xfe\xfd\0\1\0\0\0\0\1\2\0\x17\0\1\0\0\0\0\1\2", 21);
	judge(datagram, 13, (const uint8_t *)"\0\1\0\0\0\0\1\2\x17\xfe\xfd\0\7", 13, "content", 7);
	cr_assert_eq(session.write_sequence, 0x0103);
}

/* RFC 5288 3: salt and explicit nonce as in RFC 6655, a tag of 16 bytes. */
Test(dtls_record, a_record_sealed_with_gcm_is_what_the_rfc_says)
{
	uint8_t datagram[256], nonce[12] = "salt", plaintext[7];
	const uint8_t *fragment = datagram + 13;
	mbedtls_gcm_context gcm;

	session.protection = DTLS_GCM;
	session.write_sequence = 0x0102;
	cr_assert_eq(seal(datagram, DTLS_APPLICATION_DATA, "content"), 13 + 8 + 7 + 16);
	cr_assert_arr_eq(datagram, "\x17\xfe\xfd\0\1\0\0\0\0\1\2\0\x1f\0\1\0\0\0\0\1\2", 21);
	memcpy(nonce + 4, fragment, 8);
	mbedtls_gcm_init(&gcm);
	cr_assert_eq(mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, session.keys.server_key, 128),
		     0);
	cr_assert_eq(mbedtls_gcm_auth_decrypt(&gcm, 7, nonce, 12,
					      (const uint8_t *)"\0\1\0\0\0\0\1\2\x17\xfe\xfd\0\7",
					      13, fragment + 8 + 7, 16, fragment + 8, plaintext),
		     0);
	mbedtls_gcm_free(&gcm);
	cr_assert_arr_eq(plaintext, "content", 7);
}

Test(dtls_record, each_protection_opens_its_own_records_alone)
{
	static const enum dtls_protection kinds[] = { DTLS_CCM_8, DTLS_CCM, DTLS_GCM };

	for (unsigned sealer = 0; sealer < 3; sealer++) {
		for (unsigned opener = 0; opener < 3; opener++) {
			uint8_t datagram[256], copy[256];
			size_t len;

			session.protection = kinds[sealer];
			len = seal(datagram, DTLS_APPLICATION_DATA, "some content of a record");
			memcpy(copy, datagram, len);
			session.protection = kinds[opener];
			cr_assert_eq(open_one(datagram, len).outcome,
				     sealer == opener ? COUNTER_dtls_rx_opened
						      : COUNTER_dtls_rx_bad_tag,
				     "sealed by %u, opened by %u", sealer, opener);
			if (sealer != opener)
				cr_assert_arr_eq(datagram, copy, len, "left as it came");
		}
	}
}

Test(dtls_record, a_record_shorter_than_a_long_tag_is_told_without_the_key)
{
	uint8_t datagram[13 + 8 + 15] = "\x17\xfe\xfd\0\1\0\0\0\0\0\1\0\x17";

	session.protection = DTLS_GCM;
	cr_assert_eq(open_one(datagram, sizeof datagram).outcome, COUNTER_dtls_rx_short);
}

Test(dtls_record, a_sealed_record_with_connection_id_is_what_the_rfc_says)
{
	static const uint8_t aad[] = "\xff\xff\xff\xff\xff\xff\xff\xff\x19\x03\x19\xfe\xfd"
				     "\0\1\0\0\0\0\0\0cid\0\x08";
	uint8_t datagram[256];

	memcpy(session.peer_cid, "cid", 3);
	session.peer_cid_len = 3;
	cr_assert_eq(seal(datagram, DTLS_APPLICATION_DATA, "content"), 16 + 8 + 7 + 1 + 8);
	cr_assert_arr_eq(datagram, "\x19\xfe\xfd\0\1\0\0\0\0\0\0cid\0\x18", 16);
	cr_assert_eq(sizeof aad - 1, 23 + 3);
	judge(datagram, 16, aad, sizeof aad - 1, "content\x17", 8);
}

static void
check_every_length(void)
{
	for (int cid = 0; cid < 2; cid++) {
		memcpy(session.cid, "OURCIDxx", DTLS_CID);
		memcpy(session.peer_cid, "OURCIDxx", DTLS_CID);
		session.peer_cid_len = cid ? DTLS_CID : 0;
		session.has_cid = cid;
		session.window = (struct dtls_window){ 0 };
		session.write_sequence = 0;
		for (size_t len = 1; len < 200; len++) {
			uint8_t datagram[512];
			char content[200] = { 0 };
			struct dtls_opening opening;

			memset(content, 'c', len);
			content[len] = 0;
			opening = open_one(datagram, seal(datagram, DTLS_ALERT_RECORD, content));
			cr_assert_eq(opening.outcome, COUNTER_dtls_rx_opened);
			cr_assert_eq(opening.type, DTLS_ALERT_RECORD);
			cr_assert_eq(opening.length, len);
			cr_assert_arr_eq(opening.content, content, len);
		}
	}
}

Test(dtls_record, every_content_length_survives_the_way)
{
	static const enum dtls_protection kinds[] = { DTLS_CCM_8, DTLS_CCM, DTLS_GCM };

	for (unsigned i = 0; i < 3; i++) {
		session.protection = kinds[i];
		check_every_length();
	}
}

Test(dtls_record, an_inner_plaintext_of_zeros_has_no_type)
{
	uint8_t datagram[256];

	memcpy(session.cid, "OURCIDxx", DTLS_CID);
	memcpy(session.peer_cid, "OURCIDxx", DTLS_CID);
	session.peer_cid_len = DTLS_CID;
	session.has_cid = true;
	cr_assert_eq(open_one(datagram, seal(datagram, 0, "")).outcome, COUNTER_dtls_rx_type);
}

Test(dtls_record, of_two_copies_in_a_burst_the_first_is_taken)
{
	uint8_t datagrams[3][256];
	struct dtls_opening openings[3];
	size_t len = seal(datagrams[0], DTLS_APPLICATION_DATA, "first");

	memcpy(datagrams[1], datagrams[0], len);
	seal(datagrams[2], DTLS_APPLICATION_DATA, "other");
	for (int i = 0; i < 3; i++) {
		struct dtls_walk walk = { datagrams[i], datagrams[i] + len };

		openings[i].session = &session;
		cr_assert(dtls_record_next(&walk, &openings[i].record, &counters));
	}
	dtls_open(ops, openings, 3);
	cr_assert_eq(openings[0].outcome, COUNTER_dtls_rx_opened);
	cr_assert_eq(openings[1].outcome, COUNTER_dtls_rx_replayed);
	cr_assert_eq(openings[2].outcome, COUNTER_dtls_rx_opened);
}

Test(dtls_record, used_up_numbers_seal_nothing)
{
	uint8_t datagram[256];

	session.write_sequence = UINT64_C(1) << 48;
	cr_assert_eq(seal(datagram, DTLS_APPLICATION_DATA, "content"), 0);
}

Test(dtls_record, no_room_seals_nothing_and_uses_no_number)
{
	uint8_t datagram[36];
	struct writer out = writer_init(datagram, 35);

	dtls_write_sealed(ops, &session, DTLS_APPLICATION_DATA, "content", 7, &out);
	cr_assert_eq(writer_finish(&out), 0);
	cr_assert_eq(session.write_sequence, 0);
}
