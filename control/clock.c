#include "control/clock.h"

#include <sys/resource.h>
#include <time.h>

uint64_t
clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t
clock_wall_ms(uint64_t then_us, uint64_t now_us)
{
	return clock_now_ms() - (now_us > then_us ? (now_us - then_us) / 1000 : 0);
}

uint64_t
clock_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
clock_thread_us(void)
{
	struct timespec spent;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
	return (uint64_t)spent.tv_sec * 1000000 + (uint64_t)spent.tv_nsec / 1000;
}

struct clock_switches
clock_thread_switches(void)
{
	struct rusage usage;

	/* Fails for arguments that are wrong alone. */
	if (getrusage(RUSAGE_THREAD, &usage))
		return (struct clock_switches){ 0 };
	return (struct clock_switches){ (uint64_t)usage.ru_nivcsw, (uint64_t)usage.ru_nvcsw };
}
