/* The straight line: every message that needs no session, with the exact bytes that answer it. */
#include <criterion/criterion.h>

#include "tests/unit/stack_world.h"

#define EP   "4b65703d6465762d30303031" /* Uri-Query ep=dev-0001 behind Uri-Path */
#define BS   "b26273"                   /* Uri-Path bs, first option */
#define PACK "b662737061636b"           /* Uri-Path bspack */

struct stateless_case {
	const char *what, *in, *out; /* hex; "" is no datagram; ?? is any byte */
	enum counter counter;        /* COUNTERS: none in particular */
};

static const struct stateless_case stateless[] = {
	/* ---- not CoAP: RFC 7252 3 ---- */
	{ "empty datagram", "", "", COUNTERS },
	{ "1 byte", "40", "", COUNTER_coap_rx_malformed },
	{ "2 bytes", "4002", "", COUNTER_coap_rx_malformed },
	{ "3 bytes", "400212", "", COUNTER_coap_rx_malformed },
	{ "version 0", "00021234" BS EP, "", COUNTER_coap_rx_version },
	{ "version 2", "80021234" BS EP, "", COUNTER_coap_rx_version },
	{ "version 3", "c0001234", "", COUNTER_coap_rx_version },

	/* ---- format errors: CON gets a Reset, all else silence: RFC 7252 4.2, 4.3 ---- */
	{ "token length 9, CON", "49021234000102030405060708", "70001234",
	  COUNTER_coap_rx_malformed },
	{ "token length 9, NON", "59021234000102030405060708", "", COUNTER_coap_rx_malformed },
	{ "token length 9, ACK", "69441234000102030405060708", "", COUNTER_coap_rx_malformed },
	{ "token length 9, RST", "79001234000102030405060708", "", COUNTER_coap_rx_malformed },
	{ "token length 15", "4f02123400010203040506070809101112131415", "70001234", COUNTERS },
	{ "token cut", "44021234c08e", "70001234", COUNTERS },
	{ "empty CON with token", "41001234aa", "70001234", COUNTERS },
	{ "empty CON with option", "40001234b26273", "70001234", COUNTERS },
	{ "empty CON with payload", "40001234ff01", "70001234", COUNTERS },
	{ "empty NON", "50001234", "", COUNTER_coap_rx_malformed },
	{ "empty ACK with bytes", "6000123401", "", COUNTER_coap_rx_malformed },
	{ "RST with bytes", "7000123401", "", COUNTER_coap_rx_malformed },
	{ "RST with a response code", "70441234", "", COUNTER_coap_rx_malformed },
	{ "RST with a request code", "70021234", "", COUNTER_coap_rx_malformed },
	{ "marker without payload, CON", "40021234" BS "ff", "70001234", COUNTERS },
	{ "marker without payload, NON", "50021234" BS "ff", "", COUNTERS },
	{ "option delta 15", "40021234f1aa", "70001234", COUNTERS },
	{ "option length 15", "400212341f", "70001234", COUNTERS },
	{ "option delta 15, NON", "50021234f1aa", "", COUNTERS },
	{ "option cut", "40021234b262", "70001234", COUNTERS },
	{ "extended delta cut", "40021234d0", "70001234", COUNTERS },
	{ "extended length cut", "400212340e00", "70001234", COUNTERS },
	{ "option number above 65535", "40021234e0ffffe0ffff", "70001234", COUNTERS },
	{ "class 1", "40211234", "70001234", COUNTERS },
	{ "class 6", "40c11234", "70001234", COUNTERS },
	{ "class 7", "40e11234", "70001234", COUNTERS },
	{ "class 1, NON", "50211234", "", COUNTERS },
	{ "class 7, ACK", "60e11234", "", COUNTERS },
	{ "request in an ACK", "64021234c08e9be1" BS EP, "", COUNTER_coap_rx_malformed },

	/* ---- no request: RFC 7252 4.3, 5.3.2 ---- */
	{ "ping", "40000a0b", "70000a0b", COUNTER_coap_rx_ping },
	{ "CON response to nothing", "44441234c08e9be1", "70001234", COUNTER_coap_no_session },
	{ "NON response to nothing", "54441234c08e9be1", "", COUNTER_coap_no_session },
	{ "piggybacked response to nothing", "64441234c08e9be1", "", COUNTER_coap_no_session },
	{ "ACK to nothing", "60001234", "", COUNTER_coap_no_session },
	{ "RST to nothing", "70001234", "", COUNTER_coap_no_session },

	/* ---- path and method: RFC 7252 5.8, 5.9.2 ---- */
	{ "GET /bs", "44011234c08e9be1" BS EP, "64851234c08e9be1", COUNTER_coap_bad_method },
	{ "PUT /bs", "40031234" BS EP, "60851234", COUNTER_coap_bad_method },
	{ "DELETE /bs", "40041234" BS EP, "60851234", COUNTER_coap_bad_method },
	{ "FETCH /bs", "40051234" BS EP, "60851234", COUNTER_coap_bad_method },
	{ "method 0.31 elsewhere", "401f1234", "60851234", COUNTER_coap_bad_method },
	{ "NON GET /bs", "54011234c08e9be1" BS, "5485????c08e9be1", COUNTER_coap_bad_method },
	{ "POST /", "40021234", "60841234", COUNTER_coap_not_found },
	{ "POST /rd", "40021234b27264" EP, "60841234", COUNTER_coap_not_found },
	{ "POST /BS", "40021234b24253" EP, "60841234", COUNTER_coap_not_found },
	{ "POST /bs/", "40021234" BS "00" EP, "60841234", COUNTER_coap_not_found },
	{ "POST /bs/bs", "40021234" BS "026273" EP, "60841234", COUNTER_coap_not_found },
	{ "POST one segment 'bs/'", "40021234b362732f" EP, "60841234", COUNTER_coap_not_found },
	{ "GET /.well-known/core", "40011234bb2e77656c6c2d6b6e6f776e04636f7265", "60841234",
	  COUNTERS },
	{ "NON POST /rd", "50021234b27264", "5084????", COUNTER_coap_not_found },
	{ "POST /bspack", "40021234" PACK EP, "60851234", COUNTER_coap_bad_method },
	{ "NON GET /bspack", "54011234c08e9be1" PACK EP, "5480????c08e9be1",
	  COUNTER_bs_refused_non },
	{ "GET /bspack Accept 11542", "40011234" PACK EP "222d16", "60861234",
	  COUNTER_coap_not_acceptable },
	{ "GET /bspack Accept 40", "40011234" PACK EP "2128", "60861234",
	  COUNTER_coap_not_acceptable },
	{ "GET /bspack Block2 of reserved size", "40011234" PACK EP "8107", "60801234",
	  COUNTER_coap_bad_block },
	{ "GET /bspack block 1 of nothing", "40011234" PACK EP "8116", "60801234",
	  COUNTER_coap_bad_block },
	{ "GET /bspack without ep", "40011234" PACK, "60801234", COUNTER_bs_refused_query },
	{ "GET /bspack ep empty", "40011234" PACK "4365703d", "60801234",
	  COUNTER_bs_refused_query },
	{ "GET /bspack acc empty", "40011234" PACK EP "046163633d", "60801234",
	  COUNTER_bs_refused_query },
	{ "GET /bspack acc twice", "40011234" PACK EP "056163633d78056163633d78", "60801234",
	  COUNTER_bs_refused_query },
	{ "GET /bspack unknown ep", "40011234" PACK "4b65703d6465762d30303032", "60801234",
	  COUNTER_bs_refused_unknown },

	/* ---- options: RFC 7252 5.4, 5.7.2, 5.10 ---- */
	{ "OSCORE (9)", "4002123490226273", "60821234", COUNTER_coap_bad_option },
	{ "option 25", "40021234" BS "d001", "60821234", COUNTER_coap_bad_option },
	{ "option 25, NON", "50021234" BS "d001", "", COUNTER_coap_non_ignored },
	{ "option 25 elsewhere", "40011234d00c", "60821234", COUNTER_coap_bad_option },
	{ "If-Match", "4002123410a26273" EP, "60821234", COUNTER_coap_bad_option },
	{ "If-None-Match", "4002123450626273" EP, "60821234", COUNTER_coap_bad_option },
	{ "Uri-Port twice", "400212347216330216334262734b65703d6465762d30303031", "60821234",
	  COUNTERS },
	{ "Uri-Port of 3 bytes", "4002123473000001426273" EP, "60821234", COUNTERS },
	{ "Uri-Host empty", "4002123430826273" EP, "60821234", COUNTERS },
	{ "Accept twice", "40021234" BS EP "21700170", "60821234", COUNTERS },
	{ "Accept of 3 bytes", "40021234" BS EP "23000070", "60821234", COUNTERS },
	{ "Proxy-Uri", "40021234" BS "d30b616263", "60a51234", COUNTER_coap_proxy },
	{ "Proxy-Scheme", "40021234" BS "d40f636f6170", "60a51234", COUNTER_coap_proxy },
	{ "Proxy-Uri to /bs with ep", "40021234" BS EP "d307616263", "60a51234",
	  COUNTER_coap_proxy },
	{ "Accept 60", "40021234" BS EP "213c", "60861234", COUNTER_coap_not_acceptable },
	{ "Accept 0", "40021234" BS EP "20", "60861234", COUNTER_coap_not_acceptable },
	{ "Block1 1/0/1024", "40021234" BS EP "c116", "608d1234", COUNTER_coap_bad_block },
	{ "Block1 0/1/1024", "40021234" BS EP "c10eff01", "608d1234", COUNTER_coap_bad_block },
	{ "Block1 of reserved size", "40021234" BS EP "c107", "60801234", COUNTER_coap_bad_block },
	{ "Block2 of reserved size", "40021234" BS EP "8107", "60801234", COUNTER_coap_bad_block },

	/* ---- parameters: OMA TS Core 6.1.7.1, Transport 6.4.3 ---- */
	{ "NON Bootstrap-Request", "54021234c08e9be1" BS EP, "5480????c08e9be1",
	  COUNTER_bs_refused_non },
	{ "no ep", "44021234c08e9be1" BS, "64801234c08e9be1", COUNTER_bs_refused_query },
	{ "no ep but pct", "40021234" BS "477063743d313132", "60801234", COUNTER_bs_refused_query },
	{ "ep without =", "40021234" BS "426570", "60801234", COUNTER_bs_refused_query },
	{ "ep empty", "40021234" BS "4365703d", "60801234", COUNTER_bs_refused_query },
	{ "ep twice", "40021234" BS EP "0b65703d6465762d30303031", "60801234",
	  COUNTER_bs_refused_query },
	{ "pct twice",
	  "40021234" BS EP "077063743d313132"
	  "077063743d313132",
	  "60801234", COUNTERS },
	{ "pct=tlv", "40021234" BS EP "077063743d746c76", "60801234", COUNTER_bs_refused_query },
	{ "pct=60", "40021234" BS EP "067063743d3630", "608f1234", COUNTER_bs_refused_format },
	{ "pct=11543", "40021234" BS EP "097063743d3131353433", "608f1234",
	  COUNTER_bs_refused_format },
	{ "unknown ep", "40021234" BS "4b65703d6465762d30303032", "60801234",
	  COUNTER_bs_refused_unknown },
	{ "ep with a NUL", "40021234" BS "4c0065703d6465762d30303031", "60801234", COUNTERS },
	{ "ep with a NUL behind it", "40021234" BS "4c65703d6465762d3030303100", "60801234",
	  COUNTER_bs_refused_unknown },
	{ "device without batch", "40021234" BS "4865703d656d707479", "60801234",
	  COUNTER_bs_refused_no_batch },
};

