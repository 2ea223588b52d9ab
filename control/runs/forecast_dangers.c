/* What may hurt a device, though every task can be compiled for it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/runs/forecast.h"
#include "tasks/coap_numbers.h"
#include "tasks/hash.h"
#include "tasks/utf8.h"

/* Resources of the objects 0 and 1 (OMA TS Core E.1, E.2). */
enum {
	OBJECT_SECURITY = 0,
	OBJECT_SERVER = 1,
	SECURITY_URI = 0,
	SECURITY_BOOTSTRAP_SERVER = 1,
	SECURITY_SECRET_KEY = 5,
	SECURITY_SSID = 10,
	SERVER_SSID = 0,
	INSTANCES_MAX = 256,
};

const char *const forecast_danger_names[FORECAST_DANGERS] = {
	[DANGER_LAST_SERVER] = "last_server",
	[DANGER_NOTHING] = "nothing",
	[DANGER_URI] = "uri",
	[DANGER_SSID] = "ssid",
	[DANGER_ACCOUNT] = "account",
	[DANGER_SHARED_KEY] = "shared_key",
	[DANGER_NEW_HOST] = "new_host",
};

const char *const forecast_danger_sentences[FORECAST_DANGERS] = {
	[DANGER_LAST_SERVER] = "would be written no LwM2M server any more",
	[DANGER_NOTHING] = "would be sent nothing any more: their requests are refused",
	[DANGER_URI] = "would be sent to another server URI",
	[DANGER_SSID] = "would know a server by another Short Server ID",
	[DANGER_ACCOUNT] = "would have their bootstrap account written over",
	[DANGER_SHARED_KEY] = "would share a key with others",
	[DANGER_NEW_HOST] = "would be sent to a host that none is sent to now",
};

void
forecast_example(struct forecast_examples *examples, const struct device *device,
		 const char *detail)
{
	if (examples->n == FORECAST_EXAMPLES)
		return;
	device_endpoint(device, examples->items[examples->n].endpoint);
	snprintf(examples->items[examples->n].detail, FORECAST_DETAIL_MAX, "%s", detail);
	examples->n++;
}

static void
danger(struct forecast *forecast, enum forecast_danger_kind kind, const struct device *device,
       const char *detail)
{
	forecast->dangers[kind].devices++;
	forecast_example(&forecast->dangers[kind].examples, device, detail);
}

static bool
is_written(const struct operation *operation, int32_t object, int32_t resource)
{
	return operation && operation->code == COAP_PUT && operation->path.object == object &&
	       operation->path.resource == resource;
}

/* ---- hosts ---- */

/* The host of "coaps://host:5684/x", or of "coaps://[::1]:5684"; its length, 0 for none. */
static size_t
host_of(const struct operation *uri, const char **host)
{
	const char *at = (const char *)uri->value.bytes.at, *end;
	const char *begin;

	if (uri->value.type != LWM2M_STRING || !uri->value.bytes.len)
		return 0;
	end = at + uri->value.bytes.len;
	begin = memmem(at, uri->value.bytes.len, "://", 3);
	begin = begin ? begin + 3 : at;
	*host = begin;
	if (begin < end && *begin == '[') {
		const char *close = memchr(begin, ']', (size_t)(end - begin));

		return close ? (size_t)(close + 1 - begin) : 0;
	}
	for (at = begin; at < end && !memchr(":/?#", *at, 4); at++)
		;
	return (size_t)(at - begin);
}

static uint64_t
hash_of(const char *host, size_t len)
{
	uint64_t hash = hash64_bytes(HASH64_EMPTY, host, len);

	return hash ? hash : 1; /* 0: a free place */
}

static uint64_t *
known_place(const struct forecast *forecast, uint64_t hash)
{
	size_t mask = 2 * FORECAST_KNOWN_HOSTS_MAX - 1, at = (size_t)(hash ^ hash >> 32) & mask;

	while (forecast->known_hosts[at] && forecast->known_hosts[at] != hash)
		at = (at + 1) & mask;
	return &forecast->known_hosts[at];
}

/* A host that devices are sent to now. Beyond the room there is they are looked for in the list of new ones alone. */
static void
know_host(struct forecast *forecast, const char *host, size_t len)
{
	uint64_t hash = hash_of(host, len), *place = known_place(forecast, hash);

	for (unsigned i = 0; i < forecast->n_hosts; i++)
		if (strlen(forecast->hosts[i].name) == len &&
		    memcmp(forecast->hosts[i].name, host, len) == 0)
			forecast->hosts[i].known = true;
	if (*place || forecast->n_known_hosts == FORECAST_KNOWN_HOSTS_MAX)
		return;
	*place = hash;
	forecast->n_known_hosts++;
}

