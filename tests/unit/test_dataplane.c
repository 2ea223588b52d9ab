/*
 * The facade with all of dataplane/io behind it, on a device that reads frames from one file and
 * writes them to another (pcap), and an echo in the stack's place: what goes in must come out once,
 * turned around, whoever owned it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_malloc.h>

#include "dataplane/dataplane.h"
#include "dataplane/io/dataplane_state.h"
#include "tests/support/echo_stack.h"
#include "tests/unit/frame_fixture.h"

/* ---- frames in files (libpcap's classic format) ---- */

static const uint8_t port_mac[6] = {
	0x02, 0x70, 0x63, 0x61, 0x70, 0x00
}; /* of the first pcap device */

struct record {
	uint32_t seconds, microseconds, captured, len;
};

static FILE *
capture_new(const char *path)
{
	static const uint32_t header[6] = { 0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1 };
	FILE *file = fopen(path, "w+b");

	cr_assert(file);
	cr_assert_eq(fwrite(header, sizeof header, 1, file), 1);
	return file;
}

static void
capture_add(FILE *file, const uint8_t *frame, size_t len)
{
	struct record record = { .captured = (uint32_t)len, .len = (uint32_t)len };

	fwrite(&record, sizeof record, 1, file);
	fwrite(frame, len, 1, file);
}

/* A vector, addressed to the port, from UDP port `source_port` where that is not 0. */
static void
capture_add_vector(FILE *file, const char *name, uint16_t source_port)
{
	size_t len;
	uint8_t *frame = frame_new(name, &len);

	if (!(frame[0] & 1))
		memcpy(frame, port_mac, sizeof port_mac);
	if (source_port) {
		frame[34] = (uint8_t)(source_port >> 8);
		frame[35] = (uint8_t)source_port;
		frame[40] = frame[41] = 0; /* no UDP checksum: RFC 768 */
	}
	capture_add(file, frame, len);
	free(frame);
}

static unsigned
capture_read(const char *path, uint8_t frames[][256], size_t *lens, unsigned max)
{
	FILE *file = fopen(path, "rb");
	struct record record;
	unsigned n = 0;

	cr_assert(file);
	cr_assert_eq(fseek(file, 24, SEEK_SET), 0);
	while (n < max && fread(&record, sizeof record, 1, file) == 1) {
		cr_assert_leq(record.captured, 256);
		cr_assert_eq(fread(frames[n], 1, record.captured, file), record.captured);
		lens[n++] = record.captured;
	}
	fclose(file);
	return n;
}

/* ---- a dataplane on two files ---- */

static char device[200], in_path[64], out_path[64];

static void
files(void)
{
	snprintf(in_path, sizeof in_path, "/tmp/cradle-test-%d-in.pcap", getpid());
	snprintf(out_path, sizeof out_path, "/tmp/cradle-test-%d-out.pcap", getpid());
	snprintf(device, sizeof device, "net_pcap0,rx_pcap=%s,tx_pcap=%s", in_path, out_path);
}

static void
remove_files(void)
{
	unlink(in_path);
	unlink(out_path);
}

static struct dataplane_config
config_of(unsigned workers)
{
	static char prefix[32]; /* tests are processes, and run at once */
	struct dataplane_config config = {
		.n_ports = 1,
		.n_listeners = 2,
		.listeners = { { 5683, LISTENER_NOSEC }, { 5684, LISTENER_PSK } },
		.workers = workers,
		.control_cpu = -1,
		.sessions = 1000,
		.idle_yield = true,
		.file_prefix = prefix,
		.limits = { .ack_timeout_us = 2000000 },
	};

	snprintf(prefix, sizeof prefix, "cradle-test-%d", getpid());
	config.ports[0] = (struct dataplane_port_config){ .device = device,
							  .vlan = LINK_UNTAGGED,
							  .n_addresses = 2 };
	memcpy(config.ports[0].addresses[0].addr, port_any_vlan.addresses[0], 16);
	memcpy(config.ports[0].addresses[1].addr, port_any_vlan.addresses[1], 16);
	return config;
}

static struct dataplane *
running(const struct dataplane_config *config)
{
	char error[DATAPLANE_ERROR_MAX];
	struct dataplane *dp = dataplane_new(config, error);

	cr_assert(dp, "%s", error);
	cr_assert_eq(dataplane_start(dp, error), 0, "%s", error);
	return dp;
}

