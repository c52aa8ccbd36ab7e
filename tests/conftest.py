"""Settings of the whole test run; must not import numpy or torch before they are made."""

import os

# Networks in tests are tiny: a second thread gains nothing, and where other processes keep
# the cores busy it costs a factor of ten.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Importing albumentations must not look for updates.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