static size_t
unhex(const char *hex, uint8_t out[DATAGRAM_MAX])
{
	size_t len = 0;

	for (; *hex; hex += 2)
		out[len++] = (uint8_t)strtoul((char[]){ hex[0], hex[1], 0 }, NULL, 16);
	return len;
}

static bool
looks_like(const struct dgram_out *out, const char *hex)
{
	if (out->len != strlen(hex) / 2)
		return false;
	for (size_t i = 0; i < out->len; i++)
		if (hex[2 * i] != '?' &&
		    out->data[i] != strtoul((char[]){ hex[2 * i], hex[2 * i + 1], 0 }, NULL, 16))
			return false;
	return true;
}

static void
feed_hex(struct world *world, uint16_t port, const char *hex)
{
	uint8_t bytes[DATAGRAM_MAX];
	size_t len = unhex(hex, bytes);

	world_feed(world, port, bytes, len);
}

static struct world *
world_with_devices(unsigned sessions)
{
	struct world *world = world_new(sessions);

	world_device(world, "dev-0001", world_batch(world, 11542, 22), 0);
	world_device(world, "empty", NULL, 0);
	return world;
}

Test(stack, stateless_messages_get_exactly_these_bytes)
{
	struct world *world = world_with_devices(4);

	for (size_t i = 0; i < sizeof stateless / sizeof stateless[0]; i++) {
		const struct stateless_case *c = &stateless[i];
		uint64_t before = c->counter == COUNTERS ? 0 : world_count(world, c->counter);

		feed_hex(world, 5000, c->in);
		cr_expect_eq(world->out.used, *c->out != 0, "%s: %u sent", c->what,
			     world->out.used);
		if (world->out.used == 1)
			cr_expect(looks_like(&world->out.slots[0], c->out), "%s", c->what);
		if (c->counter != COUNTERS)
			cr_expect_eq(world_count(world, c->counter), before + 1, "%s", c->what);
		cr_expect_eq(stack_gauges(world->stack).sessions, 0, "%s opened a session",
			     c->what);
		if (world->out.used) {
			struct peer peer = world_peer(5000);
			struct link link = world_link();

			cr_expect(peer_equal(&world->out.slots[0].peer, &peer));
			cr_expect(memcmp(&world->out.slots[0].link, &link, sizeof link) == 0);
		}
	}
	cr_assert_eq(world_count(world, COUNTER_bs_started), 0);
	world_free(world);
}

