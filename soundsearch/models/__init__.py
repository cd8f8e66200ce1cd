"""Models: what hears and reads. Importing any of it comes before torch."""

import os

# Threads that wait sleep. Else they spin, which doubles what the model costs the processor, and
# makes it several times slower where others (a DAW) want the cores, too. OpenMP reads this once.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
