/*
 * Whole handshakes with certificates, mbedTLS's client on the other side: suites, fragments, each
 * refusal by name, and each fault of the network on each datagram.
 */
#include <criterion/criterion.h>

#include <mbedtls/x509_crt.h>

#include "dataplane/core/dtls/dtls_certificate.h"
#include "tests/support/dtls_mbedtls.h"
#include "tests/support/ec_world.h"
#include "tests/support/slow_machine.h"

static struct net net;
static struct ec_world helper;
static struct mbed_client client;
static struct cert root, other_root, server, device;
static mbedtls_x509_crt client_chain, client_trust;
static mbedtls_pk_context client_key;

static void
trust_root_and_server(void)
{
	char error[EC_ERROR_MAX];
	const struct ec_own own = { .key = { server.key_der, server.key_der_len },
				    .chain = { server.der, server.der_len } };

	cr_assert_eq(ec_trust_add_anchor(helper.trust, (struct ec_bytes){ root.der, root.der_len },
					 1, error),
		     0, "%s", error);
	cr_assert_eq(ec_trust_add_own(helper.trust, &own, error), 0, "%s", error);
	net.world.server.abilities = ec_trust_abilities(helper.trust);
}

static void
make_certificates(void)
{
	if (root.x509)
		return;
	cert_make_ca(&root, "Root", NULL);
	cert_make_ca(&other_root, "Root", NULL); /* the same name, another key */
	cert_make(&server, &(struct cert_spec){ .cn = "bs.example",
						.issuer = &root,
						.usage = "critical,digitalSignature",
						.extended = "serverAuth",
						.san = "DNS:bs.example" });
	cert_make_device(&device, "urn:dev:one", &root);
}

static void
setup(void)
{
	static const struct dtls_world_credential known = { "urn:dev:psk", 11, "0123456789abcdef",
							    16 };

	make_certificates();
	memset(&net, 0, sizeof net);
	net.index = UINT32_MAX;
	dtls_world_init(&net.world, crypto_select(), &known, 1);
	ec_world_init(&helper, &net);
	helper.known = "urn:dev:one";
	trust_root_and_server();
	mbed_init(&client, &net, &known);
	client.suites[0] = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8;
}

/* mbedTLS's client shows this chain, leaf first. */
static void
show(const struct cert *const *chain, unsigned n)
{
	mbedtls_x509_crt_init(&client_chain);
	mbedtls_x509_crt_init(&client_trust);
	mbedtls_pk_init(&client_key);
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(
			mbedtls_x509_crt_parse_der(&client_chain, chain[i]->der, chain[i]->der_len),
			0);
	cr_assert_eq(mbedtls_x509_crt_parse_der(&client_trust, root.der, root.der_len), 0);
	mbedtls_ssl_conf_ca_chain(&client.config, &client_trust, NULL);
	/* The clock of the tests is not the one of the machine, which is mbedTLS's. */
	mbedtls_ssl_conf_authmode(&client.config, MBEDTLS_SSL_VERIFY_OPTIONAL);
	if (n == 0)
		return;
	cr_assert_eq(mbedtls_pk_parse_key(&client_key, chain[0]->key_der, chain[0]->key_der_len,
					  NULL, 0),
		     0);
	cr_assert_eq(mbedtls_ssl_conf_own_cert(&client.config, &client_chain, &client_key), 0);
}

static int
shake_hands(void)
{
	mbed_start(&client);
	cr_assert_eq(mbedtls_ssl_set_hostname(&client.ssl, "bs.example"), 0);
	return mbed_handshake(&client);
}

static void
teardown(void)
{
	mbed_fini(&client);
	mbedtls_x509_crt_free(&client_chain);
	mbedtls_x509_crt_free(&client_trust);
	mbedtls_pk_free(&client_key);
	ec_world_fini(&helper);
}

static uint64_t
counted(enum counter counter)
{
	return net.world.counters.value[counter];
}

