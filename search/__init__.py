"""The search for the penalty: configuration, proposals, solvers, the choice of the winner, and its promotion."""
