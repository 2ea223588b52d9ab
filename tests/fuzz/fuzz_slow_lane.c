/*
 * The slow lane's thread without the thread: two clients of the library that we have shake hands with it, what they send is
 * spoiled, lost, repeated or made up, and sessions end at any time. Whatever comes: contexts are bounded, every item goes
 * back, keys are handed over only of a client that has the device's, and time ends everything. Input: records of
 *
 *	+-----------------------------+-----+-------------+
 *	| 0 client, 1..7 what it is   | len | len bytes   |
 *	+-----------------------------+-----+-------------+
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Time and randomness are the input's. */
static int fuzz_clock(clockid_t which, struct timespec *now);
#define clock_gettime fuzz_clock
#include "control/slow_lane.c"
#undef clock_gettime

#include "dataplane/core/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 2, ITEMS = 8, CONTEXTS = 2, QUEUE = 16, DEVICE = 7 };
enum what { FUZZ_STEP, FUZZ_RAW, FUZZ_TIME, FUZZ_END, FUZZ_AGAIN, FUZZ_POOL, FUZZ_WHATS };

static const uint8_t key[16] = "0123456789abcdef";

struct datagram {
	uint8_t bytes[SLOW_LANE_DATAGRAM_MAX];
	size_t len;
};

struct client {
	mbedtls_ssl_context ssl;
	struct datagram coming[QUEUE], sent[QUEUE];
	unsigned n_coming, n_sent;
	uint32_t serial;
	bool established;
};

struct dataplane {
	struct slow_lane_item items[ITEMS], *free_items[ITEMS];
	unsigned n_free, least_free; /* with no more than this many left there is none for an answer */
	struct slow_lane *lane;
	mbedtls_ssl_config config;
	struct client clients[CLIENTS];
};

static uint64_t fuzz_ms;
static uint8_t fuzz_random;

static int
fuzz_clock(clockid_t which, struct timespec *now)
{
	*now = (struct timespec){ (time_t)(fuzz_ms / 1000), (long)(fuzz_ms % 1000) * 1000000 };
	return 0;
}

static int
draw(void *ctx, unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = fuzz_random++;
	return 0;
}

static void
require(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the dataplane, as the lane sees it ---- */

struct slow_lane_item *
dataplane_lane_item(struct dataplane *dp)
{
	return dp->n_free > dp->least_free ? dp->free_items[--dp->n_free] : NULL;
}

void
dataplane_lane_return(struct dataplane *dp, struct slow_lane_item **items, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		require(dp->n_free < ITEMS);
		dp->free_items[dp->n_free++] = items[i];
	}
}

/* What a worker would do with it. */
void
dataplane_lane_give(struct dataplane *dp, struct slow_lane_item *item)
{
	struct client *client = &dp->clients[item->slot % CLIENTS];

	switch (item->kind) {
	case SLOW_LANE_DATAGRAM:
		require(item->len <= SLOW_LANE_DATAGRAM_MAX);
		if (client->n_coming < QUEUE) {
			memcpy(client->coming[client->n_coming].bytes, item->datagram, item->len);
			client->coming[client->n_coming++].len = item->len;
		}
		break;
	case SLOW_LANE_ESTABLISHED:
		require(item->keys.device == DEVICE && item->keys.write_sequence > 0);
		client->established = true;
		break;
	default:
		require(item->kind == SLOW_LANE_END && item->cause <= SLOW_LANE_TIMED_OUT);
	}
	dataplane_lane_return(dp, &item, 1);
}

bool
dataplane_lane_identity(struct dataplane *dp, const uint8_t *identity, size_t len,
			struct slow_lane_identity *found)
{
	if (len != 3 || memcmp(identity, "dev", 3) != 0)
		return false;
	*found = (struct slow_lane_identity){ .hash = 1, .device = DEVICE, .key_len = sizeof key };
	memcpy(found->key, key, sizeof key);
	return true;
}

/* The thread's, which there is none of. */
unsigned
dataplane_lane_take(struct dataplane *dp, struct slow_lane_item **items, unsigned n)
{
	return 0;
}

void
dataplane_lane_wait(struct dataplane *dp, int timeout_ms)
{
}

void
dataplane_lane_wake(struct dataplane *dp)
{
}

/* ---- clients ---- */

static int
client_send(void *ctx, const unsigned char *bytes, size_t len)
{
	struct client *client = ctx;

	if (client->n_sent == QUEUE)
		return (int)len; /* lost */
	require(len <= SLOW_LANE_DATAGRAM_MAX);
	memcpy(client->sent[client->n_sent].bytes, bytes, len);
	client->sent[client->n_sent++].len = len;
	return (int)len;
}

static int
client_receive(void *ctx, unsigned char *bytes, size_t len)
{
	struct client *client = ctx;
	size_t n;

	if (!client->n_coming)
		return MBEDTLS_ERR_SSL_WANT_READ;
	n = client->coming[0].len < len ? client->coming[0].len : len;
	memcpy(bytes, client->coming[0].bytes, n);
	memmove(client->coming, client->coming + 1, --client->n_coming * sizeof *client->coming);
	return (int)n;
}

static void
client_set_timer(void *ctx, uint32_t intermediate_ms, uint32_t final_ms)
{
}

static int
client_get_timer(void *ctx)
{
	return 0;
}

