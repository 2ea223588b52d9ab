/* decode: any bytes as content format SENML_CBOR; what is taken comes back when it is written and read again. */
#include "tests/fuzz/decode_fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_decode(FORMAT_SENML_CBOR, data, size);
}
