/*
 * link_format.h - reads application/link-format (RFC 6690) as devices answer it to a Discover, and as `acc`
 * of a Bootstrap-Pack-Request says it (OMA Core TS 6.1.7.3, 6.1.7.2).
 *
 * Pure; allocates nothing; text stays borrowed. Read leniently where devices differ: a first element without a
 * reference (lwm2m="1.0",</0/0>: 1.0 devices), versions quoted or not, blanks behind commas, a slash at the
 * end of a reference, a list that ends in a comma. What has no meaning is an error: an open bracket or quote,
 * an attribute without a name, a reference that does not begin at the root ("<html>"), any other text
 * without a reference ("nonsense").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/value.h"

struct link_text {
	const char *at;
	size_t len;
};

struct link {
	struct link_text reference; /* between < and >; without one: at is NULL */
	bool is_path;               /* the reference is "/" or ids */
	struct lwm2m_path path;     /* then; all -1 otherwise */
	struct link_text attributes;
};

struct link_reader {
	const char *start, *at, *end;
};

void link_reader_init(struct link_reader *reader, const char *text, size_t len);

/* The next link: 1, 0 at the end, or -EBADMSG. */
int link_reader_next(struct link_reader *reader, struct link *link)
	__attribute__((warn_unused_result));

/* Whether it is link-format from beginning to end: 0 or -EBADMSG. */
int link_format_check(const char *text, size_t len) __attribute__((warn_unused_result));

/* An attribute's value without its quotes, or false. One without a value has the empty text. */
bool link_attribute(const struct link *link, const char *name, struct link_text *value);

/* The Short Server ID of an instance, or -1: the device's own bootstrap account has none, or says 0 or 65535
 * (OMA Core TS 6.1.7.3). */
int32_t link_server_id(const struct link *link);
