"""DLF as a network: its parts, each with the equation or section of the paper it is from."""
