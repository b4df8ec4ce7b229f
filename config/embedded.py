def provide_servers(argv: list[str]) -> None:
    """Starts the private servers."""
