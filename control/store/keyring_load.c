/* Where a keyring comes from, by the form of its source. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/store/keyring_private.h"

#define CREDENTIAL "credential:"
#define TOKEN "pkcs11:"

static int
load_file(const char *path, struct keyring *keyring, char error[KEYRING_ERROR_MAX])
{
	int result;
	char *text = keyring_read_file(path, &result, error);

	if (text)
		result = keyring_parse(path, text, keyring, error);
	keyring_free_text(text);
	return result;
}

static int
load_credential(const char *name, struct keyring *keyring, char error[KEYRING_ERROR_MAX])
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX];

	if (!folder)
		return keyring_refuse(error, -ENOENT, name,
				      "no credentials were handed over: the unit needs "
				      "LoadCredential= or LoadCredentialEncrypted= of this name");
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return load_file(path, keyring, error);
}

bool
keyring_is_source(const char *source)
{
	if (strncmp(source, CREDENTIAL, sizeof CREDENTIAL - 1) == 0)
		return source[sizeof CREDENTIAL - 1] && !strchr(source, '/');
	return *source == '/' || strncmp(source, TOKEN, sizeof TOKEN - 1) == 0;
}

int
keyring_load(const char *source, struct keyring *keyring, char error[KEYRING_ERROR_MAX])
{
	*keyring = (struct keyring){ 0 };
	if (!keyring_is_source(source))
		return keyring_refuse(error, -EINVAL, source,
				      "a KEK comes from /FILE, credential:NAME or pkcs11:URI");
	if (*source == '/')
		return load_file(source, keyring, error);
	if (*source == 'c')
		return load_credential(source + sizeof CREDENTIAL - 1, keyring, error);
	return keyring_load_token(source, keyring, error);
}
