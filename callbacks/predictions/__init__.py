"""Tables of predictions, written while a run predicts."""
