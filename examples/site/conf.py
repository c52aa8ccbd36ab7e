"""Configuration of the documentation site.

Build it from the root of the repository, without a network::

    python -m sphinx -W -b html examples/site build/site

The gallery then shows the pictures in ``examples/figures``. With ``VAEAUG_GALLERY=1`` in the environment
every script runs first, and its new picture and its time are shown.
"""

import os
import sys
from pathlib import Path

import vaeaug

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for site_pages
os.environ.setdefault("MPLBACKEND", "agg")
# albumentations would ask the package registry for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

project = "vaeaug"
author = "the vaeaug developers"
copyright = author
release = version = vaeaug.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "site_pages",
]
exclude_patterns = ["gallery/*.ipynb", "gallery/*.py"]
templates_path = ["_templates"]
default_role = "code"
nitpicky = False

# --- API reference
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections have them
autodoc_member_order = "groupwise"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # the template of classes lists them

# --- Gallery
sphinx_gallery_conf = {
    "examples_dirs": "..",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"(site|figures)[/\\]",
    "plot_gallery": os.environ.get("VAEAUG_GALLERY") == "1",
    "image_scrapers": (),
    "reset_argv": "site_pages.choose_folder",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "within_subsection_order": "site_pages.ExampleOrder",
    "nested_sections": False,
    "write_computation_times": False,
}
suppress_warnings = ["config.cache"]  # reset_argv and the like are names, which Sphinx may keep

# --- Pages
html_theme = "pydata_sphinx_theme"
html_title = "vaeaug"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
html_sidebars = {"benchmarks/**": ["sidebar-nav-bs"], "changelog": [], "contributing": [], "start": []}
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 7,
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
}
