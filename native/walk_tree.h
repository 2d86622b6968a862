/* Walking a directory that containers write to while we look: what it holds, and whose it is. */
#ifndef PYRT_WALK_TREE_H
#define PYRT_WALK_TREE_H

#include <stdint.h>

struct tree_usage {
	uint64_t bytes;  /* allocated, as du(1) counts: a file with several names counts once */
	uint64_t inodes; /* the top directory too */
};

/* Both walks follow no symbolic link, stay on the top's mount (what is mounted below is passed over), and hold at most 66 descriptors
 * however deep the tree is. What vanishes while they walk is no error. 0, or an errno: ENOENT when there is no such directory; ESTALE
 * when a directory deeper than 64 levels was moved away while the walk was inside it. */

/* On ESTALE `found` holds what had been counted. */
int tree_usage(const char *path, struct tree_usage *found);

/* Everything gets the group `gid`; files g+rw, directories g+rwx and set-group-ID; with `readonly` not the w. The mode of a symbolic
 * link is left alone. The top directory comes last, so that it tells whether all of it was done. */
int tree_set_group(const char *path, uint32_t gid, int readonly);

#endif
