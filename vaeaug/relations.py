"""Rules between columns as objects, for ``VAEAugmenter(relations=[...])``; text says the same."""

from vaeaug.data.relations.objects import Condition, Dependence, Equation, Implication, Order

__all__ = ["Condition", "Dependence", "Equation", "Implication", "Order"]
