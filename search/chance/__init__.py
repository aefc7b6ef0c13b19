"""Is a search better than chance? Targets that only chance could tie to the features, and the same choice for each."""
