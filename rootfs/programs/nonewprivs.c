/* Says which user it acts as. Installed with the set-user-ID bit, it shows whether no_new_privs (prctl(2)) is on. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	printf("Effective uid: %d\n", (int)geteuid());
	return 0;
}
