"""Training of one configuration: batches, the recipe, epochs, and the best model of them."""