static void
assert_data_flows(void)
{
	static const uint8_t hello[] = "hello, server", answer[] = "hello, client";
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	cr_assert_eq(mbedtls_ssl_write(&client.ssl, hello, sizeof hello), (int)sizeof hello);
	net_serve(&net);
	cr_assert_eq(net.world.received_len, sizeof hello);
	cr_assert_arr_eq(net.world.received, hello, sizeof hello);
	net_send(&net, NET_TO_CLIENT, datagram,
		 dtls_world_send(&net.world, answer, sizeof answer, datagram));
	cr_assert_eq(mbedtls_ssl_read(&client.ssl, datagram, sizeof datagram), (int)sizeof answer);
	cr_assert_arr_eq(datagram, answer, sizeof answer);
}

static void
assert_served(void)
{
	int result = shake_hands();

	cr_assert_eq(result, 0, "mbedTLS says -0x%04x, verdict %u", (unsigned)-result,
		     helper.last_verdict);
	cr_assert(net.world.has_session);
	cr_assert_not(net.world.has_handshake);
	cr_assert_not(helper.is_taken, "given back");
	cr_assert_eq(net.world.session.device, 7);
	assert_data_flows();
}

/* ---- refusals: the device gets 40 or 51, which it may try again after; we know why ---- */

static void
assert_refused(const struct cert *const *chain, unsigned n, enum counter counter, uint8_t alert)
{
	int result;

	show(chain, n);
	result = shake_hands();
	cr_assert_eq(result, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, "-0x%04x, verdict %u",
		     (unsigned)-result, helper.last_verdict);
	cr_assert_eq(client.ssl.in_msg[1], alert);
	cr_assert_eq(counted(counter), 1, "verdict %u", helper.last_verdict);
	cr_assert_not(net.world.has_session);
	cr_assert_not(net.world.has_handshake);
	cr_assert_not(helper.is_taken);
	teardown();
}

static void
assert_refused_made(const struct cert_spec *spec, enum counter counter)
{
	const struct cert *chain[1];
	struct cert wrong;

	setup();
	cert_make(&wrong, spec);
	chain[0] = &wrong;
	assert_refused(chain, 1, counter, DTLS_HANDSHAKE_FAILURE);
	cert_free(&wrong);
}

Test(dtls_certificates, a_device_without_certificate_is_refused)
{
	setup();
	assert_refused(NULL, 0, COUNTER_dtls_certificate_missing, DTLS_HANDSHAKE_FAILURE);
}

Test(dtls_certificates, a_device_of_another_authority_is_refused)
{
	make_certificates();
	assert_refused_made(&(struct cert_spec){ .cn = "urn:dev:one", .issuer = &other_root },
			    COUNTER_dtls_certificate_chain);
}

Test(dtls_certificates, a_device_that_signed_its_own_certificate_is_refused)
{
	assert_refused_made(&(struct cert_spec){ .cn = "urn:dev:one" },
			    COUNTER_dtls_certificate_issuer);
}

Test(dtls_certificates, an_expired_device_is_refused)
{
	make_certificates();
	assert_refused_made(
		&(struct cert_spec){
			.cn = "urn:dev:one", .issuer = &root, .from_days = -20, .to_days = -10 },
		COUNTER_dtls_certificate_expired);
}

Test(dtls_certificates, a_device_of_the_future_is_refused)
{
	make_certificates();
	assert_refused_made(
		&(struct cert_spec){
			.cn = "urn:dev:one", .issuer = &root, .from_days = 10, .to_days = 20 },
		COUNTER_dtls_certificate_not_yet);
}

Test(dtls_certificates, a_certificate_for_servers_alone_is_refused)
{
	make_certificates();
	assert_refused_made(&(struct cert_spec){ .cn = "urn:dev:one",
						 .issuer = &root,
						 .extended = "serverAuth" },
			    COUNTER_dtls_certificate_purpose);
}

Test(dtls_certificates, a_certificate_that_must_not_sign_is_refused)
{
	make_certificates();
	assert_refused_made(&(struct cert_spec){ .cn = "urn:dev:one",
						 .issuer = &root,
						 .usage = "critical,keyEncipherment" },
			    COUNTER_dtls_certificate_purpose);
}

