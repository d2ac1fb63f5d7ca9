"""From script to episode: timeline, subtitles, master, report."""
