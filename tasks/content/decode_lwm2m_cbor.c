/*
 * decode_lwm2m_cbor.c - application/vnd.oma.lwm2m+cbor (OMA TS Core 7.4.6), and CBOR of one value (7.4.7).
 *
 * A map's key is an id or an array of ids, relative to the map around it; the first id is always the object's.
 * Every map adds at least one of at most four ids, so recursion is bounded. Empty maps are illegal, and so is
 * what comes twice. Null is the value of an executable and says nothing.
 */
#include <errno.h>
#include <string.h>

#include "tasks/content/cbor_read.h"
#include "tasks/content/decode_internal.h"

enum { LEVELS = 4, TAG_EPOCH_TIME = 1 };

struct place_ids {
	int32_t ids[LEVELS];
	unsigned count;
};

static bool
add_id(struct place_ids *place, const struct cbor_item *item)
{
	if (item->kind != CBOR_ITEM_UNSIGNED || item->argument > UINT16_MAX ||
	    place->count == LEVELS)
		return false;
	place->ids[place->count++] = (int32_t)item->argument;
	return true;
}

/* An id or an array of some. */
static bool
read_key(struct cbor_reader *reader, struct place_ids *place)
{
	struct cbor_item key, id;
	unsigned before = place->count;
	uint64_t left;

	if (!cbor_read(reader, &key))
		return false;
	if (key.kind != CBOR_ITEM_ARRAY)
		return add_id(place, &key);
	for (left = key.argument; cbor_more(reader, &key, &left);)
		if (!cbor_read(reader, &id) || !add_id(place, &id))
			return false;
	return place->count > before;
}

/* A tagged time is a number like any other. */
static bool
read_scalar(struct cbor_reader *reader, struct cbor_item *item)
{
	if (item->kind != CBOR_ITEM_TAG)
		return true;
	return item->argument == TAG_EPOCH_TIME && cbor_read(reader, item) &&
	       (item->kind <= CBOR_ITEM_NEGATIVE || item->kind == CBOR_ITEM_REAL);
}

static bool
add_value(struct cbor_reader *reader, const struct lwm2m_path *path, struct cbor_item *item)
{
	struct decoder *decoder = reader->decoder;
	struct wire_value value;
	int type;

	if (item->kind == CBOR_ITEM_NULL) {
		type = decoder_type(decoder, path);
		return type < 0 || type == LWM2M_NONE;
	}
	return read_scalar(reader, item) && cbor_wire(item, &value) &&
	       decoder_add_wire(decoder, path, &value);
}

static bool read_map(struct cbor_reader *reader, const struct cbor_item *map,
		     const struct place_ids *around);

static bool
read_entry(struct cbor_reader *reader, const struct place_ids *around)
{
	struct place_ids place = *around;
	struct cbor_item item;

	if (!read_key(reader, &place) || !cbor_read(reader, &item))
		return false;
	if (item.kind == CBOR_ITEM_MAP)
		return read_map(reader, &item, &place);
	return place.count >= 3 &&
	       add_value(reader,
			 &(struct lwm2m_path){ place.ids[0], place.ids[1], place.ids[2],
					       place.count == LEVELS ? place.ids[3] : -1 },
			 &item);
}

static bool
read_map(struct cbor_reader *reader, const struct cbor_item *map, const struct place_ids *around)
{
	uint64_t left = map->argument;
	bool some = false;

	if (around->count == LEVELS)
		return false;
	for (; cbor_more(reader, map, &left); some = true)
		if (!read_entry(reader, around))
			return false;
	return some;
}

bool
lwm2m_cbor_decode(struct decoder *decoder)
{
	struct cbor_reader reader = { decoder, decoder->input->bytes,
				      decoder->input->bytes + decoder->input->len };
	const struct place_ids nowhere = { .count = 0 };
	struct cbor_item map;

	return cbor_read(&reader, &map) && map.kind == CBOR_ITEM_MAP &&
	       read_map(&reader, &map, &nowhere) && reader.at == reader.end && !decoder->error;
}

bool
cbor_decode(struct decoder *decoder)
{
	struct cbor_reader reader = { decoder, decoder->input->bytes,
				      decoder->input->bytes + decoder->input->len };
	struct cbor_item item;

	if (decoder->input->target.resource < 0)
		return decoder_fail(decoder, -EBADMSG);
	return cbor_read(&reader, &item) && item.kind != CBOR_ITEM_NULL &&
	       add_value(&reader, &decoder->input->target, &item) && reader.at == reader.end;
}
