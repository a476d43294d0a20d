"""The model registry: trained models packed for MLflow, and which of them is the champion."""
