"""How trials are solved: the loop, and the engines that solve on a thread, in processes or on a cluster."""
