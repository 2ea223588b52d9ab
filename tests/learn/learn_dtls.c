/*
 * learn_dtls - what the stack does over DTLS, learnt as a state machine and held against the one that is committed.
 *
 * usage: learn_dtls FOLDER [--write]
 *
 * The stack runs in this process with a clock of ours, so a word of inputs takes microseconds and is answered alike each
 * time. Where the machine is another than FOLDER's graph (DOT: `dot -Tsvg`), the shortest word that tells them apart is
 * shown, and --write writes the new one: read its difference, it is what peers will see. In any case application data
 * is answered on one path alone: never without a cookie, a key exchange or the right Finished (RFC 5246 7.3, RFC 6347
 * 4.2.4). ChangeCipherSpec is none of these gates: it may be lost alone, and the epoch of a record says what it says.
 *
 * Where a checker of memory makes each word slow, random words are held against the committed graph instead.
 */
#include "tests/learn/learner.h"

#include "tests/support/dtls_client.h"
#include "tests/support/slow_machine.h"
#include "tests/unit/stack_world.h"

enum input {
	HELLO,
	COOKIE, /* the hello with the cookie, if there is one; again: a retransmission, as all that comes again */
	EXCHANGE,
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

static const char *const names[INPUTS + 1] = {
	[HELLO] = "ClientHello",
	[COOKIE] = "ClientHello with cookie",
	[EXCHANGE] = "ClientKeyExchange",
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

/* What is learnt: each has a graph of its own. */
static const struct variant {
	const char *name, *title;
	unsigned n_inputs;
	bool cid;
} variants[] = {
	{ "psk", "TLS_PSK_WITH_AES_128_CCM_8", MOVED_DATA, false },
	{ "psk-cid", "the same with a connection id (RFC 9146)", INPUTS, true },
};

static const struct variant *variant;

enum { SAMPLE = 200 }; /* words */

/* ---- the system ---- */

static const struct dtls_world_credential who = { "dev", 3, "0123456789abcdef", 16 };
static struct world_memory memory;
static struct world *world;
static struct test_client client;
static bool derived;

static void
new_client(void)
{
	client_init(&client, crypto_select(), &who);
	client.offer_cid = variant->cid;
	if (variant->cid) {
		client.own_cid_len = DTLS_CID;
		memset(client.own_cid, 0xc1, DTLS_CID);
	}
	derived = false;
}

static void
begin(void)
{
	const struct world_options options = { .memory = &memory };

	world = world_new_options(8, &options);
	(void)world_device_with(world, "dev", "dev", "0123456789abcdef",
				world_batch(world, 11542, 40), 0);
	new_client();
}

/* Whatever the client knows by now: it stays the same client. */
static size_t
hello_without_cookie(uint8_t *datagram)
{
	const struct test_client before = client;
	size_t len;

	client.cookie_len = 0;
	client.message = 0;
	len = client_hello(&client, datagram);
	memcpy(client.cookie, before.cookie, sizeof client.cookie);
	client.cookie_len = before.cookie_len;
	client.transcript = before.transcript;
	return len;
}

/* What was said again says the same, and counts once in the transcript. */
static size_t
hello_with_cookie(uint8_t *datagram)
{
	const struct crypto_sha256 transcript = client.transcript;
	bool again = client.server_hellos > 0;
	size_t len;

	client.message = 1;
	len = client_hello(&client, datagram);
	if (again)
		client.transcript = transcript;
	return len;
}

static size_t
exchange(uint8_t *datagram)
{
	uint8_t body[DTLS_WORLD_DATAGRAM];
	size_t len;

	client.message = 2;
	if (client.hellos_done && !derived) {
		derived = true;
		return client_exchange(&client, datagram);
	}
	len = client_exchange_body(&client, body, sizeof body);
	return client_fragment(&client, DTLS_CLIENT_KEY_EXCHANGE, body, len, 0, len, datagram);
}

static size_t
finished(bool wrong, uint8_t *datagram)
{
	size_t len;

	client.message = 3;
	client.session.flight_verify[0] ^= wrong;
	len = client_finished(&client, datagram);
	client.session.flight_verify[0] ^= wrong;
	return len;
}

static size_t
plain(uint8_t type, const void *content, size_t content_len, uint8_t *datagram)
{
	struct writer out = writer_init(datagram, DTLS_WORLD_DATAGRAM);
	struct writer_mark mark = dtls_write_record(&out, type, DTLS_1_2, client.sequence++);

	writer_bytes(&out, content, content_len);
	writer_close(&out, mark);
	return writer_finish(&out);
}

static size_t
plain_finished(uint8_t *datagram)
{
	client.message = 3;
	return client_fragment(&client, DTLS_FINISHED, client.session.flight_verify,
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
	case EXCHANGE:
		return exchange(datagram);
	case CHANGE:
		return client_change_cipher_spec(&client, datagram);
	case FINISHED:
	case WRONG_FINISHED:
		return finished(input == WRONG_FINISHED, datagram);
	case PLAIN_FINISHED:
		return plain_finished(datagram);
	case DATA:
	case MOVED_DATA:
		return client_seal(&client, DTLS_APPLICATION_DATA, ping, sizeof ping, datagram);
	case PLAIN_DATA:
		return plain(DTLS_APPLICATION_DATA, ping, sizeof ping, datagram);
	case PLAIN_ALERT:
		return plain(DTLS_ALERT_RECORD, "\2\50", 2, datagram);
	case CLOSE:
		return client_seal(&client, DTLS_ALERT_RECORD, "\1\0", 2, datagram);
	case WAIT:
	case INPUTS:
		break;
	}
	return 0;
}

/* What came back, in words. */
static void
describe(char out[LEARNER_NAME])
{
	const struct test_client before = client;
	int used = 0;

	client.alert = -1;
	client.data_len = 0;
	for (unsigned i = 0; i < world->out.used; i++)
		client_take(&client, world->slots[i].data, world->slots[i].len);
	*out = '\0';
	if (client.verify_requests > before.verify_requests)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "HelloVerifyRequest ");
	if (client.server_hellos > before.server_hellos)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "ServerHello ");
	if (client.finished > before.finished)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "Finished ");
	if (client.alert >= 0)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "alert %d ",
				 client.alert);
	if (client.data_len)
		used += snprintf(out + used, LEARNER_NAME - (size_t)used, "answer ");
	if (!used)
		used = snprintf(out, LEARNER_NAME, "%s", world->out.used ? "sealed " : "- ");
	out[used - 1] = '\0';
}

