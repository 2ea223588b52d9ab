#include "tools/storm/device_coap.h"

#include <string.h>

#include "dataplane/core/coap/coap_msg.h"
#include "tools/storm/device_internal.h"
#include "tools/storm/device_pack.h"
#include "tools/storm/random.h"

enum {
	PATH_MAX_BYTES = EXPECT_PATH_MAX,
	SECOND_US = 1000000,
	MAX_AGE_DEFAULT_S = 60,
	MAX_AGE_MOST_S = 86400, /* above it, one is refused: no run lasts so long */
};

/* ---- replies to the device's request ---- */

static bool
is_for_request(const struct device *device, const struct coap_header *header)
{
	return header->token_len == sizeof device->token &&
	       memcmp(header->token, device->token, sizeof device->token) == 0;
}

static void
take_refusal(struct fleet *fleet, struct device *device, uint8_t code)
{
	fleet->tally.refused_code = code;
	device_end(fleet, device, OUTCOME_REFUSED);
}

/* 5.03: the server says when to ask again (RFC 7252 5.9.3.4). */
static uint32_t
max_age_s(const struct coap_msg *msg)
{
	struct coap_options_seen seen;

	return coap_options_check(msg, &seen) == COAP_OPTIONS_FINE && (seen.has & COAP_HAS_MAX_AGE)
		       ? seen.max_age
		       : MAX_AGE_DEFAULT_S;
}

/* It asks again at least once, and then for as long as it is patient: a server may be busy for ever. */
static bool
has_waited_enough(const struct fleet *fleet, struct device *device)
{
	if (!device->told_busy) {
		device->told_busy = true;
		device->busy_us = fleet->now_us;
		return false;
	}
	return fleet->now_us - device->busy_us >= fleet->settings.give_up_us;
}

/* Half as much more at random, so that a crowd does not return at once. */
static void
wait_for_service(struct fleet *fleet, struct device *device, const struct coap_msg *msg,
		 struct storm_out *out)
{
	uint64_t wait_us = max_age_s(msg) * (uint64_t)SECOND_US;

	fleet->tally.busy++;
	if (has_waited_enough(fleet, device) || max_age_s(msg) > MAX_AGE_MOST_S) {
		take_refusal(fleet, device, msg->header.code);
		return;
	}
	device->mid++;
	device->state = DEVICE_ASKING;
	device_send_ack_due(fleet, device, out);
	device->later = MESSAGE_REQUEST;
	device->send_us = fleet->now_us + wait_us + random_below(&fleet->random, wait_us / 2 + 1);
	device->give_up_us = device->send_us + fleet->settings.give_up_us;
}

/* A response that its request does not wait for any more. A copy of the one that was taken last is
 * acknowledged again (RFC 7252 4.5): the first ACK may be lost. */
static void
take_late_response(struct fleet *fleet, struct device *device, const struct coap_header *header,
		   struct storm_out *out)
{
	if (header->type != COAP_CON || header->mid != device->ack_mid ||
	    !is_for_request(device, header) || device->state == DEVICE_HANDSHAKING) {
		fleet->tally.ignored++;
		return;
	}
	fleet->tally.duplicates++;
	device_send(fleet, device, MESSAGE_ACK, out);
}

static void
take_pack(struct fleet *fleet, struct device *device, const struct coap_msg *msg,
	  struct storm_out *out)
{
	switch (device_pack_take(fleet, device, msg)) {
	case DEVICE_PACK_MORE:
		device->mid++;
		device_request(fleet, device, out);
		return;
	case DEVICE_PACK_WHOLE:
		device_conclude(fleet, device, OUTCOME_DONE);
		return;
	case DEVICE_PACK_WRONG:
		device_conclude(fleet, device, OUTCOME_WRONG_WRITE);
		return;
	}
}

static void
take_response(struct fleet *fleet, struct device *device, const struct coap_msg *msg,
	      struct storm_out *out)
{
	const struct coap_header *header = &msg->header;

