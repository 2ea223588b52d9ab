/* trust.conf: our certificates and keys, and whose certificates we take. Its files are in certs/. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/inventory/inventory.h"
#include "control/pkcs11_token.h"
#include "control/policy/cert_name.h"
#include "control/policy/pkcs11_key.h"
#include "control/policy/policy_help.h"
#include "control/policy/policy_reading.h"
#include "control/policy/policy_trust.h"
#include "control/text.h"
#include "tasks/digest.h"
#include "tasks/text_file.h"

enum {
	CERT_FILE_MAX = 4 << 20, /* a revocation list of 100,000 devices */
	GRACE_DAYS_MAX = 100 * 366,
	CREATE_PER_MINUTE = 60, /* who rolls out a factory's output says more */
	CREATE_PER_MINUTE_MAX = 600000,
	DAY_S = 86400,
};

const char *const policy_unknown_names[POLICY_UNKNOWNS] = {
	[POLICY_UNKNOWN_REFUSE] = "refuse",
	[POLICY_UNKNOWN_LIST] = "list",
	[POLICY_UNKNOWN_CREATE] = "create",
};
static const struct words unknown_words = { policy_unknown_names, POLICY_UNKNOWNS,
					    "refuse, list, create" };

static const struct conf_member trust_members[] = {
	{ "own", "a list of our certificates and keys" },
	{ "anchors", "a list of authorities whose devices get in" },
	{ "crls", "revocation lists, files of certs/; an authority without one revokes nobody" },
	{ "deny", "SHA-256 of certificates or public keys that are refused, in hex" },
	{ "grace_days", "so long after its end a device's certificate is taken; 0 without it" },
};

const struct policy_section policy_section_trust = {
	"THE FILE", "Whose certificates get in, and which are ours. Files are in certs/ beside it.",
	trust_members, COUNT(trust_members)
};
static const struct conf_member own_members[] = {
	{ "key", "file of certs/ with a private key, PEM or DER, that nobody else can read; or "
		 "\"pkcs11:...\", a key in a token (RFC 7512)" },
	{ "chain", "file of certs/: our certificate, then what is above it but for the root; "
		   "without it the key is for raw public keys" },
	{ "names", "server names that clients ask for, \"*.DOMAIN\" for one label; without it for "
		   "those who name none" },
};

const struct policy_section policy_section_own = { "OUR CERTIFICATES", "own = ( { ... }, { ... } )",
						   own_members, COUNT(own_members) };
static const struct conf_member anchor_members[] = {
	{ "file", "file of certs/ with certificates of an authority" },
	{ "endpoint",
	  "template over cert.* that makes the endpoint's name; \"${cert.cn}\" without it" },
	{ "unknown", "what becomes of a device that is in no inventory: \"list\" (without it), "
		     "\"refuse\" or \"create\"" },
	{ "groups", "of devices that are created; root without it" },
	{ "create_per_minute", "devices that it creates at most; 60 without it" },
};

const struct policy_section policy_section_anchors = { "AUTHORITIES",
						       "anchors = ( { ... }, { ... } )",
						       anchor_members, COUNT(anchor_members) };

/* ---- what it was made of ---- */

/* Adds a file to the digest of all; its name is in trust.conf, which is the first of them. */
static void
note_content(struct reading *reading, const char *bytes, size_t len)
{
	struct policy_trust *trust = reading->policy->trust;
	uint8_t both[2 * DIGEST_MAX];

	memcpy(both, trust->content, DIGEST_MAX);
	if (!digest_bytes(DIGEST_SHA256, (struct digest_span){ bytes, len }, both + DIGEST_MAX) ||
	    !digest_bytes(DIGEST_SHA256, (struct digest_span){ both, sizeof both }, trust->content))
		diag_error(reading->diags, &(struct place){ .file = "trust.conf" },
			   "out of memory");
}

/* ---- files of certs/ ---- */

/* A file's bytes, be they PEM or DER; NULL after adding an error at the setting. Wipe and free it. */
static char *
read_bytes(struct reading *reading, const config_setting_t *at, const char *name, size_t *len)
{
	char file[sizeof "certs/" + POLICY_FILE_NAME_MAX], *bytes;
	struct place place = conf_place(reading->conf, at);
	int result;

	if (!policy_file_name_is_good(name)) {
		diag_error(reading->diags, &place,
			   "\"%.80s\" is no file of certs/: write its name alone", name);
		return NULL;
	}
	snprintf(file, sizeof file, "certs/%s", name);
	result = policy_read_bytes(reading, file, CERT_FILE_MAX, &bytes, len);
	if (result == 0) {
		note_content(reading, bytes, *len);
		return bytes;
	}
	diag_error(reading->diags, &place, "%s/%s cannot be read: %s", reading->folder, file,
		   result == -EFBIG ? "it is too large" : text_file_error(result));
	return NULL;
}

