/* The dialogue's table, and the parameters of a Bootstrap-Request. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "dataplane/core/bootstrap/bootstrap.h"
#include "dataplane/core/bootstrap/bootstrap_query.h"
#include "dataplane/core/coap/coap_defs.h"
#include "tasks/batch.h"

/* ---- the table ---- */

Test(bootstrap, every_pair_has_an_entry)
{
	for (unsigned state = 0; state < BOOTSTRAP_STATES; state++)
		for (unsigned input = 0; input < BOOTSTRAP_INPUTS; input++) {
			struct bootstrap_transition t = bootstrap_transition(state, input);

			cr_assert_neq(t.action, 0, "hole at state %u input %u", state, input);
			cr_assert_leq(t.action, BOOTSTRAP_DO_CLOSE);
			cr_assert_lt(t.next, BOOTSTRAP_STATES);
		}
}

Test(bootstrap, an_illegal_pair_keeps_the_state)
{
	unsigned illegal = 0;

	for (unsigned state = 0; state < BOOTSTRAP_STATES; state++)
		for (unsigned input = 0; input < BOOTSTRAP_INPUTS; input++) {
			struct bootstrap_transition t = bootstrap_transition(state, input);

			if (t.action != BOOTSTRAP_DO_ILLEGAL)
				continue;
			illegal++;
			cr_assert_eq(t.next, state);
		}
	cr_assert_eq(illegal, 154);
}

