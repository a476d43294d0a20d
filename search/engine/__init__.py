"""Training on Ray Tune: trials are begun, followed, stopped and begun again, whoever plans them."""