static void
wipe(char *bytes, size_t len)
{
	if (bytes)
		explicit_bzero(bytes, len);
	free(bytes);
}

/* A private key that others can read is one no more. */
static void
check_mode(struct reading *reading, const config_setting_t *at, const char *name)
{
	struct place place = conf_place(reading->conf, at);
	char path[POLICY_PATH_MAX];
	struct stat stat_;

	snprintf(path, sizeof path, "%s/certs/%s", reading->folder, name);
	if (stat(path, &stat_) == 0 && stat_.st_mode & 077)
		diag_error(reading->diags, &place,
			   "%s can be read by others (mode %03o): chmod 600, and if it was so for "
			   "long, make a new key",
			   path, stat_.st_mode & 0777);
}

/* ---- ours ---- */

static void
take_names(struct reading *reading, const config_setting_t *group, struct ec_own *own)
{
	const config_setting_t *list = conf_list(reading->conf, group, "names", reading->diags);
	int n = list ? config_setting_length(list) : 0;
	struct place place;

	if (n > EC_OWN_NAMES) {
		place = conf_place(reading->conf, list);
		diag_error(reading->diags, &place, "more than %d names", EC_OWN_NAMES);
		n = EC_OWN_NAMES;
	}
	for (int i = 0; i < n; i++) {
		const char *name = config_setting_get_string_elem(list, i);

		place = conf_place(reading->conf, list);
		if (name && *name && strlen(name) <= 255)
			own->names[own->n_names++] = name;
		else
			diag_error(reading->diags, &place,
				   "name %d is none: text of 1 to 255 bytes, such as "
				   "\"bs.example.com\" or \"*.example.com\"",
				   i + 1);
	}
}

static bool
take_token_key(struct reading *reading, const config_setting_t *at, const char *uri,
	       struct ec_signer *signer)
{
	struct place place = conf_place(reading->conf, at);
	char error[PKCS11_ERROR_MAX];
	struct pkcs11_key *key = pkcs11_key_open(uri, error);

	if (!key) {
		diag_error(reading->diags, &place, "%s", error);
		return false;
	}
	reading->policy->trust->has_token = true;
	*signer = (struct ec_signer){ pkcs11_key_sign, pkcs11_key_close, key, { 0 } };
	memcpy(signer->point, pkcs11_key_point(key), sizeof signer->point);
	return true;
}

/* The key itself: bytes of a file, or where a token has it. False after adding an error. */
static bool
take_key(struct reading *reading, const config_setting_t *at, const char *key, struct ec_own *own)
{
	if (pkcs11_is_uri(key))
		return take_token_key(reading, at, key, &own->signer);
	check_mode(reading, at, key);
	own->key.at = read_bytes(reading, at, key, &own->key.len);
	return own->key.at;
}

/* What was added last came from this file; NULL: from none. */
static void
note_file(struct reading *reading, const char *name)
{
	struct policy_trust *trust = reading->policy->trust;
	struct policy_trust_file *file;
	const char *subject;
	int64_t ends_s = ec_trust_last_end(trust->ec, &subject);

	if (!name)
		return;
	file = arena_alloc(reading->arena, sizeof *file);
	if (!file) {
		(void)policy_keep(reading, name); /* says so */
		return;
	}
	*file = (struct policy_trust_file){ .name = policy_keep(reading, name),
					    .subject = policy_keep(reading, subject),
					    .ends_s = ends_s,
					    .next = trust->files };
	trust->files = file;
}

static void
read_own(struct reading *reading, const config_setting_t *group)
{
	struct place place = conf_place(reading->conf, group);
	const char *key, *chain;
	char *chain_bytes = NULL, error[EC_ERROR_MAX];
	struct ec_own own = { 0 };
	bool has_key;

	place.tag = "own";
	if (!config_setting_is_group(group)) {
		diag_error(reading->diags, &place, "a certificate of ours must be a group { }");
		return;
	}
	conf_check_members(reading->conf, group, own_members, COUNT(own_members), reading->diags);
	key = conf_string(reading->conf, group, "key", NULL, reading->diags);
	chain = conf_string(reading->conf, group, "chain", NULL, reading->diags);
	if (!key) {
		if (!config_setting_get_member(group, "key"))
			diag_error(reading->diags, &place, "\"key\" is missing here");
		return;
	}
	take_names(reading, group, &own);
	has_key = take_key(reading, config_setting_get_member(group, "key"), key, &own);
	if (chain)
		chain_bytes = read_bytes(reading, config_setting_get_member(group, "chain"), chain,
					 &own.chain.len);
	own.chain.at = chain_bytes;
	if (has_key && (chain_bytes || !chain) &&
	    ec_trust_add_own(reading->policy->trust->ec, &own, error) == 0) {
		own.signer.release = NULL; /* it is the trust's */
		note_file(reading, chain);
	} else if (has_key && (chain_bytes || !chain)) {
		diag_error(reading->diags, &place, "%s%s%s%s: %s", own.signer.sign ? "" : "certs/",
			   own.signer.sign ? "the token" : key, chain ? " and certs/" : "",
			   chain ? chain : "", error);
	}
	if (own.signer.release)
		own.signer.release(own.signer.ctx);
	wipe((char *)own.key.at, own.key.len);
	wipe(chain_bytes, own.chain.len);
}

