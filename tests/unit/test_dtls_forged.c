/*
 * Whatever anybody can send in plaintext neither ends nor answers a handshake (RFC 6347 4.1.2.7): each kind
 * of message, put between each two steps of a genuine handshake, and the genuine one still finishes, though
 * its client repeats a flight no sooner than after 9 s (RFC 7925 11). The same for each step that the network
 * loses, repeats or reorders.
 */
#include <criterion/criterion.h>

#include "tests/support/dtls_cert_client.h"
#include "tests/support/ec_world.h"
#include "tests/support/slow_machine.h"

enum kind { WITH_PSK, WITH_X509, WITH_RAW_KEY, KINDS };

/* What a client does one after the other; a pause lets the helper work that had been stopped. */
enum step {
	GREET,
	HELLO,
	HELLO_REST,
	PAUSE,
	CERTIFICATE,
	CERTIFICATE_REST,
	EXCHANGE,
	VERIFY,
	CHANGE,
	FINISH,
	STEPS
};

static struct net net;
static struct ec_world helper;
static struct cert root, server, device, attacker;
static struct cert_client client;
static enum kind kind;
static bool deaf; /* what the server says now is lost */
static uint8_t hello[DTLS_HELLO_MAX];
static size_t hello_len;

static void
make_certificates(void)
{
	if (root.x509)
		return;
	cert_make_ca(&root, "Root", NULL);
	cert_make(&server, &(struct cert_spec){ .cn = "bs",
						.issuer = &root,
						.usage = "critical,digitalSignature",
						.extended = "serverAuth" });
	cert_make_device(&device, "urn:dev:one", &root);
	cert_make_device(&attacker, "urn:dev:bad", NULL);
}

static void
trust(void)
{
	char error[EC_ERROR_MAX];
	const struct ec_own own = { .key = { server.key_der, server.key_der_len },
				    .chain = { server.der, server.der_len } };

	cr_assert_eq(ec_trust_add_anchor(helper.trust, (struct ec_bytes){ root.der, root.der_len },
					 1, error),
		     0);
	cr_assert_eq(ec_trust_add_own(helper.trust, &own, error), 0);
	net.world.server.abilities = ec_trust_abilities(helper.trust);
}

static void
pin(void)
{
	uint8_t spki[DTLS_SPKI], point[DTLS_POINT];
	struct writer out = writer_init(spki, sizeof spki);

	cert_client_point(EVP_PKEY_get0_EC_KEY(device.key), point);
	dtls_spki_write(&out, point);
	crypto_sha256(crypto_select(), spki, sizeof spki, helper.pinned);
	helper.has_pinned = true;
}

static void
begin(enum kind which)
{
	static const struct dtls_world_credential known = { "dev", 3, "0123456789abcdef", 16 };

	make_certificates();
	kind = which;
	memset(&net, 0, sizeof net);
	deaf = false;
	net.index = UINT32_MAX;
	dtls_world_init(&net.world, crypto_select(), &known, 1);
	ec_world_init(&helper, &net);
	helper.known = "urn:dev:one";
	trust();
	if (kind == WITH_RAW_KEY)
		pin();
	if (kind != WITH_PSK) {
		cert_client_init(&client, &device, kind == WITH_RAW_KEY);
		return;
	}
	memset(&client, 0, sizeof client);
	client_init(&client.dtls, crypto_select(), &known);
}

static void
take(uint8_t *datagram, size_t len)
{
	if (deaf)
		return;
	if (kind == WITH_PSK)
		client_take(&client.dtls, datagram, len);
	else
		cert_client_take(&client, datagram, len);
}

static void
help(void)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len;

	ec_world_help(&helper, &net);
	while ((len = net_get(&net.to_client, datagram, sizeof datagram)) != 0)
		take(datagram, len);
}