	if (device->state != DEVICE_ASKING && device->state != DEVICE_ASKED) {
		take_late_response(fleet, device, header, out);
		return;
	}
	if (!is_for_request(device, header)) {
		fleet->tally.ignored++;
		return;
	}
	device_progress(fleet, device);
	if (header->type == COAP_CON) {
		device->ack_mid = header->mid;
		device_send(fleet, device, MESSAGE_ACK, out);
	}
	if (header->code == COAP_SERVICE_UNAVAILABLE) {
		wait_for_service(fleet, device, msg, out);
		return;
	}
	if (coap_code_class(header->code) == COAP_CLASS_SUCCESS) {
		if (device_wants_pack(fleet, device))
			take_pack(fleet, device, msg, out);
		else
			device->state = DEVICE_SERVED;
		return;
	}
	if (misbehave_infos[fleet->settings.misbehave].answer == ANSWER_BAD_REQUEST &&
	    header->code == COAP_BAD_REQUEST) {
		device_end(fleet, device, OUTCOME_INTENDED);
		return;
	}
	take_refusal(fleet, device, header->code);
}

static void
take_empty(struct fleet *fleet, struct device *device, const struct coap_msg *msg,
	   enum coap_parsed parsed)
{
	if (device->state != DEVICE_ASKING || msg->header.mid != device->mid) {
		fleet->tally.ignored++;
		return;
	}
	device_progress(fleet, device);
	if (parsed == COAP_IS_RESET)
		device_end(fleet, device, OUTCOME_RESET);
	else
		device->state = DEVICE_ASKED;
}

/* ---- operations ---- */

/* "/0/1" from the Uri-Path options; 0 when it is longer than any path of ours. */
static size_t
read_path(const struct coap_msg *msg, char path[PATH_MAX_BYTES])
{
	struct coap_option_iter iter = coap_options(msg);
	struct writer out = writer_init(path, PATH_MAX_BYTES);
	struct coap_option option;

	while (coap_option_next(&iter, &option)) {
		if (option.number != COAP_OPTION_URI_PATH)
			continue;
		writer_u8(&out, '/');
		writer_bytes(&out, option.value, option.len);
	}
	if (writer_len(&out) == 0)
		writer_u8(&out, '/');
	return writer_finish(&out);
}

/* An operation while it is looked at. */
struct operation {
	const struct coap_msg *msg;
	struct coap_options_seen seen;
	struct coap_block block; /* of Block1; else all of the payload */
	char path[PATH_MAX_BYTES];
	size_t path_len;
};

static void
mark(struct fleet *fleet, struct device *device, int line, bool right)
{
	if (line >= 0 && right)
		device->seen |= UINT64_C(1) << line;
	else if (fleet->expect->n)
		device->wrong = true;
}

/* Blocks come in order, and each is compared where it belongs (RFC 7959 2.5). What is too much at once
 * is refused (RFC 7959 2.9.3). The reply's code. */
static uint8_t
take_write(struct fleet *fleet, struct device *device, const struct operation *operation)
{
	const struct expect *expect = fleet->expect;
	const struct coap_block *block = &operation->block;
	int line = expect_find(expect, operation->path, operation->path_len, false);
	uint8_t szx = device_szx(fleet, device);
	char endpoint[NAMES_ENDPOINT_MAX];
	size_t len = names_endpoint(fleet->names, device_number(fleet, device), endpoint);
	struct expect_part part = { .bytes = operation->msg->payload,
				    .len = operation->msg->payload_len,
				    .offset = (size_t)block->num * coap_block_size(block->szx),
				    .last = !block->more };

	if (szx < COAP_SZX_MAX && part.len > coap_block_size(szx))
		return COAP_REQUEST_ENTITY_TOO_LARGE;
	if (part.offset && (line != device->block_line || part.offset != device->block_at))
		return COAP_REQUEST_ENTITY_INCOMPLETE;
	device->block_line = (int16_t)line;
	device->block_at = (uint32_t)(part.offset + part.len);
	if (fleet->lesson)
		lesson_write(fleet->lesson, operation->path, operation->path_len, endpoint, len,
			     &part);
	fleet->tally.blocks += (operation->seen.has & COAP_HAS_BLOCK1) != 0;
	if (line < 0 || !expect_matches(&expect->lines[line], endpoint, len, &part))
		mark(fleet, device, -1, false);
	else if (part.last)
		mark(fleet, device, line, true);
	return block->more ? COAP_CONTINUE : COAP_CHANGED;
}