/* ---- names ---- */

/* The templates of anchors by their tags: helper threads may hold the trust longer than the policy
 * lives, so these go with it. */
struct cert_names {
	struct cert_name *names[POLICY_ANCHORS_MAX]; /* NULL: it is wrong, and was told */
};

static void
free_names(void *ctx)
{
	struct cert_names *names = ctx;

	for (unsigned i = 0; i < POLICY_ANCHORS_MAX; i++)
		cert_name_free(names->names[i]);
	free(names);
}

/* ec_naming: runs on helper threads, on what the anchors say, which never changes. A certificate
 * that no anchor vouches for is named by its subject, for the list of those that were refused. */
static size_t
name_endpoint(void *ctx, uint8_t tag, const struct ec_subject *subject, char *name, size_t size)
{
	const struct cert_names *names = ctx;
	size_t len = strlen(subject->cn);

	assert(tag <= POLICY_ANCHORS_MAX);
	if (tag && names->names[tag - 1])
		return cert_name_make(names->names[tag - 1], subject, name, size, NULL);
	if (len > size)
		return 0;
	memcpy(name, subject->cn, len);
	return len;
}

/* ---- whom we trust ---- */

static struct cert_name *
take_endpoint(struct reading *reading, const config_setting_t *group, struct policy_anchor *anchor)
{
	const char *text =
		conf_string(reading->conf, group, "endpoint", CERT_NAME_DEFAULT, reading->diags);
	const config_setting_t *member = config_setting_get_member(group, "endpoint");
	struct place place = conf_place(reading->conf, member ? member : group);

	place.tag = "endpoint";
	anchor->endpoint = policy_keep(reading, text);
	return cert_name_parse(text, &place, reading->diags);
}

/* Adds the name of a group to a list of them; false after adding an error. */
static bool
add_group(struct reading *reading, const config_setting_t *list, int i, struct text *groups)
{
	const struct policy *policy = reading->policy;
	const char *name = config_setting_get_string_elem(list, i), *nearest;
	struct place place = conf_place(reading->conf, list);

	place.tag = "groups";
	if (!name || !*name) {
		diag_error(reading->diags, &place, "group %d is no name in quotes", i + 1);
		return false;
	}
	text_printf(groups, "%s%s", groups->len ? "," : "", name);
	/* Of groups that could not be read nothing is known. */
	if (!policy->by_name || policy->incomplete || policy_group(policy, name, strlen(name)))
		return true;
	nearest = policy_nearest_group(policy, name);
	diag_error(reading->diags, &place, "there is no group \"%.80s\"%s%s%s", name,
		   nearest ? "; did you mean \"" : ": add it to groups.conf",
		   nearest ? nearest : "", nearest ? "\"?" : "");
	return false;
}

static void
take_groups(struct reading *reading, const config_setting_t *group, struct policy_anchor *anchor)
{
	const config_setting_t *list = conf_list(reading->conf, group, "groups", reading->diags);
	int n = list ? config_setting_length(list) : 0;
	char canonical[DEVICE_LIST_MAX];
	struct place place;
	struct text groups;
	bool good = true;

	text_init(&groups);
	for (int i = 0; i < n; i++)
		good &= add_group(reading, list, i, &groups);
	if (good && n && group_list_canonical(text_str(&groups), canonical) < 0) {
		place = conf_place(reading->conf, list);
		diag_error(reading->diags, &place, "more than %d groups, or too long names",
			   DEVICE_GROUPS_MAX);
	} else if (good && n) {
		anchor->groups = policy_keep(reading, canonical);
	}
	text_fini(&groups);
}

