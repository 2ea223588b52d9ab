#include "control/store/keyring.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/file_replace.h"
#include "control/store/keyring_private.h"
#include "tasks/digest.h"

enum { FILE_MAX = 16384, HEX_LEN = 2 * KEK_LEN };

int
keyring_refuse(char error[KEYRING_ERROR_MAX], int result, const char *name, const char *why)
{
	snprintf(error, KEYRING_ERROR_MAX, "%.300s: %s", name, why);
	return result;
}

void
keyring_wipe(struct keyring *keyring)
{
	explicit_bzero(keyring, sizeof *keyring);
}

const char *
kek_id_text(const uint8_t id[KEK_ID_LEN], char out[KEK_ID_TEXT_MAX])
{
	for (unsigned i = 0; i < KEK_ID_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", id[i]);
	return out;
}

int
keyring_take(struct keyring *keyring, const uint8_t key[KEK_LEN], const char *name,
	     char error[KEYRING_ERROR_MAX])
{
	static const char label[] = "cradle key-encryption key";
	uint8_t message[sizeof label + KEK_LEN], digest[DIGEST_MAX];
	struct kek *kek = &keyring->keks[keyring->n];
	size_t len;

	if (keyring->n == KEYRING_MAX)
		return keyring_refuse(error, -E2BIG, name,
				      "more than 16 keys: take out those that seal nothing any more");
	memcpy(message, label, sizeof label);
	memcpy(message + sizeof label, key, KEK_LEN);
	len = digest_bytes(DIGEST_SHA256, (struct digest_span){ message, sizeof message }, digest);
	explicit_bzero(message, sizeof message);
	if (!len)
		return keyring_refuse(error, -ENOMEM, name, "out of memory");
	memcpy(kek->key, key, KEK_LEN);
	memcpy(kek->id, digest, KEK_ID_LEN);
	keyring->n++;
	return 0;
}

/* ---- files ---- */

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: it is no key. */
static bool
parse_key(const char *text, size_t len, uint8_t key[KEK_LEN])
{
	if (len != HEX_LEN)
		return false;
	for (size_t i = 0; i < HEX_LEN; i += 2) {
		int high = nibble((char)tolower((unsigned char)text[i]));
		int low = nibble((char)tolower((unsigned char)text[i + 1]));

		if (high < 0 || low < 0)
			return false;
		key[i / 2] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int
take_line(struct keyring *keyring, const char *line, size_t len, const char *name,
	  char error[KEYRING_ERROR_MAX])
{
	const char *remark = memchr(line, '#', len);
	uint8_t key[KEK_LEN];
	int result;

	len = remark ? (size_t)(remark - line) : len;
	while (len && isspace((unsigned char)*line)) {
		line++;
		len--;
	}
	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	if (!len)
		return 0;
	result = parse_key(line, len, key)
			 ? keyring_take(keyring, key, name, error)
			 : keyring_refuse(error, -EINVAL, name,
					  "a key is a line of 64 hex digits; `cradled --make-kek FILE` "
					  "makes one");
	explicit_bzero(key, sizeof key);
	return result;
}

int
keyring_parse(const char *name, const char *text, struct keyring *keyring,
	      char error[KEYRING_ERROR_MAX])
{
	int result = 0;

	*keyring = (struct keyring){ 0 };
	while (*text && !result) {
		size_t len = strcspn(text, "\n");

		result = take_line(keyring, text, len, name, error);
		text += len + (text[len] == '\n');
	}
	if (!result && !keyring->n)
		result = keyring_refuse(error, -EINVAL, name, "there is no key in it");
	if (result)
		keyring_wipe(keyring);
	return result;
}

/* 0 or -errno and a sentence. */
static int
check_mode(int fd, const char *path, char error[KEYRING_ERROR_MAX])
{
	struct stat found;

	if (fstat(fd, &found) < 0)
		return keyring_refuse(error, -errno, path, strerror(errno));
	if (!S_ISREG(found.st_mode))
		return keyring_refuse(error, -EINVAL, path, "not a regular file");
	if (found.st_mode & 077)
		return keyring_refuse(error, -EPERM, path,
				      "others than its owner may use it: chmod 600");
	return 0;
}

char *
keyring_read_file(const char *path, int *result, char error[KEYRING_ERROR_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	ssize_t len = 0;

	*result = fd < 0 ? keyring_refuse(error, -errno, path, strerror(errno))
			 : check_mode(fd, path, error);
	if (!*result) {
		text = calloc(1, FILE_MAX + 1);
		len = text ? read(fd, text, FILE_MAX + 1) : -1;
		if (len < 0)
			*result = keyring_refuse(error, -errno, path, strerror(errno));
		else if (len > FILE_MAX)
			*result = keyring_refuse(error, -EFBIG, path, "too long");
		else if (strlen(text) < (size_t)len)
			*result = keyring_refuse(error, -EINVAL, path,
						 "a NUL byte in it: this is no file of keys");
	}
	if (fd >= 0)
		close(fd);
	if (*result && text) {
		explicit_bzero(text, FILE_MAX + 1);
		free(text);
		text = NULL;
	}
	return text;
}

void
keyring_free_text(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* ---- a new one ---- */

/* The new key's line, then what was there. 0 or -errno. */
static int
write_in_front(const char *path, const uint8_t key[KEK_LEN], const char *old)
{
	size_t len = HEX_LEN + 1 + strlen(old);
	char *text = malloc(len + 1);
	int result;

	if (!text)
		return -ENOMEM;
	for (unsigned i = 0; i < KEK_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", key[i]);
	snprintf(text + HEX_LEN, len + 1 - HEX_LEN, "\n%s", old);
	result = file_replace_private(path, text, len);
	explicit_bzero(text, len);
	free(text);
	return result;
}

/* Of a new file, so that it never was anybody else's; false: it cannot be made. */
static bool
make_empty(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int
add_key(const char *path, const char *old, uint8_t id[KEK_ID_LEN], char error[KEYRING_ERROR_MAX])
{
	struct keyring keyring = { 0 };
	uint8_t key[KEK_LEN];
	int result = 0;

	if (*old)
		result = keyring_parse(path, old, &keyring, error);
	if (!result && strlen(old) + HEX_LEN + 1 > FILE_MAX)
		result = keyring_refuse(error, -EFBIG, path,
					"no room for another key: take out remarks");
	if (!result && getrandom(key, sizeof key, 0) != sizeof key)
		result = keyring_refuse(error, -EIO, path, "no random bytes");
	if (!result)
		result = keyring_take(&keyring, key, path, error);
	if (!result) {
		memcpy(id, keyring.keks[keyring.n - 1].id, KEK_ID_LEN);
		result = write_in_front(path, key, old);
		if (result < 0)
			keyring_refuse(error, result, path, strerror(-result));
	}
	explicit_bzero(key, sizeof key);
	keyring_wipe(&keyring);
	return result;
}

int
keyring_add(const char *path, uint8_t id[KEK_ID_LEN], char error[KEYRING_ERROR_MAX])
{
	bool new = access(path, F_OK) < 0;
	int result;
	char *old;

	if (new && !make_empty(path))
		return keyring_refuse(error, -errno, path, strerror(errno));
	old = keyring_read_file(path, &result, error);
	if (old)
		result = add_key(path, old, id, error);
	keyring_free_text(old);
	if (result && new)
		unlink(path);
	return result;
}