Test(dtls_certificates, a_certificate_of_another_name_is_refused)
{
	make_certificates();
	assert_refused_made(&(struct cert_spec){ .cn = "urn:dev:two", .issuer = &root },
			    COUNTER_dtls_certificate_unknown);
}

Test(dtls_certificates, a_certificate_without_name_is_refused)
{
	make_certificates();
	assert_refused_made(&(struct cert_spec){ .serial_number = "1", .issuer = &root },
			    COUNTER_dtls_certificate_no_name);
}

Test(dtls_certificates, a_missing_intermediate_is_refused_and_a_shown_one_is_taken)
{
	struct cert middle, leaf;
	const struct cert *chain[2] = { &leaf, &middle };

	setup();
	cert_make_ca(&middle, "Middle", &root);
	cert_make_device(&leaf, "urn:dev:one", &middle);
	assert_refused(chain, 1, COUNTER_dtls_certificate_issuer, DTLS_HANDSHAKE_FAILURE);
	setup();
	show(chain, 2);
	assert_served();
	teardown();
	cert_free(&middle);
	cert_free(&leaf);
}

/* Its signature is longer than any of P-256: the helper says why, with the name, and soon. */
Test(dtls_certificates, a_key_of_another_curve_is_refused_by_its_name)
{
	make_certificates();
	assert_refused_made(
		&(struct cert_spec){ .cn = "urn:dev:one", .issuer = &root, .curve = "P-384" },
		COUNTER_dtls_certificate_malformed);
	cr_assert_eq(helper.last_verdict, EC_MALFORMED);
	cr_assert_eq(helper.ec.doubt.name_len, strlen("urn:dev:one"));
}

Test(dtls_certificates, the_longest_chain_is_followed_to_its_anchor)
{
	enum { MIDDLES = DTLS_CHAIN_MAX - 1 };
	static struct cert middles[MIDDLES], leaf;
	const struct cert *chain[DTLS_CHAIN_MAX] = { &leaf };

	setup();
	for (unsigned i = 0; i < MIDDLES; i++) {
		char name[16];

		snprintf(name, sizeof name, "Middle %u", i);
		cert_make_ca(&middles[i], name, i ? &middles[i - 1] : &root);
		chain[MIDDLES - i] = &middles[i];
	}
	cert_make_device(&leaf, "urn:dev:one", &middles[MIDDLES - 1]);
	show(chain, DTLS_CHAIN_MAX);
	mbed_start(&client);
	mbedtls_ssl_set_mtu(&client.ssl, 1400);
	cr_assert_eq(mbed_handshake(&client), 0, "verdict %u", helper.last_verdict);
	assert_data_flows();
	teardown();
	for (unsigned i = 0; i < MIDDLES; i++)
		cert_free(&middles[i]);
	cert_free(&leaf);
}

/* Two authorities certified one intermediate: the device may show either certificate of it. */
Test(dtls_certificates, a_cross_signed_intermediate_leads_to_the_anchor_that_is_there)
{
	struct cert middle, crossed, leaf;
	const struct cert *by_other[2] = { &leaf, &crossed },
			  *both[3] = { &leaf, &crossed, &middle };

	make_certificates();
	cert_make_ca(&middle, "Middle", &root);
	cert_make(&crossed, &(struct cert_spec){ .cn = "Middle",
						 .issuer = &other_root,
						 .key_of = &middle,
						 .basic = "critical,CA:TRUE",
						 .usage = "critical,keyCertSign,cRLSign" });
	cert_make_device(&leaf, "urn:dev:one", &middle);
	setup();
	show(both, 3);
	assert_served();
	teardown();
	/* Of an authority of the same name as ours, whose signature ours did not make. */
	setup();
	assert_refused(by_other, 2, COUNTER_dtls_certificate_chain, DTLS_HANDSHAKE_FAILURE);
	cert_free(&leaf);
	cert_free(&crossed);
	cert_free(&middle);
}