/* A cut datagram may mean anything but a crash, a session or a dialogue of another device. */
Test(stack, every_prefix_of_every_case_is_survived)
{
	struct world *world = world_with_devices(4);

	for (size_t i = 0; i < sizeof stateless / sizeof stateless[0]; i++) {
		uint8_t bytes[DATAGRAM_MAX];
		size_t len = unhex(stateless[i].in, bytes);

		for (size_t cut = 0; cut < len; cut++) {
			world_feed(world, 5000, bytes, cut);
			cr_assert_leq(world->out.used, 2);
		}
	}
	world_free(world);
}

/* ---- requests that begin a dialogue, however they are put: RFC 7252 5.4, OMA TS Transport 6.4.3
 * ---- */

Test(stack, requests_that_begin_a_dialogue)
{
	static const struct {
		const char *what, *in, *out;
	} cases[] = {
		{ "plain", "44021234c08e9be1" BS EP, "64441234c08e9be1" },
		{ "no token", "40021234" BS EP, "60441234" },
		{ "token of 8", "480212340102030405060708" BS EP, "684412340102030405060708" },
		{ "pct=11542", "40021234" BS EP "097063743d3131353432", "60441234" },
		{ "pct before ep",
		  "40021234" BS "497063743d3131353432"
		  "0b65703d6465762d30303031",
		  "60441234" },
		{ "unknown parameters",
		  "40021234" BS "43623d31"
		  "0178"
		  "0b65703d6465762d30303031"
		  "00",
		  "60441234" },
		{ "payload and Content-Format",
		  "40021234" BS "1170"
		  "3b65703d6465762d30303031"
		  "ff6869",
		  "60441234" },
		{ "unknown elective option", "40021234" BS EP "91aa", "60441234" },
		{ "Uri-Host and Uri-Port", "4002123431684216334262734b65703d6465762d30303031",
		  "60441234" },
		{ "Observe and Max-Age",
		  "4002123460526273"
		  "313c"
		  "1b65703d6465762d30303031",
		  "60441234" },
		{ "Accept 112", "40021234" BS EP "2170", "60441234" },
		{ "Block1 0/0/1024", "40021234" BS EP "c106", "60441234" },
		{ "Block2 0/0/1024", "40021234" BS EP "8106", "60441234" },
		{ "Size1", "40021234" BS EP "d12010", "60441234" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *world = world_with_devices(2);

		feed_hex(world, 5000, cases[i].in);
		cr_assert_eq(world->out.used, 2, "%s: %u sent", cases[i].what, world->out.used);
		cr_expect(looks_like(&world->out.slots[0], cases[i].out), "%s", cases[i].what);
		cr_expect_eq(world->out.slots[1].data[0], 0x48, "%s", cases[i].what);
		cr_expect_eq(world->out.slots[1].data[1], COAP_PUT, "%s", cases[i].what);
		cr_expect_eq(stack_gauges(world->stack).running, 1);
		world_free(world);
	}
}

/* RFC 7252 4.4: a message id is not used again for the same peer within EXCHANGE_LIFETIME. */
Test(stack, non_replies_have_message_ids_of_their_own)
{
	struct world *world = world_with_devices(2);
	uint8_t first[4];

	feed_hex(world, 5000, "50021234b27264");
	memcpy(first, world->slots[0].data, sizeof first);
	feed_hex(world, 5000, "50021234b27264");
	cr_assert_eq(world->out.used, 1);
	cr_expect(memcmp(first, world->slots[0].data, sizeof first) != 0);
	world_free(world);
}
