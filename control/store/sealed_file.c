#include "control/store/sealed_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MAGIC "cradle sealed 1\n"

enum {
	MAGIC_LEN = sizeof MAGIC - 1,
	FILE_ID_LEN = 4,
	HEAD_LEN = MAGIC_LEN + KEK_ID_LEN + FILE_ID_LEN + 1,
	LEN_LEN = 4,
	PIECES_MAX = (1 << 23) - 1, /* 512 GB */
};

/* ---- a piece's place ---- */

/* From the top: file id, format, number, last. */
static struct seal_place
place_of(const uint8_t file[FILE_ID_LEN], uint8_t format, uint32_t number, bool last)
{
	uint64_t row = 0;

	for (unsigned i = 0; i < FILE_ID_LEN; i++)
		row = row << 8 | file[i];
	return (struct seal_place){ SEAL_FILE, row << 32 | (uint64_t)format << 24 |
						       (uint64_t)number << 1 | last };
}

static int
write_all(int fd, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* How many bytes came before the end; -1 and errno. */
static ssize_t
read_all(int fd, void *bytes, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, (uint8_t *)bytes + got, len - got);

		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			return -1;
		got += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)got;
}

/* ---- out ---- */

struct sealed_out {
	struct sealer *sealer;
	int fd, failed;
	uint8_t file[FILE_ID_LEN], format;
	uint32_t number;
	size_t len;
	uint8_t plain[SEALED_PIECE];
	uint8_t sealed[LEN_LEN + SEALED_PIECE + SEAL_OVERHEAD];
};

struct sealed_out *
sealed_out_new(int fd, struct sealer *sealer, uint8_t format)
{
	struct sealed_out *out = calloc(1, sizeof *out);
	uint8_t head[HEAD_LEN];

	if (!out || getrandom(out->file, FILE_ID_LEN, 0) != FILE_ID_LEN) {
		free(out);
		return NULL;
	}
	out->sealer = sealer;
	out->fd = fd;
	out->format = format & 0x7f; /* the number's place begins below it */
	memcpy(head, MAGIC, MAGIC_LEN);
	memcpy(head + MAGIC_LEN, sealer_id(sealer), KEK_ID_LEN);
	memcpy(head + MAGIC_LEN + KEK_ID_LEN, out->file, FILE_ID_LEN);
	head[HEAD_LEN - 1] = out->format;
	out->failed = write_all(fd, head, HEAD_LEN);
	return out;
}

static void
put_piece(struct sealed_out *out, bool last)
{
	const struct seal_place place = place_of(out->file, out->format, out->number, last);
	size_t len = out->len + SEAL_OVERHEAD;

	if (!out->failed && out->number == PIECES_MAX)
		out->failed = -EFBIG;
	for (unsigned i = 0; i < LEN_LEN; i++)
		out->sealed[i] = (uint8_t)(len >> (24 - 8 * i));
	if (!out->failed)
		out->failed = sealer_seal(out->sealer, &place, out->plain, out->len,
					  out->sealed + LEN_LEN);
	if (!out->failed)
		out->failed = write_all(out->fd, out->sealed, LEN_LEN + len);
	explicit_bzero(out->plain, out->len);
	out->number++;
	out->len = 0;
}

int
sealed_out_write(void *ctx, const void *bytes, size_t len)
{
	struct sealed_out *out = ctx;
	const uint8_t *at = bytes;

	while (len && !out->failed) {
		size_t n = len < SEALED_PIECE - out->len ? len : SEALED_PIECE - out->len;

		memcpy(out->plain + out->len, at, n);
		out->len += n;
		at += n;
		len -= n;
		if (out->len == SEALED_PIECE && len)
			put_piece(out, false);
		/* A full piece waits: it may be the last. */
	}
	return out->failed;
}

int
sealed_out_finish(struct sealed_out *out)
{
	put_piece(out, true);
	return out->failed;
}

void
sealed_out_free(struct sealed_out *out)
{
	if (out)
		explicit_bzero(out, sizeof *out);
	free(out);
}

/* ---- in ---- */

