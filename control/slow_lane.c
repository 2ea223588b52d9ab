#include "control/slow_lane.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>

enum {
	LANE_BURST = 32,
	LANE_RETRANSMIT_MIN_MS = 1000, /* RFC 6347 4.2.4.1 */
	LANE_RETRANSMIT_MAX_MS = 8000,
	LANE_LIFE_MS = 30000,
	LANE_WAIT_BUSY_MS = 50, /* how late a retransmission may be */
	LANE_WAIT_IDLE_MS = 1000,
	/* As in the fast path: a handshake had time to show its key, or its prefix has many more. */
	LANE_GRACE_MS = 4000,
	LANE_MANY_TIMES = 2,
	LANE_MANY = 8,
	ALERT_BAD_RECORD_MAC = 20,
	ALERT_DECRYPT_ERROR = 51,
};

/* One handshake. */
struct lane_context {
	struct slow_lane *lane;
	bool used;
	uint16_t worker;
	uint32_t slot, serial, prefix;
	uint64_t started_ms;
	mbedtls_ssl_context ssl;
	const uint8_t *datagram; /* what mbedTLS may read now; NULL: nothing came */
	size_t datagram_len;
	uint64_t intermediate_ms, final_ms; /* mbedTLS's timer; final 0: off */
	struct slow_lane_keys keys; /* filled step by step; valid when the handshake is over */
	bool identified;            /* keys.device is whose identity the client has */
	bool exported;
};

struct slow_lane {
	struct dataplane *dp;
	pthread_t thread;
	_Atomic bool ending;
	_Atomic unsigned in_use;
	unsigned n_contexts;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
	mbedtls_ssl_config config;
	struct lane_context *
		current; /* whose handshake runs: mbedTLS's key export knows only the configuration */
	uint8_t decoy[SLOW_LANE_ENC_KEY]; /* stands for the key of who is unknown */
	struct lane_context contexts[];
};

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- mbedTLS's callbacks --- */

/*
 * A wrong key shows as a Finished that does not open, which mbedTLS answers bad_record_mac; the fast lane answers decrypt_error
 * (RFC 4279 2), and nobody should learn from the difference which lane or which identity it met.
 */
static void
hide_bad_mac(uint8_t *record, size_t len)
{
	const size_t body = 13;

	if (len == body + 2 && record[0] == MBEDTLS_SSL_MSG_ALERT && record[3] == 0 &&
	    record[4] == 0 && record[body + 1] == ALERT_BAD_RECORD_MAC)
		record[body + 1] = ALERT_DECRYPT_ERROR;
}

static int
lane_send(void *ctx, const unsigned char *bytes, size_t len)
{
	struct lane_context *context = ctx;
	struct slow_lane_item *item;

	if (len > SLOW_LANE_DATAGRAM_MAX)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	item = dataplane_lane_item(context->lane->dp);
	if (!item)
		return (int)len; /* lost, like any datagram: the retransmission brings it */
	*item = (struct slow_lane_item){ .kind = SLOW_LANE_DATAGRAM,
					 .head = { context->worker },
					 .slot = context->slot,
					 .serial = context->serial,
					 .len = (uint16_t)len };
	memcpy(item->datagram, bytes, len);
	hide_bad_mac(item->datagram, len);
	dataplane_lane_give(context->lane->dp, item);
	return (int)len;
}

static int
lane_receive(void *ctx, unsigned char *bytes, size_t len)
{
	struct lane_context *context = ctx;

	if (!context->datagram)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (len > context->datagram_len)
		len = context->datagram_len;
	memcpy(bytes, context->datagram, len);
	context->datagram = NULL;
	return (int)len;
}

static void
lane_set_timer(void *ctx, uint32_t intermediate_ms, uint32_t final_ms)
{
	struct lane_context *context = ctx;
	uint64_t now = now_ms();

	context->intermediate_ms = now + intermediate_ms;
	context->final_ms = final_ms ? now + final_ms : 0;
}

static int
lane_get_timer(void *ctx)
{
	const struct lane_context *context = ctx;
	uint64_t now = now_ms();

	if (!context->final_ms)
		return -1;
	if (now >= context->final_ms)
		return 2;
	return now >= context->intermediate_ms;
}