/* Returns how many bytes came back at once. */
static size_t
deliver(const uint8_t *datagram, size_t len)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM], *exact = malloc(len ? len : 1);
	size_t n, all = 0;

	memcpy(exact, datagram, len);
	for (n = dtls_world_receive(&net.world, exact, len, reply); n;
	     n = dtls_world_more(&net.world, reply)) {
		take(reply, n);
		all += n;
	}
	free(exact);
	help();
	return all;
}

static void
pass(uint64_t us)
{
	uint8_t reply[DTLS_WORLD_DATAGRAM];
	size_t n;

	net.world.now_us += us;
	for (n = dtls_world_tick(&net.world, reply); n; n = dtls_world_more(&net.world, reply))
		take(reply, n);
	help();
}

/* ---- the genuine client ---- */

static bool
has_flight(void)
{
	return kind == WITH_PSK ? client.dtls.hellos_done != 0 : client.server_done;
}

/* The hello with the cookie goes in two pieces; of it `rest`: the second one. */
static void
send_hello(bool rest)
{
	uint16_t next = has_flight() ? client.dtls.message : 2;
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len, cut;

	if (!rest && !has_flight()) {
		hello_len = client_hello_body(&client.dtls, hello, sizeof hello);
		crypto_sha256_init(&client.dtls.transcript);
		client_hash(&client.dtls, DTLS_CLIENT_HELLO, 1, hello, hello_len);
	}
	cut = hello_len - 6;
	client.dtls.message = 1;
	len = client_fragment(&client.dtls, DTLS_CLIENT_HELLO, hello, hello_len, rest ? cut : 0,
			      rest ? hello_len : cut, datagram);
	client.dtls.message = next;
	deliver(datagram, len);
}

static size_t
make_exchange(uint8_t *datagram)
{
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len;

	if (kind != WITH_PSK)
		return cert_client_part(&client, 1, 0, 0, datagram);
	client.dtls.message = 2;
	if (!client.dtls.session.flight_verify[0] && !client.dtls.session.flight_verify[1])
		return client_exchange(&client.dtls, datagram);
	len = client_exchange_body(&client.dtls, body, sizeof body);
	len = client_fragment(&client.dtls, DTLS_CLIENT_KEY_EXCHANGE, body, len, 0, len, datagram);
	client.dtls.message = 3;
	return len;
}

static void
take_step(enum step step)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len = 0;

	if (step > PAUSE && !has_flight())
		return; /* it repeats its hello later */
	switch (step) {
	case GREET:
		len = client_hello(&client.dtls, datagram);
		break;
	case HELLO:
	case HELLO_REST:
		send_hello(step == HELLO_REST);
		return;
	case PAUSE:
		helper.stopped = false;
		help();
		return;
	case CERTIFICATE:
		if (kind != WITH_PSK)
			len = cert_client_part(&client, 0, 0, 40, datagram);
		break;
	case CERTIFICATE_REST:
		if (kind != WITH_PSK)
			len = cert_client_part(&client, 0, 40, 0, datagram);
		break;
	case EXCHANGE:
		len = make_exchange(datagram);
		break;
	case VERIFY:
		if (kind != WITH_PSK)
			len = cert_client_part(&client, 2, 0, 0, datagram);
		break;
	case CHANGE:
		len = client_change_cipher_spec(&client.dtls, datagram);
		break;
	case FINISH:
		len = client_finished(&client.dtls, datagram);
		break;
	case STEPS:
		break;
	}
	if (len)
		deliver(datagram, len);
}

static const enum step script[] = { GREET,    HELLO,       HELLO_REST,
				    PAUSE,    CERTIFICATE, CERTIFICATE_REST,
				    EXCHANGE, VERIFY,      PAUSE,
				    CHANGE,   FINISH };

enum { SCRIPT = sizeof script / sizeof script[0] };

/* What the client repeats when its timer strikes. */
static void
repeat_flight(void)
{
	if (client.dtls.cookie_len == 0) {
		client.dtls.message = 0;
		take_step(GREET);
		return;
	}
	if (!has_flight()) {
		send_hello(false);
		send_hello(true);
		help();
	}
	for (enum step step = CERTIFICATE; step <= FINISH && !client.dtls.finished; step++)
		take_step(step);
}