static void
run(const struct word *word, char outputs[LEARNER_WORD][LEARNER_NAME])
{
	uint8_t datagram[DTLS_WORLD_DATAGRAM];

	begin();
	for (unsigned i = 0; i < word->n; i++) {
		enum input input = (enum input)word->at[i];
		struct peer peer = world_peer(input == MOVED_DATA ? 4001 : 4000);
		size_t len;

		if (needs_keys(input) && !derived) {
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

static void
show_word(const struct machine *learnt, const struct machine *committed, const struct word *word)
{
	unsigned a = 0, b = 0;

	for (unsigned i = 0; i < word->n; i++) {
		const char *now = learnt->outputs[learnt->output[a][word->at[i]]];
		const char *then = committed->outputs[committed->output[b][word->at[i]]];

		printf("    %-26s %s", learnt->inputs[word->at[i]], now);
		printf(strcmp(now, then) ? "    (committed: %s)\n" : "\n", then);
		a = learnt->next[a][word->at[i]];
		b = committed->next[b][word->at[i]];
	}
}

static bool
check_gates(const struct machine *machine)
{
	static const enum input gates[] = { COOKIE, EXCHANGE, FINISHED };
	bool good = machine_reaches_without(machine, "answer", -1);

	if (!good)
		printf("%s: application data is never answered\n", variant->name);
	for (unsigned i = 0; i < sizeof gates / sizeof gates[0]; i++) {
		if (!machine_reaches_without(machine, "answer", (int)gates[i]))
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
	show_word(machine, &committed, &word);
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
		snprintf(like.inputs[i], LEARNER_NAME, "%s", names[i]);
	*learner = (struct learner){ .system = run, .seed = 88172645463325252u };
	good = in && machine_read(machine, &like, in);
	if (in)
		fclose(in);
	for (unsigned n = 0; good && n < SAMPLE; n++) {
		struct word word = { .n = 12 };

		for (unsigned i = 0; i < word.n; i++)
			word.at[i] = (uint8_t)learner_random(learner, variant->n_inputs);
		good = learner_agreed(learner, &word) == word.n;
	}
	if (!good)
		printf("%s: a random word is answered otherwise: run learn_dtls\n", path);
	return good;
}

static bool
learn(const char *folder, bool write)
{
	static struct learner learner;
	const char *inputs[INPUTS + 1] = { NULL };
	char path[512];
	bool good;

	snprintf(path, sizeof path, "%s/%s.dot", folder, variant->name);
	if (is_slow_machine())
		return sample(&learner, path);
	for (unsigned i = 0; i < variant->n_inputs; i++)
		inputs[i] = names[i];
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
	for (unsigned i = 0; i < sizeof variants / sizeof variants[0]; i++) {
		variant = &variants[i];
		good &= learn(argv[1], write);
	}
	for (unsigned i = 0; i < 2; i++)
		free(memory.blocks[i]);
	return !good;
}
