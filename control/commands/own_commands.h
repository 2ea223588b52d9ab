/*
 * own_commands.h - commands that the daemon gives itself, as an operator would: checked, told, kept as versions.
 *
 * Rollouts that halt or go on by themselves, and the policy that other members of a cluster made. Control thread; as long as
 * those commands take.
 */
#pragma once

struct daemon;

/* To be called every few milliseconds, while no command runs. */
void own_commands_give(struct daemon *daemon);
