#include "dataplane/core/record.h"

#include <assert.h>
#include <string.h>

enum {
	MAGIC = 8,
	AT_FORMAT = 8,
	AT_COUNT = 12,
	AT_BYTES = 16,
	AT_CRC = 24,
	HEAD = 28,
	RECORD_HEAD = 8,
	FIELD_HEAD = 8,
	NUMBER = 8,
};

static const char magic[MAGIC + 1] = "CRDLPASS";

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "members are copied as they lie");

/* ---- the checksum: CRC32C (RFC 3720 B.4), which the CPU computes 8 bytes at a time ---- */

__attribute__((target("sse4.2"))) static uint32_t
crc_fast(uint32_t crc, const uint8_t *bytes, size_t len)
{
	uint64_t wide = crc, word;

	for (; len >= sizeof word; bytes += sizeof word, len -= sizeof word) {
		memcpy(&word, bytes, sizeof word);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	while (len--)
		crc = __builtin_ia32_crc32qi(crc, *bytes++);
	return crc;
}

static uint32_t
crc_slow(uint32_t crc, const uint8_t *bytes, size_t len)
{
	while (len--) {
		crc ^= *bytes++;
		for (unsigned i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

static uint32_t
crc32c(const uint8_t *bytes, size_t len)
{
	return ~(__builtin_cpu_supports("sse4.2") ? crc_fast(UINT32_MAX, bytes, len)
						  : crc_slow(UINT32_MAX, bytes, len));
}

static uint64_t
get(const uint8_t *at, size_t len)
{
	uint64_t value = 0;

	memcpy(&value, at, len);
	return value;
}

/* ---- writing ---- */

/* NULL: there is no room. */
static uint8_t *
reserve(struct record_writer *writer, size_t len)
{
	uint8_t *at = writer->at;

	if (writer->full || (size_t)(writer->end - at) < len) {
		writer->full = true;
		return NULL;
	}
	writer->at += len;
	return at;
}

void
record_file_begin(struct record_writer *writer, void *memory, size_t size)
{
	*writer = (struct record_writer){ .start = memory,
					  .at = memory,
					  .end = (uint8_t *)memory + size };
	(void)reserve(writer, HEAD);
}

void
record_begin(struct record_writer *writer, uint16_t kind)
{
	uint8_t *head = reserve(writer, RECORD_HEAD);

	assert(!writer->record && kind);
	if (!head)
		return;
	memset(head, 0, RECORD_HEAD);
	memcpy(head, &kind, sizeof kind);
	writer->record = head;
	writer->n++;
}

void
record_put_bytes(struct record_writer *writer, uint8_t field, const void *bytes, size_t len)
{
	uint8_t *at = reserve(writer, FIELD_HEAD + len);
	uint32_t length = (uint32_t)len;

	assert(field && field < RECORD_FIELDS && len <= UINT32_MAX);
	if (!at)
		return;
	memset(at, 0, FIELD_HEAD);
	at[0] = field;
	memcpy(at + 4, &length, sizeof length);
	if (len)
		memcpy(at + FIELD_HEAD, bytes, len);
}

void
record_put_number(struct record_writer *writer, uint8_t field, uint64_t number)
{
	if (number)
		record_put_bytes(writer, field, &number, sizeof number);
}

void
record_put_text(struct record_writer *writer, uint8_t field, const char *text)
{
	if (text)
		record_put_bytes(writer, field, text, strlen(text));
}

static bool
is_zero(const uint8_t *bytes, size_t len)
{
	return !len || (!bytes[0] && memcmp(bytes, bytes + 1, len - 1) == 0);
}

void
record_put_fields(struct record_writer *writer, const struct record_field *fields, unsigned n,
		  const void *object)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *member = (const uint8_t *)object + fields[i].offset;

		if (!is_zero(member, fields[i].size)) /* lint: allow - what is zero is left out */
			record_put_bytes(writer, fields[i].number, member, fields[i].size);
	}
}

void
record_end(struct record_writer *writer)
{
	uint32_t len;

	if (writer->record && !writer->full) {
		len = (uint32_t)(writer->at - writer->record - RECORD_HEAD);
		memcpy(writer->record + 4, &len, sizeof len);
	}
	writer->record = NULL;
}

size_t
record_file_end(struct record_writer *writer)
{
	uint8_t *head = writer->start;
	uint64_t bytes = (uint64_t)(writer->at - writer->start);
	uint32_t format = RECORD_FORMAT, crc;

	assert(!writer->record);
	if (writer->full)
		return 0;
	memcpy(head, magic, MAGIC);
	memcpy(head + AT_FORMAT, &format, sizeof format);
	memcpy(head + AT_COUNT, &writer->n, sizeof writer->n);
	memcpy(head + AT_BYTES, &bytes, sizeof bytes);
	crc = crc32c(head + HEAD, bytes - HEAD);
	memcpy(head + AT_CRC, &crc, sizeof crc);
	return bytes;
}

/* ---- reading ---- */

/* What it counts is what stands there; nothing else of it is looked at. */
static bool
has_records(const uint8_t *at, const uint8_t *end, uint64_t n)
{
	for (; n && (size_t)(end - at) >= RECORD_HEAD; n--) {
		size_t len = get(at + 4, 4);

		at += RECORD_HEAD;
		if ((size_t)(end - at) < len)
			return false;
		at += len;
	}
	return !n && at == end;
}

enum record_file
record_file_open(struct record_reader *reader, const void *memory, size_t size)
{
	const uint8_t *head = memory;

	*reader = (struct record_reader){ 0 };
	if (size < HEAD || memcmp(head, magic, MAGIC) != 0)
		return RECORD_FILE_FOREIGN;
	if (get(head + AT_FORMAT, 4) != RECORD_FORMAT)
		return RECORD_FILE_FORMAT;
	if (get(head + AT_BYTES, 8) != size ||
	    get(head + AT_CRC, 4) != crc32c(head + HEAD, size - HEAD) ||
	    !has_records(head + HEAD, head + size, get(head + AT_COUNT, 4)))
		return RECORD_FILE_DAMAGED;
	reader->at = head + HEAD;
	reader->end = head + size;
	return RECORD_FILE_GOOD;
}

const char *
record_file_text(enum record_file file)
{
	switch (file) {
	case RECORD_FILE_GOOD:
		return "good";
	case RECORD_FILE_FOREIGN:
		return "not a file of records";
	case RECORD_FILE_FORMAT:
		return "of a format that this version does not know";
	case RECORD_FILE_DAMAGED:
		break;
	}
	return "damaged";
}

static bool
malformed(struct record_reader *reader)
{
	reader->malformed = true;
	return false;
}

bool
record_next(struct record_reader *reader)
{
	const uint8_t *at = reader->at, *end;

	memset(reader->fields, 0, sizeof reader->fields);
	if (reader->malformed || at == reader->end)
		return false;
	if ((size_t)(reader->end - at) < RECORD_HEAD)
		return malformed(reader);
	reader->kind = (uint16_t)get(at, 2);
	end = at + RECORD_HEAD + get(at + 4, 4);
	at += RECORD_HEAD;
	if (end > reader->end)
		return malformed(reader);
	while (at < end) {
		uint8_t number;
		size_t len;

		if ((size_t)(end - at) < FIELD_HEAD)
			return malformed(reader);
		number = at[0];
		len = get(at + 4, 4);
		at += FIELD_HEAD;
		if ((size_t)(end - at) < len)
			return malformed(reader);
		if (number < RECORD_FIELDS) {
			reader->fields[number].bytes = at;
			reader->fields[number].len = (uint32_t)len;
		}
		at += len;
	}
	reader->at = end;
	return true;
}

const uint8_t *
record_bytes(const struct record_reader *reader, uint8_t field, size_t *len)
{
	*len = reader->fields[field].len;
	return reader->fields[field].bytes;
}

uint64_t
record_number(struct record_reader *reader, uint8_t field)
{
	size_t len;
	const uint8_t *bytes = record_bytes(reader, field, &len);

	if (len > NUMBER)
		malformed(reader);
	return len && len <= NUMBER ? get(bytes, len) : 0;
}

void
record_text(struct record_reader *reader, uint8_t field, char *text, size_t size)
{
	size_t len;
	const uint8_t *bytes = record_bytes(reader, field, &len);

	if (len >= size || (len && memchr(bytes, 0, len))) {
		malformed(reader);
		len = 0;
	}
	if (len)
		memcpy(text, bytes, len);
	text[len] = '\0';
}

static void
set_time(const struct record_reader *reader, uint8_t *member)
{
	uint64_t time = get(member, sizeof time);

	if (time)
		time += reader->shift_us;
	memcpy(member, &time, sizeof time);
}

void
record_fields(struct record_reader *reader, const struct record_field *fields, unsigned n,
	      void *object)
{
	for (unsigned i = 0; i < n; i++) {
		const struct record_field *field = &fields[i];
		uint8_t *member = (uint8_t *)object + field->offset;
		size_t len;
		const uint8_t *bytes = record_bytes(reader, field->number, &len);

		if (!bytes)
			continue;
		if (len > field->size) {
			malformed(reader);
			continue;
		}
		memset(member, 0, field->size);
		memcpy(member, bytes, len);
		if (field->form == RECORD_BOOL)
			member[0] = member[0] != 0;
		else if (field->form == RECORD_TIME)
			set_time(reader, member);
	}
}
