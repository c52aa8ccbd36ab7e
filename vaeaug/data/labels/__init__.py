"""Labels and control variables as contexts of a model, and how many rows each class is to have."""
