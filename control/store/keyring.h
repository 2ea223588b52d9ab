/*
 * keyring.h - key-encryption keys (KEK): what the store's secrets are sealed under, and where they come from.
 *
 * The first key seals, all open: a new one is put in front, the store is sealed anew (`store rekey`), then the old ones
 * can go. A KEK is known by 8 bytes of SHA-256 over a label and it, which stand in every row that it sealed and tell
 * nothing of it.
 *
 * Sources:
 *	/path/to/file        lines of 64 hex digits, '#' begins a remark; a regular file that its owner alone may use
 *	credential:NAME      the same, as systemd hands it over (systemd.exec(5): LoadCredential=, LoadCredentialEncrypted=)
 *	pkcs11:URI           (RFC 7512) a secret key that never leaves its token: it derives the KEK by AES-CMAC in counter
 *	                     mode (NIST SP 800-108r1 4.1); `pin-source` names the file of the PIN
 *
 * Owner: the caller; wipe it. Any thread. Blocks on the disk. Allocates.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { KEK_LEN = 32, KEK_ID_LEN = 8, KEYRING_MAX = 16, KEYRING_ERROR_MAX = 512 };

struct kek {
	uint8_t id[KEK_ID_LEN];
	uint8_t key[KEK_LEN];
};

struct keyring {
	unsigned n; /* 0: nothing is sealed */
	struct kek keks[KEYRING_MAX];
};

/* 0; or -errno and a sentence: what is wrong, where, and the remedy. */
int keyring_load(const char *source, struct keyring *keyring, char error[KEYRING_ERROR_MAX]);
/* From the content of such a file, `name` for the sentence. */
int keyring_parse(const char *name, const char *text, struct keyring *keyring,
		  char error[KEYRING_ERROR_MAX]);
/*
 * Puts a new random key in front of those of the file, or makes the file, mode 0600. 0 and the key's id; or -errno and a
 * sentence, and the file is as it was.
 */
int keyring_add(const char *path, uint8_t id[KEK_ID_LEN], char error[KEYRING_ERROR_MAX]);
/* Whether a source is of a form that there is; what is behind it is not looked at. */
bool keyring_is_source(const char *source);
void keyring_wipe(struct keyring *keyring);

enum { KEK_ID_TEXT_MAX = 2 * KEK_ID_LEN + 1 };
/* In hex. Returns out. */
const char *kek_id_text(const uint8_t id[KEK_ID_LEN], char out[KEK_ID_TEXT_MAX]);
