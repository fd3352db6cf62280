"""The wire: TLS server, tokens, credentials."""
