#include "tools/storm/device_pack.h"

#include <string.h>

#include "tools/storm/device_internal.h"

bool
device_wants_pack(const struct fleet *fleet, const struct device *device)
{
	return mix_has(&fleet->settings.mix, MIX_PACK, device_number(fleet, device));
}

void
device_pack_begin(struct fleet *fleet, struct device *device)
{
	device->block_at = 0;
	device->pack_szx = device_szx(fleet, device);
	device->etag_len = 0;
}

/* What --pct says where a pack can be in it (OMA Core TS 6.1.7.2: it holds several objects, which TLV
 * cannot), else SenML CBOR. */
static uint16_t
pack_format(const struct fleet *fleet)
{
	switch (fleet->settings.format) {
	case FORMAT_SENML_JSON:
	case FORMAT_LWM2M_CBOR:
		return (uint16_t)fleet->settings.format;
	default:
		return FORMAT_SENML_CBOR;
	}
}

void
device_pack_write_options(const struct fleet *fleet, const struct device *device,
			  const struct coap_option *name, struct writer *out)
{
	const struct coap_block due = { .num = device->block_at / coap_block_size(device->pack_szx),
					.szx = device->pack_szx };
	uint16_t last = 0;

	coap_write_option_text(out, &last, COAP_OPTION_URI_PATH, "bspack");
	coap_write_option(out, &last, name);
	coap_write_option_uint(out, &last, COAP_OPTION_ACCEPT, pack_format(fleet));
	if (due.num || due.szx < COAP_SZX_MAX)
		coap_write_option_uint(out, &last, COAP_OPTION_BLOCK2, coap_block_encode(&due));
}

/* The one of the block before; any with the first. */
static bool
same_etag(struct device *device, const struct coap_options_seen *seen)
{
	uint8_t len = seen->has & COAP_HAS_ETAG ? (uint8_t)seen->etag.len : 0;

	if (device->block_at)
		return len == device->etag_len &&
		       (!len || memcmp(device->etag, seen->etag.value, len) == 0);
	if (len > sizeof device->etag)
		return false;
	device->etag_len = len;
	if (len)
		memcpy(device->etag, seen->etag.value, len);
	return true;
}

/* The block that is due, in its size or in a smaller one, and full unless it is the last. */
static bool
read_block(const struct device *device, const struct coap_msg *msg,
	   const struct coap_options_seen *seen, struct coap_block *block)
{
	*block = (struct coap_block){ .szx = device->pack_szx };
	if (!(seen->has & COAP_HAS_BLOCK2))
		return device->block_at == 0;
	return coap_block_decode(seen->block2, block) == 0 && block->szx <= device->pack_szx &&
	       (uint64_t)block->num * coap_block_size(block->szx) == device->block_at &&
	       msg->payload_len <= coap_block_size(block->szx) &&
	       (!block->more || msg->payload_len == coap_block_size(block->szx));
}

static bool
as_expected(struct fleet *fleet, struct device *device, const struct coap_msg *msg, bool last)
{
	static const char path[] = EXPECT_PACK;
	int line = expect_find(fleet->expect, path, sizeof path - 1, false);
	char endpoint[NAMES_ENDPOINT_MAX];
	size_t len = names_endpoint(fleet->names, device_number(fleet, device), endpoint);
	const struct expect_part part = { .bytes = msg->payload,
					  .len = msg->payload_len,
					  .offset = device->block_at,
					  .last = last };

	if (fleet->lesson)
		lesson_write(fleet->lesson, path, sizeof path - 1, endpoint, len, &part);
	if (!fleet->expect->n)
		return true;
	return line >= 0 && expect_matches(&fleet->expect->lines[line], endpoint, len, &part);
}

enum device_pack_taken
device_pack_take(struct fleet *fleet, struct device *device, const struct coap_msg *msg)
{
	struct coap_options_seen seen;
	struct coap_block block;

	if (msg->header.code != COAP_CONTENT ||
	    coap_options_check(msg, &seen) != COAP_OPTIONS_FINE ||
	    !(seen.has & COAP_HAS_CONTENT_FORMAT) || seen.content_format != pack_format(fleet) ||
	    !read_block(device, msg, &seen, &block) || !same_etag(device, &seen) ||
	    !as_expected(fleet, device, msg, !block.more))
		return DEVICE_PACK_WRONG;
	fleet->tally.blocks += (seen.has & COAP_HAS_BLOCK2) != 0;
	if (!block.more) {
		fleet->tally.packs++;
		return DEVICE_PACK_WHOLE;
	}
	device->block_at += (uint32_t)msg->payload_len;
	device->pack_szx = block.szx;
	return DEVICE_PACK_MORE;
}