static void
repeat_until_finished(void)
{
	for (int repeats = 0; repeats < 4 && !client.dtls.finished; repeats++) {
		for (int s = 0; s < 9; s++)
			pass(1000000);
		repeat_flight();
	}
}

/* ---- forgeries ---- */

/* Made of bytes that an attacker knows who sees nothing of the handshake. */
static struct forgery {
	const char *name;
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len;
	bool is_hello;
} forgeries[256];

static unsigned n_forgeries;

static void
forge_record(const char *name, uint8_t type, uint16_t epoch, const uint8_t *content, size_t len)
{
	struct forgery *forgery = &forgeries[n_forgeries++];
	struct writer out = writer_init(forgery->datagram, sizeof forgery->datagram);
	struct writer_mark mark;

	*forgery = (struct forgery){ .name = name };
	mark = dtls_write_record(&out, type, DTLS_1_2, (uint64_t)epoch << 48 | 77);
	writer_bytes(&out, content, len);
	writer_close(&out, mark);
	forgery->len = writer_finish(&out);
}

/* As a whole message, as the first piece of one, and as a piece of a very long one. */
static void
forge_message(const char *name, uint8_t type, uint16_t sequence, const uint8_t *body, size_t len)
{
	const struct {
		size_t length, fragment;
	} forms[] = { { len, len }, { len, len / 2 }, { 0xffffff, len / 2 } };

	for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		uint8_t content[DTLS_WORLD_DATAGRAM];
		struct writer out = writer_init(content, sizeof content);

		if (i > 0 && !forms[i].fragment)
			continue;
		writer_u8(&out, type);
		writer_u24(&out, (uint32_t)forms[i].length);
		writer_u16(&out, sequence);
		writer_u24(&out, 0);
		writer_u24(&out, (uint32_t)forms[i].fragment);
		writer_bytes(&out, body, forms[i].fragment);
		forge_record(name, DTLS_HANDSHAKE, 0, content, writer_finish(&out));
		forgeries[n_forgeries - 1].is_hello = type == DTLS_CLIENT_HELLO;
	}
}

static void
forge_types(uint16_t sequence)
{
	static const uint8_t types[] = {
		DTLS_HELLO_REQUEST,        DTLS_CLIENT_HELLO,      DTLS_SERVER_HELLO,
		DTLS_HELLO_VERIFY_REQUEST, DTLS_CERTIFICATE,       DTLS_SERVER_KEY_EXCHANGE,
		DTLS_CERTIFICATE_REQUEST,  DTLS_SERVER_HELLO_DONE, DTLS_CERTIFICATE_VERIFY,
		DTLS_CLIENT_KEY_EXCHANGE,  DTLS_FINISHED
	};

	for (unsigned i = 0; i < sizeof types; i++) {
		forge_message("an empty message", types[i], sequence, NULL, 0);
		forge_message("junk", types[i], sequence, (const uint8_t *)"forged 12 by", 12);
	}
}

/* Messages that an honest client might send. */
static void
forge_plausible(void)
{
	static struct cert_client bad[2];
	uint8_t hash[DTLS_HASH] = { 0 }, point[DTLS_POINT], exchange[1 + DTLS_POINT];

	for (int raw = 0; raw < 2; raw++) {
		cert_client_init(&bad[raw], &attacker, raw);
		cert_client_put_certificate(&bad[raw]);
		forge_message("another's certificate", DTLS_CERTIFICATE, 2, bad[raw].flight[0].body,
			      bad[raw].flight[0].len);
	}
	forge_message("no certificate", DTLS_CERTIFICATE, 2, (const uint8_t *)"\0\0\0", 3);
	cert_client_point(EVP_PKEY_get0_EC_KEY(attacker.key), point);
	exchange[0] = DTLS_POINT;
	memcpy(exchange + 1, point, DTLS_POINT);
	forge_message("another's key share", DTLS_CLIENT_KEY_EXCHANGE, 3, exchange,
		      sizeof exchange);
	exchange[60] ^= 1;
	forge_message("a key share off the curve", DTLS_CLIENT_KEY_EXCHANGE, 3, exchange,
		      sizeof exchange);
	cert_client_put_verify(&bad[0], hash);
	forge_message("another's signature", DTLS_CERTIFICATE_VERIFY, 4, bad[0].flight[2].body,
		      bad[0].flight[2].len);
	forge_message("another's identity", DTLS_CLIENT_KEY_EXCHANGE, 2,
		      (const uint8_t *)"\0\5other", 7);
}

