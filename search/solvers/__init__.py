"""Solvers of one penalty plane on one set of training rows, and the certificates of what they return."""