struct sealed_in {
	struct sealer *sealer;
	unsigned key;
	int fd;
	uint8_t file[FILE_ID_LEN], format;
	uint32_t number;
	bool last;
	size_t at, len; /* of `plain` */
	uint8_t plain[SEALED_PIECE];
	uint8_t sealed[SEALED_PIECE + SEAL_OVERHEAD];
};

bool
sealed_in_is(int fd)
{
	char magic[MAGIC_LEN];

	return pread(fd, magic, MAGIC_LEN, 0) == MAGIC_LEN && memcmp(magic, MAGIC, MAGIC_LEN) == 0;
}

static struct sealed_in *
refuse(struct sealed_in *in, const char *why, char error[SEALED_ERROR_MAX])
{
	snprintf(error, SEALED_ERROR_MAX, "%s", why);
	sealed_in_free(in);
	return NULL;
}

struct sealed_in *
sealed_in_new(int fd, struct sealer *sealer, uint8_t *format, char error[SEALED_ERROR_MAX])
{
	struct sealed_in *in = calloc(1, sizeof *in);
	char id[KEK_ID_TEXT_MAX];
	uint8_t head[HEAD_LEN];
	int key;

	if (!in)
		return refuse(in, "out of memory", error);
	if (read_all(fd, head, HEAD_LEN) != HEAD_LEN)
		return refuse(in, "is cut off: take it from where it was written again", error);
	key = sealer ? sealer_find(sealer, head + MAGIC_LEN, KEK_ID_LEN) : -1;
	if (key < 0) {
		snprintf(error, SEALED_ERROR_MAX,
			 "is sealed under the key %s, which the setting `kek` does not lead to: "
			 "put it behind those that "
			 "are there",
			 kek_id_text(head + MAGIC_LEN, id));
		sealed_in_free(in);
		return NULL;
	}
	in->sealer = sealer;
	in->key = (unsigned)key;
	in->fd = fd;
	memcpy(in->file, head + MAGIC_LEN + KEK_ID_LEN, FILE_ID_LEN);
	in->format = *format = head[HEAD_LEN - 1];
	return in;
}

/* 0 or -errno. Whether it is the last is known by what opens. */
static int
take_piece(struct sealed_in *in)
{
	struct seal_place place = place_of(in->file, in->format, in->number, false);
	uint8_t head[LEN_LEN];
	size_t len = 0;

	if (in->number == PIECES_MAX || read_all(in->fd, head, LEN_LEN) != LEN_LEN)
		return -EBADMSG;
	for (unsigned i = 0; i < LEN_LEN; i++)
		len = len << 8 | head[i];
	if (len < SEAL_OVERHEAD || len > sizeof in->sealed ||
	    read_all(in->fd, in->sealed, len) != (ssize_t)len)
		return -EBADMSG;
	in->at = 0;
	in->len = len - SEAL_OVERHEAD;
	in->number++;
	if (sealer_open(in->sealer, in->key, &place, in->sealed, len, in->plain) == 0)
		return 0;
	place.row |= 1;
	in->last = true;
	return sealer_open(in->sealer, in->key, &place, in->sealed, len, in->plain);
}

/* Nothing may follow the last. */
static bool
is_at_end(struct sealed_in *in)
{
	uint8_t more;

	return read_all(in->fd, &more, 1) == 0;
}

ssize_t
sealed_in_read(void *ctx, void *bytes, size_t len)
{
	struct sealed_in *in = ctx;
	size_t n;

	while (in->at == in->len) {
		int result = in->last ? 0 : take_piece(in);

		if (result < 0 || (in->last && !result && in->at == in->len && !is_at_end(in))) {
			in->at = in->len = 0;
			errno = EBADMSG;
			return -1;
		}
		if (in->last && in->at == in->len)
			return 0;
	}
	n = len < in->len - in->at ? len : in->len - in->at;
	memcpy(bytes, in->plain + in->at, n);
	explicit_bzero(in->plain + in->at, n);
	in->at += n;
	return (ssize_t)n;
}

void
sealed_in_free(struct sealed_in *in)
{
	if (in)
		explicit_bzero(in, sizeof *in);
	free(in);
}