static uint64_t
counter(const struct dataplane *dp, enum counter which)
{
	struct counters counters;

	dataplane_counters(dp, -1, &counters);
	return counters.value[which];
}

static void
wait_for(const struct dataplane *dp, enum counter which, uint64_t value)
{
	for (int i = 0; i < 1000 && counter(dp, which) < value; i++)
		usleep(10000);
	cr_assert_geq(counter(dp, which), value, "%s stays at %lu", counter_infos[which].name,
		      counter(dp, which));
}

TestSuite(dataplane, .init = files, .fini = remove_files, .timeout = 60);

/* ---- refused ---- */

static void
assert_refused(const struct dataplane_config *config, const char *because)
{
	char error[DATAPLANE_ERROR_MAX];

	cr_expect_null(dataplane_new(config, error));
	cr_expect(strstr(error, because), "\"%s\" does not say \"%s\"", error, because);
}

Test(dataplane, refuses_what_it_cannot_hold)
{
	struct dataplane_config config = config_of(1);

	config.workers = 0;
	assert_refused(&config, "workers");
	config = config_of(1);
	config.n_ports = 0;
	assert_refused(&config, "ports");
	config = config_of(1);
	config.n_listeners = 0;
	assert_refused(&config, "listeners");
	config = config_of(1);
	config.ports[0].n_addresses = 0;
	assert_refused(&config, "listeners");
	config.ports[0].n_addresses = 32;
	config.n_listeners = 3;
	assert_refused(&config, "64");
}

static void
wrong_stream(const uint8_t key[16], const uint8_t counter[16], uint8_t *out, size_t blocks)
{
	memset(out, 0, blocks * CRYPTO_AES_BLOCK);
}

Test(dataplane, refuses_crypto_that_fails_a_known_answer)
{
	char error[DATAPLANE_ERROR_MAX] = "";
	struct crypto_ops ops = *crypto_select();

	cr_assert_eq(dataplane_check_crypto(&ops, error), 0);
	ops.ctr_stream = wrong_stream;
	cr_assert_lt(dataplane_check_crypto(&ops, error), 0);
	cr_assert(strstr(error, ops.name), "%s", error);
	cr_assert(strstr(error, crypto_selftest(&ops)), "%s", error);
}

Test(dataplane, refuses_cpus_that_are_not_there)
{
	static const char *const lists[] = { "",       "x",         "1-", "1,,2", "2-1",
					     "0,9999", "1000-1001", "-1", "0 1" };

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct dataplane_config config = config_of(1);

		config.cpus = lists[i];
		assert_refused(&config, "cpus");
	}
}

Test(dataplane, refuses_hugepages_that_are_not_there)
{
	struct dataplane_config config = config_of(1);

	config.hugepages = DATAPLANE_HUGEPAGES_YES;
	config.sessions = 1000;
	config.packet_buffers = 1u << 30;
	assert_refused(&config, "nr_hugepages");
}

/* DPDK starts once a process, so each device has a test of its own. */
static void
assert_device_refused(const char *name)
{
	struct dataplane_config config = config_of(1);

	config.ports[0].device = name;
	assert_refused(&config, name);
}

Test(dataplane, says_which_interface_is_missing)
{
	assert_device_refused("net_af_packet0,iface=nowhere");
}

Test(dataplane, says_which_driver_is_missing)
{
	assert_device_refused("net_no_such_driver0");
}

Test(dataplane, says_which_pci_device_is_missing)
{
	assert_device_refused("0000:ff:1f.7");
}

/* ---- one worker ---- */

static const struct {
	const char *in, *out; /* out: NULL for no answer */
} dialogue[] = {
	{ "udp4_fragment", NULL },
	{ "udp4_other_port", NULL },
	{ "arp", "arp_answer" },
	{ "nd", "nd_answer" },
	{ "nd_dad", "nd_dad_answer" },
	{ "echo4", "echo4_answer" },
	{ "echo6", "echo6_answer" },
	{ "udp4", NULL },
	{ "udp6", NULL },
};

/* As a host with the port's MAC would have answered. */
static void
assert_answer(uint8_t *frame, size_t len, const char *name)
{
	size_t expected_len;
	uint8_t *expected = frame_new(name, &expected_len);

	cr_assert_eq(len, expected_len, "%s: %zu bytes", name, len);
	cr_expect_arr_eq(frame + 6, port_mac, 6, "%s", name);
	memcpy(frame + 6, expected + 6, 6);
	if (frame[12] == 0x08 && frame[13] == 0x06) {
		memcpy(frame + 22, expected + 22, 6);
	} else if (frame[12] == 0x86 && frame[54] == 136) {
		/* Our MAC is in the message, so in its checksum. */
		memcpy(frame + 80, expected + 80, 6);
		memcpy(frame + 56, expected + 56, 2);
	}
	cr_expect_arr_eq(frame, expected, len, "%s", name);
	free(expected);
}

