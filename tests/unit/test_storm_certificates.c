/*
 * The swarm's client with certificates and raw keys against the appliance's handshake, in memory:
 * what becomes of every datagram that is lost, repeated, late or damaged, and folders of authorities.
 */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "tests/support/ec_world.h"
#include "tests/support/slow_machine.h"
#include "tools/storm/helpers.h"
#include "tools/storm/identities.h"
#include "tools/storm/random.h"
#include "tools/storm/storm_dtls_client.h"

enum { WAIT_US = 1000000, ROUNDS = 40 };

static struct net net;
static struct ec_world helper;
static struct names names;
static struct identities identities;
static char folder[] = "/tmp/storm-ca.XXXXXX", inner[64];

/* The device. */
static struct storm_dtls dtls;
static struct counters counters;
static struct storm_dtls_env env;
static struct server_identity server;
static struct storm_cert_cut cut;
static uint64_t random_state;
static enum storm_dtls_event last;

static void
fill(void *ctx, uint8_t *bytes, size_t len)
{
	random_fill(&random_state, bytes, len);
}

static void
remove_folder(void)
{
	static const char *const files[] = {
		"ca.pem",         "ca.key",     "bs.pem",  "bs.key",
		"devices.secret", "trust.conf", "rpk.csv", "x509.csv"
	};

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char file[128];

		snprintf(file, sizeof file, "%s/%s", inner, files[i]);
		(void)unlink(file);
	}
	(void)rmdir(inner);
	(void)rmdir(folder);
}

static void
make_identities(bool raw, enum misbehave misbehave)
{
	struct identities_wish wish = {
		.folder = inner, .names = &names, .n = 2, .raw = raw, .misbehave = misbehave
	};
	char error[AUTHORITY_ERROR_MAX];

	if (!inner[0]) {
		cr_assert(mkdtemp(folder) != NULL);
		snprintf(inner, sizeof inner, "%s/ca", folder);
		cr_assert_eq(name_pattern_parse(&names.endpoint, "dev-%u", error), 0);
		cr_assert_eq(authority_make(inner, &names, 2, error), 0, "%s", error);
	}
	cr_assert_eq(identities_make(&identities, &wish, error), 0, "%s", error);
}

static struct ec_bytes
pem_to_der(const char *name, bool key)
{
	static uint8_t der[3][2048];
	static unsigned next;
	uint8_t *at = der[next % 3];
	char file[128];
	FILE *stream;
	int len;

	snprintf(file, sizeof file, "%s/%s", inner, name);
	stream = fopen(file, "r");
	cr_assert(stream != NULL);
	if (key) {
		EVP_PKEY *pkey = PEM_read_PrivateKey(stream, NULL, NULL, NULL);

		len = i2d_PrivateKey(pkey, &at);
		EVP_PKEY_free(pkey);
	} else {
		X509 *x509 = PEM_read_X509(stream, NULL, NULL, NULL);

		len = i2d_X509(x509, &at);
		X509_free(x509);
	}
	fclose(stream);
	return (struct ec_bytes){ der[next++ % 3], (size_t)len };
}

static void
setup_as(bool raw, enum misbehave misbehave)
{
	static const struct dtls_world_credential none = { "x", 1, "x", 1 };
	struct storm_cert_own own;
	const struct storm_cert_ways ways = { .raw = raw,
					      .breaks_signature =
						      misbehave == MISBEHAVE_BROKEN_SIGNATURE,
					      .long_chain = misbehave == MISBEHAVE_LONG_CHAIN };
	const struct rng rng = { fill, NULL };
	char error[EC_ERROR_MAX];
	struct ec_own ours;

	make_identities(raw, misbehave);
	memset(&net, 0, sizeof net);
	net.index = UINT32_MAX;
	dtls_world_init(&net.world, crypto_select(), &none, 1);
	ec_world_init(&helper, &net);
	helper.known = "dev-0";
	ours = (struct ec_own){ .key = pem_to_der("bs.key", true),
				.chain = pem_to_der("bs.pem", false) };
	cr_assert_eq(ec_trust_add_own(helper.trust, &ours, error), 0, "%s", error);
	cr_assert_eq(ec_trust_add_anchor(helper.trust, pem_to_der("ca.pem", false), 1, error), 0,
		     "%s", error);
	net.world.server.abilities = ec_trust_abilities(helper.trust);
	own = identities_own(&identities, 0);
	helper.has_pinned = raw && misbehave != MISBEHAVE_UNKNOWN_IDENTITY;
	if (raw)
		SHA256(own.message + 3, own.message_len - 3, helper.pinned);
	server = identities_server(&identities);
	env = (struct storm_dtls_env){ crypto_select(), &counters };
	cut = (struct storm_cert_cut){ .fragment_max = DTLS_WORLD_DATAGRAM };
	random_state = 5;
	storm_dtls_start(&dtls, &rng, false, storm_cert_new(&ways, &own, &server));
}

