"""What becomes of an incident: told, told again, kept quiet, delivered."""
