/*
 * What the writes of a task add up to: accounts that clients refuse, or accept and cannot use (OMA
 * TS Core 7.3, and the "clients commonly ..." of TASKS facts 5). Warnings only: another task of the
 * run, or what the device has already, may make them right. Only what is known ahead is judged; a
 * value that a device decides is taken to be good.
 */
#include <stdio.h>
#include <string.h>

#include "tasks/model/task_tree.h"
#include "tasks/utf8.h"

enum {
	OBJECT_SECURITY = 0,
	OBJECT_SERVER = 1,
	OBJECT_ACCESS_CONTROL = 2,

	SECURITY_URI = 0,
	SECURITY_BOOTSTRAP = 1,
	SECURITY_MODE = 2,
	SECURITY_IDENTITY = 3,
	SECURITY_SERVER_KEY = 4,
	SECURITY_SECRET = 5,
	SECURITY_SSID = 10,
	SERVER_SSID = 0,
	SERVER_LIFETIME = 1,
	SERVER_STORING = 6,
	SERVER_BINDING = 7,

	MODE_PSK = 0,
	MODE_RPK = 1,
	MODE_CERTIFICATE = 2,
	MODE_NOSEC = 3,
	MODE_EST = 4,

	PSK_IDENTITY_MAX = 128, /* OMA TS Transport 5.2.9.1: what every peer must take */
	PSK_MAX = 64,
	ACCOUNTS_MAX = 64,  /* instances looked at */
	RESOURCES_MAX = 32, /* of objects 0 and 1 */
};

/* One instance of object 0 or 1, put together from its writes. */
struct account {
	uint16_t object, instance;
	const struct task_node *first; /* where warnings about the whole stand */
	const struct task_node
		*writes[RESOURCES_MAX]; /* NULL: not written; the last one otherwise */
	bool varies[RESOURCES_MAX];     /* written differently by more than one write */
};

struct rules {
	const struct task *task;
	struct diag_list *diags;
	struct account accounts[ACCOUNTS_MAX];
	unsigned n_accounts;
	bool open;           /* more is written than is known here: nothing is called missing */
	bool access_control; /* object 2 is written, too */
};

static void __attribute__((format(printf, 4, 5)))
warn(struct rules *rules, const struct task_node *node, int index, const char *format, ...)
{
	struct place place = { rules->task->name, node->attributes[index].line,
			       node->attributes[index].column, tag_name(node),
			       tag_rules[node->tag].attributes[index].name };
	va_list args;

	va_start(args, format);
	diag_add(rules->diags, DIAG_WARNING, &place, format, args);
	va_end(args);
}

static struct account *
find_account(struct rules *rules, const struct task_node *node)
{
	const struct lwm2m_path *path = &node->write.key.path;
	struct account *account;

	for (unsigned i = 0; i < rules->n_accounts; i++) {
		account = &rules->accounts[i];
		if (account->object == path->object && account->instance == path->instance)
			return account;
	}
	if (rules->n_accounts == ACCOUNTS_MAX) {
		rules->open = true;
		return NULL;
	}
	account = &rules->accounts[rules->n_accounts++];
	*account = (struct account){ (uint16_t)path->object, (uint16_t)path->instance, node };
	return account;
}

static void
collect_write(struct rules *rules, const struct task_node *node)
{
	const struct lwm2m_path *path = &node->write.key.path;
	struct account *account;

	if (!node->write.key_known) {
		rules->open = true;
		return;
	}
	rules->access_control |= path->object == OBJECT_ACCESS_CONTROL;
	if (path->object > OBJECT_SERVER || path->resource >= RESOURCES_MAX)
		return;
	account = find_account(rules, node);
	if (!account)
		return;
	account->varies[path->resource] |= account->writes[path->resource] != NULL;
	account->writes[path->resource] = node;
}

static void
collect(struct rules *rules, const struct task_node *node)
{
	for (; node; node = node->next) {
		if (node->tag == TAG_WRITE || node->tag == TAG_UPLOAD)
			collect_write(rules, node);
		/* A server's definition brings accounts of its own. */
		rules->open |= node->tag == TAG_CONFIGURATION;
		if (node->otherwise)
			collect(rules, node->otherwise);
		collect(rules, node->children);
	}
}

/* The value that goes out for every device, or NULL. */
static const struct lwm2m_value *
fixed(const struct account *account, int resource)
{
	const struct task_node *node = account->writes[resource];

	return node && node->write.fixed && !account->varies[resource] ? &node->write.values[0]
								       : NULL;
}

static bool
fixed_integer(const struct account *account, int resource, int64_t *number)
{
	const struct lwm2m_value *value = fixed(account, resource);

	if (value)
		*number = value->integer;
	return value != NULL;
}

static bool
begins_with(const struct lwm2m_value *value, const char *text)
{
	size_t len = strlen(text);

	return value && value->bytes.len >= len && !memcmp(value->bytes.at, text, len);
}

