"""The Ray that trials run on: this machine alone, or a cluster whose nodes come and go."""
