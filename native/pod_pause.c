/* The first process of a PID namespace that a pod's containers share. It holds the namespace and reaps orphans; it is
 * this same program, started in an empty root without capabilities by a plan of its own. */
#include "pod.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int pause_main(void)
{
	sigset_t set;
	/* Again: execve of a program with other credentials clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "pyrt-pause");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		siginfo_t info;
		int signal = sigwaitinfo(&set, &info);
		if (signal == SIGTERM || signal == SIGINT)
			return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
