"""Readings: how written words are spoken."""