static void
meet_host(struct forecast *forecast, const struct device *device, const char *host, size_t len)
{
	struct forecast_host *met = NULL;

	if (*known_place(forecast, hash_of(host, len)))
		return;
	for (unsigned i = 0; i < forecast->n_hosts && !met; i++)
		if (strlen(forecast->hosts[i].name) == len &&
		    memcmp(forecast->hosts[i].name, host, len) == 0)
			met = &forecast->hosts[i];
	if (!met && (forecast->n_hosts == FORECAST_HOSTS_MAX || len > FORECAST_HOST_MAX)) {
		forecast->more_hosts++;
		return;
	}
	if (!met) {
		met = &forecast->hosts[forecast->n_hosts++];
		memcpy(met->name, host, len);
	}
	met->devices++;
	forecast_example(&met->examples, device, "");
}

bool
forecast_wants_hosts(const struct forecast *forecast)
{
	for (unsigned i = 0; i < forecast->n_hosts; i++)
		if (!forecast->hosts[i].known)
			return true;
	return false;
}

int
forecast_note_hosts(struct forecast *forecast, const struct compared_batch *batch)
{
	struct operations operations;
	const char *host;

	if (batch_operations(batch, &forecast->arena, &operations) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < operations.count; i++) {
		const struct operation *operation = &operations.at[i];
		size_t len = is_written(operation, OBJECT_SECURITY, SECURITY_URI)
				     ? host_of(operation, &host)
				     : 0;

		if (len)
			know_host(forecast, host, len);
	}
	return 0;
}

/* ---- one difference ---- */

enum { DETAIL_PART = FORECAST_DETAIL_MAX / 2 - 4, DOTS = 3 };

/* How many bytes both begin with, in whole characters. */
static size_t
common_head(const struct lwm2m_value *a, const struct lwm2m_value *b)
{
	const uint8_t *left = a->bytes.at, *right = b->bytes.at;
	size_t least = a->bytes.len < b->bytes.len ? a->bytes.len : b->bytes.len, n = 0;

	while (n < least && left[n] == right[n])
		n++;
	return utf8_cut((const char *)left, a->bytes.len, n);
}

/* From `head` on, which is not shown; as much as there is room for. */
static void
show_part(const struct lwm2m_value *value, size_t head, char out[DETAIL_PART + 1])
{
	const char *at = (const char *)value->bytes.at + head;
	size_t len = value->bytes.len - head, room = DETAIL_PART - (head ? DOTS : 0);
	bool cut = len > room;

	snprintf(out, DETAIL_PART + 1, "%s%.*s%s", head ? "..." : "",
		 (int)utf8_cut(at, len, cut ? room - DOTS : room), at, cut ? "..." : "");
}

/* Of long ones what they begin with alike is left out: where they differ is to be seen. */
static void
show_pair(const struct difference *difference, char out[FORECAST_DETAIL_MAX])
{
	const struct lwm2m_value *was = &difference->before->value, *is = &difference->after->value;
	bool texts = is->type == LWM2M_STRING && was->type == LWM2M_STRING;
	bool long_ones =
		texts && (was->bytes.len > DETAIL_PART || is->bytes.len > DETAIL_PART);
	size_t head = long_ones ? common_head(was, is) : 0;
	char from[DETAIL_PART + 1], to[DETAIL_PART + 1];

	if (texts) {
		show_part(was, head, from);
		show_part(is, head, to);
		snprintf(out, FORECAST_DETAIL_MAX, "%s -> %s", from, to);
	} else {
		snprintf(out, FORECAST_DETAIL_MAX, "%lld -> %lld", (long long)was->integer,
			 (long long)is->integer);
	}
}

/* What of a device was told already: two servers may change at once, and have one key. */
struct told {
	bool uri, ssid;
	unsigned n_keys;
	uint64_t keys[8];
};

static void
judge_key(struct forecast *forecast, const struct device *device, const struct operation *key,
	  struct told *told)
{
	uint64_t hash;

	if (key->value.type != LWM2M_OPAQUE || !key->value.bytes.len)
		return;
	hash = hash64_bytes(HASH64_EMPTY, key->value.bytes.at, key->value.bytes.len);
	for (unsigned i = 0; i < told->n_keys; i++)
		if (told->keys[i] == hash)
			return;
	if (told->n_keys < sizeof told->keys / sizeof told->keys[0])
		told->keys[told->n_keys++] = hash;
	frequent_put(&forecast->keys, hash, device_id(device));
}

static void
judge_difference(struct forecast *forecast, const struct device *device,
		 const struct difference *difference, struct told *told)
{
	const struct operation *is = difference->after, *was = difference->before;
	bool changed = difference->kind == DIFFERENCE_CHANGED;
	char detail[FORECAST_DETAIL_MAX];
	const char *host;
	size_t len;

	if (is_written(was, OBJECT_SECURITY, SECURITY_URI) && (len = host_of(was, &host)))
		know_host(forecast, host, len);
	if (is_written(is, OBJECT_SECURITY, SECURITY_URI) && (len = host_of(is, &host)))
		meet_host(forecast, device, host, len);
	if (is_written(is, OBJECT_SECURITY, SECURITY_SECRET_KEY))
		judge_key(forecast, device, is, told);
	if (!changed)
		return;
	if (is_written(is, OBJECT_SECURITY, SECURITY_URI) && !told->uri) {
		show_pair(difference, detail);
		danger(forecast, DANGER_URI, device, detail);
		told->uri = true;
	}
	if ((is_written(is, OBJECT_SECURITY, SECURITY_SSID) ||
	     is_written(is, OBJECT_SERVER, SERVER_SSID)) &&
	    !told->ssid) {
		show_pair(difference, detail);
		danger(forecast, DANGER_SSID, device, detail);
		told->ssid = true;
	}
}

