"""The released implementation: its parameters in our model, and its numbers against ours."""
