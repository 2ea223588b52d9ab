#include "tasks/digest.h"

#include <assert.h>
#include <mbedtls/md.h>

/* NULL where the library was built without it, as some policies want of MD5. */
static const mbedtls_md_info_t *
digest_info(enum digest_algorithm algorithm)
{
	return mbedtls_md_info_from_type(algorithm == DIGEST_MD5 ? MBEDTLS_MD_MD5
								 : MBEDTLS_MD_SHA256);
}

size_t
digest_bytes(enum digest_algorithm algorithm, struct digest_span message, uint8_t out[DIGEST_MAX])
{
	const mbedtls_md_info_t *info = digest_info(algorithm);

	assert(!info || mbedtls_md_get_size(info) <= DIGEST_MAX);
	return info && mbedtls_md(info, message.at, message.len, out) == 0
		       ? mbedtls_md_get_size(info)
		       : 0;
}

size_t
digest_hmac(enum digest_algorithm algorithm, struct digest_span key, struct digest_span message,
	    uint8_t out[DIGEST_MAX])
{
	const mbedtls_md_info_t *info = digest_info(algorithm);

	return info && mbedtls_md_hmac(info, key.at, key.len, message.at, message.len, out) == 0
		       ? mbedtls_md_get_size(info)
		       : 0;
}
