/*
 * forbidden_call.c - preloaded into cradled: a call that no thread's list has, where a signal is put into words (as the
 * appliance stops).
 */
#include <dlfcn.h>
#include <stdint.h>
#include <sys/ptrace.h>

char *strsignal(int number);

char *
strsignal(int number)
{
	char *(*real)(int) = (char *(*)(int))(uintptr_t)dlsym(RTLD_NEXT, "strsignal");

	(void)ptrace(PTRACE_PEEKUSER, 1, 0, 0);
	return real(number);
}
