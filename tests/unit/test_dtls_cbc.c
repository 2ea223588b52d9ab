/* Records of the CBC suite: what one side seals the other opens, and nothing else does (RFC 5246
 * 6.2.3.2, RFC 7366). */
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/core/dtls/dtls_record.h"

static const struct crypto_ops *ops;
static struct dtls_cbc ours, theirs;
static struct dtls_session server, client;
static struct counters counters;

/* The client's view of the same association is the server's with the directions exchanged. */
static void
establish(bool encrypt_then_mac)
{
	uint8_t block[DTLS_CBC_KEY_BLOCK];

	ops = crypto_select();
	for (unsigned i = 0; i < sizeof block; i++)
		block[i] = (uint8_t)i;
	dtls_cbc_init(ops, &ours, block, encrypt_then_mac);
	theirs = (struct dtls_cbc){ .client = ours.server, .server = ours.client };
	server = (struct dtls_session){ .cbc = &ours, .protection = DTLS_CBC };
	client = (struct dtls_session){ .cbc = &theirs, .protection = DTLS_CBC };
}

/* As many connection ids as both sides may have (RFC 9146 3); bit 0: of ours, bit 1: of the client's. */
static void
agree_on_cids(unsigned which)
{
	server.has_cid = which & 1;
	client.peer_cid_len = which & 1 ? DTLS_CID : 0;
	client.has_cid = which & 2;
	server.peer_cid_len = which & 2 ? DTLS_CID : 0;
	memset(server.cid, 0x51, DTLS_CID);
	memset(client.peer_cid, 0x51, DTLS_CID);
	memset(client.cid, 0x52, DTLS_CID);
	memset(server.peer_cid, 0x52, DTLS_CID);
}

static size_t
seal(struct dtls_session *from, uint8_t *record, const uint8_t *content, size_t len)
{
	struct dtls_sealing sealing = { .session = from,
					.record = record,
					.length = (uint16_t)len,
					.type = DTLS_APPLICATION_DATA };

	memcpy(record + dtls_seal_prefix(from), content, len);
	dtls_seal(ops, &sealing, 1);
	cr_assert_leq(sealing.length, dtls_seal_prefix(from) + len + dtls_seal_suffix(from));
	return sealing.length;
}

static struct dtls_opening
open_record(struct dtls_session *by, uint8_t *record, size_t len)
{
	struct dtls_walk walk = { record, record + len };
	struct dtls_opening opening = { .session = by };

	cr_assert(dtls_record_next(&walk, &opening.record, &counters));
	dtls_open(ops, &opening, 1);
	return opening;
}

Test(dtls_cbc, altered_records_do_not_open)
{
	for (int etm = 0; etm < 2; etm++) {
		uint8_t record[256];
		size_t len;

		establish(etm);
		len = seal(&client, record, (const uint8_t *)"secret", 6);
		for (size_t i = 3; i < len; i++) {
			uint8_t copy[256];
			struct dtls_walk walk = { copy, copy + len };
			struct dtls_opening opening = { .session = &server };

			memcpy(copy, record, len);
			copy[i] ^= 1;
			if (!dtls_record_next(&walk, &opening.record, &counters))
				continue;
			dtls_open(ops, &opening, 1);
			cr_assert_neq(opening.outcome, COUNTER_dtls_rx_opened, "byte %zu", i);
		}
		cr_assert_eq(open_record(&server, record, len).outcome, COUNTER_dtls_rx_opened);
	}
}

/* Two associations of a peer may have to try: the old one and that of the handshake that runs. */
Test(dtls_cbc, a_record_that_does_not_open_is_left_as_it_came)
{
	for (int etm = 0; etm < 2; etm++) {
		uint8_t record[256], copy[256];
		struct dtls_opening opening;
		size_t len;

		establish(etm);
		len = seal(&client, record, (const uint8_t *)"secret", 6);
		memcpy(copy, record, len);
		memset(&ours.client, 0x5a, sizeof ours.client);
		ours.client.encrypt_then_mac = etm;
		opening = open_record(&server, record, len);
		cr_assert_eq(opening.outcome, COUNTER_dtls_rx_bad_tag);
		cr_assert_arr_eq(record, copy, len);
		establish(etm);
		opening = open_record(&server, record, len);
		cr_assert_eq(opening.outcome, COUNTER_dtls_rx_opened);
		cr_assert_arr_eq(opening.content, "secret", 6);
	}
}

Test(dtls_cbc, a_replay_is_told)
{
	uint8_t record[256], copy[256];
	size_t len;

	establish(true);
	len = seal(&client, record, (const uint8_t *)"once", 4);
	memcpy(copy, record, len);
	cr_assert_eq(open_record(&server, record, len).outcome, COUNTER_dtls_rx_opened);
	cr_assert_eq(open_record(&server, copy, len).outcome, COUNTER_dtls_rx_replayed);
}

static void
assert_passes(struct dtls_session *from, struct dtls_session *to, size_t len)
{
	uint8_t content[300], record[512];
	struct dtls_opening opening;
	size_t sealed;

	memset(content, (int)len, sizeof content);
	sealed = seal(from, record, content, len);
	opening = open_record(to, record, sealed);
	cr_assert_eq(opening.outcome, COUNTER_dtls_rx_opened, "%zu bytes", len);
	cr_assert_eq(opening.length, len);
	cr_assert_arr_eq(opening.content, content, len);
	cr_assert_eq(opening.type, DTLS_APPLICATION_DATA);
}

Test(dtls_cbc, every_length_both_ways_with_and_without_connection_ids)
{
	for (unsigned form = 0; form < 8; form++) {
		establish(form & 4);
		agree_on_cids(form);
		for (size_t len = 0; len < 300; len++) {
			assert_passes(&client, &server, len);
			assert_passes(&server, &client, len);
		}
	}
}

/* RFC 9146 5: the id is authentic too, and who has one shows it. */
Test(dtls_cbc, a_record_under_another_connection_id_does_not_open)
{
	for (int etm = 0; etm < 2; etm++) {
		uint8_t record[256];
		size_t len;

		establish(etm);
		agree_on_cids(1);
		len = seal(&client, record, (const uint8_t *)"secret", 6);
		memset(record + 11, 0x53, DTLS_CID);
		memset(server.cid, 0x53, DTLS_CID);
		cr_assert_eq(open_record(&server, record, len).outcome, COUNTER_dtls_rx_bad_tag);
		client.peer_cid_len = 0;
		len = seal(&client, record, (const uint8_t *)"secret", 6);
		cr_assert_eq(open_record(&server, record, len).outcome, COUNTER_dtls_rx_cid);
	}
}

Test(dtls_cbc, initialisation_vectors_never_repeat)
{
	uint8_t first[256], second[256];

	establish(true);
	seal(&server, first, (const uint8_t *)"same", 4);
	seal(&server, second, (const uint8_t *)"same", 4);
	cr_assert_neq(memcmp(first + DTLS_RECORD_HEADER, second + DTLS_RECORD_HEADER, DTLS_CBC_IV),
		      0);
}
