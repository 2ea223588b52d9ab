#include "tools/storm/misbehave.h"

#include <string.h>

#include "dataplane/core/dtls/dtls_defs.h"

/* The same counter whatever there is below: CoAP's, and those of records. */
#define EVERYWHERE(counter)                                                                        \
	{                                                                                          \
		counter, counter, counter, counter                                                 \
	}
#define OVER_DTLS(counter)                                                                         \
	{                                                                                          \
		NULL, counter, counter, counter                                                    \
	}
#define WITH_KEYS(x509, rpk)                                                                       \
	{                                                                                          \
		NULL, NULL, x509, rpk                                                              \
	}

const char *const security_names[SECURITIES] = { "nosec", "psk", "x509", "rpk" };
const char *const security_titles[SECURITIES] = { "NoSec", "PSK", "X.509", "raw public keys" };

const struct misbehave_info misbehave_infos[MISBEHAVIOURS] = {
	[MISBEHAVE_NOT] = { "", EVERYWHERE(NULL), ANSWER_SERVES, "" },
	[MISBEHAVE_HELLO_FLOOD] = { "hello-flood", OVER_DTLS("dtls_hello_verify"), ANSWER_OTHER,
				    "sends a ClientHello each and is gone: spoofed sources" },
	[MISBEHAVE_NO_COOKIE_ECHO] = { "no-cookie-echo", OVER_DTLS("dtls_hello_verify"),
				       ANSWER_OTHER,
				       "takes the HelloVerifyRequest and never echoes its cookie" },
	[MISBEHAVE_HALF_OPEN] = { "half-open", OVER_DTLS("dtls_started"), ANSWER_OTHER,
				  "echoes the cookie and is gone: a handshake that stays open" },
	[MISBEHAVE_REPLAY] = { "replay",
			       { "coap_rx_duplicate", "dtls_rx_replayed", "dtls_rx_replayed",
				 "dtls_rx_replayed" },
			       ANSWER_SERVES,
			       "sends every message twice, byte for byte" },
	[MISBEHAVE_TRUNCATE] = { "truncate", OVER_DTLS("dtls_rx_truncated"), ANSWER_SERVES,
				 "sends each record cut short, then whole" },
	[MISBEHAVE_CORRUPT_RECORD] = { "corrupt-record", OVER_DTLS("dtls_rx_bad_tag"),
				       ANSWER_SERVES,
				       "sends each record with a wrong tag, then right" },
	[MISBEHAVE_WRONG_KEY] = { "wrong-key",
				  { NULL, "dtls_failed_key", NULL, NULL },
				  ANSWER_DECRYPT,
				  "has another key" },
	[MISBEHAVE_UNKNOWN_IDENTITY] = { "unknown-identity",
					 { NULL, "dtls_failed_identity", "dtls_certificate_unknown",
					   "dtls_certificate_unknown_key" },
					 ANSWER_UNKNOWN,
					 "has the identity, the certificate or the key of nobody" },
	[MISBEHAVE_NEVER_ACK] = { "never-ack", EVERYWHERE("bs_failed_timeout"), ANSWER_OTHER,
				  "never answers the first operation" },
	[MISBEHAVE_SLOW_ACK] = { "slow-ack", EVERYWHERE("coap_tx_retransmit"), ANSWER_SERVES,
				 "answers each operation --slow-ack-ms late" },
	[MISBEHAVE_ERROR_REPLY] = { "error-reply", EVERYWHERE("bs_failed_reply"), ANSWER_OTHER,
				    "answers the first operation 4.00" },
	[MISBEHAVE_RESET] = { "reset", EVERYWHERE("bs_held"), ANSWER_OTHER,
			      "answers the first operation with Reset" },
	[MISBEHAVE_REBOOT] = { "reboot",
			       { "bs_superseded", "dtls_replaced", "dtls_replaced",
				 "dtls_replaced" },
			       ANSWER_SERVES,
			       "begins anew at the first operation: same port, same message ids" },
	[MISBEHAVE_REBIND] = { "rebind",
			       { "coap_no_session", "dtls_rx_no_session", "dtls_rx_no_session",
				 "dtls_rx_no_session" },
			       ANSWER_OTHER,
			       "answers the first operation from another port" },
	[MISBEHAVE_MALFORMED] = { "malformed", EVERYWHERE("coap_rx_malformed"), ANSWER_SERVES,
				  "sends a CoAP message with a format error first" },
	[MISBEHAVE_NAME_OF_ANOTHER] = { "name-of-another", OVER_DTLS("bs_refused_identity"),
					ANSWER_BAD_REQUEST,
					"asks under the endpoint name of another device" },
	[MISBEHAVE_WRONG_CA] = { "wrong-ca", WITH_KEYS("dtls_certificate_issuer", NULL),
				 ANSWER_FAILURE,
				 "has a certificate of another authority of the same name" },
	[MISBEHAVE_EXPIRED] = { "expired", WITH_KEYS("dtls_certificate_expired", NULL),
				ANSWER_FAILURE, "has a certificate that ended years ago" },
	[MISBEHAVE_WRONG_USAGE] = { "wrong-usage", WITH_KEYS("dtls_certificate_purpose", NULL),
				    ANSWER_FAILURE, "has a certificate for servers" },
	[MISBEHAVE_BROKEN_SIGNATURE] = { "broken-signature",
					 WITH_KEYS("dtls_certificate_signature",
						   "dtls_certificate_signature"),
					 ANSWER_DECRYPT, "signs its handshake with a wrong bit" },
	[MISBEHAVE_LONG_CHAIN] = { "long-chain", WITH_KEYS("dtls_certificate_size", NULL),
				   ANSWER_FAILURE, "shows a chain of 64 KB" },
	[MISBEHAVE_ONE_BYTE_FRAGMENTS] = { "one-byte-fragments",
					   WITH_KEYS("dtls_finished", "dtls_finished"),
					   ANSWER_SERVES,
					   "sends its certificate in fragments of a byte each" },
};

int
misbehave_alert(enum misbehave misbehave, enum security security)
{
	switch (misbehave_infos[misbehave].answer) {
	case ANSWER_FAILURE:
		return DTLS_HANDSHAKE_FAILURE;
	case ANSWER_DECRYPT:
		return DTLS_DECRYPT_ERROR;
	case ANSWER_UNKNOWN:
		return security == SECURITY_PSK ? DTLS_DECRYPT_ERROR : DTLS_HANDSHAKE_FAILURE;
	default:
		return -1;
	}
}

enum misbehave
misbehave_by_name(const char *name)
{
	for (int i = MISBEHAVE_NOT + 1; i < MISBEHAVIOURS; i++)
		if (strcmp(misbehave_infos[i].name, name) == 0)
			return (enum misbehave)i;
	return MISBEHAVE_NOT;
}
