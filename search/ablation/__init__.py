"""An ablation: the rows of the paper's Table 2 over one configuration, on the same seeds."""
