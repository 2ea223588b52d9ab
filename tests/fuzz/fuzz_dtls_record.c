/*
 * Any datagram: records lie within it, and none of them opens under a key that sealed nothing. The
 * first byte says whether the association has a connection id.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/core/dtls/dtls_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dtls_session session = { .keys = { .client_key = "never used here" } };
	struct counters counters = { 0 };
	struct dtls_opening opening = { .session = &session };
	struct dtls_walk walk;
	uint8_t *datagram;

	if (size < 1)
		return 0;
	session.has_cid = data[0] & 1;
	memcpy(session.cid, "12345678", DTLS_CID);
	datagram = malloc(size - 1 ? size - 1 : 1);
	memcpy(datagram, data + 1, size - 1);
	walk = (struct dtls_walk){ datagram, datagram + size - 1 };
	while (dtls_record_next(&walk, &opening.record, &counters)) {
		if (opening.record.fragment + opening.record.length != walk.at ||
		    walk.at > walk.end)
			abort();
		dtls_open(crypto_select(), &opening, 1);
		if (opening.outcome == COUNTER_dtls_rx_opened || session.window.top)
			abort();
	}
	if (memcmp(datagram, data + 1, size - 1) != 0)
		abort(); /* what does not open stays as it came */
	free(datagram);
	return 0;
}
