/*
 * keyring_private.h - what the sources of a keyring share; for keyring*.c alone.
 */
#pragma once

#include "control/store/keyring.h"

/* Another key behind the others, which gets its id. 0 or -errno and a sentence. */
int keyring_take(struct keyring *keyring, const uint8_t key[KEK_LEN], const char *name,
		 char error[KEYRING_ERROR_MAX]);
/* A sentence, and `result`. */
int keyring_refuse(char error[KEYRING_ERROR_MAX], int result, const char *name, const char *why);
/* The whole of a file that its owner alone may use, for keyring_free_text(), which wipes it; NULL and a sentence. */
char *keyring_read_file(const char *path, int *result, char error[KEYRING_ERROR_MAX]);
void keyring_free_text(char *text); /* NULL: nothing */
/* From a token. */
int keyring_load_token(const char *uri, struct keyring *keyring, char error[KEYRING_ERROR_MAX]);
