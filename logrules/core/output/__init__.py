"""A command's own lines on their way out: how loud, without secrets, as events, fewer."""
