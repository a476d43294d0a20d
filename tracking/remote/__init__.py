"""Studies whose folder is on a remote file system, with a working copy on this machine."""
