"""Pages and tables of results, as HTML and Markdown."""