/* The worker has verified the cookie with its own secret before the hello came here. */
static int
lane_write_cookie(void *ctx, unsigned char **at, unsigned char *end, const unsigned char *info,
		  size_t len)
{
	return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int
lane_check_cookie(void *ctx, const unsigned char *cookie, size_t cookie_len,
		  const unsigned char *info, size_t len)
{
	return 0;
}

static int
lane_find_key(void *ctx, mbedtls_ssl_context *ssl, const unsigned char *identity, size_t len)
{
	struct slow_lane *lane = ctx;
	struct lane_context *context = lane->current;
	struct slow_lane_identity found;
	bool known = dataplane_lane_identity(lane->dp, identity, len, &found) &&
		     found.key_len <= MBEDTLS_PSK_MAX_LEN;
	int result;

	/* Unknown: on with a key that nobody has, so that the end is that of a wrong one. */
	if (!known)
		return mbedtls_ssl_set_hs_psk(ssl, lane->decoy, sizeof lane->decoy);
	context->identified = true;
	context->keys.device = found.device;
	context->keys.identity_hash = found.hash;
	result = mbedtls_ssl_set_hs_psk(ssl, found.key, found.key_len);
	explicit_bzero(&found, sizeof found);
	return result;
}

/* Key block: client and server MAC keys, then client and server encryption keys (RFC 5246 6.3). */
static int
lane_export(void *ctx, const unsigned char *master, const unsigned char *block, size_t mac_len,
	    size_t key_len, size_t iv_len)
{
	struct slow_lane *lane = ctx;
	struct slow_lane_keys *keys = &lane->current->keys;

	if (mac_len != SLOW_LANE_MAC_KEY || key_len != SLOW_LANE_ENC_KEY)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	memcpy(keys->client_mac, block, mac_len);
	memcpy(keys->server_mac, block + mac_len, mac_len);
	memcpy(keys->client_key, block + 2 * mac_len, key_len);
	memcpy(keys->server_key, block + 2 * mac_len + key_len, key_len);
	lane->current->exported = true;
	return 0;
}

/* --- contexts --- */

static void
end_context(struct lane_context *context)
{
	mbedtls_ssl_free(&context->ssl);
	explicit_bzero(&context->keys, sizeof context->keys);
	context->used = false;
	context->exported = false;
	atomic_fetch_sub_explicit(&context->lane->in_use, 1, memory_order_relaxed);
}

/* Uses the item that is at hand, or a free one; without any the worker's own time-out ends the session. */
static void
report_end(struct slow_lane *lane, struct slow_lane_item *item, const struct lane_context *context,
	 enum slow_lane_cause cause)
{
	if (!item)
		item = dataplane_lane_item(lane->dp);
	if (!item)
		return;
	if (context)
		*item = (struct slow_lane_item){ .head = { context->worker },
						 .slot = context->slot,
						 .serial = context->serial };
	item->kind = SLOW_LANE_END;
	item->cause = cause;
	item->len = 0;
	if (cause == SLOW_LANE_WRONG_KEY)
		item->keys.device = context->keys.device;
	dataplane_lane_give(lane->dp, item);
}

static struct lane_context *
find_context(struct slow_lane *lane, const struct slow_lane_item *item)
{
	for (unsigned i = 0; i < lane->n_contexts; i++) {
		struct lane_context *context = &lane->contexts[i];

		if (context->used && context->worker == item->head.worker &&
		    context->slot == item->slot && context->serial == item->serial)
			return context;
	}
	return NULL;
}

/* Numbers of prefixes are a worker's own. */
static unsigned
count_of_prefix(const struct slow_lane *lane, uint16_t worker, uint32_t prefix)
{
	unsigned n = 0;

	for (unsigned i = 0; i < lane->n_contexts; i++)
		n += lane->contexts[i].used && lane->contexts[i].worker == worker &&
		     lane->contexts[i].prefix == prefix;
	return n;
}

/* Every context is in use: the oldest one makes way, of the prefix that has the most; NULL: each has
 * just begun, and no prefix has many more than the newcomer's. */
static struct lane_context *
choose_victim(struct slow_lane *lane, const struct slow_lane_item *newcomer, uint64_t now)
{
	unsigned many = LANE_MANY_TIMES * count_of_prefix(lane, newcomer->head.worker, newcomer->prefix) +
			LANE_MANY;
	struct lane_context *victim = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < lane->n_contexts; i++) {
		struct lane_context *context = &lane->contexts[i];
		unsigned n = count_of_prefix(lane, context->worker, context->prefix);

		if (now - context->started_ms < LANE_GRACE_MS && n < many)
			continue;
		if (n > most || (n == most && context->started_ms < victim->started_ms)) {
			victim = context;
			most = n;
		}
	}
	return victim;
}

static struct lane_context *
free_context(struct slow_lane *lane, const struct slow_lane_item *item)
{
	struct lane_context *victim;

	for (unsigned i = 0; i < lane->n_contexts; i++)
		if (!lane->contexts[i].used)
			return &lane->contexts[i];
	victim = choose_victim(lane, item, now_ms());
	if (!victim)
		return NULL;
	report_end(lane, NULL, victim, SLOW_LANE_DISPLACED);
	end_context(victim);
	return victim;
}

