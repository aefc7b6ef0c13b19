"""What people read of a search: files, figures, text in MLflow and in the terminal, and progress."""