static uint8_t
take_finish(struct fleet *fleet, struct device *device)
{
	uint64_t all = expect_due(fleet->expect);

	device->state = DEVICE_ENDING;
	device->outcome = device->wrong                 ? OUTCOME_WRONG_WRITE
			  : (device->seen & all) != all ? OUTCOME_MISSING
							: OUTCOME_DONE;
	return COAP_CHANGED;
}

/* What the operation says, done; the reply's code. */
static uint8_t
carry_out(struct fleet *fleet, struct device *device, const struct operation *operation)
{
	fleet->tally.operations++;
	switch (operation->msg->header.code) {
	case COAP_PUT:
		return take_write(fleet, device, operation);
	case COAP_DELETE:
		if (fleet->lesson)
			lesson_delete(fleet->lesson, operation->path, operation->path_len);
		mark(fleet, device,
		     expect_find(fleet->expect, operation->path, operation->path_len, true), true);
		return COAP_DELETED;
	case COAP_GET:
		device->reply.has_links = true;
		return COAP_CONTENT;
	case COAP_POST:
		return coap_path_is(operation->msg, "bs") ? take_finish(fleet, device)
							  : COAP_METHOD_NOT_ALLOWED;
	default:
		return COAP_METHOD_NOT_ALLOWED;
	}
}

/* Code of an earlier answer to this message, 0 when it is new (RFC 7252 4.5). */
static uint8_t
answered_before(const struct device *device, uint16_t mid)
{
	for (unsigned i = 0; i < DEVICE_REMEMBERS && i < device->n_answered; i++)
		if (device->answered_mid[i] == mid)
			return device->answered_code[i];
	return 0;
}

static void
remember(struct device *device, uint16_t mid, uint8_t code)
{
	unsigned at = device->n_answered % DEVICE_REMEMBERS;

	device->answered_mid[at] = mid;
	device->answered_code[at] = code;
	/* Stays above DEVICE_REMEMBERS once there, so that all places count. */
	device->n_answered =
		(uint8_t)(device->n_answered == 2 * DEVICE_REMEMBERS - 1 ? DEVICE_REMEMBERS
									 : device->n_answered + 1);
}

static void
prepare_reply(struct device *device, const struct operation *operation)
{
	const struct coap_header *header = &operation->msg->header;
	struct device_reply *reply = &device->reply;

	memset(reply, 0, sizeof *reply);
	reply->mid = header->mid;
	reply->type = header->type == COAP_CON ? COAP_ACK : COAP_NON;
	reply->token_len = header->token_len;
	memcpy(reply->token, header->token, sizeof reply->token);
	reply->has_block = operation->seen.has & COAP_HAS_BLOCK1;
	reply->block1 = operation->seen.block1;
}

/* With 4.13: how much it takes (RFC 7959 2.9.3). */
static void
say_block_size(const struct fleet *fleet, struct device *device)
{
	const struct coap_block block = { .more = 1, .szx = device_szx(fleet, device) };

	device->reply.has_block = true;
	device->reply.block1 = coap_block_encode(&block);
}

