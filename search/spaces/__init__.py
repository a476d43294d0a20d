"""The search space: what varies, over which ranges and when, from the YAML files beside this."""