/* Written, and not known to be empty. */
static bool
has_bytes(const struct account *account, int resource)
{
	const struct lwm2m_value *value = fixed(account, resource);

	return account->writes[resource] && (!value || value->bytes.len);
}

static void
warn_superfluous(struct rules *rules, const struct account *account, int resource, const char *mode)
{
	const struct task_node *node = account->writes[resource];
	const struct lwm2m_value *value = fixed(account, resource);

	/* A computed value may well be empty for the devices that need it so. */
	if (value && value->bytes.len)
		warn(rules, node, WRITE_VALUE,
		     "%s is written, but security mode %s uses none: write ${''}",
		     node->write.key.resource->name, mode);
}

/* What PSK clients take as identity and key (OMA TS Transport 5.2.9.1). */
static void
warn_psk(struct rules *rules, const struct account *account)
{
	const struct lwm2m_value *identity = fixed(account, SECURITY_IDENTITY);
	const struct lwm2m_value *secret = fixed(account, SECURITY_SECRET);

	if (identity && identity->bytes.len > PSK_IDENTITY_MAX)
		warn(rules, account->writes[SECURITY_IDENTITY], WRITE_VALUE,
		     "the PSK identity has %zu bytes: clients take up to %d", identity->bytes.len,
		     PSK_IDENTITY_MAX);
	if (identity && !utf8_valid((const char *)identity->bytes.at, identity->bytes.len))
		warn(rules, account->writes[SECURITY_IDENTITY], WRITE_VALUE,
		     "the PSK identity is not valid UTF-8: clients compare it as text");
	if (secret && secret->bytes.len > PSK_MAX)
		warn(rules, account->writes[SECURITY_SECRET], WRITE_VALUE,
		     "the PSK has %zu bytes: clients take up to %d", secret->bytes.len, PSK_MAX);
	if (!rules->open &&
	    (!has_bytes(account, SECURITY_IDENTITY) || !has_bytes(account, SECURITY_SECRET)))
		warn(rules, account->writes[SECURITY_MODE], WRITE_VALUE,
		     "security mode PSK needs an identity (resource 3) and a key (resource 5)");
}

static void
warn_keys(struct rules *rules, const struct account *account, int64_t mode)
{
	static const char *const names[] = { "PSK", "RPK", "Certificate", "NoSec", "EST" };

	if (mode == MODE_NOSEC || mode == MODE_EST) {
		warn_superfluous(rules, account, SECURITY_IDENTITY, names[mode]);
		warn_superfluous(rules, account, SECURITY_SECRET, names[mode]);
	}
	if (mode == MODE_NOSEC || mode == MODE_PSK)
		warn_superfluous(rules, account, SECURITY_SERVER_KEY, names[mode]);
	if (mode == MODE_PSK)
		warn_psk(rules, account);
	for (int i = SECURITY_IDENTITY;
	     (mode == MODE_RPK || mode == MODE_CERTIFICATE) && i <= SECURITY_SECRET; i++)
		if (begins_with(fixed(account, i), "-----BEGIN"))
			warn(rules, account->writes[i], WRITE_VALUE,
			     "this is PEM: clients take DER (OMA TS Transport 5.2.9)");
}

static void
warn_scheme(struct rules *rules, const struct account *account, int64_t mode)
{
	const struct lwm2m_value *uri = fixed(account, SECURITY_URI);
	bool secured = begins_with(uri, "coaps");

	if (!uri || !begins_with(uri, "coap"))
		return;
	if (secured && mode == MODE_NOSEC)
		warn(rules, account->writes[SECURITY_URI], WRITE_VALUE,
		     "the URI says coaps, but the security mode is NoSec: write coap, or another "
		     "mode");
	if (!secured && mode != MODE_NOSEC)
		warn(rules, account->writes[SECURITY_URI], WRITE_VALUE,
		     "the URI says coap, but the security mode is %d: write coaps, or mode 3",
		     (int)mode);
}

/* The account of the other object that has the same Short Server ID. */
static const struct account *
find_partner(const struct rules *rules, uint16_t object, int64_t ssid)
{
	int resource = object == OBJECT_SECURITY ? SECURITY_SSID : SERVER_SSID;
	int64_t other;

	for (unsigned i = 0; i < rules->n_accounts; i++) {
		const struct account *account = &rules->accounts[i];

		if (account->object != object)
			continue;
		/* One whose id a device decides may be the one. */
		if (account->writes[resource] && !fixed(account, resource))
			return account;
		if (fixed_integer(account, resource, &other) && other == ssid)
			return account;
	}
	return NULL;
}

static void
warn_missing(struct rules *rules, const struct account *account, const int *resources, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct object_def *object = account->first->write.key.object;
		const struct resource_def *resource =
			object ? object_resource(object, (uint16_t)resources[i]) : NULL;

		if (!account->writes[resources[i]] && resource)
			warn(rules, account->first, WRITE_KEY,
			     "%s %u is written without the mandatory %s", object->name,
			     account->instance, resource->name);
	}
}

