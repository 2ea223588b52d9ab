/*
 * decoder.h - what the decoders of all formats share: a decoding in progress, values by their kind, texts of ids
 * and numbers. Allocates in the arena of the decoding.
 */
#pragma once

#include "tasks/content/decode.h"

/* A decoding in progress. The first error is kept. */
struct decoder {
	const struct decode_input *input;
	struct arena *arena;
	struct lwm2m_record *records;
	size_t count, capacity;
	int error;
};

/* A value in a format that distinguishes kinds. */
enum wire_kind {
	WIRE_UNSIGNED,
	WIRE_NEGATIVE, /* below zero: `integer` */
	WIRE_REAL,
	WIRE_BOOLEAN,
	WIRE_TEXT, /* checked to be UTF-8 */
	WIRE_BYTES,
	WIRE_LINK, /* text that the format says to be an object link */
};

struct wire_value {
	enum wire_kind kind;
	union {
		uint64_t number;
		int64_t integer;
		double real;
		bool boolean;
		struct {
			const uint8_t *at;
			size_t len;
		} bytes;
	};
};

/* Keeps an error, the first of them; always false. */
bool decoder_fail(struct decoder *decoder, int error);

/* The type that the registry gives, or -1. */
int decoder_type(const struct decoder *decoder, const struct lwm2m_path *path);

/* Adds a value below the target. */
bool decoder_add(struct decoder *decoder, const struct lwm2m_path *path,
		 const struct lwm2m_value *value);
/* The same for a value whose kind the format gave: it becomes the resource's type or is an error. */
bool decoder_add_wire(struct decoder *decoder, const struct lwm2m_path *path,
		      const struct wire_value *wire);

/* Ids between slashes, "/3/0/6/1" or without the first one; false when there is anything else. */
bool decode_path(const char *at, size_t len, struct lwm2m_path *path);
/* A number as JSON writes it (RFC 8259 6), all of the text. */
bool decode_number(const char *at, size_t len, struct wire_value *wire);