static void
assert_echo(const uint8_t *frame, size_t len, const char *name)
{
	/* Read by what l3 is at the other end. */
	struct l3_port peer = port_any_vlan;
	struct l3_packet packet;
	bool ipv6 = name[3] == '6';

	memcpy(peer.mac, (uint8_t[]){ 2, 0, 0, 0, 0, 2 }, 6);
	peer.addresses[0][15] = peer.addresses[1][15] = 2;
	peer.udp_ports[0] = 40000;
	cr_assert_eq(l3_parse(&peer, (uint8_t *)(uintptr_t)frame, len, 0, &packet), L3_DATAGRAM,
		     "%s: %s", name, counter_infos[packet.drop].name);
	cr_expect_eq(packet.datagram.peer.port, 5683);
	cr_expect_eq(packet.datagram.peer.listener, ipv6 ? 12 : 10);
	cr_expect_eq(packet.datagram.len, 4);
	cr_expect_arr_eq(packet.datagram.data, ((uint8_t[]){ 0x40, 0x00, 0x7d, 0x34 }), 4);
}

static void
ignore(void *ctx, unsigned port, enum dataplane_port_event event)
{
}

/* Three times each, a second apart; nothing before somebody looks after the ports. */
Test(dataplane, announces_its_addresses_at_start)
{
	static uint8_t frames[16][256];
	struct dataplane_config config = config_of(2);
	struct dataplane *dp;
	size_t lens[16];
	unsigned n;

	fclose(capture_new(in_path));
	dp = running(&config);
	cr_expect_eq(counter(dp, COUNTER_arp_announced), 0);
	for (int i = 0; i < 5000 && counter(dp, COUNTER_nd_announced) < 3; i++) {
		dataplane_watch_ports(dp, ignore, NULL);
		usleep(10000);
	}
	dataplane_stop(dp);
	dataplane_watch_ports(dp, ignore, NULL); /* of one that has stopped: nothing */
	cr_expect_eq(counter(dp, COUNTER_arp_announced), 3);
	cr_expect_eq(counter(dp, COUNTER_nd_announced), 3);
	dataplane_free(dp);
	n = capture_read(out_path, frames, lens, 16);
	cr_assert_eq(n, 6);
	for (unsigned i = 0; i < n; i++) {
		cr_expect_eq(frames[i][0], i % 2 ? 0x33 : 0xff);
		cr_expect_arr_eq(frames[i] + 6, port_mac, 6);
	}
}

/* DPDK's threads for interrupts and telemetry live on, and use it. */
Test(dataplane, leaves_dpdk_its_memory_when_it_ends)
{
	struct dataplane_config config = config_of(1);
	struct dataplane *dp;
	char *theirs;

	fclose(capture_new(in_path));
	dp = running(&config);
	theirs = (char *)rte_malloc(NULL, 6, 0);
	cr_assert(theirs);
	memcpy(theirs, "alive", 6);
	dataplane_free(dp);
	cr_expect_str_eq(theirs, "alive");
}

