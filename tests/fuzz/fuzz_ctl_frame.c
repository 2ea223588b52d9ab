/* Frames of the control socket, fed in pieces: the first byte says how large. */
#include <stdint.h>
#include <stdlib.h>

#include "control/socket/ctl_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ctl_reader reader;
	size_t step = size ? data[0] % 64 + 1 : 1;
	json_t *frame;
	int got = 0;

	ctl_reader_init(&reader);
	for (size_t at = 1; at < size && got >= 0; at += step) {
		if (ctl_reader_feed(&reader, data + at, size - at < step ? size - at : step))
			break;
		while ((got = ctl_reader_next(&reader, &frame)) == 1) {
			size_t len;

			free(ctl_frame_encode(frame, &len));
			json_decref(frame);
		}
	}
	ctl_reader_fini(&reader);
	return 0;
}
