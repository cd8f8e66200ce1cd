"""Sound files in, samples and facts out. Imports numpy, soundfile, av, soxr and tag readers only:
it runs in processes that may die."""