Test(dataplane, answers_as_a_host)
{
	static uint8_t frames[16][256];
	struct dataplane_config config = config_of(1);
	struct dataplane_port_info info;
	size_t lens[16];
	unsigned answers = 0, n;
	FILE *file = capture_new(in_path);
	struct dataplane *dp;

	for (size_t i = 0; i < sizeof dialogue / sizeof dialogue[0]; i++) {
		capture_add_vector(file, dialogue[i].in, 0);
		answers += i >= 2;
	}
	fclose(file);
	dp = running(&config);
	wait_for(dp, COUNTER_tx_frames, answers);
	cr_assert_eq(dataplane_port_info(dp, 0, &info), 0);
	cr_expect_arr_eq(info.mac, port_mac, 6);
	cr_expect_eq(info.queues, 1);
	cr_expect_not(info.rss);
	cr_expect_eq(dataplane_port_info(dp, 1, &info), -ENOENT);
	dataplane_stop(dp);
	cr_expect_eq(counter(dp, COUNTER_rx_frames), sizeof dialogue / sizeof dialogue[0]);
	cr_expect_eq(counter(dp, COUNTER_rx_ip_fragment), 1);
	cr_expect_eq(counter(dp, COUNTER_rx_udp_port), 1);
	cr_expect_eq(counter(dp, COUNTER_arp_answered), 1);
	cr_expect_eq(counter(dp, COUNTER_nd_answered), 2);
	cr_expect_eq(counter(dp, COUNTER_echo_answered), 2);
	cr_expect_eq(counter(dp, COUNTER_coap_rx), 2);
	cr_expect_eq(counter(dp, COUNTER_handed_over), 0);
	cr_expect_eq(counter(dp, COUNTER_tx_frames), answers);
	dataplane_free(dp);
	n = capture_read(out_path, frames, lens, 16);
	cr_assert_eq(n, answers);
	for (unsigned i = 0; i < n; i++) {
		if (dialogue[i + 2].out)
			assert_answer(frames[i], lens[i], dialogue[i + 2].out);
		else
			assert_echo(frames[i], lens[i], dialogue[i + 2].in);
	}
}

/* ---- two workers on a device of one queue ---- */

/* Fewer than a hand-over ring takes: whoever reads them may be waiting for a CPU all the while. */
enum { FLOWS = 200, ROUNDS = 2 };

Test(dataplane, hands_each_flow_to_one_owner)
{
	struct dataplane_config config = config_of(2);
	static struct session_event events[FLOWS * ROUNDS + 8];
	static uint16_t workers[FLOWS * ROUNDS + 8];
	int owner[FLOWS];
	unsigned n, of_first = 0, sent[FLOWS] = { 0 };
	static uint8_t frames[FLOWS * ROUNDS][256];
	static size_t lens[FLOWS * ROUNDS];
	FILE *file = capture_new(in_path);
	struct dataplane *dp;

	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < FLOWS; i++)
			capture_add_vector(file, "udp4", (uint16_t)(1000 + i));
	fclose(file);
	dp = running(&config);
	wait_for(dp, COUNTER_tx_frames, FLOWS * ROUNDS);
	dataplane_stop(dp);
	cr_expect_eq(counter(dp, COUNTER_tx_full), 0);
	n = dataplane_events(dp, events, workers, FLOWS * ROUNDS + 8);
	cr_assert_eq(n, FLOWS * ROUNDS + 2, "%u events", n); /* two stacks end */
	memset(owner, -1, sizeof owner);
	for (unsigned i = 0; i < n; i++) {
		unsigned flow = events[i].peer.port - 1000u;

		if (events[i].kind != SESSION_STARTED)
			continue;
		cr_assert_lt(flow, FLOWS);
		cr_assert(owner[flow] < 0 || owner[flow] == workers[i], "flow %u has two owners",
			  flow);
		of_first += owner[flow] < 0 && workers[i] == 0;
		owner[flow] = workers[i];
	}
	cr_expect(of_first > FLOWS / 4 && of_first < FLOWS * 3 / 4, "worker 0 owns %u", of_first);
	cr_expect_eq(counter(dp, COUNTER_handed_over), (FLOWS - of_first) * ROUNDS);
	dataplane_free(dp);
	cr_assert_eq(capture_read(out_path, frames, lens, FLOWS * ROUNDS), FLOWS * ROUNDS);
	for (unsigned i = 0; i < FLOWS * ROUNDS; i++)
		sent[((unsigned)frames[i][36] << 8 | frames[i][37]) - 1000u]++;
	for (unsigned i = 0; i < FLOWS; i++)
		cr_expect_eq(sent[i], ROUNDS);
}

/* ---- two ports ---- */

