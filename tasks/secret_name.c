#include "tasks/secret_name.h"

#include <string.h>
#include <strings.h>

bool
secret_name(const char *name, size_t len)
{
	static const char *const words[] = { "password", "passwd", "passphrase", "secret",
					     "psk",      "key",    "token",      "credential" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		size_t word = strlen(words[i]);

		for (size_t at = 0; at + word <= len; at++)
			if (strncasecmp(name + at, words[i], word) == 0)
				return true;
	}
	return false;
}
