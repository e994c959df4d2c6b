"""Our codes as rules of other tools: Sentry, Prometheus, Sigma."""
