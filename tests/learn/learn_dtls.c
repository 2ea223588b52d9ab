/*
 * learn_dtls - what the stack does over DTLS, learnt as a state machine and held against the committed one.
 *
 * usage: learn_dtls FOLDER [--write]
 *
 * The stack runs in this process with a clock of ours, so a word (a sequence of inputs) takes microseconds and is answered
 * alike each time. Where the machine is another than FOLDER's graph (DOT: `dot -Tsvg`), the shortest word that tells them
 * apart is shown, and --write writes the new one: read its difference, it is what peers will see. Whatever the graph says,
 * application data is answered on one path alone: never without a cookie, a key exchange or the right Finished, nor, where
 * there are certificates, without one and the proof of its key (RFC 5246 7.3 and 7.4.8, RFC 6347 4.2.4). ChangeCipherSpec
 * is none of these gates: it may be lost alone, and a record's epoch says the same.
 *
 * Where a checker of memory makes each word slow, random words are held against the committed graph, and nothing is learnt.
 */
#include "tests/learn/certificates.h"
#include "tests/learn/learner.h"

#include "tests/support/slow_machine.h"

enum input {
	HELLO,
	COOKIE, /* the hello with the cookie, if there is one; again: a retransmission, as all that comes again */
	CERTIFICATE,
	NO_CERTIFICATE, /* an empty list */
	EXCHANGE,
	VERIFY,
	WRONG_VERIFY,
	CHANGE,
	FINISHED,
	WRONG_FINISHED,
	PLAIN_FINISHED,
	DATA, /* a CoAP ping */
	PLAIN_DATA,
	PLAIN_ALERT,
	CLOSE,
	WAIT,       /* two minutes */
	MOVED_DATA, /* from another port, by the connection id */
	INPUTS
};

static const char *const names[INPUTS] = {
	[HELLO] = "ClientHello",
	[COOKIE] = "ClientHello with cookie",
	[CERTIFICATE] = "Certificate",
	[NO_CERTIFICATE] = "empty Certificate",
	[EXCHANGE] = "ClientKeyExchange",
	[VERIFY] = "CertificateVerify",
	[WRONG_VERIFY] = "wrong CertificateVerify",
	[CHANGE] = "ChangeCipherSpec",
	[FINISHED] = "Finished",
	[WRONG_FINISHED] = "wrong Finished",
	[PLAIN_FINISHED] = "plain Finished",
	[DATA] = "data",
	[PLAIN_DATA] = "plain data",
	[PLAIN_ALERT] = "plain fatal alert",
	[CLOSE] = "close_notify",
	[WAIT] = "two minutes",
	[MOVED_DATA] = "data from elsewhere",
};

enum kind { WITH_PSK, WITH_X509, WITH_RAW_KEY };

#define PSK_INPUTS                                                                                 \
	HELLO, COOKIE, EXCHANGE, CHANGE, FINISHED, WRONG_FINISHED, PLAIN_FINISHED, DATA,           \
		PLAIN_DATA, PLAIN_ALERT, CLOSE, WAIT

/*
 * What a session does behind the handshake is the same code as with a pre-shared key: left out here, so that the graph can be
 * read. For the same reason an empty Certificate is an input of one of the two graphs, a wrong Finished of the other.
 */
#define CERTIFICATE_INPUTS                                                                         \
	HELLO, COOKIE, CERTIFICATE, EXCHANGE, VERIFY, WRONG_VERIFY, CHANGE, FINISHED,              \
		PLAIN_FINISHED, DATA, PLAIN_ALERT, WAIT

/* What is learnt: each has a graph of its own. */
static const struct variant {
	const char *name, *title;
	enum kind kind;
	bool cid;
	uint8_t n_inputs, inputs[LEARNER_INPUTS];
} variants[] = {
	{ "psk", "TLS_PSK_WITH_AES_128_CCM_8", WITH_PSK, false, 12, { PSK_INPUTS } },
	{ "psk-cid",
	  "TLS_PSK_WITH_AES_128_CCM_8 with a connection id (RFC 9146)",
	  WITH_PSK,
	  true,
	  13,
	  { PSK_INPUTS, MOVED_DATA } },
	{ "x509",
	  "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, certificates on both sides",
	  WITH_X509,
	  false,
	  13,
	  { CERTIFICATE_INPUTS, NO_CERTIFICATE } },
	{ "rpk",
	  "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, raw public keys on both sides (RFC 7250)",
	  WITH_RAW_KEY,
	  false,
	  13,
	  { CERTIFICATE_INPUTS, WRONG_FINISHED } },
};

static const struct variant *variant;

enum { SAMPLE = 200 }; /* words */

/* ---- the system ---- */

static const struct dtls_world_credential who = { "dev", 3, "0123456789abcdef", 16 };
static struct world_memory memory;
static struct world *world;
static struct certificates ours;
static struct cert_client certified;
static struct test_client *const client =
	&certified.dtls; /* with a pre-shared key all there is of it */