/* At the first operation: true when it is not to be carried out. */
static bool
misbehave(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	if (device->misbehaved)
		return false;
	device->misbehaved = true;
	switch (fleet->settings.misbehave) {
	case MISBEHAVE_NEVER_ACK:
		device_end(fleet, device, OUTCOME_INTENDED);
		return true;
	case MISBEHAVE_REBOOT:
		device_restart(fleet, device, out);
		return true;
	case MISBEHAVE_ERROR_REPLY:
		device->reply.code = COAP_BAD_REQUEST;
		break;
	case MISBEHAVE_RESET:
		device->reply.type = COAP_RST;
		break;
	case MISBEHAVE_REBIND:
		device->rebound = true;
		if (fleet->settings.offer_cid)
			return false; /* its connection id goes with it: it is served on */
		device->reply.code = COAP_CHANGED;
		break;
	default:
		return false;
	}
	device->state = DEVICE_ENDING;
	device->outcome = OUTCOME_INTENDED;
	device_send(fleet, device, MESSAGE_REPLY, out);
	return true;
}

static bool
read_operation(const struct coap_msg *msg, struct operation *operation)
{
	operation->msg = msg;
	operation->block = (struct coap_block){ .szx = COAP_SZX_MAX };
	operation->path_len = read_path(msg, operation->path);
	if (coap_options_check(msg, &operation->seen) != COAP_OPTIONS_FINE)
		return false;
	return !(operation->seen.has & COAP_HAS_BLOCK1) ||
	       coap_block_decode(operation->seen.block1, &operation->block) == 0;
}

/* A device that waits for the reply to its request and knows nothing of operations until then. */
static bool
refuse_early(struct fleet *fleet, struct device *device, struct storm_out *out)
{
	if (fleet->settings.early == EARLY_TAKEN ||
	    (device->state != DEVICE_ASKING && device->state != DEVICE_ASKED))
		return false;
	if (fleet->settings.early == EARLY_BUSY)
		device->reply.code = COAP_SERVICE_UNAVAILABLE;
	else
		device->reply.type = COAP_RST;
	device_send(fleet, device, MESSAGE_REPLY, out);
	return true;
}

static void
take_operation(struct fleet *fleet, struct device *device, const struct coap_msg *msg,
	       struct storm_out *out)
{
	uint8_t code = answered_before(device, msg->header.mid);
	struct operation operation;

	if (!code && (device->state == DEVICE_IDLE || device->state == DEVICE_ENDING ||
		      device->state == DEVICE_HANDSHAKING)) {
		fleet->tally.ignored++;
		return;
	}
	if (!read_operation(msg, &operation)) {
		fleet->tally.ignored++;
		return;
	}
	fleet->tally.duplicates += code != 0;
	prepare_reply(device, &operation);
	if (!code && refuse_early(fleet, device, out))
		return;
	if (!code) {
		/* It may overtake the reply to the request, and proves that the request arrived. */
		device->state = DEVICE_SERVED;
		device_progress(fleet, device);
		if (device->later == MESSAGE_REQUEST)
			device->send_us = 0;
		if (misbehave(fleet, device, out))
			return;
		code = carry_out(fleet, device, &operation);
		remember(device, msg->header.mid, code);
	}
	device->reply.code = code;
	if (code == COAP_REQUEST_ENTITY_TOO_LARGE)
		say_block_size(fleet, device);
	device_send(fleet, device, MESSAGE_REPLY, out);
}

void
device_take_coap(struct fleet *fleet, struct device *device, const uint8_t *bytes, size_t len,
		 struct storm_out *out)
{
	struct coap_msg msg;
	enum coap_parsed parsed = coap_parse(bytes, len, &msg);

	switch (parsed) {
	case COAP_IS_REQUEST:
		take_operation(fleet, device, &msg, out);
		return;
	case COAP_IS_RESPONSE:
		take_response(fleet, device, &msg, out);
		return;
	case COAP_IS_ACK:
	case COAP_IS_RESET:
		take_empty(fleet, device, &msg, parsed);
		return;
	default:
		fleet->tally.ignored++;
	}
}
