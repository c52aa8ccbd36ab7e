"""How posterior and prior are paired: one flat code, or levels; named in the registry."""