static void
warn_security_ids(struct rules *rules, const struct account *account)
{
	const struct lwm2m_value *bootstrap = fixed(account, SECURITY_BOOTSTRAP);
	int64_t ssid;

	if (bootstrap && bootstrap->boolean) {
		warn(rules, account->writes[SECURITY_BOOTSTRAP], WRITE_VALUE,
		     "this writes a bootstrap account: clients refuse a second one beside their "
		     "own");
		return;
	}
	if (!bootstrap || rules->open)
		return;
	if (!account->writes[SECURITY_SSID])
		warn(rules, account->first, WRITE_KEY,
		     "Security instance %u of a server has no Short Server ID", account->instance);
	else if (fixed_integer(account, SECURITY_SSID, &ssid) &&
		 !find_partner(rules, OBJECT_SERVER, ssid))
		warn(rules, account->writes[SECURITY_SSID], WRITE_VALUE,
		     "no Server instance with Short Server ID %d is written", (int)ssid);
}

static void
warn_security(struct rules *rules, const struct account *account)
{
	static const int mandatory[] = { SECURITY_URI, SECURITY_BOOTSTRAP, SECURITY_MODE };
	int64_t mode;

	if (account->instance == 0)
		warn(rules, account->first, WRITE_KEY,
		     "clients commonly keep their bootstrap account in Security instance 0: write "
		     "another one");
	if (fixed_integer(account, SECURITY_MODE, &mode)) {
		warn_scheme(rules, account, mode);
		warn_keys(rules, account, mode);
	}
	warn_security_ids(rules, account);
	if (!rules->open)
		warn_missing(rules, account, mandatory, sizeof mandatory / sizeof *mandatory);
}

/* Bindings U and T against the URI of the account with the same id. */
static void
warn_binding(struct rules *rules, const struct account *account, const struct account *security)
{
	const struct lwm2m_value *binding = fixed(account, SERVER_BINDING);
	const struct lwm2m_value *uri = fixed(security, SECURITY_URI);
	bool tcp = begins_with(uri, "coap+tcp:") || begins_with(uri, "coaps+tcp:");

	if (!binding || !uri || !begins_with(uri, "coap"))
		return;
	if (!memchr(binding->bytes.at, tcp ? 'T' : 'U', binding->bytes.len))
		warn(rules, account->writes[SERVER_BINDING], WRITE_VALUE,
		     "the binding lacks %s, but the URI of its Security instance %u is of that "
		     "transport",
		     tcp ? "T" : "U", security->instance);
}

static void
warn_server(struct rules *rules, const struct account *account)
{
	static const int mandatory[] = { SERVER_SSID, SERVER_LIFETIME, SERVER_STORING,
					 SERVER_BINDING };
	const struct account *security;
	int64_t ssid;

	if (!rules->open)
		warn_missing(rules, account, mandatory, sizeof mandatory / sizeof *mandatory);
	if (!fixed_integer(account, SERVER_SSID, &ssid))
		return;
	security = find_partner(rules, OBJECT_SECURITY, ssid);
	if (security)
		warn_binding(rules, account, security);
	else if (!rules->open)
		warn(rules, account->writes[SERVER_SSID], WRITE_VALUE,
		     "no Security instance with Short Server ID %d is written", (int)ssid);
}

static void
warn_same_ids(struct rules *rules, const struct account *account, const struct account *other)
{
	int resource = account->object == OBJECT_SECURITY ? SECURITY_SSID : SERVER_SSID;
	int64_t a, b;

	if (account->object == other->object && fixed_integer(account, resource, &a) &&
	    fixed_integer(other, resource, &b) && a == b)
		warn(rules, account->writes[resource], WRITE_VALUE,
		     "instance %u of the object has Short Server ID %d already", other->instance,
		     (int)a);
}

/* Who may do what must be written as soon as there are two servers (OMA TS Core 8.1). */
static void
warn_access(struct rules *rules)
{
	const struct account *second = NULL;
	unsigned servers = 0;

	for (unsigned i = 0; i < rules->n_accounts; i++)
		if (rules->accounts[i].object == OBJECT_SERVER && ++servers == 2)
			second = &rules->accounts[i];
	if (second && !rules->access_control && !rules->open)
		warn(rules, second->first, WRITE_KEY,
		     "more than one server needs Access Control instances (object 2), or the "
		     "second has no rights");
}

void
task_warn(const struct task *task, struct diag_list *diags)
{
	/* About 30 KB: a task is loaded on the control side, where stacks are large. */
	struct rules rules = { .task = task, .diags = diags };

	collect(&rules, task->root);
	for (unsigned i = 0; i < rules.n_accounts; i++) {
		struct account *account = &rules.accounts[i];

		if (account->object == OBJECT_SECURITY)
			warn_security(&rules, account);
		else
			warn_server(&rules, account);
		for (unsigned j = 0; j < i; j++)
			warn_same_ids(&rules, account, &rules.accounts[j]);
	}
	warn_access(&rules);
}
