"""What every test may use."""

from hypothesis import settings

# A machine that has other work to do is no mistake of ours.
settings.register_profile("talk", deadline=None)
settings.load_profile("talk")
