"""The arithmetic of pruning as functions on tensors: sums of squares, Gram matrices, selection, the OBS sweep."""
