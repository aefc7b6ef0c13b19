"""What is proposed: one Optuna study per family, its sampler, and the storage that keeps it."""
