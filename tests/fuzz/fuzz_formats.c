/* decode: what one format says, every other says, too. */
#include "tests/fuzz/decode_fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum content_format formats[] = { FORMAT_TLV,        FORMAT_SENML_JSON,
						       FORMAT_SENML_CBOR, FORMAT_LWM2M_CBOR,
						       FORMAT_TEXT,       FORMAT_CBOR };
	struct objects *objects = objects_new();
	struct decode_input input = { .objects = objects };
	struct lwm2m_records records;
	struct arena arena;

	arena_init(&arena, 8 << 20);
	if (size >= FUZZ_HEADER) {
		input.format = formats[data[0] / 8 % 6];
		input.target = fuzz_target(data);
		input.bytes = data + FUZZ_HEADER;
		input.len = size - FUZZ_HEADER;
		if (!content_decode(&input, &arena, &records))
			for (size_t i = 0; i < 6; i++)
				fuzz_round_trip(&input, &records, formats[i], &arena);
	}
	arena_fini(&arena);
	objects_free(objects);
	return 0;
}