/* ---- the whole of both ---- */

/* Instances of an object that stand at the end of all that is done, in the order in which it is sent. */
static unsigned
count_servers(const struct operations *operations)
{
	bool there[INSTANCES_MAX] = { false };
	unsigned order[INSTANCES_MAX] = { 0 }, cleared = 0, n = 0;

	for (size_t i = 0; i < operations->count; i++) {
		const struct operation *at = &operations->at[i];
		int32_t instance = at->path.instance;
		bool all =
			at->path.object < 0 || (at->path.object == OBJECT_SERVER && instance < 0);

		if (at->code == COAP_DELETE && all && at->order > cleared)
			cleared = at->order;
		if (at->path.object != OBJECT_SERVER || instance < 0 || instance >= INSTANCES_MAX ||
		    at->order < order[instance])
			continue;
		order[instance] = at->order;
		there[instance] = at->code == COAP_PUT;
	}
	for (unsigned i = 0; i < INSTANCES_MAX; i++)
		n += there[i] && order[i] > cleared;
	return n;
}

/* Where the bootstrap account lies is where Bootstrap-Server is true, and, where no task says so, instance 0. */
static bool
writes_account(const struct operations *operations, int32_t instance)
{
	for (size_t i = 0; i < operations->count; i++) {
		const struct operation *at = &operations->at[i];

		if (is_written(at, OBJECT_SECURITY, SECURITY_BOOTSTRAP_SERVER) &&
		    at->path.instance == instance)
			return at->value.type == LWM2M_BOOLEAN && at->value.boolean;
	}
	return false;
}

static bool
writes_instance(const struct operations *operations, int32_t instance)
{
	for (size_t i = 0; i < operations->count; i++)
		if (operations->at[i].code == COAP_PUT &&
		    operations->at[i].path.object == OBJECT_SECURITY &&
		    operations->at[i].path.instance == instance)
			return true;
	return false;
}

/* The instance of the account that is written over, though it was not, or otherwise; -1: none is. */
static int32_t
account_written(const struct forecast_device *at, const struct operations *before,
		const struct operations *after)
{
	for (size_t i = 0; i < at->n_differences; i++) {
		const struct operation *is = at->differences[i].after;

		if (!is || is->code != COAP_PUT || is->path.object != OBJECT_SECURITY)
			continue;
		if (writes_account(after, is->path.instance) ||
		    (is->path.instance == 0 && !writes_instance(before, 0)))
			return is->path.instance;
	}
	return -1;
}

/*
 * Whether the whole of both is to be looked at, for the steps that are the same decide, too: a server is lost by what is not
 * written or is deleted, an account is known by what stands beside what changes. All else is the most of changes.
 */
static bool
asks_for_all(const struct forecast_device *at, bool *account)
{
	bool all = false;

	*account = false;
	for (size_t i = 0; i < at->n_differences; i++) {
		const struct difference *difference = &at->differences[i];
		const struct operation *is =
			difference->after ? difference->after : difference->before;

		*account |= is->path.object == OBJECT_SECURITY && is->code == COAP_PUT;
		all |= is->code == COAP_DELETE && is->path.object <= OBJECT_SERVER;
		all |= difference->kind == DIFFERENCE_REMOVED && is->path.object == OBJECT_SERVER;
	}
	return all || *account;
}

int
forecast_judge(struct forecast *forecast, const struct forecast_device *at)
{
	struct operations before, after;
	struct told told = { 0 };
	char detail[FORECAST_DETAIL_MAX];
	int32_t instance;
	bool account;

	if (!at->after.batch) {
		danger(forecast, DANGER_NOTHING, at->device, "");
		return 0;
	}
	for (size_t i = 0; i < at->n_differences; i++)
		judge_difference(forecast, at->device, &at->differences[i], &told);
	if (!asks_for_all(at, &account))
		return 0;
	if (batch_operations(&at->before, &forecast->arena, &before) < 0 ||
	    batch_operations(&at->after, &forecast->arena, &after) < 0)
		return -ENOMEM;
	if (count_servers(&before) && !count_servers(&after))
		danger(forecast, DANGER_LAST_SERVER, at->device, "");
	instance = account ? account_written(at, &before, &after) : -1;
	if (instance >= 0) {
		snprintf(detail, sizeof detail, "/0/%d", instance);
		danger(forecast, DANGER_ACCOUNT, at->device, detail);
	}
	return 0;
}
