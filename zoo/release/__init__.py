"""Releases: cards, exported folders, graphs, repositories and Spaces on the Hub."""