static void
make_forgeries(void)
{
	static const uint8_t zeros[200];

	if (n_forgeries)
		return;
	for (uint16_t sequence = 1; sequence <= 4; sequence++)
		forge_types(sequence);
	forge_plausible();
	forge_record("a fatal alert", DTLS_ALERT_RECORD, 0, (const uint8_t *)"\2\50", 2);
	forge_record("a warning", DTLS_ALERT_RECORD, 0, (const uint8_t *)"\1\132", 2);
	forge_record("a close_notify", DTLS_ALERT_RECORD, 0, (const uint8_t *)"\1\0", 2);
	forge_record("a long alert", DTLS_ALERT_RECORD, 0, zeros, 9);
	forge_record("ChangeCipherSpec", DTLS_CHANGE_CIPHER_SPEC, 0, (const uint8_t *)"\1", 1);
	forge_record("a strange ChangeCipherSpec", DTLS_CHANGE_CIPHER_SPEC, 0, zeros, 3);
	forge_record("plain data", DTLS_APPLICATION_DATA, 0, zeros, 20);
	forge_record("a protected record like Finished", DTLS_HANDSHAKE, 1, zeros, 40);
	forge_record("a protected alert", DTLS_ALERT_RECORD, 1, zeros, 18);
	forge_record("protected data", DTLS_APPLICATION_DATA, 1, zeros, 60);
	forge_record("a record of a later epoch", DTLS_HANDSHAKE, 2, zeros, 40);
	forge_record("half a message header", DTLS_HANDSHAKE, 0, zeros, 5);
	cr_assert_lt(n_forgeries, sizeof forgeries / sizeof forgeries[0]);
}

/* ---- the table ---- */

static void
assert_silent(const struct forgery *forgery, int after)
{
	size_t answered = deliver(forgery->datagram, forgery->len);

	/* A hello without cookie is answered by a HelloVerifyRequest, to anybody and without state. */
	cr_assert(answered == 0 || forgery->is_hello, "%s after step %d (kind %d) is answered",
		  forgery->name, after, kind);
}

/*
 * `n` forgeries one after the other, from `forgery` on; `after` -1: nothing is forged. The helper is stopped
 * where the handshake is to wait for it.
 */
static void
play(const struct forgery *forgery, unsigned n, int after)
{
	for (int i = 0; i < SCRIPT; i++) {
		helper.stopped = script[i] == HELLO_REST || script[i] == VERIFY;
		take_step(script[i]);
		for (unsigned k = 0; i == after && k < n; k++)
			assert_silent(&forgery[k], after);
	}
	helper.stopped = false;
	repeat_until_finished();
}

static void
assert_finishes(enum kind which, const struct forgery *forgery, unsigned n, int after)
{
	const char *name = n == 0 ? "nothing" : n == 1 ? forgery->name : "all together";

	begin(which);
	play(forgery, n, after);
	cr_assert_eq(client.dtls.alert, -1, "%s after step %d (kind %d) makes an alert: %d", name,
		     after, kind, client.dtls.alert);
	cr_assert(client.dtls.finished && net.world.has_session,
		  "%s of %zu bytes after step %d (kind %d, verdict %u)", name,
		  n == 1 ? forgery->len : 0, after, kind, helper.last_verdict);
	cr_assert_not(helper.is_taken);
	cr_assert_eq(net.world.counters.value[COUNTER_dtls_failed_key], 0);
	ec_world_fini(&helper);
}