static void
teardown(void)
{
	storm_cert_free(storm_dtls_part_with_cert(&dtls));
	server_identity_fini(&server);
	ec_world_fini(&helper);
	identities_fini(&identities);
}

/* ---- a handshake ---- */

static void
send_hello(void)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	struct writer out = writer_init(datagram, sizeof datagram);

	storm_dtls_write_hello(&dtls, &env, &out);
	net_send(&net, NET_TO_SERVER, datagram, writer_finish(&out));
}

static void
send_flight(void)
{
	bool more = true;

	storm_cert_rewind(dtls.cert);
	while (more) {
		uint8_t datagram[DTLS_WORLD_DATAGRAM];
		struct writer out = writer_init(datagram, 1232);

		more = storm_dtls_write_last_part(&dtls, &env, &cut, &out);
		net_send(&net, NET_TO_SERVER, datagram, writer_finish(&out));
		net_serve(&net); /* flights may be longer than the net's queue */
	}
}

static void
take(const struct storm_dtls_taken *taken)
{
	if (taken->event != STORM_DTLS_NOTHING)
		last = taken->event;
	if (taken->event == STORM_DTLS_VERIFY)
		send_hello();
	if (taken->event == STORM_DTLS_ASKED) {
		storm_cert_compute(dtls.cert);
		last = storm_dtls_take_computed(&dtls);
		if (last == STORM_DTLS_GREETED)
			send_flight();
	}
}

static bool
is_over(void)
{
	return last == STORM_DTLS_SECURED || last == STORM_DTLS_ALERT || last == STORM_DTLS_WRONG;
}

static uint8_t alert_level, alert_number;

/* What is under way to the device; whether anything was. */
static bool
receive(void)
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];
	size_t len;
	bool any = false;

	while (!is_over() && (len = net_get(&net.to_client, datagram, sizeof datagram)) != 0) {
		struct dtls_walk walk = { datagram, datagram + len };
		const struct storm_dtls_who who = { 0 };
		struct storm_dtls_taken taken;

		any = true;
		while (!is_over() && storm_dtls_take(&dtls, &env, &who, &walk, &taken)) {
			take(&taken);
			if (taken.event == STORM_DTLS_ALERT) {
				alert_level = taken.content[0];
				alert_number = taken.content[1];
			}
		}
	}
	return any;
}

/* Both sides repeat after a second in which nothing came. */
static enum storm_dtls_event
shake_hands(void)
{
	last = STORM_DTLS_NOTHING;
	send_hello();
	for (unsigned i = 0; i < ROUNDS && !is_over(); i++) {
		net_serve(&net);
		if (receive() || net.to_server.head != net.to_server.tail)
			continue;
		net_advance(&net, WAIT_US);
		if (receive())
			continue;
		if (dtls.step <= STORM_DTLS_COOKIE)
			send_hello();
		else if (dtls.step == STORM_DTLS_DONE)
			send_flight();
	}
	return last;
}

Test(storm_certificates, shakes_hands)
{
	for (int raw = 0; raw < 2; raw++) {
		setup_as(raw, MISBEHAVE_NOT);
		cr_expect_eq(shake_hands(), STORM_DTLS_SECURED);
		cr_expect_eq(net.world.established, 1);
		cr_expect_eq(net.world.session.device, 7);
		cr_expect_eq(memcmp(&net.world.session.keys.client_key,
				    &dtls.at.keyed.session.keys.server_key, DTLS_KEY),
			     0);
		teardown();
	}
	remove_folder();
}

