/*
 * dtls_step.h - the actions of the handshake's state machine. dtls_handshake.c has the table and
 * calls the two files that act: dtls_step_hello.c up to ServerHelloDone, dtls_step_finish.c from
 * ClientKeyExchange on; dtls_step_certificate.c is the way between them with certificates.
 * dtls_step.c is what those share.
 *
 * An action gets one event and returns how the handshake goes on. Neither allocates nor blocks.
 */
#pragma once

#include "dataplane/core/dtls/dtls_ec.h"
#include "dataplane/core/dtls/dtls_handshake.h"

/* One event on its way to its action. */
struct step {
	const struct dtls_server *server;
	struct dtls_handshake *hs;
	const struct dtls_record *record;
	const struct dtls_message *message; /* of events that are messages */
	struct dtls_turn *turn;
};

/* ---- dtls_step.c ---- */

/* The one writer of the state. */
void step_set_state(struct dtls_handshake *hs, enum dtls_state state);
/* Ends the handshake, with an alert unless DTLS_NO_ALERT. It is sent once: the peer's next try
 * is another handshake. */
enum dtls_progress step_fail(struct step *step, enum dtls_alert alert, enum counter why);
/* Goes on as if nothing had come. */
enum dtls_progress step_ignore(struct step *step, enum counter why);
/* The same for a copy of what was taken already. */
enum dtls_progress step_outdated(struct step *step);
/* The same for a message whose turn has not come: its sender repeats it. */
enum dtls_progress step_ahead(struct step *step);
/* Goes on as well, but what came is the verdict if the client never shows its key. */
enum dtls_progress step_doubt(struct step *step, enum dtls_doubt doubt, enum counter why);
/* That doubt, if it is the one there is, was about another's: the client has shown its own. */
void step_clear_doubt(struct dtls_handshake *hs, enum dtls_doubt doubt);
/* When the handshake ends, whatever comes. */
uint64_t step_last_us(const struct dtls_handshake *hs);
/* The same for a message in plaintext that has no place here (RFC 5246 7.4). */
enum dtls_progress step_unexpected(struct step *step);
/* Tells of a client that is not served. */
void step_tell_unserved(const struct step *step, enum dtls_unserved what, const uint8_t *offered,
			size_t len, size_t whole_len);
/* RFC 5246 7.2: an authentic fatal alert or closure ends it; warnings change nothing. */
enum dtls_progress step_judge_alert(struct step *step, const uint8_t *body, size_t len);
/* The client has another key than its identity, or an identity that nobody has. */
enum dtls_progress step_refuse_key(struct step *step);
/*
 * Takes the step's message into the transcript, as if it had not been fragmented (RFC 6347 4.2.6):
 * one that was not is hashed as it lies in its record, of another `body` is what was put together.
 */
void step_hash_message(struct step *step, const uint8_t *body);

/* ---- dtls_step_certificate.c ---- */

/* A suite with certificates was chosen: asks for our key share and its signature. */
enum dtls_progress step_ask_own(struct step *step, const struct dtls_offer *offer);
enum dtls_progress step_take_own(struct step *step);
enum dtls_progress step_gather_certificate(struct step *step);
enum dtls_progress step_gather_key_share(struct step *step);
enum dtls_progress step_gather_certificate_verify(struct step *step);
enum dtls_progress step_take_verdict(struct step *step);
/* Whether trust has changed since this one judged; what follows then: the device begins again. */
bool step_trust_is_old(const struct step *step, uint32_t trust);
enum dtls_progress step_judge_anew(struct step *step);
/* The doubt about its certificate became the verdict. */
enum dtls_progress step_judge_certificate(struct step *step);

/* ---- dtls_step_hello.c ---- */

enum dtls_progress step_gather_hello(struct step *step);
enum dtls_progress step_refuse_hello(struct step *step, enum dtls_alert alert);
/* The hello came again, so the client may not have our flight. Of a fragmented one the first
 * fragment tells. */
enum dtls_progress step_repeat_flight(struct step *step);
enum dtls_progress step_send_flight_again(struct step *step);

/* ---- dtls_step_finish.c ---- */

/* Also a second one, when there are keys: the first one's rival. */
enum dtls_progress step_gather_exchange(struct step *step);
/* ChangeCipherSpec overtook the key exchange. Noted, no more: keys come from the key exchange
 * alone. */
enum dtls_progress step_note_change_cipher_spec(struct step *step);
enum dtls_progress step_take_change_cipher_spec(struct step *step);
/* A protected record before its keys are known: kept when it may be Finished. */
enum dtls_progress step_keep_early(struct step *step);
enum dtls_progress step_take_protected(struct step *step);
/* The verdict was good: goes on with the keys that a helper made; gives back what it had. */
enum dtls_progress step_take_secrets(struct step *step, const struct ec_secrets *secrets);