Test(bootstrap, legal_pairs_read_as_the_diagram)
{
	static const struct {
		enum bootstrap_state from;
		enum bootstrap_input input;
		enum bootstrap_state next;
		enum bootstrap_action action;
	} cases[] = {
		{ BOOTSTRAP_IDLE, BOOTSTRAP_ON_REQUEST, BOOTSTRAP_STEP, BOOTSTRAP_DO_ANSWER },
		{ BOOTSTRAP_IDLE, BOOTSTRAP_ON_REQUEST_UNMADE, BOOTSTRAP_WAIT_BATCH,
		  BOOTSTRAP_DO_ASK },
		{ BOOTSTRAP_WAIT_BATCH, BOOTSTRAP_ON_BATCH, BOOTSTRAP_STEP, BOOTSTRAP_DO_ANSWER },
		{ BOOTSTRAP_WAIT_BATCH, BOOTSTRAP_ON_NO_BATCH, BOOTSTRAP_FAILED,
		  BOOTSTRAP_DO_REFUSE },
		{ BOOTSTRAP_WAIT_BATCH, BOOTSTRAP_ON_TIMER_LAST, BOOTSTRAP_FAILED,
		  BOOTSTRAP_DO_GIVE_UP },
		{ BOOTSTRAP_WAIT_BATCH, BOOTSTRAP_ON_CANCEL, BOOTSTRAP_FAILED,
		  BOOTSTRAP_DO_REFUSE_CANCELLED },
		{ BOOTSTRAP_STEP, BOOTSTRAP_ON_ACK, BOOTSTRAP_STEP_ACKED, BOOTSTRAP_DO_AWAIT },
		{ BOOTSTRAP_STEP, BOOTSTRAP_ON_TIMER, BOOTSTRAP_STEP, BOOTSTRAP_DO_REPEAT },
		{ BOOTSTRAP_STEP, BOOTSTRAP_ON_TIMER_LAST, BOOTSTRAP_FAILED,
		  BOOTSTRAP_DO_FAIL_TIMEOUT },
		{ BOOTSTRAP_STEP, BOOTSTRAP_ON_ACCEPTED, BOOTSTRAP_STEP, BOOTSTRAP_DO_NEXT },
		{ BOOTSTRAP_STEP, BOOTSTRAP_ON_BLOCK, BOOTSTRAP_STEP, BOOTSTRAP_DO_SEND },
		{ BOOTSTRAP_STEP_ACKED, BOOTSTRAP_ON_ACK, BOOTSTRAP_STEP_ACKED,
		  BOOTSTRAP_DO_NOTHING },
		{ BOOTSTRAP_STEP_ACKED, BOOTSTRAP_ON_ACCEPTED, BOOTSTRAP_STEP, BOOTSTRAP_DO_NEXT },
		{ BOOTSTRAP_STEP_ACKED, BOOTSTRAP_ON_ACCEPTED_LAST, BOOTSTRAP_DONE,
		  BOOTSTRAP_DO_FINISH },
		{ BOOTSTRAP_STEP_ACKED, BOOTSTRAP_ON_TIMER_LAST, BOOTSTRAP_FAILED,
		  BOOTSTRAP_DO_FAIL_SILENT },
		{ BOOTSTRAP_DONE, BOOTSTRAP_ON_REQUEST, BOOTSTRAP_STEP, BOOTSTRAP_DO_ANSWER },
		{ BOOTSTRAP_DONE, BOOTSTRAP_ON_TIMER_LAST, BOOTSTRAP_IDLE, BOOTSTRAP_DO_CLOSE },
		{ BOOTSTRAP_DONE, BOOTSTRAP_ON_CANCEL, BOOTSTRAP_DONE, BOOTSTRAP_DO_NOTHING },
		{ BOOTSTRAP_FAILED, BOOTSTRAP_ON_REQUEST, BOOTSTRAP_STEP, BOOTSTRAP_DO_ANSWER },
		{ BOOTSTRAP_FAILED, BOOTSTRAP_ON_TIMER_LAST, BOOTSTRAP_IDLE, BOOTSTRAP_DO_CLOSE },
		{ BOOTSTRAP_IDLE, BOOTSTRAP_ON_REQUEST_PACK, BOOTSTRAP_WAIT_PACK,
		  BOOTSTRAP_DO_ASK },
		{ BOOTSTRAP_WAIT_PACK, BOOTSTRAP_ON_FETCH, BOOTSTRAP_PACK, BOOTSTRAP_DO_SERVE },
		{ BOOTSTRAP_WAIT_PACK, BOOTSTRAP_ON_FETCH_LAST, BOOTSTRAP_DONE,
		  BOOTSTRAP_DO_SERVE_LAST },
		{ BOOTSTRAP_WAIT_PACK, BOOTSTRAP_ON_NO_BATCH, BOOTSTRAP_FAILED,
		  BOOTSTRAP_DO_REFUSE_PACK },
		{ BOOTSTRAP_PACK, BOOTSTRAP_ON_FETCH, BOOTSTRAP_PACK, BOOTSTRAP_DO_SERVE },
		{ BOOTSTRAP_PACK, BOOTSTRAP_ON_FETCH_LAST, BOOTSTRAP_DONE,
		  BOOTSTRAP_DO_SERVE_LAST },
		{ BOOTSTRAP_PACK, BOOTSTRAP_ON_TIMER_LAST, BOOTSTRAP_FAILED,
		  BOOTSTRAP_DO_FAIL_PACK_LEFT },
		{ BOOTSTRAP_DONE, BOOTSTRAP_ON_FETCH, BOOTSTRAP_DONE, BOOTSTRAP_DO_SERVE_AGAIN },
		{ BOOTSTRAP_STEP, BOOTSTRAP_ON_ANSWERED, BOOTSTRAP_WAIT_REST,
		  BOOTSTRAP_DO_ASK_REST },
		{ BOOTSTRAP_STEP_ACKED, BOOTSTRAP_ON_ANSWERED, BOOTSTRAP_WAIT_REST,
		  BOOTSTRAP_DO_ASK_REST },
		{ BOOTSTRAP_WAIT_REST, BOOTSTRAP_ON_BATCH, BOOTSTRAP_STEP, BOOTSTRAP_DO_NEXT },
		{ BOOTSTRAP_WAIT_REST, BOOTSTRAP_ON_NOTHING_MORE, BOOTSTRAP_DONE,
		  BOOTSTRAP_DO_FINISH },
		{ BOOTSTRAP_WAIT_REST, BOOTSTRAP_ON_NO_BATCH, BOOTSTRAP_FAILED, BOOTSTRAP_DO_STOP },
		{ BOOTSTRAP_WAIT_REST, BOOTSTRAP_ON_TIMER_LAST, BOOTSTRAP_FAILED,
		  BOOTSTRAP_DO_FAIL_NO_REST },
		{ BOOTSTRAP_STEP, BOOTSTRAP_ON_BUSY, BOOTSTRAP_STEP_HELD, BOOTSTRAP_DO_HOLD },
		{ BOOTSTRAP_STEP_ACKED, BOOTSTRAP_ON_BUSY, BOOTSTRAP_STEP_HELD, BOOTSTRAP_DO_HOLD },
		{ BOOTSTRAP_STEP_HELD, BOOTSTRAP_ON_TIMER_LAST, BOOTSTRAP_STEP, BOOTSTRAP_DO_NEXT },
		{ BOOTSTRAP_STEP_HELD, BOOTSTRAP_ON_COPY, BOOTSTRAP_STEP,
		  BOOTSTRAP_DO_BEGIN_AGAIN },
		/* Illegal ones worth naming: what a late or foreign message could provoke. */
		{ BOOTSTRAP_DONE, BOOTSTRAP_ON_RESET, BOOTSTRAP_DONE, BOOTSTRAP_DO_ILLEGAL },
		{ BOOTSTRAP_DONE, BOOTSTRAP_ON_ACCEPTED, BOOTSTRAP_DONE, BOOTSTRAP_DO_ILLEGAL },
		{ BOOTSTRAP_STEP, BOOTSTRAP_ON_BATCH, BOOTSTRAP_STEP, BOOTSTRAP_DO_ILLEGAL },
		{ BOOTSTRAP_STEP, BOOTSTRAP_ON_REQUEST, BOOTSTRAP_STEP, BOOTSTRAP_DO_ILLEGAL },
		{ BOOTSTRAP_WAIT_BATCH, BOOTSTRAP_ON_ACK, BOOTSTRAP_WAIT_BATCH,
		  BOOTSTRAP_DO_ILLEGAL },
		{ BOOTSTRAP_IDLE, BOOTSTRAP_ON_TIMER_LAST, BOOTSTRAP_IDLE, BOOTSTRAP_DO_ILLEGAL },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct bootstrap_transition t = bootstrap_transition(cases[i].from, cases[i].input);

		cr_expect_eq(t.next, cases[i].next, "case %zu", i);
		cr_expect_eq(t.action, cases[i].action, "case %zu", i);
	}
}

