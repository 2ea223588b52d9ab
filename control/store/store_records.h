/*
 * store_records.h - records of any size in order: what one thread of the store hands to another.
 *
 * Records lie one behind the other in chunks, so that adding one costs a copy and no allocation
 * most of the time, and a whole list changes hands by its head. Owner: whoever holds the list; it
 * locks nothing itself. Allocates. What is freed is wiped first: keys pass through here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record_chunk;

struct records {
	struct record_chunk *first, *last;
	size_t count; /* of records */
	size_t chunks;
};

/* Every record begins with this. */
struct record {
	uint32_t size; /* in bytes, this included; set by records_add() */
};

/* A place in a list that nobody changes meanwhile; zeroed: before its first record. */
struct records_at {
	struct record_chunk *chunk;
	uint32_t offset;
};

/* Room for a record of `size` bytes at the end, aligned for any type, not zeroed; or NULL. */
void *records_add(struct records *records, size_t size);
/* Sees to it that records of so many bytes in all can be added without fail; false: out of memory. */
bool records_reserve(struct records *records, size_t size);
/* The place behind the last record: what is added now comes next. */
struct records_at records_end(const struct records *records);
/* The next record, or NULL at the end. */
void *records_next(const struct records *records, struct records_at *at);
/* Moves whole chunks from the front of `from` to the end of `to`, until it has `want` records. */
void records_move(struct records *to, struct records *from, size_t want);
void records_clear(struct records *records);
