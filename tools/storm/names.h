/*
 * names.h - who the devices are: endpoint name, DTLS identity and key of device number n.
 *
 * From patterns, in which one %u or %0Wu stands for the device's number ("dev-%07u"), or from the
 * CSV file that the appliance imports (RFC 4180, UTF-8, a header line): of its columns endpoint,
 * identity (default: the endpoint), key (text) and key_hex are read, and of the storm's own
 * certificate and private_key, which name files; the rest is the appliance's.
 *
 * Owner: the caller; read only once loaded. names_get() neither allocates nor blocks.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
	NAMES_ENDPOINT_MAX = 128,
	NAMES_IDENTITY_MAX = 128,
	NAMES_KEY_MAX = 64,
	NAMES_FILE_MAX = 255,
	NAMES_ERROR_MAX = 256,
};

struct name_pattern {
	char before[64], after[64];
	uint8_t before_len, after_len;
	uint8_t digits; /* at least so many, filled with 0; 0: the text has no number */
	uint8_t numbered;
};

struct names {
	struct name_pattern endpoint, identity, key;
	uint32_t first; /* number of device 0 */
	/* From a file: `count` rows of offsets into `text`; else 0. */
	struct name_row *rows;
	uint32_t count;
	char *text;
	uint32_t with_files; /* rows that name one */
	const char *folder;  /* of the file, up to its last '/'; borrowed from its name */
	size_t folder_len;
};

/* Borrowed from the names; a length of 0: none is named. */
struct name_file {
	const char *at;
	uint8_t len;
};

struct name_files {
	struct name_file certificate, key;
	const char *folder; /* that their names are relative to */
	size_t folder_len;
};

struct credential {
	uint8_t endpoint_len, identity_len, key_len;
	char endpoint[NAMES_ENDPOINT_MAX];
	uint8_t identity[NAMES_IDENTITY_MAX];
	uint8_t key[NAMES_KEY_MAX];
};

/* 0; -1 and a sentence in `error`. */
int name_pattern_parse(struct name_pattern *pattern, const char *text, char error[NAMES_ERROR_MAX])
	__attribute__((warn_unused_result));
/* `file` must live as long as the names. */
int names_load(struct names *names, const char *file, char error[NAMES_ERROR_MAX])
	__attribute__((warn_unused_result));
/* The same of a text on the heap, which is the names' from now on; `file`, which must live as long,
 * stands in errors. */
int names_parse(struct names *names, char *text, const char *file, char error[NAMES_ERROR_MAX])
	__attribute__((warn_unused_result));
void names_free(struct names *names);

/* The endpoint alone, into NAMES_ENDPOINT_MAX bytes without a NUL; its length. */
size_t names_endpoint(const struct names *names, uint32_t device, char *endpoint);
/* The files of a device's certificate and private key. */
struct name_files names_files(const struct names *names, uint32_t device);
void names_get(const struct names *names, uint32_t device, struct credential *credential);
