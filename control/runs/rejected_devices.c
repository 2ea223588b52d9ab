#include "control/runs/rejected_devices.h"

#include <assert.h>
#include <string.h>

static unsigned
longest_silent(const struct rejected_devices *list)
{
	unsigned oldest = 0;

	for (unsigned i = 1; i < REJECTED_DEVICES_MAX; i++)
		if (list->items[i].last_ms < list->items[oldest].last_ms)
			oldest = i;
	return oldest;
}

static unsigned
index_of(const struct rejected_devices *list, uint32_t device)
{
	unsigned i = 0;

	while (i < list->count && list->devices[i] != device)
		i++;
	return i;
}

static struct rejected_device *
find_or_make(struct rejected_devices *list, uint32_t device, uint64_t now_ms)
{
	unsigned at = index_of(list, device);

	if (at < list->count)
		return &list->items[at];
	at = list->count < REJECTED_DEVICES_MAX ? list->count++ : longest_silent(list);
	list->devices[at] = device;
	list->items[at] = (struct rejected_device){ .first_ms = now_ms, .serial = ++list->serial };
	return &list->items[at];
}

void
rejected_devices_see(struct rejected_devices *list, const struct session_event *event,
		     uint64_t now_ms)
{
	struct rejected_device *item = find_or_make(list, event->device, now_ms);
	size_t len = event->name_len < sizeof item->name ? event->name_len : sizeof item->name;

	item->cause = event->cause;
	item->verdict = event->code;
	item->name_len = (uint8_t)len;
	memcpy(item->name, event->name, len);
	address_format_peer(&event->peer, item->address);
	item->last_ms = now_ms;
	item->count++;
}

const struct rejected_device *
rejected_devices_find(const struct rejected_devices *list, uint32_t device)
{
	unsigned at = index_of(list, device);

	return at < list->count ? &list->items[at] : NULL;
}

void
rejected_devices_forget(struct rejected_devices *list, uint32_t device)
{
	unsigned at = index_of(list, device);

	if (at == list->count)
		return;
	assert(list->count <= REJECTED_DEVICES_MAX);
	list->count--;
	list->items[at] = list->items[list->count];
	list->devices[at] = list->devices[list->count];
}

const char *
rejected_verdict(unsigned verdict)
{
	static const char *const verdicts[EC_VERDICTS] = {
		[EC_MALFORMED] = "its certificate cannot be read, or its key is not P-256",
		[EC_UNKNOWN_ISSUER] = "no trusted authority issued its certificate, or an "
				      "intermediate is missing",
		[EC_EXPIRED] = "its certificate expired",
		[EC_NOT_YET_VALID] = "its certificate is not valid yet",
		[EC_PURPOSE] = "its certificate is not for clients",
		[EC_REVOKED] = "its certificate is revoked",
		[EC_DENIED] = "its certificate is on the deny list",
		[EC_CHAIN] = "the chain of its certificate does not hold",
		[EC_NO_NAME] = "its certificate names no endpoint",
		[EC_BAD_SIGNATURE] = "it has not the key of its certificate",
		[EC_BAD_POINT] = "its key share is no point of the curve",
		[EC_NOT_PINNED] = "the inventory has another key or certificate of it",
		[EC_NONE_SHOWN] = "it shows no certificate",
		[EC_TOO_LONG] = "its chain of certificates is too long",
	};
	const char *why = verdict < EC_VERDICTS ? verdicts[verdict] : NULL;

	return why ? why : "certificate refused";
}

const char *
rejected_verdict_remedy(unsigned verdict)
{
	static const char *const remedies[EC_VERDICTS] = {
		[EC_MALFORMED] = "give the device a certificate in DER, of a key of P-256",
		[EC_UNKNOWN_ISSUER] =
			"`trust add anchor FILE` trusts its authority, `device edit NAME "
			"--certificate FILE` this device alone; an intermediate the device must "
			"send, or FILE hold",
		[EC_EXPIRED] = "give the device a new one; `grace_days` in trust.conf takes it "
			       "for so long after its end",
		[EC_NOT_YET_VALID] = "the clock of this machine is wrong, or was its authority's",
		[EC_PURPOSE] = "issue one with extendedKeyUsage clientAuth and keyUsage "
			       "digitalSignature",
		[EC_REVOKED] = "give the device a new one; `trust add crl FILE` takes the next "
			       "list, where that has it no more",
		[EC_DENIED] = "`trust allow HASH` takes it off the list",
		[EC_CHAIN] = "`openssl verify -CAfile AUTHORITY FILE` says where; mostly it is to "
			     "be issued anew",
		[EC_NO_NAME] = "`trust set anchor FILE --endpoint TEMPLATE` says what makes the "
			       "name; `trust check FILE` tries it",
		[EC_BAD_SIGNATURE] = "give the device the key and the certificate of one another",
		[EC_BAD_POINT] = "the device's software computes wrongly: mend that",
		[EC_NOT_PINNED] = "`device edit NAME --certificate FILE`, or `--raw-key FILE`, "
				  "takes the one that it has now",
		[EC_NONE_SHOWN] = "give the device one of a key of P-256: who has another kind shows "
				  "none when it is asked for that",
		[EC_TOO_LONG] = "6 KB and 10 certificates are taken: the device need not send the "
				"authority's own",
	};
	const char *remedy = verdict < EC_VERDICTS ? remedies[verdict] : NULL;

	return remedy ? remedy : "`trust check FILE` says what becomes of its certificate";
}

const char *
rejected_why(const struct rejected_device *item)
{
	if (item->cause == CAUSE_CERTIFICATE)
		return rejected_verdict(item->verdict);
	if (item->cause == CAUSE_NOSEC)
		return "over NoSec, though it has a key";
	return item->cause == CAUSE_KEY ? "wrong key" : "asked as another";
}

const char *
rejected_remedy(const struct rejected_device *item)
{
	switch (item->cause) {
	case CAUSE_KEY:
		return "`device edit NAME --key-file FILE` gives it the key that the device has";
	case CAUSE_IDENTITY:
		return "the device must ask under the endpoint name that its identity stands for";
	case CAUSE_NOSEC:
		return "it can prove itself, so it must come by DTLS; `device edit NAME --nosec "
		       "on` "
		       "serves it over NoSec all the same, and anyone who names it";
	default:
		return rejected_verdict_remedy(item->verdict);
	}
}