Test(storm_certificates, survives_every_fault_of_every_datagram)
{
	static const enum net_fault faults[] = { NET_LOSE, NET_REPEAT, NET_HOLD };

	for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
		for (unsigned at = 0; at < 2 * 8; at++) {
			setup_as(at % 3 == 0, MISBEHAVE_NOT);
			net.fault = faults[i];
			net.direction = at % 2 ? NET_TO_SERVER : NET_TO_CLIENT;
			net.index = at / 2;
			cut.fragment_max = 150;
			cut.apart = true;
			cr_expect_eq(shake_hands(), STORM_DTLS_SECURED,
				     "fault %d of datagram %u: ends with %d", (int)faults[i], at,
				     (int)last);
			cr_expect_eq(net.world.established, 1);
			teardown();
		}
	}
	remove_folder();
}

/* A bit of the server's flight that was changed is noticed, or was none that counts. */
Test(storm_certificates, takes_no_flight_that_was_changed)
{
	const size_t apart = is_slow_machine() ? 35 : 7;
	unsigned secured = 0, wrong = 0;

	for (size_t offset = 0; offset < 1100; offset += apart) {
		setup_as(false, MISBEHAVE_NOT);
		net.fault = NET_DAMAGE;
		net.direction = NET_TO_CLIENT;
		net.index = 1 + offset % 2;
		net.offset = offset / 2;
		(void)shake_hands();
		secured += last == STORM_DTLS_SECURED;
		wrong += last == STORM_DTLS_WRONG;
		/* What both sides have is the same, or they have nothing. */
		cr_expect(last != STORM_DTLS_SECURED || net.world.established == 1);
		teardown();
	}
	cr_expect(wrong > 140 / apart, "%u refused, %u secured after a repetition", wrong, secured);
	remove_folder();
}

Test(storm_certificates, notices_another_server)
{
	for (int raw = 0; raw < 2; raw++) {
		struct authority other;
		X509_STORE *trusted;

		setup_as(raw, MISBEHAVE_NOT);
		cr_assert_eq(authority_forge(&other, &identities.authority), 0);
		trusted = X509_STORE_new();
		cr_assert_eq(X509_STORE_add_cert(trusted, other.x509), 1);
		server.authorities = trusted;
		server.raw_key = EVP_PKEY_get1_EC_KEY(other.key);
		cr_expect_eq(shake_hands(), STORM_DTLS_WRONG);
		cr_expect_eq(net.world.established, 0);
		EC_KEY_free(server.raw_key);
		X509_STORE_free(trusted);
		authority_fini(&other);
		teardown();
	}
	remove_folder();
}

/* A certificate that is ours, for a host that we did not ask for. */
Test(storm_certificates, notices_a_server_of_another_name)
{
	setup_as(false, MISBEHAVE_NOT);
	server.name = "other.example.com";
	cr_expect_eq(shake_hands(), STORM_DTLS_WRONG);
	teardown();
	remove_folder();
}

Test(storm_certificates, misbehaves_as_told)
{
	static const struct {
		enum misbehave misbehave;
		bool raw;
		enum counter counter;
	} cases[] = {
		{ MISBEHAVE_WRONG_CA, false, COUNTER_dtls_certificate_issuer },
		{ MISBEHAVE_EXPIRED, false, COUNTER_dtls_certificate_expired },
		{ MISBEHAVE_WRONG_USAGE, false, COUNTER_dtls_certificate_purpose },
		{ MISBEHAVE_UNKNOWN_IDENTITY, false, COUNTER_dtls_certificate_unknown },
		{ MISBEHAVE_UNKNOWN_IDENTITY, true, COUNTER_dtls_certificate_unknown_key },
		{ MISBEHAVE_BROKEN_SIGNATURE, false, COUNTER_dtls_certificate_signature },
		{ MISBEHAVE_BROKEN_SIGNATURE, true, COUNTER_dtls_certificate_signature },
		{ MISBEHAVE_LONG_CHAIN, false, COUNTER_dtls_certificate_size },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum security security = cases[i].raw ? SECURITY_RPK : SECURITY_X509;

		setup_as(cases[i].raw, cases[i].misbehave);
		cr_expect_eq(shake_hands(), STORM_DTLS_ALERT, "case %zu", i);
		cr_expect_eq(alert_level, DTLS_FATAL);
		cr_expect_eq(alert_number, misbehave_alert(cases[i].misbehave, security),
			     "case %zu: alert %u", i, alert_number);
		cr_expect_eq(net.world.counters.value[cases[i].counter], 1, "case %zu", i);
		cr_expect_str_eq(misbehave_infos[cases[i].misbehave].counters[security],
				 counter_infos[cases[i].counter].name);
		cr_expect_eq(net.world.established, 0);
		teardown();
	}
	remove_folder();
}

