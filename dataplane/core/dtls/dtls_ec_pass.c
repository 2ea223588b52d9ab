#include "dataplane/core/dtls/dtls_ec_pass.h"

#include <string.h>

#include "dataplane/core/dtls/dtls_certificate.h"

#define PLAIN(number, member) RECORD_FIELD(number, RECORD_PLAIN, struct dtls_ec, member)

/* Of the record of a handshake, whose own are below 64 (stack_fields.h). Numbers are for good. */
static const struct record_field ec_fields[] = {
	PLAIN(64, own_type),
	PLAIN(65, peer_type),
	RECORD_FIELD(66, RECORD_BOOL, struct dtls_ec, is_pinned),
	PLAIN(67, flight_len),
	PLAIN(68, sent_message),
	PLAIN(69, sent_bytes),
	PLAIN(70, doubt.verdict),
	PLAIN(71, doubt.name_len),
	PLAIN(72, doubt.name),
	PLAIN(73, job.flight_len),
	PLAIN(74, job.chain_at),
	PLAIN(75, job.chain_len),
	PLAIN(76, job.verify_len),
	PLAIN(77, job.transcript.h),
	PLAIN(78, job.transcript.len),
	PLAIN(79, job.transcript.tail),
	PLAIN(80, job.secrets.secret),
};

/* Of EC_BEGIN alone: the verdict's place is the same. */
static const struct record_field begin_fields[] = {
	PLAIN(81, job.begin.server_name_len),
	PLAIN(82, job.begin.server_name),
};

enum { FIELD_BYTES = 83 };

#define FIELDS_OF(table) (table), sizeof(table) / sizeof((table)[0])

/* ---- which bytes of a job mean something ---- */

static bool
has_chain(const struct dtls_handshake *hs)
{
	return hs->state > DTLS_EXPECTING_CERTIFICATE || hs->assembly.have != 0;
}

/* Behind the body of the client's Certificate: which bytes of it have come, then its other messages. */
static size_t
chain_end(const struct ec_job *job)
{
	size_t bits = (job->chain_len + 7u) / 8;
	size_t behind = bits > EC_SHARE + EC_VERIFY_MAX ? bits : EC_SHARE + EC_VERIFY_MAX;

	return job->chain_at + DTLS_HANDSHAKE_HEADER + job->chain_len + behind;
}

static size_t
bytes_of(const struct dtls_handshake *hs, const struct dtls_ec *ec)
{
	if (hs->state == DTLS_AWAITING_OWN)
		return ec->job.flight_len;
	return has_chain(hs) ? chain_end(&ec->job) : ec->flight_len;
}

/* ---- to a record ---- */

void
dtls_ec_put(const struct dtls_handshake *hs, struct record_writer *writer)
{
	const struct dtls_ec *ec = hs->ec;

	record_put_fields(writer, FIELDS_OF(ec_fields), ec);
	if (hs->state == DTLS_AWAITING_OWN)
		record_put_fields(writer, FIELDS_OF(begin_fields), ec);
	record_put_bytes(writer, FIELD_BYTES, ec->job.bytes, bytes_of(hs, ec));
}

/* ---- from a record ---- */

static bool
is_type(uint8_t type)
{
	return type == DTLS_X509 || type == DTLS_RAW_PUBLIC_KEY;
}

/* Whole messages, one of which is the next to be sent. */
static bool
is_flight(const struct dtls_ec *ec)
{
	size_t at = 0;
	bool stands = ec->sent_message == ec->flight_len && ec->sent_bytes == 0;

	if (ec->flight_len > EC_FLIGHT_MAX)
		return false;
	while (at < ec->flight_len) {
		size_t length;

		if (ec->flight_len - at < DTLS_HANDSHAKE_HEADER)
			return false;
		length = cursor_load(ec->job.bytes + at + 1, 3);
		if (ec->flight_len - at - DTLS_HANDSHAKE_HEADER < length)
			return false;
		stands |= ec->sent_message == at && (!ec->sent_bytes || ec->sent_bytes < length);
		at += DTLS_HANDSHAKE_HEADER + length;
	}
	return stands;
}

