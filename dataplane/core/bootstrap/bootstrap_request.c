#include "dataplane/core/bootstrap/bootstrap_request.h"

static enum request_verdict
refuse(struct bootstrap_request *request, uint8_t code, enum counter counter)
{
	request->code = code;
	request->counter = counter;
	return REQUEST_REFUSED;
}

/* A NON with an option that we must understand and don't is rejected, which for a NON means ignored
 * (RFC 7252 5.4.1). */
static enum request_verdict
refuse_option(struct bootstrap_request *request, const struct coap_msg *msg)
{
	if (msg->header.type == COAP_CON)
		return refuse(request, COAP_BAD_OPTION, COUNTER_coap_bad_option);
	request->counter = COUNTER_coap_non_ignored;
	return REQUEST_IGNORED;
}

/*
 * A Bootstrap-Request has no content, so a single block is as good as none; more are too large (RFC
 * 7959 2.9.3). True when the Block options make sense, else *code says why not.
 */
static bool
blocks_fit(const struct coap_options_seen *seen, uint8_t *code)
{
	struct coap_block block;

	*code = COAP_BAD_REQUEST;
	if ((seen->has & COAP_HAS_BLOCK2) && coap_block_decode(seen->block2, &block) != 0)
		return false;
	if (!(seen->has & COAP_HAS_BLOCK1))
		return true;
	if (coap_block_decode(seen->block1, &block) != 0)
		return false;
	*code = COAP_REQUEST_ENTITY_TOO_LARGE;
	return block.num == 0 && !block.more;
}

static void
read_query(const struct coap_msg *msg, struct bootstrap_query *query)
{
	struct coap_option_iter iter = coap_options(msg);
	struct coap_option option;

	query_init(query);
	while (coap_option_next(&iter, &option)) {
		if (option.number > COAP_OPTION_URI_QUERY)
			return;
		if (option.number == COAP_OPTION_URI_QUERY)
			query_take(query, option.value, option.len);
	}
}

static enum request_verdict
judge_query(const struct coap_msg *msg, struct bootstrap_request *request)
{
	read_query(msg, &request->query);
	switch (query_verdict(&request->query)) {
	case QUERY_OK:
		return REQUEST_BOOTSTRAP;
	case QUERY_FORMAT_UNSUPPORTED:
		return refuse(request, COAP_UNSUPPORTED_CONTENT_FORMAT, COUNTER_bs_refused_format);
	case QUERY_BAD:
		break;
	}
	return refuse(request, COAP_BAD_REQUEST, COUNTER_bs_refused_query);
}

/*
 * A Bootstrap-Request must be confirmable (OMA TS Transport 6.8.1). A NON one is answered, in a NON
 * (RFC 7252 5.2.3): a client whose request vanished would try the same for ever, and four to twelve
 * bytes amplify nothing. Accept: the answer has no content, so any format that we speak will do;
 * others are 4.06 (RFC 7252 5.10.4).
 */
static enum request_verdict
judge_bootstrap(const struct coap_msg *msg, const struct coap_options_seen *seen,
		struct bootstrap_request *request)
{
	uint8_t code;

	if (msg->header.code != COAP_POST)
		return refuse(request, COAP_METHOD_NOT_ALLOWED, COUNTER_coap_bad_method);
	if (msg->header.type != COAP_CON)
		return refuse(request, COAP_BAD_REQUEST, COUNTER_bs_refused_non);
	if ((seen->has & COAP_HAS_ACCEPT) && !bootstrap_format_supported(seen->accept))
		return refuse(request, COAP_NOT_ACCEPTABLE, COUNTER_coap_not_acceptable);
	if (!blocks_fit(seen, &code))
		return refuse(request, code, COUNTER_coap_bad_block);
	return judge_query(msg, request);
}

/* Of a client that names no format, which OMA TS Transport 6.4.3 does not foresee: the shorter of
 * the two that every 1.1 client may speak. */
enum { PACK_FORMAT_DEFAULT = FORMAT_SENML_CBOR };

static bool
read_pack_block(const struct coap_options_seen *seen, struct coap_block *block)
{
	*block = (struct coap_block){ .szx = COAP_SZX_MAX };
	return !(seen->has & COAP_HAS_BLOCK2) || coap_block_decode(seen->block2, block) == 0;
}

/* Confirmable as a Bootstrap-Request is, and answered for the same reason when it is not. Any
 * refusal sends the client to /bs; silence would not. */
static enum request_verdict
judge_pack(const struct coap_msg *msg, const struct coap_options_seen *seen,
	   struct bootstrap_request *request)
{
	struct pack_request *pack = &request->pack;

	if (msg->header.code != COAP_GET)
		return refuse(request, COAP_METHOD_NOT_ALLOWED, COUNTER_coap_bad_method);
	if (msg->header.type != COAP_CON)
		return refuse(request, COAP_BAD_REQUEST, COUNTER_bs_refused_non);
	pack->format = seen->has & COAP_HAS_ACCEPT ? seen->accept : PACK_FORMAT_DEFAULT;
	if (!bootstrap_format_supported_pack(pack->format))
		return refuse(request, COAP_NOT_ACCEPTABLE, COUNTER_coap_not_acceptable);
	if (!read_pack_block(seen, &pack->block))
		return refuse(request, COAP_BAD_REQUEST, COUNTER_coap_bad_block);
	read_query(msg, &request->query);
	if (query_verdict_pack(&request->query) != QUERY_OK)
		return refuse(request, COAP_BAD_REQUEST, COUNTER_bs_refused_query);
	pack->accounts = request->query.accounts;
	pack->accounts_len = request->query.accounts_len;
	return REQUEST_PACK;
}

enum request_verdict
request_judge(const struct coap_msg *msg, struct bootstrap_request *request)
{
	struct coap_options_seen seen;

	*request = (struct bootstrap_request){
		.code = COAP_EMPTY,
		.is_bootstrap = coap_path_is(msg, "bs") || coap_path_is(msg, "bspack"),
	};
	/* A method nobody knows is 4.05 whatever it is about (RFC 7252 5.8). */
	if (msg->header.code > COAP_DELETE)
		return refuse(request, COAP_METHOD_NOT_ALLOWED, COUNTER_coap_bad_method);
	switch (coap_options_check(msg, &seen)) {
	case COAP_OPTIONS_FINE:
		break;
	case COAP_OPTIONS_PROXY:
		return refuse(request, COAP_PROXYING_NOT_SUPPORTED, COUNTER_coap_proxy);
	case COAP_OPTIONS_BAD:
		return refuse_option(request, msg);
	}
	if (!request->is_bootstrap)
		return refuse(request, COAP_NOT_FOUND, COUNTER_coap_not_found);
	return coap_path_is(msg, "bs") ? judge_bootstrap(msg, &seen, request)
				       : judge_pack(msg, &seen, request);
}
