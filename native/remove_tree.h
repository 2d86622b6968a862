/* Removing a directory and everything below it. */
#ifndef PYRT_REMOVE_TREE_H
#define PYRT_REMOVE_TREE_H

/* Symbolic links are removed, never followed; a mount point stops it (EBUSY), so does another file system (EXDEV). However deep the
 * tree is, two descriptors are open. 0, or errno of the first that could not be removed; ENOENT when there is no such directory. */
int remove_tree(const char *path);

#endif
