#include "tasks/encode.h"

#include <errno.h>
#include <string.h>

void
bytes_out_init(struct bytes_out *out, uint8_t *at, size_t size)
{
	*out = (struct bytes_out){ .at = at, .size = size };
}

void
bytes_out_put(struct bytes_out *out, const void *bytes, size_t len)
{
	if (len > out->size - out->len) {
		out->overflow = true;
		return;
	}
	if (len)
		memcpy(out->at + out->len, bytes, len);
	out->len += len;
}

void
bytes_out_u8(struct bytes_out *out, uint8_t byte)
{
	bytes_out_put(out, &byte, 1);
}
