/*
 * dtls_defs.h - DTLS 1.2 on the wire: numbers, sizes and layouts (RFC 6347, RFC 5246, RFC 9146).
 *
 * Record (RFC 6347 4.1). With a connection id (RFC 9146 4) the type is 25 and the id stands before
 * the length:
 *
 *	 0      1         3       5            11       13
 *	+------+---------+-------+------------+--------+----------
 *	| type | version | epoch | sequence   | length | fragment
 *	+------+---------+-------+------------+--------+----------
 *	 0      1         3       5            11    11+n    13+n
 *	+------+---------+-------+------------+------+--------+----------
 *	| 25   | version | epoch | sequence   | cid  | length | fragment
 *	+------+---------+-------+------------+------+--------+----------
 *
 * Fragment under an AEAD (RFC 6655 3, RFC 5288 3, RFC 5246 6.2.3.3); explicit nonce = epoch and
 * sequence; the tag has 8 bytes under AES-128-CCM-8, 16 under AES-128-CCM and AES-128-GCM:
 *
 *	 0                8              length-tag
 *	+----------------+--------------+---------+
 *	| explicit nonce | ciphertext   | tag     |
 *	+----------------+--------------+---------+
 *
 * under AES-128-CBC with HMAC-SHA-256: crypto.h.
 *
 * Handshake message (RFC 6347 4.2.2):
 *
 *	 0      1        4             6                 9                 12
 *	+------+--------+-------------+-----------------+-----------------+------
 *	| type | length | message_seq | fragment_offset | fragment_length | body
 *	+------+--------+-------------+-----------------+-----------------+------
 */
#pragma once

enum dtls_sizes {
	DTLS_RECORD_HEADER = 13,
	DTLS_HANDSHAKE_HEADER = 12,
	DTLS_RANDOM = 32,
	DTLS_SESSION_ID_MAX = 32,
	DTLS_VERIFY_DATA = 12,
	DTLS_MASTER_SECRET = 48,
	DTLS_HASH = 32, /* SHA-256: the hash of every suite we take */
	DTLS_KEY = 16,
	DTLS_IMPLICIT_IV = 4,
	DTLS_EXPLICIT_NONCE = 8,
	DTLS_TAG = 8, /* of AES-128-CCM-8 */
	DTLS_LONG_TAG = 16,
	DTLS_NONCE = DTLS_IMPLICIT_IV + DTLS_EXPLICIT_NONCE,
	DTLS_ALERT_BODY = 2,
	DTLS_COOKIE = 16, /* of ours; 16 is what the smallest client keeps room for */
	DTLS_CID = 8,     /* of ours, see dtls_handshake.h */
	DTLS_PEER_CID_MAX =
		32, /* longer ones are not negotiated: RFC 9146 leaves that to the server */
};

enum dtls_version {
	DTLS_1_0 = 0xfeff,
	DTLS_1_2 = 0xfefd,
	DTLS_MAJOR = 0xfe, /* one's complement of 1: any 0xFExx opens a ClientHello's record */
};

enum dtls_content_type {
	DTLS_CHANGE_CIPHER_SPEC = 20,
	DTLS_ALERT_RECORD = 21,
	DTLS_HANDSHAKE = 22,
	DTLS_APPLICATION_DATA = 23,
	DTLS_TLS12_CID = 25, /* RFC 9146 4 */
};

enum dtls_handshake_type {
	DTLS_HELLO_REQUEST = 0,
	DTLS_CLIENT_HELLO = 1,
	DTLS_SERVER_HELLO = 2,
	DTLS_HELLO_VERIFY_REQUEST = 3,
	DTLS_CERTIFICATE = 11,
	DTLS_SERVER_KEY_EXCHANGE = 12,
	DTLS_CERTIFICATE_REQUEST = 13,
	DTLS_SERVER_HELLO_DONE = 14,
	DTLS_CERTIFICATE_VERIFY = 15,
	DTLS_CLIENT_KEY_EXCHANGE = 16,
	DTLS_FINISHED = 20,
};

