#include "tools/storm/misbehave.h"

#include <string.h>

const struct misbehave_info misbehave_infos[MISBEHAVIOURS] = {
	[MISBEHAVE_NOT] = { "", NULL, NULL, true, "" },
	[MISBEHAVE_HELLO_FLOOD] = { "hello-flood", NULL, "dtls_hello_verify", false,
				    "sends a ClientHello each and is gone: spoofed sources" },
	[MISBEHAVE_NO_COOKIE_ECHO] = { "no-cookie-echo", NULL, "dtls_hello_verify", false,
				       "takes the HelloVerifyRequest and never echoes its cookie" },
	[MISBEHAVE_REPLAY] = { "replay", "coap_rx_duplicate", "dtls_rx_replayed", true,
			       "sends every message twice, byte for byte" },
	[MISBEHAVE_TRUNCATE] = { "truncate", NULL, "dtls_rx_truncated", true,
				 "sends each record cut short, then whole" },
	[MISBEHAVE_CORRUPT_RECORD] = { "corrupt-record", NULL, "dtls_rx_bad_tag", true,
				       "sends each record with a wrong tag, then right" },
	[MISBEHAVE_WRONG_KEY] = { "wrong-key", NULL, "dtls_failed_key", false, "has another key" },
	[MISBEHAVE_UNKNOWN_IDENTITY] = { "unknown-identity", NULL, "dtls_failed_identity", false,
					 "has an unknown identity" },
	[MISBEHAVE_NEVER_ACK] = { "never-ack", "bs_failed_timeout", "bs_failed_timeout", false,
				  "never answers the first operation" },
	[MISBEHAVE_SLOW_ACK] = { "slow-ack", "coap_tx_retransmit", "coap_tx_retransmit", true,
				 "answers each operation --slow-ack-ms late" },
	[MISBEHAVE_ERROR_REPLY] = { "error-reply", "bs_failed_reply", "bs_failed_reply", false,
				    "answers the first operation 4.00" },
	[MISBEHAVE_RESET] = { "reset", "bs_held", "bs_held", false,
			      "answers the first operation with Reset" },
	[MISBEHAVE_REBOOT] = { "reboot", "bs_superseded", "dtls_replaced", true,
			       "begins anew at the first operation: same port, same message ids" },
	[MISBEHAVE_REBIND] = { "rebind", "coap_no_session", "dtls_rx_no_session", false,
			       "answers the first operation from another port" },
	[MISBEHAVE_MALFORMED] = { "malformed", "coap_rx_malformed", "coap_rx_malformed", true,
				  "sends a CoAP message with a format error first" },
};

enum misbehave
misbehave_by_name(const char *name)
{
	for (int i = MISBEHAVE_NOT + 1; i < MISBEHAVIOURS; i++)
		if (strcmp(misbehave_infos[i].name, name) == 0)
			return (enum misbehave)i;
	return MISBEHAVE_NOT;
}
