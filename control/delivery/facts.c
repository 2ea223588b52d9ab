#include "control/delivery/facts.h"

#include <errno.h>
#include <string.h>

const char *const fact_names[FACTS] = {
	[FACT_EVENT] = "event",     [FACT_ID] = "id",
	[FACT_TIME] = "time",       [FACT_ENDPOINT] = "endpoint",
	[FACT_DOMAIN] = "domain",   [FACT_URI] = "uri",
	[FACT_MODE] = "mode",       [FACT_IDENTITY] = "identity",
	[FACT_KEY] = "key",         [FACT_SERVER_KEY] = "server_key",
	[FACT_SSID] = "ssid",       [FACT_INSTANCE] = "instance",
	[FACT_SUMMARY] = "summary", [FACT_ADDRESS] = "address",
};

const char *const event_names[EVENTS] = {
	[EVENT_CREDENTIALS] = "credentials", [EVENT_BOOTSTRAPPED] = "bootstrapped",
	[EVENT_FAILED] = "failed",           [EVENT_UNKNOWN] = "unknown",
	[EVENT_REJECTED] = "rejected",
};

void
facts_set(struct facts *facts, enum fact fact, const char *text)
{
	facts->of[fact].at = text;
	facts->of[fact].len = text ? strlen(text) : 0;
}

int
facts_encode(const struct facts *facts, struct buffer *out)
{
	int result = 0;

	for (unsigned i = 0; !result && i < FACTS; i++) {
		size_t len = facts->of[i].len;
		const uint8_t head[] = { (uint8_t)i, (uint8_t)len, (uint8_t)(len >> 8) };

		if (!facts->of[i].at)
			continue;
		if (len > UINT16_MAX)
			return -EMSGSIZE;
		result = buffer_put(out, head, sizeof head);
		if (!result)
			result = buffer_put(out, facts->of[i].at, len);
	}
	return result;
}

bool
facts_decode(const void *bytes, size_t len, struct facts *facts)
{
	const uint8_t *at = bytes;

	*facts = (struct facts){ 0 };
	while (len) {
		size_t value;

		if (len < 3)
			return false;
		value = (size_t)at[2] << 8 | at[1];
		if (value > len - 3)
			return false;
		if (at[0] < FACTS) {
			facts->of[at[0]].at = at + 3;
			facts->of[at[0]].len = value;
		}
		at += 3 + value;
		len -= 3 + value;
	}
	return true;
}

bool
fact_is_secret(enum fact fact)
{
	return fact == FACT_KEY;
}

void
facts_sample(enum fact_event event, struct facts *facts)
{
	*facts = (struct facts){ 0 };
	facts_set(facts, FACT_EVENT, event_names[event]);
	facts_set(facts, FACT_ID, "00112233445566778899aabbccddeeff");
	facts_set(facts, FACT_TIME, "2026-01-31T12:00:00Z");
	facts_set(facts, FACT_ENDPOINT, "urn:dev:os:sample-1");
	facts_set(facts, FACT_DOMAIN, "");
	facts_set(facts, FACT_ADDRESS, "192.0.2.1:5684");
	facts_set(facts, FACT_SUMMARY, "a sentence");
	if (event != EVENT_CREDENTIALS)
		return;
	facts_set(facts, FACT_URI, "coaps://server.example:5684");
	facts_set(facts, FACT_MODE, "psk");
	facts_set(facts, FACT_IDENTITY, "sample-1");
	facts_set(facts, FACT_KEY, "sample key");
	facts_set(facts, FACT_SERVER_KEY, "");
	facts_set(facts, FACT_SSID, "123");
	facts_set(facts, FACT_INSTANCE, "1");
}
