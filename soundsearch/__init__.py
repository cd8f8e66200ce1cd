"""SoundSearch finds sounds in a person's own folders by description, by name and by example."""

__version__ = "0.1.0"
