"""Relations: rules between columns that real rows keep, found or declared, and how new rows keep them."""
