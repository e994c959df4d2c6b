"""What the commands do that need no room of their own, and how they speak at a terminal."""
