#include "dataplane/core/dtls/dtls_cid.h"

#include <assert.h>

#include "dataplane/core/cursor.h"
#include "dataplane/core/dtls/dtls_defs.h"

__attribute__((cold)) uint16_t
dtls_cid_put_aad(uint8_t aad[CRYPTO_CCM_AAD_MAX], const uint8_t *header, size_t cid_len,
		 size_t plaintext)
{
	struct writer writer = writer_init(aad, CRYPTO_CCM_AAD_MAX);

	writer_u64(&writer, UINT64_MAX);
	writer_u8(&writer, DTLS_TLS12_CID);
	writer_u8(&writer, (uint8_t)cid_len);
	writer_bytes(&writer, header, 11 + cid_len);
	writer_u16(&writer, (uint16_t)plaintext);
	assert(writer_ok(&writer));
	return (uint16_t)writer_len(&writer);
}