/* DESIGN: an error reply, a Reset, silence or a newer request ends the run wherever it stands, and
 * sends nothing. */
Test(bootstrap, every_failure_of_a_step_leads_to_failed)
{
	static const enum bootstrap_state states[] = { BOOTSTRAP_STEP, BOOTSTRAP_STEP_ACKED };
	static const struct {
		enum bootstrap_input input;
		enum bootstrap_action action;
	} failures[] = {
		{ BOOTSTRAP_ON_REJECTED, BOOTSTRAP_DO_FAIL_REPLY },
		{ BOOTSTRAP_ON_UNUSABLE, BOOTSTRAP_DO_FAIL_UNUSABLE },
		{ BOOTSTRAP_ON_RESET, BOOTSTRAP_DO_FAIL_RESET },
		{ BOOTSTRAP_ON_SUPERSEDE, BOOTSTRAP_DO_FAIL_SUPERSEDED },
		{ BOOTSTRAP_ON_CANCEL, BOOTSTRAP_DO_FAIL_CANCELLED },
		{ BOOTSTRAP_ON_CLOSE, BOOTSTRAP_DO_FAIL_CLOSED },
	};

	for (unsigned s = 0; s < 2; s++)
		for (unsigned f = 0; f < sizeof failures / sizeof failures[0]; f++) {
			struct bootstrap_transition t =
				bootstrap_transition(states[s], failures[f].input);

			cr_expect_eq(t.next, BOOTSTRAP_FAILED);
			cr_expect_eq(t.action, failures[f].action);
		}
}