/* What becomes of an endpoint that nobody knows. */
static void
take_unknown(struct reading *reading, const config_setting_t *group, struct policy_anchor *anchor)
{
	static const char *const of_create[] = { "groups", "create_per_minute" };
	const struct conf_range rates = { 1, CREATE_PER_MINUTE_MAX, CREATE_PER_MINUTE };
	struct place place;

	anchor->unknown = (enum policy_unknown)policy_word(reading, group, "unknown",
							   &unknown_words, POLICY_UNKNOWN_LIST);
	anchor->create_per_minute = (uint32_t)conf_number(reading->conf, group, "create_per_minute",
							  rates, reading->diags);
	take_groups(reading, group, anchor);
	for (unsigned i = 0; i < 2 && anchor->unknown != POLICY_UNKNOWN_CREATE; i++) {
		const config_setting_t *member = config_setting_get_member(group, of_create[i]);

		if (!member)
			continue;
		place = conf_place(reading->conf, member);
		place.tag = of_create[i];
		diag_error(reading->diags, &place,
			   "says how devices are created, and none are: `unknown = \"create\"` is "
			   "missing, or this is too much");
	}
}

static void
read_anchor(struct reading *reading, const config_setting_t *group)
{
	struct policy_trust *trust = reading->policy->trust;
	struct policy_anchor *anchor = &trust->anchors[trust->n_anchors];
	struct place place = conf_place(reading->conf, group);
	char *bytes, error[EC_ERROR_MAX];
	struct cert_name *parsed;
	struct ec_bytes file;
	const char *name;

	place.tag = "anchors";
	if (!config_setting_is_group(group)) {
		diag_error(reading->diags, &place, "an anchor must be a group { }");
		return;
	}
	conf_check_members(reading->conf, group, anchor_members, COUNT(anchor_members),
			   reading->diags);
	name = conf_string(reading->conf, group, "file", NULL, reading->diags);
	*anchor = (struct policy_anchor){ .file = policy_keep(reading, name) };
	take_unknown(reading, group, anchor);
	parsed = take_endpoint(reading, group, anchor);
	if (!name) {
		cert_name_free(parsed);
		if (!config_setting_get_member(group, "file"))
			diag_error(reading->diags, &place, "\"file\" is missing here");
		return;
	}
	anchor->name = trust->names->names[trust->n_anchors] = parsed;
	bytes = read_bytes(reading, config_setting_get_member(group, "file"), name, &file.len);
	file.at = bytes;
	trust->n_anchors++;
	if (bytes && ec_trust_add_anchor(trust->ec, file, (uint8_t)trust->n_anchors, error) < 0)
		diag_error(reading->diags, &place, "certs/%s: %s", name, error);
	else if (bytes)
		note_file(reading, name);
	wipe(bytes, file.len);
}

static void
read_crl(struct reading *reading, const config_setting_t *list, unsigned i)
{
	const char *name = config_setting_get_string_elem(list, (int)i);
	struct place place = conf_place(reading->conf, list);
	char *bytes, error[EC_ERROR_MAX];
	struct ec_bytes file;

	if (!name) {
		diag_error(reading->diags, &place, "revocation list %u is no file name", i + 1);
		return;
	}
	bytes = read_bytes(reading, list, name, &file.len);
	file.at = bytes;
	if (bytes && ec_trust_add_crl(reading->policy->trust->ec, file, error) < 0)
		diag_error(reading->diags, &place, "certs/%s: %s", name, error);
	else if (bytes)
		note_file(reading, name);
	wipe(bytes, file.len);
}

/* "aa:bb:.." as openssl prints it, or plain hexadecimal. */
static bool
read_fingerprint(const char *text, uint8_t fingerprint[32])
{
	unsigned n = 0;

	for (; *text; text++) {
		const char *digits = "0123456789abcdef", *digit;

		if (*text == ':' && n % 2 == 0)
			continue;
		digit = strchr(digits, *text | 0x20);
		if (!digit || n == 64)
			return false;
		fingerprint[n / 2] = (uint8_t)(n % 2 ? fingerprint[n / 2] << 4 : 0);
		fingerprint[n / 2] |= (uint8_t)(digit - digits);
		n++;
	}
	return n == 64;
}

static void
read_denied(struct reading *reading, const config_setting_t *list, unsigned i)
{
	const char *text = config_setting_get_string_elem(list, (int)i);
	struct place place = conf_place(reading->conf, list);
	uint8_t fingerprint[32];

	if (!text || !read_fingerprint(text, fingerprint))
		diag_error(reading->diags, &place,
			   "entry %u is no SHA-256: 64 hexadecimal digits of a certificate or of "
			   "its public key",
			   i + 1);
	else if (ec_trust_deny(reading->policy->trust->ec, fingerprint) < 0)
		diag_error(reading->diags, &place, "out of memory");
}

