/*
 * channel.h - how the process that serves and the one that is to serve next talk: messages over a pair of
 * sockets, each a JSON object with the word `say`, and descriptors that go with it.
 *
 *	old                                new
 *	begin  version, format      ---->  reads configuration and policy
 *	                            <----  found  formats, workers, text
 *	lets go of the store
 *	store                       ---->  loads devices and reports, opens its ports
 *	                            <----  ready  text
 *	stopping                    ---->  reads away what its ports have received
 *	                            <----  emptied
 *	its workers rest
 *	state  descriptors          ---->  takes sessions
 *	                            <----  loaded
 *	closes the ports that one process at a time can have
 *	ports                       ---->  opens them
 *	                            <----  opened
 *	go                          ---->  its workers begin
 *	                            <----  serving
 *
 * Instead of any answer: refused, with a reason; and progress, any number of times, before `ready`. A
 * channel that ends is a refusal, too. Up to `go` the old process goes on where the new one fails, after it
 * nothing of it does. Words that are not known are ignored.
 *
 * One thread each. Allocates.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

enum {
	CHANNEL_MESSAGE_MAX = 128 << 10,
	CHANNEL_FDS_MAX = 80,
	CHANNEL_FORMAT = 1, /* of the messages; that of records is their own */
};

struct channel_message {
	json_t *words; /* a reference; NULL: none */
	char say[32];
	int fds[CHANNEL_FDS_MAX];
	unsigned n_fds;
};

/* Both ends, closed on exec. 0 or -errno. */
int channel_pair(int ends[2]);
/* Takes `words` over, NULL: none. 0 or -errno. */
int channel_send(int fd, const char *say, json_t *words, const int *fds, unsigned n_fds);
/*
 * The next message: 1; 0: none within timeout_ms (-1: waits for it); -EPIPE: the other end is closed; -EMFILE: not all of its
 * descriptors could be opened here; else -errno.
 * It is to be let go of by channel_message_fini(), which closes the descriptors that are still >= 0.
 */
int channel_receive(int fd, int timeout_ms, struct channel_message *message);
void channel_message_fini(struct channel_message *message);
/* A word of the message as text, "" where there is none. */
const char *channel_text(const struct channel_message *message, const char *word);