Test(bootstrap, running_and_outstanding_states)
{
	static const struct {
		bool running, outstanding;
	} want[BOOTSTRAP_STATES] = {
		[BOOTSTRAP_IDLE] = { false, false },     [BOOTSTRAP_WAIT_BATCH] = { true, false },
		[BOOTSTRAP_WAIT_PACK] = { true, false }, [BOOTSTRAP_STEP] = { true, true },
		[BOOTSTRAP_STEP_ACKED] = { true, true }, [BOOTSTRAP_STEP_HELD] = { true, false },
		[BOOTSTRAP_WAIT_REST] = { true, false }, [BOOTSTRAP_PACK] = { true, false },
		[BOOTSTRAP_DONE] = { false, false },     [BOOTSTRAP_FAILED] = { false, false },
	};

	for (unsigned state = 0; state < BOOTSTRAP_STATES; state++) {
		cr_expect_eq(bootstrap_running(state), want[state].running);
		cr_expect_eq(bootstrap_outstanding(state), want[state].outstanding);
	}
}

/* ---- replies: OMA TS Core 6.1.7, Transport 6.4.3 ---- */

Test(bootstrap, each_step_accepts_its_codes_and_no_other)
{
	enum { C201 = 0x41, C202, C203, C204, C205, C231 = 0x5f };
	static const struct {
		uint8_t expect;
		uint8_t codes[3];
	} cases[] = {
		{ BATCH_EXPECT_WRITE, { C204, C201 } }, { BATCH_EXPECT_DELETE, { C202 } },
		{ BATCH_EXPECT_FINISH, { C204 } },      { BATCH_EXPECT_DISCOVER, { C205 } },
		{ BATCH_EXPECT_READ, { C205 } },        { 77, { 0 } },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (unsigned code = 1; code < 256; code++) {
			bool wanted = memchr(cases[i].codes, (int)code, 3) != NULL;

			cr_expect_eq(bootstrap_accepts(cases[i].expect, (uint8_t)code), wanted,
				     "expect %u code %u", cases[i].expect, code);
		}
}

/* ---- the way through a batch ---- */

/* One letter a step: w write, W write that goes on when refused, F the same up to the next Finish,
 * f Finish, G Finish that is refused without end; behind each `+` is a correction. */
static struct batch *
batch_from(const char *letters)
{
	struct batch *batch = calloc(1, sizeof *batch + 16 * sizeof batch->steps[0]);

	for (; *letters; letters++) {
		bool correction = *letters == '+';
		char letter = correction ? *++letters : *letters;
		bool finish = letter == 'f' || letter == 'G';
		struct batch_step *step = calloc(1, sizeof *step);

		step->code = finish ? COAP_POST : COAP_PUT;
		step->expect = finish ? BATCH_EXPECT_FINISH : BATCH_EXPECT_WRITE;
		step->correction = correction;
		step->on_error = letter == 'W' || letter == 'G' ? BATCH_CONTINUE
				 : letter == 'F'                ? BATCH_FINISH
								: BATCH_ABORT;
		batch->steps[batch->n_steps++] = step;
	}
	return batch;
}

static void
free_batch(struct batch *batch)
{
	for (unsigned i = 0; i < batch->n_steps; i++)
		free((void *)(uintptr_t)batch->steps[i]);
	free(batch);
}

Test(bootstrap, the_way_through_a_batch)
{
	static const struct {
		const char *letters;
		unsigned step;
		uint8_t code;
		bool tolerated; /* of no meaning when accepted */
		unsigned next;
	} cases[] = {
		/* abort */
		{ "wwf", 0, COAP_CHANGED, false, 1 },
		{ "wwf", 2, COAP_CHANGED, false, 3 },
		{ "wwf", 0, COAP_BAD_REQUEST, false, 1 },
		{ "wwf", 2, COAP_NOT_ACCEPTABLE, false, 3 },
		/* continue */
		{ "Wwf", 0, COAP_BAD_REQUEST, true, 1 },
		{ "wwG", 2, COAP_BAD_REQUEST, true, 3 },
		/* finish: all up to the next Finish is left out */
		{ "Fwwf", 0, COAP_BAD_REQUEST, true, 3 },
		{ "Fwwf", 0, COAP_CHANGED, false, 1 },
		{ "Fwwf", 0, COAP_CREATED, false, 1 },
		{ "Fww", 0, COAP_BAD_REQUEST, true, 3 },
		{ "Fwfwf", 0, COAP_BAD_REQUEST, true, 2 },
		{ "Fw+w+f", 0, COAP_BAD_REQUEST, true, 4 },
		/* corrections */
		{ "wf+w+f", 0, COAP_CHANGED, false, 1 },
		{ "wf+w+f", 1, COAP_CHANGED, false, 4 },
		{ "wf+w+f", 1, COAP_NOT_ACCEPTABLE, true, 2 },
		{ "wf+w+f", 1, COAP_BAD_REQUEST, false, 4 },
		{ "wf+w+f", 2, COAP_CHANGED, false, 3 },
		{ "wf+w+f", 3, COAP_CHANGED, false, 4 },
		{ "wf+w+f", 3, COAP_NOT_ACCEPTABLE, false, 4 },
		{ "wf+w+fwf", 1, COAP_CHANGED, false, 4 },
		{ "wf+w+fwf", 3, COAP_CHANGED, false, 4 },
		{ "wf+w+f+w+f", 3, COAP_CHANGED, false, 6 },
		{ "wf+w+f+w+f", 3, COAP_NOT_ACCEPTABLE, true, 4 },
		{ "wf+F+w+f", 2, COAP_BAD_REQUEST, true, 4 },
		{ "w+wf", 0, COAP_CHANGED, false, 2 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct batch *batch = batch_from(cases[i].letters);
		unsigned step = cases[i].step;

		cr_expect_eq(bootstrap_next(batch, step, cases[i].code), cases[i].next,
			     "case %zu: %u", i, bootstrap_next(batch, step, cases[i].code));
		if (!bootstrap_accepts(batch->steps[step]->expect, cases[i].code))
			cr_expect_eq(bootstrap_tolerates(batch, step, cases[i].code),
				     cases[i].tolerated, "case %zu", i);
		free_batch(batch);
	}
}

/* ---- the query: PROTOCOL 1.2 ---- */

struct query_case {
	const char *options[5];
	enum query_verdict verdict;
	const char *endpoint; /* NULL: none */
	uint16_t format;
};

static const struct query_case query_cases[] = {
	/* wrong */
	{ { "ep" }, QUERY_BAD },
	{ { "ep=" }, QUERY_BAD },
	{ { "ep=a", "ep=a" }, QUERY_BAD },
	{ { "ep=a", "ep=b" }, QUERY_BAD },
	{ { "ep=a", "pct=112", "pct=112" }, QUERY_BAD },
	{ { "ep=a", "pct=112", "pct=x" }, QUERY_BAD },
	{ { "ep=a", "pct" }, QUERY_BAD },
	{ { "ep=a", "pct=" }, QUERY_BAD },
	{ { "ep=a", "pct=tlv" }, QUERY_BAD },
	{ { "ep=a", "pct=112a" }, QUERY_BAD },
	{ { "ep=a", "pct=+112" }, QUERY_BAD },
	{ { "ep=a", "pct=-1" }, QUERY_BAD },
	{ { "ep=a", "pct= 112" }, QUERY_BAD },
	{ { "ep=a", "pct=0x70" }, QUERY_BAD },
	{ { "ep=a", "pct=112&b=1" }, QUERY_BAD },
	{ { "pct=60", "ep" }, QUERY_BAD }, /* 4.00 goes before 4.15 */
	/* numbers that are no format of ours */
	{ { "ep=a", "pct=0" }, QUERY_FORMAT_UNSUPPORTED, "a" },
	{ { "ep=a", "pct=60" }, QUERY_FORMAT_UNSUPPORTED, "a" },
	{ { "ep=a", "pct=111" }, QUERY_FORMAT_UNSUPPORTED, "a" },
	{ { "ep=a", "pct=1542" }, QUERY_FORMAT_UNSUPPORTED, "a" },
	{ { "ep=a", "pct=11543" }, QUERY_FORMAT_UNSUPPORTED, "a" },
	{ { "ep=a", "pct=65536" }, QUERY_FORMAT_UNSUPPORTED, "a" },
	{ { "ep=a", "pct=65648" }, QUERY_FORMAT_UNSUPPORTED, "a" },      /* 112 in 16 bits */
	{ { "ep=a", "pct=4294967408" }, QUERY_FORMAT_UNSUPPORTED, "a" }, /* 112 in 32 bits */
	{ { "ep=a", "pct=99999999999999999999999" }, QUERY_FORMAT_UNSUPPORTED, "a" },
	/* right */
	{ { "ep=a" }, QUERY_OK, "a", FORMAT_TLV },
	{ { "ep=a", "pct=110" }, QUERY_OK, "a", FORMAT_SENML_JSON },
	{ { "ep=a", "pct=112" }, QUERY_OK, "a", FORMAT_SENML_CBOR },
	{ { "ep=a", "pct=11542" }, QUERY_OK, "a", FORMAT_TLV },
	{ { "ep=a", "pct=11544" }, QUERY_OK, "a", FORMAT_LWM2M_CBOR },
	{ { "pct=112", "ep=leshan" }, QUERY_OK, "leshan", FORMAT_SENML_CBOR },
	{ { "ep=a", "pct=0112" }, QUERY_OK, "a", FORMAT_SENML_CBOR },
	{ { "ep=a=b=c" }, QUERY_OK, "a=b=c", FORMAT_TLV },
	{ { "ep=a&pct=110" }, QUERY_OK, "a&pct=110", FORMAT_TLV },
	{ { "ep=100%25" }, QUERY_OK, "100%25", FORMAT_TLV },
	{ { "ep==" }, QUERY_OK, "=", FORMAT_TLV },
	{ { "and=more", "stuff", "ep=a", "" }, QUERY_OK, "a", FORMAT_TLV },
	{ { "EP=x", "epx=1", "e=2", "ep=a" }, QUERY_OK, "a", FORMAT_TLV },
	{ { "Pct=x", "pct2=1", "ep=a", "=112" }, QUERY_OK, "a", FORMAT_TLV },
	{ { "lt=3600" }, QUERY_OK, NULL, FORMAT_TLV },
	{ { NULL }, QUERY_OK, NULL, FORMAT_TLV },
};

Test(bootstrap, query_parameters)
{
	for (size_t i = 0; i < sizeof query_cases / sizeof query_cases[0]; i++) {
		const struct query_case *c = &query_cases[i];
		struct bootstrap_query query;

		query_init(&query);
		for (unsigned o = 0; o < 5 && c->options[o]; o++)
			query_take(&query, (const uint8_t *)c->options[o], strlen(c->options[o]));
		cr_assert_eq(query_verdict(&query), c->verdict, "case %zu", i);
		if (c->verdict == QUERY_BAD)
			continue;
		cr_assert_eq(query.endpoint != NULL, c->endpoint != NULL, "case %zu", i);
		if (c->endpoint) {
			cr_assert_eq(query.endpoint_len, strlen(c->endpoint), "case %zu", i);
			cr_assert(memcmp(query.endpoint, c->endpoint, query.endpoint_len) == 0);
		}
		if (c->verdict == QUERY_OK)
			cr_assert_eq(query.format, c->format, "case %zu", i);
	}
}

Test(bootstrap, endpoint_names_may_hold_any_byte)
{
	static const uint8_t option[] = { 'e', 'p', '=', 'p', 0, 'x' };
	struct bootstrap_query query;

	query_init(&query);
	query_take(&query, option, sizeof option);
	cr_assert_eq(query_verdict(&query), QUERY_OK);
	cr_assert_eq(query.endpoint_len, 3);
	query_take(&query, option, 0);
	query_take(&query, NULL, 0);
	cr_assert_eq(query_verdict(&query), QUERY_OK);
}
