"""Settings of the whole suite."""

import os

# Before torch is imported. The models here are tiny, and threads that wait for each other only slow a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
