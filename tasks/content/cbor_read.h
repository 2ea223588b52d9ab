/*
 * cbor_read.h - a strict reader of CBOR items (RFC 8949), one after the other.
 *
 * Integers and lengths may be longer than they need, arrays, maps and strings may be indefinite. Not taken:
 * reserved bits, undefined, simple values other than false, true and null, text that is no UTF-8.
 * Pure; text of several chunks is joined in the arena. The first error is kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/arena.h"
#include "tasks/content/decoder.h"

struct cbor_reader {
	struct decoder *decoder; /* takes errors; its arena takes joined strings */
	const uint8_t *at, *end;
};

enum cbor_kind {
	CBOR_ITEM_UNSIGNED, /* argument */
	CBOR_ITEM_NEGATIVE, /* -1 - argument */
	CBOR_ITEM_BYTES,
	CBOR_ITEM_TEXT,
	CBOR_ITEM_ARRAY, /* argument items; or until CBOR_ITEM_BREAK */
	CBOR_ITEM_MAP,   /* argument pairs; or until CBOR_ITEM_BREAK */
	CBOR_ITEM_TAG,   /* argument; of the item behind */
	CBOR_ITEM_BOOLEAN,
	CBOR_ITEM_NULL,
	CBOR_ITEM_REAL,
	CBOR_ITEM_BREAK,
};

struct cbor_item {
	enum cbor_kind kind;
	bool indefinite; /* ARRAY, MAP */
	bool boolean;
	uint64_t argument;
	double real;
	const uint8_t *at; /* BYTES, TEXT */
	size_t len;
};

/* The next item; false at the end or for anything that is none. */
bool cbor_read(struct cbor_reader *reader, struct cbor_item *item);

/* Whether another element of an array or map follows; `*left` begins as the head's argument. A break is taken. */
bool cbor_more(struct cbor_reader *reader, const struct cbor_item *head, uint64_t *left);

/* A scalar, which the item is; false for others. */
bool cbor_wire(const struct cbor_item *item, struct wire_value *wire);