static struct lane_context *
begin_context(struct slow_lane *lane, const struct slow_lane_item *item)
{
	struct lane_context *context = free_context(lane, item);

	if (!context)
		return NULL;
	*context = (struct lane_context){ .lane = lane,
					  .used = true,
					  .worker = item->head.worker,
					  .slot = item->slot,
					  .serial = item->serial,
					  .prefix = item->prefix,
					  .started_ms = now_ms() };
	atomic_fetch_add_explicit(&lane->in_use, 1, memory_order_relaxed);
	mbedtls_ssl_init(&context->ssl);
	/* The transport id is only for the cookie, which is checked already; it must be there. */
	if (mbedtls_ssl_setup(&context->ssl, &lane->config) ||
	    mbedtls_ssl_set_client_transport_id(&context->ssl, (const unsigned char *)"peer", 4)) {
		end_context(context);
		return NULL;
	}
	mbedtls_ssl_set_timer_cb(&context->ssl, context, lane_set_timer, lane_get_timer);
	mbedtls_ssl_set_bio(&context->ssl, context, lane_send, lane_receive, NULL);
	return context;
}

static uint64_t
read_be48(const uint8_t *bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 6; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* Hands the finished association to the worker. mbedtls_ssl_handshake() returned 0: the client's Finished was verified. */
static void
establish(struct slow_lane *lane, struct lane_context *context)
{
	struct slow_lane_item *item = dataplane_lane_item(lane->dp);
	struct slow_lane_keys *keys = &context->keys;
	const mbedtls_ssl_context *ssl = &context->ssl;

	if (!item)
		return; /* the worker's own time-out ends the session; the client begins anew */
	keys->encrypt_then_mac = ssl->session->encrypt_then_mac == MBEDTLS_SSL_ETM_ENABLED;
	keys->write_sequence = read_be48(ssl->cur_out_ctr + 2);
	keys->window_top = ssl->in_window_top & 0xffffffffffff;
	keys->window_seen = ssl->in_window;
	/* ServerHello, ServerHelloDone, Finished after one HelloVerifyRequest, which was number 0. */
	keys->flight_message = 3;
	memcpy(keys->flight_verify, ssl->own_verify_data, sizeof keys->flight_verify);
	*item = (struct slow_lane_item){ .kind = SLOW_LANE_ESTABLISHED,
					 .head = { context->worker },
					 .slot = context->slot,
					 .serial = context->serial };
	item->keys = *keys;
	dataplane_lane_give(lane->dp, item);
}

static enum slow_lane_cause
cause_of(const struct lane_context *context, int result)
{
	switch (result) {
	case MBEDTLS_ERR_SSL_TIMEOUT:
		return SLOW_LANE_TIMED_OUT;
	/* With another key a record does not open, and the first one protected is Finished. */
	case MBEDTLS_ERR_SSL_INVALID_MAC:
	case MBEDTLS_ERR_SSL_BAD_HS_FINISHED:
		return context->identified ? SLOW_LANE_WRONG_KEY : SLOW_LANE_FAILED;
	default:
		return SLOW_LANE_FAILED;
	}
}

/* Lets mbedTLS go on with what it has: a datagram, or a timer. */
static void
advance(struct slow_lane *lane, struct lane_context *context)
{
	int result;

	lane->current = context;
	do
		result = mbedtls_ssl_handshake(&context->ssl);
	while (result == MBEDTLS_ERR_SSL_WANT_READ && context->datagram);
	lane->current = NULL;
	context->datagram = NULL;
	if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE)
		return;
	if (result == 0 && context->exported)
		establish(lane, context);
	else
		report_end(lane, NULL, context, cause_of(context, result));
	end_context(context);
}

/* --- the thread --- */

static void
take_item(struct slow_lane *lane, struct slow_lane_item *item)
{
	struct lane_context *context = find_context(lane, item);

	if (item->kind != SLOW_LANE_DATAGRAM) {
		if (context)
			end_context(context);
		dataplane_lane_return(lane->dp, &item, 1);
		return;
	}
	if (!context)
		context = begin_context(lane, item);
	if (!context) {
		report_end(lane, item, NULL, SLOW_LANE_FULL);
		return;
	}
	context->datagram = item->datagram;
	context->datagram_len = item->len;
	advance(lane, context);
	dataplane_lane_return(lane->dp, &item, 1);
}

