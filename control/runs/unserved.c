#include "control/runs/unserved.h"

#include <string.h>

#include "control/runs/rejected_devices.h"

/* ---- the list ---- */

static bool
is_same(const struct session_event *a, const struct session_event *b)
{
	return a->cause == b->cause && a->reason == b->reason &&
	       memcmp(a->peer.addr, b->peer.addr, sizeof a->peer.addr) == 0;
}

static struct unserved_peer *
longest_silent(struct unserved_peers *list)
{
	struct unserved_peer *oldest = &list->items[0];

	for (unsigned i = 1; i < list->count; i++)
		if (list->items[i].last_ms < oldest->last_ms)
			oldest = &list->items[i];
	return oldest;
}

static struct unserved_peer *
find_or_make(struct unserved_peers *list, const struct session_event *event, uint64_t now_ms)
{
	struct unserved_peer *item;

	for (unsigned i = 0; i < list->count; i++)
		if (is_same(&list->items[i].event, event))
			return &list->items[i];
	item = list->count < UNSERVED_MAX ? &list->items[list->count++] : longest_silent(list);
	*item = (struct unserved_peer){ .first_ms = now_ms, .serial = ++list->serials };
	return item;
}

void
unserved_peers_see(struct unserved_peers *list, const struct session_event *event, uint64_t now_ms)
{
	struct unserved_peer *item = find_or_make(list, event, now_ms);

	item->event = *event;
	if (item->event.name_len > sizeof item->event.name)
		item->event.name_len = sizeof item->event.name;
	item->last_ms = now_ms;
	item->count++;
}

/* ---- what they offered ---- */

/* Those that constrained devices bring along; of others the number is told (IANA, TLS Cipher Suites). */
static const char *
suite_name(unsigned suite)
{
	static const struct {
		unsigned number;
		const char *name;
	} suites[] = {
		{ 0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA" },
		{ 0x008c, "TLS_PSK_WITH_AES_128_CBC_SHA" },
		{ 0x008d, "TLS_PSK_WITH_AES_256_CBC_SHA" },
		{ 0x00a8, "TLS_PSK_WITH_AES_128_GCM_SHA256" },
		{ 0x00a9, "TLS_PSK_WITH_AES_256_GCM_SHA384" },
		{ 0x00ae, "TLS_PSK_WITH_AES_128_CBC_SHA256" },
		{ 0x00af, "TLS_PSK_WITH_AES_256_CBC_SHA384" },
		{ 0x1301, "TLS_AES_128_GCM_SHA256" },
		{ 0x1302, "TLS_AES_256_GCM_SHA384" },
		{ 0x1304, "TLS_AES_128_CCM_SHA256" },
		{ 0x1305, "TLS_AES_128_CCM_8_SHA256" },
		{ 0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" },
		{ 0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256" },
		{ 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
		{ 0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" },
		{ 0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" },
		{ 0xc037, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256" },
		{ 0xc0a4, "TLS_PSK_WITH_AES_128_CCM" },
		{ 0xc0a5, "TLS_PSK_WITH_AES_256_CCM" },
		{ 0xc0a8, "TLS_PSK_WITH_AES_128_CCM_8" },
		{ 0xc0a9, "TLS_PSK_WITH_AES_256_CCM_8" },
		{ 0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM" },
		{ 0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM" },
		{ 0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8" },
		{ 0xc0af, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8" },
		{ 0xccab, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256" },
		{ 0xd001, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256" },
		{ 0xd003, "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256" },
		{ 0xd005, "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256" },
	};

	for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
		if (suites[i].number == suite)
			return suites[i].name;
	return NULL;
}

/* Signals that stand among the suites and are none (RFC 5746 3.3, RFC 7507 2, RFC 8701 2). */
static bool
is_signal(unsigned suite)
{
	return suite == 0x00ff || suite == 0x5600 ||
	       ((suite & 0x0f0f) == 0x0a0a && suite >> 8 == (suite & 0xff));
}

static void
put_suites(const struct session_event *event, struct text *text)
{
	const char *separator = ": it offers ";

	text_show(text, "no cipher suite in common");
	for (unsigned i = 0; i + 1u < event->name_len; i += 2) {
		unsigned suite = (unsigned)event->name[i] << 8 | event->name[i + 1];
		const char *name = suite_name(suite);

		if (is_signal(suite))
			continue;
		if (name)
			text_show(text, "%s%s", separator, name);
		else
			text_show(text, "%s0x%04x", separator, suite);
		separator = ", ";
	}
	if (event->whole_len > event->name_len)
		text_show(text, ", and %u more", (event->whole_len - event->name_len) / 2u);
}

static void
put_offered(const struct session_event *event, struct text *text)
{
	text_put_untrusted(text, event->name, event->name_len);
	if (event->whole_len > event->name_len)
		text_show(text, "...");
}

/* The counter's sentence names what is answered and why. */
static void
put_request(const struct session_event *event, struct text *text)
{
	static const char answered[] = "answered ";
	const char *sentence =
		event->reason < COUNTERS ? counter_infos[event->reason].text : answered;
	const char *why = strstr(sentence, answered);

	text_show(text, "%s; it asks ", why ? why : sentence);
	put_offered(event, text);
}

void
unserved_why(const struct unserved_peer *item, struct text *text)
{
	const struct session_event *event = &item->event;

	switch ((enum session_cause)event->cause) {
	case CAUSE_SUITES:
		put_suites(event, text);
		break;
	case CAUSE_NAME:
		text_show(text, "identity of %u bytes, more than any may have: ", event->whole_len);
		put_offered(event, text);
		break;
	case CAUSE_CERTIFICATE:
		text_show(text, "%s: %s", rejected_verdict(event->reason),
			  rejected_verdict_remedy(event->reason));
		break;
	default:
		put_request(event, text);
	}
}
