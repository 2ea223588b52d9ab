/*
 * record.h - what passes from one process of the appliance to the next: a file of records, each of
 * numbered fields.
 *
 *	 0          8        12       16       24       28
 *	+----------+--------+--------+--------+--------+---------+---------+-----
 *	| "CRDLPASS" | format | records| bytes  | CRC32C | record  | record  | ...
 *	+----------+--------+--------+--------+--------+---------+---------+-----
 *	record:  kind u16 | 0 u16 | length u32 of the fields
 *	field:   number u8 | 0 u8 | 0 u16 | length u32 | bytes
 *
 * Little-endian, as the machines are that this runs on. Numbers of kinds and fields are never used
 * again for anything else. A kind or a field that a reader does not know is skipped, one that is
 * missing reads as zero; what must not be skipped gets another format, and a reader refuses formats that
 * it does not know as a whole. No pointer, index into memory or layout of a struct passes.
 *
 * A file lies in memory that both ends map (a sealed memfd) and holds keys: it is never on a disk.
 *
 * Owner: the caller, of all memory. One thread. Neither allocates nor blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RECORD_FORMAT = 1,  /* that is written, and the only one that is read */
	RECORD_FIELDS = 96, /* numbers of fields are from 1 to below this */
};

/* Which members of a struct are which fields. Members that are zero are left out. */
enum record_form {
	RECORD_PLAIN,
	RECORD_BOOL, /* any byte but 0 is true */
	RECORD_TIME, /* uint64_t, a time of the writer's clock; 0 stays 0 */
};

struct record_field {
	uint8_t number, form;
	uint16_t offset, size;
};

#define RECORD_FIELD(number, form, type, member)                                                   \
	{                                                                                          \
		number, form, offsetof(type, member), sizeof(((type *)NULL)->member)               \
	}

/* ---- writing ---- */

struct record_writer {
	uint8_t *start, *at, *end;
	uint8_t *record; /* the one that is open */
	uint32_t n;
	bool full; /* sticky: what was written since is not there */
};

void record_file_begin(struct record_writer *writer, void *memory, size_t size);
void record_begin(struct record_writer *writer, uint16_t kind);
void record_put_number(struct record_writer *writer, uint8_t field, uint64_t number);
void record_put_bytes(struct record_writer *writer, uint8_t field, const void *bytes, size_t len);
void record_put_text(struct record_writer *writer, uint8_t field, const char *text);
void record_put_fields(struct record_writer *writer, const struct record_field *fields, unsigned n,
		       const void *object);
void record_end(struct record_writer *writer);
/* Fills in the head. The file's bytes; 0: the memory did not suffice. */
size_t record_file_end(struct record_writer *writer);

/* ---- reading ---- */

struct record_reader {
	const uint8_t *at, *end;
	uint64_t shift_us; /* is added to times: this process's clock less the writer's */
	bool malformed;    /* sticky */
	uint16_t kind;
	struct {
		const uint8_t *bytes; /* NULL: the record has not got it */
		uint32_t len;
	} fields[RECORD_FIELDS];
};

enum record_file {
	RECORD_FILE_GOOD,
	RECORD_FILE_FOREIGN, /* no such file */
	RECORD_FILE_FORMAT,  /* of a format that is not known here */
	RECORD_FILE_DAMAGED, /* cut, or its checksum is wrong */
};

enum record_file record_file_open(struct record_reader *reader, const void *memory, size_t size)
	__attribute__((warn_unused_result));
/* What it means, as the end of a sentence. */
const char *record_file_text(enum record_file file);
/* The next record; false: there is none, or what follows is malformed. */
bool record_next(struct record_reader *reader);
/* 0 where it is missing; longer ones than a number are malformed. */
uint64_t record_number(struct record_reader *reader, uint8_t field);
/* NULL and 0 where it is missing. They stay where they are, in the file. */
const uint8_t *record_bytes(const struct record_reader *reader, uint8_t field, size_t *len);
/* Copies the field as text that ends with NUL; what is longer than `size` - 1 or holds a NUL is malformed. */
void record_text(struct record_reader *reader, uint8_t field, char *text, size_t size);
/* Sets the members of all fields that there are; one that is longer than its member is malformed. */
void record_fields(struct record_reader *reader, const struct record_field *fields, unsigned n,
		   void *object);