static void
run_timers(struct slow_lane *lane)
{
	uint64_t now = now_ms();

	for (unsigned i = 0; i < lane->n_contexts; i++) {
		struct lane_context *context = &lane->contexts[i];

		if (!context->used)
			continue;
		if (now - context->started_ms > LANE_LIFE_MS) {
			report_end(lane, NULL, context, SLOW_LANE_TIMED_OUT);
			end_context(context);
		} else if (context->final_ms && now >= context->final_ms) {
			advance(lane, context);
		}
	}
}

static void *
run(void *ctx)
{
	struct slow_lane *lane = ctx;
	struct slow_lane_item *items[LANE_BURST];

	pthread_setname_np(pthread_self(), "slow-lane");
	while (!atomic_load_explicit(&lane->ending, memory_order_acquire)) {
		unsigned n = dataplane_lane_take(lane->dp, items, LANE_BURST);

		for (unsigned i = 0; i < n; i++)
			take_item(lane, items[i]);
		run_timers(lane);
		if (!n)
			dataplane_lane_wait(lane->dp, slow_lane_in_use(lane) ? LANE_WAIT_BUSY_MS
									     : LANE_WAIT_IDLE_MS);
	}
	for (unsigned i = 0; i < lane->n_contexts; i++)
		if (lane->contexts[i].used)
			end_context(&lane->contexts[i]);
	return NULL;
}

/* --- life --- */

static int
configure(struct slow_lane *lane)
{
	static const int suites[] = { MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256, 0 };
	mbedtls_ssl_config *config = &lane->config;
	int error =
		mbedtls_ctr_drbg_seed(&lane->drbg, mbedtls_entropy_func, &lane->entropy, NULL, 0);

	if (!error)
		error = mbedtls_ctr_drbg_random(&lane->drbg, lane->decoy, sizeof lane->decoy);
	if (!error)
		error = mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_SERVER,
						    MBEDTLS_SSL_TRANSPORT_DATAGRAM,
						    MBEDTLS_SSL_PRESET_DEFAULT);
	if (error)
		return error;
	mbedtls_ssl_conf_ciphersuites(config, suites);
	mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3,
				     MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &lane->drbg);
	mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
	mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
	mbedtls_ssl_conf_handshake_timeout(config, LANE_RETRANSMIT_MIN_MS, LANE_RETRANSMIT_MAX_MS);
	mbedtls_ssl_conf_dtls_cookies(config, lane_write_cookie, lane_check_cookie, lane);
	mbedtls_ssl_conf_psk_cb(config, lane_find_key, lane);
	mbedtls_ssl_conf_export_keys_cb(config, lane_export, lane);
	return 0;
}

static void
release(struct slow_lane *lane)
{
	size_t size = sizeof *lane + lane->n_contexts * sizeof *lane->contexts;

	mbedtls_ssl_config_free(&lane->config);
	mbedtls_ctr_drbg_free(&lane->drbg);
	mbedtls_entropy_free(&lane->entropy);
	explicit_bzero(lane, size);
	free(lane);
}

struct slow_lane *
slow_lane_new(struct dataplane *dp, unsigned handshakes, char error[SLOW_LANE_ERROR_MAX])
{
	struct slow_lane *lane = calloc(1, sizeof *lane + handshakes * sizeof *lane->contexts);
	int code;

	if (!lane) {
		snprintf(error, SLOW_LANE_ERROR_MAX, "slow lane: out of memory");
		return NULL;
	}
	lane->dp = dp;
	lane->n_contexts = handshakes;
	mbedtls_entropy_init(&lane->entropy);
	mbedtls_ctr_drbg_init(&lane->drbg);
	mbedtls_ssl_config_init(&lane->config);
	code = configure(lane);
	if (code) {
		snprintf(error, SLOW_LANE_ERROR_MAX,
			 "slow lane: mbedTLS refuses its configuration (-0x%04x)", (unsigned)-code);
		release(lane);
		return NULL;
	}
	code = pthread_create(&lane->thread, NULL, run, lane);
	if (code) {
		snprintf(error, SLOW_LANE_ERROR_MAX, "slow lane: cannot start its thread: %s",
			 strerror(code));
		release(lane);
		return NULL;
	}
	return lane;
}

void
slow_lane_free(struct slow_lane *lane)
{
	if (!lane)
		return;
	atomic_store_explicit(&lane->ending, true, memory_order_release);
	dataplane_lane_wake(lane->dp);
	pthread_join(lane->thread, NULL);
	release(lane);
}

unsigned
slow_lane_in_use(const struct slow_lane *lane)
{
	return atomic_load_explicit(&lane->in_use, memory_order_relaxed);
}