enum dtls_suite {
	DTLS_PSK_AES_128_CBC_SHA256 = 0x00ae,
	DTLS_EMPTY_RENEGOTIATION_INFO_SCSV = 0x00ff,  /* RFC 5746 3.3 */
	DTLS_ECDHE_ECDSA_AES_128_CBC_SHA256 = 0xc023, /* RFC 5289 3.1 */
	DTLS_ECDHE_ECDSA_AES_128_GCM_SHA256 = 0xc02b, /* RFC 5289 3.2 */
	DTLS_PSK_AES_128_CCM_8 = 0xc0a8,              /* RFC 6655 4 */
	DTLS_ECDHE_ECDSA_AES_128_CCM = 0xc0ac,        /* RFC 7251 2 */
	DTLS_ECDHE_ECDSA_AES_128_CCM_8 = 0xc0ae,
};

/* Of elliptic curves: one group, one signature, one form of points (RFC 7925 4.4, RFC 8422). */
enum dtls_curve {
	DTLS_NAMED_CURVE = 3,        /* RFC 8422 5.4 */
	DTLS_SECP256R1 = 23,         /* RFC 8422 5.1.1 */
	DTLS_UNCOMPRESSED = 0,       /* RFC 8422 5.1.2 */
	DTLS_ECDSA_SHA256 = 0x0403,  /* RFC 5246 7.4.1.4.1: sha256(4), ecdsa(3) */
	DTLS_ECDSA_SIGN = 64,        /* RFC 8422 5.5: a certificate type of CertificateRequest */
	DTLS_POINT = 65,             /* 4, X, Y (SEC 1 2.3.3) */
	DTLS_POINT_UNCOMPRESSED = 4, /* its first byte */
	DTLS_SIGNATURE_MIN = 8,      /* of ECDSA over P-256, as DER: SEQUENCE of two INTEGERs */
	DTLS_SIGNATURE_MAX = 72,
	DTLS_OTHER_SIGNATURE_MAX = 139, /* of P-521: who has such a key is told of by its name */
	DTLS_SERVER_NAME_MAX = 255,     /* RFC 1035 2.3.4 */
};

enum dtls_certificate_type { DTLS_X509 = 0, DTLS_RAW_PUBLIC_KEY = 2 }; /* RFC 7250 6 */

enum dtls_extension {
	DTLS_EXT_SERVER_NAME = 0,              /* RFC 6066 3 */
	DTLS_EXT_MAX_FRAGMENT_LENGTH = 1,      /* RFC 6066 4 */
	DTLS_EXT_SUPPORTED_GROUPS = 10,        /* RFC 8422 5.1.1 */
	DTLS_EXT_EC_POINT_FORMATS = 11,        /* RFC 8422 5.1.2 */
	DTLS_EXT_SIGNATURE_ALGORITHMS = 13,    /* RFC 5246 7.4.1.4.1 */
	DTLS_EXT_CLIENT_CERTIFICATE_TYPE = 19, /* RFC 7250 3 */
	DTLS_EXT_SERVER_CERTIFICATE_TYPE = 20,
	DTLS_EXT_ENCRYPT_THEN_MAC = 22,       /* RFC 7366 2 */
	DTLS_EXT_EXTENDED_MASTER_SECRET = 23, /* RFC 7627 5.1 */
	DTLS_EXT_CONNECTION_ID =
		54, /* RFC 9146 3; the drafts' 53 and 254 have another MAC and are unknown here */
	DTLS_EXT_RENEGOTIATION_INFO = 0xff01, /* RFC 5746 3.2 */
};

enum dtls_max_fragment { /* RFC 6066 4: 2^9 to 2^12 */
			 DTLS_MAX_FRAGMENT_512 = 1,
			 DTLS_MAX_FRAGMENT_4096 = 4,
};

enum dtls_alert_level { DTLS_WARNING = 1, DTLS_FATAL = 2 };

enum dtls_alert {                      /* RFC 5246 7.2 */
		  DTLS_NO_ALERT = 255, /* of ours: nothing to send */
		  DTLS_CLOSE_NOTIFY = 0,
		  DTLS_UNEXPECTED_MESSAGE = 10,
		  DTLS_HANDSHAKE_FAILURE = 40,
		  DTLS_ILLEGAL_PARAMETER = 47,
		  DTLS_DECODE_ERROR = 50,
		  DTLS_DECRYPT_ERROR = 51,
		  DTLS_PROTOCOL_VERSION = 70,
		  DTLS_INTERNAL_ERROR = 80,
		  DTLS_USER_CANCELED = 90,
		  DTLS_NO_RENEGOTIATION = 100,
};
