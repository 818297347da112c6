"""The account as tools for agents, over the Model Context Protocol (the extra `mcp`)."""

from appcues_async.mcp.server import make_server, serve

__all__ = ["make_server", "serve"]
