/* What becomes of a run whose steps are refused: by policy, and by corrections (OMA TS Core 6.1.7.7). */
#include <criterion/criterion.h>

#include "tests/unit/scripted_peer.h"

enum { OK = 0 };

/* A batch, what the device answers to each step that comes, and which steps came: by their index, in
 * order. OK is what the step expects. */
struct policy_case {
	const char *what, *letters;
	uint8_t answers[8];
	const char *sent; /* indices of the steps that were sent */
	enum session_event_kind kind;
	unsigned refused_steps, refused_step;
	uint8_t refused_code;
};

#define BAD   COAP_BAD_REQUEST
#define WRONG COAP_NOT_ACCEPTABLE
#define STATE COAP_METHOD_NOT_ALLOWED

static const struct policy_case policy_cases[] = {
	/* abort: no Finish, the device keeps nothing */
	{ "abort at the first", "wwf", { BAD }, "0", SESSION_FAILED, 0, 0, 0 },
	{ "abort at Finish", "wwf", { OK, OK, WRONG }, "012", SESSION_FAILED, 0, 0, 0 },
	{ "abort after one was tolerated",
	  "w?wf",
	  { BAD, STATE },
	  "01",
	  SESSION_FAILED,
	  1,
	  0,
	  BAD },
	/* continue */
	{ "nothing is refused", "w?w?f", { OK, OK, OK }, "012", SESSION_FINISHED, 0, 0, 0 },
	{ "continue", "w?wf", { BAD, OK, OK }, "012", SESSION_FINISHED, 1, 0, BAD },
	{ "continue twice: the first is told",
	  "ww?w?f",
	  { OK, STATE, BAD, OK },
	  "0123",
	  SESSION_FINISHED,
	  2,
	  1,
	  STATE },
	{ "continue at the end", "wf?", { OK, WRONG }, "01", SESSION_FINISHED, 1, 1, WRONG },
	{ "4.05 on a delete, TASKS section 7",
	  "x?wf",
	  { STATE, OK, OK },
	  "012",
	  SESSION_FINISHED,
	  1,
	  0,
	  STATE },
	{ "4.05 on a Read of a 1.0 client, PROTOCOL 5.7 B5",
	  "r?wf",
	  { STATE, OK, OK },
	  "012",
	  SESSION_FINISHED,
	  1,
	  0,
	  STATE },
	{ "5.00 to each, as some clients do",
	  "w?x?f",
	  { 0xa0, 0xa0, OK },
	  "012",
	  SESSION_FINISHED,
	  2,
	  0,
	  0xa0 },
	/* finish */
	{ "finish leaves the rest out", "w!wwf", { BAD, OK }, "03", SESSION_FINISHED, 1, 0, BAD },
	{ "finish leads to the next Finish only",
	  "w!wfwf",
	  { BAD, OK, OK, OK },
	  "0234",
	  SESSION_FINISHED,
	  1,
	  0,
	  BAD },
	{ "finish without any", "ww!w", { OK, BAD }, "01", SESSION_FINISHED, 1, 1, BAD },
	{ "finish, and the Finish is refused",
	  "w!wf",
	  { BAD, WRONG },
	  "02",
	  SESSION_FAILED,
	  1,
	  0,
	  BAD },
	/* corrections */
	{ "nothing to correct", "wfw+f+", { OK, OK }, "01", SESSION_FINISHED, 0, 0, 0 },
	{ "corrected", "wfw+f+", { OK, WRONG, OK, OK }, "0123", SESSION_FINISHED, 1, 1, WRONG },
	{ "corrected in vain",
	  "wfw+f+",
	  { OK, WRONG, OK, WRONG },
	  "0123",
	  SESSION_FAILED,
	  1,
	  1,
	  WRONG },
	{ "only 4.06 is corrected", "wfw+f+", { OK, BAD }, "01", SESSION_FAILED, 0, 0, 0 },
	{ "the correction is refused",
	  "wfw+f+",
	  { OK, WRONG, BAD },
	  "012",
	  SESSION_FAILED,
	  1,
	  1,
	  WRONG },
	{ "two rounds, one needed",
	  "wfw+f+w+f+",
	  { OK, WRONG, OK, OK },
	  "0123",
	  SESSION_FINISHED,
	  1,
	  1,
	  WRONG },
	{ "two rounds, both needed",
	  "wfw+f+w+f+",
	  { OK, WRONG, OK, WRONG, OK, OK },
	  "012345",
	  SESSION_FINISHED,
	  2,
	  1,
	  WRONG },
	{ "what follows the corrections",
	  "wfw+f+wf",
	  { OK, OK, OK, OK },
	  "0145",
	  SESSION_FINISHED,
	  0,
	  0,
	  0 },
};

static uint8_t
expected_code(const struct batch_step *step)
{
	switch (step->expect) {
	case BATCH_EXPECT_DELETE:
		return COAP_DELETED;
	case BATCH_EXPECT_DISCOVER:
	case BATCH_EXPECT_READ:
		return COAP_CONTENT;
	default:
		return COAP_CHANGED;
	}
}

/* Whether the datagram that was just sent is this step. */
static void
expect_step(const struct world *world, const struct batch_step *step, const char *what)
{
	struct coap_msg msg = sent(world, world->out.used - 1);

	cr_expect_eq(msg.header.code, step->code, "%s", what);
	cr_expect_eq(msg.options_len, step->options_len, "%s", what);
	cr_expect(memcmp(msg.options, batch_step_options(step), step->options_len) == 0, "%s",
		  what);
}

