/*
 * bootstrap_query.h - the parameters of a Bootstrap-Request, `ep` and `pct`, and of a
 * Bootstrap-Pack-Request, `ep` and `acc`, in any order, among others.
 *
 * Source: OMA LwM2M Transport TS 6.4.3 (POST /bs?ep={ep}&pct={pct}, GET /bspack?ep={ep}&acc={acc});
 * one Uri-Query option holds one
 * key=value, already percent-decoded (RFC 7252 5.10.1, 6.4), so '&' and '%' in it are characters
 * like others.
 *
 * Life: query_init() -> query_take() for each Uri-Query option -> query_verdict().
 * Borrows the options' bytes. Allocates nothing; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/coap_numbers.h"

/* `acc` lists a device's bootstrap accounts as links: two or three of eight bytes. */
enum {
	QUERY_ACCOUNTS_MAX = 64,
	QUERY_OPTION_MAX = 255, /* RFC 7252 5.10: longer ones are not understood */
};

struct bootstrap_query {
	const uint8_t *endpoint; /* NULL: no `ep` */
	uint8_t endpoint_len;
	bool seen_format;
	bool bad_endpoint; /* `ep` is repeated, empty or without '=' */
	bool bad_format;   /* `pct` is, or no number */
	bool unsupported;  /* `pct` is a number, but of no format that we write */
	uint16_t format;   /* FORMAT_TLV unless `pct` says otherwise: LwM2M 1.0 must know it */
	bool bad_accounts; /* `acc` is repeated, empty or longer than QUERY_ACCOUNTS_MAX */
	const uint8_t *accounts; /* `acc` as it came; NULL: none */
	uint8_t accounts_len;
};

enum query_verdict {
	QUERY_OK,
	QUERY_BAD,                /* 4.00 */
	QUERY_FORMAT_UNSUPPORTED, /* 4.15 */
};

void query_init(struct bootstrap_query *query);
/* One Uri-Query option of up to 255 bytes. Unknown keys are ignored: OMA defines none, clients send
 * some. */
void query_take(struct bootstrap_query *query, const uint8_t *option, size_t len);
/* 4.00 goes before 4.15. A missing `ep` is the caller's to judge: with DTLS the identity stands in
 * for it. */
enum query_verdict query_verdict(const struct bootstrap_query *query);
/* The same for a Bootstrap-Pack-Request, which knows no `pct`: its Accept option says the format. */
enum query_verdict query_verdict_pack(const struct bootstrap_query *query);

/* Whether writes can be encoded in this Content-Format. */
bool bootstrap_format_supported(uint32_t format);
/* Whether a Bootstrap-Pack can: it holds several objects, which TLV has no way to say. */
bool bootstrap_format_supported_pack(uint32_t format);
