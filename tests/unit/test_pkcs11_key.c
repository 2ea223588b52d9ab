/*
 * A key of ours in a token, and the pool of sessions that sign with it: how many sign at once, what a token that
 * allows few makes of the others, and what happens when it is lost. The token is a table of functions here;
 * softhsm2 plays it where the whole appliance is tested.
 */
#include <criterion/criterion.h>

#include "control/policy/pkcs11_key.c"

enum { KEY = 7, SLOT = 3, SIGNERS = 4, EACH = 50 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned wanted_at_once; /* signatures wait for each other until so many are under way */
	unsigned now, most;
	unsigned sessions_max, n_open, opened;
	bool open[1024]; /* by handle */
	bool lost;       /* every session so far is of no use any more */
} token;

static CK_RV
list_slots(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *n)
{
	slots[0] = SLOT;
	*n = 1;
	return CKR_OK;
}

static CK_RV
token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	memset(info, ' ', sizeof *info);
	return slot == SLOT ? CKR_OK : CKR_SLOT_ID_INVALID;
}

static CK_RV
open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *ctx, CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
	CK_RV code = CKR_SESSION_COUNT;

	pthread_mutex_lock(&token.lock);
	if (token.n_open < token.sessions_max) {
		*session = ++token.opened;
		token.open[*session] = true;
		token.n_open++;
		code = CKR_OK;
	}
	pthread_mutex_unlock(&token.lock);
	return code;
}

static CK_RV
close_session(CK_SESSION_HANDLE session)
{
	pthread_mutex_lock(&token.lock);
	cr_assert(token.open[session], "closed twice");
	token.open[session] = false;
	token.n_open--;
	pthread_mutex_unlock(&token.lock);
	return CKR_OK;
}

static CK_RV
find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *wanted, CK_ULONG n)
{
	return CKR_OK;
}

static CK_RV
find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG max, CK_ULONG *n)
{
	objects[0] = KEY;
	*n = 1;
	return CKR_OK;
}

static CK_RV
find_final(CK_SESSION_HANDLE session)
{
	return CKR_OK;
}

static CK_RV
sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	return key == KEY && mechanism->mechanism == CKM_ECDSA ? CKR_OK : CKR_KEY_HANDLE_INVALID;
}

/* The signature is the hash, twice. */
static CK_RV
sign(CK_SESSION_HANDLE session, CK_BYTE *hash, CK_ULONG len, CK_BYTE *signature, CK_ULONG *signature_len)
{
	static unsigned lost_up_to;
	CK_RV code = CKR_OK;

	pthread_mutex_lock(&token.lock);
	if (token.lost) {
		lost_up_to = token.opened;
		token.lost = false;
	}
	if (session <= lost_up_to)
		code = CKR_DEVICE_REMOVED;
	token.now++;
	token.most = token.now > token.most ? token.now : token.most;
	pthread_cond_broadcast(&token.changed);
	while (token.most < token.wanted_at_once)
		pthread_cond_wait(&token.changed, &token.lock);
	token.now--;
	pthread_mutex_unlock(&token.lock);
	memcpy(signature, hash, len);
	memcpy(signature + len, hash, len);
	*signature_len = 2 * len;
	return code;
}

static CK_FUNCTION_LIST functions = {
	.C_GetSlotList = list_slots,
	.C_GetTokenInfo = token_info,
	.C_OpenSession = open_session,
	.C_CloseSession = close_session,
	.C_FindObjectsInit = find_init,
	.C_FindObjects = find_objects,
	.C_FindObjectsFinal = find_final,
	.C_SignInit = sign_init,
	.C_Sign = sign,
};

static struct pkcs11_key key;

static void
setup(void)
{
	static CK_FUNCTION_LIST *modules[] = { &functions, NULL };

	pthread_mutex_init(&token.lock, NULL);
	pthread_cond_init(&token.changed, NULL);
	token.sessions_max = 100;
	pthread_mutex_init(&key.lock, NULL);
	pthread_cond_init(&key.returned, NULL);
	key.token.uri = p11_kit_uri_new();
	key.token.modules = modules;
	cr_assert_null(find(&key));
	begin_pool(&key);
}

static void
teardown(void)
{
	close_idle(&key);
	cr_assert_eq(token.n_open, 0, "%u sessions stay open", token.n_open);
	p11_kit_uri_free(key.token.uri);
}

TestSuite(pkcs11_key, .init = setup, .fini = teardown);

static bool
signs(uint8_t byte)
{
	uint8_t hash[PKCS11_HASH], signature[PKCS11_SIGNATURE];

	memset(hash, byte, sizeof hash);
	return pkcs11_key_sign(&key, hash, signature) && memcmp(signature, hash, sizeof hash) == 0 &&
	       memcmp(signature + PKCS11_HASH, hash, sizeof hash) == 0;
}

static void *
sign_often(void *ctx)
{
	unsigned *good = ctx;

	for (unsigned i = 0; i < EACH; i++)
		*good += signs((uint8_t)i);
	return NULL;
}

static void
sign_by_many(void)
{
	unsigned good[SIGNERS] = { 0 };
	pthread_t threads[SIGNERS];

	for (unsigned i = 0; i < SIGNERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, sign_often, &good[i]), 0);
	for (unsigned i = 0; i < SIGNERS; i++) {
		pthread_join(threads[i], NULL);
		cr_assert_eq(good[i], EACH);
	}
}

Test(pkcs11_key, as_many_sign_at_once_as_there_are_threads)
{
	token.wanted_at_once = SIGNERS; /* none ends before all have begun */
	sign_by_many();
	cr_assert_eq(token.most, SIGNERS);
	cr_assert_eq(token.opened, SIGNERS, "sessions are used again");
}

Test(pkcs11_key, a_token_of_few_sessions_lets_the_others_wait)
{
	token.sessions_max = 2;
	sign_by_many();
	cr_assert_leq(token.most, 2);
}

Test(pkcs11_key, a_token_that_was_lost_is_opened_anew_for_all)
{
	sign_by_many();
	token.lost = true;
	sign_by_many();
	cr_assert(signs(1));
}

Test(pkcs11_key, a_token_that_is_gone_refuses_and_is_taken_again_when_it_is_back)
{
	token.lost = true;
	token.sessions_max = 0; /* no session is to be had */
	cr_assert_not(signs(1));
	cr_assert_not(signs(1));
	token.sessions_max = 100;
	cr_assert(signs(1));
}

Test(pkcs11_key, one_that_refused_the_pin_is_left_alone)
{
	unsigned before = token.opened;

	token.lost = true;
	key.token.pin_refused = true;
	cr_assert_not(signs(1));
	cr_assert_eq(token.opened, before);
}
