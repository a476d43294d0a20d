"""DLF, the Disentangled-Language-Focused model: data, model, losses, metrics and training."""
