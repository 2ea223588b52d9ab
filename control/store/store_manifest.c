#include "control/store/store_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "control/store/store_backup.h"

enum { FORMAT = 1, MANIFEST_MAX = 4096, CHUNK = 1 << 16, SHA256_LEN = 32 };

void
manifest_init(struct manifest *manifest)
{
	*manifest = (struct manifest){
		.files = { { .name = STORE_BACKUP_INVENTORY }, { .name = STORE_BACKUP_REPORTS } },
	};
}

/* 0 or -errno. */
static int
digest_all(int fd, EVP_MD_CTX *context, uint64_t *bytes)
{
	uint8_t *chunk = malloc(CHUNK);
	ssize_t n = chunk ? 1 : -1;
	int result = chunk ? 0 : -ENOMEM;

	for (*bytes = 0; !result && n; *bytes += (uint64_t)n) {
		n = pread(fd, chunk, CHUNK, (off_t)*bytes);
		if (n < 0)
			result = -errno;
		else if (!EVP_DigestUpdate(context, chunk, (size_t)n))
			result = -EIO;
	}
	free(chunk);
	return result;
}

int
manifest_digest(int fd, struct manifest_file *file)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t digest[SHA256_LEN];
	int result = -ENOMEM;

	if (context && EVP_DigestInit_ex(context, EVP_sha256(), NULL))
		result = digest_all(fd, context, &file->bytes);
	if (!result && !EVP_DigestFinal_ex(context, digest, NULL))
		result = -EIO;
	EVP_MD_CTX_free(context);
	for (unsigned i = 0; !result && i < SHA256_LEN; i++)
		snprintf(file->sha256 + 2 * i, 3, "%02x", digest[i]);
	return result;
}

static json_t *
to_json(const struct manifest *manifest)
{
	json_t *files = json_array();
	struct tm tm;
	time_t now = time(NULL);
	char made[32];

	gmtime_r(&now, &tm);
	strftime(made, sizeof made, "%Y-%m-%dT%H:%M:%SZ", &tm);
	for (unsigned i = 0; i < MANIFEST_FILES; i++)
		json_array_append_new(files,
				      json_pack("{s:s, s:I, s:s}", "name", manifest->files[i].name,
						"bytes", (json_int_t)manifest->files[i].bytes,
						"sha256", manifest->files[i].sha256));
	return json_pack("{s:i, s:s, s:o}", "format", FORMAT, "made", made, "files", files);
}

int
manifest_write(const struct manifest *manifest, int folder)
{
	int fd = openat(folder, STORE_BACKUP_MANIFEST, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	json_t *json = to_json(manifest);
	int result = fd < 0 ? -errno : json ? 0 : -ENOMEM;

	if (!result && (json_dumpfd(json, fd, JSON_INDENT(2)) < 0 || fsync(fd) < 0))
		result = errno ? -errno : -EIO;
	json_decref(json);
	if (!result && fsync(folder) < 0)
		result = -errno;
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && result)
		unlinkat(folder, STORE_BACKUP_MANIFEST, 0);
	return result;
}

static int
refuse(char error[STORE_ERROR_MAX], const char *folder, int result, const char *what)
{
	snprintf(error, STORE_ERROR_MAX, "%s/" STORE_BACKUP_MANIFEST ": %s", folder, what);
	return result;
}

static bool
take_file(struct manifest_file *file, const json_t *json)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *sha256 = json_string_value(json_object_get(json, "sha256"));
	json_int_t bytes = json_integer_value(json_object_get(json, "bytes"));

	if (!name || strcmp(name, file->name) != 0 || !sha256 ||
	    strlen(sha256) != sizeof file->sha256 - 1 || bytes <= 0)
		return false;
	memcpy(file->sha256, sha256, sizeof file->sha256);
	file->bytes = (uint64_t)bytes;
	return true;
}

static int
from_json(struct manifest *manifest, const json_t *json, const char *folder,
	  char error[STORE_ERROR_MAX])
{
	const json_t *files = json_object_get(json, "files");
	const char *made = json_string_value(json_object_get(json, "made"));

	if (json_integer_value(json_object_get(json, "format")) > FORMAT)
		return refuse(error, folder, -EINVAL,
			      "the copy was made by a newer version of this program; use that one");
	if (json_integer_value(json_object_get(json, "format")) != FORMAT || !made ||
	    strlen(made) >= sizeof manifest->made || json_array_size(files) != MANIFEST_FILES)
		return refuse(error, folder, -EINVAL, "not as `store backup` writes it");
	for (unsigned i = 0; i < MANIFEST_FILES; i++)
		if (!take_file(&manifest->files[i], json_array_get(files, i)))
			return refuse(error, folder, -EINVAL, "not as `store backup` writes it");
	snprintf(manifest->made, sizeof manifest->made, "%s", made);
	return 0;
}

int
manifest_parse(struct manifest *manifest, const char *text, size_t len, const char *folder_name,
	       char error[STORE_ERROR_MAX])
{
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	int result;

	manifest_init(manifest);
	result = json ? from_json(manifest, json, folder_name, error)
		      : refuse(error, folder_name, -EINVAL, "not as `store backup` writes it");
	json_decref(json);
	return result;
}

int
manifest_read(struct manifest *manifest, int folder, const char *folder_name,
	      char error[STORE_ERROR_MAX])
{
	int fd = openat(folder, STORE_BACKUP_MANIFEST, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[MANIFEST_MAX];
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text);
	int result = -errno;

	if (fd >= 0)
		close(fd);
	if (fd < 0 && result == -ENOENT)
		return refuse(error, folder_name, result,
			      "it is missing: no copy that `store backup` made, or one that was cut "
			      "short; take another one");
	if (len < 0)
		return refuse(error, folder_name, result, strerror(-result));
	return manifest_parse(manifest, text, (size_t)len, folder_name, error);
}
