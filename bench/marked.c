// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command between two marks:
 *
 *	marked COMMAND...
 *
 * Its status is the command's.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mark.h"

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	MARK(0);
	pid = argc > 1 ? fork() : -1;
	if (!pid) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		perror("marked");
		return 1;
	}
	MARK(1);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
