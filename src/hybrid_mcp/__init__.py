"""hybrid-mcp: a research paper goes in, a narrated and subtitled episode comes out."""

__version__ = "0.1.0"
