/*
 * sealed_file.h - a file under a key-encryption key: what an export with secrets is, where it shall not lie in plain.
 *
 *	+----------------------+---------+---------+--------+ +-----+--------+ +-----+--------+
 *	| "cradle sealed 1\n"  | KEK id  | file id | format | | len | sealed | | len | sealed | ...
 *	+----------------------+---------+---------+--------+ +-----+--------+ +-----+--------+
 *	  16                     8         4         1           4     seal.h
 *
 * Each piece has up to SEALED_PIECE bytes and is bound to the file, its place in it, and whether it is the last: none can be
 * left out, moved, taken from another file, or cut off. The header is bound by them: the format is part of a piece's place.
 *
 * Owner: the caller; the sealer must live longer. One thread. Allocates; blocks as the descriptor
 * does. Plain bytes are wiped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/store/seal.h"

enum { SEALED_PIECE = 1 << 16, SEALED_ERROR_MAX = 256 };

struct sealed_out;

/* The sealer has a key. NULL: out of memory, or no random bytes. `format` is the caller's. */
struct sealed_out *sealed_out_new(int fd, struct sealer *sealer, uint8_t format);
/* 0 or -errno, which stays. `out` is a struct sealed_out: a sink's function. */
int sealed_out_write(void *out, const void *bytes, size_t len);
/* The last piece. 0 or -errno: without it, the file does not open. */
int sealed_out_finish(struct sealed_out *out);
void sealed_out_free(struct sealed_out *out); /* NULL: nothing */

/* Whether the file at the descriptor begins as one; its offset stays. */
bool sealed_in_is(int fd);

struct sealed_in;

/* `sealer` NULL: there is no key. NULL and a sentence. */
struct sealed_in *sealed_in_new(int fd, struct sealer *sealer, uint8_t *format,
				char error[SEALED_ERROR_MAX]);
/* As read(2): -1 and errno; EBADMSG: damaged, or cut off. `in` is a struct sealed_in. */
ssize_t sealed_in_read(void *in, void *bytes, size_t len);
void sealed_in_free(struct sealed_in *in); /* NULL: nothing */
