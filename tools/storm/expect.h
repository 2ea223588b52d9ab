/*
 * expect.h - what a device must be told: the expectation file, and the check of every write against
 * it.
 *
 * One line an operation, '#' begins a comment:
 *
 *	/0/2=c8001c...{ep}...	a write of exactly this payload, in hex; {ep} stands for the
 *				bytes of the endpoint name, {hex:ep} for their hex digits
 *	/0/2=*			a write of any payload
 *	-/0			a delete
 *	/bspack=a2...		the payload of a Bootstrap-Pack: of devices that ask for one, who
 *				are told nothing else
 *
 * A write or delete that no line names is wrong, and at the Finish all lines must have happened.
 * Payloads are compared as they come, block by block: a device keeps one bit a line.
 *
 * Owner: the caller; read only once loaded. Checks neither allocate nor block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	EXPECT_MAX = 64, /* lines: bits of a device's mask */
	EXPECT_PATH_MAX = 32,
	EXPECT_ERROR_MAX = 256,
};

/* The name of a pack: a path that no write has. */
#define EXPECT_PACK "/bspack"

struct expect_line {
	char path[EXPECT_PATH_MAX];
	uint8_t path_len;
	bool deletes, any, is_pack;
	uint8_t *bytes; /* pieces: literal bytes, and names in between */
	struct expect_piece *pieces;
	uint16_t n_pieces;
};

struct expect {
	struct expect_line lines[EXPECT_MAX];
	unsigned n; /* 0: nothing is checked */
};

/* 0; -1 and a sentence "file:line: ..." in `error`. expect_free() in both cases. */
int expect_load(struct expect *expect, const char *file, char error[EXPECT_ERROR_MAX])
	__attribute__((warn_unused_result));
/* One line, without its newline. */
int expect_parse(struct expect *expect, const char *line, char error[EXPECT_ERROR_MAX])
	__attribute__((warn_unused_result));
void expect_free(struct expect *expect);

/* The line of this operation, or -1. */
int expect_find(const struct expect *expect, const char *path, size_t path_len, bool deletes);

/* Part of a payload: bytes [offset, offset + len), the last ones when `last`. */
struct expect_part {
	const uint8_t *bytes;
	size_t len, offset;
	bool last;
};

/* Whether the part is as the line says, for a device of this name. */
bool expect_matches(const struct expect_line *line, const char *endpoint, size_t endpoint_len,
		    const struct expect_part *part);
/* The bits of all lines but a pack's: what a device must be told that asks for none. */
uint64_t expect_due(const struct expect *expect);
