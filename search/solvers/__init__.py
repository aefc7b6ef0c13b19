"""Solvers for the penalties of one set of training rows, and certificates that check what they return."""
