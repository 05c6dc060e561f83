"""Pictures: small copies of them. `pictures` reads untrusted files within bounds, `thumbnails` is the kind."""