static bool exchanged;
static unsigned flights; /* of the server: with ServerHello */

static void
new_client(void)
{
	if (variant->kind == WITH_PSK)
		client_init(client, ours.crypto, &who);
	else
		certificates_client(&ours, &certified, variant->kind == WITH_RAW_KEY);
	client->offer_cid = variant->cid;
	if (variant->cid) {
		client->own_cid_len = DTLS_CID;
		memset(client->own_cid, 0xc1, DTLS_CID);
	}
	exchanged = false;
}

static void
add_device(void)
{
	switch (variant->kind) {
	case WITH_PSK:
		(void)world_device_with(world, "dev", "dev", "0123456789abcdef",
					world_batch(world, 11542, 40), 0);
		return;
	case WITH_X509:
		(void)world_device(world, "dev", NULL, 0);
		return;
	case WITH_RAW_KEY:
		(void)world_device_with(world, "dev", ours.raw_identity, "", NULL, 0);
		return;
	}
}

static void
begin(void)
{
	struct world_options options = { .memory = &memory };

	if (variant->kind != WITH_PSK) {
		options.ec_offer = certificates_offer;
		options.ec_ctx = &ours;
		options.certificates = CERTIFICATES_PLACES;
		ours.n_jobs = 0;
	}
	world = world_new_options(8, &options);
	if (variant->kind != WITH_PSK)
		world->limits.abilities = ec_trust_abilities(ours.trust);
	add_device();
	new_client();
}

/* It has all of the server's first flight. */
static bool
has_flight(void)
{
	return variant->kind == WITH_PSK ? client->hellos_done != 0 : certified.server_done;
}

/* It has keys to seal with. */
static bool
has_keys(void)
{
	return variant->kind == WITH_PSK ? exchanged : certified.server_done;
}

/* Whatever the client knows by now: it stays the same client. */
static size_t
hello_without_cookie(uint8_t *datagram)
{
	const struct test_client before = *client;
	size_t len;

	client->cookie_len = 0;
	client->message = 0;
	len = client_hello(client, datagram);
	memcpy(client->cookie, before.cookie, sizeof client->cookie);
	client->cookie_len = before.cookie_len;
	client->transcript = before.transcript;
	return len;
}

/* What was said again says the same, and counts once in the transcript. */
static size_t
hello_with_cookie(uint8_t *datagram)
{
	struct crypto_sha256 transcript = client->transcript;
	bool again = has_flight();
	size_t len;

	if (!again)
		certified.server_message = 1; /* as many as our own (RFC 6347 4.2.2) */
	client->message = 1;
	len = client_hello(client, datagram);
	if (again)
		client->transcript = transcript;
	return len;
}

static size_t
exchange(uint8_t *datagram)
{
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len;

	if (variant->kind != WITH_PSK)
		return cert_client_part(&certified, 1, 0, 0, datagram);
	client->message = 2;
	if (client->hellos_done && !exchanged) {
		exchanged = true;
		return client_exchange(client, datagram);
	}
	len = client_exchange_body(client, body, sizeof body);
	return client_fragment(client, DTLS_CLIENT_KEY_EXCHANGE, body, len, 0, len, datagram);
}

static size_t
no_certificate(uint8_t *datagram)
{
	client->message = certified.first_message;
	return client_fragment(client, DTLS_CERTIFICATE, (const uint8_t *)"\0\0\0", 3, 0, 3,
			       datagram);
}

/* The last bit is one of the signature. */
static size_t
verify(bool wrong, uint8_t *datagram)
{
	size_t len = cert_client_part(&certified, 2, 0, 0, datagram);

	datagram[len - 1] ^= wrong;
	return len;
}

static uint16_t
finished_message(void)
{
	return variant->kind == WITH_PSK ? 3 : (uint16_t)(certified.first_message + CERT_FLIGHT);
}

static size_t
finished(bool wrong, uint8_t *datagram)
{
	size_t len;

	client->message = finished_message();
	client->session.flight_verify[0] ^= wrong;
	len = client_finished(client, datagram);
	client->session.flight_verify[0] ^= wrong;
	return len;
}

static size_t
plain(uint8_t type, const void *content, size_t content_len, uint8_t *datagram)
{
	struct writer out = writer_init(datagram, DTLS_WORLD_DATAGRAM);
	struct writer_mark mark = dtls_write_record(&out, type, DTLS_1_2, client->sequence++);

	writer_bytes(&out, content, content_len);
	writer_close(&out, mark);
	return writer_finish(&out);
}

static size_t
plain_finished(uint8_t *datagram)
{
	client->message = finished_message();
	return client_fragment(client, DTLS_FINISHED, client->session.flight_verify,
			       DTLS_VERIFY_DATA, 0, DTLS_VERIFY_DATA, datagram);
}