/* A chain of an intermediate that may not issue this device. */
static void
assert_intermediate_refused(const struct cert_spec *spec, const char *cn, enum counter counter)
{
	struct cert middle, leaf;
	const struct cert *chain[2] = { &leaf, &middle };

	setup();
	cert_make(&middle, spec);
	cert_make_device(&leaf, cn, &middle);
	assert_refused(chain, 2, counter, DTLS_HANDSHAKE_FAILURE);
	cert_free(&leaf);
	cert_free(&middle);
}

Test(dtls_certificates, an_intermediate_that_is_no_authority_is_refused)
{
	make_certificates();
	assert_intermediate_refused(&(struct cert_spec){ .cn = "Middle",
							 .issuer = &root,
							 .usage = "critical,digitalSignature",
							 .extended = "clientAuth" },
				    "urn:dev:one", COUNTER_dtls_certificate_chain);
}

Test(dtls_certificates, an_intermediate_for_servers_alone_is_refused)
{
	make_certificates();
	assert_intermediate_refused(&(struct cert_spec){ .cn = "Middle",
							 .issuer = &root,
							 .basic = "critical,CA:TRUE",
							 .usage = "critical,keyCertSign",
							 .extended = "serverAuth" },
				    "urn:dev:one", COUNTER_dtls_certificate_purpose);
}

Test(dtls_certificates, a_chain_beyond_a_path_length_is_refused)
{
	struct cert first, second, leaf;
	const struct cert *chain[3] = { &leaf, &second, &first };

	setup();
	cert_make(&first, &(struct cert_spec){ .cn = "First",
					       .issuer = &root,
					       .basic = "critical,CA:TRUE,pathlen:0",
					       .usage = "critical,keyCertSign" });
	cert_make_ca(&second, "Second", &first);
	cert_make_device(&leaf, "urn:dev:one", &second);
	assert_refused(chain, 3, COUNTER_dtls_certificate_chain, DTLS_HANDSHAKE_FAILURE);
	cert_free(&leaf);
	cert_free(&second);
	cert_free(&first);
}

Test(dtls_certificates, a_name_that_a_constraint_forbids_is_refused)
{
	struct cert middle, good, bad;
	const struct cert *bad_chain[2] = { &bad, &middle }, *good_chain[2] = { &good, &middle };

	make_certificates();
	cert_make(&middle, &(struct cert_spec){ .cn = "Middle",
						.issuer = &root,
						.basic = "critical,CA:TRUE",
						.usage = "critical,keyCertSign",
						.constraints = "permitted;DNS:a.example" });
	cert_make(&good, &(struct cert_spec){ .cn = "urn:dev:one",
					      .issuer = &middle,
					      .usage = "critical,digitalSignature",
					      .extended = "clientAuth",
					      .san = "DNS:meter.a.example" });
	cert_make(&bad, &(struct cert_spec){ .cn = "urn:dev:one",
					     .issuer = &middle,
					     .usage = "critical,digitalSignature",
					     .extended = "clientAuth",
					     .san = "DNS:meter.b.example" });
	setup();
	assert_refused(bad_chain, 2, COUNTER_dtls_certificate_chain, DTLS_HANDSHAKE_FAILURE);
	setup();
	show(good_chain, 2);
	assert_served();
	teardown();
	cert_free(&bad);
	cert_free(&good);
	cert_free(&middle);
}

