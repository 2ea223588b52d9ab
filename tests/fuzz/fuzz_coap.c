/* Any datagram: no byte beyond it is read, and a sound message is rewritten to the same bytes. */
#include <stdlib.h>

#include "dataplane/core/coap/coap_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
rewrite(const struct coap_msg *msg, const uint8_t *data, size_t size)
{
	uint8_t *again = malloc(size);
	struct writer writer = writer_init(again, size);
	struct coap_option_iter iter = coap_options(msg);
	struct coap_option option;
	uint16_t last = 0;

	coap_write_header(&writer, &msg->header);
	while (coap_option_next(&iter, &option))
		coap_write_option(&writer, &last, &option);
	coap_write_payload(&writer, msg->payload, msg->payload_len);
	if (writer_finish(&writer) != size || memcmp(again, data, size) != 0)
		abort();
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct coap_options_seen seen;
	struct coap_msg msg;
	enum coap_parsed parsed = coap_parse(data, size, &msg);

	if (coap_is_malformed(parsed) || parsed == COAP_IS_TOO_SHORT ||
	    parsed == COAP_IS_OTHER_VERSION)
		return 0;
	if (coap_options_check(&msg, &seen) == COAP_OPTIONS_FINE && seen.refused)
		abort();
	(void)coap_path_is(&msg, "a/b/bs");
	rewrite(&msg, data, size);
	return 0;
}
