/* The next process takes over. */
#include <unistd.h>

#include "control/commands/commands.h"
#include "control/commands/upgrade.h"

/* Another configuration can name a library to load: that is for who could run it anyway. */
static bool
may_choose(struct call *call, const char *config)
{
	uid_t uid = call->request->peer.uid;

	if (!config || uid == 0 || uid == geteuid())
		return true;
	call_refuse(call, CTL_REFUSED,
		    "--with is for root, and the user that the appliance runs as");
	return false;
}

void
command_upgrade(struct call *call)
{
	const struct upgrade_wish wish = { .config = call_option(call, "--with") };

	if (wish.config && wish.config[0] != '/')
		call_refuse(call, CTL_USAGE,
			    "--with needs a whole path, as \"/etc/cradle/new.conf\"");
	else if (may_choose(call, wish.config))
		upgrade_run(call, &wish);
}