static void
each(struct reading *reading, const char *name, int most,
     void (*read)(struct reading *reading, const config_setting_t *list, unsigned i))
{
	const config_setting_t *root = conf_text_root(reading->conf);
	const config_setting_t *list = conf_list(reading->conf, root, name, reading->diags);
	int n = list ? config_setting_length(list) : 0;
	struct place place;

	if (n > most) {
		place = conf_place(reading->conf, list);
		diag_error(reading->diags, &place, "more than %d", most);
		return;
	}
	for (int i = 0; i < n; i++)
		read(reading, list, (unsigned)i);
}

static void
read_own_of(struct reading *reading, const config_setting_t *list, unsigned i)
{
	read_own(reading, config_setting_get_elem(list, i));
}

static void
read_anchor_of(struct reading *reading, const config_setting_t *list, unsigned i)
{
	read_anchor(reading, config_setting_get_elem(list, i));
}

/* ---- the file ---- */

static void
read_trust(struct reading *reading)
{
	const config_setting_t *root = conf_text_root(reading->conf), *own;
	const struct conf_range days = { 0, GRACE_DAYS_MAX, 0 };
	struct place place = { .file = reading->conf->name };
	struct policy_trust *trust = reading->policy->trust;

	conf_check_members(reading->conf, root, trust_members, COUNT(trust_members),
			   reading->diags);
	ec_trust_set_grace(trust->ec, DAY_S * conf_number(reading->conf, root, "grace_days", days,
							  reading->diags));
	each(reading, "own", 1000, read_own_of);
	each(reading, "anchors", POLICY_ANCHORS_MAX, read_anchor_of);
	each(reading, "crls", 1000, read_crl);
	each(reading, "deny", 100000, read_denied);
	own = config_setting_get_member(root, "own");
	if (!own || config_setting_length(own) == 0)
		diag_error(
			reading->diags, &place,
			"\"own\" is missing here: without a key of ours no device can verify us");
}

/* NULL: out of memory. */
static struct policy_trust *
trust_new(void)
{
	struct policy_trust *trust = calloc(1, sizeof *trust);

	if (!trust)
		return NULL;
	trust->ec = ec_trust_new();
	trust->names = calloc(1, sizeof *trust->names);
	if (trust->ec && trust->names) {
		ec_trust_set_naming(trust->ec, name_endpoint, trust->names, free_names);
		return trust;
	}
	free(trust->names);
	ec_trust_release(trust->ec);
	free(trust);
	return NULL;
}

int
policy_read_trust(struct reading *reading)
{
	char path[POLICY_PATH_MAX];
	struct conf_text conf;
	size_t len;
	char *text;
	int result;

	if (!policy_has_file(reading, "trust.conf"))
		return 0;
	text = policy_read_file(reading, "trust.conf", path, &len);
	if (!text)
		return -EINVAL;
	result = conf_text_parse(&conf, path, text, len, reading->diags);
	if (result < 0)
		goto out;
	reading->conf = &conf;
	reading->policy->trust = trust_new();
	if (reading->policy->trust) {
		note_content(reading, text, len);
		read_trust(reading);
	} else {
		diag_error(reading->diags, &(struct place){ .file = path }, "out of memory");
	}
	conf_text_fini(&conf);
	reading->conf = NULL;
out:
	free(text);
	return result;
}

const struct policy_anchor *
policy_trust_anchor(const struct policy_trust *trust, uint8_t tag, uint32_t generation)
{
	if (!trust || !tag || tag > trust->n_anchors ||
	    generation != ec_trust_generation(trust->ec))
		return NULL;
	return &trust->anchors[tag - 1];
}

void
policy_trust_go_on(struct policy_trust *trust, const struct policy_trust *former)
{
	if (trust->has_token || memcmp(trust->content, former->content, sizeof trust->content) != 0)
		return;
	ec_trust_hold(former->ec);
	ec_trust_release(trust->ec);
	trust->ec = former->ec;
	trust->names = former->names;
	for (unsigned i = 0; i < trust->n_anchors; i++)
		trust->anchors[i].name = trust->names->names[i];
}

void
policy_trust_free(struct policy_trust *trust)
{
	if (!trust)
		return;
	ec_trust_release(trust->ec);
	free(trust);
}

const struct policy_trust_file *
policy_trust_file(const struct policy_trust *trust, const char *name)
{
	const struct policy_trust_file *file = trust ? trust->files : NULL;

	while (file && (!file->name || strcmp(file->name, name) != 0))
		file = file->next;
	return file;
}