static void
begin_client(struct dataplane *dp, struct client *client)
{
	mbedtls_ssl_init(&client->ssl);
	require(mbedtls_ssl_setup(&client->ssl, &dp->config) == 0);
	mbedtls_ssl_set_timer_cb(&client->ssl, client, client_set_timer, client_get_timer);
	mbedtls_ssl_set_bio(&client->ssl, client, client_send, client_receive, NULL);
	client->n_coming = 0;
	client->n_sent = 0;
	client->serial++;
	client->established = false;
}

static void
configure_clients(struct dataplane *dp)
{
	static const int suites[] = { MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256, 0 };
	mbedtls_ssl_config *config = &dp->config;

	mbedtls_ssl_config_init(config);
	require(mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
					    MBEDTLS_SSL_PRESET_DEFAULT) == 0);
	mbedtls_ssl_conf_ciphersuites(config, suites);
	mbedtls_ssl_conf_rng(config, draw, NULL);
	require(mbedtls_ssl_conf_psk(config, key, sizeof key, (const unsigned char *)"dev", 3) == 0);
}

/* ---- what the input says ---- */

static void
offer(struct dataplane *dp, unsigned which, uint8_t kind, const uint8_t *bytes, size_t len)
{
	struct slow_lane_item *item;

	if (!dp->n_free)
		return;
	item = dp->free_items[--dp->n_free];
	*item = (struct slow_lane_item){ .kind = kind,
					 .slot = which,
					 .serial = dp->clients[which].serial,
					 .len = (uint16_t)(len < SLOW_LANE_DATAGRAM_MAX ? len : SLOW_LANE_DATAGRAM_MAX) };
	if (item->len)
		memcpy(item->datagram, bytes, item->len);
	take_item(dp->lane, item);
	require(slow_lane_in_use(dp->lane) <= CONTEXTS);
}

/* Two bytes of the input each: where, and what is turned over there. */
static void
spoil(struct datagram *datagram, struct reader *body)
{
	while (reader_left(body) >= 2) {
		size_t at = reader_u8(body);

		datagram->bytes[at % datagram->len] ^= reader_u8(body);
	}
}

/* The client goes on as far as it can; what it sends reaches the lane, the first of it spoiled. */
static void
step(struct dataplane *dp, unsigned which, struct reader *body)
{
	struct client *client = &dp->clients[which];
	int result = 0;

	for (unsigned i = 0; i < 8 && result == 0 && client->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER;
	     i++) {
		client->n_sent = 0;
		result = mbedtls_ssl_handshake_step(&client->ssl);
		for (unsigned n = 0; n < client->n_sent; n++) {
			spoil(&client->sent[n], body);
			offer(dp, which, SLOW_LANE_DATAGRAM, client->sent[n].bytes,
			      client->sent[n].len);
		}
	}
}

static void
take_record(struct dataplane *dp, struct reader *input)
{
	uint8_t head = reader_u8(input);
	struct reader body = reader_vector_u8(input);
	unsigned which = head & 1;
	struct client *client = &dp->clients[which];

	switch ((enum what)((head >> 1) % FUZZ_WHATS)) {
	case FUZZ_STEP:
		step(dp, which, &body);
		return;
	case FUZZ_RAW:
		offer(dp, which, SLOW_LANE_DATAGRAM, body.at, reader_left(&body));
		return;
	case FUZZ_TIME:
		fuzz_ms += reader_u16(&body);
		run_timers(dp->lane);
		return;
	case FUZZ_END:
		offer(dp, which, SLOW_LANE_END, NULL, 0);
		return;
	case FUZZ_AGAIN:
		mbedtls_ssl_free(&client->ssl);
		begin_client(dp, client);
		return;
	case FUZZ_POOL:
		dp->least_free = reader_u8(&body) % (ITEMS + 1);
		return;
	case FUZZ_WHATS:
		return;
	}
}

static struct slow_lane *
new_lane(struct dataplane *dp)
{
	struct slow_lane *lane = calloc(1, sizeof *lane + CONTEXTS * sizeof *lane->contexts);

	require(lane != NULL);
	lane->dp = dp;
	lane->n_contexts = CONTEXTS;
	mbedtls_entropy_init(&lane->entropy);
	mbedtls_ctr_drbg_init(&lane->drbg);
	mbedtls_ssl_config_init(&lane->config);
	require(configure(lane) == 0);
	mbedtls_ssl_conf_rng(&lane->config, draw, NULL);
	memset(lane->decoy, 0x5a, sizeof lane->decoy);
	return lane;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dataplane dp;
	struct reader input = reader_init(data, size);

	fuzz_ms = 1000000;
	fuzz_random = 0;
	memset(&dp, 0, sizeof dp);
	for (; dp.n_free < ITEMS; dp.n_free++)
		dp.free_items[dp.n_free] = &dp.items[dp.n_free];
	dp.lane = new_lane(&dp);
	configure_clients(&dp);
	for (unsigned i = 0; i < CLIENTS; i++)
		begin_client(&dp, &dp.clients[i]);
	while (reader_left(&input))
		take_record(&dp, &input);
	fuzz_ms += LANE_LIFE_MS + 1;
	run_timers(dp.lane);
	require(slow_lane_in_use(dp.lane) == 0 && dp.n_free == ITEMS);
	for (unsigned i = 0; i < CLIENTS; i++)
		mbedtls_ssl_free(&dp.clients[i].ssl);
	mbedtls_ssl_config_free(&dp.config);
	release(dp.lane);
	return 0;
}
