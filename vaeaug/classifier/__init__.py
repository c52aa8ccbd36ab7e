"""A classifier that augments its training data: how it is trained, chosen and calibrated."""
