"""Servers that tests speak to: real ones started here, and scripted ones that say so."""