Test(dtls_certificates, a_device_without_the_key_of_its_certificate_is_refused)
{
	const struct cert *chain[1] = { &device };
	struct cert thief;

	setup();
	cert_make_device(&thief, "thief", &root);
	show(chain, 1);
	/* mbedTLS signs with whatever it is given. */
	mbedtls_pk_free(&client_key);
	mbedtls_pk_init(&client_key);
	cr_assert_eq(mbedtls_pk_parse_key(&client_key, thief.key_der, thief.key_der_len, NULL, 0),
		     0);
	cr_assert_eq(shake_hands(), MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
	cr_assert_eq(client.ssl.in_msg[1], DTLS_DECRYPT_ERROR);
	cr_assert_eq(counted(COUNTER_dtls_certificate_signature), 1);
	teardown();
	cert_free(&thief);
}

Test(dtls_certificates, a_denied_certificate_is_refused)
{
	const struct cert *chain[1] = { &device };
	uint8_t fingerprint[32];

	setup();
	crypto_sha256(crypto_select(), device.der, device.der_len, fingerprint);
	cr_assert_eq(ec_trust_deny(helper.trust, fingerprint), 0);
	assert_refused(chain, 1, COUNTER_dtls_certificate_denied, DTLS_HANDSHAKE_FAILURE);
}

Test(dtls_certificates, without_certificates_of_ours_nobody_is_asked_for_any)
{
	const struct cert *chain[1] = { &device };

	setup();
	net.world.server.abilities = 0;
	show(chain, 1);
	cr_assert_eq(shake_hands(), MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
	cr_assert_eq(counted(COUNTER_dtls_failed_suite), 1);
	cr_assert_eq(helper.jobs[EC_BEGIN], 0);
	teardown();
}

/* ---- what is served ---- */

Test(dtls_certificates, serves_every_suite)
{
	static const int suites[] = { MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
				      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
				      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
				      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 };
	static const uint8_t protections[] = { DTLS_CCM_8, DTLS_GCM, DTLS_CCM, DTLS_CBC };
	const struct cert *chain[1] = { &device };

	for (unsigned i = 0; i < 4; i++) {
		setup();
		net.world.server.abilities |= DTLS_CERTIFICATES_CBC;
		client.suites[0] = suites[i];
		show(chain, 1);
		assert_served();
		cr_assert_eq(net.world.session.protection, protections[i]);
		cr_assert_eq(helper.jobs[EC_BEGIN], 1);
		cr_assert_eq(helper.jobs[EC_FINISH], 1);
		teardown();
	}
}

Test(dtls_certificates, serves_with_and_without_extended_master_secret)
{
	const struct cert *chain[1] = { &device };

	for (int ems = 0; ems < 2; ems++) {
		setup();
		mbedtls_ssl_conf_extended_master_secret(&client.config, ems);
		show(chain, 1);
		assert_served();
		teardown();
	}
}

Test(dtls_certificates, the_client_verifies_our_certificate)
{
	const struct cert *chain[1] = { &device };

	setup();
	show(chain, 1);
	assert_served();
	cr_assert_eq(
		mbedtls_ssl_get_verify_result(&client.ssl) &
			~(uint32_t)(MBEDTLS_X509_BADCERT_FUTURE | MBEDTLS_X509_BADCERT_EXPIRED),
		0, "%#x", mbedtls_ssl_get_verify_result(&client.ssl));
	teardown();
}

Test(dtls_certificates, cuts_flights_to_the_clients_fragment_length)
{
	const struct cert *chain[1] = { &device };

	for (unsigned char code = MBEDTLS_SSL_MAX_FRAG_LEN_512;
	     code <= MBEDTLS_SSL_MAX_FRAG_LEN_4096; code++) {
		setup();
		mbedtls_ssl_conf_max_frag_len(&client.config, code);
		show(chain, 1);
		assert_served();
		teardown();
	}
}

Test(dtls_certificates, puts_chains_together_from_fragments_of_any_size)
{
	const struct cert *chain[2] = { &device, &root };
	const int apart = is_slow_machine() ? 57 : 19;

	for (uint16_t mtu = 110; mtu <= 1500; mtu = (uint16_t)(mtu + (mtu < 300 ? apart : 250))) {
		setup();
		show(chain, 2);
		mbed_start(&client);
		mbedtls_ssl_set_mtu(&client.ssl, mtu);
		cr_assert_eq(mbed_handshake(&client), 0, "mtu %u", mtu);
		assert_data_flows();
		teardown();
	}
}

Test(dtls_certificates, a_pinned_certificate_needs_no_authority)
{
	struct cert own;
	const struct cert *chain[1] = { &own };

	setup();
	cert_make_device(&own, "whatever", NULL);
	crypto_sha256(crypto_select(), own.der, own.der_len, helper.pinned);
	helper.has_pinned = true;
	show(chain, 1);
	assert_served();
	teardown();
	cert_free(&own);
}

Test(dtls_certificates, an_expired_device_is_served_within_its_grace)
{
	struct cert old;
	const struct cert *chain[1] = { &old };

	setup();
	cert_make(&old,
		  &(struct cert_spec){
			  .cn = "urn:dev:one", .issuer = &root, .from_days = -20, .to_days = -10 });
	ec_trust_set_grace(helper.trust, 11 * 86400);
	show(chain, 1);
	assert_served();
	teardown();
	cert_free(&old);
}

Test(dtls_certificates, a_second_handshake_finds_its_chain_in_the_cache)
{
	const struct cert *chain[1] = { &device };
	struct mbed_client first;

	setup();
	show(chain, 1);
	assert_served();
	first = client;
	mbed_init(&client, &net, &(struct dtls_world_credential){ "x", 1, "x", 1 });
	client.suites[0] = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8;
	mbedtls_ssl_conf_ca_chain(&client.config, &client_trust, NULL);
	mbedtls_ssl_conf_authmode(&client.config, MBEDTLS_SSL_VERIFY_OPTIONAL);
	cr_assert_eq(mbedtls_ssl_conf_own_cert(&client.config, &client_chain, &client_key), 0);
	assert_served();
	cr_assert_eq(ec_engine_stats(helper.engine)->chains_verified, 1);
	cr_assert_eq(ec_engine_stats(helper.engine)->chains_cached, 1);
	mbed_fini(&first);
	teardown();
}

/* ---- helpers that are slow, full or stopped ---- */

Test(dtls_certificates, a_full_ring_costs_a_repetition)
{
	const struct cert *chain[1] = { &device };

	for (unsigned refused = 1; refused <= 2; refused++) {
		setup();
		helper.refuse_jobs = refused;
		show(chain, 1);
		assert_served();
		cr_assert_eq(counted(COUNTER_dtls_ec_full), refused);
		teardown();
	}
}

Test(dtls_certificates, an_answer_to_a_handshake_that_ended_is_ignored)
{
	const struct cert *chain[1] = { &device };
	uint8_t reply[DTLS_WORLD_DATAGRAM];

	setup();
	helper.stopped = true;
	show(chain, 1);
	mbed_start(&client);
	for (int i = 0; i < 4; i++) {
		(void)mbedtls_ssl_handshake(&client.ssl);
		net_serve(&net);
	}
	cr_assert(helper.is_offered);
	for (int i = 0; i < 70; i++)
		net_advance(&net, 1000000);
	cr_assert_not(net.world.has_handshake);
	cr_assert_not(helper.is_taken);
	helper.stopped = false;
	ec_world_help(&helper, &net);
	cr_assert_eq(helper.late, 1);
	cr_assert_eq(dtls_world_answered(&net.world, reply), 0);
	teardown();
}

Test(dtls_certificates, no_job_is_given_before_the_cookie)
{
	const struct cert *chain[1] = { &device };

	setup();
	show(chain, 1);
	mbed_start(&client);
	(void)mbedtls_ssl_handshake(&client.ssl);
	net_serve(&net);
	cr_assert_eq(counted(COUNTER_dtls_hello_verify), 1);
	cr_assert_eq(helper.jobs[EC_BEGIN], 0);
	cr_assert_not(helper.is_taken);
	teardown();
}

/* ---- trust that changes in mid-handshake ---- */

Test(dtls_certificates, a_verdict_by_a_former_trust_counts_no_more)
{
	const struct cert *chain[1] = { &device };

	setup();
	net.world.server.trust = ec_trust_generation(helper.trust);
	show(chain, 1);
	assert_served();
	teardown();
	setup();
	net.world.server.trust = ec_trust_generation(helper.trust) + 1;
	assert_refused(chain, 1, COUNTER_dtls_certificate_trust_changed, DTLS_HANDSHAKE_FAILURE);
}

/* The first good verdict was taken, and the client's Finished has not come yet. */
static bool has_changed;

static void
change_after_verdict(void *ctx, struct net *from)
{
	ec_world_help(ctx, from);
	if (helper.jobs[EC_FINISH] == 0 || has_changed || !net.world.has_handshake)
		return;
	has_changed = true;
	net.world.server.trust = ec_trust_generation(helper.trust) + 1;
}

/* With few bytes a datagram: the last one ends the CertificateVerify, and holds the Finished. */
static int
shake_hands_in_pieces(void)
{
	mbed_start(&client);
	cr_assert_eq(mbedtls_ssl_set_hostname(&client.ssl, "bs.example"), 0);
	mbedtls_ssl_set_mtu(&client.ssl, 150);
	return mbed_handshake(&client);
}

static unsigned
count_pieces(const struct cert *const *chain)
{
	unsigned sent;

	setup();
	show(chain, 1);
	cr_assert_eq(shake_hands_in_pieces(), 0);
	sent = net.sent[NET_TO_SERVER];
	teardown();
	return sent;
}

Test(dtls_certificates, a_trust_that_comes_before_the_clients_finished_counts)
{
	const struct cert *chain[1] = { &device };
	unsigned last = count_pieces(chain) - 1, changed = 0;

	for (size_t left = 0; left < 150; left += is_slow_machine() ? 25 : 5) {
		setup();
		has_changed = false;
		net.help = change_after_verdict;
		net.fault = NET_CUT;
		net.direction = NET_TO_SERVER;
		net.index = last;
		net.offset = left;
		show(chain, 1);
		(void)shake_hands_in_pieces();
		for (int k = 0; k < 70; k++)
			net_advance(&net, 1000000);
		changed += has_changed;
		cr_assert_eq(net.world.has_session, !has_changed, "cut to %zu bytes", left);
		cr_assert_eq(counted(COUNTER_dtls_certificate_trust_changed), has_changed);
		cr_assert_not(net.world.has_handshake);
		cr_assert_not(helper.is_taken);
		teardown();
	}
	cr_assert_geq(changed, 1, "a cut left the verdict without a Finished");
}

/* ---- faults of the network ---- */

static bool
try_fault(enum net_fault fault, enum net_direction direction, unsigned index, size_t offset)
{
	const struct cert *chain[1] = { &device };
	int result;

	setup();
	net.fault = fault;
	net.direction = direction;
	net.index = index;
	net.offset = offset;
	show(chain, 1);
	result = shake_hands();
	if (!net.hit_number)
		cr_assert_neq(result, MBEDTLS_ERR_SSL_TIMEOUT,
			      "fault %d direction %d datagram %u offset %zu hangs", fault,
			      direction, index, offset);
	net_serve(&net);
	if (result == 0)
		assert_data_flows();
	for (int i = 0; i < 70; i++)
		net_advance(&net, 1000000);
	cr_assert_not(net.world.has_handshake);
	cr_assert_not(helper.is_taken);
	teardown();
	return result == 0;
}

static void
measure(unsigned sent[2])
{
	const struct cert *chain[1] = { &device };

	setup();
	show(chain, 1);
	cr_assert_eq(shake_hands(), 0);
	sent[0] = net.sent[0];
	sent[1] = net.sent[1];
	teardown();
}

Test(dtls_certificates, survives_loss_repetition_and_reordering_of_every_datagram)
{
	static const enum net_fault faults[] = { NET_LOSE, NET_REPEAT, NET_HOLD };
	unsigned sent[2];

	measure(sent);
	for (unsigned f = 0; f < 3; f++)
		for (int d = 0; d < 2; d++)
			for (unsigned i = 0; i < sent[d]; i++)
				cr_assert(try_fault(faults[f], d, i, 0),
					  "fault %d direction %d datagram %u", faults[f], d, i);
}

Test(dtls_certificates, ends_well_whichever_byte_is_damaged)
{
	const size_t apart = is_slow_machine() ? 233 : 13;
	unsigned sent[2];

	measure(sent);
	for (int d = 0; d < 2; d++)
		for (unsigned i = 0; i < sent[d]; i++)
			for (size_t offset = i; offset < 700; offset += apart)
				try_fault(NET_DAMAGE, d, i, offset);
}