/* Without keys there is nothing to be sealed. */
static bool
needs_keys(enum input input)
{
	return input == FINISHED || input == WRONG_FINISHED || input == DATA ||
	       input == MOVED_DATA || input == CLOSE;
}

static size_t
make(enum input input, uint8_t *datagram)
{
	static const uint8_t ping[] = { 0x40, 0, 0x12, 0x34 };

	switch (input) {
	case HELLO:
		return hello_without_cookie(datagram);
	case COOKIE:
		return hello_with_cookie(datagram);
	case CERTIFICATE:
		return cert_client_part(&certified, 0, 0, 0, datagram);
	case NO_CERTIFICATE:
		return no_certificate(datagram);
	case EXCHANGE:
		return exchange(datagram);
	case VERIFY:
	case WRONG_VERIFY:
		return verify(input == WRONG_VERIFY, datagram);
	case CHANGE:
		return client_change_cipher_spec(client, datagram);
	case FINISHED:
	case WRONG_FINISHED:
		return finished(input == WRONG_FINISHED, datagram);
	case PLAIN_FINISHED:
		return plain_finished(datagram);
	case DATA:
	case MOVED_DATA:
		return client_seal(client, DTLS_APPLICATION_DATA, ping, sizeof ping, datagram);
	case PLAIN_DATA:
		return plain(DTLS_APPLICATION_DATA, ping, sizeof ping, datagram);
	case PLAIN_ALERT:
		return plain(DTLS_ALERT_RECORD, "\2\50", 2, datagram);
	case CLOSE:
		return client_seal(client, DTLS_ALERT_RECORD, "\1\0", 2, datagram);
	case WAIT:
	case INPUTS:
		break;
	}
	return 0;
}

/* ---- what came back ---- */

static void
note_flight(uint8_t *datagram, size_t len)
{
	struct dtls_walk walk = { datagram, datagram + len };
	struct counters counters = { 0 };
	struct dtls_record record;
	struct dtls_message message;

	while (dtls_record_next(&walk, &record, &counters)) {
		struct reader reader = reader_init(record.fragment, record.length);

		if (record.epoch == 0 && record.type == DTLS_HANDSHAKE &&
		    dtls_message_next(&reader, &message) && message.type == DTLS_SERVER_HELLO &&
		    message.offset == 0)
			flights++;
	}
}

/* Returns how many datagrams came. */
static unsigned
take_all(void)
{
	unsigned n = world->out.used;

	for (unsigned i = 0; i < n; i++) {
		const struct dgram_out *slot = &world->slots[i];

		note_flight(slot->data, slot->len);
		if (variant->kind == WITH_PSK)
			client_take(client, slot->data, slot->len);
		else
			certificates_take(&ours, &certified, slot->data, slot->len);
	}
	world_clear(world);
	return n;
}

/* The helper is done before anything else happens. */
static unsigned
take_with_helper(void)
{
	unsigned n = take_all();
	struct ec_job *job;

	while (variant->kind != WITH_PSK && (job = certificates_next(&ours))) {
		stack_ec(world->stack, world->now, job, &world->out);
		n += take_all();
	}
	return n;
}

/* In words. */
static void
describe(char out[LEARNER_NAME])
{
	const struct test_client before = *client;
	const unsigned flights_before = flights;
	unsigned n;
	int used = 0;

	client->alert = -1;
	client->data_len = 0;
	n = take_with_helper();
	*out = '\0';
	if (client->verify_requests > before.verify_requests)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "HelloVerifyRequest ");
	if (flights > flights_before)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "ServerHello ");
	if (client->finished > before.finished)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "Finished ");
	if (client->alert >= 0)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "alert %d ",
				 client->alert);
	if (client->data_len)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "answer ");
	if (!used)
		used = snprintf(out, LEARNER_NAME, "%s", n ? "sealed " : "- ");
	out[used - 1] = '\0';
}

static void
run(const struct word *word, char outputs[LEARNER_WORD][LEARNER_NAME])
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	begin();
	for (unsigned i = 0; i < word->n; i++) {
		enum input input = (enum input)variant->inputs[word->at[i]];
		struct peer peer = world_peer(input == MOVED_DATA ? 4001 : 4000);
		size_t len;

		if (needs_keys(input) && !has_keys()) {
			snprintf(outputs[i], LEARNER_NAME, "-");
			continue;
		}
		peer.listener = 1;
		len = make(input, datagram);
		if (input == WAIT)
			world_tick(world, 120000000);
		else
			world_feed_at(world, peer, datagram, len);
		describe(outputs[i]);
	}
	world_free(world);
}

/* ---- the verdict ---- */

