#include "control/commands/own_commands.h"

#include <stdlib.h>
#include <unistd.h>

#include "control/clock.h"
#include "control/commands/commands.h"
#include "control/log.h"
#include "control/runs/policy_share.h"
#include "control/runs/rollouts.h"

/* As an operator would: told, kept as a version. *why: malloc'ed, NULL where all went well. */
static bool
serve_own(struct daemon *daemon, int argc, const char *const *argv, char **why)
{
	const struct ctl_request request = { .argc = argc,
					     .argv = argv,
					     .fd = -1,
					     .actor = "cradled",
					     .peer = { .pid = getpid(), .uid = getuid() } };
	struct ctl_answer answer = { 0 };

	commands_serve(daemon, &request, &answer);
	*why = answer.exit == CTL_DONE ? NULL : answer.error;
	if (!*why)
		free(answer.error);
	free(answer.text);
	json_decref(answer.result);
	return answer.exit == CTL_DONE;
}

/*
 * A rollout that is to halt or to go on does so by a command like an operator's: checked, live, told and kept as a version.
 */
static void
move_rollouts(struct daemon *daemon)
{
	struct rollout_due due;
	char *why;
	bool halt;

	if (!daemon->service.generation || !rollouts_due(&daemon->service, clock_now_ms(), &due))
		return;
	halt = due.reason[0];
	const char
		*const halting[] = { "task", "rollout", "halt", due.id, "--message", due.reason },
		       *const going_on[] = { "task", "rollout",   "advance",
					     due.id, "--message", "by its schedule" };

	log_event(SEVERITY_WARNING, LOG_EVENT_rollout, NULL, "rollout of task %s %s%s", due.id,
		  halt ? "is halted: " : "goes on by its schedule", due.reason);
	if (!serve_own(daemon, 6, halt ? halting : going_on, &why))
		log_event(SEVERITY_ERROR, LOG_EVENT_rollout, NULL, "rollout of task %s: %s", due.id,
			  why ? why : "it could not be changed");
	free(why);
}

static const char *const pull_words[] = { "cluster", "policy", "pull", "--discard" },
			 *const push_words[] = { "cluster", "policy", "push", "--message",
						 "stopped while the database was away" };
enum { PULL_WORDS = 3, PULL_DISCARD_WORDS = 4, PUSH_WORDS = 5, UNSENT_WORDS_MAX = 32 };

/* Once more, on top of what others made of the policy meanwhile. */
static void
serve_unsent(struct daemon *daemon, json_t *unsent)
{
	const char *words[UNSENT_WORDS_MAX];
	json_t *command, *word;
	size_t i, k;
	char *why;

	json_array_foreach(unsent, i, command)
	{
		int n = 0;

		json_array_foreach(command, k, word) if (n < UNSENT_WORDS_MAX) words[n++] =
			json_string_value(word);
		if (!serve_own(daemon, n, words, &why))
			log_event(SEVERITY_ERROR, LOG_EVENT_cluster_policy, NULL,
				  "what was done while the database was away is not done again: %s",
				  why ? why : "out of memory");
		free(why);
	}
}

static void
send_unsent(struct daemon *daemon, bool behind)
{
	json_t *unsent = json_incref(daemon->service.share.unsent);
	char *why;
	bool good = behind ? serve_own(daemon, PULL_DISCARD_WORDS, pull_words, &why)
			   : serve_own(daemon, PUSH_WORDS, push_words, &why);

	free(why);
	if (good && behind)
		serve_unsent(daemon, unsent);
	json_decref(unsent);
}

/* What other members made of the policy is taken over, and what could not go up before goes. */
static void
follow_policy(struct daemon *daemon)
{
	struct service *service = &daemon->service;
	uint64_t now_ms = clock_now_ms();
	char *why = NULL;
	bool behind;

	if (!service->cluster || !service->generation)
		return;
	if (policy_share_is_unsent(service, now_ms, &behind))
		send_unsent(daemon, behind);
	else if (policy_share_is_due(service, now_ms) &&
		 !serve_own(daemon, PULL_WORDS, pull_words, &why))
		policy_share_refused(service, clock_now_ms(), why ? why : "out of memory");
	free(why);
}

void
own_commands_give(struct daemon *daemon)
{
	move_rollouts(daemon);
	follow_policy(daemon);
}
