"""Pictures of a phone's lock screen with pushes: as SVG for the pages, as PNG, and for a terminal."""
