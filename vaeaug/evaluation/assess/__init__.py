"""Does augmentation help this classifier on this data: strategies, folds, statistics and the verdict."""
