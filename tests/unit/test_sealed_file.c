/* Files under a key-encryption key: what they open to, and all that does not open. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "control/store/sealed_file.h"

enum { FORMAT = 2, HEAD = 29 };

static struct sealer *
sealer_of(uint8_t byte)
{
	struct keyring keyring = { .n = 1 };
	struct sealer *sealer;

	memset(keyring.keks[0].key, byte, KEK_LEN);
	memset(keyring.keks[0].id, byte, KEK_ID_LEN);
	sealer = sealer_new(&keyring);
	cr_assert_not_null(sealer);
	return sealer;
}

/* A sealed file of `len` bytes that follow each other. */
static int
seal(struct sealer *sealer, size_t len)
{
	int fd = memfd_create("sealed", 0);
	struct sealed_out *out = sealed_out_new(fd, sealer, FORMAT);
	uint8_t bytes[1000];

	cr_assert_not_null(out);
	for (size_t at = 0; at < len; at += sizeof bytes) {
		size_t n = len - at < sizeof bytes ? len - at : sizeof bytes;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)((at + i) * 7);
		cr_assert_eq(sealed_out_write(out, bytes, n), 0);
	}
	cr_assert_eq(sealed_out_finish(out), 0);
	sealed_out_free(out);
	return fd;
}

/* How many bytes open, all of them right; -1: not all of the file does. */
static ssize_t
open_all(int fd, struct sealer *sealer)
{
	char error[SEALED_ERROR_MAX];
	uint8_t format = 0, bytes[1777];
	struct sealed_in *in;
	ssize_t n, sum = 0;

	lseek(fd, 0, SEEK_SET);
	in = sealed_in_new(fd, sealer, &format, error);
	if (!in)
		return -1;
	while ((n = sealed_in_read(in, bytes, sizeof bytes)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			cr_assert_eq(bytes[i], (uint8_t)((sum + i) * 7));
		sum += n;
	}
	if (n < 0)
		cr_expect_eq(errno, EBADMSG);
	sealed_in_free(in);
	return n < 0 ? -1 : sum;
}

Test(sealed_file, what_was_sealed_opens)
{
	static const size_t lengths[] = {
		0, 1, 999, SEALED_PIECE - 1, SEALED_PIECE, SEALED_PIECE + 1, 3 * SEALED_PIECE
	};
	struct sealer *sealer = sealer_of(1);

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		int fd = seal(sealer, lengths[i]);

		cr_expect(sealed_in_is(fd));
		cr_expect_eq(open_all(fd, sealer), (ssize_t)lengths[i], "%zu", lengths[i]);
		close(fd);
	}
	sealer_free(sealer);
}

Test(sealed_file, another_key_does_not_open_it_and_is_named)
{
	struct sealer *sealer = sealer_of(1), *other = sealer_of(2);
	char error[SEALED_ERROR_MAX];
	uint8_t format;
	int fd = seal(sealer, 10);

	lseek(fd, 0, SEEK_SET);
	cr_expect_null(sealed_in_new(fd, other, &format, error));
	cr_expect(strstr(error, "0101010101010101"), "%s", error);
	lseek(fd, 0, SEEK_SET);
	cr_expect_null(sealed_in_new(fd, NULL, &format, error));
	close(fd);
	sealer_free(sealer);
	sealer_free(other);
}

Test(sealed_file, no_byte_can_be_changed)
{
	struct sealer *sealer = sealer_of(1);
	int fd = seal(sealer, 100);
	off_t len = lseek(fd, 0, SEEK_END);
	uint8_t byte, changed;

	for (off_t at = 0; at < len; at++) {
		if (at < 16)
			continue; /* another file altogether */
		cr_assert_eq(pread(fd, &byte, 1, at), 1);
		changed = byte ^ 1;
		cr_assert_eq(pwrite(fd, &changed, 1, at), 1);
		cr_expect_eq(open_all(fd, sealer), -1, "byte %ld", (long)at);
		cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
	}
	cr_expect_eq(open_all(fd, sealer), 100);
	close(fd);
	sealer_free(sealer);
}

Test(sealed_file, it_cannot_be_cut_off_or_continued)
{
	struct sealer *sealer = sealer_of(1);
	enum { PIECE = 4 + SEALED_PIECE + SEAL_OVERHEAD };
	int fd = seal(sealer, 2 * SEALED_PIECE + 5), other = seal(sealer, 2 * SEALED_PIECE + 5);
	off_t len = lseek(fd, 0, SEEK_END);
	const off_t cuts[] = {
		0, 10, HEAD, HEAD + 2, HEAD + 100, HEAD + PIECE, HEAD + 2 * PIECE, len - 1
	};
	uint8_t *piece = malloc(PIECE);

	/* A piece of another file, in the same place. */
	cr_assert_eq(pread(other, piece, PIECE, HEAD + PIECE), PIECE);
	cr_assert_eq(pwrite(fd, piece, PIECE, HEAD + PIECE), PIECE);
	cr_expect_eq(open_all(fd, sealer), -1);
	/* The second piece in place of the first. */
	cr_assert_eq(pwrite(other, piece, PIECE, HEAD), PIECE);
	cr_expect_eq(open_all(other, sealer), -1);
	free(piece);
	close(other);
	close(fd);
	fd = seal(sealer, 2 * SEALED_PIECE + 5);
	cr_assert_eq(pwrite(fd, "x", 1, len), 1);
	cr_expect_eq(open_all(fd, sealer), -1, "something follows");
	for (size_t i = sizeof cuts / sizeof cuts[0]; i-- > 0;) {
		cr_assert_eq(ftruncate(fd, cuts[i]), 0);
		cr_expect_eq(open_all(fd, sealer), -1, "cut at %ld", (long)cuts[i]);
	}
	close(fd);
	sealer_free(sealer);
}
