/* A device's datagrams into a file: put together from pieces, lost ones counted, over in time. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/log.h"
#include "control/runs/capture_file.h"
#include "tests/unit/fake_dataplane.h"

static struct dataplane dp;
static struct capture_file *file;
static int reading;

static void
set_up(void)
{
	char path[] = "/tmp/capture-XXXXXX";
	const struct capture_file_options options = {
		.device = 7, .name = "lamp", .fd = mkstemp(path), .until_ms = 5000
	};

	log_open(LOG_TO_STDERR, SEVERITY_ERROR);
	fake_init(&dp);
	reading = open(path, O_RDONLY);
	unlink(path);
	file = capture_file_new(&dp, &options);
	cr_assert_not_null(file);
}

static void
tear_down(void)
{
	capture_file_free(file);
	close(reading);
}

TestSuite(capture_file, .init = set_up, .fini = tear_down);

static size_t
content(char *out, size_t size)
{
	ssize_t n = pread(reading, out, size, 0);

	cr_assert_geq(n, 0);
	return (size_t)n;
}

static bool
has(const char *words)
{
	static char all[1 << 16];
	size_t len = content(all, sizeof all);

	return memmem(all, len, words, strlen(words)) != NULL;
}

static struct trace_record
piece(const char *all, uint16_t at)
{
	struct trace_record record = { .kind = TRACE_DATAGRAM_IN,
				       .device = 7,
				       .time_us = 1000,
				       .step = at,
				       .len = (uint16_t)strlen(all) };
	size_t left = strlen(all) - at;

	memcpy(record.bytes, all + at, left < TRACE_BYTES ? left : TRACE_BYTES);
	return record;
}

static void
take(struct trace_record record)
{
	capture_file_take(file, &record);
}

Test(capture_file, says_what_it_holds)
{
	cr_expect(has("SECRET: this file holds the session keys of the device lamp"));
}

Test(capture_file, puts_pieces_together_and_loses_what_lacks_one)
{
	static char all[700];

	memset(all, 'a', sizeof all - 1);
	memcpy(all + 250, "joined here", 11);
	take(piece(all, 256)); /* its beginning was lost */
	cr_expect_not(has("aaaa"));
	take(piece(all, 0));
	take(piece(all, 512)); /* its middle was */
	cr_expect_not(has("aaaa"));
	take(piece(all, 0));
	take(piece(all, 256));
	take(piece(all, 512));
	cr_expect(has("joined here"));
}

Test(capture_file, takes_nothing_of_others)
{
	struct trace_record record = piece("of another", 0);

	record.device = 8;
	take(record);
	record = piece("a message", 0);
	record.kind = TRACE_RECEIVED;
	take(record);
	cr_expect_not(has("of another") || has("a message"));
}

Test(capture_file, says_of_records_whose_handshake_was_before_it)
{
	struct trace_record record = piece("................", 0);

	memcpy(record.bytes, "\x17\xfe\xfd\x00\x01", 5);
	take(record);
	cr_expect_not(has("began before the trace"), "without DTLS there is nothing to open");
	record.secured = true;
	take(record);
	cr_expect(has("began before the trace"));
}

Test(capture_file, says_nothing_where_the_handshake_is_there)
{
	struct trace_record record = piece("................", 0);
	const struct trace_record secret = { .kind = TRACE_SECRET, .device = 7 };

	record.secured = true;
	memcpy(record.bytes, "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", 14);
	take(secret);
	take(record);
	memcpy(record.bytes, "\x17\xfe\xfd\x00\x01", 5);
	take(record);
	cr_expect(has("CLIENT_RANDOM 0000"));
	cr_expect_not(has("began before the trace"));
}

Test(capture_file, is_over_in_time)
{
	cr_expect_not(capture_file_is_due(file, 4999));
	cr_expect(capture_file_is_due(file, 5000));
	cr_expect_not(capture_file_is_over(file, 100000), "workers may hold something");
	capture_file_end(file, 5000);
	cr_expect_not(capture_file_is_due(file, 5000));
	cr_expect_not(capture_file_is_over(file, 5001));
	cr_expect(capture_file_is_over(file, 5000 + CAPTURE_FILE_GRACE_MS));
}

Test(capture_file, ends_when_it_cannot_be_written)
{
	struct capture_file_options options = {
		.device = 7, .name = "lamp", .fd = open("/dev/full", O_WRONLY), .until_ms = 5000
	};

	cr_assert_geq(options.fd, 0);
	cr_expect_null(capture_file_new(&dp, &options));
}
