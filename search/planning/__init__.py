"""What a command line asks for, settled into a plan, and the commands that follow it."""
