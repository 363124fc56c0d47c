"""Images and plots that several callbacks draw."""