/* Each input with what the stack answers, and what the committed graph says where that is something else. */
static void
show_word(const struct machine *committed, const struct word *word)
{
	static char outputs[LEARNER_WORD][LEARNER_NAME];
	unsigned state = 0;

	run(word, outputs);
	for (unsigned i = 0; i < word->n; i++) {
		unsigned input = word->at[i];
		const char *then = committed->outputs[committed->output[state][input]];

		printf("    %-26s %s", committed->inputs[input], outputs[i]);
		printf(strcmp(outputs[i], then) ? "    (committed: %s)\n" : "\n", then);
		state = committed->next[state][input];
	}
}

static bool
check_gates(const struct machine *machine)
{
	static const enum input gates[] = { COOKIE, CERTIFICATE, EXCHANGE, VERIFY, FINISHED };
	bool good = machine_reaches_without(machine, "answer", -1);

	if (!good)
		printf("%s: application data is never answered\n", variant->name);
	for (unsigned i = 0; i < sizeof gates / sizeof gates[0]; i++) {
		int gate = machine_input(machine, names[gates[i]]);

		if (gate < 0 || !machine_reaches_without(machine, "answer", gate))
			continue;
		printf("%s: application data is answered without \"%s\"\n", variant->name,
		       names[gates[i]]);
		good = false;
	}
	return good;
}

static bool
write_graph(const struct machine *machine, const char *path)
{
	FILE *out = fopen(path, "w");

	if (!out) {
		perror(path);
		return false;
	}
	machine_write(machine, variant->title, out);
	return fclose(out) == 0;
}

static bool
check_graph(const struct machine *machine, const char *path)
{
	static struct machine committed;
	FILE *in = fopen(path, "r");
	struct word word;
	bool good = in && machine_read(&committed, machine, in);

	if (in)
		fclose(in);
	if (!good) {
		printf("%s: no such graph: write it by --write\n", path);
		return false;
	}
	word = machine_differ(machine, &committed);
	if (!word.n)
		return true;
	printf("%s: the stack does otherwise, as this word shows; if that is meant, --write\n",
	       path);
	show_word(&committed, &word);
	return false;
}

/* Some words of the committed graph. */
static bool
sample(struct learner *learner, const char *path)
{
	struct machine *machine = &learner->machine;
	FILE *in = fopen(path, "r");
	struct machine like = { .n_inputs = variant->n_inputs };
	bool good;

	for (unsigned i = 0; i < variant->n_inputs; i++)
		snprintf(like.inputs[i], LEARNER_NAME, "%s", names[variant->inputs[i]]);
	*learner = (struct learner){ .system = run, .seed = 88172645463325252u };
	good = in && machine_read(machine, &like, in);
	if (in)
		fclose(in);
	if (!good)
		printf("%s: no such graph: write it by --write\n", path);
	for (unsigned n = 0; good && n < SAMPLE; n++) {
		struct word word = { .n = 12 };

		for (unsigned i = 0; i < word.n; i++)
			word.at[i] = (uint8_t)learner_random(learner, variant->n_inputs);
		good = learner_agreed(learner, &word) == word.n;
		if (good)
			continue;
		printf("%s: the stack does otherwise, as this random word shows; without a checker of "
		       "memory the shortest one is found\n",
		       path);
		show_word(machine, &word);
	}
	return good;
}

static bool
learn(const char *folder, bool write)
{
	static struct learner learner;
	const char *inputs[LEARNER_INPUTS + 1] = { NULL };
	char path[512];
	bool good;

	snprintf(path, sizeof path, "%s/%s.dot", folder, variant->name);
	if (is_slow_machine())
		return sample(&learner, path);
	for (unsigned i = 0; i < variant->n_inputs; i++)
		inputs[i] = names[variant->inputs[i]];
	learner_learn(&learner, run, inputs);
	printf("%s: %u states, %u suffixes, %lu words\n", variant->name, learner.machine.n_states,
	       learner.n_suffixes, learner.queries);
	good = check_gates(&learner.machine);
	if (write)
		return write_graph(&learner.machine, path) && good;
	return check_graph(&learner.machine, path) && good;
}

int
main(int argc, char **argv)
{
	bool write = argc == 3 && strcmp(argv[2], "--write") == 0, good = true;

	if (argc < 2 || argc > 3 || (argc == 3 && !write)) {
		fputs("usage: learn_dtls FOLDER [--write]\n", stderr);
		return 2;
	}
	if (write && is_slow_machine()) {
		fputs("learn_dtls: nothing is learnt under a checker of memory: --write in a build without\n",
		      stderr);
		return 2;
	}
	certificates_init(&ours);
	for (unsigned i = 0; i < sizeof variants / sizeof variants[0]; i++) {
		variant = &variants[i];
		good &= learn(argv[1], write);
	}
	certificates_fini(&ours);
	for (unsigned i = 0; i < 2; i++)
		free(memory.blocks[i]);
	return !good;
}