Test(storm_certificates, bootstraps_with_fragments_of_one_byte)
{
	setup_as(false, MISBEHAVE_NOT);
	cut.fragment_max = 1;
	cr_expect_eq(shake_hands(), STORM_DTLS_SECURED);
	teardown();
	remove_folder();
}

/* ---- helpers ---- */

static struct storm_cert *
await_computed(struct helpers *helpers)
{
	struct storm_cert *cert;

	while (!(cert = helpers_take(helpers)))
		usleep(100);
	return cert;
}

Test(storm_certificates, helpers_compute_and_give_back)
{
	struct helpers *helpers = helpers_new(2);
	struct storm_cert_own own;

	make_identities(true, MISBEHAVE_NOT);
	own = identities_own(&identities, 0);
	cr_assert(helpers != NULL && !helpers_take(helpers));
	for (uint32_t i = 0; i < 10; i++) {
		const struct storm_cert_ways ways = { .raw = true };
		struct storm_cert *cert = storm_cert_new(&ways, &own, &server);

		cert->device = i;
		cert->server_key = curve_key(own.secret);
		helpers_offer(helpers, cert);
	}
	for (uint32_t i = 0, seen = 0; i < 10; i++) {
		struct storm_cert *cert = await_computed(helpers);

		cr_expect(!(seen & 1u << cert->device));
		cr_expect(!cert->good, "there is no signature in it");
		seen |= 1u << cert->device;
		storm_cert_free(cert);
	}
	cr_expect(!helpers_take(helpers));
	/* What is under way at the end is theirs to free. */
	for (uint32_t i = 0; i < 10; i++) {
		const struct storm_cert_ways ways = { .raw = true };
		struct storm_cert *cert = storm_cert_new(&ways, &own, &server);

		cert->server_key = curve_key(own.secret);
		helpers_offer(helpers, cert);
	}
	helpers_free(helpers);
	identities_fini(&identities);
	remove_folder();
}

/* ---- folders ---- */

Test(storm_certificates, keys_follow_from_the_folder)
{
	struct storm_cert_own own;
	uint8_t first[CURVE_SECRET];

	make_identities(true, MISBEHAVE_NOT);
	own = identities_own(&identities, 0);
	memcpy(first, own.secret, sizeof first);
	cr_expect(memcmp(first, identities_own(&identities, 1).secret, sizeof first) != 0);
	identities_fini(&identities);
	make_identities(false, MISBEHAVE_NOT);
	cr_expect_eq(memcmp(first, identities_own(&identities, 0).secret, sizeof first), 0);
	identities_fini(&identities);
	remove_folder();
}

Test(storm_certificates, a_name_too_long_for_a_certificate_is_told)
{
	struct identities_wish wish = { .folder = inner, .names = &names, .n = 1 };
	char error[AUTHORITY_ERROR_MAX];

	make_identities(false, MISBEHAVE_NOT);
	identities_fini(&identities);
	cr_assert_eq(name_pattern_parse(&names.endpoint,
					"urn-of-forty-characters-and-some-more-01-%u-and-"
					"twenty-five-more-01",
					error),
		     0);
	cr_expect_eq(identities_make(&identities, &wish, error), -1);
	cr_expect(strstr(error, "longer than 64 characters") != NULL, "%s", error);
	identities_fini(&identities);
	wish.raw = true;
	cr_expect_eq(identities_make(&identities, &wish, error), 0, "%s", error);
	identities_fini(&identities);
	remove_folder();
}

Test(storm_certificates, a_folder_that_is_none_is_told)
{
	static const char *const spoilt[] = { "devices.secret", "bs.pem", "ca.key", "ca.pem" };
	struct identities_wish wish = { .folder = inner, .names = &names, .n = 1 };
	char error[AUTHORITY_ERROR_MAX], file[128];

	make_identities(false, MISBEHAVE_NOT);
	identities_fini(&identities);
	for (size_t i = 0; i < sizeof spoilt / sizeof *spoilt; i++) {
		FILE *stream;

		snprintf(file, sizeof file, "%s/%s", inner, spoilt[i]);
		stream = fopen(file, "w");
		fputs("nothing of use\n", stream);
		fclose(stream);
		cr_expect_eq(identities_make(&identities, &wish, error), -1);
		cr_expect(strstr(error, spoilt[i]) != NULL, "%s", error);
		identities_fini(&identities);
	}
	remove_folder();
}
