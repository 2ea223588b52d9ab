/* A traced message as a line: whatever a peer sent, printable and one line. The first byte is the kind, the next two the
 * length that the message had. */
#include <string.h>

#include "control/runs/trace_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
formatter(void *ctx, const struct trace_payload *payload, struct text *out)
{
	unsigned sum = 0;

	for (size_t i = 0; i < payload->len; i++)
		sum += payload->bytes[i];
	if (payload->len > payload->whole)
		__builtin_trap();
	text_printf(out, "%s %u", payload->path, sum);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace_record record = { .step = TRACE_NO_STEP };
	struct text text;

	if (size < 3)
		return 0;
	record.kind = data[0] % 5;
	record.step = data[0] & 0x80 ? 3 : TRACE_NO_STEP;
	/* Longer than what is kept, or exactly it. */
	size = size - 3 < TRACE_BYTES ? size - 3 : TRACE_BYTES;
	memcpy(record.bytes, data + 3, size);
	record.len = (uint16_t)(size + (size == TRACE_BYTES ? data[1] : 0));
	text_init(&text);
	trace_text_put(&record, data[2] & 1 ? formatter : NULL, NULL, &text);
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < 0x20 || text.at[i] > 0x7e)
			__builtin_trap();
	text_fini(&text);
	return 0;
}