static void
assert_none_harms(enum kind which)
{
	make_certificates();
	make_forgeries();
	assert_finishes(which, NULL, 0, -1);
	for (int after = 1; after < SCRIPT - 1; after++) {
		assert_finishes(which, forgeries, n_forgeries, after);
		if (is_slow_machine())
			continue; /* all of them at once walk what each of them walks */
		for (unsigned i = 0; i < n_forgeries; i++)
			assert_finishes(which, &forgeries[i], 1, after);
	}
}

Test(dtls_forged, no_plaintext_harms_a_handshake_with_a_pre_shared_key)
{
	assert_none_harms(WITH_PSK);
}

Test(dtls_forged, no_plaintext_harms_a_handshake_with_a_certificate)
{
	assert_none_harms(WITH_X509);
}

Test(dtls_forged, no_plaintext_harms_a_handshake_with_a_raw_public_key)
{
	assert_none_harms(WITH_RAW_KEY);
}

/* ---- a network that loses, repeats and reorders ---- */

enum fault { LOST, REPEATED, OVERTAKEN, UNHEARD, FAULTS };

static void
play_fault(enum fault fault, int at)
{
	for (int i = 0; i < SCRIPT; i++) {
		bool struck = i == at;

		deaf = struck && fault == UNHEARD;
		if (struck && fault == OVERTAKEN && i + 1 < SCRIPT) {
			take_step(script[i + 1]);
			take_step(script[i++]);
		} else if (!struck || fault != LOST) {
			take_step(script[i]);
		}
		if (struck && fault == REPEATED)
			take_step(script[i]);
	}
	deaf = false;
	repeat_until_finished();
}

static void
assert_survives(enum kind which, enum fault fault, int at)
{
	begin(which);
	play_fault(fault, at);
	cr_assert_eq(client.dtls.alert, -1, "kind %d, fault %d of step %d: alert %d", which, fault, at,
		     client.dtls.alert);
	cr_assert(client.dtls.finished && net.world.has_session, "kind %d, fault %d of step %d", which, fault,
		  at);
	cr_assert_not(helper.is_taken);
	ec_world_fini(&helper);
}

/* From the hello with the cookie on; what comes before is the same for all. */
Test(dtls_faults, loss_repetition_and_reordering_of_every_step_are_survived)
{
	for (int which = 0; which < KINDS; which++)
		for (int fault = 0; fault < FAULTS; fault++)
			for (int at = 1; at < SCRIPT; at++)
				if (!is_slow_machine() || at % FAULTS == fault)
					assert_survives(which, fault, at);
}

/* RFC 9146 with certificates: ids of both sides, and data both ways. */
Test(dtls_faults, connection_ids_go_with_certificates_and_raw_keys)
{
	for (int which = WITH_X509; which < KINDS; which++) {
		uint8_t datagram[DTLS_WORLD_DATAGRAM];
		size_t len;

		begin(which);
		net.world.echo = true;
		client.dtls.offer_cid = true;
		client.dtls.own_cid_len = DTLS_CID;
		memset(client.dtls.own_cid, 0x77, DTLS_CID);
		play_fault(FAULTS, -1);
		cr_assert(client.dtls.finished && client.dtls.server_cid, "kind %d", which);
		len = client_seal(&client.dtls, DTLS_APPLICATION_DATA, "ping", 4, datagram);
		cr_assert_eq(datagram[0], DTLS_TLS12_CID);
		deliver(datagram, len);
		cr_assert_eq(client.dtls.data_len, 4);
		cr_assert_arr_eq(client.dtls.data, "ping", 4);
		ec_world_fini(&helper);
	}
}