/* What came of the client's messages can be read again, as whoever judges it takes it for granted. */
static bool
is_client_flight(const struct dtls_handshake *hs, const struct dtls_ec *ec)
{
	const struct ec_job *job = &ec->job;
	struct dtls_bytes signature;
	struct dtls_chain chain;

	if (hs->state == DTLS_EXPECTING_CERTIFICATE)
		return hs->assembly.have == 0 || hs->assembly.length == job->chain_len;
	if (!dtls_certificate_parse(ec_job_chain(job), job->chain_len, ec->peer_type, &chain) ||
	    chain.n == 0)
		return false;
	if (hs->state == DTLS_EXPECTING_KEY_SHARE)
		return true;
	if (!dtls_client_key_exchange_parse(ec_job_share(job), EC_SHARE - DTLS_HANDSHAKE_HEADER))
		return false;
	return hs->state == DTLS_EXPECTING_CERTIFICATE_VERIFY ||
	       (job->verify_len <= EC_VERIFY_MAX - DTLS_HANDSHAKE_HEADER &&
		dtls_certificate_verify_parse(ec_job_verify(job), job->verify_len, &signature));
}

static bool
is_job(const struct dtls_handshake *hs, const struct dtls_ec *ec)
{
	const struct ec_job *job = &ec->job;

	if (hs->state == DTLS_AWAITING_OWN) /* ServerHello alone: a helper puts the rest behind it */
		return job->flight_len >= DTLS_HANDSHAKE_HEADER &&
		       job->flight_len <= EC_FLIGHT_MAX &&
		       cursor_load(job->bytes + 1, 3) + DTLS_HANDSHAKE_HEADER == job->flight_len &&
		       !ec->flight_len && !ec->sent_message && !ec->sent_bytes;
	if (!is_flight(ec))
		return false;
	if (!has_chain(hs))
		return true;
	return job->chain_at == ec->flight_len && job->chain_len <= EC_MESSAGE_MAX &&
	       chain_end(job) <= EC_ROOM && is_client_flight(hs, ec);
}

static bool
is_doubt(const struct dtls_handshake *hs, const struct dtls_ec *ec)
{
	return hs->doubt != DTLS_DOUBT_CERTIFICATE ||
	       (ec->doubt.verdict != EC_GOOD && ec->doubt.verdict < EC_VERDICTS);
}

/* What a job is told that follows from the rest. */
static void
complete_job(const struct dtls_handshake *hs, struct dtls_ec *ec)
{
	struct ec_job *job = &ec->job;
	bool begins = hs->state == DTLS_AWAITING_OWN;

	job->kind = begins ? EC_BEGIN : EC_FINISH;
	job->type = begins ? ec->own_type : ec->peer_type;
	job->message = hs->hello_message;
	job->next_message = hs->next_message;
	memcpy(job->client_random, hs->client_random, DTLS_RANDOM);
	memcpy(job->server_random, hs->run.server_random, DTLS_RANDOM);
	if (begins)
		return;
	job->finish.name_len = 0;
	job->finish.extended_master_secret = hs->extended_master_secret;
	job->finish.is_pinned = ec->is_pinned;
}

bool
dtls_ec_take(struct record_reader *reader, const struct dtls_handshake *hs, struct dtls_ec *ec)
{
	size_t len;
	const uint8_t *bytes = record_bytes(reader, FIELD_BYTES, &len);

	crypto_wipe(&ec->job, sizeof ec->job);
	record_fields(reader, FIELDS_OF(ec_fields), ec);
	if (hs->state == DTLS_AWAITING_OWN)
		record_fields(reader, FIELDS_OF(begin_fields), ec);
	if (reader->malformed || len > sizeof ec->job.bytes)
		return false;
	if (len)
		memcpy(ec->job.bytes, bytes, len);
	if (!is_type(ec->own_type) || !is_type(ec->peer_type) || !is_job(hs, ec) ||
	    !is_doubt(hs, ec))
		return false;
	complete_job(hs, ec);
	return true;
}