static void
run_case(const struct policy_case *c)
{
	struct world *world = world_new(2);
	struct batch *batch = world_batch_of(world, 11542, c->letters);
	struct coap_header request;
	unsigned i = 0;

	world_device(world, "dev-0001", batch, 0);
	request = start(world);
	for (;;) {
		unsigned step = (unsigned)(c->sent[i] - '0');
		uint8_t code = c->answers[i];

		cr_assert_lt(step, batch->n_steps, "%s: more than %s", c->what, c->sent);
		expect_step(world, batch->steps[step], c->what);
		reply_as(world, &request, COAP_ACK,
			 code == OK ? expected_code(batch->steps[step]) : code, 0);
		i++;
		if (!world->out.used)
			break;
		request = asked(world);
	}
	cr_expect_eq(c->sent[i], '\0', "%s: %u steps", c->what, i);
	expect_ended(world, c->kind, c->kind == SESSION_FINISHED ? CAUSE_NONE : CAUSE_REPLY);
	cr_expect_eq(last_event(world)->kind, c->kind, "%s", c->what);
	cr_expect_eq(last_event(world)->refused_steps, c->refused_steps, "%s", c->what);
	cr_expect_eq(last_event(world)->refused_step, c->refused_step, "%s", c->what);
	cr_expect_eq(last_event(world)->refused_code, c->refused_code, "%s", c->what);
	cr_expect_eq(world_count(world, COUNTER_bs_steps_refused), c->refused_steps);
	cr_expect_eq(world_count(world, COUNTER_bs_illegal), 0);
	world_free(world);
}

Test(policies, refused_steps)
{
	for (size_t i = 0; i < sizeof policy_cases / sizeof policy_cases[0]; i++)
		run_case(&policy_cases[i]);
}

/* The step that failed is told beside those that were tolerated before. */
Test(policies, a_failure_after_a_tolerated_refusal_names_both)
{
	struct world *world = world_new(2);
	struct coap_header request;

	world_device(world, "dev-0001", world_batch_of(world, 11542, "w?wf"), 0);
	request = start(world);
	reply_as(world, &request, COAP_ACK, COAP_BAD_REQUEST, 0);
	request = asked(world);
	reply_as(world, &request, COAP_ACK, COAP_NOT_FOUND, 0);
	expect_ended(world, SESSION_FAILED, CAUSE_REPLY);
	cr_expect_eq(last_event(world)->step, 1);
	cr_expect_eq(last_event(world)->code, COAP_NOT_FOUND);
	cr_expect_eq(last_event(world)->refused_step, 0);
	cr_expect_eq(last_event(world)->refused_code, COAP_BAD_REQUEST);
	world_free(world);
}

/* Policies are about answers: silence and Reset end the run whatever they say. */
Test(policies, silence_and_reset_are_no_answers)
{
	struct world *world = world_new(2);
	struct coap_header request;
	uint8_t bytes[sizeof request_bytes];

	world_device(world, "dev-0001", world_batch_of(world, 11542, "w?wf"), 0);
	request = start_at(world, 1);
	reply_as(world, &request, COAP_RST, COAP_EMPTY, 0);
	expect_ended(world, SESSION_FAILED, CAUSE_RESET);
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	for (unsigned i = 0; i < 5; i++)
		world_tick(world, (UINT64_C(3000000) << i) + WORLD_TICKS_US);
	expect_ended(world, SESSION_FAILED, CAUSE_TIMEOUT);
	world_free(world);
}

/* A run that is refused here and there leaves nothing to the next one. */
Test(policies, refusals_are_counted_from_the_start_of_each_run)
{
	struct world *world = world_new(2);
	struct coap_header request;
	uint8_t bytes[sizeof request_bytes];

	world_device(world, "dev-0001", world_batch_of(world, 11542, "w?f"), 0);
	request = start(world);
	reply_as(world, &request, COAP_ACK, COAP_BAD_REQUEST, 0);
	request = asked(world);
	accept_step(world, &request);
	cr_expect_eq(last_event(world)->refused_steps, 1);
	memcpy(bytes, request_bytes, sizeof bytes);
	bytes[7] ^= 1;
	world_feed(world, PORT, bytes, sizeof bytes);
	request = asked(world);
	accept_step(world, &request);
	request = asked(world);
	accept_step(world, &request);
	cr_expect_eq(last_event(world)->kind, SESSION_FINISHED);
	cr_expect_eq(last_event(world)->refused_steps, 0);
	cr_expect_eq(last_event(world)->refused_code, COAP_EMPTY);
	world_free(world);
}

/* A write in blocks that makes no sense is no refusal. */
Test(policies, nonsense_in_a_transfer_ends_the_run_whatever_the_policy)
{
	struct world *world = world_new(2);
	struct batch *batch = world_batch(world, 11542, 3000);
	struct coap_header request;

	world->steps[0][0]->on_error = BATCH_CONTINUE;
	world_device(world, "dev-0001", batch, 0);
	request = start(world);
	reply_as(world, &request, COAP_ACK, COAP_CHANGED, 0); /* after the first of three blocks */
	expect_ended(world, SESSION_FAILED, CAUSE_BLOCKS);
	cr_expect_eq(last_event(world)->code, COAP_CHANGED);
	cr_expect_eq(world_count(world, COUNTER_bs_failed_blocks), 1);
	world_free(world);
}