/* What comes in at one port leaves there, from the address and UDP port it was sent to. */
Test(dataplane, answers_through_the_port_it_was_asked_at)
{
	struct dataplane_config config = config_of(2);
	static struct session_event events[32];
	static uint16_t workers[32];
	static uint8_t frames[16][256];
	char in1[80], out1[80], device1[200];
	unsigned n, at_port[2] = { 0 };
	size_t lens[16];
	FILE *file = capture_new(in_path);
	struct dataplane *dp;

	snprintf(in1, sizeof in1, "%s.1", in_path);
	snprintf(out1, sizeof out1, "%s.1", out_path);
	snprintf(device1, sizeof device1, "net_pcap1,rx_pcap=%s,tx_pcap=%s", in1, out1);
	for (unsigned i = 0; i < 4; i++)
		capture_add_vector(file, "udp4", (uint16_t)(1000 + i));
	fclose(file);
	file = capture_new(in1);
	for (unsigned i = 0; i < 8; i++)
		capture_add_vector(file, "udp4", (uint16_t)(2000 + i));
	/* The second port's MAC differs, and it has no IPv6 address. */
	fseek(file, 24, SEEK_SET);
	for (unsigned i = 0; i < 8; i++) {
		fseek(file, 16 + 5, SEEK_CUR);
		fputc(1, file);
		fseek(file, 46 - 6, SEEK_CUR);
	}
	fclose(file);
	config.ports[1] = config.ports[0];
	config.ports[1].device = device1;
	config.ports[1].n_addresses = 1;
	config.n_ports = 2;
	dp = running(&config);
	wait_for(dp, COUNTER_tx_frames, 12);
	dataplane_stop(dp);
	n = dataplane_events(dp, events, workers, 32);
	for (unsigned i = 0; i < n; i++) {
		/* Listeners: 2 ports on 2 addresses of the first device port, then 2 on 1. */
		if (events[i].kind == SESSION_STARTED)
			at_port[events[i].peer.listener == 4]++;
		cr_expect(events[i].kind != SESSION_STARTED || events[i].peer.listener % 4 == 0);
	}
	cr_expect_eq(at_port[0], 4);
	cr_expect_eq(at_port[1], 8);
	dataplane_free(dp);
	cr_expect_eq(capture_read(out_path, frames, lens, 16), 4);
	cr_assert_eq(capture_read(out1, frames, lens, 16), 8);
	for (unsigned i = 0; i < 8; i++)
		cr_expect_eq(frames[i][11], 1, "MAC of the other port");
	unlink(in1);
	unlink(out1);
}

/* ---- between control and workers ---- */

static void
note_release(void *ctx, void *what)
{
	(*(unsigned *)ctx)++;
}

Test(dataplane, passes_commands_and_retires_after_a_grace_period)
{
	struct dataplane_config config = config_of(2);
	const struct stack_command command = { .kind = STACK_CANCEL };
	struct dataplane_worker_info info;
	unsigned released = 0, pending = 0;
	uint64_t beats;
	struct dataplane *dp;

	fclose(capture_new(in_path));
	dp = running(&config);
	cr_expect_eq(dataplane_command(dp, 2, &command), -ESRCH);
	for (unsigned i = 0; i < 100; i++)
		cr_expect_eq(dataplane_command(dp, i % 2, &command), 0);
	wait_for(dp, COUNTER_bs_cancelled, 100);
	/* More than the queue holds at once: it waits for workers instead of failing. */
	for (unsigned i = 0; i < 20000; i++)
		cr_expect_eq(dataplane_retire(dp, note_release, &released, NULL), 0);
	for (unsigned i = 0; i < 1000 && (pending = dataplane_reap(dp)); i++)
		usleep(1000);
	cr_expect_eq(pending, 0);
	cr_expect_eq(released, 20000);
	cr_expect_eq(dataplane_publish_limits(dp, &config.limits), 0);
	cr_assert_eq(dataplane_worker_info(dp, 1, &info), 0);
	beats = info.heartbeat;
	for (unsigned i = 0; i < 10000 && info.heartbeat == beats; i++) {
		usleep(1000); /* its CPU may be another's for long */
		cr_assert_eq(dataplane_worker_info(dp, 1, &info), 0);
	}
	cr_expect_gt(info.heartbeat, beats);
	cr_expect_gt(info.longest_turn_cycles, 0);
	cr_expect_gt(strlen(info.longest_step), 0);
	cr_expect_eq(info.gauges.capacity, 500);
	cr_expect_eq(dataplane_worker_info(dp, 2, &info), -ENOENT);
	/* A full mailbox is told; what lies in it when workers end is still taken. */
	dataplane_stop(dp);
	cr_expect_eq(dataplane_command(dp, 0, &command), -ESRCH);
	dataplane_free(dp);
}

Test(dataplane, clock_is_a_clock)
{
	struct dataplane_config config = config_of(1);
	struct dataplane *dp;
	uint64_t before;

	fclose(capture_new(in_path));
	dp = running(&config);
	before = dataplane_now_us();
	usleep(20000);
	cr_expect_geq(dataplane_now_us() - before, 19000);
	cr_expect_lt(dataplane_now_us() - before, 5000000);
	dataplane_free(dp);
}
