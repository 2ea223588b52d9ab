#include "control/cluster/cluster_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

enum { FILE_MAX = 4096 };

static int
refuse(int code, const char *path, const char *why, char *error, size_t max)
{
	snprintf(error, max,
		 "%s: %s; `openssl rand -hex 32 > FILE; chmod 600 FILE` makes one, which every "
		 "member needs",
		 path, why);
	return code;
}

/* Bytes of the file, white space at its end left out. */
static ssize_t
read_secret(int fd, uint8_t *bytes)
{
	ssize_t len = read(fd, bytes, FILE_MAX);

	while (len > 0 && strchr(" \t\r\n", bytes[len - 1]))
		len--;
	return len;
}

int
cluster_secret_load(const char *path, struct cluster_secret *secret, char *error, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t bytes[FILE_MAX];
	struct stat found;
	int code = 0;
	ssize_t len;

	if (fd < 0)
		return refuse(-errno, path, strerror(errno), error, max);
	len = fstat(fd, &found) == 0 && S_ISREG(found.st_mode) ? read_secret(fd, bytes) : -1;
	close(fd);
	if (len < 0)
		code = refuse(-EINVAL, path, "cannot be read, or is not a regular file", error,
			      max);
	else if (found.st_mode & 077)
		code = refuse(-EPERM, path, "others than its owner may use it", error, max);
	else if (len < CLUSTER_SECRET_MIN)
		code = refuse(-EINVAL, path, "has fewer than 32 bytes", error, max);
	else
		SHA256(bytes, (size_t)len, secret->key);
	explicit_bzero(bytes, sizeof bytes);
	return code;
}

void
cluster_secret_wipe(struct cluster_secret *secret)
{
	explicit_bzero(secret, sizeof *secret);
}

void
cluster_secret_derive(const struct cluster_secret *secret, const char *label, const void *bytes,
		      size_t len, uint8_t out[CLUSTER_SECRET_LEN])
{
	uint8_t message[256];
	size_t label_len =
		strlen(label) + 1; /* with its NUL: no label is the beginning of another */
	unsigned out_len = CLUSTER_SECRET_LEN;

	if (label_len + len > sizeof message)
		len = sizeof message - label_len;
	memcpy(message, label, label_len);
	if (len)
		memcpy(message + label_len, bytes, len);
	HMAC(EVP_sha256(), secret->key, sizeof secret->key, message, label_len + len, out,
	     &out_len);
}

void
cluster_secret_proof(const struct cluster_secret *secret, const char *cluster,
		     char out[CLUSTER_PROOF_TEXT_MAX])
{
	uint8_t proof[CLUSTER_SECRET_LEN];

	cluster_secret_derive(secret, "cradle cluster proof", cluster, strlen(cluster), proof);
	for (size_t i = 0; i < sizeof proof; i++)
		snprintf(out + 2 * i, 3, "%02x", proof[i]);
}
